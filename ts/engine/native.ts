/** The native engine: the Rust addon, its hot path over a frame that both sides see. */

import { loadAddon, loadBinding } from '../addon/addon.js'
import { ConfigError } from '../base/errors.js'
import type { EngineHalf, MailboxLink, NativeCluster } from './cluster-port.js'
import { answerOnFault, CrateEngine } from './crate-engine.js'
import { admit, admitRows, type FaultListener } from './fault.js'
import type { ImagePort } from './image-port.js'
import { namingSets } from './instruction-set.js'
import type { LoopPort } from './loop-port.js'
import { METRIC_CELLS } from './metric-cells.js'
import { BATCH_ROWS, type Engine, FRAME, type RareCalls, ROW_CELLS, type RouteArrays } from './port.js'

/** The exports of the addon; written out here, because the addon's own types exist only after it was built. */
interface NativeBinding {
  readonly NativeEngine: new (
    maxRoutes: number,
    frame: Float64Array,
    batch: Float64Array,
    isShared: boolean,
  ) => NativeClass
  readonly Link: new (maxRoutes: number) => EngineHalf
  /** The report of the first panic since it was last asked. */
  takePanic(): string | undefined | null
  watchLoop(cells: Float64Array, onStall: () => void): boolean
  watchedLoop(): number | null
}

/** The codes of the addon's errors that are panics. */
const PANICS: readonly unknown[] = ['ATRION_PANIC', 'GenericFailure']

/** The calls on the addon's halves of mailboxes. */
interface NativeSync {
  sync(link: EngineHalf, gamma: number): void
  syncRecorded(link: EngineHalf, gamma: number): Float64Array
  adopt(link: EngineHalf, most: number, gamma: number): number
  leave(link: EngineHalf): void
}

/** The port but for the hot path, which it hands out as bare functions. */
type NativeClass = RareCalls &
  NativeSync & { metrics(rows: Float64Array): number; readClock(isCoarse: boolean): number } & {
    hot(): Pick<Engine, 'route' | 'routeBatch' | 'acquire' | 'release'> & { routeArrays: RouteArrays }
    watch(): boolean
    takeStalls(): Float64Array
    blocked(sinceMs: number, untilMs: number): void
    postpone(permit: number, byMs: number): void
    stalledMs(permit: number): number
    image(most: number): Uint8Array | null
    loadImage(image: Uint8Array): Float64Array | null
  }

/** The engine's part in replication: bytes go from its half of a mailbox to the store's and back, each time the two are brought into step. */
function clusterOf(
  { Link }: NativeBinding,
  native: NativeClass,
  attempt: <T>(call: () => T, otherwise: T) => T,
): NativeCluster {
  const halfOf = (link: MailboxLink): EngineHalf => {
    link.engine ??= new Link(link.maxRoutes)
    return link.engine
  }
  const sync = <T>(link: MailboxLink, call: (half: EngineHalf) => T): T => {
    const half = halfOf(link)
    const received = link.store.received()
    if (received !== null) half.receive(received)
    const result = call(half)
    const outgoing = half.outgoing()
    if (outgoing !== null) link.store.deposit(outgoing)
    return result
  }
  const adopt = (link: MailboxLink, most: number, gamma: number): number => {
    const half = halfOf(link)
    const loaded = link.store.loaded()
    if (loaded !== null) half.load(loaded)
    const taken = native.adopt(half, most, gamma)
    // New routes are requested of the peers.
    const outgoing = taken > 0 ? half.outgoing() : null
    if (outgoing !== null) link.store.deposit(outgoing)
    return taken
  }
  return {
    sync: (link, gamma) => attempt(() => sync(link, (half) => native.sync(half, gamma)), undefined),
    syncRecorded: (link, gamma) =>
      attempt(() => sync(link, (half) => native.syncRecorded(half, gamma)), new Float64Array(1)),
    adopt: (link, most, gamma) => attempt(() => adopt(link, most, gamma), 0),
    leave: (link) => attempt(() => native.leave(halfOf(link)), undefined),
  }
}

class NativeEngine extends CrateEngine implements Engine {
  readonly kind = 'native'
  readonly hasClosedLoop = true
  readonly frame = new Float64Array(FRAME.LENGTH)
  readonly batch = new Float64Array(BATCH_ROWS * ROW_CELLS)
  route: () => void
  routeBatch: () => void
  routeArrays: RouteArrays | undefined
  acquire: () => void
  release: () => void
  readonly cluster: NativeCluster
  readonly loop: LoopPort
  readonly images: ImagePort
  onFault: FaultListener | undefined
  readonly #native: NativeClass
  readonly #binding: NativeBinding
  /** Routes that there were when they were last counted. */
  #metricRows = 0

  constructor(binding: NativeBinding, maxRoutes: number, isShared: boolean) {
    super()
    const native = new binding.NativeEngine(maxRoutes, this.frame, this.batch, isShared)
    this.#binding = binding
    this.#native = native
    this.cluster = clusterOf(binding, native, (call, otherwise) => this.#try(call, otherwise))
    this.loop = {
      file: loadAddon().path,
      watchLoop: (cells, onStall) => this.#try(() => binding.watchLoop(cells, onStall), false),
      number: () => this.#try(() => binding.watchedLoop(), null) ?? undefined,
      attach: () => this.#try(() => native.watch(), false),
      takeStalls: () => this.#try(() => native.takeStalls(), new Float64Array()),
      blocked: (sinceMs, untilMs) => this.#try(() => native.blocked(sinceMs, untilMs), undefined),
      postpone: (permit, byMs) => this.#try(() => native.postpone(permit, byMs), undefined),
      stalledMs: (permit) => this.#try(() => native.stalledMs(permit), 0),
    }
    this.images = {
      take: (most) => this.#try(() => native.image(most), null) ?? undefined,
      load: (image) => this.#try(() => native.loadImage(image), null) ?? undefined,
    }
    const { route, routeBatch, routeArrays, acquire, release } = native.hot()
    const { frame, batch } = this
    this.route = () => {
      try {
        route()
      } catch (error) {
        this.#failed(error, admit(frame))
      }
    }
    this.routeBatch = () => {
      try {
        routeBatch()
      } catch (error) {
        this.#failed(error, admitRows(batch, frame[FRAME.SLOT]!))
      }
    }
    this.routeArrays = (slots, samples, out, from, to, stride) => {
      try {
        routeArrays(slots, samples, out, from, to, stride)
      } catch (error) {
        this.#failed(error, out.fill(0, from * stride, to * stride))
        frame[FRAME.STATUS] = 0
      }
    }
    this.acquire = () => {
      try {
        acquire()
      } catch (error) {
        this.#failed(error, admit(frame))
      }
    }
    this.release = () => {
      try {
        release()
      } catch (error) {
        this.#failed(error, undefined)
        frame[FRAME.STATUS] = 0
      }
    }
  }

  metrics(given?: Float64Array): Float64Array {
    return this.#try(() => {
      let rows = given ?? new Float64Array(this.#metricRows * METRIC_CELLS)
      let count = this.#native.metrics(rows)
      if (count * METRIC_CELLS > rows.length) {
        rows = new Float64Array(count * METRIC_CELLS)
        count = Math.min(this.#native.metrics(rows), count)
      }
      this.#metricRows = count
      return rows.subarray(0, count * METRIC_CELLS)
    }, new Float64Array())
  }

  readClock(isCoarse: boolean): number {
    return this.#native.readClock(isCoarse)
  }

  lastRead(): number {
    return this.frame[FRAME.READ_MS]!
  }

  #try<T>(call: () => T, otherwise: T): T {
    try {
      return call()
    } catch (error) {
      return this.#failed(error, otherwise)
    }
  }

  /** The answer of a call that panicked. @throws the error, when it is another */
  #failed<T>(error: unknown, answer: T): T {
    if (!PANICS.includes((error as { code?: unknown } | null)?.code)) throw error
    const tell = this.onFault
    this.onFault = undefined
    tell?.(this.#binding.takePanic() ?? String((error as Error).stack))
    return answer
  }

  protected pass(call: keyof RareCalls, a: unknown, b: unknown): unknown {
    const native = this.#native as unknown as Record<string, (a: unknown, b: unknown) => unknown>
    return this.#try(() => native[call]!(a, b), answerOnFault(call)) ?? undefined
  }
}

/**
 * An engine for one instance or, when shared, the one of the process.
 *
 * @throws ConfigError when the process's has room for another number of routes
 */
export function createNativeEngine(maxRoutes: number, isShared = false): Engine {
  const binding = loadBinding() as NativeBinding
  try {
    return new NativeEngine(binding, maxRoutes, isShared)
  } catch (error) {
    const room = /^maxRoutes of the process: (\d+)$/.exec((error as Error).message)?.[1]
    if (room === undefined) throw namingSets(error)
    throw new ConfigError('maxRoutes', `${room}, as of the process's other instances of scope 'process'`, maxRoutes)
  }
}
