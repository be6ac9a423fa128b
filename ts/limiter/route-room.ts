/** The room of one route: the requests that wait there, and the last answer of the engine on how long they may. */

import { TIERS } from '../engine/port.js'
import { type Held, Room, type RoomEntry } from './room.js'
import type { Permit } from './types.js'

/** Most requests that wait on one route. */
const CAPACITY = 4_096

/** The tier critical. */
const TOP = TIERS.length - 1

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
  /** The number of its lane, from 1 on; 0: it is in none. */
  readonly lane: number
  /** 0 (bulk) to 4 (critical): its place in the room */
  readonly tier: number
  readonly arrivedMs: number
  /** The time until which the request waits at the longest, whatever its deadline, ms. */
  readonly latestMs: number
  /** Called where the request is admitted and fails. */
  readonly failed?: (() => void) | undefined
}

/** A waiting request and its promise. */
export interface Pending {
  readonly waiter: Waiter
  resolve(permit: Permit): void
  reject(reason: unknown): void
  /** Stops listening to its signal. */
  forget: (() => void) | undefined
}

/** The room of a route with requests that wait. */
export class RouteRoom {
  readonly routeId: string
  readonly room = new Room<Pending>(CAPACITY)
  readonly held: Held
  #ratePerMs = 0
  /** The time that a request below the top tier may wait in all, and one of the top tier, by the engine's last answers, ms. */
  readonly #horizonsMs = [0, 0]
  timer: ReturnType<typeof setTimeout> | undefined
  /** The time at which the timer fires, by the instance's clock; Infinity: there is none. */
  wakesMs = Number.POSITIVE_INFINITY
  isPumping = false

  constructor(routeId: string, held: Held) {
    this.routeId = routeId
    this.held = held
  }

  /** Notes the engine's answer to a request that has to wait. */
  learn(tier: number, ratePerMs: number, horizonMs: number): void {
    this.#ratePerMs = ratePerMs
    this.#horizonsMs[Number(tier === TOP)] = horizonMs
  }

  /** The request whose turn it is. */
  next(): RoomEntry<Pending> | undefined {
    return this.room.next(this.held, this.#ratePerMs, this.#horizonOf(this.room.topTier))
  }

  /**
   * The request of one tier whose turn it is.
   *
   * @param share of the route's completions that the tier has, (0, 1]
   */
  nextOf(tier: number, share: number): RoomEntry<Pending> | undefined {
    return this.room.next(this.held, this.#ratePerMs * share, this.#horizonOf(tier), tier)
  }

  /**
   * The request of a lane whose turn it is, of the highest tier that waits there.
   *
   * @param share of the route's completions that the lane has, (0, 1]
   */
  nextOfLane(lane: number, share: number): RoomEntry<Pending> | undefined {
    const tier = this.room.topTierOf(lane)
    if (tier < 0) return undefined
    return this.room.next(this.held, this.#ratePerMs * share, this.#horizonOf(tier), tier, lane)
  }

  #horizonOf(tier: number): number {
    return this.#horizonsMs[Number(tier === TOP)]!
  }
}

/** Returns whether the request whose turn it is in a room comes before that of another. */
export function isBefore(room: Room<Pending>, other: Room<Pending>): boolean {
  const [mine, theirs] = [room.eldest, other.eldest]
  if (mine === undefined || theirs === undefined) return mine !== undefined
  return mine.tier === theirs.tier ? mine.item.waiter.arrivedMs < theirs.item.waiter.arrivedMs : mine.tier > theirs.tier
}
