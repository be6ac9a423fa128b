/**
 * A call's permit from the head of its answer on. Where the body is read at once, the call ends with it; a reader that takes its time is waited
 * for outside the work in flight; and a body that is left alone says nothing more, unless it is read later and breaks off.
 */

import type { Atrion } from '../atrion.js'
import { later } from '../base/later.js'
import { peek } from '../base/own.js'
import { CONCLUSION, type Conclude, type Detachable } from '../limiter/adapter-port.js'
import { failureOf, isTimeLimit, releaseCall } from '../limiter/calls.js'
import type { Permit } from '../limiter/types.js'
import { depart } from './_departure.js'
import { longMs } from './_long.js'
import { after, callOff, nowMs, type Timer } from './_timers.js'
import { wasAborted } from './_undici-handler.js'
import type { AnswerEnd, AnswerWatch } from './_watched-answer.js'

/** A reader that asks for nothing for this long is waited for, ms. */
const IDLE_MS = 50

/** Returns whether the caller changed its mind; a time limit of its own is a failure. */
export function isOwnAbort(signal: AbortSignal, error: unknown): boolean {
  if (!signal.aborted) return wasAborted(error)
  return peek(signal.reason, 'name') !== 'TimeoutError'
}

export class BodyWatch implements AnswerWatch {
  /** The permit of the request; undefined: it was returned. */
  #permit: Permit | undefined
  /** Reports what becomes of a call whose permit came back. */
  #conclude: Conclude | undefined
  /** The call has been counted as a success: only a failure is news. */
  #isCounted = false
  #isOver = false
  #isAsked = false
  #idle: Timer | undefined
  readonly #long: Timer
  readonly #startedMs: number
  readonly #headAtMs = performance.timeOrigin + performance.now()
  readonly #signal: AbortSignal
  readonly #stalledUntil: () => number

  constructor(
    atrion: Atrion,
    routeId: string,
    permit: Permit,
    startedMs: number,
    signal: AbortSignal,
    stalledUntil: () => number,
  ) {
    this.#permit = permit
    this.#startedMs = startedMs
    this.#signal = signal
    this.#stalledUntil = stalledUntil
    this.#long = after(longMs(atrion, routeId), () => this.#depart())
    // The caller has the answer by then, and has begun to read it if it does so at once.
    later(() => this.#settle())
  }

  asked(): void {
    this.#isAsked = true
    callOff(this.#idle)
  }

  given(): void {
    if (this.#permit !== undefined) this.#idle = after(IDLE_MS, () => this.#depart())
  }

  end(how: AnswerEnd, error?: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    const isOwn = how === 'failed' && isOwnAbort(this.#signal, error)
    const permit = this.#leave()
    if (permit !== undefined) {
      releaseCall(permit, isOwn ? 'ignored' : how === 'failed' ? failureOf(permit, error) : 'success')
      return
    }
    const isFailure = how === 'failed' && !isOwn && !this.#hasStalled(error)
    const outcome = isFailure ? 'failure' : how === 'failed' || this.#isCounted ? 'ignored' : 'success'
    if (outcome !== 'ignored') this.#conclude?.(outcome, nowMs() - this.#startedMs)
  }

  /** The permit, which comes back. */
  #leave(): Permit | undefined {
    callOff(this.#idle)
    callOff(this.#long)
    const permit = this.#permit
    this.#permit = undefined
    return permit
  }

  /** A body that is left alone: the call ended with its head. */
  #settle(): void {
    if (this.#isAsked) return
    const permit = this.#leave()
    if (permit === undefined) return
    this.#conclude = (permit as Permit & Partial<Detachable>)[CONCLUSION]?.()
    this.#isCounted = true
    releaseCall(permit, 'success')
  }

  /** A body that takes its time: what becomes of it is reported, and its length is no sample. */
  #depart(): void {
    const permit = this.#leave()
    if (permit !== undefined) this.#conclude = depart(permit)
  }

  /** Returns whether the body's time ran out, and the event loop was blocked since the head came. */
  #hasStalled(error: unknown): boolean {
    return isTimeLimit(error) && this.#stalledUntil() > this.#headAtMs
  }
}
