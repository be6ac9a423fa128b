/** A cache of vectors before a provider, by itself: for code that kept its own states with atrion 2.0. */

import { BoundedRoutes, DEFAULT_MAX_ROUTES } from '../base/bounded-routes.js'
import { SafeLogger } from '../events/safe-logger.js'
import type { PhysicsVector, StateProvider } from './provider.js'

/**
 * The way in which a store reconciles the reports of two nodes. Every provider of this package blends: S = γ·S_cluster + (1 − γ)·S_local. The
 * name is kept for types that mention it.
 */
export type ConflictStrategy = 'LWW' | 'GAMMA_BLEND'

/**
 * A cache of at most 65,536 routes, of which the least recently updated goes first. Reads are answered at once from the cache;
 * writes go to the cache at once and to the provider in the background. A provider that fails costs a warning in the process-
 * wide log, never an exception. `Atrion` needs none: it keeps its states itself.
 */
export class StateManager {
  readonly #provider: StateProvider
  readonly #cache = new BoundedRoutes<PhysicsVector>(DEFAULT_MAX_ROUTES)
  #isConnected = false

  constructor(provider: StateProvider) {
    this.#provider = provider
  }

  get providerName(): string {
    return this.#provider.name
  }

  get isConnected(): boolean {
    return this.#isConnected
  }

  /** Connects the provider; connected already, it does nothing. Rejects when the provider does. */
  async connect(): Promise<void> {
    if (this.#isConnected) return
    await this.#provider.connect()
    this.#isConnected = true
  }

  /** Disconnects the provider and empties the cache; not connected, it does nothing. Rejects when the provider does. */
  async disconnect(): Promise<void> {
    if (!this.#isConnected) return
    await this.#provider.disconnect()
    this.#cache.clear()
    this.#isConnected = false
  }

  /** The cached vector of a route; null where there is none. */
  getLocal(routeId: string): PhysicsVector | null {
    return this.#cache.get(routeId) ?? null
  }

  hasLocal(routeId: string): boolean {
    return this.#cache.has(routeId)
  }

  getCachedRoutes(): string[] {
    return [...this.#cache.keys()]
  }

  /** Caches a vector, and while connected sends it to the provider unless `syncToProvider` is false. Never throws. */
  update(routeId: string, vector: PhysicsVector, syncToProvider = true): void {
    this.#remember(routeId, vector)
    if (syncToProvider && this.#isConnected) void this.#send(routeId, vector)
  }

  /** Caches what the provider knows of a route; null where it knows nothing, and when not connected. Rejects when the provider does. */
  async syncFromProvider(routeId: string): Promise<PhysicsVector | null> {
    if (!this.#isConnected) return null
    const vector = await this.#provider.getVector(routeId)
    if (vector !== null) this.#remember(routeId, vector)
    return vector
  }

  /** Sends everything cached to the provider; resolves when every call has settled, and never rejects. */
  async flushToProvider(): Promise<void> {
    if (!this.#isConnected) return
    await Promise.all([...this.#cache].map(([routeId, vector]) => this.#send(routeId, vector)))
  }

  /** Removes a route from the cache and, while connected, from the provider. Rejects when the provider does. */
  async delete(routeId: string): Promise<void> {
    this.#cache.delete(routeId)
    if (this.#isConnected) await this.#provider.deleteVector(routeId)
  }

  /** Empties the cache; the provider keeps what it has. */
  clearCache(): void {
    this.#cache.clear()
  }

  #remember(routeId: string, vector: PhysicsVector): void {
    this.#cache.set(routeId, vector)
  }

  async #send(routeId: string, vector: PhysicsVector): Promise<void> {
    try {
      await this.#provider.updateVector(routeId, vector)
    } catch (error) {
      new SafeLogger(undefined).warn('the state of a route was not sent to its provider', { routeId, error })
    }
  }
}
