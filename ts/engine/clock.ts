/** The time of an instance: the engine's own monotonic clock, or one that the caller gave. */

import { HostClock } from '../base/host-clock.js'
import { monotonic } from '../base/monotonic.js'
import { type Engine, FRAME } from './port.js'

/** A clock that the caller gave. */
export interface GivenClock {
  now(): number
}

/** The global `Date`, read anew each time, so that a faked one counts. */
const GLOBAL_CLOCK: GivenClock = { now: () => Date.now() }

export class InstanceClock {
  /** True when time is a clock of the caller's: the engine does not read it, and timers do not follow it. */
  readonly isHost: boolean
  readonly #engine: Engine
  readonly #host: HostClock | undefined
  readonly #followers: ((nowMs: number) => void)[] = []
  #lastMs = 0

  /** @param warn reports a clock that cannot be read */
  constructor(
    engine: Engine,
    given: GivenClock | 'global' | undefined,
    warn: (message: string, context: Record<string, unknown>) => void,
  ) {
    const clock = given === 'global' ? GLOBAL_CLOCK : given
    this.#engine = engine
    this.#host = clock && new HostClock(clock, warn)
    this.isHost = this.#host !== undefined
    engine.frame[FRAME.NOW] = Number.NaN
  }

  /** Forgets what was read while the instance was built: nothing has been timed by it yet. */
  restart(): void {
    this.#host?.restart()
  }

  /** Breakers depend on this clock from now on: {@link HostClock.keepUp}. */
  keepUp(): void {
    this.#host?.keepUp()
  }

  /** Puts the present into the frame where it is not the engine's own. The clock is the caller's and may ask this instance. */
  read(): void {
    if (this.#host === undefined) return
    this.#lastMs = this.#host.now()
    this.#engine.frame[FRAME.NOW] = this.#lastMs
  }

  /** The same, and reports the present to those that follow: no timer follows a caller's clock. */
  settle(): void {
    if (this.#host === undefined) return
    this.read()
    for (const follow of this.#followers) follow(this.#lastMs)
  }

  /** Calls back with the present, ms, at every {@link InstanceClock.settle} of a caller's clock, in the order of these calls. */
  follow(callback: (nowMs: number) => void): void {
    this.#followers.push(callback)
  }

  /** Whole ms since the Unix epoch, or what the caller's clock reads. */
  nowMs(): number {
    if (this.#host === undefined) return Math.floor(performance.timeOrigin + performance.now())
    this.read()
    return this.#lastMs
  }

  /** For spans within this process, ms: monotonic, or what the caller's clock reads. */
  spanMs(): number {
    return this.#host === undefined ? monotonic() : this.nowMs()
  }
}
