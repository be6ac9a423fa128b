/** The same crate in WebAssembly: its hot path is bare exports over a frame in the module's own memory. */

import { answerOnFault, CrateEngine } from './crate-engine.js'
import { admit, admitRows, type FaultListener } from './fault.js'
import { LAW } from './law-cells.js'
import { METRIC_CELLS } from './metric-cells.js'
import { BATCH_ROWS, type Engine, FRAME, NO_SLOT, RARE_CALLS, type RareCalls, ROW_CELLS } from './port.js'

/** The exports of `src/binding/wasm.rs` besides the rare calls, which have the port's names in snake case. Booleans come as 0 and 1. */
interface Exports {
  readonly memory: WebAssembly.Memory
  create(maxRoutes: number): void
  frame(): number
  batch(): number
  route(): void
  route_batch(): void
  acquire(): void
  release(): void
  intern(bytes: number): number
  touch(slot: number): number
  evicted(): number
  remove(slot: number): void
  define_law(id: number): number
  metrics(): number
  rows(): number
}

/** The exports of the rare calls. */
const EXPORTS = Object.fromEntries(
  Object.keys(RARE_CALLS).map((call) => [call, call.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)]),
) as Record<keyof RareCalls, string>

/**
 * Monotonic ms since the Unix epoch. Read by every call that is not given the time: 30 ns of a `route()`'s 100, and twice that of an
 * acquire and release.
 *
 * A reading is not kept for the rest of a turn of the event loop: it has to be forgotten, and a microtask that does so costs
 * what three readings do, so that only loops would gain, and a loop that computes between two calls would find that no time had
 * passed. To write the time into the frame before the call is no cheaper than to be asked for it.
 */
function hostClock(): () => number {
  const clock = performance
  const origin = clock.timeOrigin ?? Date.now() - clock.now()
  return () => origin + clock.now()
}

/** Bytes of a name in generalised UTF-8, which the bound on all names counts: a lone surrogate is three. */
function bytesOf(routeId: string): number {
  let bytes = 0
  for (let i = 0; i < routeId.length; i++) {
    const point = routeId.codePointAt(i)!
    if (point > 0xffff) i++
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4
  }
  return bytes
}

/**
 * One instance of the module is one engine; what it took is given back with it. Names stay on this side. A module that trapped
 * was left halfway and is never entered again: from then on everything is admitted.
 */
export class WasmEngine extends CrateEngine implements Engine {
  readonly kind = 'wasm'
  readonly hasClosedLoop = true
  route: () => void
  routeBatch: () => void
  acquire: () => void
  release: () => void
  readonly #now = hostClock()
  /** The clock's last reading, ms: an input of the call that asked for it. */
  readonly #read = new Float64Array(1)
  readonly #wasm: Exports
  readonly #slots = new Map<string, number>()
  readonly #names: (string | undefined)[] = []
  /** Evictions that were not read yet. */
  readonly #news: number[] = []
  #frame: Float64Array = new Float64Array()
  #batch: Float64Array = new Float64Array()
  #hasTrapped = false
  onFault: FaultListener | undefined

  constructor(module: WebAssembly.Module, maxRoutes: number) {
    super()
    const [clock, read] = [this.#now, this.#read]
    const now = (): number => {
      read[0] = clock()
      return read[0]
    }
    const instance = new WebAssembly.Instance(module, { host: { now } })
    const wasm = instance.exports as unknown as Exports
    wasm.create(maxRoutes)
    this.#wasm = wasm
    this.route = () => {
      if (!this.#hasTrapped) {
        try {
          wasm.route()
          return
        } catch (error) {
          this.#trapped(error)
        }
      }
      admit(this.frame)
    }
    this.routeBatch = () => {
      if (!this.#hasTrapped) {
        try {
          wasm.route_batch()
          return
        } catch (error) {
          this.#trapped(error)
        }
      }
      admitRows(this.batch, this.frame[FRAME.SLOT]!)
    }
    this.acquire = () => {
      if (!this.#hasTrapped) {
        try {
          wasm.acquire()
          return
        } catch (error) {
          this.#trapped(error)
        }
      }
      admit(this.frame)
    }
    this.release = () => {
      if (!this.#hasTrapped) {
        try {
          wasm.release()
          return
        } catch (error) {
          this.#trapped(error)
        }
      }
      this.frame[FRAME.STATUS] = 0
    }
  }

  /** The answer of an export, or of a module that has trapped. @throws any other error */
  #ask<T>(call: () => T, otherwise: T): T {
    if (this.#hasTrapped) return otherwise
    try {
      return call()
    } catch (error) {
      this.#trapped(error)
      return otherwise
    }
  }

  #trapped(error: unknown): void {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error
    this.#hasTrapped = true
    this.onFault?.(String(error.stack))
  }

  /** A memory that grew leaves its old views empty. */
  get frame(): Float64Array {
    if (this.#frame.length === 0) this.#frame = this.#view(this.#wasm.frame(), FRAME.LENGTH)
    return this.#frame
  }

  get batch(): Float64Array {
    if (this.#batch.length === 0) this.#batch = this.#view(this.#wasm.batch(), BATCH_ROWS * ROW_CELLS)
    return this.#batch
  }

  #view(address: number, cells: number): Float64Array {
    return new Float64Array(this.#wasm.memory.buffer, address, cells)
  }

  readClock(isCoarse: boolean): number {
    const given = this.frame[FRAME.NOW]!
    if (!Number.isNaN(given)) return given
    return isCoarse ? Math.floor(this.#now()) : this.#now()
  }

  lastRead(isCoarse: boolean): number {
    const given = this.#frame[FRAME.NOW]!
    if (!Number.isNaN(given)) return given
    return isCoarse ? Math.floor(this.#read[0]!) : this.#read[0]!
  }

  override intern(routeId: string): number {
    const known = this.#slots.get(routeId)
    if (known !== undefined) {
      this.#ask(() => this.#wasm.touch(known), 0)
      return known
    }
    const slot = this.#ask(() => this.#wasm.intern(bytesOf(routeId)), NO_SLOT)
    if (slot === NO_SLOT) return slot
    this.#noteEvicted(slot)
    this.#slots.set(routeId, slot)
    this.#names[slot] = routeId
    return slot
  }

  override find(routeId: string): number {
    return this.#slots.get(routeId) ?? -1
  }

  override evicted(): number {
    return this.#news.shift() ?? -1
  }

  override remove(slot: number): void {
    this.#ask(() => this.#wasm.remove(slot), undefined)
    this.#noteEvicted(-1)
  }

  /** Forgets the names of evicted routes; `taken` is a slot that has a new route. */
  #noteEvicted(taken: number): void {
    const next = (): number => this.#ask(() => this.#wasm.evicted(), -1)
    for (let slot = next(); slot !== -1; slot = next()) {
      this.#news.push(slot)
      if (slot >= 0) this.#forget(slot)
      else for (const any of this.#names.keys()) if (any === taken || !this.readState(any)) this.#forget(any)
    }
  }

  #forget(slot: number): void {
    const name = this.#names[slot]
    if (name !== undefined) this.#slots.delete(name)
    this.#names[slot] = undefined
  }

  metrics(given?: Float64Array): Float64Array {
    return this.#ask(() => {
      const cells = this.#wasm.metrics() * METRIC_CELLS
      const rows = given !== undefined && given.length >= cells ? given.subarray(0, cells) : new Float64Array(cells)
      rows.set(this.#view(this.#wasm.rows(), cells))
      return rows
    }, new Float64Array())
  }

  override routeIds(): string[] {
    return this.#names.filter((name) => name !== undefined)
  }

  override nameOf(slot: number): string | undefined {
    return this.#names[slot]
  }

  override defineLaw(cells: Float64Array, id = -1): number {
    this.batch.set(cells.subarray(0, LAW.LENGTH))
    return this.#ask(() => this.#wasm.define_law(id), 0)
  }

  protected pass(call: keyof RareCalls, a: unknown, b: unknown): unknown {
    const exports = this.#wasm as unknown as Record<string, (a: unknown, b: unknown) => unknown>
    const otherwise = answerOnFault(call)
    const answer = this.#ask(() => exports[EXPORTS[call]]!(a, b), otherwise)
    return typeof otherwise === 'boolean' ? Boolean(answer) : answer
  }
}
