/**
 * The iteration clock: how long requests wait for the event loop, as far as the loop itself shows.
 *
 * The first request of an iteration stamps its start. What is handled later in the same iteration has waited since then; and
 * when the loop did not sleep in between, its bytes came in during the iteration before, half of it ago on average. No timer,
 * nothing per request but a subtraction: what costs is asked once an iteration.
 */

import { builtin } from '../base/builtin.js'

const { performance } = builtin('node:perf_hooks')

/** The loop was busy all the time if it slept no longer than this share of it. */
const SLEEPLESS_SHARE = 0.05
class IterationClock {
  #open = false
  #startMs = Number.NEGATIVE_INFINITY
  #idleMs = 0
  #previousMs = 0
  #restedMs = 0
  readonly #close = (): void => {
    this.#open = false
  }

  /** Notes the request that is being handled; to be called with each, before anything is asked. */
  note(nowMs: number): void {
    if (!this.#open) this.#begin(nowMs)
  }

  /** The time that the request has certainly waited for the loop, ms, ≥ 0. */
  certainMs(nowMs: number): number {
    return nowMs - this.#startMs
  }

  /** The average time that it waited for the loop, ms, ≥ 0. */
  estimateMs(nowMs: number): number {
    return nowMs - this.#startMs + this.#previousMs / 2
  }

  /** The time that the loop has been busy without any sleep: the longest wait for it that is possible, ms, ≥ 0. */
  busyMs(nowMs: number): number {
    return nowMs - this.#restedMs
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
    // A loop that sleeps has nothing left that waits for it; when it slept since the last look, it may have been just now.
    if (sleptMs > 0) this.#restedMs = nowMs
    this.#idleMs = idle
    this.#startMs = nowMs
  }
}

/** A thread has one event loop. */
export const iterationClock = new IterationClock()
