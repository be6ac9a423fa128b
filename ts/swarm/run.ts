/** Work under way in a swarm's budget: the accounting of each way of ending, and the causes that abort it. */

import { BudgetError, isBudgetError } from '../base/budget-error.js'
import { isShedError } from '../base/errors.js'
import { onAbort } from '../base/signals.js'
import { after } from '../base/timer.js'
import type { Outcome } from '../limiter/types.js'
import { AnswerEnd } from '../upstream/answer.js'
import type { Admission } from './admission.js'
import type { RunLease } from './lease.js'
import type { RunTerms } from './options.js'
import type { PaceGrant } from './pacer.js'
import type { SwarmLease } from './types.js'

/** The time in which work that a limit has aborted may still return a result, ms. */
const STOP_GRACE_MS = 1_000

export type SwarmWork<T> = (lease: SwarmLease, signal: AbortSignal) => T | PromiseLike<T>

/** The error of work that a limit has ended, with the result so far. */
const stopped = (error: BudgetError, partial: unknown): BudgetError =>
  partial === undefined ? error : new BudgetError(error, partial)

/** Reports to the upstream, which may be code of the host's: what it throws is no caller's fault. */
function settleGrant(grant: PaceGrant | undefined, lease: RunLease, outcome: Outcome): void {
  try {
    grant?.settle(lease.reported(), outcome)
  } catch {}
}

/** The outcome of work that threw. A refusal elsewhere says nothing of the route; an upstream judges its own errors. */
function outcomeOf(grant: PaceGrant | undefined, error: unknown): Outcome {
  if (isShedError(error) || isBudgetError(error)) return 'ignored'
  try {
    if (error instanceof AnswerEnd) return error.outcome
    return grant?.failed?.(error) ?? 'failure'
  } catch {
    return 'failure'
  }
}

export function runWork<T>(
  lease: RunLease,
  { grant, permit }: Admission,
  work: SwarmWork<T>,
  { signal, timeoutMs }: RunTerms,
  abort: (reason: unknown) => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let isAwaited = true
    let stopGrace: (() => void) | undefined
    let stopTimer: (() => void) | undefined
    let forget: (() => void) | undefined
    /** Marks that the caller has its answer. Returns false if it had one before. */
    const answered = (outcome: Outcome): boolean => {
      if (!isAwaited) return false
      isAwaited = false
      stopGrace?.()
      stopTimer?.()
      forget?.()
      permit?.release(outcome)
      settleGrant(grant, lease, outcome)
      return true
    }
    // The budget comes back before the permit does: a call that was waiting for the one finds the other free.
    const leave = (reason: unknown, outcome: Outcome): void => {
      if (isAwaited) lease.leave()
      if (answered(outcome)) reject(reason)
    }
    lease.onStop = () => {
      const { exhausted } = lease
      stopGrace = after(STOP_GRACE_MS, () => leave(stopped(exhausted!, lease.partial), 'ignored'))
    }
    if (timeoutMs !== undefined) {
      stopTimer = after(timeoutMs, () => {
        const reason = new DOMException(`no answer within ${timeoutMs} ms`, 'TimeoutError')
        leave(reason, 'failure')
        abort(reason)
      })
    }
    if (signal !== undefined) {
      forget = onAbort(signal, () => {
        leave(signal.reason, 'ignored')
        abort(signal.reason)
      })
    }
    const done = (value: T): void => {
      lease.finish()
      if (answered(lease.exhausted === undefined ? 'success' : 'ignored')) resolve(value)
    }
    const failed = (error: unknown): void => {
      const { exhausted } = lease
      lease.finish()
      if (exhausted !== undefined) {
        if (answered('ignored')) reject(stopped(exhausted, lease.partial))
      } else if (answered(outcomeOf(grant, error))) reject(error)
    }
    void (async () => work(lease, lease.signal))().then(done, failed)
  })
}
