/** State kept in this process only. */

import { BoundedRoutes, DEFAULT_MAX_ROUTES } from '../base/bounded-routes.js'
import { ConfigError } from '../base/errors.js'
import { own } from '../base/own.js'
import { DocumentShelf } from './documents.js'
import {
  type DocumentOptions,
  IN_MEMORY,
  type PhysicsVector,
  type SharedDocument,
  type StateProvider,
} from './provider.js'

export interface InMemoryProviderOptions {
  /**
   * Most routes kept, ≥ 1; the least recently read or written goes first. Their names are at most 256 characters each on average, or
   * 16 Mi in all. Default 65,536.
   */
  readonly maxRoutes?: number | null | undefined
}

/**
 * The default: a bounded map. Instances of Atrion that share one share their state, for as long as one of them is connected:
 * the last `disconnect()` empties it. So do documents, of which it keeps 4096 at most, of 64 Mi characters in all.
 */
export class InMemoryProvider implements StateProvider {
  readonly name = IN_MEMORY
  readonly #vectors: BoundedRoutes<PhysicsVector>
  readonly #documents = new DocumentShelf()
  /** Calls of connect() that no disconnect() has answered. */
  #holders = 0

  /** @throws ConfigError when maxRoutes is not a positive integer */
  constructor(options: InMemoryProviderOptions = {}) {
    if (typeof options !== 'object' || options === null) throw new ConfigError('options', 'an object', options)
    const maxRoutes = own(options, 'maxRoutes') ?? DEFAULT_MAX_ROUTES
    if (!Number.isInteger(maxRoutes) || maxRoutes < 1) throw new ConfigError('maxRoutes', 'an integer ≥ 1', maxRoutes)
    this.#vectors = new BoundedRoutes(maxRoutes)
  }

  /** Routes kept now. */
  get size(): number {
    return this.#vectors.size
  }

  async connect(): Promise<void> {
    this.#holders += 1
  }

  async disconnect(): Promise<void> {
    this.#holders = Math.max(0, this.#holders - 1)
    if (this.#holders > 0) return
    this.#vectors.clear()
    this.#documents.clear()
  }

  async getVector(routeId: string): Promise<PhysicsVector | null> {
    const vector = this.#vectors.get(routeId)
    if (vector === undefined) return null
    this.#vectors.set(routeId, vector)
    return { ...vector }
  }

  async updateVector(routeId: string, vector: PhysicsVector): Promise<void> {
    this.#vectors.set(routeId, { ...vector })
  }

  async deleteVector(routeId: string): Promise<void> {
    this.#vectors.delete(routeId)
  }

  async listRoutes(): Promise<string[]> {
    return [...this.#vectors.keys()]
  }

  /** @throws ConfigError for a name out of its range */
  async readDocument(name: string): Promise<SharedDocument> {
    return this.#documents.read(name)
  }

  /**
   * @throws ConfigError for a name, a version, a text or an option out of its range
   * @throws AtrionError when there is no room for it
   */
  async writeDocument(name: string, version: number, text: string, options?: DocumentOptions): Promise<boolean> {
    return this.#documents.write(name, version, text, options)
  }

  /** Calls back for the writes of every instance that uses this provider. */
  watchDocuments(onWrite: (name: string) => void): () => void {
    return this.#documents.watch(onWrite)
  }
}
