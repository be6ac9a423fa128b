/** Which law governs which route: laws shared by all routes that say the same, counted, their numbers reused. */

import type { ProfileConfig, WorkloadProfile } from './core/index.js'
import type { Engine } from './engine/port.js'
import { ConfigError } from './errors.js'
import { deriveLaw, type LawSource } from './law.js'
import {
  type BreakBy,
  type RouteProfileOptions,
  requireProfile,
  resolveBreakBy,
  resolveRouteProfile,
} from './options.js'

type GivenProfile = WorkloadProfile | RouteProfileOptions

interface Governed {
  readonly given: GivenProfile
  readonly source: LawSource
  readonly law: number
}

interface Entry {
  readonly key: string
  users: number
}

/** Laws kept for calls that name a profile; whoever names a new one with every call must not use up all numbers. */
const MAX_CALL_LAWS = 256

/** Most pools of an instance. */
const MAX_POOLS = 1_024

/** A copy that later changes of the caller's do not reach. */
function copyOf(given: GivenProfile): GivenProfile {
  if (typeof given === 'string') return given
  const { breakBy, ...data } = given
  const copy = structuredClone(data)
  return breakBy === undefined ? copy : { ...copy, breakBy }
}

export class RouteProfiles {
  readonly #engine: Engine
  #base: LawSource
  readonly #routes = new Map<string, Governed>()
  readonly #breakBy = new Map<string, BreakBy>()
  /** Routes of each pool. */
  readonly #pools = new Map<string, number>()
  readonly #ids = new Map<string, number>()
  readonly #entries: (Entry | undefined)[] = []
  readonly #free: number[] = []
  /** Laws of calls that name a profile, by that name: they go by the default law otherwise. */
  readonly #byCall = new Map<string, number>()
  /** All laws that calls asked for, oldest first: kept for the next call, but not for ever. */
  readonly #ofCalls = new Set<number>()

  constructor(engine: Engine, base: LawSource) {
    this.#engine = engine
    this.#base = base
    this.#claim(base, 0)
  }

  /** What was set for a route; 'STANDARD' when nothing was. */
  get(routeId: string): GivenProfile {
    return this.#routes.get(routeId)?.given ?? 'STANDARD'
  }

  /** By which classes of keys routes break; most do not. */
  get breakBy(): ReadonlyMap<string, BreakBy> {
    return this.#breakBy
  }

  /** The pool that a route is in. */
  poolOf(routeId: string): string | undefined {
    return this.#pools.size === 0 && this.#base.pool === undefined ? undefined : this.sourceOf(routeId).pool
  }

  /** The numbers that govern a route. */
  sourceOf(routeId: string): LawSource {
    return this.#routes.get(routeId)?.source ?? this.#base
  }

  /** The number of the law of a route. */
  lawOf(routeId: string): number {
    return this.#routes.get(routeId)?.law ?? 0
  }

  /** @throws ConfigError when a value is out of its range, or no further law fits */
  set(routeId: string, given: GivenProfile): number {
    const base = this.#base
    let source = resolveRouteProfile(given, base)
    const breakBy = typeof given === 'string' ? undefined : resolveBreakBy(given.breakBy)
    const { pool } = source
    if (pool !== undefined && !this.#pools.has(pool) && this.#pools.size >= MAX_POOLS) {
      throw new ConfigError('pool', `one of at most ${MAX_POOLS} different pools`, pool)
    }
    const copy = copyOf(given)
    // A getter of the caller's may have changed what all routes build upon.
    if (base !== this.#base) source = resolveRouteProfile(copy, this.#base)
    const law = this.#claim(source)
    const before = this.#routes.get(routeId)
    this.#routes.set(routeId, { given: copy, source, law })
    if (breakBy === undefined) this.#breakBy.delete(routeId)
    else this.#breakBy.set(routeId, breakBy)
    if (pool !== undefined) this.#pools.set(pool, (this.#pools.get(pool) ?? 0) + 1)
    if (before) {
      this.#release(before.law)
      this.#leavePool(before.source.pool)
    }
    return law
  }

  #leavePool(pool: string | undefined): void {
    if (pool === undefined) return
    const left = this.#pools.get(pool)! - 1
    if (left > 0) this.#pools.set(pool, left)
    else this.#pools.delete(pool)
  }

  /** Changes the law of every route that was not given one, and what the others build upon. @throws ConfigError */
  rebase(base: LawSource): void {
    const governed = [...this.#routes].map(([routeId, { given }]) => [routeId, given] as const)
    for (const [, given] of governed) resolveRouteProfile(given, base)
    this.#base = base
    const key = deriveLaw(base).join()
    const entry = this.#entries[0]!
    this.#ids.delete(entry.key)
    this.#entries[0] = { key, users: entry.users }
    this.#ids.set(key, 0)
    this.#engine.defineLaw(deriveLaw(base), 0)
    for (const law of this.#ofCalls) this.#dropCallLaw(law)
    for (const [routeId, given] of governed) this.set(routeId, given)
  }

  /** The routes that were given a law. */
  governed(): string[] {
    return [...this.#routes.keys()]
  }

  /** The law of one call that names a profile: the route's own law with that profile instead. */
  forCall(routeId: string, profile: WorkloadProfile | ProfileConfig): number {
    const source = this.sourceOf(routeId)
    const known = typeof profile === 'string' && source === this.#base
    const cached = known ? this.#byCall.get(profile) : undefined
    if (cached !== undefined) return cached
    const law = this.#claim({ ...source, profile: requireProfile('options.profile', profile) })
    if (known) this.#byCall.set(profile, law)
    if (this.#ofCalls.has(law)) this.#release(law)
    else this.#ofCalls.add(law)
    if (this.#ofCalls.size > MAX_CALL_LAWS) this.#dropCallLaw(this.#ofCalls.values().next().value!)
    return law
  }

  #dropCallLaw(law: number): void {
    this.#ofCalls.delete(law)
    for (const [profile, known] of this.#byCall) if (known === law) this.#byCall.delete(profile)
    this.#release(law)
  }

  #claim(source: LawSource, id?: number): number {
    const cells = deriveLaw(source)
    const key = cells.join()
    const known = this.#ids.get(key)
    if (known !== undefined) {
      this.#entries[known]!.users += 1
      return known
    }
    const law = this.#engine.defineLaw(cells, id ?? this.#free.pop())
    if (law < 0) throw new ConfigError('profile', 'one of at most 65,536 different laws', 'another')
    this.#ids.set(key, law)
    this.#entries[law] = { key, users: 1 }
    return law
  }

  #release(law: number): void {
    const entry = this.#entries[law]
    if (!entry || --entry.users > 0) return
    this.#ids.delete(entry.key)
    this.#entries[law] = undefined
    this.#free.push(law)
  }
}
