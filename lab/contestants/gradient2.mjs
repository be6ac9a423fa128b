/**
 * The gradient2 concurrency limit, written from its published description (Netflix concurrency-limits), with its
 * defaults: the limit follows the ratio of a long to the present round trip, plus room for a small queue.
 *
 *   gradient = clamp(tolerance · longRtt / rtt, 0.5, 1)
 *   limit   ← (1 − smoothing) · limit + smoothing · (limit · gradient + queueSize)
 *
 * The long round trip is a moving average over ~600 samples (plain mean of the first 10), pulled down by 5 %
 * whenever it exceeds twice the present one. The limit does not move while less than half of it is in use.
 * The round trips of a window are averaged into one sample, as its WindowedLimit does; 100 ms is kinder to it here than
 * the default of 1 s or no window at all (tried over all scenarios: 57.2, 56.5 and 54.9 in sum of goodput).
 */
const SETTINGS = Object.freeze({
  initialLimit: 20,
  minLimit: 20,
  maxLimit: 200,
  smoothing: 0.2,
  queueSize: 4,
  longWindow: 600,
  warmupSamples: 10,
  rttTolerance: 1.5,
  windowMs: 100,
})

const MIN_WINDOW_SAMPLES = 10

export const gradient2 = {
  id: 'gradient2',
  create({ clock }) {
    const s = SETTINGS
    let limit = s.initialLimit
    let inFlight = 0
    let longRttMs = 0
    let samples = 0
    let window = { untilMs: s.windowMs, sumMs: 0, count: 0, maxInFlight: 0 }

    const update = (rttMs, inFlightThen) => {
      samples += 1
      const weight = samples <= s.warmupSamples ? 1 / samples : 2 / (s.longWindow + 1)
      longRttMs += (rttMs - longRttMs) * weight
      if (longRttMs > 2 * rttMs) longRttMs *= 0.95
      if (inFlightThen < limit / 2) return
      const gradient = Math.max(0.5, Math.min(1, (s.rttTolerance * longRttMs) / rttMs))
      const next = (1 - s.smoothing) * limit + s.smoothing * (limit * gradient + s.queueSize)
      limit = Math.max(s.minLimit, Math.min(s.maxLimit, next))
    }

    const observe = (rttMs, inFlightThen) => {
      window.sumMs += rttMs
      window.count += 1
      window.maxInFlight = Math.max(window.maxInFlight, inFlightThen)
      if (clock.now() >= window.untilMs && window.count > MIN_WINDOW_SAMPLES) {
        update(window.sumMs / window.count, window.maxInFlight)
        window = { untilMs: clock.now() + s.windowMs, sumMs: 0, count: 0, maxInFlight: 0 }
      }
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
