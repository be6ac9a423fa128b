/**
 * The rule that finds the culprit: of requests that may be cancelled, the one whose cancelling frees most. A pure function; what it leads to is in
 * `culprits.ts`.
 *
 * ```text
 * freed(i) ∝ age(i)·share(i)
 * cancel argmax freed(i) over  age(i) ≥ max(L + AGED·S, AGED_MS),  tier(i) ≤ tier of the most important that waits
 *        while offered·QUOTA − cancelled ≥ 1,  and WINDOW_MS after the last
 * S: the median latency over thousands of requests     L: the mean latency of the last few dozen
 * requests wait where one is refused for want of a place, L ≥ CONGESTED·S, or nothing ends for AGED·S
 * ```
 *
 * One request in a thousand that holds a place for a thousand times as long as the others holds half of the capacity; those that are shed
 * for want of it are its victims, and the places that they would take are not the ones that are short. How long a request goes on holding is
 * not known. But of those that have held for many service times, the ones that held longest go on longest: for service times with a heavy
 * tail, P(service > s) = (s₀/s)^α, the mean of what is left is age/(α − 1), so what cancelling frees grows in proportion to age·share. With a
 * light tail no service takes so long: P(service > AGED·S) = 2^−AGED where it is exponential, one in a million.
 *
 * L keeps the victims apart from the culprit. Places that are handed out in the order of arrival are handed to a request that waits for one within
 * about L, in mere overload too; one that is older than that by AGED·S has been overtaken by all that came after it, since it is served. A
 * share is what the request holds of what is short, 1 by default; one that can tell that it itself waits has none.
 */

/** A request that may be cancelled. */
export interface Candidate {
  /** The time since it was admitted, ms. */
  readonly ageMs: number
  /** Its part of the resource that is short, ≥ 0. */
  readonly share: number
  /** 0 (bulk) to 4 (critical). */
  readonly tier: number
}

/** Median service times, and ms, from which a request is old. */
export const AGED = 20
export const AGED_MS = 50
/** Requests wait for one another where their latency is so many times the median. */
const CONGESTED = 4
/** 1/the samples that L and S remember. */
const RECENT = 1 / 32
const LASTING = 1 / 2048
/** Of the requests at most so many are cancelled. */
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
    const { ageMs, share, tier } = candidate
    const freed = ageMs * share
    if (ageMs >= leastMs && tier <= wantingTier && freed > most && freed < Number.POSITIVE_INFINITY) {
      most = freed
      culprit = candidate
    }
  }
  return culprit
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

/** S and L of what may be cancelled. */
export class Pace {
  /** ms; 0 before the first request has ended. */
  serviceMs = 0
  latencyMs = 0
  #samples = 0
  #endedMs = Number.NEGATIVE_INFINITY

  /** A request ended at `nowMs` after `latencyMs`. */
  end(latencyMs: number, nowMs: number): void {
    this.#endedMs = nowMs
    if (!(latencyMs >= 0 && latencyMs < Number.POSITIVE_INFINITY)) return
    this.#samples += 1
    if (this.#samples === 1) {
      this.serviceMs = latencyMs
      this.latencyMs = latencyMs
      return
    }
    // The median, on a scale of ratios: a queue that builds up within seconds leaves it as it was.
    const step = Math.max(LASTING, 1 / this.#samples)
    this.serviceMs *= Math.exp(latencyMs > this.serviceMs ? step : -step)
    if (this.serviceMs === 0) this.serviceMs = latencyMs
    this.latencyMs += RECENT * (latencyMs - this.latencyMs)
  }

  /** Returns whether requests wait for one another: by their latency, or since none ends any longer. */
  isCongested(nowMs: number): boolean {
    if (this.#samples < 1 / RECENT) return false
    return (
      this.latencyMs >= CONGESTED * this.serviceMs || nowMs - this.#endedMs >= Math.max(AGED * this.serviceMs, AGED_MS)
    )
  }
}
