/**
 * Requests that wait for a place: the rooms of all routes, their timers and promises. {@link Room} decides on the order, the
 * engine on whether there is a place.
 *
 * An entry that can no longer make it is answered at once: at the next event of its route by the instance's clock, and by one
 * timer per room. The timer keeps the process alive, because a caller awaits the answer. It is the global one of the moment, so
 * that faked timers work, and nothing but punctuality depends on it. On a clock of the caller's it only looks at that clock.
 */

import { MAX_TIMER_MS } from '../base/timer.js'
import type { LaneShare } from '../options/route-params.js'
import { NO_KEY } from './request.js'
import type { RoomEntry } from './room.js'
import { isBefore, type Pending, RouteRoom, type Waiter } from './route-room.js'
import type { LimitedBy, Permit } from './types.js'
import { Waits } from './waits.js'

/** Most requests that wait on all routes. */
const INSTANCE_CAPACITY = 65_536

/** A timer that is so late never comes: it was a faked one, and timers are no longer faked; ms. */
const OVERDUE_MS = 10

/** Other rooms that are looked into for one that gives way. */
const ROOMS_SCANNED = 64

/** The engine's answer to a request that has to wait. */
export interface Wait {
  /** The time from now that it may wait, ms. */
  readonly mayWaitMs: number
  /** Completions per ms that the route is capable of; 0 when not known. */
  readonly ratePerMs: number
}

/** Is given what ends a wait with an error, and returns what stops that. */
export type Listen = (abort: (reason: unknown) => void) => () => void

/** The parts of the loop that rooms need. */
export interface WaitingHost {
  /** The instance's time, ms. */
  nowMs(): number
  /** True when that is a clock of the caller's: timers do not know it. */
  readonly hasOwnClock: boolean
  /** Asks for a place again; undefined: not yet, see {@link WaitingHost.wait}. */
  askAgain(waiter: Waiter, waitedMs: number): Permit | undefined
  /** The engine's answer when `askAgain` returned undefined. */
  readonly wait: Wait
  /** Counts a refusal and makes its permit. */
  giveUp(waiter: Waiter, limitedBy: LimitedBy): Permit
  /** A wait ended. */
  waited(routeId: string, waitedMs: number): void
  /** Permits that a key holds on a route. */
  held(routeId: string, keyId: number): number
  /** The pool that a route is in. */
  poolOf(routeId: string): string | undefined
  /** The shares of a route's limit that are reserved: for tiers, bulk to critical, and for lanes, the first first. */
  reservesOf(routeId: string): { readonly reserve: readonly number[]; readonly lanes: readonly LaneShare[] }
}

export class WaitingRooms {
  readonly #host: WaitingHost
  readonly #rooms = new Map<string, RouteRoom>()
  #size = 0
  /** Waits that ended. */
  readonly waits = new Waits()

  constructor(host: WaitingHost) {
    this.#host = host
  }

  /** Requests that wait, on all routes. */
  get size(): number {
    return this.#size
  }

  /** Requests that wait on a route. */
  sizeOf(routeId: string): number {
    return this.#rooms.get(routeId)?.room.size ?? 0
  }

  /** Lets a request wait after the engine's answer that it may. */
  enter(waiter: Waiter, wait: Wait, listen: Listen | undefined): Promise<Permit> {
    const { routeId, arrivedMs, latestMs } = waiter
    if (!this.#makeRoom(waiter)) return Promise.resolve(this.#host.giveUp(waiter, 'wait_full'))
    let route = this.#rooms.get(routeId)
    if (route === undefined) {
      route = new RouteRoom(routeId, (keyId) => this.#host.held(routeId, keyId))
      this.#rooms.set(routeId, route)
    }
    route.learn(waiter.tier, wait.ratePerMs, wait.mayWaitMs)
    const expiresMs = Math.min(latestMs, arrivedMs + wait.mayWaitMs)
    const { promise, resolve, reject } = deferred<Permit>()
    const pending: Pending = { waiter, resolve, reject, forget: undefined }
    const entry = route.room.push(pending, waiter.tier, waiter.keyId, expiresMs, waiter.lane)
    this.#size += 1
    const here = route
    pending.forget = listen?.((reason) => {
      if (!this.#leave(here, entry)) return
      reject(reason)
      this.#rest(here)
    })
    this.#rest(here)
    return promise
  }

  /** Refuses one where there is no room for a newcomer. False: that has to be the newcomer. */
  #makeRoom({ routeId, tier, keyId }: Waiter): boolean {
    const own = this.#rooms.get(routeId)
    const isFull = this.#size >= INSTANCE_CAPACITY
    if (!isFull && !own?.room.isFull) return true
    const victim = own?.room.yielding(tier, keyId, own.held)
    if (own !== undefined && victim !== undefined) {
      this.#refuse(own, victim, 'wait_full')
      return true
    }
    if (own?.room.isFull) return false
    // All rooms together are full: a more important request takes a place on another route.
    let seen = 0
    for (const other of this.#rooms.values()) {
      if (seen++ === ROOMS_SCANNED) break
      const lower = other.room.yielding(tier, NO_KEY, other.held)
      if (lower === undefined || lower.tier === tier) continue
      this.#refuse(other, lower, 'wait_full')
      this.#rest(other)
      return true
    }
    return false
  }

  /** Something happened on a route: requests that can no longer make their deadline are refused. */
  expire(routeId: string): void {
    const route = this.#rooms.get(routeId)
    if (route === undefined) return
    this.#expire(route, this.#host.nowMs())
    this.#rest(route)
  }

  /** A place may have become free on a route: the next request gets it. */
  pump(routeId: string): void {
    const route = this.#rooms.get(routeId)
    const pool = this.#host.poolOf(routeId)
    if (pool === undefined && route === undefined) return
    this.#pump(pool, route, this.#host.nowMs())
  }

  /** The same for a route's pool, or for the route where it is in none. */
  #pump(pool: string | undefined, route: RouteRoom | undefined, nowMs: number): void {
    if (pool === undefined) {
      if (route !== undefined) this.#pumpAlone(route, nowMs)
      return
    }
    const routes = [...this.#rooms.values()].filter((room) => this.#host.poolOf(room.routeId) === pool)
    this.#pumpTogether(routes, nowMs)
  }

  /** A place may have become free for any of these routes: the highest tier of them all is next, and within it the oldest. */
  #pumpTogether(routes: readonly RouteRoom[], nowMs: number): void {
    const idle = routes.filter((route) => !route.isPumping)
    for (const route of idle) {
      route.isPumping = true
      this.#expire(route, nowMs)
    }
    try {
      let asked = idle
      let atMostMs = Number.POSITIVE_INFINITY
      while (asked.length > 0) {
        const next = asked.reduce((best, route) => (isBefore(route.room, best.room) ? route : best))
        const blockedMs = this.#admitNext(next, nowMs, atMostMs)
        if (blockedMs === undefined) continue
        // Another route of the pool may have a place where this one has reached a bound of its own.
        asked = asked.filter((route) => route !== next)
        atMostMs = Math.min(atMostMs, blockedMs)
      }
    } finally {
      for (const route of idle) {
        route.isPumping = false
        this.#rest(route)
      }
    }
  }

  /** The same on every route. */
  pumpAll(): void {
    if (this.#size === 0) return
    const nowMs = this.#host.nowMs()
    const pools = new Set<string>()
    for (const route of [...this.#rooms.values()]) {
      const pool = this.#host.poolOf(route.routeId)
      if (pool !== undefined && pools.has(pool)) continue
      if (pool !== undefined) pools.add(pool)
      this.#pump(pool, route, nowMs)
    }
  }

  /** Refuses all that wait. */
  refuseAll(): void {
    for (const route of [...this.#rooms.values()]) {
      for (const entry of route.room.entries()) this.#refuse(route, entry, 'wait_timeout')
      this.#rest(route)
    }
  }

  #pumpAlone(route: RouteRoom, nowMs: number): void {
    if (route.isPumping) return // to ask may end a lease, and its abort listeners may do anything
    route.isPumping = true
    try {
      this.#expire(route, nowMs)
      while (this.#admitNext(route, nowMs) === undefined) {}
    } finally {
      route.isPumping = false
      this.#rest(route)
    }
  }

  /**
   * Asks for the request whose turn it is, and, where it has to wait, for the next of lower tiers and of lanes that have a reserve: a place
   * that is theirs is none of a higher tier's.
   *
   * @param atMostMs those asked before it in vain have waited for so long at least, ms: it is asked for as one that has waited no
   *   longer, since the engine lets one that has waited long further in than it would let them
   * @returns undefined where one was admitted or refused, else the time that the first has waited, ms, Infinity where none waits
   */
  #admitNext(route: RouteRoom, nowMs: number, atMostMs = Number.POSITIVE_INFINITY): number | undefined {
    const first = route.next()
    if (first === undefined) return Number.POSITIVE_INFINITY
    const waitedMs = this.#waitedMs(first, nowMs)
    if (this.#ask(route, first, nowMs, atMostMs)) return undefined
    const { reserve, lanes } = this.#host.reservesOf(route.routeId)
    const longestMs = Math.min(atMostMs, waitedMs)
    for (let tier = first.tier - 1; tier >= 0; tier--) {
      const share = reserve[tier]!
      const entry = share > 0 ? route.nextOf(tier, share) : undefined
      if (entry !== undefined && this.#ask(route, entry, nowMs, longestMs)) return undefined
    }
    for (const [i, { share }] of lanes.entries()) {
      const entry = route.nextOfLane(i + 1, share)
      if (entry !== undefined && entry !== first && this.#ask(route, entry, nowMs, longestMs)) return undefined
    }
    return waitedMs
  }

  /** Greater than 0: a request that has waited is no new one to the engine. */
  #waitedMs({ item }: RoomEntry<Pending>, nowMs: number): number {
    return Math.max(Number.MIN_VALUE, nowMs - item.waiter.arrivedMs)
  }

  /** Asks for a request. False: it has to wait. */
  #ask(route: RouteRoom, entry: RoomEntry<Pending>, nowMs: number, atMostMs: number): boolean {
    const { waiter, resolve } = entry.item
    const askedMs = Math.min(this.#waitedMs(entry, nowMs), atMostMs)
    const permit = this.#host.askAgain(waiter, askedMs)
    if (permit === undefined) {
      const { mayWaitMs, ratePerMs } = this.#host.wait
      route.learn(entry.tier, ratePerMs, askedMs + mayWaitMs)
      route.room.reschedule(entry, Math.min(waiter.latestMs, waiter.arrivedMs + askedMs + mayWaitMs))
      return false
    }
    if (this.#leave(route, entry)) resolve(permit)
    else permit.release('ignored') // it left while it was asked for
    return true
  }

  #expire(route: RouteRoom, nowMs: number): void {
    for (let entry = route.room.expire(nowMs); entry !== undefined; entry = route.room.expire(nowMs)) {
      this.#left(entry)
      entry.item.resolve(this.#host.giveUp(entry.item.waiter, 'wait_timeout'))
    }
  }

  #refuse(route: RouteRoom, entry: RoomEntry<Pending>, limitedBy: LimitedBy): void {
    if (this.#leave(route, entry)) entry.item.resolve(this.#host.giveUp(entry.item.waiter, limitedBy))
  }

  /** Takes an entry out of its room. False: it was out already. */
  #leave(route: RouteRoom, entry: RoomEntry<Pending>): boolean {
    if (!route.room.remove(entry)) return false
    this.#left(entry)
    return true
  }

  #left(entry: RoomEntry<Pending>): void {
    this.#size -= 1
    const { waiter, forget } = entry.item
    const waitedMs = Math.max(0, this.#host.nowMs() - waiter.arrivedMs)
    this.waits.record(waiter.routeId, waitedMs)
    this.#host.waited(waiter.routeId, waitedMs)
    forget?.()
  }

  /** After a change: an empty room is dropped, and any other's timer fires when its first entry can no longer make it. */
  #rest(route: RouteRoom): void {
    const { earliestMs } = route.room
    if (earliestMs === Number.POSITIVE_INFINITY) {
      clearTimeout(route.timer)
      route.timer = undefined
      route.wakesMs = Number.POSITIVE_INFINITY
      // To end the last wait may have called code that lets a request wait again: that has a room of its own.
      if (this.#rooms.get(route.routeId) === route) this.#rooms.delete(route.routeId)
      return
    }
    const nowMs = this.#host.nowMs()
    const delayMs = Math.min(Math.max(1, Math.ceil(earliestMs - nowMs)), MAX_TIMER_MS)
    // A timer that fires before a new one would stays: otherwise requests that leave would put off the answer of those that stay.
    if (nowMs + delayMs >= route.wakesMs && nowMs <= route.wakesMs + OVERDUE_MS) return
    clearTimeout(route.timer)
    route.wakesMs = nowMs + delayMs
    route.timer = setTimeout(() => this.#wake(route, nowMs), delayMs)
  }

  #wake(route: RouteRoom, armedMs: number): void {
    const { wakesMs } = route
    route.timer = undefined
    route.wakesMs = Number.POSITIVE_INFINITY
    const clockMs = this.#host.nowMs()
    // A clock of the caller's may stand still while timers fire: the next event of the route looks at it again.
    if (this.#host.hasOwnClock && !(clockMs > armedMs)) return
    // Otherwise the timer is right, also where timers are faked, or fire a ms early.
    const nowMs = this.#host.hasOwnClock ? clockMs : Math.max(clockMs, wakesMs)
    this.#pump(this.#host.poolOf(route.routeId), route, nowMs)
  }
}

/** `Promise.withResolvers`, which Node 20 has not. */
function deferred<T>(): { promise: Promise<T>; resolve(value: T): void; reject(reason: unknown): void } {
  let resolve!: (value: T) => void
  let reject!: (reason: unknown) => void
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}
