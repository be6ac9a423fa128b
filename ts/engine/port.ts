/**
 * The engine port: the one seam between the TypeScript face and whatever computes the physics.
 *
 * A call on the hot path costs more in crossing than in physics, so nothing is passed as an argument: caller and engine
 * share a *frame*, one Float64Array. The caller writes cells, makes a call without arguments, reads cells. The numbers of
 * the cells and of the status bits are stated in `src/binding/`, and copied here by `scripts/write-frame.mjs`.
 *
 * Longer than other files, because all cells of the frame are stated in one place.
 */

import type { NativeCluster } from './cluster-port.js'
import type { ImagePort } from './image-port.js'
import type { EngineKind } from './kinds.js'
import type { LoopPort } from './loop-port.js'

export { type EngineKind, TIERS, type Tier } from './kinds.js'

/**
 * Cells of the frame. `in` cells are written by the caller, `out` cells by the engine. Times are ms, voltages V, resistances Ω.
 *
 * An enum, and not an object like the others, because the bundler writes its numbers where they are used: looked up, they
 * cost `route()` 5 ns of 67.
 */
export enum FRAME {
  /** in: slot of the route, from {@link Engine.intern} */
  SLOT = 0,
  /** in: time in ms; NaN lets the engine read its own monotonic clock */
  NOW = 1,
  /** in: telemetry; a negative or non-finite value is noise and keeps the component's last pressure */
  LATENCY_MS = 2,
  ERROR_RATE = 3,
  SATURATION = 4,
  /** in: voltage of the request, V */
  VOLTAGE = 5,
  /** in: law for this call only; −1 takes the route's own */
  LAW = 6,
  /** in, closed loop: tier 0 (bulk) … 4 (critical), −1 when VOLTAGE decides; out, where STATUS says WAIT: the tier, or the voltage's */
  TIER = 7,
  /** in, closed loop: the key's secret hash, an integer in [0, 2⁵³); NaN: there is none */
  KEY = 8,
  /** in: permit to release; out: permit granted, −1 when refused */
  PERMIT = 9,
  /** in, closed loop: outcome of the released permit, an {@link OUTCOME} */
  OUTCOME = 10,
  /** in, closed loop: age of the event-loop queue this request waited in, ms; negative when it asks again */
  QUEUE_AGE_MS = 11,
  /** in, closed loop: saturation of the process, [0, 1] */
  PROCESS_SATURATION = 12,
  /** in, closed loop: how long the request has waited for a place, ms; negative: it cannot wait; Infinity: it no longer does */
  WAITED_MS = 13,
  /** out, where STATUS says WAIT: how long from now it may still wait and make its deadline, ms; ≤ 0: no longer */
  MAY_WAIT_MS = 14,
  /** out, where STATUS says WAIT: completions per ms at capacity; 0 when not known */
  RATE_PER_MS = 15,

  /** out: bit set of {@link STATUS} */
  STATUS = 16,
  RESISTANCE = 17,
  /** out: an index into {@link MODES} */
  MODE = 18,
  MODE_BEFORE = 19,
  /** out: ms until the scar has decayed enough for this voltage; NaN when decay alone will not do */
  RETRY_AFTER_MS = 20,
  MOMENTUM = 21,
  SCAR = 22,
  DELTA_T_MS = 23,
  TICKS = 24,
  TIMESTAMP = 25,
  /** out: three cells, the pressure's latency, error and saturation */
  PRESSURE = 26,
  /** out, where `route` or `acquire` refuses: a {@link CAUSE}; in, closed loop, where WAITED_MS is Infinity: the cause of that */
  CAUSE = 29,
  /** out: the number of the decision, an integer in [0, 2³⁰); its terms are in row DECISION modulo {@link TERM_ROWS} */
  DECISION = 30,
  /** out, of the native engine's `route`, `acquire` and `release`: the time that the call went by, ms; of any engine see {@link Engine.lastRead} */
  READ_MS = 31,

  /** state block, in and out of readState / writeState: see {@link STATE} */
  STATE = 32,
  /** in, closed loop, where there is a KEY: the lane whose reserve it shares, 1 to 3; 0: it is in none */
  KEY_LANE = 58,
  /** out, of `acquire` and `release`, native engine: how many stalls of the event loop the engine has learnt of, of all that there were */
  STALLS = 59,
  /** in, closed loop, where there is a KEY: what its equal share counts, > 0 */
  KEY_WEIGHT = 60,
  /** in, closed loop, where there is a KEY: the hash of the class that its failures are keyClass on; NaN: there is none */
  KEY_CLASS = 61,
  /**
   * in, closed loop, of `release` where PERMIT is −1: how long ago the request in SLOT was admitted that is concluded, ms; out, of
   * any other: how long the permit was out
   */
  AGE_MS = 62,
  /** out, of `release` of a call's permit, native engine: how much of its latency does not count, since the event loop was blocked, ms */
  EXCUSED_MS = 63,
  /** stats block, out of readStats: see {@link STATS} */
  STATS = 64,
  /** out, of `acquire`, and of `route` where it refuses: {@link TERM_ROWS} rows of {@link TERMS}, those of the last decisions */
  TERMS = 128,
  LENGTH = 1408,
}

/** Rows of terms that the frame keeps. */
export const TERM_ROWS = 128

/** Cells of a row of terms, relative to its beginning: the parts of R, Ω. */
export const TERMS = {
  /** R_base */
  BASE: 0,
  /** P·W, momentum, and the two parts of the scar: in BOOTSTRAP they do not count */
  PRESSURE: 1,
  MOMENTUM: 2,
  SCAR: 3,
  CLUSTER: 4,
  /** R of the route by itself, without its faults */
  OWN: 5,
  /** of `acquire` alone, from here on: failures that its breaker counts */
  FAULTS: 6,
  /** the largest of these three counts */
  OCCUPANCY: 7,
  QUEUE: 8,
  PROCESS: 9,
  LENGTH: 10,
} as const

/** Causes of refusals; CLASS is the breaker of the key's class. */
export const CAUSE = {
  NONE: 0,
  BREAKER: 1,
  CLASS: 2,
  OCCUPANCY: 3,
  QUEUE_AGE: 4,
  PROCESS: 5,
  SCAR: 6,
  OVERRIDE: 7,
  WAIT_TIMEOUT: 8,
  WAIT_FULL: 9,
  BUDGET: 10,
  BAN: 11,
} as const

/** Cells of the stats block, relative to FRAME.STATS. */
export const STATS = {
  IN_FLIGHT: 0,
  LIMIT: 1,
  RESISTANCE: 2,
  SCAR: 3,
  ADMITTED: 4,
  /** five cells, bulk to critical */
  SHED_BY_TIER: 5,
  FAILURES: 10,
  RECLAIMED: 11,
  P50_MS: 12,
  P99_MS: 13,
  BASELINE_MS: 14,
  RATE_PER_S: 15,
  SUCCESS: 16,
  REGIME: 17,
  OPEN_CLASSES: 18,
  LENGTH: 19,
} as const

/** The orders of an operator. */
export const ORDER = { NONE: 0, OPEN: 1, CLOSED: 2 } as const

/** Bits of FRAME.STATUS. */
export enum STATUS {
  ALLOW = 1,
  /** a tick happened in this call: the out cells describe it */
  TICKED = 2,
  /** a component of this sample was noise */
  REJECTED = 4,
  /** … and it was the route's first */
  FIRST_REJECTED = 8,
  /** the slot no longer holds the route (evicted by another thread): intern again and retry */
  STALE = 16,
  /** of `route`, an engine may leave it out: OPERATIONAL before and after, so that the mode cells need not be read */
  STEADY = 32,
  /** of `acquire`: refused now, for want of a place only; it may wait for one */
  WAIT = 64,
  /** of `release`: the permit was no longer out */
  VOID = 128,
}

export const MODES = ['BOOTSTRAP', 'OPERATIONAL', 'CIRCUIT_BREAKER'] as const

/** The mode in a cell. */
export const modeAt = (frame: Float64Array, cell: number): (typeof MODES)[number] => MODES[frame[cell]!]!

/** RECLAIMED: the permit was never released. DETACHED: the request goes on outside the budget, and is concluded later. */
export const OUTCOME = { SUCCESS: 0, FAILURE: 1, IGNORED: 2, RECLAIMED: 3, DETACHED: 4 } as const

/** Cells of the state block, relative to FRAME.STATE. */
export const STATE = {
  MODE: 0,
  LATENCY: 1,
  ERROR: 2,
  SATURATION: 3,
  PREVIOUS_LATENCY: 4,
  PREVIOUS_ERROR: 5,
  PREVIOUS_SATURATION: 6,
  MOMENTUM: 7,
  SCAR: 8,
  RESISTANCE: 9,
  TICKS: 10,
  LAST_UPDATED_AT: 11,
  RECOVERY_STARTED_AT: 12,
  TUNER_MEAN: 13,
  TUNER_VARIANCE: 14,
  TUNER_COUNT: 15,
  REJECTED_SAMPLES: 16,
  LAW: 17,
  /** out only: what other nodes add to the scar, Ω; negative where they calm it */
  OTHERS: 18,
  /** out only: what the route suffers by this node's own measurements, its faults included, Ω */
  SUFFERED: 19,
  LENGTH: 20,
} as const

/** A slot that no route has. */
export const NO_SLOT = 0xffff_ffff

/** Cells at the head of the batch that `share` reads: see `ts/core/cluster.ts`. */
export const SHARE = { KEEP: 0, ADD: 1, LONE: 2, BELIEF: 3, WITNESSES: 4, BOUND: 5 } as const

/** Cells at the head of the batch that `inherit` reads: Ω, ticks, and γ or NaN. */
export const PAST = { SCAR: 0, TICKS: 1, GAMMA: 2 } as const

/** The calls of an engine that are not of the hot path. */
export interface RareCalls {
  /** Fills the stats block; false when no permit was requested in the slot. */
  readStats(slot: number): boolean
  /** Writes what R of the route by itself is made of into the next row of terms; false when there is no route in the slot. */
  explain(slot: number): boolean
  /** A lease takes its place among the work in flight (true), or gives it back. */
  lease(slot: number, taken: boolean): void
  /** An {@link ORDER} for the route, until the next. */
  order(slot: number, order: number): void
  /** Decide and count, but admit every request. */
  setDryRun(dryRun: boolean): void
  /** Slot of a route, made when new; may evict the least recently used (see {@link Engine.evicted}). */
  intern(routeId: string): number
  /** Slot of a route that exists, or −1. Does not count as use. */
  find(routeId: string): number
  /** Next slot whose route was evicted since this was last asked; −1: no more; −2: too many to list, forget every slot. */
  evicted(): number
  remove(slot: number): void
  routeIds(): string[]
  /** Name of the route in a slot; undefined when there is none. */
  nameOf(slot: number): string | undefined
  /** Adds a law, or replaces law `id`; returns its id, −1 when there is no room for another. Law 0 is every new route's. */
  defineLaw(params: Float64Array, id?: number): number
  setLaw(slot: number, law: number): void
  /** Fills the state block; false when there is no route in the slot. */
  readState(slot: number): boolean
  /** Overwrites the route, but for its law, with the state block; false when there is no route in the slot. */
  writeState(slot: number): boolean
  /** Next slot whose route was used since this was last asked, the least recently used first; −1: no more. At first, all. */
  nextUsed(): number
  /** Others share this in a route's physics, and R follows at once: the head of the batch, see {@link SHARE}. */
  share(slot: number): void
  /**
   * If `taken`, a route that was not measured here takes over the stored values at the head of the batch ({@link PAST}): with the
   * weight γ where other nodes stored it, or in full where γ is NaN. It is evicted before all that were used here. False when it was
   * measured here, or there is no route in the slot. Otherwise gives back what it took over with a γ: the other nodes report themselves.
   */
  inherit(slot: number, taken: boolean): boolean
  /** Adds trauma: the scar decays to FRAME.NOW, then grows by `ohms`. */
  scar(slot: number, ohms: number): void
}

/**
 * The rare calls, each with its answer where the engine itself fails (see `fault.ts`). The engines of the crate pass a call on by its
 * name: one that is added here and in the crate needs nothing in theirs.
 */
export const RARE_CALLS = {
  readStats: false,
  explain: false,
  lease: undefined,
  order: undefined,
  setDryRun: undefined,
  intern: NO_SLOT,
  find: -1,
  evicted: -1,
  remove: undefined,
  routeIds: [],
  nameOf: undefined,
  defineLaw: 0,
  setLaw: undefined,
  readState: false,
  writeState: false,
  nextUsed: -1,
  share: undefined,
  inherit: false,
  scar: undefined,
} as const satisfies { readonly [Call in keyof RareCalls]: unknown }

/**
 * The engine as the face sees it. None of these throws for bad telemetry or for a failure of the engine's own (see
 * `fault.ts`); none waits; none reads the network.
 */
export interface Engine extends RareCalls {
  /** Called with the first failure of the engine's own, and a backtrace, in the call that it happened in. */
  onFault?: ((report: string) => void) | undefined
  readonly kind: EngineKind
  /** True when it has the closed loop: acquire, release, readStats, lease. The functional model has not. */
  readonly hasClosedLoop: boolean
  /** The shared cells. Read it anew for every call: an engine whose memory grew hands out a new view. */
  readonly frame: Float64Array
  /** One tick of the open loop for FRAME.SLOT. */
  route: () => void
  /** {@link BATCH_ROWS} rows of four cells [slot, latencyMs, errorRate, saturation]. Read it anew for every batch. */
  readonly batch: Float64Array
  /** Ticks the first FRAME.SLOT rows at FRAME.NOW; each row becomes [slot, resistance, mode, status]. */
  routeBatch: () => void
  /**
   * The same for rows `from` to `to` of arrays: three numbers a sample, `stride` cells a result. Rows that are more than a tick are noted in
   * the batch, as [row, status]; FRAME.STATUS says how many. −1: nothing happened, since arrays share memory. No other thread may write
   * into them. Of the native engine only; undefined while calls are recorded.
   */
  routeArrays?: RouteArrays | undefined
  /** Closed loop: asks for a permit on FRAME.SLOT. FRAME.PERMIT is the permit, if STATUS allows. */
  acquire: () => void
  /**
   * Closed loop: FRAME.PERMIT comes back with FRAME.OUTCOME. When that was a tick, FRAME.SLOT says of which route. Where
   * FRAME.PERMIT is −1, a detached request of FRAME.SLOT has come to FRAME.OUTCOME.
   */
  release: () => void
  /** A row of metrics for every route, one after the other: see `metric-cells.ts`. In `rows` where that is long enough, else in a new array. */
  metrics(rows?: Float64Array): Float64Array
  /** The time that a call goes by now, ms: FRAME.NOW where it is a number, or the engine's clock; whole ms where `isCoarse`, as the open loop has it. */
  readClock(isCoarse: boolean): number
  /** The time that the last `route`, `acquire` or `release` went by, ms. */
  lastRead(isCoarse: boolean): number
  /** Of the native engine only. */
  readonly cluster?: NativeCluster
  readonly loop?: LoopPort
  readonly images?: ImagePort
}

export type RouteArrays = (
  slots: Uint32Array,
  samples: Float64Array,
  out: Float64Array,
  from: number,
  to: number,
  stride: number,
) => void

/** Rows of a batch; a longer one crosses several times. */
export const BATCH_ROWS = 4096

/** Cells of a row. */
export const ROW_CELLS = 4
