/** The number of permits that each key holds, by route. A key without permits is not kept: memory is bounded by what is in flight. */

/** Permits by key. */
type Tally = Map<number, number>

/** One permit that a key holds. */
export class Hold {
  readonly #holdings: Holdings
  readonly #routeId: string
  readonly #keyId: number
  #ended = false

  constructor(holdings: Holdings, routeId: string, keyId: number) {
    this.#holdings = holdings
    this.#routeId = routeId
    this.#keyId = keyId
  }

  /** The key holds it no longer. Once is enough. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#holdings.end(this.#routeId, this.#keyId)
  }
}

export class Holdings {
  readonly #routes = new Map<string, Tally>()

  /** Routes on which a key holds something. */
  get size(): number {
    return this.#routes.size
  }

  /** A key holds one permit more, until the hold is ended. */
  hold(routeId: string, keyId: number): Hold {
    let tally = this.#routes.get(routeId)
    if (tally === undefined) {
      tally = new Map()
      this.#routes.set(routeId, tally)
    }
    tally.set(keyId, (tally.get(keyId) ?? 0) + 1)
    return new Hold(this, routeId, keyId)
  }

  /** Permits of a route that a key holds. */
  held(routeId: string, keyId: number): number {
    return this.#routes.get(routeId)?.get(keyId) ?? 0
  }

  /** Called by a {@link Hold} that ends. */
  end(routeId: string, keyId: number): void {
    const tally = this.#routes.get(routeId)
    if (tally === undefined) return
    const left = (tally.get(keyId) ?? 1) - 1
    if (left > 0) {
      tally.set(keyId, left)
      return
    }
    tally.delete(keyId)
    if (tally.size === 0) this.#routes.delete(routeId)
  }
}
