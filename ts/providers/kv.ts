/** State in any store that gets and puts strings by key: Workers KV, a Durable Object's storage, Deno KV behind two lines. */

import { BoundedRoutes } from '../base/bounded-routes.js'
import { ConfigError } from '../base/errors.js'
import { ownOptions } from '../base/own.js'
import { unknownName } from '../base/suggest.js'
import { isPhysicsVector, type PhysicsVector, type StateProvider } from './provider.js'

/** The methods that a store has to have. */
export interface KVStore {
  /** The value of a key; null or undefined where there is none. */
  get(key: string): Promise<unknown> | unknown
  put(key: string, value: string): Promise<unknown> | unknown
  /** Without it, a route that is forgotten is written as null. */
  delete?(key: string): Promise<unknown> | unknown
}

export interface KVStateProviderOptions {
  /** The beginning of every key. Default 'atrion:'. */
  readonly prefix?: string
  /** A key is written at most so often, ms, ≥ 0. Workers KV takes one write a second and key. Default 1000. */
  readonly writeEveryMs?: number
  /**
   * Most routes whose state is kept, ≥ 1; the least recently written goes first. Their names are at most 16 Mi characters in all.
   * Default 1000.
   */
  readonly maxRoutes?: number
}

const NAMES = ['prefix', 'writeEveryMs', 'maxRoutes'] satisfies (keyof KVStateProviderOptions)[]

const INDEX = 'routes'

/**
 * Routes' state in a key-value store, one key a route and one with all their names. The last writer wins: the store only
 * lets a new isolate start from what another one knew.
 */
export class KVStateProvider implements StateProvider {
  readonly name = 'KVStateProvider'
  readonly #store: KVStore
  readonly #prefix: string
  readonly #writeEveryMs: number
  /** The time at which each route was written, ms. */
  readonly #written: BoundedRoutes<number>
  /** The routes in the store, the one that was written longest ago first. */
  readonly #known: BoundedRoutes<true>
  /** The newest of routes that were written too lately to be written again; each goes with a later call. */
  readonly #pending: BoundedRoutes<PhysicsVector>

  /**
   * @throws TypeError for a store without get and put
   * @throws ConfigError for an option that is unknown or out of its range
   */
  constructor(store: KVStore, options: KVStateProviderOptions = {}) {
    const { prefix, writeEveryMs, maxRoutes } = checked(options)
    if (typeof store?.get !== 'function' || typeof store.put !== 'function') {
      throw new TypeError('store must be an object with get(key) and put(key, value)')
    }
    this.#store = store
    this.#prefix = prefix
    this.#writeEveryMs = writeEveryMs
    this.#written = new BoundedRoutes(maxRoutes)
    this.#known = new BoundedRoutes(maxRoutes)
    this.#pending = new BoundedRoutes(maxRoutes)
  }

  /** Learns which routes the store knows. */
  async connect(): Promise<void> {
    this.#learn(await this.#readIndex())
  }

  /** Writes what was held back. */
  async disconnect(): Promise<void> {
    await this.#writeAll([...this.#pending], performance.now())
  }

  async getVector(routeId: string): Promise<PhysicsVector | null> {
    const pending = this.#pending.get(routeId)
    if (pending !== undefined) return { ...pending }
    const value = await this.#read(routeId)
    return isPhysicsVector(value) ? value : null
  }

  /**
   * Resolves when the store has it or, within `writeEveryMs` of the last time, when it is held back for a later call. What the store
   * does not take is held back as well.
   */
  async updateVector(routeId: string, vector: PhysicsVector): Promise<void> {
    const nowMs = performance.now()
    this.#pending.set(routeId, { ...vector })
    const due = [...this.#pending].filter(([id]) => this.#isDue(id, nowMs))
    await this.#writeAll(due, nowMs)
  }

  /** Writes each, whatever becomes of the others; rejects with the first failure. */
  async #writeAll(entries: readonly (readonly [string, PhysicsVector])[], nowMs: number): Promise<void> {
    const failures: unknown[] = []
    for (const [routeId, vector] of entries) {
      await this.#write(routeId, vector, nowMs).catch((error: unknown) => failures.push(error))
    }
    if (failures.length > 0) throw failures[0]
  }

  #isDue(routeId: string, nowMs: number): boolean {
    return nowMs - (this.#written.get(routeId) ?? Number.NEGATIVE_INFINITY) >= this.#writeEveryMs
  }

  async #write(routeId: string, vector: PhysicsVector, nowMs: number): Promise<void> {
    this.#pending.delete(routeId)
    this.#written.set(routeId, nowMs)
    try {
      await this.#store.put(this.#keyOf(routeId), JSON.stringify(vector))
    } catch (error) {
      if (!this.#pending.has(routeId)) this.#pending.set(routeId, vector)
      throw error
    }
    const isNew = !this.#known.has(routeId)
    const gone = new Set<string>()
    this.#known.set(routeId, true, (oldest) => gone.add(oldest))
    if (!isNew) return
    for (const oldest of gone) await this.#forget(oldest)
    await this.#writeIndex(gone)
  }

  async deleteVector(routeId: string): Promise<void> {
    await this.#forget(routeId)
    await this.#writeIndex(new Set([routeId]))
  }

  async listRoutes(): Promise<string[]> {
    return [...this.#known.keys()]
  }

  /** Routes that another isolate wrote, as many as there is room for. */
  #learn(routeIds: readonly string[]): void {
    for (const routeId of routeIds) {
      if (!this.#known.has(routeId) && this.#known.hasRoom(routeId)) this.#known.set(routeId, true)
    }
  }

  async #forget(routeId: string): Promise<void> {
    this.#known.delete(routeId)
    this.#written.delete(routeId)
    this.#pending.delete(routeId)
    const key = this.#keyOf(routeId)
    await (this.#store.delete ? this.#store.delete(key) : this.#store.put(key, 'null'))
  }

  #keyOf(routeId: string): string {
    // JSON spells out lone surrogates, which no encoding takes.
    return `${this.#prefix}route:${encodeURIComponent(JSON.stringify(routeId).slice(1, -1))}`
  }

  async #read(routeId: string): Promise<unknown> {
    return parse(await this.#store.get(this.#keyOf(routeId)))
  }

  async #readIndex(): Promise<string[]> {
    const names = parse(await this.#store.get(`${this.#prefix}${INDEX}`))
    return Array.isArray(names) ? names.filter((name) => typeof name === 'string' && name !== '') : []
  }

  async #writeIndex(gone: ReadonlySet<string>): Promise<void> {
    // Another isolate may have added names since.
    this.#learn((await this.#readIndex()).filter((routeId) => !gone.has(routeId)))
    await this.#store.put(`${this.#prefix}${INDEX}`, JSON.stringify([...this.#known.keys()]))
  }
}

/** @throws ConfigError for an option that is unknown or out of its range */
function checked(given: KVStateProviderOptions): Required<KVStateProviderOptions> {
  if (typeof given !== 'object' || given === null) throw new ConfigError('options', 'an object', given)
  const options = ownOptions(given, NAMES)
  for (const name of Object.keys(options)) {
    if (!(NAMES as string[]).includes(name)) throw unknownName(name, name, NAMES)
  }
  const { prefix = 'atrion:', writeEveryMs = 1000, maxRoutes = 1000 } = options
  if (typeof prefix !== 'string') throw new ConfigError('prefix', 'a string', prefix)
  if (!(typeof writeEveryMs === 'number' && writeEveryMs >= 0 && writeEveryMs < Number.POSITIVE_INFINITY)) {
    throw new ConfigError('writeEveryMs', 'a number of ms ≥ 0', writeEveryMs)
  }
  if (!Number.isInteger(maxRoutes) || maxRoutes < 1) throw new ConfigError('maxRoutes', 'an integer ≥ 1', maxRoutes)
  return { prefix, writeEveryMs, maxRoutes }
}

/** A store's answer; one that is not JSON is none. */
function parse(value: unknown): unknown {
  if (typeof value !== 'string') return value
  try {
    return JSON.parse(value)
  } catch {
    return undefined
  }
}
