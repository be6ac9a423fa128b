import { RateLimiterMemory } from 'rate-limiter-flexible'

const PERMIT = { end() {} }

/**
 * A rate limit at the true capacity: rate-limiter-flexible in memory. Its limiter counts in fixed windows; a window of
 * a quarter of the deadline is the kindest choice here, since a longer one lets through bursts that wait longer.
 * It is given the nominal capacity; that is what an operator who load-tested would configure.
 */
export const tokenBucket = {
  id: 'token-bucket',
  needsTimers: true,
  create({ capacityPerS, deadlineMs }) {
    const points = Math.max(1, Math.floor((capacityPerS * deadlineMs) / 4000))
    const settings = { points, duration: points / capacityPerS }
    const limiter = new RateLimiterMemory(settings)
    return {
      name: 'token bucket (rate-limiter-flexible)',
      settings,
      admit: () =>
        limiter.consume('route').then(
          () => PERMIT,
          () => null,
        ),
    }
  },
}
