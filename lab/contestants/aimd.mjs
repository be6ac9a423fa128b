/**
 * The AIMD concurrency limit, written from its published source (Netflix concurrency-limits), with its defaults but for the
 * timeout, which is the deadline: one more after an answer in time while half of the limit is in use, a tenth less after one
 * that is late.
 */
const SETTINGS = Object.freeze({ initialLimit: 20, minLimit: 20, maxLimit: 200, backoffRatio: 0.9 })

export const aimd = {
  id: 'aimd',
  create({ clock, deadlineMs }) {
    const s = SETTINGS
    let limit = s.initialLimit
    let inFlight = 0
    return {
      name: 'AIMD limit',
      settings: { ...s, timeoutMs: deadlineMs },
      admit() {
        if (inFlight >= limit) return null
        inFlight += 1
        const startedMs = clock.now()
        const inFlightThen = inFlight
        return {
          end(outcome) {
            inFlight -= 1
            if (outcome === 'ignored') return
            if (clock.now() - startedMs > deadlineMs) limit = Math.floor(limit * s.backoffRatio)
            else if (2 * inFlightThen >= limit) limit += 1
            limit = Math.max(s.minLimit, Math.min(s.maxLimit, limit))
          },
        }
      },
    }
  },
}
