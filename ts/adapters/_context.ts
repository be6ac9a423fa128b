/** The tier of the request that is being handled, for what it asks of others. */

import { builtin } from '../base/builtin.js'
import { wrongType } from '../base/input.js'
import { unknownName } from '../base/suggest.js'
import { TIERS } from '../engine/kinds.js'
import type { Tier } from '../limiter/types.js'
import { isTier } from './_resolve.js'

const { AsyncLocalStorage } = builtin('node:async_hooks')

const tiers = new AsyncLocalStorage<Tier | undefined>()

/** The tier of the request this code runs for, where its adapter has the option `propagate`. */
export function currentTier(): Tier | undefined {
  return tiers.getStore()
}

/**
 * Runs `work`, and all it starts, for a request of this tier: jobs and consumers of queues have no adapter.
 *
 * @returns what `work` returns
 * @throws ConfigError for what is no tier, TypeError when `work` is no function
 */
export function withTier<T>(tier: Tier | undefined, work: () => T): T {
  if (tier !== undefined && !isTier(tier)) throw unknownName('tier', tier, [...TIERS].reverse())
  if (typeof work !== 'function') throw wrongType('work', 'a function', work)
  return tiers.run(tier, work)
}

/** From here on, for as long as the request lasts. */
export function enterTier(tier: Tier | undefined): void {
  tiers.enterWith(tier)
}
