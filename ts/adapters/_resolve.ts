/**
 * Calls an application's callbacks. They may answer at once or by a promise; one that throws, rejects or takes too
 * long harms no request: its fallback counts, and the first time is a warning of the process.
 */

import { textOfAny } from '../base/host-calls.js'
import { isOfKind } from '../base/realm.js'
import { nearestName } from '../base/suggest.js'
import { warnOnce } from '../base/warn-once.js'
import { TIERS } from '../engine/port.js'
import type { Tier } from '../limiter/types.js'
import { after, callOff } from './_timers.js'

/** The values that a callback may return. */
export type MaybePromise<T> = T | PromiseLike<T>

/** A promised answer is awaited for this long, ms. */
const ANSWER_MS = 1_000

const warnOf = (name: string, what: string): void =>
  warnOnce(`callback ${name}`, `the adapter's option '${name}' ${what}`)

export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'

/**
 * Returns whether what a handler returned is a promise of its end, of this realm, of another, or of Bluebird or Q. A query that merely
 * has a `then` (of Knex, Mongoose, mysql2) runs, or throws, each time that it is called, which is left to the framework.
 */
export function isPromise(value: unknown): value is PromiseLike<unknown> {
  if (value instanceof Promise) return true
  try {
    if (!isThenable(value)) return false
    const { isFulfilled } = value as { isFulfilled?: unknown }
    return typeof isFulfilled === 'function' || isOfKind(value, 'Promise')
  } catch {
    return false
  }
}

/** Waits for an answer within the bound. Never rejects. */
export function bounded<T>(name: string, answer: PromiseLike<T>, fallback: T): Promise<T> {
  return new Promise((resolve) => {
    const timer = after(ANSWER_MS, () => {
      warnOf(name, `did not answer within ${ANSWER_MS} ms`)
      resolve(fallback)
    })
    const settle = (value: T): void => {
      callOff(timer)
      resolve(value)
    }
    answer.then(settle, (error: unknown) => {
      warnOf(name, `rejected: ${textOfAny(error)}`)
      settle(fallback)
    })
  })
}

/** Calls a callback: its answer, a promise of it that never rejects, or the fallback. */
export function called<T>(name: string, call: () => MaybePromise<T>, fallback: T): T | Promise<T> {
  try {
    const answer = call()
    return isThenable(answer) ? bounded(name, answer as PromiseLike<T>, fallback) : answer
  } catch (error) {
    warnOf(name, `threw: ${textOfAny(error)}`)
    return fallback
  }
}

const KNOWN_TIERS: ReadonlySet<unknown> = new Set(TIERS)

export const isTier = (value: unknown): value is Tier => KNOWN_TIERS.has(value)

/** A tier as a callback named it; what is none is warned of once. */
export function tierOf(value: unknown): Tier | undefined {
  if (isTier(value)) return value
  if (value !== undefined && value !== null) {
    const text = textOfAny(value).slice(0, 40)
    const known = [...TIERS].reverse().join(', ')
    const nearest = nearestName(text, TIERS)
    const hint = nearest === undefined ? '' : `; did you mean '${nearest}'?`
    warnOnce(
      'tier',
      `the adapter's option 'tier' answered '${text}', which counts as 'normal': tiers are ${known}${hint}`,
    )
  }
  return undefined
}

/** A key as a callback named it: numbers are names as well. */
export function keyOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  if (value !== undefined && value !== null) {
    warnOnce('key', `the adapter's option 'key' answered neither a string nor a number, which counts as no key`)
  }
  return undefined
}
