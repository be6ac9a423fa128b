/** Work that runs under a permit: how each way of ending counts, and what cuts it off. */

import { ConfigError, isShedError, ShedError } from '../base/errors.js'
import { noticeEnd } from '../base/host-calls.js'
import { own, ownOptions } from '../base/own.js'
import { noteThrown } from '../base/shed-answered.js'
import { onAbort, requireSignal } from '../base/signals.js'
import { after } from '../base/timer.js'
import { failureOf, releaseCall, timeLost } from './calls.js'
import { RUN_NAMES, requireMaxWait, requireTimeout } from './request.js'
import type { Outcome, Permit, RunOptions } from './types.js'

export type Work<T> = (signal: AbortSignal) => T | PromiseLike<T>

/** The bounds of a run: its options, checked. */
export interface Bounds {
  /** The longest wait, ms; undefined: the call does not wait */
  readonly maxWaitMs: number | undefined
  /** ms; undefined: never */
  readonly timeoutMs: number | undefined
  readonly signal: AbortSignal | undefined
  /** The call's part of what others wait for; undefined: it may not be cancelled. */
  readonly share: (() => number) | undefined
}

const WHOLE = (): number => 1

/** @throws ConfigError */
function readCancellable(given: unknown): (() => number) | undefined {
  if (given === undefined || given === null || given === false) return undefined
  if (given === true) return WHOLE
  if (typeof given === 'function') return given as () => number
  throw new ConfigError('cancellable', 'true, false or a function', given)
}

/** Is there an option that {@link readBounds} has to look at? */
export const isBounded = <T>(options: RunOptions<T> | null): boolean =>
  options !== null &&
  (options.timeoutMs !== undefined ||
    options.signal !== undefined ||
    options.maxWaitMs !== undefined ||
    options.cancellable !== undefined ||
    (typeof options.isFailure !== 'function' && options.isFailure !== undefined))

/** @throws ConfigError */
export function readBounds<T>(options: RunOptions<T>): Bounds {
  const { maxWaitMs, timeoutMs, signal, isFailure, cancellable } = ownOptions(options, RUN_NAMES)
  if (isFailure !== undefined && isFailure !== null && typeof isFailure !== 'function') {
    throw new ConfigError('isFailure', 'a function', isFailure)
  }
  return {
    maxWaitMs: maxWaitMs === undefined || maxWaitMs === null ? undefined : requireMaxWait(maxWaitMs),
    timeoutMs: requireTimeout(timeoutMs),
    signal: requireSignal('signal', signal),
    share: readCancellable(cancellable),
  }
}

/** The error that a refused permit becomes. */
export function shedErrorOf(
  routeId: string,
  { resistance, voltage, mode, retryAfterMs, limitedBy, tier }: Permit,
): ShedError {
  return new ShedError({ routeId, resistance, voltage, mode, retryAfterMs, limitedBy, tier })
}

/** The error of work that was cancelled for what it held. */
export function cancelledOf(routeId: string, { resistance, voltage, mode, tier }: Permit, ageMs: number): ShedError {
  const cause = new DOMException(`cancelled after ${Math.round(ageMs)} ms, since others waited for it`, 'AbortError')
  return new ShedError({ routeId, resistance, voltage, mode, limitedBy: 'occupancy', tier }, { cause })
}

/** The value that a refused call resolves to. @throws ShedError where there is no fallback */
export function fallBack<T>(routeId: string, permit: Permit, options: RunOptions<T> | undefined): T | PromiseLike<T> {
  const refusal = shedErrorOf(routeId, permit)
  const fallback = options && own(options, 'fallback')
  if (fallback === undefined) {
    noteThrown(refusal)
    throw refusal
  }
  return typeof fallback === 'function' ? (fallback as (refusal: ShedError) => T)(refusal) : fallback
}

const { then } = Promise.prototype

/** Returns whether `await` would do no more than call `then` on it: a promise of this realm as it comes, and nothing made of one. */
const isPlain = (result: object): result is Promise<unknown> =>
  result instanceof Promise && result.constructor === Promise && result.then === then

/**
 * Runs work that nothing cuts off.
 *
 * @param takesSignal whether the work looks at its signal
 * @throws what the work throws at once
 */
export function runUnder<T>(
  permit: Permit,
  work: Work<T>,
  takesSignal: boolean,
  options: RunOptions<T> | undefined,
): Promise<T> {
  try {
    const result = work(takesSignal ? new AbortController().signal : neverAborted())
    // Work that did not wait for the event loop is not excused for it.
    if (typeof (result as PromiseLike<T> | null | undefined)?.then !== 'function') {
      permit.release('success')
      return Promise.resolve(result)
    }
    if (!isPlain(result as object)) return concluded(permit, result, options)
    // An async function and its `await` cost a third more of a run of nothing.
    return (result as Promise<T>).then(
      (value) => {
        releaseCall(permit, 'success')
        return value
      },
      (error) => {
        releaseFailed(permit, error, options)
        throw error
      },
    )
  } catch (error) {
    releaseFailed(permit, error, options)
    throw error
  }
}

async function concluded<T>(
  permit: Permit,
  result: T | PromiseLike<T>,
  options: RunOptions<T> | undefined,
): Promise<T> {
  try {
    const value = await result // once: the `then` of a query runs it each time
    releaseCall(permit, 'success')
    return value
  } catch (error) {
    releaseFailed(permit, error, options)
    throw error
  }
}

/** A call gets the time that it lost to stalls of the event loop so many times at most. */
const MOST_EXTENSIONS = 8

/** Runs work that its time or a signal may cut off. */
export async function runBounded<T>(
  permit: Permit,
  work: Work<T>,
  options: RunOptions<T>,
  { timeoutMs, signal }: Bounds,
  mayCancel?: (cancel: (reason: unknown) => void) => () => void,
): Promise<T> {
  const controller = new AbortController()
  let stopTimer: (() => void) | undefined
  let stopListening: (() => void) | undefined
  let keep: (() => void) | undefined
  const cut = new Promise<never>((_, reject) => {
    const stop = (reason: unknown, outcome: Outcome): void => {
      releaseCall(permit, outcome)
      controller.abort(reason)
      reject(reason)
    }
    if (timeoutMs !== undefined) {
      let extensions = 0
      const timedOut = (): void => {
        const lost = extensions < MOST_EXTENSIONS ? timeLost(permit) : undefined
        const leftMs = lost === undefined ? 0 : timeoutMs - (lost.ageMs - lost.stalledMs)
        if (leftMs > 0) {
          // The loop was blocked when it ran out, and what has come meanwhile was not read yet.
          extensions += 1
          stopTimer = after(leftMs, timedOut)
        } else stop(new DOMException(`no answer within ${timeoutMs} ms`, 'TimeoutError'), 'failure')
      }
      stopTimer = after(timeoutMs, timedOut)
    }
    if (signal?.aborted) stop(signal.reason, 'ignored')
    else keep = mayCancel?.((reason) => stop(reason, 'ignored'))
    if (signal && !signal.aborted) stopListening = onAbort(signal, () => stop(signal.reason, 'ignored'))
  })
  cut.catch(() => {}) // work that throws before the race has a rejection of its own
  try {
    const result = await Promise.race([controller.signal.aborted ? cut : work(controller.signal), cut])
    releaseCall(permit, 'success')
    return result
  } catch (error) {
    releaseFailed(permit, error, options)
    throw error
  } finally {
    stopTimer?.()
    stopListening?.()
    keep?.()
  }
}

/** Gives back the permit of work that threw. Never throws: an `isFailure` that does counts as true. */
export function releaseFailed<T>(permit: Permit, error: unknown, options: RunOptions<T> | undefined): void {
  const isFailure = options && own(options, 'isFailure')
  if (isFailure === undefined || isFailure === null) {
    // Another route's refusal says nothing of this one.
    releaseCall(permit, isShedError(error) ? 'ignored' : failureOf(permit, error))
    return
  }
  let failed = true
  try {
    const judged: unknown = isFailure(error)
    noticeEnd(judged)
    failed = Boolean(judged)
  } catch {
    // The caller waits for the error of the work, not for one of its judge; the work failed as far as is known.
  }
  releaseCall(permit, failed ? failureOf(permit, error) : 'success')
}

/** For work that does not look at its signal. Made when first needed: workerd makes none before there is a request. */
let never: AbortSignal | undefined
export const neverAborted = (): AbortSignal => {
  never ??= new AbortController().signal
  return never
}
