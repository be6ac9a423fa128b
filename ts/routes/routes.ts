/** The routes of an instance: their slots, the parameters that govern them, and the operator's overrides. */

import { requireRouteId } from '../base/input.js'
import type { ProfileConfig, WorkloadProfile } from '../core/index.js'
import { type Engine, ORDER } from '../engine/port.js'
import type { RouteProfileOptions } from '../options/options.js'
import { changedProfile, resolveRouteProfile } from '../options/resolve.js'
import type { RouteParams } from '../options/route-params.js'
import { RouteProfiles } from './profiles.js'
import { RouteIndex } from './route-index.js'

export class Routes {
  readonly maxRoutes: number
  /** True where other threads use the same engine. */
  readonly isShared: boolean
  readonly index: RouteIndex
  readonly profiles: RouteProfiles
  readonly #engine: Engine
  /** An {@link ORDER} by route, where an operator has given one. */
  readonly #overrides = new Map<string, number>()
  /** Parameters of every route that was not given its own. */
  #params: RouteParams

  /** @param isShared whether other threads use the same engine */
  constructor(engine: Engine, params: RouteParams, maxRoutes: number, isShared: boolean) {
    this.#engine = engine
    this.#params = params
    this.maxRoutes = maxRoutes
    this.isShared = isShared
    this.index = new RouteIndex(engine, (routeId, slot) => this.#interned(routeId, slot), isShared)
    this.profiles = new RouteProfiles(
      engine,
      params,
      maxRoutes,
      (routeId) => this.index.find(routeId) !== undefined,
      (routeId) => this.#govern(routeId),
    )
  }

  get params(): RouteParams {
    return this.#params
  }

  /**
   * Slot of a route, made when new at the time in the frame: nothing of the caller's runs in it.
   *
   * @throws TypeError for what is no route id
   */
  slotOf(routeId: string): number {
    return this.index.get(routeId) ?? this.intern(routeId)
  }

  /** The same, of a route whose slot is not known. */
  intern(routeId: string): number {
    requireRouteId(routeId)
    return this.index.intern(routeId)
  }

  /** The new slot of a route that another thread evicted. */
  internAgain(routeId: string): number {
    this.index.forgetEvicted()
    return this.intern(routeId)
  }

  /** Slot of a route that exists. */
  find(routeId: string): number | undefined {
    return this.index.find(routeId)
  }

  /** Name of the route in a slot. */
  nameOf(slot: number): string | undefined {
    return this.index.nameOf(slot) ?? this.#engine.nameOf(slot)
  }

  /** Removes a route's state; its profile and its override stay. */
  remove(routeId: string): void {
    const slot = this.find(routeId)
    if (slot !== undefined) this.index.remove(slot)
  }

  paramsOf(routeId: string): RouteParams {
    return this.profiles.sourceOf(routeId)
  }

  setProfile(routeId: string, profile: WorkloadProfile | RouteProfileOptions): void {
    const law = this.profiles.set(routeId, profile)
    const slot = this.find(routeId)
    if (slot !== undefined) this.#engine.setLaw(slot, law)
  }

  /** Number of the parameters of one call that names a profile; −1: the route's own. */
  lawOfCall(routeId: string, profile: WorkloadProfile | ProfileConfig): number {
    return this.profiles.forCall(routeId, profile)
  }

  /** Changes what governs one route. @throws ConfigError; nothing is changed then */
  configureRoute(routeId: string, changes: RouteProfileOptions): void {
    const before = this.profiles.get(routeId)
    this.setProfile(routeId, changedProfile(typeof before === 'string' ? { profile: before } : before, changes))
  }

  /** Changes what governs every route that was not given its own. @throws ConfigError; nothing is changed then */
  configure(changes: RouteProfileOptions): void {
    const params = resolveRouteProfile(changes, this.#params)
    const moved = this.profiles.rebase(params)
    this.#params = params
    for (const routeId of moved) this.#govern(routeId)
  }

  /** @param order an {@link ORDER} */
  override(routeId: string, order: number): void {
    if (order === ORDER.NONE) this.#overrides.delete(routeId)
    else this.#overrides.set(routeId, order)
    const slot = this.find(routeId)
    if (slot !== undefined) this.#engine.order(slot, order)
  }

  /** The {@link ORDER} of an operator that stands for a route. */
  orderOf(routeId: string): number {
    return this.#overrides.get(routeId) ?? ORDER.NONE
  }

  isOverriddenOpen(routeId: string): boolean {
    return this.#overrides.size > 0 && this.#overrides.get(routeId) === ORDER.OPEN
  }

  /** Applies a route's profile and override to its new slot. */
  #interned(routeId: string, slot: number): void {
    this.#engine.setLaw(slot, this.profiles.lawOf(routeId))
    if (this.#overrides.size > 0) this.#engine.order(slot, this.#overrides.get(routeId) ?? ORDER.NONE)
  }

  #govern(routeId: string): void {
    const slot = this.find(routeId)
    if (slot !== undefined) this.#engine.setLaw(slot, this.profiles.lawOf(routeId))
  }
}
