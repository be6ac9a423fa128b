/** The requests of a pool of routes, or of a route that is in none, that may be cancelled, and what is known of them. */

import { noticeEnd } from '../base/host-calls.js'
import { TIERS, type Tier } from '../engine/kinds.js'
import { CancelQuota, type Candidate, Pace } from './culprit.js'
import { type Entrant, Race, type Tail } from './overtaken.js'

/** A request that lacked a place lacks it for so long, ms. */
const WANTING_MS = 100

/** A request that may be cancelled while it runs. */
export interface Cancellable {
  readonly routeId: string
  readonly tier: Tier | undefined
  readonly key: unknown
  /** Its part of the resource that is short, now; a throw, and what is no number ≥ 0, is 0. */
  share(): number
  /** Aborts it. */
  cancel(ageMs: number): void
}

export interface Running extends Entrant<Running> {
  readonly one: Cancellable
  readonly tail: Tail
  readonly admittedMs: number
  /** Requests that had been admitted then, it among them. */
  readonly admitted: number
  /** False once it has ended, or was cancelled. */
  isOn: boolean
}

export interface Group {
  readonly quota: CancelQuota
  readonly pace: Pace
  /** The requests of the group that run and may be cancelled. */
  readonly race: Race<Running>
  /** Requests that began of those that may be cancelled. */
  begun: number
  /** The last time at which a request of each tier lacked a place, ms. */
  readonly wantedMs: number[]
  lookedMs: number
  /** Requests that were admitted without a wait. */
  admitted: number
  /** The time at which one was cancelled and nothing has ended since; NaN: there is none. */
  triedMs: number
  /** While nothing ends none is cancelled before this time, ms. */
  silentUntilMs: number
  /** The routes, as far as they are followed. */
  readonly routeIds: Set<string>
  /** The last request that lacked a place. */
  routeId: string
  tier: number
}

export interface Aged extends Candidate {
  readonly running: Running
}

export const indexOf = (tier: Tier | undefined, otherwise: number): number =>
  tier === undefined ? otherwise : TIERS.indexOf(tier)

/** A group of which nothing is known yet. */
export const groupOf = (routeId: string): Group => ({
  quota: new CancelQuota(),
  pace: new Pace(),
  race: new Race(),
  begun: 0,
  wantedMs: TIERS.map(() => Number.NEGATIVE_INFINITY),
  lookedMs: Number.NEGATIVE_INFINITY,
  admitted: 0,
  triedMs: Number.NaN,
  silentUntilMs: Number.NEGATIVE_INFINITY,
  routeIds: new Set(),
  routeId,
  tier: 0,
})

/** A request as the rule sees it. */
export const agedOf = (running: Running, nowMs: number): Aged => {
  const { one, admittedMs } = running
  return { running, ageMs: nowMs - admittedMs, share: shareOf(one), tier: indexOf(one.tier, TIERS.length - 1) }
}

/** The tier of the most important request that lacks a place; −1: none does. */
export const wantingOf = ({ wantedMs }: Group, nowMs: number): number =>
  wantedMs.findLastIndex((ms) => nowMs - ms <= WANTING_MS)

function shareOf(one: Cancellable): number {
  try {
    const share: unknown = one.share()
    noticeEnd(share)
    return typeof share === 'number' && share > 0 ? share : 0
  } catch {
    return 0
  }
}
