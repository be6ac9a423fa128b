/**
 * The rule that finds the culprit: of requests that may be cancelled, the one whose cancelling frees most. Pure; what it leads to is in
 * `culprits.ts`.
 *
 * ```text
 * freed(i) ∝ age(i)·share(i)
 * cancel argmax freed(i) over  age(i) ≥ AGED_MS,  tier(i) ≤ tier of the most important that waits,  and
 *            overtakers(i) ≥ LEAST_OVERTAKERS  and  held(i) ≥ least of its route      where LEAST_ENDED of the route have ended
 *            age(i) ≥ max(L + AGED·S, usual of its route)                            elsewhere
 *        while offered·QUOTA − cancelled ≥ 1,  and WINDOW_MS after the last
 * least = max(MEDIANS·median, q₁ + 2(q₁ − q₀))   of held, among the requests of the route that ended (overtaken.ts)
 * S = max(median, SPREADS·E|x − previous x|) of the latencies x     L = max(E x, last x) + the time since the last end
 * E over the last few dozens; the median over thousands, and over many more where requests wait
 * requests wait where one is refused for want of a place, three quarters of the last few dozens took CONGESTED medians, LONGS of the last ten did,
 * or nothing ends
 * ```
 *
 * One request in a thousand that holds a place for a thousand times as long as the others holds half of the capacity; those that are shed
 * for want of it are its victims, and the places that they would take are not the ones that are short. How long a request goes on holding is
 * not known. But of those that have held for many service times, the ones that held longest go on longest: for service times with a heavy
 * tail, P(service > s) = (s₀/s)^α, the mean of what is left is age/(α − 1), so what cancelling frees grows in proportion to age·share.
 *
 * Age alone does not tell the culprit from its victims, which wait as long. Being overtaken does: requests that began later end, while it goes
 * on. Each such end shows that it is not the service that stands still, or is slow, but that request. `held` is the time since the first of them.
 * The time for which a request may be overtaken before it is a culprit is a matter of its route: each that ends adds to what is known of that. Where all
 * requests of a route are slow, or one in a hundred misses a cache, the quantiles say so, and it takes that much longer. For an exponential service,
 * least is 13 means, P(service > least) = e^−13, two in a million; of n requests the longest takes ln(n) means, and a culprit that has held for less is
 * like one of those, so that no rule without innocents is much faster. For a service that is nearly constant it is five medians.
 *
 * Until enough requests of the route have ended, the latency L tells the victims from the culprit. Places that are given in the order of arrival go to
 * a request that waits for one within about L, in mere overload too; one that is older than that by AGED·S has been overtaken. S is the scale of the
 * service alone: waits change little from one request to the next, so that the difference of two latencies is that of two services. A share is what the
 * request holds of what is short, 1 by default; one that can tell that it itself waits has none.
 *
 * Before the first that may be cancelled has ended, the route's own median and 0.99 quantile are S and L: those of its other requests. `usual` is
 * of the same two.
 *
 * Behind a lock none is overtaken. Where requests end in the order in which they come, and then nothing ends at all, the oldest holds the
 * lock, or all wait for something else: to cancel it shows which, and after one that freed nothing that is left for a minute.
 */

import type { Tail } from './overtaken.js'

/** A request that may be cancelled. */
export interface Candidate {
  /** The time since it was admitted, ms. */
  readonly ageMs: number
  /** The request's part of the resource that is short, ≥ 0. */
  readonly share: number
  /** 0 (bulk) to 4 (critical). */
  readonly tier: number
  /** The time that is measured by `leastMs`; by default its age. */
  readonly heldMs?: number
  /** It is old from then on, ms; by default when its age is so. */
  readonly leastMs?: number
}

/** The age from which a request is old, in median service times and in ms. */
export const AGED = 20
export const AGED_MS = 50
/** Requests wait for one another where three of four latencies are so many times the median. */
const CONGESTED = 2
/** Requests wait for one another, too, where so many of the last ten latencies are so long: by chance, of a quarter, once in ten thousand. */
const LONGS = 9
const ALL_LAST = 2 ** 10 - 1
/** Requests wait for the oldest when nothing has ended for at least so long, ms. */
export const SILENT_MS = 100
/** 1/the samples that L and the spread, and the median, remember; so many times as many where requests wait. */
const RECENT = 1 / 32
const LASTING = 1 / 2048
const HELD_BACK = 32
/** Spreads that are a service time. Where the tail is heavy the mean difference is less than the mean. */
const SPREADS = 1.5
/** The rate at which the quarter follows. */
const QUICK = 1 / 4
/** Requests that end in their order overtake others this often at most. */
const OVERTAKING = 1 / 4
/** The largest share of requests that is cancelled. */
export const QUOTA = 0.001
/** Cancellations that are saved up for: more at once than that is no culprit. */
const MOST_SAVED = 10
/** After a cancellation none for so long, ms: what it frees is to be seen first. */
export const WINDOW_MS = 50

/**
 * The request to cancel; undefined: there is none.
 *
 * @param wantingTier the tier of the most important request that lacks a place; −1: none does
 * @param serviceMs S, ms
 * @param latencyMs L, ms
 */
export function culpritOf<T extends Candidate>(
  candidates: Iterable<T>,
  wantingTier: number,
  serviceMs: number,
  latencyMs: number,
): T | undefined {
  if (!(wantingTier >= 0)) return undefined
  const leastMs = Math.max(latencyMs + AGED * serviceMs, AGED_MS)
  let most = 0
  let culprit: T | undefined
  for (const candidate of candidates) {
    const { ageMs, share, tier, heldMs = ageMs } = candidate
    const freed = ageMs * share
    if (
      ageMs >= AGED_MS &&
      heldMs >= (candidate.leastMs ?? leastMs) &&
      tier <= wantingTier &&
      freed > most &&
      freed < Number.POSITIVE_INFINITY
    ) {
      most = freed
      culprit = candidate
    }
  }
  return culprit
}

/** Requests that began after a culprit and have ended. */
export const LEAST_OVERTAKERS = 16
/** Ends of a route from which on its own times say what is long. */
export const LEAST_ENDED = 512
/** Medians, and mean differences, that are no long time of any. */
const MEDIANS = 5
const MEANS = 13

/** The time for which a request of a route has to have been overtaken, ms. */
export function leastHeldMs(tail: Tail, { medianMs, spreadMs }: Pace): number {
  const { leastMs, recentMs } = tail
  return Math.max(MEDIANS * medianMs, Number.isNaN(leastMs) ? MEANS * Math.max(spreadMs, recentMs) : leastMs)
}

/** The quota of cancellations. It begins with none. */
export class CancelQuota {
  #saved = 0
  #lastMs = Number.NEGATIVE_INFINITY

  /** A request came, whether it was admitted or not. */
  offer(): void {
    this.#saved = Math.min(this.#saved + QUOTA, MOST_SAVED)
  }

  /** Returns whether one may be cancelled now. */
  allows(nowMs: number): boolean {
    // A sum of a thousand thousandths is a little less than one.
    return this.#saved > 1 - 1e-9 && nowMs - this.#lastMs >= WINDOW_MS
  }

  /** One is cancelled. */
  spend(nowMs: number): void {
    this.#saved = Math.max(0, this.#saved - 1)
    this.#lastMs = nowMs
  }
}

/** S and L of the requests that may be cancelled. */
export class Pace {
  /** The median latency, ms; 0 before the first request has ended. */
  #medianMs = 0
  /** The mean difference between latencies one after the other, ms. */
  #spreadMs = 0
  #lastMs = 0
  /** The lower quartile of the last few dozens of latencies, ms. */
  #quarterMs = 0
  /** The share of the last few dozens that ended before any that had come before them. */
  #overtaking = 0
  #meanMs = 0
  #samples = 0
  #endedMs = Number.NEGATIVE_INFINITY
  /** A bit of each of the last latencies: that it took CONGESTED medians. */
  #longs = 0

  /** True when a request has ended. */
  get isKnown(): boolean {
    return this.#samples > 0
  }

  get medianMs(): number {
    return this.#medianMs
  }

  get spreadMs(): number {
    return this.#spreadMs
  }

  /** S, ms */
  get serviceMs(): number {
    return Math.max(this.#medianMs, SPREADS * this.#spreadMs)
  }

  /** L at a time, ms. */
  latencyMs(nowMs: number): number {
    return Math.max(this.#meanMs, this.#lastMs) + (nowMs - this.#endedMs)
  }

  /** A request ended at `nowMs` after `latencyMs`. @param isOldest whether all that had come before it had ended */
  end(latencyMs: number, nowMs: number, isOldest: boolean): void {
    this.#endedMs = nowMs
    this.#overtaking += RECENT * ((isOldest ? 0 : 1) - this.#overtaking)
    if (!(latencyMs >= 0 && latencyMs < Number.POSITIVE_INFINITY)) return
    this.#longs =
      ((this.#longs << 1) | (this.#samples >= 1 / RECENT && latencyMs >= CONGESTED * this.#medianMs ? 1 : 0)) & ALL_LAST
    this.#samples += 1
    if (this.#samples === 1) {
      this.#medianMs = latencyMs
      this.#quarterMs = latencyMs
      this.#meanMs = latencyMs
    } else {
      // The median, on a scale of ratios. Where requests wait it hardly rises: it is then that of the waits.
      const step = Math.max(LASTING, 1 / this.#samples)
      const isLonger = latencyMs > this.#medianMs
      this.#medianMs *= Math.exp(isLonger ? (this.#hasQueue ? step / HELD_BACK : step) : -step)
      if (this.#medianMs === 0) this.#medianMs = latencyMs
      this.#quarterMs *= Math.exp(latencyMs > this.#quarterMs ? QUICK / 4 : (-3 * QUICK) / 4)
      if (this.#quarterMs === 0) this.#quarterMs = latencyMs
      this.#spreadMs += RECENT * (Math.abs(latencyMs - this.#lastMs) - this.#spreadMs)
      this.#meanMs += RECENT * (latencyMs - this.#meanMs)
    }
    this.#lastMs = latencyMs
  }

  get #hasQueue(): boolean {
    return this.#samples >= 1 / RECENT && this.#quarterMs >= CONGESTED * this.#medianMs
  }

  /** Returns whether nothing ends any longer. */
  #isSilent(nowMs: number): boolean {
    // The fewer have ended, the less is known of how long they take.
    const lackOf = Math.max(1, 1 / RECENT / this.#samples)
    return this.#samples > 0 && nowMs - this.#endedMs >= lackOf * Math.max(AGED * this.serviceMs, SILENT_MS)
  }

  /** Returns whether nothing ends of requests that end in the order in which they come, as those do that wait for a lock. */
  isLocked(nowMs: number): boolean {
    return this.#overtaking <= OVERTAKING && this.#isSilent(nowMs)
  }

  /** Returns whether requests wait for one another: by their latency, or since none ends any longer. */
  isCongested(nowMs: number): boolean {
    return this.#hasQueue || bitsOf(this.#longs) >= LONGS || this.#isSilent(nowMs)
  }
}

function bitsOf(bits: number): number {
  let count = 0
  for (let left = bits; left !== 0; left &= left - 1) count += 1
  return count
}
