/**
 * Rates of routes: each sample's totals against those of the sample before, in flat arrays by the engine's slots. Memory follows the most
 * slots that were ever in use, which `maxRoutes` bounds, and holds one name a slot.
 */

import { METRIC, SHED_CAUSES } from '../engine/metric-cells.js'
import { TIERS } from '../engine/port.js'
import type { Metrics } from '../limiter/metrics.js'

const TIER_COUNT = TIERS.length
/** Cells of a slot's totals: admitted by tier, shed by tier, shed by cause, failures. */
const SHED = TIER_COUNT
const CAUSES = 2 * TIER_COUNT
const FAILURES = CAUSES + SHED_CAUSES
const TOTAL_CELLS = FAILURES + 1

/** Cells of a slot's rates, 1/s: admitted, shed, failed, then shed by cause. */
export const RATE = { ADMITTED: 0, SHED: 1, FAILED: 2, CAUSES: 3 } as const
const RATE_CELLS = RATE.CAUSES + SHED_CAUSES

/** Time constant of the rates, s. */
const SMOOTHING_S = 4
/** Rates below this count as none, 1/s. */
const NONE_PER_S = 1e-3
const FIRST_SLOTS = 256

/** The requests of all routes within one sample's interval. */
export class Interval {
  readonly offered = new Float64Array(TIER_COUNT)
  readonly shed = new Float64Array(TIER_COUNT)
  /** Admitted requests, less the failures of their routes in proportion. */
  readonly succeeded = new Float64Array(TIER_COUNT)
  readonly causes = new Float64Array(SHED_CAUSES)
  failed = 0

  clear(): void {
    this.offered.fill(0)
    this.shed.fill(0)
    this.succeeded.fill(0)
    this.causes.fill(0)
    this.failed = 0
  }

  add(other: Interval): void {
    for (let tier = 0; tier < TIER_COUNT; tier++) {
      this.offered[tier]! += other.offered[tier]!
      this.shed[tier]! += other.shed[tier]!
      this.succeeded[tier]! += other.succeeded[tier]!
    }
    for (let cause = 0; cause < SHED_CAUSES; cause++) this.causes[cause]! += other.causes[cause]!
    this.failed += other.failed
  }
}

export class Rates {
  /** Names by slot: the route that the totals of a slot are of. */
  readonly names: (string | undefined)[] = []
  #totals = new Float64Array(FIRST_SLOTS * TOTAL_CELLS)
  #rates = new Float32Array(FIRST_SLOTS * RATE_CELLS)
  #slots = FIRST_SLOTS
  #isFirst = true
  readonly #now = new Float64Array(TOTAL_CELLS)
  readonly #step = new Float64Array(TOTAL_CELLS)

  /** A rate of a slot, 1/s. @param cell a {@link RATE}, or RATE.CAUSES and a cause of the engine's */
  rate(slot: number, cell: number): number {
    return slot < this.#slots ? this.#rates[slot * RATE_CELLS + cell]! : 0
  }

  /** Forgets totals, as after a pause: what happened meanwhile belongs to no interval. */
  restart(): void {
    this.#isFirst = true
  }

  /** Takes a sample. @param seconds since the one before @param into what all routes did meanwhile */
  take(metrics: Metrics, seconds: number, into: Interval): void {
    const { routes, cells, stride } = metrics
    into.clear()
    const weight = this.#isFirst ? 0 : 1 - Math.exp(-seconds / SMOOTHING_S)
    for (let i = 0; i < routes.length; i++) {
      const at = i * stride
      const slot = cells[at + METRIC.SLOT]!
      if (slot >= this.#slots) this.#grow(slot + 1)
      this.#read(cells, at)
      if (this.#isIdle(slot, routes[i]!)) continue
      this.#differ(slot, routes[i]!, into)
      const from = slot * RATE_CELLS
      this.#blend(from + RATE.ADMITTED, sumOf(this.#step, 0, TIER_COUNT) / seconds, weight)
      this.#blend(from + RATE.SHED, sumOf(this.#step, SHED, CAUSES) / seconds, weight)
      this.#blend(from + RATE.FAILED, this.#step[FAILURES]! / seconds, weight)
      for (let cause = 0; cause < SHED_CAUSES; cause++) {
        this.#blend(from + RATE.CAUSES + cause, this.#step[CAUSES + cause]! / seconds, weight)
      }
    }
    this.#isFirst = false
  }

  #read(cells: Float64Array, at: number): void {
    const now = this.#now
    now.fill(0, CAUSES, FAILURES)
    let cell = at + METRIC.SHED
    for (let tier = 0; tier < TIER_COUNT; tier++) {
      now[tier] = cells[at + METRIC.ADMITTED + tier]!
      let shed = 0
      for (let cause = CAUSES; cause < FAILURES; cause++) {
        const count = cells[cell++]!
        shed += count
        now[cause]! += count
      }
      now[SHED + tier] = shed
    }
    now[FAILURES] = cells[at + METRIC.FAILURES]!
  }

  /** Returns whether a route did nothing since the last sample, and has no rate left that fades. */
  #isIdle(slot: number, routeId: string): boolean {
    const rates = slot * RATE_CELLS
    if (this.#rates[rates]! + this.#rates[rates + RATE.SHED]! + this.#rates[rates + RATE.FAILED]! !== 0) return false
    if (this.names[slot] !== routeId) return false
    const from = slot * TOTAL_CELLS
    for (let cell = 0; cell < TOTAL_CELLS; cell++) if (this.#now[cell] !== this.#totals[from + cell]) return false
    return true
  }

  /** Differences to the totals before; a route that is new in its slot began at 0, and so did one whose totals fell. */
  #differ(slot: number, routeId: string, into: Interval): void {
    const from = slot * TOTAL_CELLS
    const isNew = this.names[slot] !== routeId
    if (isNew) {
      this.names[slot] = routeId
      this.#totals.fill(0, from, from + TOTAL_CELLS)
      this.#rates.fill(0, slot * RATE_CELLS, (slot + 1) * RATE_CELLS)
    }
    for (let cell = 0; cell < TOTAL_CELLS; cell++) {
      const now = this.#now[cell]!
      const before = this.#totals[from + cell]!
      this.#step[cell] = this.#isFirst ? 0 : now >= before ? now - before : now
      this.#totals[from + cell] = now
    }
    const admitted = sumOf(this.#step, 0, TIER_COUNT)
    const failed = this.#step[FAILURES]!
    const good = admitted > 0 ? Math.max(0, 1 - failed / admitted) : 1
    for (let tier = 0; tier < TIER_COUNT; tier++) {
      into.offered[tier]! += this.#step[tier]! + this.#step[SHED + tier]!
      into.shed[tier]! += this.#step[SHED + tier]!
      into.succeeded[tier]! += this.#step[tier]! * good
    }
    for (let cause = 0; cause < SHED_CAUSES; cause++) into.causes[cause]! += this.#step[CAUSES + cause]!
    into.failed += failed
  }

  #blend(at: number, now: number, weight: number): void {
    const rate = this.#rates[at]! + (now - this.#rates[at]!) * weight
    this.#rates[at] = rate < NONE_PER_S ? 0 : rate
  }

  #grow(least: number): void {
    let slots = this.#slots
    while (slots < least) slots *= 2
    const totals = new Float64Array(slots * TOTAL_CELLS)
    totals.set(this.#totals)
    const rates = new Float32Array(slots * RATE_CELLS)
    rates.set(this.#rates)
    this.#totals = totals
    this.#rates = rates
    this.#slots = slots
  }
}

function sumOf(cells: Float64Array, from: number, to: number): number {
  let sum = 0
  for (let i = from; i < to; i++) sum += cells[i]!
  return sum
}
