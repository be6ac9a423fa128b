/** The tier of the request that is being handled, for what it asks of others. */

import { builtin } from '../base/builtin.js'
import type { Tier } from '../limiter/types.js'

const { AsyncLocalStorage } = builtin('node:async_hooks')

const tiers = new AsyncLocalStorage<Tier | undefined>()

/** The tier of the request this code runs for, where its adapter has the option `propagate`. */
export function currentTier(): Tier | undefined {
  return tiers.getStore()
}

/** Runs `work`, and all it starts, for a request of this tier: jobs and consumers of queues have no adapter. */
export function withTier<T>(tier: Tier | undefined, work: () => T): T {
  return tiers.run(tier, work)
}

/** From here on, for as long as the request lasts. */
export function enterTier(tier: Tier | undefined): void {
  tiers.enterWith(tier)
}
