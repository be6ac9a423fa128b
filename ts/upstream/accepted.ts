/**
 * The rate that a provider without quota headers accepts, learnt from its refusals.
 *
 * **The law** is additive increase, multiplicative decrease, on the rate instead of the number in flight: the limit that is looked for is
 * one of calls a minute, however long each takes. At a refusal the provider's bucket is empty, so that what it accepted lately is its
 * refill: the rate becomes 0.9 of what was accepted in the last minute, or since the refusal before. The first minute holds the bucket's
 * first filling, too; the second refusal shows the refill. From then on the rate grows by 4 % of itself a minute. What is below the
 * limit fills the bucket, and that pays for what is above it later: on average nearly all of the limit is used, and a refusal comes
 * once in about five minutes. Without one for longer the limit has been raised: the growth quickens with the square of the time.
 *
 * A refusal of which less than ten accepted calls are known measures nothing: a rate that is known falls to 0.7 of itself, and one that
 * is not stays unknown. Before the first refusal there is no limit.
 */

const DECREASE = 0.9
/** Growth, as a share of the rate at the last refusal, per ms. */
const GROWTH_PER_MS = 0.04 / 60_000
/** The time without a refusal after which the growth quickens with the square of the time beyond it, in this unit. */
const QUICKENS_MS = 300_000
/** Calls from which a rate can be measured, and the decrease where there are fewer. */
const FEWEST_CALLS = 10
const BLIND_DECREASE = 0.7
/** Accepted calls are counted by slots of this many ms; twelve make a minute. */
const SLOT_MS = 5000
const SLOTS = 12
/** The time after a decrease in which refusals are ignored, as are those of calls that were sent before it, ms. */
const SETTLES_MS = 2000
/** The depth of the pace's bucket, ms of the rate. */
const BURST_MS = 1000

export class AcceptedRate {
  readonly #least: number
  readonly #slots = new Float64Array(SLOTS)
  #slot = 0
  /** Accepted since the last refusal. */
  #calls = 0
  /** Per ms, at the last refusal. */
  #baseRate = Number.POSITIVE_INFINITY
  #decreasedMs = Number.NEGATIVE_INFINITY
  #startedMs: number
  #burst = 0
  #burstAtMs: number

  /** @param least the smallest burst: one request, or none */
  constructor(least: number, nowMs: number) {
    this.#least = least
    this.#startedMs = nowMs
    this.#burstAtMs = nowMs
    this.#slot = Math.floor(nowMs / SLOT_MS)
  }

  get isKnown(): boolean {
    return Number.isFinite(this.#baseRate)
  }

  /** Per ms; Infinity while it is not known. */
  rateAt(nowMs: number): number {
    if (!this.isKnown) return Number.POSITIVE_INFINITY
    const sinceMs = Math.max(0, nowMs - this.#decreasedMs)
    const beyond = Math.max(0, sinceMs - QUICKENS_MS) / QUICKENS_MS
    return this.#baseRate * (1 + GROWTH_PER_MS * sinceMs + beyond * beyond)
  }

  waitMs(cost: number, nowMs: number): number {
    if (!this.isKnown || cost <= 0) return 0
    this.#refill(nowMs)
    const early = Math.min(cost, this.#size(nowMs)) - this.#burst
    return early > 0 ? early / this.rateAt(nowMs) : 0
  }

  take(cost: number, nowMs: number): void {
    if (!this.isKnown) return
    this.#refill(nowMs)
    this.#burst -= cost
  }

  /** Returns the amount taken for a call that was not sent. */
  untake(cost: number, nowMs: number): void {
    if (this.isKnown) this.#burst = Math.min(this.#burst + cost, this.#size(nowMs))
  }

  accepted(cost: number, nowMs: number): void {
    this.#turn(nowMs)
    this.#slots[this.#slot % SLOTS]! += cost
    this.#calls += 1
  }

  /** A call was refused for quota. */
  refused(sentAtMs: number, nowMs: number): void {
    if (sentAtMs < this.#decreasedMs + SETTLES_MS) return
    this.#turn(nowMs)
    const spanMs = Math.min(nowMs - this.#startedMs, (SLOTS - 1) * SLOT_MS + (nowMs % SLOT_MS))
    const total = this.#slots.reduce((sum, slot) => sum + slot, 0)
    const rate = this.rateAt(nowMs)
    const isMeasured = this.#calls >= FEWEST_CALLS
    this.#baseRate = isMeasured ? DECREASE * Math.min(total / Math.max(spanMs, SLOT_MS), rate) : BLIND_DECREASE * rate
    this.#calls = 0
    this.#decreasedMs = nowMs
    this.#startedMs = nowMs
    this.#slots.fill(0)
    this.#burst = 0
    this.#burstAtMs = nowMs
  }

  #size(nowMs: number): number {
    return Math.max(this.#least, this.rateAt(nowMs) * BURST_MS)
  }

  #refill(nowMs: number): void {
    const elapsedMs = nowMs - this.#burstAtMs
    if (!(elapsedMs > 0)) return
    this.#burst = Math.min(this.#burst + this.rateAt(nowMs) * elapsedMs, this.#size(nowMs))
    this.#burstAtMs = nowMs
  }

  /** Empties the slots of the time since the last count. */
  #turn(nowMs: number): void {
    const slot = Math.floor(nowMs / SLOT_MS)
    const passed = Math.min(slot - this.#slot, SLOTS)
    for (let i = 1; i <= passed; i++) this.#slots[(this.#slot + i) % SLOTS] = 0
    if (slot > this.#slot) this.#slot = slot
  }
}
