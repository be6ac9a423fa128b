// The limits of a mock provider of language models: true token buckets, counted as each kind of provider counts.
const MINUTE_MS = 60_000
const MINUTES_A_DAY = 1440

/** A token bucket: full at first, refilled at a constant rate. */
class TokenBucket {
  #level
  #atMs

  /** @param {number} capacity @param {number} windowMs the time in which all of it comes back */
  constructor(capacity, windowMs, nowMs) {
    this.capacity = capacity
    this.ratePerMs = capacity / windowMs
    this.#level = capacity
    this.#atMs = nowMs
  }

  levelAt(nowMs) {
    this.#level = Math.min(this.capacity, this.#level + this.ratePerMs * (nowMs - this.#atMs))
    this.#atMs = nowMs
    return this.#level
  }

  /** Takes an amount, whatever is left; a negative one is given back. */
  take(amount, nowMs) {
    this.#level = Math.min(this.capacity, this.levelAt(nowMs) - amount)
  }

  /** Time until so much is there, ms. */
  waitMs(amount, nowMs) {
    return Math.max(0, (amount - this.levelAt(nowMs)) / this.ratePerMs)
  }

  /** Time until the bucket is full, ms. */
  resetMs(nowMs) {
    return (this.capacity - this.levelAt(nowMs)) / this.ratePerMs
  }
}

/** A window of fixed length, in which so much may be used. */
class FixedWindow {
  #used = 0
  #endsMs

  constructor(capacity, windowMs, nowMs) {
    this.capacity = capacity
    this.windowMs = windowMs
    this.#endsMs = nowMs + windowMs
  }

  levelAt(nowMs) {
    if (nowMs >= this.#endsMs) {
      this.#used = 0
      this.#endsMs += this.windowMs * (1 + Math.floor((nowMs - this.#endsMs) / this.windowMs))
    }
    return this.capacity - this.#used
  }

  take(amount, nowMs) {
    this.levelAt(nowMs)
    this.#used = Math.max(0, this.#used + amount)
  }

  waitMs(amount, nowMs) {
    return this.levelAt(nowMs) >= amount ? 0 : this.#endsMs - nowMs
  }

  resetMs(nowMs) {
    this.levelAt(nowMs)
    return this.#endsMs - nowMs
  }
}

/**
 * The limits of a key.
 *
 * @typedef {object} Limits
 * @property {number} [requestsPerMinute]
 * @property {number} [requestsPerDay]
 * @property {number} [tokensPerMinute] prompt and `max_tokens`, counted when a call comes in
 * @property {number} [inputTokensPerMinute]
 * @property {number} [outputTokensPerMinute] counted as they are made: a call comes in while there are any
 * @property {number} [burstMs] requests are also counted over this time
 * @property {boolean} [windows] fixed windows instead of buckets
 * @property {number} [minuteMs] the length of a minute, for runs whose time is scaled; default 60,000
 */

export class KeyLimits {
  #buckets = {}
  #burst

  /** @param {Limits} limits */
  constructor(limits, nowMs) {
    const { minuteMs = MINUTE_MS } = limits
    const Kind = limits.windows ? FixedWindow : TokenBucket
    const add = (dimension, perMinute) => {
      if (perMinute !== undefined) this.#buckets[dimension] = new Kind(perMinute, minuteMs, nowMs)
    }
    add('requests', limits.requestsPerMinute)
    add('tokens', limits.tokensPerMinute)
    add('inputTokens', limits.inputTokensPerMinute)
    add('outputTokens', limits.outputTokensPerMinute)
    if (limits.requestsPerDay !== undefined) {
      this.#buckets.requests = new TokenBucket(limits.requestsPerDay, MINUTES_A_DAY * minuteMs, nowMs)
    }
    if (limits.burstMs !== undefined) {
      const share = (limits.requestsPerMinute * limits.burstMs) / minuteMs
      this.#burst = new TokenBucket(Math.max(1, share), limits.burstMs, nowMs)
    }
  }

  /**
   * Lets a call in, or returns for how long not, ms.
   *
   * @param {{ inputTokens: number, maxOutputTokens: number }} call
   * @returns {number} 0: it is in
   */
  admit({ inputTokens, maxOutputTokens }, nowMs) {
    const costs = { requests: 1, tokens: inputTokens + maxOutputTokens, inputTokens, outputTokens: 0 }
    let waitMs = this.#burst?.waitMs(1, nowMs) ?? 0
    for (const [dimension, bucket] of Object.entries(this.#buckets)) {
      const needed = dimension === 'outputTokens' ? 1 : costs[dimension]
      waitMs = Math.max(waitMs, bucket.waitMs(Math.min(needed, bucket.capacity), nowMs))
    }
    if (waitMs > 0) return waitMs
    this.#burst?.take(1, nowMs)
    for (const [dimension, bucket] of Object.entries(this.#buckets)) bucket.take(costs[dimension], nowMs)
    return 0
  }

  /** Output tokens were made. */
  made(tokens, nowMs) {
    this.#buckets.outputTokens?.take(tokens, nowMs)
  }

  /** The state of each limit. */
  *states(nowMs) {
    for (const [dimension, bucket] of Object.entries(this.#buckets)) {
      yield {
        dimension,
        limit: bucket.capacity,
        remaining: Math.max(0, bucket.levelAt(nowMs)),
        resetMs: bucket.resetMs(nowMs),
      }
    }
  }
}
