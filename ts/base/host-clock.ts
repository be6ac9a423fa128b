/**
 * The clock that the host gave, made fit for the laws, which take time for monotonic and finite.
 *
 * | the clock | what happens |
 * |---|---|
 * | goes back by up to five minutes, or a second where the closed loop is in use | time stands still until it has caught up, Δt = 0 |
 * | goes back further | Δt = 0 once, then time goes on from where it was |
 * | jumps ahead, as after sleep | it is believed: scars fade, leases run out |
 * | jumps ahead by more than 300 years | Δt = 0 once, then time goes on from where it was |
 * | gives no number that a `Date` could hold, or throws | the last reading stands; a warning, once |
 */

import { noticeEnd } from './host-calls.js'

/** Steps back of so much are waited out, ms: counted each by each, those of a clock that jitters would make time run fast. */
const STILL_MS = 300_000
/** ... and under the closed loop, which probes no breaker meanwhile: no longer than a route waits between two probes. */
const STILL_BETWEEN_PROBES_MS = 1000

/** A step ahead of more is a change of clocks, ms: added up, such steps would leave no digits for the time itself. */
const BELIEVED_MS = 1e13
/** The latest time of a `Date`, ms. */
const LATEST_MS = 8.64e15

export class HostClock {
  readonly #clock: { now(): number }
  readonly #warn: (message: string, context: Record<string, unknown>) => void
  #lastMs = 0
  /** The latest time so far, ms. */
  #maxMs = 0
  /** The time that the clock has lost by going back, less the time that it has gained by leaps, ms. */
  #lostMs = 0
  #stillMs = STILL_MS
  #hasRead = false
  #hasWarned = false

  constructor(clock: { now(): number }, warn: (message: string, context: Record<string, unknown>) => void) {
    this.#clock = clock
    this.#warn = warn
  }

  /** Breakers depend on this clock from now on. */
  keepUp(): void {
    this.#stillMs = STILL_BETWEEN_PROBES_MS
  }

  /** ms, at most so much less than before as is waited out; 0 until the clock has been read. Never throws. */
  now(): number {
    const readMs = this.#read() + this.#lostMs
    if (!Number.isFinite(readMs)) return this.#lastMs
    if (this.#hasRead && readMs < this.#maxMs) {
      // The laws make Δt = 0 of it, route by route.
      if (this.#maxMs - readMs <= this.#stillMs) {
        this.#lastMs = readMs
        return readMs
      }
      this.#lostMs += this.#maxMs - readMs
      this.#lastMs = this.#maxMs
      return this.#maxMs
    }
    if (this.#hasRead && readMs - this.#maxMs > BELIEVED_MS) {
      this.#lostMs -= readMs - this.#maxMs
      this.#lastMs = this.#maxMs
      return this.#maxMs
    }
    this.#hasRead = true
    this.#maxMs = readMs
    this.#lastMs = readMs
    return readMs
  }

  /** Forgets what was read: nothing has been timed by it yet. */
  restart(): void {
    this.#hasRead = false
    this.#lostMs = 0
  }

  #read(): number {
    try {
      const ms: unknown = this.#clock.now()
      if (typeof ms === 'number' && Math.abs(ms) <= LATEST_MS) return ms
      noticeEnd(ms)
      this.#report(new TypeError('it gave no time'))
    } catch (error) {
      this.#report(error)
    }
    return Number.NaN
  }

  #report(error: unknown): void {
    if (this.#hasWarned) return
    this.#hasWarned = true
    this.#warn('the clock cannot be read: time stands still until it can', { error })
  }
}
