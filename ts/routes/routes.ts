/** The routes of an instance: their slots, the parameters that govern them, and the operator's overrides. */

import { ConfigError, isConfigError } from '../base/errors.js'
import { requireRouteId } from '../base/input.js'
import type { ProfileConfig, WorkloadProfile } from '../core/index.js'
import { type Engine, ORDER } from '../engine/port.js'
import type { RouteProfileOptions } from '../options/options.js'
import { changedProfile, ownProfile, resolveBreakBy, resolveRouteProfile } from '../options/resolve.js'
import type { RouteParams } from '../options/route-params.js'
import { baseChanges, NO_OVERLAY, overlaid, type RouteOverlay } from './overlay.js'
import { keyOf, RouteProfiles } from './profiles.js'
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
  /** Parameters of every route that was not given its own: those of the code, and with the overlay over them. */
  #codeParams: RouteParams
  #params: RouteParams
  #overlay: RouteOverlay = NO_OVERLAY
  #lastBase: { code: RouteParams; key: string | undefined; params: RouteParams } | undefined
  /** The code's profiles of the routes of the overlay. */
  readonly #codeProfiles = new Map<string, WorkloadProfile | RouteProfileOptions | undefined>()
  readonly #codeOrders = new Map<string, number>()
  /** Called when the code's settings have changed under an overlay. @param error the reason for which nothing is laid over them now; undefined: it fits */
  onCode: ((error: ConfigError | undefined) => void) | undefined

  /** @param isShared whether other threads use the same engine */
  constructor(engine: Engine, params: RouteParams, maxRoutes: number, isShared: boolean) {
    this.#engine = engine
    this.#codeParams = params
    this.#params = params
    this.maxRoutes = maxRoutes
    this.isShared = isShared
    this.index = new RouteIndex(engine, (routeId, slot) => this.#interned(routeId, slot), isShared)
    this.profiles = new RouteProfiles(
      engine,
      params,
      maxRoutes,
      (routeId) => this.index.find(routeId) !== undefined || this.#codeProfiles.has(routeId),
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
    this.#ofCode(() => this.#setProfile(routeId, profile))
  }

  #setProfile(routeId: string, profile: WorkloadProfile | RouteProfileOptions): void {
    const upper = this.#overlay.routes.get(routeId)
    if (upper === undefined) {
      if (this.#overlay !== NO_OVERLAY) checkProfile(ownProfile(profile), this.#codeParams)
      this.#setLaw(routeId, this.profiles.set(routeId, profile))
      return
    }
    const given = ownProfile(profile)
    // As it is, it has to be right as well.
    checkProfile(given, this.#codeParams)
    this.#setLaw(routeId, this.profiles.set(routeId, overlaid(given, upper)!))
    this.#codeProfiles.set(routeId, given)
  }

  #setLaw(routeId: string, law: number): void {
    const slot = this.find(routeId)
    if (slot !== undefined) this.#engine.setLaw(slot, law)
  }

  /** Number of the parameters of one call that names a profile; −1: the route's own. */
  lawOfCall(routeId: string, profile: WorkloadProfile | ProfileConfig): number {
    return this.profiles.forCall(routeId, profile)
  }

  /** Changes what governs one route. @throws ConfigError; nothing is changed then */
  configureRoute(routeId: string, changes: RouteProfileOptions): void {
    const before = ownProfile(this.#codeProfileOf(routeId) ?? 'STANDARD')
    this.setProfile(routeId, changedProfile(typeof before === 'string' ? { profile: before } : before, changes))
  }

  /** Changes what governs every route that was not given its own. @throws ConfigError; nothing is changed then */
  configure(changes: RouteProfileOptions): void {
    const code = resolveRouteProfile(changes, this.#codeParams)
    // Without what lies over it, which may be taken away at any time, it has to be right as well.
    if (this.#overlay !== NO_OVERLAY) this.#requireFit(code, NO_OVERLAY)
    this.#ofCode(() => this.#rebase(code, this.#baseOver(code, this.#overlay), []))
  }

  /** Changes the code's settings, which fit by themselves: what lies over them and no longer does gives way. @throws ConfigError; nothing is changed then */
  #ofCode(change: () => void): void {
    const before = this.#overlay
    let unfit: ConfigError | undefined
    try {
      change()
    } catch (error) {
      if (!isConfigError(error) || before === NO_OVERLAY || this.onCode === undefined) throw error
      unfit = error
      try {
        this.#layAgain(NO_OVERLAY)
        change()
      } catch (own) {
        this.#layAgain(before)
        throw own
      }
    }
    this.onCode?.(unfit)
  }

  #rebase(code: RouteParams, params: RouteParams, replaced: Iterable<string>): void {
    const moved = this.profiles.rebase(params, replaced)
    this.#codeParams = code
    this.#params = params
    for (const routeId of moved) this.#govern(routeId)
  }

  /** The parameters as the code states them, of every route that was not given its own or of one. */
  codeParamsOf(routeId?: string): RouteParams {
    if (routeId === undefined) return this.#codeParams
    const given = this.#codeProfileOf(routeId)
    return given === undefined ? this.#codeParams : resolveRouteProfile(given, this.#codeParams)
  }

  /** The {@link ORDER} that the code gave for a route. */
  codeOrderOf(routeId: string): number {
    return this.#codeOrders.get(routeId) ?? this.orderOf(routeId)
  }

  /** The code's profile of a route. */
  #codeProfileOf(routeId: string): WorkloadProfile | RouteProfileOptions | undefined {
    return this.#codeProfiles.has(routeId) ? this.#codeProfiles.get(routeId) : this.profiles.givenTo(routeId)
  }

  /**
   * The parameters of the code with an overlay over them: the same object for the same ones, since all profiles are resolved anew over another.
   *
   * @throws ConfigError
   */
  #baseOver(code: RouteParams, { base }: RouteOverlay): RouteParams {
    if (base === undefined) return code
    const key = keyOf(base)
    const last = this.#lastBase
    if (key !== undefined && last?.code === code && last.key === key) return last.params
    const params = resolveRouteProfile(baseChanges(code, base), code)
    this.#lastBase = { code, key, params }
    return params
  }

  /** The parameters that a route would have under an overlay in place of the present one. @throws ConfigError where it does not fit */
  paramsUnder(routeId: string, overlay: RouteOverlay): RouteParams {
    const params = this.#baseOver(this.#codeParams, overlay)
    const given = overlaid(this.#codeProfileOf(routeId), overlay.routes.get(routeId))
    return given === undefined ? params : resolveRouteProfile(given, params)
  }

  /** Finds whether an overlay could be laid over the settings. @throws ConfigError where it could not; nothing is changed */
  checkOverlay(next: RouteOverlay): void {
    this.#requireFit(this.#codeParams, next)
  }

  #requireFit(code: RouteParams, next: RouteOverlay): void {
    const params = this.#baseOver(code, next)
    const touched = new Set([...this.#overlay.routes.keys(), ...next.routes.keys()])
    this.profiles.checkBase(params, touched)
    for (const routeId of touched) {
      const given = overlaid(this.#codeProfileOf(routeId), next.routes.get(routeId))
      if (given !== undefined) inRoute(routeId, () => checkProfile(given, params))
    }
  }

  /**
   * Lays an overlay over the settings, in place of the one before. @throws ConfigError where it does not fit; nothing is changed then
   */
  setOverlay(next: RouteOverlay): void {
    this.checkOverlay(next)
    const before = this.#overlay
    try {
      this.#lay(next)
    } catch (error) {
      // There was no room for so many different laws or pools: there was for those before.
      this.#layAgain(before)
      throw error
    }
  }

  /** Lays an overlay that has lain there. Its routes give up their laws first, so that it needs no more room than it had. */
  #layAgain(overlay: RouteOverlay): void {
    for (const routeId of overlay.routes.keys()) this.#codeProfiles.set(routeId, this.#codeProfileOf(routeId))
    for (const routeId of this.#codeProfiles.keys()) this.profiles.unset(routeId)
    this.#lay(overlay)
  }

  #lay(next: RouteOverlay): void {
    const touched = new Set([...this.#codeProfiles.keys(), ...next.routes.keys()])
    for (const routeId of touched) this.#codeProfiles.set(routeId, this.#codeProfileOf(routeId))
    const orders = new Set([...this.#codeOrders.keys(), ...next.orders.keys()])
    for (const routeId of orders) this.#codeOrders.set(routeId, this.codeOrderOf(routeId))
    this.#rebase(this.#codeParams, this.#baseOver(this.#codeParams, next), touched)
    for (const routeId of touched) {
      const given = overlaid(this.#codeProfiles.get(routeId), next.routes.get(routeId))
      this.#setLaw(routeId, given === undefined ? this.profiles.unset(routeId) : this.profiles.set(routeId, given))
    }
    this.#overlay = next
    for (const routeId of orders) this.#order(routeId, next.orders.get(routeId) ?? this.#codeOrders.get(routeId)!)
    for (const routeId of touched) if (!next.routes.has(routeId)) this.#codeProfiles.delete(routeId)
    for (const routeId of orders) if (!next.orders.has(routeId)) this.#codeOrders.delete(routeId)
  }

  /** @param order an {@link ORDER} */
  override(routeId: string, order: number): void {
    if (this.#codeOrders.has(routeId)) this.#codeOrders.set(routeId, order)
    else this.#order(routeId, order)
  }

  #order(routeId: string, order: number): void {
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

function checkProfile(given: WorkloadProfile | RouteProfileOptions, base: RouteParams): void {
  resolveRouteProfile(given, base)
  if (typeof given !== 'string') resolveBreakBy(given.breakBy)
}

/** Names the route in what is wrong with its settings. */
function inRoute(routeId: string, check: () => void): void {
  try {
    check()
  } catch (error) {
    if (!isConfigError(error)) throw error
    const { field, range, got, nearest } = error
    throw new ConfigError(`routes.${routeId}.${field}`, range, got, { nearest })
  }
}
