/** Routes in slots by name, the least recently used evicted; which were used, and which evicted, since the last question. */

import type { Blend } from '../../core/cluster.js'
import type { AutoTuner, RouteState } from '../../core/index.js'

export interface Route {
  readonly id: string
  law: number
  state: RouteState
  tuner: AutoTuner
  /** the tuner's law */
  tunerLaw: number
  rejectedSamples: number
  /** what an operator has ordered */
  order: number
  /** what other nodes share */
  others: Blend | undefined
  /** the part of the scar that was taken over from a store of other nodes' reports, Ω, and when, ms: until they report themselves */
  inherited: { readonly scar: number; readonly atMs: number } | undefined
}

/** Bytes kept of route names: 256 a route on average, at least 16 MiB. */
const nameBudget = (maxRoutes: number): number => Math.max(maxRoutes * 256, 16 << 20)

export class RouteTable {
  readonly #maxRoutes: number
  readonly #maxNameBytes: number
  readonly #routes: (Route | undefined)[] = []
  readonly #free: number[] = []
  readonly #evicted: number[] = []
  /** Slots that were used since {@link RouteTable.nextUsed} was last called; undefined before its first call. */
  #fresh: Set<number> | undefined
  /** Slots by name, least recently used first. */
  readonly #slots = new Map<string, number>()
  #nameBytes = 0

  constructor(maxRoutes: number) {
    this.#maxRoutes = maxRoutes
    this.#maxNameBytes = nameBudget(maxRoutes)
  }

  at(slot: number): Route | undefined {
    return this.#routes[slot]
  }

  find(routeId: string): number | undefined {
    return this.#slots.get(routeId)
  }

  routeIds(): string[] {
    return this.#routes.filter((route) => route !== undefined).map((route) => route.id)
  }

  /** Puts a new route in a slot; evicts the least recently used where there is no room. */
  add(route: Route): number {
    const { id } = route
    while (
      this.#slots.size > 0 &&
      (this.#slots.size >= this.#maxRoutes || this.#nameBytes + id.length * 2 > this.#maxNameBytes)
    ) {
      this.remove(this.#slots.values().next().value!)
    }
    const slot = this.#free.pop() ?? this.#routes.length
    this.#routes[slot] = route
    this.#slots.set(id, slot)
    this.#use(slot)
    this.#nameBytes += id.length * 2
    return slot
  }

  remove(slot: number): void {
    const route = this.#routes[slot]
    if (!route) return
    this.#slots.delete(route.id)
    this.#fresh?.delete(slot)
    this.#nameBytes -= route.id.length * 2
    this.#routes[slot] = undefined
    this.#free.push(slot)
    this.#evicted.push(slot)
  }

  /** Makes a route the most recently used. */
  touch(slot: number, routeId: string): void {
    this.#slots.delete(routeId)
    this.#slots.set(routeId, slot)
    this.#use(slot)
  }

  nextEvicted(): number | undefined {
    return this.#evicted.pop()
  }

  nextUsed(): number | undefined {
    this.#fresh ??= new Set(this.#slots.values())
    for (const slot of this.#fresh) {
      this.#fresh.delete(slot)
      return slot
    }
    return undefined
  }

  /** Counts a route as not used. */
  demote(slot: number): void {
    this.#fresh?.delete(slot)
  }

  #use(slot: number): void {
    this.#fresh?.delete(slot)
    this.#fresh?.add(slot)
  }
}
