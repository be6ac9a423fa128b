/** Many ticks in one crossing: rows of the engine's batch, in the order they were given. */

import { requireRouteId } from '../base/input.js'
import { isOfKind } from '../base/realm.js'
import type { Context } from '../context.js'
import { BATCH_ROWS, type Engine, FRAME, ROW_CELLS, STATUS } from '../engine/port.js'
import type { RouteIndex } from './route-index.js'
import type { Routes } from './routes.js'

/** The parts of an instance that a batch needs. */
export interface BatchHost {
  /** One tick by itself; R and the mode are then in the frame. */
  tickAlone(routeId: string, latencyMs: number, errorRate: number, saturation: number): void
  /** The first noise of these routes came in. */
  warnOfNoise(routeIds: readonly string[]): void
}

/** The largest batch whose slots are kept for the next. */
const MOST_KEPT = 65_536
/** Rows from which their arrays are handed over, which costs as much as to copy some rows. */
const LEAST_ARRAYS = 32
const NO_IDS: readonly string[] = []

/** Returns the element of a batch at `i`. @throws TypeError where it is no name */
function requireIn(routeId: string | undefined, i: number): string {
  requireRouteId(routeId, `routeIds[${i}]`)
  return routeId as string
}

/** Returns whether other threads may write what an array holds. */
const isShared = ({ buffer }: Float64Array): boolean => !isOfKind(buffer, 'ArrayBuffer')

export class Batch {
  readonly #engine: Engine
  readonly #routes: Routes
  readonly #index: RouteIndex
  readonly #host: BatchHost
  /** The routes of the batch before, their slots, and the evictions that there had been: a batch is mostly of the same routes. */
  #ids: readonly string[] = NO_IDS
  #slots = new Uint32Array(0)
  #evictions = 0

  constructor({ engine, routes }: Context, host: BatchHost) {
    this.#engine = engine
    this.#routes = routes
    this.#index = routes.index
    this.#host = host
  }

  /**
   * Reads the routes of a batch, each once: an element may be a getter that answers differently the next time.
   *
   * @returns the routes of the batch before where they are the same, or else a copy
   * @throws TypeError for what is no name
   */
  read(routeIds: readonly string[], count: number): readonly string[] {
    const before = this.#ids
    const most = Math.min(count, before.length)
    let same = 0
    let next: string | undefined
    while (same < most) {
      next = routeIds[same]
      if (next !== before[same]) break
      same++
    }
    if (same === count && count === before.length) return before
    const ids = before.slice(0, same)
    if (same < most) ids.push(requireIn(next, same))
    for (let i = ids.length; i < count; i++) ids.push(requireIn(routeIds[i], i))
    return ids
  }

  /** Makes room for the slots of a batch, where that is not too large to keep. @returns the routes whose slots are there already */
  #keep(count: number): { ids: readonly string[]; slots: Uint32Array } {
    const ids = this.#evictions === this.#index.evictions ? this.#ids : NO_IDS
    this.#evictions = this.#index.evictions
    this.#ids = NO_IDS
    if (count > MOST_KEPT) return { ids, slots: new Uint32Array(count) }
    if (this.#slots.length < count) {
      const before = this.#slots
      this.#slots = new Uint32Array(count)
      this.#slots.set(before)
    }
    return { ids, slots: this.#slots }
  }

  /**
   * Ticks every route. `out` takes `stride` cells a route: its resistance and, with two, its mode.
   *
   * @param routeIds of {@link Batch.read}
   * @param samples three a route
   */
  run(routeIds: readonly string[], samples: Float64Array, out: Float64Array, stride: number): void {
    // Calls of the caller's clock and logger come last: they may ask this instance for a batch of their own.
    const stale: number[] = []
    const noisy: string[] = []
    if (routeIds === this.#ids && this.#evictions === this.#index.evictions) {
      for (let from = 0; from < routeIds.length; from += BATCH_ROWS) {
        const to = Math.min(from + BATCH_ROWS, routeIds.length)
        if (this.#crossArrays(routeIds, samples, out, stride, from, to, stale, noisy)) continue
        this.#fill(samples, from, to)
        this.#cross(routeIds, out, stride, from, to, stale, noisy)
      }
    } else {
      this.#runAnew(routeIds, samples, out, stride, stale, noisy)
    }
    // Other threads evicted: their slots are looked up anew.
    if (stale.length > 0) this.#index.forgetEvicted()
    for (const i of stale) this.#tickAlone(routeIds, samples, out, stride, i)
    if (noisy.length > 0) this.#host.warnOfNoise(noisy)
  }

  /** Fills rows whose slots are at hand. */
  #fill(samples: Float64Array, from: number, to: number): void {
    const { batch } = this.#engine
    const slots = this.#slots
    for (let i = from, at = 0, read = from * 3; i < to; i++, at += ROW_CELLS, read += 3) {
      batch[at] = slots[i]!
      batch[at + 1] = samples[read]!
      batch[at + 2] = samples[read + 1]!
      batch[at + 3] = samples[read + 2]!
    }
  }

  /** Ticks routes whose slots are not all at hand. */
  #runAnew(
    routeIds: readonly string[],
    samples: Float64Array,
    out: Float64Array,
    stride: number,
    stale: number[],
    noisy: string[],
  ): void {
    let { batch } = this.#engine
    let from = 0
    const kept = this.#keep(routeIds.length)
    const { slots } = kept
    let { ids } = kept
    const set = (i: number, slot: number, at: number): void => {
      slots[i] = slot
      batch[at] = slot
      batch[at + 1] = samples[i * 3]!
      batch[at + 2] = samples[i * 3 + 1]!
      batch[at + 3] = samples[i * 3 + 2]!
    }
    const intern = (i: number): number => {
      const slot = this.#routes.intern(routeIds[i]!)
      batch = this.#engine.batch
      if (this.#index.evictions !== this.#evictions) ids = NO_IDS
      return slot
    }
    const cross = (from: number, to: number): void => {
      const before = stale.length
      this.#cross(routeIds, out, stride, from, to, stale, noisy)
      if (stale.length === before) return
      // Other threads evicted. What is still there goes before a new route can take its place.
      this.#index.forgetEvicted()
      for (const i of stale.splice(before)) {
        set(i, intern(i), 0)
        this.#cross(routeIds, out, stride, i, i + 1, stale, noisy)
      }
    }
    for (let i = 0; i < routeIds.length; i++) {
      let slot = routeIds[i] === ids[i] ? slots[i] : this.#index.get(routeIds[i]!)
      const mayEvict = slot === undefined && this.#index.mayEvict(routeIds[i]!, this.#routes.maxRoutes)
      // The route that gives way to a new one may have a row that still waits: those rows go first.
      if (i - from === BATCH_ROWS || (mayEvict && i > from)) {
        cross(from, i)
        from = i
      }
      slot ??= intern(i)
      set(i, slot, (i - from) * ROW_CELLS)
    }
    cross(from, routeIds.length)
    if (routeIds.length <= MOST_KEPT) this.#ids = routeIds
  }

  /** The same, a crossing each, where every tick must be seen by itself. */
  runOneByOne(routeIds: readonly string[], samples: Float64Array, out: Float64Array, stride: number): void {
    for (let i = 0; i < routeIds.length; i++) this.#tickAlone(routeIds, samples, out, stride, i)
  }

  #cross(
    routeIds: readonly string[],
    out: Float64Array,
    stride: number,
    from: number,
    to: number,
    stale: number[],
    noisy: string[],
  ): void {
    if (to === from) return
    this.#engine.frame[FRAME.SLOT] = to - from
    this.#engine.routeBatch()
    const { batch } = this.#engine
    for (let i = from, at = 0; i < to; i++, at += ROW_CELLS) {
      const status = batch[at + 3]!
      if (status !== STATUS.TICKED && this.#isStale(routeIds[i]!, status, noisy)) {
        stale.push(i)
        continue
      }
      out[i * stride] = batch[at + 1]!
      if (stride === 2) out[i * stride + 1] = batch[at + 2]!
    }
  }

  /** Ticks routes whose slots are at hand where the arrays are. @returns false where it can't, and nothing happened */
  #crossArrays(
    routeIds: readonly string[],
    samples: Float64Array,
    out: Float64Array,
    stride: number,
    from: number,
    to: number,
    stale: number[],
    noisy: string[],
  ): boolean {
    const engine = this.#engine
    if (to - from < LEAST_ARRAYS || engine.routeArrays === undefined || isShared(samples) || isShared(out)) return false
    engine.routeArrays(this.#slots, samples, out, from, to, stride)
    const notes = engine.frame[FRAME.STATUS]! * 2
    for (let at = 0; at < notes; at += 2) {
      const i = from + engine.batch[at]!
      if (this.#isStale(routeIds[i]!, engine.batch[at + 1]!, noisy)) stale.push(i)
    }
    return notes >= 0
  }

  /** Returns whether a row's route was not found in its slot; notes one whose first noise this was. */
  #isStale(routeId: string, status: number, noisy: string[]): boolean {
    if ((status & STATUS.FIRST_REJECTED) !== 0) noisy.push(routeId)
    return (status & STATUS.STALE) !== 0
  }

  #tickAlone(routeIds: readonly string[], samples: Float64Array, out: Float64Array, stride: number, i: number): void {
    this.#host.tickAlone(routeIds[i]!, samples[i * 3]!, samples[i * 3 + 1]!, samples[i * 3 + 2]!)
    const { frame } = this.#engine
    out[i * stride] = frame[FRAME.RESISTANCE]!
    if (stride === 2) out[i * stride + 1] = frame[FRAME.MODE]!
  }
}
