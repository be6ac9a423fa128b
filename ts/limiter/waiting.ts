/**
 * Requests that wait for a place: the rooms of all routes, their timers and promises. {@link Room} decides on the order, the
 * engine on whether there is a place.
 *
 * An entry that can no longer make it is answered at once: at the next event of its route by the instance's clock, and by one
 * timer per room. The timer keeps the process alive, because a caller awaits the answer. It is the global one of the moment, so
 * that faked timers work, and nothing but punctuality depends on it. On a clock of the caller's it only looks at that clock.
 */

import { MAX_TIMER_MS } from '../base/timer.js'
import { NO_KEY } from './request.js'
import { type Held, Room, type RoomEntry } from './room.js'
import type { LimitedBy, Permit } from './types.js'
import { Waits } from './waits.js'

/** Most requests that wait on one route, and on all of them. */
const ROUTE_CAPACITY = 4_096
const INSTANCE_CAPACITY = 65_536

/** A timer that is so late never comes: it was a faked one, and timers are no longer faked; ms. */
const OVERDUE_MS = 10

/** Other rooms that are looked into for one that gives way. */
const ROOMS_SCANNED = 64

/** A request as it has to be asked about again. */
export interface Waiter {
  readonly routeId: string
  /** As the caller gave it: 0 (bulk) to 4 (critical); negative: the voltage decides. */
  readonly askedTier: number
  /** V, where that decides */
  readonly voltage: number
  /** A number that stands for its key; negative: it has none. */
  readonly keyId: number
  /** The weight of its equal share. */
  readonly weight: number
  /** The number of its class; NaN: it has none. */
  readonly keyClass: number
  /** 0 (bulk) to 4 (critical): its place in the room */
  readonly tier: number
  readonly arrivedMs: number
  /** It will not wait for longer than until then, whatever its deadline, ms. */
  readonly latestMs: number
  /** Called where it is admitted and fails. */
  readonly failed?: (() => void) | undefined
}

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
}

/** A waiting request and its promise. */
interface Pending {
  readonly waiter: Waiter
  resolve(permit: Permit): void
  reject(reason: unknown): void
  /** Stops listening to its signal. */
  forget: (() => void) | undefined
}

/** The room of a route with requests that wait. */
class RouteRoom {
  readonly routeId: string
  readonly room = new Room<Pending>(ROUTE_CAPACITY)
  readonly held: Held
  ratePerMs = 0
  /** The time that a request may wait in all by the engine's last answer, ms. */
  horizonMs = 0
  timer: ReturnType<typeof setTimeout> | undefined
  /** The time at which the timer fires, by the instance's clock; Infinity: there is none. */
  wakesMs = Number.POSITIVE_INFINITY
  isPumping = false

  constructor(routeId: string, host: WaitingHost) {
    this.routeId = routeId
    this.held = (keyId) => host.held(routeId, keyId)
  }
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
      route = new RouteRoom(routeId, this.#host)
      this.#rooms.set(routeId, route)
    }
    route.ratePerMs = wait.ratePerMs
    route.horizonMs = wait.mayWaitMs
    const expiresMs = Math.min(latestMs, arrivedMs + wait.mayWaitMs)
    const { promise, resolve, reject } = deferred<Permit>()
    const pending: Pending = { waiter, resolve, reject, forget: undefined }
    const entry = route.room.push(pending, waiter.tier, waiter.keyId, expiresMs)
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
    const pool = this.#host.poolOf(routeId)
    if (pool !== undefined) {
      this.#pumpTogether([...this.#rooms.values()].filter((room) => this.#host.poolOf(room.routeId) === pool))
      return
    }
    const route = this.#rooms.get(routeId)
    if (route !== undefined) this.#pump(route, this.#host.nowMs())
  }

  /** A place may have become free for any of these routes: the highest tier of them all is next. */
  #pumpTogether(routes: readonly RouteRoom[]): void {
    const idle = routes.filter((route) => !route.isPumping)
    const nowMs = this.#host.nowMs()
    for (const route of idle) {
      route.isPumping = true
      this.#expire(route, nowMs)
    }
    try {
      let asked = idle
      while (asked.length > 0) {
        const next = asked.reduce((best, route) => (route.room.topTier > best.room.topTier ? route : best))
        if (!this.#admitNext(next, nowMs)) asked = asked.filter((route) => route !== next)
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
    for (const route of [...this.#rooms.values()]) this.#pump(route, nowMs)
  }

  /** Refuses all that wait. */
  refuseAll(): void {
    for (const route of [...this.#rooms.values()]) {
      for (const entry of route.room.entries()) this.#refuse(route, entry, 'wait_timeout')
      this.#rest(route)
    }
  }

  #pump(route: RouteRoom, nowMs: number): void {
    if (route.isPumping) return // to ask may end a lease, and its abort listeners may do anything
    route.isPumping = true
    try {
      this.#expire(route, nowMs)
      while (this.#admitNext(route, nowMs)) {}
    } finally {
      route.isPumping = false
      this.#rest(route)
    }
  }

  /** Asks for the request whose turn it is. False: it has to wait, or none does. */
  #admitNext(route: RouteRoom, nowMs: number): boolean {
    const { room, held } = route
    const entry = room.next(held, route.ratePerMs, route.horizonMs)
    if (entry === undefined) return false
    const { waiter, resolve } = entry.item
    const waitedMs = Math.max(0, nowMs - waiter.arrivedMs)
    const permit = this.#host.askAgain(waiter, waitedMs)
    if (permit === undefined) {
      const { mayWaitMs, ratePerMs } = this.#host.wait
      route.ratePerMs = ratePerMs
      route.horizonMs = waitedMs + mayWaitMs
      room.reschedule(entry, Math.min(waiter.latestMs, nowMs + mayWaitMs))
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
      this.#rooms.delete(route.routeId)
      return
    }
    const nowMs = this.#host.nowMs()
    if (earliestMs < route.wakesMs || nowMs > route.wakesMs + OVERDUE_MS) {
      clearTimeout(route.timer)
      const delayMs = Math.min(Math.max(1, Math.ceil(earliestMs - nowMs)), MAX_TIMER_MS)
      route.wakesMs = nowMs + delayMs
      route.timer = setTimeout(() => this.#wake(route, nowMs), delayMs)
    }
  }

  #wake(route: RouteRoom, armedMs: number): void {
    const { wakesMs } = route
    route.timer = undefined
    route.wakesMs = Number.POSITIVE_INFINITY
    const clockMs = this.#host.nowMs()
    // A clock of the caller's may stand still while timers fire: the next event of the route looks at it again.
    if (this.#host.hasOwnClock && !(clockMs > armedMs)) return
    // Otherwise the timer is right, also where timers are faked, or fire a ms early.
    this.#pump(route, this.#host.hasOwnClock ? clockMs : Math.max(clockMs, wakesMs))
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
