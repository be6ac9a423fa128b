/** Counts by route that the engine does not keep: permits that came after they were taken back, requests that were abandoned. */

/** Routes that are kept count of; the one that was counted first goes first. */
const ROUTES = 8_192

interface Count {
  /** The life of the route that it is of: one that was reset or evicted starts anew. */
  readonly life: string
  count: number
}

export class RouteCounts {
  readonly #routes = new Map<string, Count>()

  /** One more, on a route of which there can be no more than `most`: what is left over is of the route before it was reset. */
  add(routeId: string, life: string, most = Number.POSITIVE_INFINITY): void {
    const count = this.of(routeId, life)
    if (count >= most) return
    if (count === 0 && this.#routes.size >= ROUTES) this.#routes.delete(this.#routes.keys().next().value!)
    this.#routes.set(routeId, { life, count: count + 1 })
  }

  /** Their number. */
  of(routeId: string, life: string): number {
    const known = this.#routes.get(routeId)
    return known?.life === life ? known.count : 0
  }
}
