/** Cancels the culprits that `culprit.ts` finds: which requests may be cancelled, when to look, and which are spared. */

import type { ShedError } from '../base/errors.js'
import { keptName } from '../base/keys.js'
import type { Context } from '../context.js'
import type { Tier } from '../engine/kinds.js'
import type { Stall } from '../events/stall.js'
import { AGED, culpritOf, LEAST_ENDED, LEAST_OVERTAKERS, leastHeldMs } from './culprit.js'
import {
  type Aged,
  agedOf,
  type Cancellable,
  type Group,
  groupOf,
  indexOf,
  type Running,
  wantingOf,
} from './culprit-group.js'
import { Tail } from './overtaken.js'
import { cancelledOf } from './run.js'
import { readStats } from './stats.js'
import type { LimitedBy, Permit } from './types.js'

/** A pool of routes, or a route that is in none, is looked at this often at most, ms; while requests wait, by a timer. */
const LOOK_MS = 10
const TIMER_MS = 25
/** After a stall of the event loop no age says anything for so long, ms. */
const STALLED_MS = 100
/** A key one of whose requests was cancelled is spared for so long, ms. */
const SPARED_MS = 60_000
const MOST_SPARED = 1024
/** Pools and routes that have a quota; the one that was added first goes first, when nothing in it may be cancelled. */
const MOST_GROUPS = 4096
/** Routes whose times are known; the one that was added first goes first. */
const MOST_TAILS = 1024
/** Requests of a group that are looked at, the oldest first. */
const MOST_LOOKED_AT = 1024
/** After a cancellation that freed a place, requests end within this time, ms. */
const FREED_MS = 250
/** An age of so many 0.99 quantiles of its route is unusual. */
const FAR = 3
/** Routes of a pool that are followed: the work in flight of more is not known. */
const MOST_ROUTES = 256
/** Obstacles that are a want of places. */
const WANTS: readonly (LimitedBy | undefined)[] = ['occupancy', 'queue_age', 'wait_timeout', 'wait_full']

/** Requests that wait for a place. */
interface Rooms {
  sizeOf(routeId: string): number
}

export class Culprits {
  readonly #context: Context
  readonly #rooms: Rooms
  readonly #lastStall: () => Stall | undefined
  readonly #groups = new Map<string, Group>()
  /** By route. */
  readonly #tails = new Map<string, Tail>()
  readonly #spared = new Map<unknown, number>()
  /** Groups in which requests lack a place. */
  readonly #wanting = new Set<Group>()
  #timer: ReturnType<typeof setInterval> | undefined

  constructor(context: Context, rooms: Rooms, lastStall: () => Stall | undefined) {
    this.#context = context
    this.#rooms = rooms
    this.#lastStall = lastStall
  }

  /** The work of a permit may be cancelled, by `cancel`. @returns what ends that */
  guard(
    routeId: string,
    permit: Permit,
    share: () => number,
    key: unknown,
    cancel: (reason: ShedError) => void,
  ): () => void {
    const { tier } = permit
    return this.add({ routeId, tier, key, share, cancel: (ageMs) => cancel(cancelledOf(routeId, permit, ageMs)) })
  }

  /** A request that may be cancelled runs. @returns what ends that */
  add(one: Cancellable): () => void {
    const group = this.#group(one.routeId)
    const { pace, race } = group
    const { clock } = this.#context
    const running: Running = {
      one,
      tail: this.#tailOf(one.routeId),
      admittedMs: clock.spanMs(),
      admitted: group.admitted,
      order: group.begun++,
      overtakenAtMs: Number.NaN,
      isOn: true,
    }
    race.begin(running)
    return () => {
      if (!running.isOn) return
      running.isOn = false
      const nowMs = clock.spanMs()
      const isOldest = race.oldest === running
      running.tail.end(race.end(running, nowMs))
      pace.end(nowMs - running.admittedMs, nowMs, isOldest)
      if (nowMs - group.triedMs > FREED_MS) group.silentUntilMs = nowMs + SPARED_MS
      group.triedMs = Number.NaN
    }
  }

  /** A request came to a route, and was admitted or refused. @returns its permit */
  offered(routeId: string, permit: Permit): Permit {
    this.#came(routeId, permit.tier, permit.allow, !permit.allow && WANTS.includes(permit.limitedBy))
    return permit
  }

  /** A request came to a route, and waits for a place. */
  waits(routeId: string, tier: Tier | undefined): void {
    this.#came(routeId, tier, false, true)
  }

  #came(routeId: string, tier: Tier | undefined, isAdmitted: boolean, lacks: boolean): void {
    const group = this.#groups.get(this.#nameOf(routeId))
    if (group === undefined) return
    group.quota.offer()
    if (isAdmitted) group.admitted += 1
    if (group.routeIds.size <= MOST_ROUTES) group.routeIds.add(routeId)
    if (group.race.size === 0) return
    const nowMs = this.#context.clock.spanMs()
    if (!lacks && !group.pace.isCongested(nowMs)) return
    // Of a request with a voltage it is not known which tiers it may displace.
    group.tier = indexOf(tier, 0)
    group.routeId = routeId
    group.wantedMs[group.tier] = nowMs
    this.#look(group, nowMs)
    this.#wanting.add(group)
    this.#timer ??= this.#start()
  }

  /** Requests that wait are a reason to look also while none comes. */
  #start(): ReturnType<typeof setInterval> {
    const timer = setInterval(() => {
      const nowMs = this.#context.clock.spanMs()
      for (const group of this.#wanting) {
        if (this.#rooms.sizeOf(group.routeId) > 0) group.wantedMs[group.tier] = nowMs
        if (group.race.size === 0 || wantingOf(group, nowMs) < 0) this.#wanting.delete(group)
        else this.#look(group, nowMs)
      }
      if (this.#wanting.size > 0) return
      clearInterval(timer)
      this.#timer = undefined
    }, TIMER_MS)
    ;(timer as { unref?: () => void }).unref?.()
    return timer
  }

  #look(group: Group, nowMs: number): void {
    if (nowMs - group.lookedMs < LOOK_MS || !group.quota.allows(nowMs)) return
    group.lookedMs = nowMs
    if (this.#hasStalled()) return
    const { pace } = group
    const wanting = wantingOf(group, nowMs)
    const { serviceMs, latencyMs } = this.#scaleOf(group, nowMs)
    const leastMs = latencyMs + AGED * serviceMs
    let found = culpritOf(this.#candidates(group, nowMs, leastMs), wanting, serviceMs, latencyMs)
    if (found === undefined && pace.isLocked(nowMs) && this.#isOldestKnown(group, nowMs)) {
      // All others wait for it in turn, and none of them has overtaken it.
      found = culpritOf(this.#oldest(group, nowMs), wanting, pace.serviceMs, 0)
      if (found !== undefined) group.triedMs = nowMs
    }
    // A share, which the host's code tells, may have ended it.
    if (!found?.running.isOn) return
    const { running, ageMs, share } = found
    const { routeId, tier, key } = running.one
    group.quota.spend(nowMs)
    running.isOn = false
    group.race.leave(running)
    this.#spare(key, nowMs)
    running.one.cancel(ageMs)
    this.#context.events.emit('cancelled', { routeId, tier, ageMs, share })
  }

  /** S and L of a group, ms; infinite where nothing is known. */
  #scaleOf({ pace, routeId }: Group, nowMs: number): { serviceMs: number; latencyMs: number } {
    if (pace.isKnown) return { serviceMs: pace.serviceMs, latencyMs: pace.latencyMs(nowMs) }
    const { p50Ms, p99Ms } = this.#statsOf(routeId)
    return { serviceMs: p50Ms, latencyMs: p99Ms }
  }

  /**
   * Returns whether the oldest request that may be cancelled is the oldest of all, those that may not be among them, which end in their order,
   * too. Where to cancel one freed nothing, requests do not wait for a place but for what all of them need.
   */
  #isOldestKnown({ race, admitted, triedMs, silentUntilMs, routeIds }: Group, nowMs: number): boolean {
    const { oldest } = race
    if (oldest === undefined || !Number.isNaN(triedMs) || nowMs < silentUntilMs || routeIds.size > MOST_ROUTES) {
      return false
    }
    const { engine, routes } = this.#context
    let inFlight = 0
    for (const routeId of routeIds) inFlight += readStats(engine, routes.find(routeId)).inFlight
    return inFlight <= admitted - oldest.admitted + 1
  }

  /** Returns whether the event loop was blocked just now. */
  #hasStalled(): boolean {
    const last = this.#lastStall()
    if (last === undefined) return false
    const endedMs = last.startedAtMs + last.durationMs + last.suspendedMs
    return performance.timeOrigin + performance.now() - endedMs < STALLED_MS
  }

  /** The candidates of a group, in the order of their admission: those that were overtaken, or where that is not known those of an age. */
  *#candidates(group: Group, nowMs: number, groupLeastMs: number): Iterable<Aged> {
    const { race, begun, pace } = group
    const leasts = new Map<Tail, number>()
    let at = 0
    for (const running of race) {
      if (at++ === MOST_LOOKED_AT) return
      const { one, tail, order } = running
      const isKnown = tail.ended >= LEAST_ENDED
      if (isKnown && begun - order - 1 - (race.size - at) < LEAST_OVERTAKERS) continue
      if (this.#isSpared(one.key, nowMs)) continue
      let leastMs = leasts.get(tail)
      if (leastMs === undefined) {
        leastMs = isKnown ? leastHeldMs(tail, pace) : Math.max(groupLeastMs, this.#usualMs(one.routeId))
        leasts.set(tail, leastMs)
      }
      const aged = agedOf(running, nowMs)
      yield { ...aged, heldMs: isKnown ? race.heldMs(running) : aged.ageMs, leastMs }
    }
  }

  /** The oldest, where its age is unusual of its route. */
  *#oldest({ race }: Group, nowMs: number): Iterable<Aged> {
    const { oldest } = race
    if (oldest === undefined || this.#isSpared(oldest.one.key, nowMs)) return
    const aged = agedOf(oldest, nowMs)
    if (oldest.tail.ended >= LEAST_ENDED || aged.ageMs >= this.#usualMs(oldest.one.routeId)) yield aged
  }

  /** The time that requests of a route take usually, by all of them that ended, ms; infinite where none has. */
  #usualMs(routeId: string): number {
    const { p50Ms, p99Ms } = this.#statsOf(routeId)
    return Math.max(p99Ms + AGED * p50Ms, FAR * p99Ms)
  }

  #statsOf(routeId: string): { p50Ms: number; p99Ms: number } {
    const { engine, routes } = this.#context
    const { p50Ms = Number.POSITIVE_INFINITY, p99Ms = Number.POSITIVE_INFINITY } = readStats(
      engine,
      routes.find(routeId),
    )
    return { p50Ms, p99Ms }
  }

  #tailOf(routeId: string): Tail {
    let tail = this.#tails.get(routeId)
    if (tail === undefined) {
      if (this.#tails.size >= MOST_TAILS) this.#tails.delete(this.#tails.keys().next().value!)
      tail = new Tail()
      this.#tails.set(routeId, tail)
    }
    return tail
  }

  #isSpared(key: unknown, nowMs: number): boolean {
    const untilMs = key === undefined || key === null ? undefined : this.#spared.get(spareName(key))
    return untilMs !== undefined && nowMs < untilMs
  }

  #spare(key: unknown, nowMs: number): void {
    if (key === undefined || key === null) return
    const name = spareName(key)
    this.#spared.delete(name)
    if (this.#spared.size >= MOST_SPARED) this.#spared.delete(this.#spared.keys().next().value)
    this.#spared.set(name, nowMs + SPARED_MS)
  }

  #group(routeId: string): Group {
    const name = this.#nameOf(routeId)
    let group = this.#groups.get(name)
    if (group === undefined) {
      if (this.#groups.size >= MOST_GROUPS) this.#makeRoom()
      group = groupOf(routeId)
      this.#groups.set(name, group)
    }
    return group
  }

  /** The pool of a route, or the route. */
  #nameOf(routeId: string): string {
    const pool = this.#context.routes.profiles.poolOf(routeId)
    return pool === undefined ? `route ${routeId}` : `pool ${pool}`
  }

  #makeRoom(): void {
    for (const [name, { race }] of this.#groups) {
      if (race.size > 0) continue
      this.#groups.delete(name)
      return
    }
  }
}

const spareName = (key: unknown): unknown => (typeof key === 'string' ? keptName(key) : key)
