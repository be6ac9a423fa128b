/**
 * The gradient2 concurrency limit, written from its published description (Netflix concurrency-limits), with its
 * defaults: the limit follows the ratio of a long to the present round trip, plus room for a small queue.
 *
 *   gradient = clamp(tolerance · longRtt / rtt, 0.5, 1)
 *   limit   ← (1 − smoothing) · limit + smoothing · (limit · gradient + queueSize)
 *
 * The long round trip is a moving average over ~600 samples (plain mean for the first 10), pulled down by a tenth
 * whenever it exceeds twice the present one. The limit does not move while less than half of it is in use.
 */
const SETTINGS = Object.freeze({
  initialLimit: 20,
  minLimit: 20,
  maxLimit: 200,
  smoothing: 0.2,
  queueSize: 4,
  longWindow: 600,
  warmupSamples: 10,
  rttTolerance: 1,
})

export const gradient2 = {
  id: 'gradient2',
  create({ clock, capacityPerS, deadlineMs }) {
    const s = { ...SETTINGS, maxLimit: Math.max(SETTINGS.maxLimit, Math.ceil((capacityPerS * deadlineMs) / 1000)) }
    let limit = s.initialLimit
    let inFlight = 0
    let longRttMs = 0
    let samples = 0

    const observe = (rttMs, inFlightThen) => {
      samples += 1
      const weight = samples <= s.warmupSamples ? 1 / samples : 2 / (s.longWindow + 1)
      longRttMs += (rttMs - longRttMs) * weight
      if (longRttMs > 2 * rttMs) longRttMs *= 0.9
      if (inFlightThen < limit / 2) return
      const gradient = Math.max(0.5, Math.min(1, (s.rttTolerance * longRttMs) / rttMs))
      const next = (1 - s.smoothing) * limit + s.smoothing * (limit * gradient + s.queueSize)
      limit = Math.max(s.minLimit, Math.min(s.maxLimit, next))
    }

    return {
      name: 'gradient2 limit',
      settings: s,
      admit() {
        if (inFlight >= Math.floor(limit)) return null
        inFlight += 1
        const startedMs = clock.now()
        const inFlightThen = inFlight
        return {
          end(outcome) {
            inFlight -= 1
            if (outcome === 'success') observe(Math.max(1e-3, clock.now() - startedMs), inFlightThen)
          },
        }
      },
    }
  },
}
