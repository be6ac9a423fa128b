/**
 * The pace at which calls go to a provider: so fast that its limit is used, and so slow that it refuses next to none.
 *
 * **The law.** A call may be sent when each limit that is known has room for its estimated cost:
 *
 * 1. the limits of the answers' headers, modelled as {@link QuotaBucket} states it, one set a model, since providers limit by model;
 * 2. the limits that the caller configured, which hold for all models together. They begin nearly empty, since a process that was just
 *    restarted may have used the provider's bucket up, and are settled by what was really used;
 * 3. without headers, the rate that {@link AcceptedRate} learnt from refusals;
 * 4. before anything is known, ten calls ahead of their answers, and one more for each answer (slow start).
 *
 * **Refusals.** A 429 holds all calls of the model for as long as it asks to, a minute at most; without such a time for half a second,
 * twice as long each time in turn. Then one call goes ahead, and the others follow when it was answered. Where the headers of the 429
 * say that there was room, the provider looks at shorter times than a minute: bursts become smaller, down to none. Where they
 * say that there was none, the model was wrong, and keeps more in reserve.
 *
 * **Bounds.** A call that waits while nothing is under way goes through after a minute at the latest, whatever an upstream told: one
 * that errs, or means harm, costs at most that. Where the call is refused, it becomes two minutes, and so on up to a quarter of an hour;
 * an answer makes it one again. 64 models are kept, the least recently used goes first.
 */

import { AcceptedRate } from './accepted.js'
import { QuotaBucket, type SentMark } from './bucket.js'
import { type AnswerKind, type Classified, classify } from './classify.js'
import { DIMENSIONS, type Dimension, type Quota, readQuota, type UpstreamProvider } from './quota.js'

/** The cost of a call as far as it is known before. */
export interface CallCost {
  readonly inputTokens?: number | undefined
  readonly outputTokens?: number | undefined
  /** Default 1. */
  readonly requests?: number | undefined
  /** The model, which has limits of its own. */
  readonly model?: string | undefined
}

export interface PaceOptions {
  readonly provider: UpstreamProvider
  readonly requestsPerMinute?: number | undefined
  readonly tokensPerMinute?: number | undefined
}

type Amounts = Readonly<Record<Dimension, number>>

/** Longest that a call waits while nothing is under way, and the longest hold, ms: at first, and after refusals in turn. */
const FIRST_PATIENCE_MS = 60_000
const MOST_PATIENCE_MS = 900_000
const FIRST_BACKOFF_MS = 500
const MOST_MODELS = 64
/** Calls that may go ahead of their answers while no limit is known. */
const FIRST_AHEAD = 10
const MOST_AHEAD = 1e6
/** Share of a configured limit that is taken to be there at first. */
const FIRST_LEVEL = 0.1
/** Share of a limit that an answer shows for the first time which is there: what its headers say comes next. */
const FULL = 1
const RECOVERY_MS = 60_000

const amountOf = (value: number | undefined): number =>
  typeof value === 'number' && value > 0 && Number.isFinite(value) ? value : 0

function amountsOf({ requests, inputTokens, outputTokens }: CallCost): Amounts {
  const input = amountOf(inputTokens)
  const output = amountOf(outputTokens)
  return {
    requests: requests === undefined ? 1 : amountOf(requests),
    tokens: input + output,
    inputTokens: input,
    outputTokens: output,
  }
}

type Buckets = Partial<Record<Dimension, QuotaBucket>>

/** A call among those of its model. */
interface CallPlace {
  readonly number: number
  readonly marks: Partial<Record<Dimension, SentMark>>
  /** It went ahead although the model of the limits had no room for it. */
  readonly isEarly: boolean
}

/** The limits of one model. */
class ModelPace {
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
  #recoversMs: number
  #inFlight = 0
  #lastSentMs: number
  /** Longest that a call waits while nothing is under way, and the longest hold, ms. */
  #patienceMs = FIRST_PATIENCE_MS
  /** The next call goes ahead against what is known, for having waited so long. */
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
    const marks: Partial<Record<Dimension, SentMark>> = {}
    for (const dimension of DIMENSIONS) {
      const bucket = this.observed[dimension]
      if (bucket !== undefined) marks[dimension] = bucket.take(amounts[dimension], nowMs)
    }
    this.learnt.requests.take(amounts.requests, nowMs)
    this.learnt.tokens.take(amounts.tokens, nowMs)
    const isEarly = this.#isEarly
    this.#isEarly = false
    return { number, marks, isEarly }
  }

  answered(call: PacedCall, kind: AnswerKind, quota: Quota, nowMs: number): void {
    this.#answered = Math.max(this.#answered, call.place.number)
    this.#ahead = Math.min(this.#ahead + 1, MOST_AHEAD)
    for (const dimension of DIMENSIONS) {
      const state = quota.states[dimension]
      if (state === undefined) continue
      const known = this.observed[dimension]
      const limit = state.limit ?? state.remaining
      if (known === undefined && !(limit! > 0)) continue
      const bucket = known ?? new QuotaBucket(dimension, limit!, call.sentAtMs, FULL)
      this.observed[dimension] = bucket
      // A bucket that this answer made has not seen what was sent since: all of it counts against it.
      const since = known === undefined ? this.#sent - call.place.number : 0
      const mark = call.place.marks[dimension] ?? { sent: 0, atMs: call.sentAtMs }
      if (since > 0) bucket.take(since * call.amounts[dimension], nowMs)
      if (known === undefined || call.place.marks[dimension] !== undefined) bucket.observe(state, mark, nowMs)
    }
    if (kind === 'quota') this.#refused(call, quota, nowMs)
    else if (kind === 'ok' || kind === 'rejected') this.#accepted(call, nowMs)
    if (this.#probe !== undefined && call.place.number >= this.#probe && this.#probe > 0) {
      this.#probe = kind === 'quota' ? 0 : undefined
    }
  }

  /** A call ended. */
  ended(call: PacedCall, isAnswered: boolean): void {
    this.#inFlight -= 1
    if (isAnswered) return
    this.#answered = Math.max(this.#answered, call.place.number)
    if (this.#probe === call.place.number) this.#probe = 0
  }

  #accepted(call: PacedCall, nowMs: number): void {
    this.#backoffMs = FIRST_BACKOFF_MS
    // What was known was wrong: there was room.
    if (call.place.isEarly) this.#patienceMs = FIRST_PATIENCE_MS
    this.learnt.requests.accepted(call.amounts.requests, nowMs)
    if (nowMs < this.#recoversMs) return
    this.#recoversMs = nowMs + RECOVERY_MS
    for (const dimension of DIMENSIONS) this.observed[dimension]?.recover()
  }

  #refused(call: PacedCall, quota: Quota, nowMs: number): void {
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
    const told = DIMENSIONS.filter((dimension) => had(dimension) !== undefined)
    const empty = told.filter((dimension) => had(dimension) === false)
    for (const dimension of DIMENSIONS) {
      const bucket = this.observed[dimension]
      if (told.length > 0 && empty.length === 0) bucket?.narrow()
      else if (told.length === 0 || empty.includes(dimension)) bucket?.retreat(nowMs)
    }
  }
}

/** A call that was sent. Its answer is to be reported once, its end once; what comes again does nothing. */
export class PacedCall {
  readonly #whole: Pace
  readonly #pace: ModelPace
  readonly amounts: Amounts
  readonly place: CallPlace
  readonly sentAtMs: number
  #isAnswered = false
  #isEnded = false

  constructor(whole: Pace, pace: ModelPace, amounts: Amounts, nowMs: number) {
    this.#whole = whole
    this.#pace = pace
    this.amounts = amounts
    this.sentAtMs = nowMs
    this.place = pace.take(amounts, nowMs)
  }

  /**
   * Takes over what the head of an answer says.
   *
   * @param headers in any form
   * @param body of an error, if it is there
   */
  answered(status: number, headers: unknown, nowMs: number, body?: unknown, wallMs = Date.now()): Classified {
    const classified = classify(status, headers, body, wallMs)
    if (this.#isAnswered) return classified
    this.#isAnswered = true
    this.#pace.answered(this, classified.kind, readQuota(headers, this.#whole.provider, wallMs), nowMs)
    this.#whole.count(classified.kind)
    return classified
  }

  /** The call has ended. @param used what it really cost; undefined: as estimated */
  end(nowMs: number, used?: CallCost): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#pace.ended(this, this.#isAnswered)
    const amounts = used === undefined ? this.amounts : amountsOf({ ...used, requests: this.amounts.requests })
    if (this.#isAnswered) this.#pace.learnt.tokens.accepted(amounts.tokens, nowMs)
    this.#whole.settle(this.amounts, amounts, nowMs)
  }
}

/** A limit of a model as far as it is known. */
export interface ObservedLimit {
  readonly limit: number
  /** What remains once all that was sent is counted, ≥ 0. */
  readonly remaining: number
  readonly perMinute: number
}

export interface PaceStats {
  readonly provider: UpstreamProvider
  readonly sent: number
  /** Answers by kind. */
  readonly answers: Readonly<Record<AnswerKind, number>>
  /** The limits that headers told, by model; '' is the model of calls that name none. */
  readonly models: Readonly<Record<string, Readonly<Partial<Record<Dimension, ObservedLimit>>>>>
}

export class Pace {
  readonly provider: UpstreamProvider
  readonly #configured: Buckets = {}
  readonly #models = new Map<string, ModelPace>()
  readonly #answers: Record<AnswerKind, number> = {
    ok: 0,
    quota: 0,
    exhausted: 0,
    overload: 0,
    failure: 0,
    rejected: 0,
  }
  #sent = 0

  constructor({ provider, requestsPerMinute, tokensPerMinute }: PaceOptions, nowMs: number) {
    this.provider = provider
    if (requestsPerMinute !== undefined) {
      const level = Math.max(FIRST_LEVEL, Math.min(1, 1.05 / requestsPerMinute))
      this.#configured.requests = new QuotaBucket('requests', requestsPerMinute, nowMs, level)
    }
    if (tokensPerMinute !== undefined) {
      this.#configured.tokens = new QuotaBucket('tokens', tokensPerMinute, nowMs, FIRST_LEVEL)
    }
  }

  /** The time until a call of a cost may be sent, ms; 0: now. An answer may make it shorter: it is to be asked again after each. */
  waitMs(cost: CallCost, nowMs: number): number {
    const amounts = amountsOf(cost)
    let configuredMs: number | undefined
    for (const dimension of DIMENSIONS) {
      const bucket = this.#configured[dimension]
      if (bucket !== undefined) configuredMs = Math.max(configuredMs ?? 0, bucket.waitMs(amounts[dimension], nowMs))
    }
    return this.#paceOf(cost.model, nowMs).waitMs(amounts, nowMs, configuredMs)
  }

  /** A call is sent now. */
  send(cost: CallCost, nowMs: number): PacedCall {
    const amounts = amountsOf(cost)
    for (const dimension of DIMENSIONS) this.#configured[dimension]?.take(amounts[dimension], nowMs)
    this.#sent += 1
    return new PacedCall(this, this.#paceOf(cost.model, nowMs), amounts, nowMs)
  }

  /** Of a call's end. @internal */
  settle(estimated: Amounts, used: Amounts, nowMs: number): void {
    this.#configured.tokens?.settle(estimated.tokens - used.tokens, nowMs)
  }

  /** @internal */
  count(kind: AnswerKind): void {
    this.#answers[kind] += 1
  }

  stats(nowMs: number): PaceStats {
    const models: Record<string, Partial<Record<Dimension, ObservedLimit>>> = Object.create(null)
    for (const [model, { observed }] of this.#models) {
      const limits: Partial<Record<Dimension, ObservedLimit>> = {}
      for (const dimension of DIMENSIONS) {
        const bucket = observed[dimension]
        if (bucket === undefined) continue
        const { limit, ratePerMs } = bucket
        limits[dimension] = { limit, remaining: Math.max(0, bucket.levelAt(nowMs)), perMinute: ratePerMs * 60_000 }
      }
      models[model] = limits
    }
    return { provider: this.provider, sent: this.#sent, answers: { ...this.#answers }, models }
  }

  /** The pace of a model, the newest last. */
  #paceOf(model: string | undefined, nowMs: number): ModelPace {
    const name = typeof model === 'string' ? model.slice(0, 256) : ''
    let pace = this.#models.get(name)
    if (pace !== undefined && this.#models.size === 1) return pace
    pace ??= new ModelPace(nowMs)
    this.#models.delete(name)
    this.#models.set(name, pace)
    if (this.#models.size > MOST_MODELS) this.#models.delete(this.#models.keys().next().value!)
    return pace
  }
}
