/** The limits of one model of a provider, its refusals, and what follows of them: see the law in `ts/upstream/pace.ts`. */

import { AcceptedRate } from './accepted.js'
import { QuotaBucket } from './bucket.js'
import type { AnswerKind } from './classify.js'
import type { SentMark } from './flow.js'
import { DIMENSIONS, type Dimension, type Quota } from './quota.js'

/** The cost of a call as far as it is known before. */
export interface CallCost {
  readonly inputTokens?: number | undefined
  readonly outputTokens?: number | undefined
  /** Default 1. */
  readonly requests?: number | undefined
  /** The model, which has limits of its own. */
  readonly model?: string | undefined
}

export type Amounts = Readonly<Record<Dimension, number>>

/** Longest that a call waits while nothing is under way, and the longest hold, ms: at first, and after refusals in turn. */
const FIRST_PATIENCE_MS = 60_000
const MOST_PATIENCE_MS = 900_000
const FIRST_BACKOFF_MS = 500
/** Calls that may go ahead of their answers while no limit is known. */
const FIRST_AHEAD = 3
const MOST_AHEAD = 1e6
/** The assumed filling of a limit that an answer shows for the first time, until its headers are read. */
const FULL = 1
const RECOVERY_MS = 60_000

const amountOf = (value: number | undefined): number =>
  typeof value === 'number' && value > 0 && Number.isFinite(value) ? value : 0

/** Amounts by dimension; what is no amount is 0. */
export function amountsOf({ requests, inputTokens, outputTokens }: CallCost): Amounts {
  const input = amountOf(inputTokens)
  const output = amountOf(outputTokens)
  return {
    requests: requests === undefined ? 1 : amountOf(requests),
    tokens: input + output,
    inputTokens: input,
    outputTokens: output,
  }
}

export type Buckets = Partial<Record<Dimension, QuotaBucket>>

/** A call that was sent, as its model sees it. */
export interface SentCall {
  readonly amounts: Amounts
  readonly place: CallPlace
  readonly sentAtMs: number
}

/** Places of a call in the order of each limit. */
export type Marks = Partial<Record<Dimension, SentMark>>

/** A call among those of its model. */
export interface CallPlace {
  readonly number: number
  readonly marks: Marks
  /** Cost of all calls up to it, itself included. */
  readonly totals: Amounts
  /** True where the call was sent although the model of the limits had no room for it. */
  readonly isEarly: boolean
}

/** The limits of one model. */
export class ModelPace {
  readonly observed: Buckets = {}
  readonly learnt: { readonly requests: AcceptedRate; readonly tokens: AcceptedRate }
  /** Calls sent, and of these the last that was answered. */
  #sent = 0
  #answered = 0
  #ahead = FIRST_AHEAD
  #holdUntilMs = Number.NEGATIVE_INFINITY
  #backoffMs = FIRST_BACKOFF_MS
  /** After a hold: the number of the call that goes ahead of the others, 0: it is not sent yet; undefined: none has to. */
  #probe: number | undefined
  #retreatedAt = 0
  /** Cost of all that was sent. */
  readonly #totals: Record<Dimension, number> = { requests: 0, tokens: 0, inputTokens: 0, outputTokens: 0 }
  #recoversMs: number
  #inFlight = 0
  #lastSentMs: number
  /** Longest that a call waits while nothing is under way, and the longest hold, ms. */
  #patienceMs = FIRST_PATIENCE_MS
  /** True where the next call is sent without room, since it has waited for so long. */
  #isEarly = false

  constructor(nowMs: number) {
    this.learnt = { requests: new AcceptedRate(1, nowMs), tokens: new AcceptedRate(0, nowMs) }
    this.#recoversMs = nowMs + RECOVERY_MS
    this.#lastSentMs = nowMs
  }

  get holdUntilMs(): number {
    return this.#holdUntilMs
  }

  #hasHeaders(): boolean {
    for (const dimension of DIMENSIONS) if (this.observed[dimension] !== undefined) return true
    return false
  }

  /** @param configuredMs the wait that the configured limits ask for, ms; undefined: there are none */
  waitMs(amounts: Amounts, nowMs: number, configuredMs: number | undefined): number {
    const waitMs = Math.max(this.#ownWaitMs(amounts, nowMs, configuredMs !== undefined), configuredMs ?? 0)
    if (waitMs <= 0) return 0
    const aloneMs = this.#inFlight === 0 ? this.#lastSentMs + this.#patienceMs - nowMs : this.#patienceMs
    if (aloneMs > 0) return Math.max(Math.min(waitMs, aloneMs), 1)
    this.#isEarly = true
    return 0
  }

  #ownWaitMs(amounts: Amounts, nowMs: number, isConfigured: boolean): number {
    let waitMs = Math.max(0, this.#holdUntilMs - nowMs)
    if (this.#probe !== undefined && this.#probe > 0) waitMs = MOST_PATIENCE_MS
    if (this.#hasHeaders()) {
      for (const dimension of DIMENSIONS) {
        const bucket = this.observed[dimension]
        if (bucket !== undefined) waitMs = Math.max(waitMs, bucket.waitMs(amounts[dimension], nowMs))
      }
      return waitMs
    }
    const { requests, tokens } = this.learnt
    waitMs = Math.max(waitMs, requests.waitMs(amounts.requests, nowMs), tokens.waitMs(amounts.tokens, nowMs))
    const isUnknown = !isConfigured && !requests.isKnown
    return isUnknown && this.#sent - this.#answered >= this.#ahead ? MOST_PATIENCE_MS : waitMs
  }

  take(amounts: Amounts, nowMs: number): CallPlace {
    const number = ++this.#sent
    this.#inFlight += 1
    this.#lastSentMs = nowMs
    if (this.#probe === 0) this.#probe = number
    const marks: Marks = {}
    for (const dimension of DIMENSIONS) {
      this.#totals[dimension] += amounts[dimension]
      const bucket = this.observed[dimension]
      if (bucket !== undefined) marks[dimension] = bucket.take(amounts[dimension], nowMs)
    }
    this.learnt.requests.take(amounts.requests, nowMs)
    this.learnt.tokens.take(amounts.tokens, nowMs)
    const isEarly = this.#isEarly
    this.#isEarly = false
    return { number, marks, totals: { ...this.#totals }, isEarly }
  }

  answered(call: SentCall, kind: AnswerKind, quota: Quota, nowMs: number): void {
    this.#answered = Math.max(this.#answered, call.place.number)
    this.#ahead = Math.min(this.#ahead + 1, MOST_AHEAD)
    for (const dimension of DIMENSIONS) {
      const state = quota.states[dimension]
      if (state === undefined) continue
      const known = this.observed[dimension]
      const limit = state.limit ?? state.remaining
      if (known === undefined && !(limit! > 0)) continue
      const bucket = known ?? new QuotaBucket(dimension, limit!, call.sentAtMs, FULL, call.place.totals[dimension])
      this.observed[dimension] = bucket
      // A bucket that this answer made has not seen the calls that were sent since: they count against it.
      const { totals } = call.place
      if (known === undefined) bucket.takeEarlier(this.#totals[dimension] - totals[dimension])
      bucket.observe(state, { sent: totals[dimension], atMs: call.sentAtMs }, nowMs)
    }
    if (kind === 'quota') this.#refused(call, quota, nowMs)
    else if (kind === 'ok' || kind === 'rejected') this.#accepted(call, nowMs)
    if (this.#probe !== undefined && call.place.number >= this.#probe && this.#probe > 0) {
      this.#probe = kind === 'quota' ? 0 : undefined
    }
  }

  /** Returns the quota of a call that was not sent. */
  cancel(call: SentCall, nowMs: number): void {
    const { amounts, place } = call
    this.#inFlight -= 1
    if (this.#probe === place.number) this.#probe = 0
    if (this.#sent === place.number) {
      this.#sent -= 1
      for (const dimension of DIMENSIONS) this.#totals[dimension] -= amounts[dimension]
    } else this.#answered = Math.max(this.#answered, place.number)
    for (const dimension of DIMENSIONS) {
      const mark = place.marks[dimension]
      if (mark !== undefined) this.observed[dimension]!.untake(amounts[dimension], mark, nowMs)
    }
    this.learnt.requests.untake(amounts.requests, nowMs)
    this.learnt.tokens.untake(amounts.tokens, nowMs)
  }

  /** A call ended. */
  ended(call: SentCall, isAnswered: boolean): void {
    this.#inFlight -= 1
    if (isAnswered) return
    this.#answered = Math.max(this.#answered, call.place.number)
    if (this.#probe === call.place.number) this.#probe = 0
  }

  #accepted(call: SentCall, nowMs: number): void {
    this.#backoffMs = FIRST_BACKOFF_MS
    // The model was wrong: there was room.
    if (call.place.isEarly) this.#patienceMs = FIRST_PATIENCE_MS
    this.learnt.requests.accepted(call.amounts.requests, nowMs)
    if (nowMs < this.#recoversMs) return
    this.#recoversMs = nowMs + RECOVERY_MS
    for (const dimension of DIMENSIONS) this.observed[dimension]?.recover()
  }

  #refused(call: SentCall, quota: Quota, nowMs: number): void {
    this.#recoversMs = nowMs + RECOVERY_MS
    const holdMs = quota.retryAfterMs ?? this.#backoffMs
    if (quota.retryAfterMs === undefined) this.#backoffMs = Math.min(2 * this.#backoffMs, MOST_PATIENCE_MS)
    if (call.place.isEarly || call.place.number === this.#probe)
      this.#patienceMs = Math.min(2 * this.#patienceMs, MOST_PATIENCE_MS)
    this.#holdUntilMs = Math.max(this.#holdUntilMs, nowMs + Math.min(holdMs, this.#patienceMs))
    this.#probe ??= 0
    // Of the calls that were on their way together, the first refusal counts.
    if (call.place.number <= this.#retreatedAt) return
    this.#retreatedAt = this.#sent
    if (!this.#hasHeaders()) {
      this.#ahead = 1
      this.learnt.requests.refused(call.sentAtMs, nowMs)
      this.learnt.tokens.refused(call.sentAtMs, nowMs)
      return
    }
    const had = (dimension: Dimension): boolean | undefined => {
      const remaining = quota.states[dimension]?.remaining
      return remaining === undefined ? undefined : remaining > 2 * call.amounts[dimension]
    }
    const stated = DIMENSIONS.filter((dimension) => had(dimension) !== undefined)
    const empty = stated.filter((dimension) => had(dimension) === false)
    for (const dimension of DIMENSIONS) {
      const bucket = this.observed[dimension]
      if (stated.length > 0 && empty.length === 0) bucket?.narrow()
      else if (stated.length === 0 || empty.includes(dimension)) bucket?.retreat(nowMs)
    }
  }
}
