import CircuitBreaker from 'opossum'
import { halfDeadlineInFlight } from './limit.mjs'
import { OPOSSUM } from './settings.mjs'

/** A breaker whose `fire(call)` makes the call, or refuses it. */
export const createOpossum = (settings) => new CircuitBreaker((call) => call(), settings)

/**
 * opossum: breaker with its bulkhead (`capacity`). Threshold and reset time are those of its README's example, the
 * timeout is the deadline, the bulkhead holds half a deadline of work. Refusals of its own bulkhead are filtered from
 * its error count; without that it opens under any overload beyond 2×. Its latency percentiles, which decide nothing, are off.
 */
export const opossum = {
  id: 'opossum',
  needsTimers: true,
  create({ capacityPerS, deadlineMs }) {
    const settings = {
      timeout: deadlineMs,
      ...OPOSSUM,
      capacity: halfDeadlineInFlight(capacityPerS, deadlineMs),
    }
    const breaker = createOpossum({
      ...settings,
      rollingPercentilesEnabled: false,
      errorFilter: (error) => error.code === 'ESEMLOCKED',
    })
    return {
      name: 'opossum (breaker + bulkhead)',
      settings: { ...settings, errorFilter: 'ESEMLOCKED' },
      admit() {
        let permit = null
        const work = () =>
          new Promise((resolve, reject) => {
            permit = { end: (outcome) => (outcome === 'failure' ? reject(new Error('failed')) : resolve()) }
          })
        // It runs the work at once or not at all; its own promise then adds nothing.
        breaker.fire(work).catch(() => {})
        return permit
      },
      close: () => breaker.shutdown(),
    }
  },
}
