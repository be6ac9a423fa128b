/** The listeners of a provider's routes. One that throws, or changes what it is given, affects no other. */

import type { PhysicsVector, VectorOrigin } from './provider.js'

export type OnChange = (vector: PhysicsVector, origin?: VectorOrigin) => void

export class RouteListeners {
  readonly #routes = new Map<string, Set<{ readonly onChange: OnChange }>>()

  /** Routes that have a listener. */
  get size(): number {
    return this.#routes.size
  }

  has(routeId: string): boolean {
    return this.#routes.has(routeId)
  }

  /** @throws TypeError when `onChange` is no function */
  add(routeId: string, onChange: OnChange): () => void {
    if (typeof onChange !== 'function') throw new TypeError('onChange must be a function')
    // Subscribing twice with one function is two subscriptions.
    const entry = { onChange }
    const entries = this.#routes.get(routeId) ?? new Set()
    this.#routes.set(routeId, entries.add(entry))
    return () => {
      if (entries.delete(entry) && entries.size === 0 && this.#routes.get(routeId) === entries) {
        this.#routes.delete(routeId)
      }
    }
  }

  call(routeId: string, vector: PhysicsVector, origin: VectorOrigin): void {
    const entries = this.#routes.get(routeId)
    if (entries === undefined) return
    for (const entry of [...entries]) {
      // Another callback may have ended this subscription meanwhile.
      if (!entries.has(entry)) continue
      try {
        entry.onChange({ ...vector }, { ...origin })
      } catch {
        // The listener's own.
      }
    }
  }
}
