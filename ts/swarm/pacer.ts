/**
 * The seam to an upstream's quota: what a swarm asks of it before a call begins, and reports when it is over. A pacer is shared by whatever
 * calls that upstream, so that it has a queue of its own ({@link FairQueue}) and answers to each in turn.
 *
 * A swarm holds nothing while it waits: neither the budget while it waits for the pacer or for a permit, nor the pacer's grant while it waits
 * for the budget. What it was granted in a wait it keeps while it tries to get the rest at once, and gives back where it cannot.
 */

import type { Classified } from '../upstream/classify.js'
import type { PaceStats } from '../upstream/pace.js'

export interface PaceRequest {
  /** The estimate of the call, in units: `inputTokens`, `outputTokens`, `requests` and so on; what is not known is absent. */
  readonly amounts: Readonly<Record<string, number>>
  /** 0 (bulk) to 4 (critical) */
  readonly tier: number
  /** The tenant: a caller's key, or the name of the swarm. */
  readonly tenant: string
  /** > 0 */
  readonly weight: number
  /** The model, where the estimate names one. */
  readonly model: string | undefined
}

export interface PaceGrant {
  /**
   * The call is over. Called once, after `cancel` never.
   *
   * @param used what was used; undefined for what was not reported
   */
  settle(used: Readonly<Record<string, number>>, outcome: 'success' | 'failure' | 'ignored'): void
  /**
   * The head of the upstream's answer, as the work reports it: at most once counts.
   *
   * @param headers in any form @param body of an error, if it is there
   */
  answered?(status: number, headers: unknown, body?: unknown): Classified
  /** Judges an error of the work: the outcome of the route's permit; undefined: it is a failure like any other. */
  failed?(error: unknown): 'success' | 'failure' | 'ignored' | undefined
  /** The call did not begin: all of the quota comes back. */
  cancel(): void
}

export interface Pacer {
  /** The pacer's state, for the swarm's statistics. */
  stats?(): PaceStats
  /** Takes quota where there is some now and none waits before it; undefined: not now. Must not throw. */
  tryAdmit(request: PaceRequest): PaceGrant | undefined
  /**
   * Waits for quota. Resolves to undefined where that took longer than `maxWaitMs`, or is known to; rejects with the reason of the
   * signal, which it stops listening to in any case. Without a wait it may answer by `tryAdmit`.
   */
  admit(request: PaceRequest, maxWaitMs: number, signal: AbortSignal | undefined): Promise<PaceGrant | undefined>
}
