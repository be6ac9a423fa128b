/**
 * The time for which a request has been overtaken: requests that began after it ended, while it went on. Pure; the rule that it is measured
 * by is in `culprit.ts`.
 *
 * ```text
 * P(t) = Σ over ends up to t of  min(the time since the end before, MOST_GAPS·its mean)
 * held(i) = P(now) − P(the first end of a request that began after i)
 * ```
 *
 * A request that waits for a place which is handed out in the order of arrival is overtaken by none, however long it waits; one that holds its place is,
 * as soon as another place has been given to a later one. So the time is that of the service, whatever the queue before it. Every end shows that it is not
 * the service that stands still but that request, and time without an end shows nothing: P stands still, too, and one after which all goes on is no evidence
 * against those that end last.
 */

/** A time without an end counts as so many of those between ends at most. */
const MOST_GAPS = 8
/** 1/the ends that the mean time between them remembers. */
const RECENT = 1 / 32

/** A request that may be overtaken. */
export interface Entrant<T> {
  /** Counts the requests of its group, in the order in which they began. */
  readonly order: number
  /** P at the time it was overtaken first; NaN: it was not. */
  overtakenAtMs: number
  /** Those that began just before it, and just after, of the ones that run. */
  older?: T | undefined
  newer?: T | undefined
}

/**
 * The requests that run, in the order in which they began, and which of them were overtaken. A list that is linked, since a Set passes over all that
 * was deleted at its front each time that its first is asked for: where ten thousand run and end in their order, that is more work than all else.
 */
export class Race<T extends Entrant<T>> implements Iterable<T> {
  #oldest: T | undefined
  #newest: T | undefined
  /** The oldest that was not overtaken yet, nor was any that is newer. */
  #ahead: T | undefined
  #size = 0
  /** P, ms */
  #progressMs = 0
  #gapMs = Number.NaN
  #endedMs = Number.NaN

  get oldest(): T | undefined {
    return this.#oldest
  }

  get size(): number {
    return this.#size
  }

  *[Symbol.iterator](): Generator<T> {
    for (let one = this.#oldest; one !== undefined; one = one.newer) yield one
  }

  /** @param one newer than all */
  begin(one: T): void {
    one.older = this.#newest
    if (this.#newest === undefined) this.#oldest = one
    else this.#newest.newer = one
    this.#newest = one
    this.#ahead ??= one
    this.#size += 1
  }

  /** One that runs ended. @returns held, ms */
  end(one: T, nowMs: number): number {
    this.#pass(nowMs)
    for (let other = this.#ahead; other !== undefined && other.order < one.order; other = other.newer) {
      other.overtakenAtMs = this.#progressMs
      this.#ahead = other.newer
    }
    this.leave(one)
    return this.heldMs(one)
  }

  /** One that runs was cancelled, which shows nothing of the others. */
  leave(one: T): void {
    const { older, newer } = one
    if (this.#ahead === one) this.#ahead = newer
    if (older === undefined) this.#oldest = newer
    else older.newer = newer
    if (newer === undefined) this.#newest = older
    else newer.older = older
    one.older = undefined
    one.newer = undefined
    this.#size -= 1
  }

  /** held of a request, ms; 0 where it was not overtaken. */
  heldMs({ overtakenAtMs }: T): number {
    return Number.isNaN(overtakenAtMs) ? 0 : this.#progressMs - overtakenAtMs
  }

  #pass(nowMs: number): void {
    const gapMs = nowMs - this.#endedMs
    this.#endedMs = nowMs
    if (!(gapMs >= 0)) return
    if (Number.isNaN(this.#gapMs)) this.#gapMs = gapMs
    this.#progressMs += Math.min(gapMs, MOST_GAPS * this.#gapMs)
    // One alone doubles it at most: after an hour without requests the next stand-still would count in full.
    this.#gapMs += RECENT * (Math.min(gapMs, this.#gapMs / RECENT || gapMs) - this.#gapMs)
  }
}

/** Bins of an octave, and all of them: from 2^−4 ms on, about 4 days. */
const BINS_PER_OCTAVE = 8
const BINS = 256
const LEAST_LOG2 = -4
/** Halved when there are so many, so that a few thousands are remembered. */
const MOST = 2048
/** Shares that the quantiles leave above them. */
const FEW = 1 / 20
const FEWEST = 1 / 512
/** Of how many the quantiles are known. */
const LEAST_KNOWN = 256
/** The tail goes on beyond its last known quantile by so many times the distance of the two. */
const BEYOND = 2
/** 1/the requests that the recent and the lasting mean remember. */
const NEWEST = 1 / 32
const LASTING = 1 / 1024
/** The recent mean is so many times the lasting one by chance. */
const CHANCE = 1.25

/** The times for which requests of a route were overtaken before they ended. */
export class Tail {
  readonly #bins = new Uint16Array(BINS)
  #count = 0
  #recentMs = 0
  #lastingMs = 0
  #samples = 0
  /** Requests that ended, those that were not overtaken among them. */
  ended = 0

  /** One ended. @param heldMs 0: it was not overtaken */
  end(heldMs: number): void {
    this.ended += 1
    if (!(heldMs > 0 && heldMs < Number.POSITIVE_INFINITY)) return
    this.#samples += 1
    this.#recentMs += Math.max(NEWEST, 1 / this.#samples) * (heldMs - this.#recentMs)
    this.#lastingMs += Math.max(LASTING, 1 / this.#samples) * (heldMs - this.#lastingMs)
    const bin = Math.floor((Math.log2(heldMs) - LEAST_LOG2) * BINS_PER_OCTAVE)
    this.#bins[Math.min(Math.max(bin, 0), BINS - 1)]! += 1
    this.#count += 1
    if (this.#count < MOST) return
    this.#count = 0
    for (let i = 0; i < BINS; i++) {
      this.#bins[i]! >>= 1
      this.#count += this.#bins[i]!
    }
  }

  /** The mean of the last few, ms. */
  get recentMs(): number {
    return this.#recentMs
  }

  /**
   * The time that hardly any is overtaken for, ms; NaN: that is not known.
   *
   * q₁ + BEYOND·(q₁ − q₀) of the quantiles q₀ and q₁ that 5 % and 0.2 % exceed: 13 means of an exponential, and the more the heavier the tail
   * is. Where the last few took longer than those before, so many times longer.
   */
  get leastMs(): number {
    if (this.#count < LEAST_KNOWN) return Number.NaN
    let above = 0
    let highMs = Number.NaN
    for (let i = BINS - 1; i >= 0; i--) {
      above += this.#bins[i]!
      if (Number.isNaN(highMs) && above > FEWEST * this.#count) highMs = edgeOf(i + 1)
      if (above > FEW * this.#count) {
        return (highMs + BEYOND * (highMs - edgeOf(i + 1))) * Math.max(1, this.#recentMs / (CHANCE * this.#lastingMs))
      }
    }
    return Number.NaN
  }
}

const edgeOf = (bin: number): number => 2 ** (bin / BINS_PER_OCTAVE + LEAST_LOG2)
