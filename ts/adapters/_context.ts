/** The tier of the request that is being handled, for what it asks of others. */

import type { AsyncLocalStorage } from 'node:async_hooks'
import { builtin } from '../base/builtin.js'
import { wrongType } from '../base/input.js'
import { unknownName } from '../base/suggest.js'
import { TIERS } from '../engine/kinds.js'
import type { Tier } from '../limiter/types.js'
import { isTier } from './_resolve.js'

/** Absent in a page or a service worker, where no request is followed. */
const Storage: typeof AsyncLocalStorage | undefined = builtin('node:async_hooks').AsyncLocalStorage

const tiers = Storage && new Storage<Tier | undefined>()

/** The tier of the request this code runs for, where its adapter has the option `propagate`. */
export function currentTier(): Tier | undefined {
  return tiers?.getStore()
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
  return tiers ? tiers.run(tier, work) : work()
}

/** From here on, for as long as the request lasts. */
export function enterTier(tier: Tier | undefined): void {
  tiers?.enterWith(tier)
}
