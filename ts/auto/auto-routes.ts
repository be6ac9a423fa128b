/**
 * Routes with the profile 'AUTO': each learns what is usual on it, and is governed by that. A route without it costs nothing; with the
 * first one that has it each completed request of the instance is looked up in a map.
 */

import { BoundedRoutes } from '../base/bounded-routes.js'
import { ConfigError } from '../base/errors.js'
import { ownOptions } from '../base/own.js'
import type { Context } from '../context.js'
import { PROFILE_CONFIGS } from '../core/index.js'
import type { AutoSnapshot, RouteSnapshot } from '../routes/decision.js'
import { Durations } from './durations.js'
import { Learner } from './learner.js'
import type { AutoProfile } from './types.js'

/** Most routes that learn; the one that was set longest ago gives way. */
const MOST_ROUTES = 4_096
/** The least change that a route is governed anew for. */
const LEAST_CHANGE = 0.02
/** Leases from which the duration of leases is learnt. */
const LEAST_LEASES = 20
const MOST_LEASE_MS = 86_400_000

/** Suggestions as multiples of a 99th percentile, and the least of them, ms. */
const DEADLINE_TIMES = 2
const LEASE_TIMES = 3
const LEAST_DEADLINE_MS = 10
const LEAST_LEASE_MS = 1_000

/** The record of a route, checked. */
export interface AutoRecord {
  readonly routeId: string
  readonly learner: Learner
  readonly leases: Durations
}

/** The record of a route in a snapshot that may be none. @throws ConfigError */
export function readRecord(path: string, routeId: string, auto: unknown): AutoRecord {
  const names = ['requests', 'p50Ms', 'p99Ms', 'isRegressed', 'durations', 'leases']
  const { leases: pairs, ...record } = ownOptions(auto, names) as AutoSnapshot
  const learner = Learner.fromRecord(record)
  const leases = new Durations()
  if (learner === undefined || !Array.isArray(pairs) || !leases.fromPairs(pairs)) {
    throw new ConfigError(path, 'a record of a learnt profile, as snapshot() makes it', auto)
  }
  return { routeId, learner, leases }
}

class AutoRoute {
  learner = new Learner()
  readonly leases = new Durations()
  /** The values that govern the route. */
  baselineMs = 0
  leaseMs = 0
}

/** Two digits are enough for a suggestion, and so it stays while the values it comes from move a little. */
const rounded = (ms: number): number => Number(ms.toPrecision(2))

export class AutoRoutes {
  readonly #context: Context
  readonly #routes = new BoundedRoutes<AutoRoute>(MOST_ROUTES)
  #endWatch: (() => void) | undefined

  constructor(context: Context) {
    this.#context = context
  }

  has(routeId: string): boolean {
    return this.#routes.has(routeId)
  }

  /** The route learns from now on, from nothing. */
  start(routeId: string): void {
    this.#context.routes.setProfile(routeId, 'STANDARD')
    this.#add(routeId, new AutoRoute())
  }

  /** The route is governed by something else. */
  stop(routeId: string): void {
    this.#routes.delete(routeId)
    if (this.#routes.size > 0) return
    this.#endWatch?.()
    this.#endWatch = undefined
  }

  /** A leased task was completed. */
  leased(routeId: string, durationMs: number): void {
    const route = this.#routes.get(routeId)
    if (route === undefined || !(durationMs >= 0)) return
    route.leases.add(durationMs)
    if (route.leases.count >= LEAST_LEASES) this.#govern(routeId, route)
  }

  read(routeId: string): AutoProfile | undefined {
    const route = this.#routes.get(routeId)
    if (route === undefined) return undefined
    const { learner } = route
    const { usual, shift, state, requests } = learner
    const deadlineMs = usual && Math.max(LEAST_DEADLINE_MS, rounded(DEADLINE_TIMES * usual.p99Ms))
    const leaseMs = leaseOf(route)
    const away = shift && {
      p50Ms: shift.p50Ms,
      p99Ms: shift.p99Ms,
      forMs: this.#context.clock.spanMs() - shift.sinceMs,
    }
    return {
      routeId,
      state,
      requests,
      baselineMs: usual?.p50Ms,
      p50Ms: usual?.p50Ms,
      p99Ms: usual?.p99Ms,
      suggestedDeadlineMs: deadlineMs,
      leaseMs,
      shift: away,
      explanation: explain(route, deadlineMs, leaseMs),
    }
  }

  /** Adds to snapshots of routes what those with the profile 'AUTO' have learnt. */
  addTo(snapshots: readonly RouteSnapshot[]): RouteSnapshot[] {
    return snapshots.map((snapshot) => {
      const route = this.#routes.get(snapshot.routeId)
      if (route === undefined) return snapshot
      return { ...snapshot, auto: { ...route.learner.toRecord(), leases: route.leases.toPairs() } }
    })
  }

  /** Routes go on where snapshots left them. @param records checked */
  restore(records: readonly AutoRecord[]): void {
    for (const { routeId, learner, leases } of records) {
      const route = new AutoRoute()
      route.learner = learner
      route.leases.merge(leases)
      this.#add(routeId, route)
      this.#govern(routeId, route)
    }
  }

  #add(routeId: string, route: AutoRoute): void {
    this.#routes.set(routeId, route)
    this.#endWatch ??= this.#context.events.watchers.add({
      completed: (id, durationMs, failed) => {
        if (!failed) this.#completed(id, durationMs)
      },
    })
  }

  #completed(routeId: string, durationMs: number): void {
    const route = this.#routes.get(routeId)
    if (route === undefined) return
    const verdict = route.learner.add(durationMs, this.#context.clock.spanMs())
    if (verdict === 'none') return
    if (verdict === 'regression') this.#report(routeId, route.learner)
    else this.#govern(routeId, route)
  }

  #report(routeId: string, { usual, shift }: Learner): void {
    if (usual === undefined || shift === undefined) return
    this.#context.events.emit('regression', {
      routeId,
      p50Ms: shift.p50Ms,
      p99Ms: shift.p99Ms,
      usualP50Ms: usual.p50Ms,
      usualP99Ms: usual.p99Ms,
      forMs: this.#context.clock.spanMs() - shift.sinceMs,
    })
  }

  /** Governs a route by what it has learnt, where that has changed. */
  #govern(routeId: string, route: AutoRoute): void {
    const baselineMs = route.learner.usual?.p50Ms ?? 0
    const leaseMs = leaseOf(route) ?? PROFILE_CONFIGS.STANDARD.maxDurationMs
    const isNear = (now: number, before: number): boolean => Math.abs(now - before) <= LEAST_CHANGE * before
    if (isNear(baselineMs, route.baselineMs) && isNear(leaseMs, route.leaseMs)) return
    route.baselineMs = baselineMs
    route.leaseMs = leaseMs
    const { baselineLatencyMs } = PROFILE_CONFIGS.STANDARD
    const profile = {
      ...PROFILE_CONFIGS.STANDARD,
      baselineLatencyMs: baselineMs > 0 ? baselineMs : baselineLatencyMs,
      maxDurationMs: leaseMs,
    }
    try {
      this.#context.routes.configureRoute(routeId, { profile })
    } catch (error) {
      this.#context.logger.warn('a route cannot be governed by what it has learnt', { routeId, error })
    }
  }
}

/** The duration of a lease, ms; undefined while too little is known. */
function leaseOf({ learner, leases }: AutoRoute): number | undefined {
  const p99Ms = leases.count >= LEAST_LEASES ? leases.quantile(0.99) : learner.usual?.p99Ms
  if (p99Ms === undefined) return undefined
  return Math.min(MOST_LEASE_MS, Math.max(LEAST_LEASE_MS, rounded(LEASE_TIMES * p99Ms)))
}

const ms = (value: number): string => `${Number(value.toPrecision(3))} ms`

function explain(route: AutoRoute, deadlineMs: number | undefined, leaseMs: number | undefined): string[] {
  const { usual, shift, state, requests } = route.learner
  if (usual === undefined || deadlineMs === undefined || leaseMs === undefined) {
    return [`learning: ${requests} of 500 requests that succeed; governed as STANDARD until then`]
  }
  const from = route.leases.count >= LEAST_LEASES ? `${route.leases.count} leases that were completed` : 'requests'
  const lines = [
    `usual: median ${ms(usual.p50Ms)}, 99th percentile ${ms(usual.p99Ms)}, of ${requests} requests`,
    `baseline ${ms(usual.p50Ms)}: the median`,
    `deadline suggested: ${ms(deadlineMs)}, twice the 99th percentile`,
    `leases last ${ms(leaseMs)}: three times the 99th percentile of ${from}`,
  ]
  if (shift !== undefined) {
    const what =
      state === 'regressed' ? 'a regression, which was reported' : 'an incident unless it lasts for 15 minutes'
    lines.push(`${shift.direction} now: median ${ms(shift.p50Ms)}, 99th percentile ${ms(shift.p99Ms)}; ${what}`)
    lines.push('the usual values do not move meanwhile')
  }
  return lines
}
