/** The laws of routes: laws shared by all routes with the same parameters, counted, their numbers reused.
 *
 * Longer than other files, because the numbers of laws are given, taken and, where there is no room, given back as they were in one place alone. */

import { BoundedRoutes } from '../base/bounded-routes.js'
import { ConfigError } from '../base/errors.js'
import { own } from '../base/own.js'
import type { ProfileConfig, WorkloadProfile } from '../core/index.js'
import type { Engine } from '../engine/port.js'
import { type LaneBy, laneByOf } from '../options/lanes.js'
import type { BreakBy, RouteProfileOptions } from '../options/options.js'
import { ownProfile, requireProfile, resolveBreakBy, resolveRouteProfile } from '../options/resolve.js'
import type { RouteParams } from '../options/route-params.js'
import { deriveCells } from './params.js'

type GivenProfile = WorkloadProfile | RouteProfileOptions

/** The profiles of routes; routes that were given the same share one. */
interface Governed {
  readonly given: GivenProfile
  /** Identifies a given profile; undefined where it holds a function. */
  readonly key: string | undefined
  source: RouteParams
  law: number
  users: number
}

interface Entry {
  readonly key: string
  users: number
}

/** Laws kept for calls that name a profile; a new one with every call must not use up all numbers. */
const MAX_CALL_LAWS = 256

/** Most pools of an instance. */
const MAX_POOLS = 1_024

/** Returns a text that identifies a given profile; undefined where it holds a function. */
export function keyOf(given: GivenProfile): string | undefined {
  if (typeof given !== 'string') {
    const lanes = own(given, 'lanes')
    if (typeof own(given, 'breakBy') === 'function' || (lanes !== undefined && lanes !== null)) return undefined
  }
  return JSON.stringify(given, (_, value: unknown) =>
    typeof value === 'number' && !Number.isFinite(value) ? { number: String(value) } : value,
  )
}

const noRoom = (): ConfigError =>
  new ConfigError('profile', 'one of at most 65,536 different sets of parameters', 'another')

/** Profiles of so many routes are kept whatever `maxRoutes` is: they are settings, and outlive the state of a route that was evicted. */
const LEAST_BOUND = 4096

export class RouteProfiles {
  readonly #engine: Engine
  #base: RouteParams
  readonly #isInUse: (routeId: string) => boolean
  readonly #dropped: (routeId: string) => void
  readonly #routes: BoundedRoutes<Governed>
  readonly #shared = new Map<string, Governed>()
  /** All that routes were given, shared or not. */
  readonly #all = new Set<Governed>()
  readonly #breakBy = new Map<string, BreakBy>()
  readonly #lanes = new Map<string, LaneBy>()
  /** Routes of each pool. */
  readonly #pools = new Map<string, number>()
  readonly #ids = new Map<string, number>()
  readonly #entries: (Entry | undefined)[] = []
  #free: number[] = []
  /** Laws of calls that name a profile, by that name: they go by the default law otherwise. */
  readonly #byCall = new Map<string, number>()
  /** All laws that calls asked for, oldest first: kept for the next call, but not for ever. */
  readonly #ofCalls = new Set<number>()

  /**
   * @param maxRoutes profiles are kept of so many routes, 4096 at least; of those that are not in use the one that was set longest ago
   *   goes first
   * @param isInUse whether there is such a route now
   * @param dropped a route has lost its profile, because there were too many
   */
  constructor(
    engine: Engine,
    base: RouteParams,
    maxRoutes: number,
    isInUse: (routeId: string) => boolean,
    dropped: (routeId: string) => void,
  ) {
    this.#engine = engine
    this.#base = base
    this.#isInUse = isInUse
    this.#dropped = dropped
    this.#routes = new BoundedRoutes(Math.max(maxRoutes, LEAST_BOUND))
    this.#claim(base, 0)
  }

  /** A copy of what was set for a route; 'STANDARD' when nothing was. */
  get(routeId: string): GivenProfile {
    const governed = this.#routes.get(routeId)
    return governed === undefined ? 'STANDARD' : ownProfile(governed.given)
  }

  /** By which classes of keys routes break; most do not. */
  get breakBy(): ReadonlyMap<string, BreakBy> {
    return this.#breakBy
  }

  /** Into which lanes the keys of routes go; most have none. */
  get lanes(): ReadonlyMap<string, LaneBy> {
    return this.#lanes
  }

  /** The pool that a route is in. */
  poolOf(routeId: string): string | undefined {
    return this.#pools.size === 0 && this.#base.pool === undefined ? undefined : this.sourceOf(routeId).pool
  }

  /** The numbers that govern a route. */
  sourceOf(routeId: string): RouteParams {
    return this.#routes.get(routeId)?.source ?? this.#base
  }

  /** The numbers that govern every route that was not given its own. */
  get base(): RouteParams {
    return this.#base
  }

  /** The cells of a law that is in use. */
  cellsOf(law: number): Float64Array | undefined {
    const entry = this.#entries[law]
    return entry && Float64Array.from(entry.key.split(','), Number)
  }

  /** The number of the law of a route. */
  lawOf(routeId: string): number {
    return this.#routes.get(routeId)?.law ?? 0
  }

  /** @throws ConfigError when a value is out of its range, or no further law fits */
  set(routeId: string, profile: GivenProfile): number {
    // A copy first: a getter of the caller's may change what all routes build upon.
    const given = ownProfile(profile)
    const source = resolveRouteProfile(given, this.#base)
    const breakBy = typeof given === 'string' ? undefined : resolveBreakBy(own(given, 'breakBy'))
    const { pool } = source
    if (pool !== undefined && !this.#pools.has(pool) && this.#pools.size >= MAX_POOLS) {
      throw new ConfigError('pool', `one of at most ${MAX_POOLS} different pools`, pool)
    }
    const governed = this.#share(given, source)
    const before = this.#routes.get(routeId)
    this.#routes.set(routeId, governed, (gone, lost) => this.#drop(gone, lost), this.#isInUse)
    if (breakBy === undefined) this.#breakBy.delete(routeId)
    else this.#breakBy.set(routeId, breakBy)
    const lanes = laneByOf(given, source.lanes)
    if (lanes === undefined) this.#lanes.delete(routeId)
    else this.#lanes.set(routeId, lanes)
    this.#countInPool(governed.source.pool, 1)
    if (before) this.#leave(before)
    return governed.law
  }

  /** One more route was given this. */
  #share(given: GivenProfile, source: RouteParams): Governed {
    const key = keyOf(given)
    let governed = key === undefined ? undefined : this.#shared.get(key)
    if (governed === undefined) {
      governed = { given, key, source, law: this.#claim(source), users: 0 }
      if (key !== undefined) this.#shared.set(key, governed)
      this.#all.add(governed)
    }
    governed.users += 1
    return governed
  }

  /** A route was given something else, or is governed no longer. */
  #leave(governed: Governed): void {
    this.#countInPool(governed.source.pool, -1)
    governed.users -= 1
    if (governed.users > 0) return
    this.#all.delete(governed)
    this.#unshare(governed)
    this.#release(governed.law)
  }

  /** No further route shares this, which another may have replaced for those that come. */
  #unshare(governed: Governed): void {
    if (governed.key !== undefined && this.#shared.get(governed.key) === governed) this.#shared.delete(governed.key)
  }

  #drop(routeId: string, governed: Governed): void {
    this.#breakBy.delete(routeId)
    this.#lanes.delete(routeId)
    this.#leave(governed)
    this.#dropped(routeId)
  }

  #countInPool(pool: string | undefined, routes: number): void {
    if (pool === undefined) return
    const count = (this.#pools.get(pool) ?? 0) + routes
    if (count > 0) this.#pools.set(pool, count)
    else this.#pools.delete(pool)
  }

  /** The given profiles of routes, over another base. @throws ConfigError where it does not fit */
  #sourcesOver(base: RouteParams, replaced: Iterable<string>): Map<Governed, RouteParams> {
    const leaving = new Map<Governed, number>()
    for (const routeId of replaced) {
      const governed = this.#routes.get(routeId)
      if (governed !== undefined) leaving.set(governed, (leaving.get(governed) ?? 0) + 1)
    }
    const sources = new Map<Governed, RouteParams>()
    for (const governed of this.#all) {
      if (leaving.get(governed) !== governed.users) sources.set(governed, resolveRouteProfile(governed.given, base))
    }
    return sources
  }

  /** Finds whether what routes were given fits another base. @throws ConfigError where it does not */
  checkBase(base: RouteParams, replaced: Iterable<string>): void {
    if (base !== this.#base) this.#sourcesOver(base, replaced)
  }

  /** A route has no profile of its own any more. @returns the number of its law */
  unset(routeId: string): number {
    const governed = this.#routes.get(routeId)
    if (governed !== undefined) {
      this.#routes.delete(routeId)
      this.#breakBy.delete(routeId)
      this.#lanes.delete(routeId)
      this.#leave(governed)
    }
    return 0
  }

  /** The profile that was set for a route, itself; undefined: none was. */
  givenTo(routeId: string): GivenProfile | undefined {
    return this.#routes.get(routeId)?.given
  }

  /**
   * Changes the law of every route that was not given one, and what the others build upon. @returns the routes whose law has another
   * number now
   *
   * @param replaced routes that are going to be given something else at once: what they were given need not fit the new base
   * @throws ConfigError; nothing is changed then
   */
  rebase(base: RouteParams, replaced: Iterable<string> = []): string[] {
    if (base === this.#base) return []
    const sources = this.#sourcesOver(base, replaced)
    const before = this.#base
    const laws = [...sources.keys()].map((governed) => ({ governed, law: governed.law }))
    this.#defineBase(base)
    for (const law of this.#ofCalls) this.#dropCallLaw(law)
    // All numbers are free first: the new laws need no more room than they take, and, the last first, each takes its own again.
    for (const { law } of laws) this.#release(law)
    laws.reverse()
    for (const [claimed, { governed }] of laws.entries()) {
      const law = this.#tryClaim(sources.get(governed)!)
      if (law < 0) {
        for (const done of laws.slice(0, claimed)) this.#release(done.governed.law)
        this.#defineBase(before)
        for (const one of laws) this.#reclaim(one.governed, one.law)
        this.#free = this.#free.filter((one) => this.#entries[one] === undefined)
        throw noRoom()
      }
      governed.law = law
    }
    // Those that all of their routes leave keep the numbers of the old base: the same profile, given again, builds upon the new one.
    for (const governed of this.#all) if (!sources.has(governed)) this.#unshare(governed)
    const moved = new Set<Governed>()
    for (const { governed, law } of laws) {
      const source = sources.get(governed)!
      this.#countInPool(governed.source.pool, -governed.users)
      this.#countInPool(source.pool, governed.users)
      governed.source = source
      if (governed.law !== law) moved.add(governed)
    }
    if (moved.size === 0) return []
    return [...this.#routes].filter(([, governed]) => moved.has(governed)).map(([routeId]) => routeId)
  }

  /** Law 0 is that of another base. */
  #defineBase(base: RouteParams): void {
    this.#base = base
    const cells = deriveCells(base)
    const key = cells.join()
    const entry = this.#entries[0]!
    if (this.#ids.get(entry.key) === 0) this.#ids.delete(entry.key)
    this.#entries[0] = { key, users: entry.users }
    this.#ids.set(key, 0)
    this.#engine.defineLaw(cells, 0)
  }

  /** Gives the number of a law back that was released just before; it stays among the free ones. */
  #reclaim(governed: Governed, law: number): void {
    governed.law = law
    const entry = this.#entries[law]
    if (entry !== undefined) {
      entry.users += 1
      return
    }
    const cells = deriveCells(governed.source)
    const key = cells.join()
    this.#engine.defineLaw(cells, law)
    if (!this.#ids.has(key)) this.#ids.set(key, law)
    this.#entries[law] = { key, users: 1 }
  }

  /**
   * The law of one call that names a profile: the route's own law with that profile instead. Where no further law fits, −1: the call
   * goes by the route's own.
   */
  forCall(routeId: string, profile: WorkloadProfile | ProfileConfig): number {
    const source = this.sourceOf(routeId)
    const known = typeof profile === 'string' && source === this.#base
    const cached = known ? this.#byCall.get(profile) : undefined
    if (cached !== undefined) return cached
    const law = this.#tryClaim({ ...source, profile: requireProfile('options.profile', profile) })
    if (law < 0) return law
    if (known) this.#byCall.set(profile, law)
    if (this.#ofCalls.has(law)) this.#release(law)
    else this.#ofCalls.add(law)
    if (this.#ofCalls.size > MAX_CALL_LAWS) this.#dropCallLaw(this.#ofCalls.values().next().value!)
    return law
  }

  /** The number of a law that is tried on some requests of a route; −1 where no further law fits. */
  claimTried(source: RouteParams): number {
    return this.#tryClaim(source)
  }

  /** A law is tried no longer. */
  releaseTried(law: number): void {
    if (law >= 0) this.#release(law)
  }

  #dropCallLaw(law: number): void {
    this.#ofCalls.delete(law)
    for (const [profile, known] of this.#byCall) if (known === law) this.#byCall.delete(profile)
    this.#release(law)
  }

  #claim(source: RouteParams, id?: number): number {
    const law = this.#tryClaim(source, id)
    if (law < 0) throw noRoom()
    return law
  }

  /** −1 where no further law fits. */
  #tryClaim(source: RouteParams, id?: number): number {
    const cells = deriveCells(source)
    const key = cells.join()
    const known = this.#ids.get(key)
    if (known !== undefined) {
      this.#entries[known]!.users += 1
      return known
    }
    const law = this.#engine.defineLaw(cells, id ?? this.#free.pop())
    if (law < 0) return law
    this.#ids.set(key, law)
    this.#entries[law] = { key, users: 1 }
    return law
  }

  #release(law: number): void {
    const entry = this.#entries[law]
    if (!entry || --entry.users > 0) return
    if (this.#ids.get(entry.key) === law) this.#ids.delete(entry.key)
    this.#entries[law] = undefined
    this.#free.push(law)
  }
}
