/** Values by the name of a route, bounded as the engine is: in routes, and in the length of their names. */

/** Most routes of an engine or a store where no option says otherwise. */
export const DEFAULT_MAX_ROUTES = 65_536

/** Names are this long on average, UTF-16 units, before they are what bounds a map. */
const UNITS_A_ROUTE = 256
/** But so many units in all there may always be. */
const LEAST_UNITS = 2 ** 24
/** Routes looked at to spare one that is in use. */
const SOUGHT = 16

/** A map whose oldest entries give way: to read one leaves it where it is, to set it makes it the newest. */
export class BoundedRoutes<T> {
  readonly #maxRoutes: number
  readonly #maxUnits: number
  readonly #values = new Map<string, T>()
  #units = 0

  /** @param maxRoutes most routes, ≥ 1; their names are at most 256 UTF-16 units each on average, or 16 Mi units in all */
  constructor(maxRoutes: number) {
    this.#maxRoutes = maxRoutes
    this.#maxUnits = Math.max(maxRoutes * UNITS_A_ROUTE, LEAST_UNITS)
  }

  get size(): number {
    return this.#values.size
  }

  get(routeId: string): T | undefined {
    return this.#values.get(routeId)
  }

  has(routeId: string): boolean {
    return this.#values.has(routeId)
  }

  /** Returns whether nothing has to give way for a route that is new. */
  hasRoom(routeId: string): boolean {
    return this.#values.size < this.#maxRoutes && this.#units + unitsOf(routeId) <= this.#maxUnits
  }

  /** Makes a route the newest; what gave way for it is `gone`. Of a few of the oldest those in use are spared. */
  set(
    routeId: string,
    value: T,
    gone: (routeId: string, value: T) => void = () => {},
    isInUse: (routeId: string) => boolean = () => false,
  ): void {
    this.delete(routeId)
    while (this.#values.size > 0 && !this.hasRoom(routeId)) this.#makeRoom(gone, isInUse)
    this.#values.set(routeId, value)
    this.#units += unitsOf(routeId)
  }

  delete(routeId: string): boolean {
    if (!this.#values.delete(routeId)) return false
    this.#units -= unitsOf(routeId)
    return true
  }

  clear(): void {
    this.#values.clear()
    this.#units = 0
  }

  /** From the oldest to the newest. */
  keys(): MapIterator<string> {
    return this.#values.keys()
  }

  values(): MapIterator<T> {
    return this.#values.values()
  }

  [Symbol.iterator](): MapIterator<[string, T]> {
    return this.#values[Symbol.iterator]()
  }

  #makeRoom(gone: (routeId: string, value: T) => void, isInUse: (routeId: string) => boolean): void {
    let routeId = this.#oldest()
    for (let sought = 0; sought < SOUGHT && isInUse(routeId); sought++) {
      const value = this.#values.get(routeId)!
      this.#values.delete(routeId)
      this.#values.set(routeId, value)
      routeId = this.#oldest()
    }
    const value = this.#values.get(routeId)!
    this.delete(routeId)
    gone(routeId, value)
  }

  #oldest(): string {
    return this.#values.keys().next().value as string
  }
}

/** Checks a route's name: a provider may be called from outside of Atrion, with names that are none. */
const unitsOf = (routeId: unknown): number => (typeof routeId === 'string' ? routeId.length : 0)
