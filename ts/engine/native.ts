/** The native engine: the Rust addon, its hot path over a frame that both sides see. */

import { createRequire } from 'node:module'
import { BATCH_ROWS, type Engine, FRAME, ROW_CELLS } from './port.js'

/** What the addon exports; written out here, because the addon's own types exist only after it was built. */
interface NativeBinding {
  readonly NativeEngine: new (maxRoutes: number, frame: Float64Array, batch: Float64Array) => NativeClass
}

/** The port but for the hot path, which it hands out as bare functions. */
type NativeClass = Pick<
  Engine,
  | 'readStats'
  | 'lease'
  | 'order'
  | 'setDryRun'
  | 'intern'
  | 'find'
  | 'evicted'
  | 'remove'
  | 'routeIds'
  | 'defineLaw'
  | 'setLaw'
  | 'readState'
  | 'writeState'
  | 'scar'
> & { hot(): Pick<Engine, 'route' | 'routeBatch' | 'acquire' | 'release'> }

class NativeEngine implements Engine {
  readonly kind = 'native'
  readonly hasClosedLoop = true
  readonly frame = new Float64Array(FRAME.LENGTH)
  readonly batch = new Float64Array(BATCH_ROWS * ROW_CELLS)
  readonly route: () => void
  readonly routeBatch: () => void
  readonly acquire: () => void
  readonly release: () => void
  readonly #native: NativeClass

  constructor(binding: NativeBinding, maxRoutes: number) {
    this.#native = new binding.NativeEngine(maxRoutes, this.frame, this.batch)
    const { route, routeBatch, acquire, release } = this.#native.hot()
    this.route = route
    this.routeBatch = routeBatch
    this.acquire = acquire
    this.release = release
  }

  readStats(slot: number): boolean {
    return this.#native.readStats(slot)
  }

  lease(slot: number, taken: boolean): void {
    this.#native.lease(slot, taken)
  }

  order(slot: number, order: number): void {
    this.#native.order(slot, order)
  }

  setDryRun(dryRun: boolean): void {
    this.#native.setDryRun(dryRun)
  }

  intern(routeId: string): number {
    return this.#native.intern(routeId)
  }

  find(routeId: string): number {
    return this.#native.find(routeId)
  }

  evicted(): number {
    return this.#native.evicted()
  }

  remove(slot: number): void {
    this.#native.remove(slot)
  }

  routeIds(): string[] {
    return this.#native.routeIds()
  }

  defineLaw(cells: Float64Array, id?: number): number {
    return this.#native.defineLaw(cells, id)
  }

  setLaw(slot: number, law: number): void {
    this.#native.setLaw(slot, law)
  }

  readState(slot: number): boolean {
    return this.#native.readState(slot)
  }

  writeState(slot: number): boolean {
    return this.#native.writeState(slot)
  }

  scar(slot: number, ohms: number): void {
    this.#native.scar(slot, ohms)
  }
}

/** The addon, looked for beside the built package and among its platform packages. Throws where there is none. */
export function createNativeEngine(maxRoutes: number): Engine {
  const binding = createRequire(import.meta.url)('#native') as NativeBinding
  return new NativeEngine(binding, maxRoutes)
}
