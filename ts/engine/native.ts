/** The native engine: the Rust addon, its hot path over a frame that both sides see. */

import { ConfigError } from '../errors.js'
import { loadBinding } from './addon.js'
import { BATCH_ROWS, type Engine, FRAME, type NativeCluster, ROW_CELLS } from './port.js'

/** What the addon exports; written out here, because the addon's own types exist only after it was built. */
interface NativeBinding {
  readonly NativeEngine: new (
    maxRoutes: number,
    frame: Float64Array,
    batch: Float64Array,
    isShared: boolean,
  ) => NativeClass
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
  | 'nameOf'
  | 'defineLaw'
  | 'setLaw'
  | 'readState'
  | 'writeState'
  | 'scar'
  | 'nextUsed'
  | 'share'
  | 'demote'
> &
  NativeCluster & { hot(): Pick<Engine, 'route' | 'routeBatch' | 'acquire' | 'release'> }

class NativeEngine implements Engine {
  readonly kind = 'native'
  readonly hasClosedLoop = true
  readonly frame = new Float64Array(FRAME.LENGTH)
  readonly batch = new Float64Array(BATCH_ROWS * ROW_CELLS)
  readonly route: () => void
  readonly routeBatch: () => void
  readonly acquire: () => void
  readonly release: () => void
  readonly cluster: NativeCluster
  readonly #native: NativeClass

  constructor(binding: NativeBinding, maxRoutes: number, isShared: boolean) {
    this.#native = new binding.NativeEngine(maxRoutes, this.frame, this.batch, isShared)
    this.cluster = this.#native
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

  nameOf(slot: number): string | undefined {
    return this.#native.nameOf(slot) ?? undefined
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

  nextUsed(): number {
    return this.#native.nextUsed()
  }

  share(slot: number): void {
    this.#native.share(slot)
  }

  demote(slot: number): void {
    this.#native.demote(slot)
  }

  scar(slot: number, ohms: number): void {
    this.#native.scar(slot, ohms)
  }
}

/**
 * An engine of one's own or, when shared, the one of the process.
 *
 * @throws ConfigError when the process's has room for another number of routes
 */
export function createNativeEngine(maxRoutes: number, isShared = false): Engine {
  const binding = loadBinding() as NativeBinding
  try {
    return new NativeEngine(binding, maxRoutes, isShared)
  } catch (error) {
    const room = /^maxRoutes of the process: (\d+)$/.exec((error as Error).message)?.[1]
    if (room === undefined) throw error
    throw new ConfigError('maxRoutes', `${room}, as of the process's other instances of scope 'process'`, maxRoutes)
  }
}
