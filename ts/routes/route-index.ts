/** Slots of routes by name: the engine is given a name once, and its slot from then on. */

import { isRouteId } from '../base/input.js'
import { type Engine, NO_SLOT } from '../engine/port.js'

/** The bytes of names for which an engine has room, by route and at least. */
const NAME_BYTES = 256
const LEAST_NAME_BYTES = 16 << 20
/** Most bytes that an engine keeps of a character of a name. */
const CHARACTER_BYTES = 3

export class RouteIndex {
  readonly #engine: Engine
  readonly #onIntern: (routeId: string, slot: number) => void
  readonly #isShared: boolean
  readonly #slots = new Map<string, number>()
  /** The name in each slot, so that a slot's new route evicts the old one here too. */
  readonly #names: (string | undefined)[] = []
  /** Characters of the names whose slots are known. */
  #characters = 0
  #evictions = 0
  /** The number of routes that each slot has lost. */
  readonly #generations: number[] = []

  /**
   * @param onIntern called with every route that is new here
   * @param isShared other threads evict too, and only the hot path notices
   */
  constructor(engine: Engine, onIntern: (routeId: string, slot: number) => void, isShared = false) {
    this.#engine = engine
    this.#onIntern = onIntern
    this.#isShared = isShared
  }

  /** Evictions so far: while it stays the same, every slot that was found still is its route's. */
  get evictions(): number {
    return this.#evictions
  }

  /** Routes whose slots are known. */
  get size(): number {
    return this.#slots.size
  }

  /** Returns whether another route may have to give way to a new one: how full an engine is that others use too is not known. */
  mayEvict(routeId: string, maxRoutes: number): boolean {
    if (this.#isShared || this.#slots.size >= maxRoutes) return true
    const bytes = (this.#characters + routeId.length) * CHARACTER_BYTES
    return bytes > Math.max(maxRoutes * NAME_BYTES, LEAST_NAME_BYTES)
  }

  /** Slot of a route that was interned and, as far as is known, not evicted since. */
  get(routeId: string): number | undefined {
    return this.#slots.get(routeId)
  }

  /** Distinguishes a slot's route from those before it. */
  generationOf(slot: number): number {
    return this.#generations[slot] ?? 0
  }

  /** Name of the route in a slot, where it was interned here. Where other threads evict, it may be another's by now. */
  nameOf(slot: number): string | undefined {
    return this.#isShared ? undefined : this.#names[slot]
  }

  /** Slot of a route, made when new; {@link NO_SLOT} where the engine failed. */
  intern(routeId: string): number {
    const slot = this.#engine.intern(routeId)
    this.forgetEvicted()
    if (slot === NO_SLOT) return slot
    if (!this.#slots.has(routeId)) this.#characters += routeId.length
    this.#slots.set(routeId, slot)
    this.#names[slot] = routeId
    this.#onIntern(routeId, slot)
    return slot
  }

  /** Slot of a route that exists, or undefined, also for what is no name; nothing is made. */
  find(routeId: string): number | undefined {
    if (!isRouteId(routeId)) return undefined
    const slot = (this.#isShared ? undefined : this.#slots.get(routeId)) ?? this.#engine.find(routeId)
    return slot < 0 ? undefined : slot
  }

  remove(slot: number): void {
    this.#engine.remove(slot)
    this.forgetEvicted()
  }

  /** Learns which slots are no longer what they were. */
  forgetEvicted(): void {
    for (let slot = this.#engine.evicted(); slot !== -1; slot = this.#engine.evicted()) {
      this.#evictions += 1
      if (slot === -2) {
        this.#slots.clear()
        this.#characters = 0
        this.#names.length = 0
        continue
      }
      const name = this.#names[slot]
      if (name !== undefined && this.#slots.get(name) === slot) {
        this.#slots.delete(name)
        this.#characters -= name.length
      }
      this.#names[slot] = undefined
      this.#generations[slot] = (this.#generations[slot] ?? 0) + 1
    }
  }
}
