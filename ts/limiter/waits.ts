/** Waits for a place, by route: counted in the buckets of durations. */

import { BoundedRoutes } from '../base/bounded-routes.js'
import { DURATION_BOUNDS_S } from '../engine/metric-cells.js'
import type { HistogramTotals } from './metrics.js'

/** Routes whose waits are counted; the one that was first waited on goes first. */
const ROUTES = 8_192

class Totals implements HistogramTotals {
  readonly counts: number[] = new Array(DURATION_BOUNDS_S.length + 1).fill(0)
  sumMs = 0
}

export class Waits {
  readonly #routes = new BoundedRoutes<Totals>(ROUTES)

  /** A wait ended, as a permit or as a refusal. */
  record(routeId: string, waitedMs: number): void {
    let totals = this.#routes.get(routeId)
    if (totals === undefined) {
      totals = new Totals()
      this.#routes.set(routeId, totals)
    }
    const bucket = DURATION_BOUNDS_S.findIndex((bound) => waitedMs <= bound * 1_000)
    totals.counts[bucket < 0 ? DURATION_BOUNDS_S.length : bucket]! += 1
    totals.sumMs += waitedMs
  }

  of(routeId: string): HistogramTotals | undefined {
    const totals = this.#routes.get(routeId)
    return totals && { counts: [...totals.counts], sumMs: totals.sumMs }
  }
}
