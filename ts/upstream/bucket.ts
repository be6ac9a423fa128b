/**
 * The model of one limit of a provider: a token bucket that is seen through the headers of answers alone.
 *
 * **What an answer says.** A provider counts a call when it comes in, and its headers state what remained then. When the answer is
 * here, that is as old as the answer took, and calls that were sent meanwhile are missing from it. With `R` the remaining amount,
 * `t` the time at which the answered call was sent, `S − s` the cost of what was sent since, and `r` the refill, what remains once all
 * that was sent is counted is
 *
 *     level = min(L, R + r · (now − t) − κ · (S − s))
 *
 * Every answer states it anew: errors do not add up, and answers that overtake one another are kept apart by `s`.
 *
 * **κ** ≤ 32 is what the provider counts for each unit that was estimated here. It is learnt from two answers and what was sent between
 * them: `κ = Σ (R₁ + r · Δt − R₂) / Σ (s₂ − s₁)`, a sum in which the rounding of single headers cancels. It is below 1 where estimates
 * are too high, and above 1 where they are too low or others use the same key: what is under way here then stands for theirs, too. It
 * tells what remains and takes no part in the pace where it is above 1. A request is never less than one.
 *
 * **A process that is silent**, since it stood still or has little to send, must not take all of the refill for its own: others go on. A
 * second belief therefore grows by the part of the refill that is this process's at the price p of what the answer stated, `p · r`,
 * besides what comes back within two folds. The lower one of both is the level. As long as a process sends at its own pace, the second
 * stays where the answer saw it, however old that is.
 *
 * **What is sent blindly** beyond the newest answer is what the process has sent lately, per time, and an eighth of what remained: eight
 * processes that do so at once do not exceed it, however long answers take. For the same reason a level above the target is sent
 * down in sixteen usual ages of answers, not at once.
 *
 * **A late timer** makes up for the pace of 2 % of the time in which the limit comes back, no more: what was not sent meanwhile is in
 * the bucket, and comes back through the price.
 *
 * **The price.** While the level is known, a process may send at `r · e^((level − target) / fold)`, at most three times r. Why the
 * processes of a key come to equal shares, and what a fold is, is stated in `ts/upstream/pace.ts`.
 *
 * **r** is L a minute until `reset` says otherwise. `(L − R) / reset` has an error, since both are rounded; r is moved only as far as
 * into the interval that a header leaves. So a limit of 200 a day, stated as `limit 200, reset 7m12s`, is not taken for one a minute.
 * A `reset` that points at the same moment whatever remains is that of a window, not of a bucket: nothing comes back before its end.
 *
 * **Slack costs nothing.** A bucket's refill is lost only while it is full, and calls are refused only when it is empty. The pace keeps
 * it in between, at a small reserve: all of the refill is used, and no call is refused for an error that the reserve covers.
 *
 * Longer than other files, because all of this is one state, which its parts would have to hand to one another.
 */

import { OwnRate, type SentMark, UsualAge } from './flow.js'
import type { Dimension, QuotaState } from './quota.js'

/** A limit is per minute unless its reset says otherwise, ms. */
const MINUTE_MS = 60_000
/** Reserve at first, its step after a refusal, and the most of it, as shares of the limit. */
const RESERVE = 0.04
const RESERVE_STEP = 0.02
const MAX_RESERVE = 0.1
/** Share of the limit that may be sent at once, and before an answer shows its effect. */
const FIRST_BURST = 0.1
/** Speed of the pace above the refill at most, in refills; in a window: how many times a minute it takes what is there. */
const CATCH_UP = 2
const LEAST_CATCH_UP = 0.05
/** In a window the pace is a little faster than the refill even when nothing is left, so that it leaves nothing unused. */
const LEAST_LEVEL = 0.05
/** The pace is the refill's where the level is so many folds above the reserve, and e times as fast a fold higher. A fold is this share of the limit. */
const FOLDS = 5
const FOLD = 0.03
/** A fold where answers are late: this many times the refill of that time, up to a share of the limit. */
const LATE_FOLD = 1.5
const MOST_FOLD = 0.12
/** One process whose estimates are too high may always use a little more than the whole refill. */
const ALONE = 1.1
/** Processes that may share a key without knowing of one another. What one does blindly, so many may do at once. */
const MOST_PROCESSES = 8
/** A level above the target is sent down in so many usual ages of answers for each of those processes; an age is this much at least, ms. */
const GENTLE_AGES = 2
const LEAST_GENTLE_MS = 100
/** The most that a late timer may make up for: the pace of this share of the time in which the limit comes back. */
const LATE_SHARE = 0.02
/** The belief that others send nothing lasts for so many folds of refill beyond an answer. */
const CREDIT_FOLDS = 2
/** The own rate is learnt over so many usual ages, or this share of the time in which the limit comes back, whichever is longer. */
const OWN_AGES = 2
const OWN_SHARE = 0.05
/** Bursts are divided by this where they are refused, and grow by this in each minute in which nothing is. */
const NARROWS = 4
const WIDENS = 1.03
/** Range of κ, and the share of the limit over whose use it is learnt. */
const LEAST_FACTOR = 0.02
const MOST_FACTOR = 32
/** κ in the room that a call needs: the rest of it stands for calls of others. */
const MOST_NEEDED = 4
const LEARN_SHARE = 0.1
/** A bucket from which more than its whole could be taken is never full enough: this share of it is enough for any call. */
const ENOUGH = 0.95
/** Most of the limit that comes back in a second, and the longest that all of it may take. */
const FASTEST_MS = 1000
const SLOWEST_MS = 86_400_000
/** Resets within this belong to the same moment, ms; windows are believed after so many of them. */
const SAME_MOMENT_MS = 1500
const WINDOWS_SEEN = 3
/** The difference of the remaining amounts, as a share of the limit, from which two answers are compared. */
const WINDOW_SHARE = 0.06
/** The unit of tokens in headers that are rounded to whole thousands. */
const ROUNDED_TO = 1000
/** The largest share of the limit that is reserved for that rounding and all other errors. */
const MAX_ROUNDED = 0.2
/** Share of the reserve that is kept in a window, where what is left at the end is lost. */
const WINDOW_RESERVE = 0.25
/** The most that calls may have used beyond what there was, in limits. */
const MOST_DEBT = 4
/** The extra wait after the end of a window, ms. */
const WINDOW_MARGIN_MS = 250

interface Anchor extends SentMark {
  readonly remaining: number
}

const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high)

export class QuotaBucket {
  readonly #dimension: Dimension
  /** L */
  #limit: number
  /** r, per ms */
  #ratePerMs: number
  /** The level where others send as this process does. */
  #level: number
  /** The level where others send what is their part, whatever this process does, and the refill that is not theirs yet. */
  #steady: number
  #credit = 0
  #levelAtMs: number
  /** S */
  #sent = 0
  #newest: Anchor | undefined
  /** κ, and the sums that it is the quotient of. */
  #used = 0
  #estimated = 0
  readonly #age = new UsualAge()
  readonly #ownRate: OwnRate
  #reserve = RESERVE
  /** So far every header had a multiple of {@link ROUNDED_TO}. */
  #isRounded: boolean
  /** The pace's own bucket, and its size as a share of the limit. */
  #burst: number
  #burstShare = FIRST_BURST
  /** The most that a late timer may make up for. */
  #burstMost: number
  #catchUp = CATCH_UP
  /** An answer's reset, to compare others with. */
  #otherReset: { readonly remaining: number; readonly atMs: number } | undefined
  #windowsSeen = 0
  #windowEndsMs: number | undefined

  /**
   * @param level the share of the limit that is there: little where nothing is known of the past
   * @param sent the cost of all that was sent before
   */
  constructor(dimension: Dimension, limit: number, nowMs: number, level: number, sent = 0) {
    this.#sent = sent
    this.#dimension = dimension
    this.#limit = limit
    this.#ratePerMs = limit / MINUTE_MS
    this.#steady = this.#level = level * limit
    this.#levelAtMs = nowMs
    // The first calls go one by one at the pace: a provider that looks at single seconds is not met by a burst.
    this.#burstMost = LATE_SHARE * limit
    this.#burst = Math.min(this.#burstSize, dimension === 'requests' ? 1 : Number.POSITIVE_INFINITY)
    this.#isRounded = dimension !== 'requests'
    this.#ownRate = new OwnRate({ sent, atMs: nowMs })
    this.#forgetFactor()
  }

  get limit(): number {
    return this.#limit
  }

  get ratePerMs(): number {
    return this.#ratePerMs
  }

  /** κ */
  get factor(): number {
    // A request is one: where less seems to have been counted, calls overtook one another.
    const least = this.#dimension === 'requests' ? 1 : LEAST_FACTOR
    return clamp(this.#used / this.#estimated, least, MOST_FACTOR)
  }

  get isWindow(): boolean {
    return this.#windowsSeen >= WINDOWS_SEEN
  }

  /** The amount that remains once all that was sent is counted. */
  levelAt(nowMs: number): number {
    this.#refill(nowMs)
    return this.#known
  }

  /** The lower one of the two beliefs. */
  get #known(): number {
    return this.isWindow || this.#newest === undefined ? this.#level : Math.min(this.#level, this.#steady)
  }

  /** The time until a call of a cost may be sent, ms; 0: now. It may be known later only, from an answer. */
  waitMs(cost: number, nowMs: number): number {
    if (cost <= 0) return 0
    this.#refill(nowMs)
    const rate = this.#ratePerMs
    const needed = Math.min(this.factor, MOST_NEEDED) * cost
    const limit = this.#limit
    const short = Math.min(needed + this.#reserved, ENOUGH * limit) - this.#known
    let waitMs = 0
    if (short > 0) waitMs = this.isWindow ? Math.max(1, (this.#windowEndsMs ?? nowMs) - nowMs) : short / rate
    const early = Math.min(this.#paced * cost, this.#burstSize) - this.#burst
    // The pace rises with the level: where it is next to none now, it is worth asking again when the level has risen.
    if (early > 0) waitMs = Math.max(waitMs, Math.min(early / this.#paceAt(), (FOLD * limit + early) / rate))
    if (this.#newest !== undefined) {
      const ahead = this.#sent - this.#newest.sent
      const ownRate = Math.max(this.#ownRate.perMs, rate / MOST_PROCESSES)
      const excess = ahead + cost - this.#unseen(this.#newest.remaining) - ownRate * (nowMs - this.#newest.atMs)
      if (ahead > 0 && excess > 0) waitMs = Math.max(waitMs, excess / ownRate)
    }
    return waitMs
  }

  /** Takes the cost of a call that is sent. */
  take(cost: number, nowMs: number): SentMark {
    this.#refill(nowMs)
    const counted = this.factor * cost
    this.#sent += cost
    this.#level -= counted
    this.#steady -= Math.min(counted, cost)
    this.#burst -= this.#paced * cost
    return { sent: this.#sent, atMs: nowMs }
  }

  /** Counts calls that were sent before the bucket was known, after the one whose answer shows it. */
  takeEarlier(cost: number): void {
    this.#sent += cost
    this.#level -= cost
    this.#steady -= cost
  }

  /** Returns the cost of a call that was not sent. */
  untake(cost: number, { sent }: SentMark, nowMs: number): void {
    this.#refill(nowMs)
    const counted = this.factor * cost
    this.#level = Math.min(this.#level + counted, this.#limit)
    this.#steady = Math.min(this.#steady + Math.min(counted, cost), this.#limit)
    this.#burst = Math.min(this.#burst + this.#paced * cost, this.#burstSize)
    // Those that were sent since have their place behind it.
    if (this.#sent === sent) this.#sent -= cost
  }

  /**
   * Corrects the estimate of a call that no header will correct. Positive: it was too high. Negative: it was too low, which counts up to the
   * whole limit, and in all up to {@link MOST_DEBT} limits: whatever an answer states, that comes back within some minutes.
   */
  settle(unused: number, nowMs: number): void {
    this.#refill(nowMs)
    const level = this.#level + Math.max(unused, -this.#limit)
    this.#level = clamp(level, Math.min(this.#level, -MOST_DEBT * this.#limit), this.#limit)
    this.#steady = this.#level
  }

  /** Takes over what the answer to a call says. */
  observe(state: QuotaState, mark: SentMark, nowMs: number): void {
    if (state.limit !== undefined && state.limit !== this.#limit) this.#resize(state.limit)
    const { remaining } = state
    if (remaining === undefined) return
    if (remaining > this.#limit) this.#resize(remaining)
    this.#isRounded &&= remaining % ROUNDED_TO === 0 || remaining === this.#limit
    if (!this.isWindow) this.#learnRate(state, remaining)
    const before = this.#newest
    if (before !== undefined && mark.sent <= before.sent) return
    const resetAtMs = state.resetMs === undefined ? undefined : mark.atMs + state.resetMs
    this.#learnWindow(remaining, resetAtMs, nowMs)
    if (before !== undefined) {
      this.#learnFactor(before, remaining, mark)
      const overMs = Math.max(OWN_AGES * this.#age.ms, (OWN_SHARE * this.#limit) / this.#ratePerMs)
      this.#ownRate.learn(mark, overMs)
    }
    this.#newest = { ...mark, remaining }
    const ageMs = nowMs - mark.atMs
    this.#age.learn(ageMs, nowMs)
    this.#level = this.#steady = remaining
    this.#credit = CREDIT_FOLDS * this.#fold
    if (!this.isWindow) this.#growFor(ageMs)
    const since = this.#sent - mark.sent
    this.#level -= this.factor * since
    this.#steady -= Math.min(this.factor, 1) * since
    this.#levelAtMs = nowMs
  }

  /** Makes bursts smaller, since a call was refused although the headers state that there was room. */
  narrow(): void {
    this.#burstShare /= NARROWS
    this.#catchUp = Math.max(this.#catchUp / NARROWS, LEAST_CATCH_UP)
    this.#burst = Math.min(this.#burst, 0)
  }

  /** Enlarges the reserve, since a call was refused because the model was wrong. */
  retreat(nowMs: number): void {
    this.#refill(nowMs)
    this.#reserve = Math.min(this.#reserve + RESERVE_STEP, MAX_RESERVE)
    this.#level = Math.min(this.#level, 0)
    this.#steady = Math.min(this.#steady, 0)
  }

  /** Restores some of the burst and of the reserve after a minute without a refusal. */
  recover(): void {
    this.#reserve = Math.max(RESERVE, this.#reserve - RESERVE_STEP / 4)
    this.#burstShare = Math.min(FIRST_BURST, this.#burstShare * WIDENS)
    this.#catchUp = Math.min(CATCH_UP, this.#catchUp * WIDENS)
  }

  /** The amount that is left in the bucket for errors of the model, and for the rounding of what headers say. */
  get #reserved(): number {
    const reserve = this.#reserve * this.#limit
    if (this.isWindow) return reserve * WINDOW_RESERVE
    return this.#isRounded ? Math.max(reserve, Math.min(ROUNDED_TO / 2 + reserve, MAX_ROUNDED * this.#limit)) : reserve
  }

  /** The largest burst: one request at least, since there is no half of one. */
  get #burstSize(): number {
    const size = Math.min(this.#burstShare * this.#limit, this.#burstMost)
    return this.#dimension === 'requests' ? Math.max(size, 1) : size
  }

  /** Speed of the pace, per ms. */
  #paceAt(): number {
    // A limit by day may be used up in minutes, and one that comes back in seconds is used in seconds.
    const limit = this.#limit
    const rate = this.#ratePerMs
    const perMs = Math.max(1 / MINUTE_MS, rate / limit)
    const level = this.#known
    const most = rate + this.#catchUp * clamp(level, LEAST_LEVEL * limit, limit) * perMs
    if (this.isWindow || this.#newest === undefined) return most
    const folds = this.#foldsAbove(level)
    const price = Math.exp(folds)
    // Above the target so slowly that answers show what all have sent before it is reached.
    const downMs = MOST_PROCESSES * Math.max(GENTLE_AGES * this.#age.ms, LEAST_GENTLE_MS)
    const gently = rate + (Math.max(0, folds) * this.#fold) / downMs
    return Math.min(rate * price, Math.max(Math.min(most, gently), (ALONE * rate * this.#paced) / this.factor))
  }

  /** The amount that the pace counts for each unit: √κ where estimates are too high, else 1. */
  get #paced(): number {
    return this.isWindow ? this.factor : Math.sqrt(Math.min(this.factor, 1))
  }

  /** Adds the refill of some time to both levels. */
  #growFor(elapsedMs: number): void {
    const whole = this.#ratePerMs * elapsedMs
    const part = this.#partAt(this.#steady) * whole
    const more = clamp(whole - part, 0, this.#credit)
    this.#credit -= more
    this.#level = Math.min(this.#limit, this.#level + whole)
    this.#steady = Math.min(this.#limit, this.#steady + part + more)
  }

  /**
   * The part of the refill that is there for this process: at a price p it sends p · r itself, so that the others send what is left where
   * the level is at rest. Where it is lower, they send less: together p · r each.
   */
  #partAt(level: number): number {
    const price = Math.exp(Math.min(0, this.#foldsAbove(level)))
    return Math.min(1, price + Math.max(0, 1 - Math.max(MOST_PROCESSES, this.factor) * price))
  }

  /** A fold of the price. */
  get #fold(): number {
    const limit = this.#limit
    const late = clamp(LATE_FOLD * this.#age.ms * this.#ratePerMs, FOLD * limit, MOST_FOLD * limit)
    return Math.max(late, this.#isRounded ? ROUNDED_TO / 2 : 0)
  }

  /** Distance of a level above the target, in folds. */
  #foldsAbove(level: number): number {
    return (level - RESERVE * this.#limit) / this.#fold - FOLDS
  }

  #refill(nowMs: number): void {
    const elapsedMs = nowMs - this.#levelAtMs
    if (!(elapsedMs > 0)) return
    const paceBefore = this.#paceAt()
    if (!this.isWindow) this.#growFor(elapsedMs)
    else if (this.#windowEndsMs !== undefined && nowMs >= this.#windowEndsMs) {
      this.#steady = this.#level = this.#limit
      this.#windowEndsMs += Math.max(MINUTE_MS, nowMs - this.#windowEndsMs)
    }
    if (!this.isWindow && this.#newest !== undefined) {
      const made = (paceBefore * LATE_SHARE * this.#limit) / this.#ratePerMs
      const spare = Math.max(0, this.#foldsAbove(this.#known)) * this.#fold
      this.#burstMost = Math.max(made, spare / MOST_PROCESSES)
    }
    this.#burst = Math.min(this.#burst + ((paceBefore + this.#paceAt()) / 2) * elapsedMs, this.#burstSize)
    this.#levelAtMs = nowMs
  }

  #resize(limit: number): void {
    const scale = limit / this.#limit
    this.#limit = limit
    this.#ratePerMs *= scale
    this.#level = Math.min(this.#level, limit)
    this.#steady = Math.min(this.#steady, limit)
    this.#burst = Math.min(this.#burst, this.#burstSize)
    this.#forgetFactor()
  }

  #forgetFactor(): void {
    this.#estimated = this.#used = (LEARN_SHARE / 2) * this.#limit
  }

  #learnFactor(before: Anchor, remaining: number, mark: SentMark): void {
    const estimated = mark.sent - before.sent
    const back = this.isWindow ? 0 : this.#ratePerMs * (mark.atMs - before.atMs)
    const had = Math.min(before.remaining + back, this.#limit)
    if (this.isWindow && remaining > before.remaining) return
    // So much more than what came back was given at once: nothing can be learnt of what was used.
    if (remaining - had > WINDOW_SHARE * this.#limit) return
    const keeps = Math.exp(-estimated / (LEARN_SHARE * this.#limit))
    this.#used = Math.max(0, this.#used * keeps + had - remaining)
    this.#estimated = this.#estimated * keeps + estimated
  }

  /** The most that may be sent beyond the newest answer, besides what the own rate is: so much of what remained that all processes may do so at once. */
  #unseen(remaining: number): number {
    const factor = this.factor
    const parts = factor < 1 ? MOST_PROCESSES * factor : Math.max(MOST_PROCESSES, 2 * factor)
    return Math.max(0, remaining - this.#reserved) / parts
  }

  #learnRate({ resetMs, resolutionMs }: QuotaState, remaining: number): void {
    if (resetMs === undefined) return
    const limit = this.#limit
    const missing = limit - remaining
    const error = this.#dimension === 'requests' ? 1 : Math.max(1, 0.01 * limit)
    const low = (missing - error) / (resetMs + resolutionMs)
    const high = (missing + error) / Math.max(resetMs - resolutionMs, 1e-6)
    this.#ratePerMs = clamp(clamp(this.#ratePerMs, low, high), limit / SLOWEST_MS, limit / FASTEST_MS)
  }

  #learnWindow(remaining: number, resetAtMs: number | undefined, nowMs: number): void {
    if (resetAtMs === undefined || resetAtMs - nowMs < 2 * SAME_MOMENT_MS) return
    if (this.isWindow) this.#windowEndsMs = resetAtMs + WINDOW_MARGIN_MS
    const other = this.#otherReset
    if (other === undefined || other.atMs < nowMs) {
      this.#otherReset = { remaining, atMs: resetAtMs }
      return
    }
    const fell = other.remaining - remaining
    // In a bucket what came back alone changes nothing of when it is full, and a window gives nothing back: a rise tells neither.
    if (fell <= 0) {
      this.#otherReset = { remaining, atMs: resetAtMs }
      return
    }
    // A bucket from which so much was taken is full that much later. Where it is too little to be seen, it tells nothing.
    const laterMs = (fell * (resetAtMs - nowMs)) / (this.#limit - remaining)
    if (fell < WINDOW_SHARE * this.#limit || laterMs < 2 * SAME_MOMENT_MS) return
    const isSame = Math.abs(other.atMs - resetAtMs) < SAME_MOMENT_MS
    this.#windowsSeen = clamp(this.#windowsSeen + (isSame ? 1 : -1), 0, 2 * WINDOWS_SEEN)
    this.#otherReset = { remaining, atMs: resetAtMs }
    if (!this.isWindow) return
    this.#windowEndsMs = resetAtMs + WINDOW_MARGIN_MS
    this.#ratePerMs = this.#limit / Math.max(MINUTE_MS, resetAtMs - nowMs)
  }
}
