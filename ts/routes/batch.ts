/** Many ticks in one crossing: rows of the engine's batch, in the order they were given. */

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
const NO_IDS: readonly string[] = []

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

  /** The routes of the batch before. */
  get ids(): readonly string[] {
    return this.#ids
  }

  /** Has the slots of a batch at hand, for the next one, where that is not too large to keep. */
  #keep(routeIds: readonly string[]): { ids: readonly string[]; slots: Uint32Array } {
    const ids = this.#evictions === this.#index.evictions ? this.#ids : NO_IDS
    this.#evictions = this.#index.evictions
    const isKept = routeIds.length <= MOST_KEPT
    if (this.#slots.length < routeIds.length && isKept) {
      const before = this.#slots
      this.#slots = new Uint32Array(routeIds.length)
      this.#slots.set(before)
    }
    this.#ids = isKept ? routeIds : NO_IDS
    return { ids, slots: isKept ? this.#slots : new Uint32Array(routeIds.length) }
  }

  /**
   * Ticks every route. `out` takes `stride` cells a route: its resistance and, with two, its mode.
   *
   * @param samples three a route
   */
  run(routeIds: readonly string[], samples: Float64Array, out: Float64Array, stride: number): void {
    let { batch } = this.#engine
    // Calls of the caller's clock and logger come last: they may ask this instance for a batch of their own.
    const stale: number[] = []
    const noisy: string[] = []
    const cross = (from: number, to: number): void => this.#cross(routeIds, out, stride, from, to, stale, noisy)
    let from = 0
    const kept = this.#keep(routeIds)
    const { slots } = kept
    let { ids } = kept
    for (let i = 0; i < routeIds.length; i++) {
      let slot = routeIds[i] === ids[i] ? slots[i] : this.#index.get(routeIds[i]!)
      const mayEvict = slot === undefined && this.#index.size >= this.#routes.maxRoutes
      // The route that gives way to a new one may have a row that still waits: those rows go first.
      if (i - from === BATCH_ROWS || (mayEvict && i > from)) {
        cross(from, i)
        from = i
      }
      if (slot === undefined) {
        slot = this.#routes.intern(routeIds[i]!)
        batch = this.#engine.batch
        if (this.#index.evictions !== this.#evictions) ids = NO_IDS
      }
      slots[i] = slot
      const at = (i - from) * ROW_CELLS
      batch[at] = slot
      batch[at + 1] = samples[i * 3]!
      batch[at + 2] = samples[i * 3 + 1]!
      batch[at + 3] = samples[i * 3 + 2]!
    }
    cross(from, routeIds.length)
    for (const i of stale) this.#tickAlone(routeIds, samples, out, stride, i)
    if (noisy.length > 0) this.#host.warnOfNoise(noisy)
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
      if ((status & STATUS.STALE) !== 0) {
        stale.push(i)
        continue
      }
      out[i * stride] = batch[at + 1]!
      if (stride === 2) out[i * stride + 1] = batch[at + 2]!
      if ((status & STATUS.FIRST_REJECTED) !== 0) noisy.push(routeIds[i]!)
    }
  }

  #tickAlone(routeIds: readonly string[], samples: Float64Array, out: Float64Array, stride: number, i: number): void {
    this.#host.tickAlone(routeIds[i]!, samples[i * 3]!, samples[i * 3 + 1]!, samples[i * 3 + 2]!)
    const { frame } = this.#engine
    out[i * stride] = frame[FRAME.RESISTANCE]!
    if (stride === 2) out[i * stride + 1] = frame[FRAME.MODE]!
  }
}
