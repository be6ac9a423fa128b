/**
 * Permits that were taken back as lost and came after all. They were late, and not lost, so they are no longer counted as
 * reclaimed.
 */

/** Routes that are kept count of; the one that was late first goes first. */
const ROUTES = 1_024

interface Count {
  /** Which of the route's lives it is of: one that was reset or evicted starts anew. */
  readonly life: string
  count: number
}

export class LateReleases {
  readonly #routes = new Map<string, Count>()

  /** One more, on a route that counts `reclaimed` permits in all. */
  add(routeId: string, life: string, reclaimed: number): void {
    const count = this.of(routeId, life)
    // A permit from before the route was reset is nobody's loss now.
    if (count >= reclaimed) return
    if (count === 0 && this.#routes.size >= ROUTES) this.#routes.delete(this.#routes.keys().next().value!)
    this.#routes.set(routeId, { life, count: count + 1 })
  }

  /** How many there were. */
  of(routeId: string, life: string): number {
    const known = this.#routes.get(routeId)
    return known?.life === life ? known.count : 0
  }
}
