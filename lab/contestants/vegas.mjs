import { stream } from '../driver/random.mjs'

/**
 * The Vegas concurrency limit, written from its published source (Netflix concurrency-limits), with its defaults: it holds
 * its own queue, limit · (1 − shortest ÷ present round trip), between α and β. Every 30 limits' worth of samples,
 * jittered, the shortest round trip is forgotten.
 */
const SETTINGS = Object.freeze({ initialLimit: 20, maxLimit: 1000, alpha: 3, beta: 6, probeMultiplier: 30 })

const log10 = (limit) => Math.max(1, Math.floor(Math.log10(limit)))

export const vegas = {
  id: 'vegas',
  create({ clock }) {
    const s = SETTINGS
    const jitter = stream('vegas/jitter')
    let limit = s.initialLimit
    let inFlight = 0
    let shortestMs = Number.POSITIVE_INFINITY
    let samples = 0
    let probeAt = 0.75 * s.probeMultiplier * limit

    const update = (rttMs, inFlightThen) => {
      samples += 1
      if (samples >= probeAt) {
        samples = 0
        probeAt = (0.5 + 0.5 * jitter()) * s.probeMultiplier * limit
        shortestMs = rttMs
        return
      }
      shortestMs = Math.min(shortestMs, rttMs)
      if (2 * inFlightThen < limit) return
      const queue = Math.ceil(limit * (1 - shortestMs / rttMs))
      const step = log10(limit)
      if (queue <= step) limit += s.beta * step
      else if (queue < s.alpha * step) limit += step
      else if (queue > s.beta * step) limit -= step
      limit = Math.max(1, Math.min(s.maxLimit, limit))
    }

    return {
      name: 'Vegas limit',
      settings: s,
      admit() {
        if (inFlight >= limit) return null
        inFlight += 1
        const startedMs = clock.now()
        const inFlightThen = inFlight
        return {
          end(outcome) {
            inFlight -= 1
            if (outcome === 'success') update(Math.max(1e-3, clock.now() - startedMs), inFlightThen)
          },
        }
      },
    }
  },
}
