import { bulkhead, ConsecutiveBreaker, circuitBreaker, handleAll, wrap } from 'cockatiel'
import { halfDeadlineInFlight } from './limit.mjs'
import { COCKATIEL } from './settings.mjs'

/** cockatiel's breaker. @param {typeof COCKATIEL} settings */
export const createCockatielBreaker = ({ consecutiveFailures, halfOpenAfterMs }) =>
  circuitBreaker(handleAll, {
    halfOpenAfter: halfOpenAfterMs,
    breaker: new ConsecutiveBreaker(consecutiveFailures),
  })

/**
 * cockatiel: a bulkhead around a breaker (so that the bulkhead's refusals are no errors), the breaker as in the first
 * example of its readme, the bulkhead holding half a deadline of work, no queue.
 */
export const cockatiel = {
  id: 'cockatiel',
  needsTimers: true,
  create({ capacityPerS, deadlineMs }) {
    const { halfOpenAfterMs, consecutiveFailures } = COCKATIEL
    const settings = {
      halfOpenAfterMs,
      consecutiveFailures,
      bulkhead: halfDeadlineInFlight(capacityPerS, deadlineMs),
    }
    const policy = wrap(bulkhead(settings.bulkhead), createCockatielBreaker(settings))
    return {
      name: 'cockatiel (bulkhead + breaker)',
      settings,
      // While half open it holds calls back until its test has ended, so the answer may take virtual time.
      admit: () =>
        new Promise((decide) => {
          const work = () =>
            new Promise((resolve, reject) => {
              decide({ end: (outcome) => (outcome === 'failure' ? reject(new Error('failed')) : resolve()) })
            })
          policy.execute(work).catch(() => decide(null))
        }),
    }
  },
}
