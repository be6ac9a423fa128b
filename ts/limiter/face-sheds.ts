/** Requests that were refused without the engine, by route and tier: for a budget that is spent, or for a ban. */

import { BoundedRoutes } from '../base/bounded-routes.js'
import { TIERS, type Tier } from '../engine/port.js'
import type { AtrionEvents } from '../events/events.js'
import type { LimitedBy, Permit } from './types.js'

/** Routes that are kept count of; the one that was counted first goes first. */
const ROUTES = 8_192

export class FaceSheds {
  readonly #routes = new BoundedRoutes<number[]>(ROUTES)

  add(routeId: string, tier: Tier): void {
    let counts = this.#routes.get(routeId)
    if (counts === undefined) {
      counts = TIERS.map(() => 0)
      this.#routes.set(routeId, counts)
    }
    counts[TIERS.indexOf(tier)]! += 1
  }

  /** Counts by tier, bulk to critical; undefined: there were none. */
  of(routeId: string): readonly number[] | undefined {
    return this.#routes.get(routeId)
  }
}

/** The event of a refusal. */
export function shedOf(routeId: string, permit: Permit, limitedBy: LimitedBy): AtrionEvents['shed'] {
  const { voltage, resistance, mode, retryAfterMs, tier } = permit
  return { routeId, voltage, resistance, mode, retryAfterMs, limitedBy, tier }
}
