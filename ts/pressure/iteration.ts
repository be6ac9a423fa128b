/**
 * The iteration clock: how long requests wait for the event loop.
 *
 * The first request of an iteration stamps its start. Whoever is handled later in the same iteration has waited since then;
 * and when the loop did not sleep in between, everybody's bytes came in during the iteration before, half of it ago on
 * average. No timer, nothing per request but a subtraction: what costs is asked once an iteration.
 */

import { performance } from 'node:perf_hooks'

/** The loop was busy all the time if it slept no longer than this share of it. */
const SLEEPLESS_SHARE = 0.05

/** How much an iteration counts in the mean of them: a hundred are remembered, for the reason that `accept` states. */
const PERIOD_GAIN = 0.01

class IterationClock {
  #open = false
  #startMs = Number.NEGATIVE_INFINITY
  #idleMs = 0
  #previousMs = 0
  #meanMs = 0
  #periods = 0
  readonly #close = (): void => {
    this.#open = false
  }

  /** How long the request that is being handled waited for the loop, ms, ≥ 0. */
  ageMs(nowMs: number): number {
    if (!this.#open) this.#begin(nowMs)
    return nowMs - this.#startMs + this.#previousMs / 2
  }

  /** How long an iteration takes while the loop does not sleep, ms, ≥ 0. */
  get periodMs(): number {
    return this.#meanMs
  }

  #begin(nowMs: number): void {
    this.#open = true
    // Iterations end after their I/O. Unreferenced: a clock is no reason to stay alive.
    setImmediate(this.#close).unref()
    const { idle } = performance.eventLoopUtilization()
    const periodMs = nowMs - this.#startMs
    const sleptMs = idle - this.#idleMs
    const isContiguous = sleptMs <= SLEEPLESS_SHARE * periodMs && periodMs < Number.POSITIVE_INFINITY
    this.#previousMs = isContiguous ? periodMs : 0
    if (isContiguous) {
      this.#periods += 1
      this.#meanMs += (periodMs - this.#meanMs) * Math.max(1 / this.#periods, PERIOD_GAIN)
    }
    this.#idleMs = idle
    this.#startMs = nowMs
  }
}

/** A thread has one event loop. */
export const iterationClock = new IterationClock()
