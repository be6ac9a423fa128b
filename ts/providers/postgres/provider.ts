/** State in PostgreSQL, shared by all nodes of a service, over the client that the service has already. */

import { ConfigError, isParseError, SyncError } from '../../base/errors.js'
import { LONGEST_ROUTE_ID } from '../../base/input.js'
import { Lifecycle } from '../lifecycle.js'
import {
  type DocumentOptions,
  isPhysicsVector,
  type PhysicsVector,
  type SharedDocument,
  type StateProvider,
  type VectorOrigin,
} from '../provider.js'
import { PostgresClient, type PostgresClientLike } from './client.js'
import { Documents } from './documents.js'
import { Link } from './link.js'
import { prepare } from './prepare.js'
import { Reader } from './reader.js'
import { migrationOf, roleOf, SCHEMA_VERSION, tablesOf } from './schema.js'
import { Seal } from './seal.js'
import { ServerClock } from './server-clock.js'
import {
  nameOf,
  type PostgresMigrationOptions,
  type PostgresStateProviderOptions,
  type PostgresTableOptions,
  placeOf,
  type Settings,
  settingsOf,
} from './settings.js'
import { timeOf } from './shards.js'
import { Writer } from './writer.js'

export type { PostgresClientLike } from './client.js'
export type { PostgresMigrationOptions, PostgresStateProviderOptions, PostgresTableOptions } from './settings.js'

/** The traffic of a provider since it was made; `nodes` is as it is now. */
export interface PostgresStats {
  /** Statements that wrote this node's routes, the routes in them that had changed, and the characters of their rows. */
  readonly sentBatches: number
  readonly sentRoutes: number
  readonly sentBytes: number
  /** Changes of other nodes, and the characters of the rows that were read. */
  readonly receivedRoutes: number
  readonly receivedBytes: number
  /** Rows that no node writes; with a secret, those without a MAC by it. */
  readonly droppedRows: number
  readonly droppedUnsigned: number
  /** Statements that failed or were given up. */
  readonly failures: number
  /** Other nodes that wrote within three seconds. */
  readonly nodes: number
}

/** `disconnect()` writes what is not written for no longer than this, ms. */
const PATIENCE_MS = 2000

/**
 * Shares state over PostgreSQL: each node writes what changed in one statement a batch, and looks for what others wrote. Every node has rows of its own,
 * which are forgotten when it has not renewed them for `retentionMs`.
 *
 * Nothing waits for it: with the server gone, decisions go on alone, and what has changed is written when it is back. `connect()` alone rejects. The pool
 * is never closed; at most four statements are under way on it at once.
 *
 * ```ts
 * const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL })
 * const atrion = new Atrion({ provider: new PostgresStateProvider(pool) })
 * await atrion.connect()
 * ```
 */
export class PostgresStateProvider implements StateProvider {
  readonly name = 'PostgresStateProvider'
  /** The interval at which changes are sent, ms. */
  readonly intervalMs: number
  /** γ: the weight of other nodes' reports against this node's own measurements, [0, 1]. */
  readonly gamma: number
  /** false: `atrion.connect()` does not depend on this. */
  readonly required: boolean
  /** The zone of this node, if it has one. */
  readonly zone?: string
  /** True when a `secret` proves the nodes. */
  readonly hasProvedNodes: boolean
  /** All changes of a batch travel together. */
  readonly maxConcurrentUpdates: number
  /** The time after which a call of a document counts as lost, ms: more than its two statements take at most. */
  readonly documentTimeoutMs: number
  readonly #settings: Settings
  readonly #link: Link
  readonly #writer: Writer
  readonly #reader: Reader
  readonly #documents: Documents
  readonly #lifecycle = new Lifecycle(this.name)

  /**
   * @param pool a pool or a client of `pg`, a function of postgres.js, PGlite, or anything with `query(text, values)` that gives `{ rows }`
   * @throws ConfigError for an option out of its range, or unknown
   */
  constructor(pool: PostgresClientLike, options: PostgresStateProviderOptions = {}) {
    const settings = settingsOf(options)
    const client = new PostgresClient(pool, settings.timeoutMs)
    this.#settings = settings
    this.intervalMs = settings.intervalMs
    this.gamma = settings.gamma
    this.required = settings.required
    this.hasProvedNodes = settings.secrets.length > 0
    if (settings.zone !== '') this.zone = settings.zone
    this.maxConcurrentUpdates = settings.maxRoutes
    this.documentTimeoutMs = Math.max(8_000, 2 * settings.timeoutMs + 1_000)
    this.#link = new Link(settings, client, tablesOf(settings), new ServerClock(), new Seal(settings.secrets))
    this.#writer = new Writer(this.#link, () => this.#prepare())
    this.#reader = new Reader(this.#link)
    this.#documents = new Documents(this.#link)
  }

  /**
   * The statement that makes the tables or brings them up to date, for those who run it themselves: with `migrate: false` nothing else does.
   *
   * @throws ConfigError for an option out of its range, or unknown
   */
  static migration(options: PostgresMigrationOptions = {}): string {
    return migrationOf(placeOf(options))
  }

  /**
   * The statements that make a role with no more rights than a service needs that does not make the tables itself. To be run after
   * {@link PostgresStateProvider.migration}.
   *
   * @param name the role, 1 to 63 bytes. Default 'atrion'.
   * @throws ConfigError for a name or an option out of its range, or unknown
   */
  static role(name = 'atrion', options: PostgresTableOptions = {}): string {
    return roleOf(placeOf(options), nameOf('name', name, 63))
  }

  /** {@link PostgresStateProvider.migration} for this provider's tables. */
  migration(): string {
    return migrationOf(this.#settings)
  }

  /** {@link PostgresStateProvider.role} for this provider's tables. */
  role(name = 'atrion'): string {
    return roleOf(this.#settings, nameOf('name', name, 63))
  }

  /** The traffic so far. */
  stats(): PostgresStats {
    return { ...this.#link.counts, nodes: this.#reader.nodes }
  }

  /**
   * Makes the tables where they are missing, and begins to look for changes.
   *
   * @throws ConnectionError when the server cannot be reached, or its tables are missing or of a later version
   */
  connect(): Promise<void> {
    return this.#lifecycle.connect(async () => {
      await this.#prepare()
      await this.#reader.start()
      this.#writer.start()
    })
  }

  /** Writes what has not been, for at most two seconds. The pool stays open. */
  disconnect(): Promise<void> {
    return this.#lifecycle.disconnect(
      () => this.#writer.stop(PATIENCE_MS),
      () => this.#reader.stop(),
    )
  }

  /** The newest state of a route, whichever node wrote it. */
  getVector(routeId: string): Promise<PhysicsVector | null> {
    return this.#ask(routeId, () => this.#reader.newest(routeId))
  }

  /** Writes this node's state of a route; resolves when it is written. All calls of one turn go in one statement. */
  async updateVector(routeId: string, vector: PhysicsVector): Promise<void> {
    if (typeof routeId !== 'string' || routeId.length > LONGEST_ROUTE_ID) {
      throw new TypeError(`routeId must be a string of at most ${LONGEST_ROUTE_ID} characters`)
    }
    if (!isPhysicsVector(vector)) throw new ConfigError('vector', 'an object with four finite numbers ≥ 0', vector)
    const { scar, momentumScalar, lastTick, resistance } = vector
    // A copy: the caller may change it while a connection is being made.
    const copy = { scar, momentumScalar, lastTick, resistance }
    await this.#ask(routeId, () => this.#writer.update(routeId, copy))
  }

  /** Removes a route, whichever nodes wrote it. */
  deleteVector(routeId: string): Promise<void> {
    return this.#ask(routeId, () => this.#writer.delete(routeId))
  }

  async listRoutes(): Promise<string[]> {
    return this.#ask('*', async () => [...(await this.#reader.load()).keys()])
  }

  /** The routes that were changed last, each as the node that changed it last has it. */
  load(maxRoutes: number): Promise<Iterable<readonly [routeId: string, vector: PhysicsVector, ageMs: number]>> {
    return this.#ask('*', async () => {
      const routes = [...(await this.#reader.load()).values()]
      const nowUs = this.#link.clock.nowUs()
      return routes
        .sort((a, b) => timeOf(b) - timeOf(a))
        .slice(0, Math.max(0, maxRoutes))
        .map((route) => [route.routeId, route.vector, Math.max(0, (nowUs - timeOf(route)) / 1000)] as const)
    })
  }

  subscribe(routeId: string, onChange: (vector: PhysicsVector, origin?: VectorOrigin) => void): () => void {
    return this.#reader.listeners.add(routeId, onChange)
  }

  /**
   * @throws ConfigError for a name out of its range
   * @throws AtrionError where there is something else, or with a `secret` one that no node wrote or that is older than one that was read
   *   before (`ATRION_PARSE`)
   */
  async readDocument(name: string): Promise<SharedDocument> {
    return this.#ask(`document ${name}`, () => this.#documents.read(name))
  }

  /** @throws ConfigError for a name, a version, a text or an option out of its range */
  async writeDocument(name: string, version: number, text: string, options?: DocumentOptions): Promise<boolean> {
    return this.#ask(`document ${name}`, () => this.#documents.write(name, version, text, options))
  }

  watchDocuments(onWrite: (name: string) => void): () => void {
    return this.#reader.watchers.add(onWrite)
  }

  /** Makes sure that the tables are there, in a version that this code knows. */
  async #prepare(): Promise<void> {
    const { client, tables } = this.#link
    await prepare(client, tables.version, SCHEMA_VERSION, this.#settings.migrate ? this.migration() : undefined)
  }

  async #ask<T>(routeId: string, call: () => Promise<T>): Promise<T> {
    // At once where that is possible: a call that is made before disconnect() takes effect before it.
    if (!this.#lifecycle.isConnected) await this.#lifecycle.connected()
    try {
      return await call()
    } catch (cause) {
      if (cause instanceof ConfigError || cause instanceof TypeError || isParseError(cause)) throw cause
      throw new SyncError(routeId, cause)
    }
  }
}
