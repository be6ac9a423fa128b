/** The good answers that can be had of a plant: what a gate's goodput is measured against. */

import type { Arrival, Arrivals } from '../simulation/arrivals.js'
import type { Plant } from '../simulation/plants.js'

/**
 * Counts what can be had while arrivals pass. The plant is one server as fast as it may be in all, with a queue in which an arrival waits that would
 * still be answered in time; what finds no room in it cannot be had. So the load's course counts, and its chances: a plant of one server with a
 * tight deadline can't answer all of half its capacity.
 *
 * ```text
 * queue = max(queue − perS · Δt, 0);  there is room: queue + work ≤ max(perS · deadline, work)
 * ```
 */
export class GoodputCeiling {
  readonly #plant: Plant
  readonly #deadlineMs: number
  readonly #fromMs: number
  #queue = 0
  #atMs = 0
  /** Good answers to those that came from `fromMs` on. */
  good = 0

  constructor(plant: Plant, deadlineMs: number, fromMs: number) {
    this.#plant = plant
    this.#deadlineMs = deadlineMs
    this.#fromMs = fromMs
  }

  /** The same arrivals, counted. */
  over(arrivals: Arrivals): Arrivals {
    return () => {
      const arrival = arrivals()
      if (arrival != null) this.#count(arrival)
      return arrival
    }
  }

  #count({ atMs, work = 1 }: Arrival): void {
    const { capacityPerS = Number.POSITIVE_INFINITY } = this.#plant
    // With more work each answer takes as much longer.
    const { perS, share } = this.#plant.ceiling?.(atMs / 1000, this.#deadlineMs / work) ?? {
      perS: capacityPerS,
      share: 1,
    }
    const done = Number.isFinite(perS) ? (perS * (atMs - this.#atMs)) / 1000 : Number.POSITIVE_INFINITY
    this.#queue = Math.max(0, this.#queue - done)
    this.#atMs = atMs
    if (this.#queue + work > Math.max((perS * this.#deadlineMs) / 1000, work)) return
    this.#queue += work
    if (atMs >= this.#fromMs) this.good += share
  }
}
