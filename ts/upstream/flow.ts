/** A process's own calls to a provider, as far as they can be learnt from: the usual age of answers, and the rate at which it sends. */

/** A call's place in the order in which calls were sent. */
export interface SentMark {
  /** Cost of all that was sent up to it, itself included. */
  readonly sent: number
  readonly atMs: number
}

/** Weights of an answer that is later than usual, and of one that is not. */
const LATER = 0.1
const SOONER = 0.3

/**
 * The usual age of what answers say when they are read, ms. It becomes shorter soon, and longer only as answers stay late: a process that
 * stood still reads many late answers at once, which say nothing of those that follow.
 */
export class UsualAge {
  #ms: number | undefined
  #learntMs = 0

  get ms(): number {
    return this.#ms ?? 0
  }

  learn(ageMs: number, nowMs: number): void {
    const usualMs = this.#ms ?? ageMs
    const passedMs = nowMs - this.#learntMs
    const weight = ageMs < usualMs ? SOONER : LATER * Math.min(1, passedMs / Math.max(ageMs, 1))
    this.#ms = usualMs + weight * (ageMs - usualMs)
    this.#learntMs = nowMs
  }
}

/** Calls within this share of the time over which the rate is learnt count as sent at once. */
const AT_ONCE = 0.1

/** The rate of what was sent and answered lately, per ms. */
export class OwnRate {
  #perMs = 0
  #since: SentMark

  constructor(since: SentMark) {
    this.#since = since
  }

  get perMs(): number {
    return this.#perMs
  }

  /** @param mark the newest call that was answered @param overMs the time over which the rate is learnt, ms */
  learn(mark: SentMark, overMs: number): void {
    const spanMs = mark.atMs - this.#since.atMs
    if (spanMs < AT_ONCE * overMs) return
    const perMs = (mark.sent - this.#since.sent) / spanMs
    this.#perMs += (1 - Math.exp(-spanMs / overMs)) * (perMs - this.#perMs)
    this.#since = mark
  }
}
