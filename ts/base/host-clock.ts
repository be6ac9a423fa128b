/**
 * The clock that the host gave, made fit for the laws, which take time for monotonic and finite.
 *
 * | the clock | what happens |
 * |---|---|
 * | goes back by up to a second | time stands still until it has caught up, Δt = 0 |
 * | goes back further | Δt = 0 once, then time goes on from where it was |
 * | jumps ahead, as after sleep | it is believed: scars fade, leases run out |
 * | gives no finite number, or throws | the last reading stands; a warning, once |
 */

/**
 * Steps back of so much are waited out, ms: counted each by each, those of a clock that jitters would make time run fast. Meanwhile no
 * breaker is probed, so it is no longer than a route waits between two probes.
 */
const STILL_MS = 300_000

export class HostClock {
  readonly #clock: { now(): number }
  readonly #warn: (message: string, context: Record<string, unknown>) => void
  #lastMs = 0
  /** The latest time so far, ms. */
  #maxMs = 0
  /** What the clock has lost by going back, ms. */
  #lostMs = 0
  #hasRead = false
  #hasWarned = false

  constructor(clock: { now(): number }, warn: (message: string, context: Record<string, unknown>) => void) {
    this.#clock = clock
    this.#warn = warn
  }

  /** ms, at most a second less than before; 0 until the clock has been read. Never throws. */
  now(): number {
    const readMs = this.#read() + this.#lostMs
    if (!Number.isFinite(readMs)) return this.#lastMs
    if (this.#hasRead && readMs < this.#maxMs) {
      // The laws make Δt = 0 of it, route by route.
      if (this.#maxMs - readMs <= STILL_MS) {
        this.#lastMs = readMs
        return readMs
      }
      this.#lostMs += this.#maxMs - readMs
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
      const ms = this.#clock.now()
      if (typeof ms === 'number' && Number.isFinite(ms)) return ms
      this.#report(new TypeError('it gave no finite number'))
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
