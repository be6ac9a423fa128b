/** State kept in this process only. */

import { ConfigError } from '../errors.js'
import type { PhysicsVector, StateProvider } from './provider.js'

export interface InMemoryProviderOptions {
  /** Most routes kept, ≥ 1; the least recently written goes first. Default 65,536. */
  readonly maxRoutes?: number
}

/** The default: a bounded map. Instances of Atrion that share one share their state; it outlives `disconnect()`. */
export class InMemoryProvider implements StateProvider {
  readonly name = 'InMemoryProvider'
  readonly #maxRoutes: number
  readonly #vectors = new Map<string, PhysicsVector>()

  /** @throws ConfigError when maxRoutes is not a positive integer */
  constructor({ maxRoutes = 65_536 }: InMemoryProviderOptions = {}) {
    if (!Number.isInteger(maxRoutes) || maxRoutes < 1) throw new ConfigError('maxRoutes', 'an integer ≥ 1', maxRoutes)
    this.#maxRoutes = maxRoutes
  }

  async connect(): Promise<void> {}

  async disconnect(): Promise<void> {}

  async getVector(routeId: string): Promise<PhysicsVector | null> {
    const vector = this.#vectors.get(routeId)
    return vector ? { ...vector } : null
  }

  async updateVector(routeId: string, vector: PhysicsVector): Promise<void> {
    this.#vectors.delete(routeId)
    if (this.#vectors.size >= this.#maxRoutes) this.#vectors.delete(this.#vectors.keys().next().value as string)
    this.#vectors.set(routeId, { ...vector })
  }

  async deleteVector(routeId: string): Promise<void> {
    this.#vectors.delete(routeId)
  }

  async listRoutes(): Promise<string[]> {
    return [...this.#vectors.keys()]
  }
}
