/**
 * Requests that take very long. They are long-lived rather than slow, so they leave the work in flight and become one of their
 * route's streams; whether they were answered in the end is what they still tell.
 *
 * A long poll says nothing of itself before it is answered, so the first ones of a route are known by their time alone. Where
 * most answers of a route came that late, the next ones leave at the route's deadline; the first answer of a route that had none
 * is enough for that. A route that is merely slow has its limit back as soon as most answers take less: nothing a client sends (`Prefer:
 * wait`) takes a request out of the work in flight, and one that is not answered in the end teaches nothing.
 */

import type { Atrion } from '../atrion.js'
import { ADAPTER_PORT, type AdapterPort } from '../limiter/adapter-port.js'

/** The time above which, and above so many deadlines, a request is long-lived, ms. */
const LONG_MS = 10_000
const LONG_DEADLINES = 2
/** A handler that works on for a client that is gone is counted for so long, ms, or for so many deadlines. */
const HOLD_MS = 5_000
const HOLD_DEADLINES = 10
/** One whose end only its response would show is counted for this long at most, ms. */
const UNKNOWN_HOLD_MS = 1_000
/** Of an instance that does not tell, ms. */
const DEADLINE_MS = 500

/** Weight of one answer in the share of a route's answers that were late. */
const WEIGHT = 0.125
/** The weight of the first answer of a route, if it was late. */
const FIRST_SHARE = 0.55
/** Above this share the next are expected to be late, until it has fallen below the other. */
const EXPECTED_ABOVE = 0.5
const EXPECTED_BELOW = 0.25
/** A share this small is forgotten. */
const FORGOTTEN_BELOW = 0.05
/** Routes whose habit is known; the one that was seen first goes first. */
const ROUTES = 1_024

interface Habit {
  share: number
  isExpected: boolean
}

const tables = new WeakMap<Atrion, Map<string, Habit>>()
/** Nothing is looked up where no answer was ever late. */
let isAnyLate = false

const portOf = (atrion: Atrion): AdapterPort | undefined => (atrion as { [ADAPTER_PORT]?: AdapterPort })[ADAPTER_PORT]

const deadlineMs = (atrion: Atrion, routeId: string): number => portOf(atrion)?.deadlineMs(routeId) ?? DEADLINE_MS

/** A client went away before its answer was there. */
export const noteAbandoned = (atrion: Atrion, routeId: string): void => portOf(atrion)?.abandoned(routeId)

const habitOf = (atrion: Atrion, routeId: string): Habit | undefined =>
  isAnyLate ? tables.get(atrion)?.get(routeId) : undefined

/** Returns whether most answers of a route come very late. */
export const isLateAsARule = (atrion: Atrion, routeId: string): boolean => habitOf(atrion, routeId)?.isExpected === true

/** The time above which a request is long-lived, whatever its route's habit, ms. */
const lateMs = (deadline: number): number => Math.max(LONG_MS, LONG_DEADLINES * deadline)

/** The age at which a request of this route is long-lived, ms. */
export function longMs(atrion: Atrion, routeId: string): number {
  const deadline = deadlineMs(atrion, routeId)
  return isLateAsARule(atrion, routeId) ? Math.min(deadline, LONG_MS) : lateMs(deadline)
}

/** The time that a handler whose client is gone is counted, where its end will be known, ms. */
export const holdMs = (atrion: Atrion, routeId: string): number =>
  Math.max(HOLD_MS, HOLD_DEADLINES * deadlineMs(atrion, routeId))

/**
 * The time that a handler whose client is gone is counted where only its response would show its end, ms. Where the client left soon,
 * it is over by the time that the slowest of a hundred answers take: beyond the deadline it would pass for one that is late.
 */
export function restMs(atrion: Atrion, routeId: string, ageMs: number): number {
  if (!isSoon(atrion, routeId, ageMs)) return UNKNOWN_HOLD_MS
  const deadline = deadlineMs(atrion, routeId)
  const endMs = Math.min(atrion.stats(routeId).p99Ms ?? deadline, deadline)
  return Math.min(Math.max(0, endMs - ageMs), UNKNOWN_HOLD_MS)
}

/** Returns whether an answer of this age may still have come in time: half the deadline, or what the slowest of a hundred take. */
export const isSoon = (atrion: Atrion, routeId: string, ageMs: number): boolean =>
  ageMs <= Math.max(deadlineMs(atrion, routeId) / 2, atrion.stats(routeId).p99Ms ?? 0)

/** The least that {@link longMs} is where nothing is expected, ms. */
export const LEAST_LONG_MS = LONG_MS

/** A request was answered well after it had left because of its time: very late, or merely after its deadline. */
export function noteOutlasted(atrion: Atrion, routeId: string, ageMs: number): void {
  if (ageMs >= lateMs(deadlineMs(atrion, routeId))) noteLate(atrion, routeId)
  else noteSooner(atrion, routeId)
}

/** Returns whether a route has no answer yet that came in time. */
const isFresh = (atrion: Atrion, routeId: string): boolean => atrion.stats(routeId).p50Ms === undefined

function noteLate(atrion: Atrion, routeId: string): void {
  isAnyLate = true
  let table = tables.get(atrion)
  if (table === undefined) {
    table = new Map()
    tables.set(atrion, table)
  }
  let habit = table.get(routeId)
  if (habit === undefined) {
    if (table.size >= ROUTES) table.delete(table.keys().next().value!)
    habit = { share: isFresh(atrion, routeId) ? FIRST_SHARE : 0, isExpected: false }
    table.set(routeId, habit)
  }
  habit.share += (1 - habit.share) * WEIGHT
  if (habit.share > EXPECTED_ABOVE) habit.isExpected = true
}

/** A request was answered well before it was long-lived. */
export function noteSooner(atrion: Atrion, routeId: string): void {
  const habit = habitOf(atrion, routeId)
  if (habit === undefined) return
  habit.share -= habit.share * WEIGHT
  if (habit.share < EXPECTED_BELOW) habit.isExpected = false
  if (habit.share < FORGOTTEN_BELOW) tables.get(atrion)?.delete(routeId)
}
