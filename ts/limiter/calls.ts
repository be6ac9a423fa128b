/** Calls of other services: their permits are excused for stalls of the event loop, see `ts/watchdog`. */

import type { Outcome, Permit } from './types.js'

/** Key of {@link CallPermit}: the same in every copy of the package. */
export const TIME_LOST: unique symbol = Symbol.for('atrion.timeLost') as never

/** The time that a call had, and that part of it in which the event loop was blocked, ms. */
export interface TimeLost {
  readonly ageMs: number
  readonly stalledMs: number
}

export interface CallPermit {
  /** undefined where no stall has just ended. */
  [TIME_LOST](): TimeLost | undefined
}

/** True while the permit of a call is given back. */
let isCall = false

/** Gives the permit of a call back. */
export function releaseCall(permit: Permit, outcome: Outcome): void {
  isCall = true
  try {
    permit.release(outcome)
  } finally {
    isCall = false
  }
}

/** Returns whether the permit that is given back is that of a call; once. */
export function takeCall(): boolean {
  const taken = isCall
  isCall = false
  return taken
}

/** The time that a call has lost to a stall of the event loop that has just ended; undefined: there was none. */
export const timeLost = (permit: Permit): TimeLost | undefined =>
  (permit as Permit & Partial<CallPermit>)[TIME_LOST]?.()

/** Codes of errors that say that a time ran out, of Node, undici, axios, got, mysql and pg. */
const TIMEOUT_CODE = /^(?:E(?:SOCKET)?TIMEDOUT|ECONNABORTED|ABORT_ERR|57014|PROTOCOL_SEQUENCE_TIMEOUT|.*_TIMEOUT)$/
const TIMEOUT_NAME = /^(?:Abort|.*Time-?out)(?:Error|Exception)?$/i
const TIMEOUT_MESSAGE = /\btime(?:d[ -]?|-)?out\b/i

/** Returns whether an error, or its cause, says that a time ran out. */
export function isTimeLimit(error: unknown, depth = 0): boolean {
  if (typeof error !== 'object' || error === null) return false
  try {
    const { name, code, message, cause } = error as Record<string, unknown>
    return (
      (typeof code === 'string' && TIMEOUT_CODE.test(code)) ||
      (typeof name === 'string' && TIMEOUT_NAME.test(name)) ||
      (typeof message === 'string' && TIMEOUT_MESSAGE.test(message.slice(0, 256))) ||
      (depth === 0 && isTimeLimit(cause, 1))
    )
  } catch {
    // A getter of the caller's.
    return false
  }
}

/** The outcome of a call that failed: where its time ran out while the event loop was blocked, it says nothing of its route. */
export const failureOf = (permit: Permit, error: unknown): Outcome =>
  timeLost(permit) !== undefined && isTimeLimit(error) ? 'ignored' : 'failure'
