/**
 * Evidence of this node: keys that take up more than a share of the requests, or that fail more often than a count, within a window. Each
 * bucket counts for the key that is in most of its requests (Boyer and Moore's majority vote), so that a count is never more than the
 * key's own: what is counted of a key is a lower bound.
 */

const BUCKETS = 4_096
/** Fewer requests in a window prove nothing. */
const LEAST_REQUESTS = 100

/** The bounds that a key has to exceed. */
export interface EvidenceLimits {
  /** Share of all requests of the window, (0, 1]; undefined: none is too much. */
  readonly share: number | undefined
  /** Failures in the window, ≥ 1, where they are most of all failures; undefined: none are too many. */
  readonly failures: number | undefined
  /** ms */
  readonly windowMs: number
}

export type Scenario = 'share' | 'failures'

export class Evidence {
  readonly #limits: EvidenceLimits
  readonly #found: (hash: number, scenario: Scenario) => void
  readonly #keys = new Float64Array(BUCKETS).fill(-1)
  readonly #counts = new Float64Array(BUCKETS)
  readonly #failed = new Float64Array(BUCKETS)
  #requests = 0
  #failures = 0
  #endsMs = Number.NEGATIVE_INFINITY

  constructor(limits: EvidenceLimits, found: (hash: number, scenario: Scenario) => void) {
    this.#limits = limits
    this.#found = found
  }

  get countsFailures(): boolean {
    return this.#limits.failures !== undefined
  }

  /** Counts a request of a key. */
  request(hash: number, nowMs: number): void {
    if (nowMs >= this.#endsMs) this.#begin(nowMs)
    const bucket = (hash >>> 0) & (BUCKETS - 1)
    this.#requests += 1
    if (this.#keys[bucket] === hash) {
      const count = this.#counts[bucket]! + 1
      this.#counts[bucket] = count
      const { share } = this.#limits
      if (share !== undefined && this.#requests >= LEAST_REQUESTS && count > share * this.#requests) {
        this.#found(hash, 'share')
      }
    } else if (this.#counts[bucket] === 0) {
      this.#keys[bucket] = hash
      this.#counts[bucket] = 1
      this.#failed[bucket] = 0
    } else this.#counts[bucket]! -= 1
  }

  /** Counts a failed request of a key. */
  failure(hash: number): void {
    const { failures } = this.#limits
    this.#failures += 1
    const bucket = (hash >>> 0) & (BUCKETS - 1)
    if (failures === undefined || this.#keys[bucket] !== hash) return
    const failed = this.#failed[bucket]! + 1
    this.#failed[bucket] = failed
    if (failed > failures && failed * 2 > this.#failures) this.#found(hash, 'failures')
  }

  #begin(nowMs: number): void {
    this.#endsMs = nowMs + this.#limits.windowMs
    this.#keys.fill(-1)
    this.#counts.fill(0)
    this.#failed.fill(0)
    this.#requests = 0
    this.#failures = 0
  }
}
