/** The same crate in WebAssembly: its hot path is bare exports over a frame in the module's own memory. */

import { BATCH_ROWS, type Engine, FRAME, LAW, ROW_CELLS } from './port.js'

/** What `src/binding/wasm.rs` exports. Booleans come as 0 and 1. */
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
  set_law(slot: number, law: number): number
  read_state(slot: number): number
  write_state(slot: number): number
  read_stats(slot: number): number
  lease(slot: number, taken: number): void
  order(slot: number, order: number): void
  dry_run(on: number): void
  next_used(): number
  share(slot: number): void
  demote(slot: number): void
  scar(slot: number, ohms: number): void
}

/**
 * Monotonic ms since the Unix epoch. Read by every call that is not given the time: 30 ns of a `route()`'s 100, and twice that of an
 * acquire and release.
 *
 * Why a reading is not kept for the rest of a turn of the event loop: somebody has to forget it, and a microtask that does costs
 * what three readings do, so that only loops would gain, and a loop that computes between two calls would be told that no time had
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

/** One instance of the module is one engine; what it took is given back with it. Names stay on this side. */
export class WasmEngine implements Engine {
  readonly kind = 'wasm'
  readonly hasClosedLoop = true
  readonly route: () => void
  readonly routeBatch: () => void
  readonly acquire: () => void
  readonly release: () => void
  readonly #wasm: Exports
  readonly #slots = new Map<string, number>()
  readonly #names: (string | undefined)[] = []
  /** Evictions nobody has asked for yet. */
  readonly #news: number[] = []
  #frame: Float64Array = new Float64Array()
  #batch: Float64Array = new Float64Array()

  constructor(module: WebAssembly.Module, maxRoutes: number) {
    const instance = new WebAssembly.Instance(module, { host: { now: hostClock() } })
    const wasm = instance.exports as unknown as Exports
    wasm.create(maxRoutes)
    this.#wasm = wasm
    this.route = wasm.route
    this.routeBatch = wasm.route_batch
    this.acquire = wasm.acquire
    this.release = wasm.release
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

  intern(routeId: string): number {
    const known = this.#slots.get(routeId)
    if (known !== undefined) {
      this.#wasm.touch(known)
      return known
    }
    const slot = this.#wasm.intern(bytesOf(routeId))
    this.#hear(slot)
    this.#slots.set(routeId, slot)
    this.#names[slot] = routeId
    return slot
  }

  find(routeId: string): number {
    return this.#slots.get(routeId) ?? -1
  }

  evicted(): number {
    return this.#news.shift() ?? -1
  }

  remove(slot: number): void {
    this.#wasm.remove(slot)
    this.#hear(-1)
  }

  /** Forgets the names of evicted routes; `taken` is a slot that has a new tenant. */
  #hear(taken: number): void {
    for (let slot = this.#wasm.evicted(); slot !== -1; slot = this.#wasm.evicted()) {
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

  routeIds(): string[] {
    return this.#names.filter((name) => name !== undefined)
  }

  nameOf(slot: number): string | undefined {
    return this.#names[slot]
  }

  defineLaw(cells: Float64Array, id = -1): number {
    this.batch.set(cells.subarray(0, LAW.LENGTH))
    return this.#wasm.define_law(id)
  }

  setLaw(slot: number, law: number): void {
    this.#wasm.set_law(slot, law)
  }

  readState(slot: number): boolean {
    return this.#wasm.read_state(slot) !== 0
  }

  writeState(slot: number): boolean {
    return this.#wasm.write_state(slot) !== 0
  }

  readStats(slot: number): boolean {
    return this.#wasm.read_stats(slot) !== 0
  }

  lease(slot: number, taken: boolean): void {
    this.#wasm.lease(slot, Number(taken))
  }

  order(slot: number, order: number): void {
    this.#wasm.order(slot, order)
  }

  setDryRun(dryRun: boolean): void {
    this.#wasm.dry_run(Number(dryRun))
  }

  nextUsed(): number {
    return this.#wasm.next_used()
  }

  share(slot: number): void {
    this.#wasm.share(slot)
  }

  demote(slot: number): void {
    this.#wasm.demote(slot)
  }

  scar(slot: number, ohms: number): void {
    this.#wasm.scar(slot, ohms)
  }
}
