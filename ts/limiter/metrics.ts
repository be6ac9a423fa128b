/** The metrics of every route: one array of cells, and each row as an object where one is asked for. */

import type { LimitedBy } from '../base/limited-by.js'
import { LIMITED_BY } from '../base/limited-by.js'
import type { OperationalMode } from '../core/types.js'
import { TIERS, type Tier } from '../engine/kinds.js'
import { METRIC, METRIC_CELLS, SHED_CAUSES } from '../engine/metric-cells.js'
import { MODES } from '../engine/port.js'
import type { LoopMetrics } from '../events/stall.js'
import type { RouteStats } from './types.js'

/** Totals of a histogram of durations. Its bounds are 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5 and 10 s. */
export interface HistogramTotals {
  /** Counts by bucket, the last without a bound. */
  readonly counts: readonly number[]
  /** Sum, ms. */
  readonly sumMs: number
}

/** The metrics of a route that the engine does not keep. */
export interface FaceMetrics {
  /** Requests that wait for a place. */
  readonly waiting: number
  /** Requests whose client went away before its answer was there. */
  readonly abandoned: number
  /** Answers that were excused for stalls of the event loop, and for how long, ms. */
  readonly excused: number
  readonly excusedMs: number
  /** Requests that adapters refused for a spent budget, by tier, bulk to critical. */
  readonly budgetSheds: readonly number[] | undefined
  /** Requests that were refused for their key, by tier, bulk to critical. */
  readonly banSheds: readonly number[] | undefined
  /** Permits that came back after they had been reclaimed. */
  readonly late: number
  /** Waits for a place, however they ended; undefined: there were none. */
  readonly waits: HistogramTotals | undefined
  /** Changes of the mode, by the mode that it became. */
  readonly transitions: Readonly<Record<OperationalMode, number>> | undefined
}

type StatsInMetrics =
  | ('mode' | 'inFlight' | 'limit' | 'waiting' | 'resistance' | 'scar')
  | ('failures' | 'reclaimed' | 'abandoned' | 'excused' | 'excusedMs' | 'rejectedSamples' | 'openClasses')
  | ('p50Ms' | 'p99Ms' | 'baselineMs' | 'ratePerS' | 'successRatio')

/** The metrics of a route: numbers of its {@link RouteStats}, and more. Counts are totals since it was first seen. */
export interface RouteMetrics extends Pick<RouteStats, StatsInMetrics> {
  readonly routeId: string
  /** An operator's order; undefined: there is none. */
  readonly order: 'open' | 'closed' | undefined
  /** The part of the other nodes in the scar, Ω; negative where they calm it. */
  readonly clusterScar: number
  /** M, 1/ms */
  readonly momentum: number
  readonly admittedByTier: Readonly<Record<Tier, number>>
  /** Requests shed by tier and obstacle; those of the closed loop. */
  readonly shedByTier: Readonly<Record<Tier, Readonly<Partial<Record<LimitedBy, number>>>>>
  /** Completed requests by duration. */
  readonly durations: HistogramTotals
  readonly waits: HistogramTotals | undefined
  readonly transitions: Readonly<Record<OperationalMode, number>> | undefined
}

const ORDERS = [undefined, 'open', 'closed'] as const
const BUCKETS = METRIC.DURATION_SUM_MS - METRIC.DURATIONS

/** The metrics of all routes at one moment. */
export class Metrics implements Iterable<RouteMetrics> {
  /** The names of the routes: that of row `i` is `routes[i]`. */
  readonly routes: readonly string[]
  /** A row of {@link Metrics.stride} cells for each route. */
  readonly cells: Float64Array
  /** The event loop of this thread; undefined: it is not watched. */
  readonly loop: LoopMetrics | undefined
  readonly #faceOf: (routeId: string, slot: number) => FaceMetrics

  constructor(
    routes: readonly string[],
    cells: Float64Array,
    loop: LoopMetrics | undefined,
    faceOf: (routeId: string, slot: number) => FaceMetrics,
  ) {
    this.routes = routes
    this.cells = cells
    this.loop = loop
    this.#faceOf = faceOf
  }

  /** Cells of a row. */
  get stride(): number {
    return METRIC_CELLS
  }

  /** Routes. */
  get size(): number {
    return this.routes.length
  }

  /** The metrics of row `i`; undefined where there is none. */
  at(i: number): RouteMetrics | undefined {
    const routeId = this.routes[i]
    if (routeId === undefined) return undefined
    const from = i * METRIC_CELLS
    const cell = (index: number): number => this.cells[from + index]!
    const known = (index: number): number | undefined => (Number.isNaN(cell(index)) ? undefined : cell(index))
    const { late, budgetSheds, banSheds, ...face } = this.#faceOf(routeId, cell(METRIC.SLOT))
    return {
      routeId,
      mode: MODES[cell(METRIC.MODE)]!,
      order: ORDERS[cell(METRIC.ORDER)],
      resistance: cell(METRIC.RESISTANCE),
      scar: cell(METRIC.SCAR),
      clusterScar: cell(METRIC.CLUSTER),
      momentum: cell(METRIC.MOMENTUM),
      inFlight: cell(METRIC.IN_FLIGHT),
      limit: cell(METRIC.LIMIT),
      admittedByTier: byTier((tier) => cell(METRIC.ADMITTED + tier)),
      shedByTier: byTier((tier) => this.#shedsOf(from, tier, budgetSheds?.[tier] ?? 0, banSheds?.[tier] ?? 0)),
      failures: cell(METRIC.FAILURES),
      reclaimed: Math.max(0, cell(METRIC.RECLAIMED) - late),
      rejectedSamples: cell(METRIC.REJECTED_SAMPLES),
      p50Ms: known(METRIC.P50_MS),
      p99Ms: known(METRIC.P99_MS),
      baselineMs: cell(METRIC.BASELINE_MS),
      ratePerS: cell(METRIC.RATE_PER_S),
      successRatio: cell(METRIC.SUCCESS),
      openClasses: cell(METRIC.OPEN_CLASSES),
      durations: {
        counts: [...this.cells.subarray(from + METRIC.DURATIONS, from + METRIC.DURATIONS + BUCKETS)],
        sumMs: cell(METRIC.DURATION_SUM_MS),
      },
      ...face,
    }
  }

  *[Symbol.iterator](): Iterator<RouteMetrics> {
    for (let i = 0; i < this.size; i++) yield this.at(i)!
  }

  #shedsOf(from: number, tier: number, byBudget: number, byBan: number): Partial<Record<LimitedBy, number>> {
    const sheds: Partial<Record<LimitedBy, number>> = {
      ...(byBudget > 0 && { budget: byBudget }),
      ...(byBan > 0 && { ban: byBan }),
    }
    for (let cause = 0; cause < SHED_CAUSES; cause++) {
      const count = this.cells[from + METRIC.SHED + tier * SHED_CAUSES + cause]!
      const limitedBy = LIMITED_BY[cause]
      if (count > 0 && limitedBy !== undefined) sheds[limitedBy] = (sheds[limitedBy] ?? 0) + count
    }
    return sheds
  }
}

function byTier<T>(of: (tier: number) => T): Readonly<Record<Tier, T>> {
  return Object.fromEntries(TIERS.map((tier, i) => [tier, of(i)])) as Record<Tier, T>
}
