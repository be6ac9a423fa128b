/**
 * The pace at which calls go to a provider: so fast that its limit is used, and so slow that it refuses next to none.
 *
 * **The law.** A call may be sent when each limit that is known has room for its estimated cost:
 *
 * 1. the limits of the answers' headers, modelled as {@link QuotaBucket} states it, one set a model, since providers limit by model;
 * 2. the limits that the caller configured, which hold for all models together. They begin nearly empty, since a process that was just
 *    restarted may have used the provider's bucket up, and are settled by what was really used;
 * 3. without headers, the rate that {@link AcceptedRate} learnt from refusals;
 * 4. before anything is known, three calls ahead of their answers, and one more for each answer (slow start).
 *
 * **Equal shares.** Processes that share a key know nothing of one another; all see the same remaining amount. Each sends at
 * `r · p(level)`, where `p = e^((level − target) / fold)` rises with that amount and knows neither the process nor what it has had so
 * far. The property: among equally hungry processes equal shares are the only fixed point.
 *
 * - The level comes to rest where the sum of what is sent is the refill: of N hungry processes at `target − fold · ln N`. There each
 *   has `r / N`, since all have the same p. A pace that follows its own past use, such as one that divides r by a learnt multiple of it,
 *   has a fixed point at every split: a process that starts late stays slow.
 * - A process with less to send leaves the level higher, and the others share what it leaves. For one whose estimates are too low by a
 *   factor of N it is as if there were N of it.
 * - The slope at rest is `r / fold` whatever N is. With answers that are late by d the loop is stable while `r · d / fold < π / 2`; a fold
 *   is 3 % of the limit, and where answers are late 1.5 · r · d, 12 % at most. A new process takes part from its first answer on: what
 *   the others saw as their share is gone as soon as the level is lower by `fold · ln((N + 1) / N)`, which takes seconds.
 * - Where estimates are too high (κ < 1) a unit counts √κ: a process alone can use all of r, and a split that is not equal, in which κ is
 *   different, is pulled towards equal by half of its logarithm each time κ is learnt.
 *
 * In a fixed window, which gives nothing back before its end, and without headers, there is no price: the pace is as fast as what
 * is there.
 *
 * **Refusals.** A 429 holds all calls of the model for as long as it asks to, a minute at most; without such a time for half a second,
 * twice as long each time in turn. Then one call goes ahead, and the others follow when it was answered. Where the headers of the 429
 * say that there was room, the provider looks at shorter times than a minute: bursts become smaller, down to none. Where they
 * say that there was none, the model was wrong, and keeps more in reserve.
 *
 * **Bounds.** A call that waits while nothing is under way goes through after a minute at the latest, whatever an upstream states: one
 * that errs, or means harm, costs at most that. Where the call is refused, it becomes two minutes, and so on up to a quarter of an hour;
 * an answer makes it one again. 64 models are kept, the least recently used goes first.
 */

import { QuotaBucket } from './bucket.js'
import { type AnswerKind, type Classified, classify } from './classify.js'
import {
  type Amounts,
  amountsOf,
  type Buckets,
  type CallCost,
  type CallPlace,
  type Marks,
  ModelPace,
  type SentCall,
} from './model-pace.js'
import { DIMENSIONS, type Dimension, readQuota, type UpstreamProvider } from './quota.js'

export type { CallCost } from './model-pace.js'

export interface PaceOptions {
  readonly provider: UpstreamProvider
  readonly requestsPerMinute?: number | undefined
  readonly tokensPerMinute?: number | undefined
}

const MOST_MODELS = 64
/** Share of a configured limit that is taken to be there at first. */
const FIRST_LEVEL = 0.1

/** A call that was sent. Its answer is to be reported once, its end once; what comes again does nothing. */
export class PacedCall implements SentCall {
  readonly #whole: Pace
  readonly #pace: ModelPace
  readonly amounts: Amounts
  readonly place: CallPlace
  readonly sentAtMs: number
  /** The call's place in the configured limits. */
  readonly #configuredMarks: Marks
  #isAnswered = false
  #isEnded = false

  constructor(whole: Pace, pace: ModelPace, amounts: Amounts, marks: Marks, nowMs: number) {
    this.#configuredMarks = marks
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

  /** The call was not sent: its quota comes back. */
  cancel(nowMs: number): void {
    if (this.#isEnded || this.#isAnswered) return
    this.#isEnded = true
    this.#pace.cancel(this, nowMs)
    this.#whole.cancel(this.amounts, this.#configuredMarks, nowMs)
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
  /** The amount that remains once all that was sent is counted, ≥ 0. */
  readonly remaining: number
  readonly perMinute: number
}

export interface PaceStats {
  readonly provider: UpstreamProvider
  readonly sent: number
  /** Answers by kind. */
  readonly answers: Readonly<Record<AnswerKind, number>>
  /** The limits that headers stated, by model; '' is the model of calls that name none. */
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

  /** Records that a call is sent now. */
  send(cost: CallCost, nowMs: number): PacedCall {
    const amounts = amountsOf(cost)
    const marks: Marks = {}
    for (const dimension of DIMENSIONS) {
      const bucket = this.#configured[dimension]
      if (bucket !== undefined) marks[dimension] = bucket.take(amounts[dimension], nowMs)
    }
    this.#sent += 1
    return new PacedCall(this, this.#paceOf(cost.model, nowMs), amounts, marks, nowMs)
  }

  /** Returns the quota of a call that was not sent. @internal */
  cancel(amounts: Amounts, marks: Marks, nowMs: number): void {
    this.#sent -= 1
    for (const dimension of DIMENSIONS) {
      const mark = marks[dimension]
      if (mark !== undefined) this.#configured[dimension]!.untake(amounts[dimension], mark, nowMs)
    }
  }

  /** Notes the end of a call. @internal */
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
