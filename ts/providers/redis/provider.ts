/** State in Redis or Valkey, shared by all nodes of a service. The network is Rust's, on a thread of its own. */

import { loadRedisBinding } from '../../addon/addon.js'
import { AtrionError, ConfigError, ConnectionError, DependencyError, SyncError } from '../../base/errors.js'
import { copyOf } from '../../base/own.js'
import { Withheld } from '../../base/text.js'
import type { StoreHalf } from '../../engine/cluster-port.js'
import { LINK, type NativeLink } from '../native-link.js'
import {
  type DocumentOptions,
  isPhysicsVector,
  type PhysicsVector,
  type SharedDocument,
  type StateProvider,
  type VectorOrigin,
} from '../provider.js'
import { settingsOfClient } from './clients.js'
import { type NativeDocuments, RedisDocuments } from './documents.js'
import { FIELDS, type LinkSettings, type RedisStateProviderOptions, settingsOf } from './settings.js'

/** The traffic of a provider's link since it was made; `state`, `nodes` and `pendingRoutes` are as they are now. */
export interface RedisStats {
  readonly state: 'closed' | 'connecting' | 'healthy' | 'degraded'
  /** Messages published, their bytes, and the routes in them. */
  readonly sentMessages: number
  readonly sentBytes: number
  readonly sentRoutes: number
  /** Routes written to the store, and the bytes of their names and values. */
  readonly storedRoutes: number
  readonly storedBytes: number
  /** Messages of others, their bytes, and the routes in them. */
  readonly receivedMessages: number
  readonly receivedBytes: number
  readonly receivedRoutes: number
  /** Messages dropped: malformed, longer than 4 MiB or faster than they could be read, of a later version. */
  readonly droppedMalformed: number
  readonly droppedOversized: number
  readonly droppedFuture: number
  /** Stored values skipped because no node writes such. */
  readonly droppedRecords: number
  /** With a secret: messages and stored values without a MAC, with a MAC by none of the secrets, and those that came before. */
  readonly droppedUnsigned: number
  readonly droppedForged: number
  /** Repetitions, and what was sent more than a minute from now by this node's clock. */
  readonly droppedReplayed: number
  /** Without a secret: messages of unknown nodes dropped because too many came at once. */
  readonly droppedStrangers: number
  /** Routes that gave way to others, because tables are bounded. */
  readonly droppedRoutes: number
  /** Routes loaded from the store, last time. */
  readonly loadedRoutes: number
  readonly reconnects: number
  /** Other nodes that reported within three seconds. */
  readonly nodes: number
  /** Routes of which something still has to be written. */
  readonly pendingRoutes: number
}

/** The class of the Redis client's addon; written out here, because the addon's own types exist only after it was built. */
interface NativeRedisLink extends StoreHalf, NativeDocuments {
  connect(): Promise<void>
  disconnect(): Promise<void>
  getVector(routeId: string): Promise<number[] | null>
  updateVector(routeId: string, scar: number, momentum: number, ticks: number, resistance: number): Promise<void>
  deleteVector(routeId: string): Promise<void>
  listRoutes(): Promise<string[]>
  watch(routeId: string, on: boolean): void
  onEvent(callback: (kind: string, detail: string, cells: number[]) => void): void
  stats(): RedisStats
}

type Callback = (vector: PhysicsVector, origin: VectorOrigin) => void

/** A client of another package whose settings are read: one of ioredis or node-redis, single or cluster. */
export interface RedisClientLike {
  on(event: string, listener: (...args: never[]) => void): unknown
}

/**
 * Shares state over Redis: scars travel over pub/sub every `intervalMs`, and every node's own state is kept
 * in hashes that expire, so that a restarted node starts scarred. Documents are in hashes of their own.
 *
 * Nothing waits for it: with the server gone, decisions go on alone; `connect()` alone rejects, and not with
 * `required: false`. A connected provider keeps no process alive.
 *
 * ```ts
 * const provider = new RedisStateProvider('rediss://service:secret@redis.internal:6380')
 * const atrion = new Atrion({ provider })
 * await atrion.connect()
 * ```
 */
export class RedisStateProvider implements StateProvider {
  readonly name: string = 'RedisStateProvider'
  /** The interval at which changes are sent, ms. */
  readonly intervalMs: number
  /** γ: the weight of other nodes' reports against this node's own measurements, [0, 1]. */
  readonly gamma: number
  /** True when a `secret` proves the nodes. */
  readonly hasProvedNodes: boolean
  /** The zone of this node, if it has one. */
  readonly zone?: string
  /** @internal */
  readonly [LINK]: NativeLink
  readonly #link: NativeRedisLink
  readonly #documents: RedisDocuments
  readonly #watching = new Map<string, Set<Callback>>()
  readonly #telling = new Set<(state: 'degraded' | 'restored', error?: Error) => void>()
  #connecting: Promise<void> | undefined
  #isConnected = false
  /** Counts connect() and disconnect(): what an earlier attempt comes to is no news. */
  #turns = 0

  /**
   * @param redis where: a URL, options, or a client of ioredis or node-redis, whose settings are read and whose socket is
   *   left alone. Default redis://127.0.0.1:6379.
   * @param options more options, beside a URL or a client
   * @throws ConfigError for an option out of its range, or unknown
   * @throws DependencyError where the native addon is missing
   */
  constructor(
    redis: string | RedisStateProviderOptions | RedisClientLike = {},
    options: RedisStateProviderOptions = {},
  ) {
    const { link, gamma } = settingsOf({ ...copyOf(optionsOf(redis), FIELDS), ...copyOf(options, FIELDS) })
    this.intervalMs = link.intervalMs
    this.gamma = gamma
    this.hasProvedNodes = link.secrets.length > 0
    if (link.zone !== undefined) this.zone = link.zone
    this.#link = createLink(link)
    this.#documents = new RedisDocuments(
      this.#link,
      () => this.name,
      () => this.#requireConnected(),
    )
    this.#link.onEvent(RedisStateProvider.#listener(new WeakRef(this)))
    this[LINK] = {
      store: this.#link,
      maxRoutes: link.maxRoutes,
      onState: (tell) => {
        this.#telling.add(tell)
        return () => this.#telling.delete(tell)
      },
    }
  }

  /** The traffic of the link. */
  stats(): RedisStats {
    return this.#link.stats()
  }

  /** @throws ConnectionError when the server cannot be reached in time, unless `required` is false */
  connect(): Promise<void> {
    this.#connecting ??= this.#connect()
    return this.#connecting
  }

  async #connect(): Promise<void> {
    const turn = ++this.#turns
    try {
      await this.#link.connect()
      this.#isConnected = turn === this.#turns
    } catch (cause) {
      if (turn === this.#turns) this.#connecting = undefined
      throw new ConnectionError(this.name, { cause })
    }
  }

  /** Sends and stores what has not been, for at most two seconds, and ends the link. */
  async disconnect(): Promise<void> {
    this.#connecting = undefined
    this.#isConnected = false
    this.#turns++
    await this.#link.disconnect()
  }

  /** The newest state of a route, whichever node wrote it. */
  async getVector(routeId: string): Promise<PhysicsVector | null> {
    const cells = await this.#ask(routeId, () => this.#link.getVector(routeId))
    return cells && vectorOf(cells)
  }

  /** Writes this node's state of a route and publishes it to the other nodes; resolves when it is written. */
  async updateVector(routeId: string, vector: PhysicsVector): Promise<void> {
    if (!isPhysicsVector(vector)) throw new ConfigError('vector', 'an object with four finite numbers ≥ 0', vector)
    const { scar, momentumScalar, lastTick, resistance } = vector
    await this.#ask(routeId, () => this.#link.updateVector(routeId, scar, momentumScalar, lastTick, resistance))
  }

  /** Removes a route, whichever nodes wrote it. */
  async deleteVector(routeId: string): Promise<void> {
    await this.#ask(routeId, () => this.#link.deleteVector(routeId))
  }

  async listRoutes(): Promise<string[]> {
    return this.#ask('*', () => this.#link.listRoutes())
  }

  subscribe(routeId: string, onChange: (vector: PhysicsVector, origin: VectorOrigin) => void): () => void {
    // Subscribing twice with one function is two subscriptions.
    const callback: Callback = (vector, origin) => onChange(vector, origin)
    const callbacks = this.#watching.get(routeId) ?? new Set()
    if (callbacks.size === 0) {
      this.#watching.set(routeId, callbacks)
      this.#link.watch(routeId, true)
    }
    callbacks.add(callback)
    return () => {
      if (!callbacks.delete(callback) || callbacks.size > 0) return
      this.#watching.delete(routeId)
      this.#link.watch(routeId, false)
    }
  }

  /**
   * Reads a document from the server, in four seconds at most.
   *
   * @throws ConfigError for a name out of its range
   * @throws ConnectionError while the server cannot be reached
   * @throws AtrionError when the server refuses (`ATRION_SYNC`), and where there is something else, or with a `secret` one that
   *   no node wrote or that is older than one that was read before (`ATRION_PARSE`)
   */
  async readDocument(name: string): Promise<SharedDocument> {
    return this.#documents.read(name)
  }

  /**
   * Writes a document if it has this version, in four seconds at most.
   *
   * @throws ConfigError for a name, a version, a text or an option out of its range
   * @throws ConnectionError while the server cannot be reached; it may have been written then
   * @throws AtrionError when the server refuses (`ATRION_SYNC`)
   */
  async writeDocument(name: string, version: number, text: string, options?: DocumentOptions): Promise<boolean> {
    return this.#documents.write(name, version, text, options)
  }

  /** Calls back for the writes of other nodes, and of those in this process that use this provider. */
  watchDocuments(onWrite: (name: string) => void): () => void {
    return this.#documents.watch(onWrite)
  }

  /**
   * Made here, and of a weak reference: else the link would keep the provider, and the provider the link. A function of
   * the constructor would see its `this`.
   */
  static #listener(self: WeakRef<RedisStateProvider>) {
    return (kind: string, detail: string, cells: number[]): void => {
      const provider = self.deref()
      if (provider) provider.#receive(kind, detail, cells)
    }
  }

  async #ask<T>(routeId: string, call: () => Promise<T>): Promise<T> {
    // At once where that is possible: what is asked before disconnect() is done before it.
    if (!this.#isConnected) await this.#requireConnected()
    try {
      return await call()
    } catch (cause) {
      throw new SyncError(routeId, cause)
    }
  }

  async #requireConnected(): Promise<void> {
    if (this.#connecting === undefined) throw new ConnectionError(this.name)
    if (!this.#isConnected) await this.#connecting
  }

  #receive(kind: string, detail: string, cells: number[]): void {
    if (kind === 'changed') {
      for (const callback of [...(this.#watching.get(detail) ?? [])])
        harmless(() => callback(vectorOf(cells), originOf(cells)))
    } else if (kind === 'written') {
      this.#documents.written(detail)
    } else if (kind === 'restored') {
      for (const tell of [...this.#telling]) harmless(() => tell('restored'))
    } else {
      const error = new AtrionError(`${this.name} is in trouble: ${detail}`, { code: 'ATRION_CONNECTION' })
      for (const tell of [...this.#telling]) harmless(() => tell('degraded', error))
    }
  }
}

function optionsOf(redis: string | RedisStateProviderOptions | RedisClientLike): RedisStateProviderOptions {
  if (typeof redis === 'string') return { url: redis }
  if (typeof redis !== 'object' || redis === null || Array.isArray(redis)) {
    throw new ConfigError('redis', 'a URL, options, or a client of ioredis or node-redis', new Withheld(redis))
  }
  return settingsOfClient(redis) ?? (redis as RedisStateProviderOptions)
}

function createLink(settings: LinkSettings): NativeRedisLink {
  let RedisLink: new (settings: LinkSettings) => NativeRedisLink
  try {
    ;({ RedisLink } = loadRedisBinding() as { RedisLink: typeof RedisLink })
  } catch (cause) {
    const { message, remedy } = cause as Error & { readonly remedy?: string }
    throw new DependencyError('the native addon, which RedisStateProvider needs,', remedy, {
      cause,
      problem: `did not load: ${message}`,
    })
  }
  return new RedisLink(settings)
}

const vectorOf = ([scar = 0, momentumScalar = 0, lastTick = 0, resistance = 0]: number[]): PhysicsVector => ({
  scar,
  momentumScalar,
  lastTick,
  resistance,
})

/** After the four of the vector: recent requests, and the node in two halves. */
const originOf = ([, , , , requests = 0, high = 0, low = 0]: number[]): VectorOrigin => ({
  node: `${high.toString(16)}${low.toString(16).padStart(8, '0')}`,
  requests,
})

/** A listener that throws affects neither the link nor the other listeners. */
function harmless(call: () => unknown): void {
  try {
    call()
  } catch {
    // The listener's own.
  }
}
