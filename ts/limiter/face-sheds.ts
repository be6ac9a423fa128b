/** Requests that were refused without the engine, by route and tier: for a budget that is spent, or for a ban. */

import { BoundedRoutes } from '../base/bounded-routes.js'
import { TIERS, type Tier } from '../engine/port.js'

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
