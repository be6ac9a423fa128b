/** Time as a value that is passed in. The laws never read a clock; only their caller holds one. */

import { ConfigError } from '../base/errors.js'
import { isSafeNumber } from './guards.js'
import type { DeltaTime, Timestamp } from './types.js'

/** A source of time, ms. */
export interface Clock {
  now(): Timestamp
}

function requireFinite(field: string, valueMs: number): number {
  if (!isSafeNumber(valueMs)) throw new ConfigError(field, 'a finite number of ms', valueMs)
  return valueMs
}

/**
 * Time that stands still until it is set, for tests and simulation. It may be moved backwards, as real clocks
 * sometimes are.
 *
 * @throws ConfigError when moved by, or to, what is no finite number.
 */
export class VirtualClock implements Clock {
  #nowMs: number

  /** Starts at `initialMs`, 0 by default. */
  constructor(initialMs = 0) {
    this.#nowMs = requireFinite('initialMs', initialMs)
  }

  now(): Timestamp {
    return this.#nowMs as Timestamp
  }

  /** Moves on by `deltaMs`, 1 by default. */
  advance(deltaMs = 1): void {
    this.#nowMs += requireFinite('deltaMs', deltaMs)
  }

  /** Jumps to `nowMs`. */
  set(nowMs: number): void {
    this.#nowMs = requireFinite('nowMs', nowMs)
  }

  /** Time since `previous`, ms; negative when the clock was set back in between. */
  deltaFrom(previous: Timestamp): DeltaTime {
    return (this.#nowMs - previous) as DeltaTime
  }
}

/** The system's wall clock. */
export class RealClock implements Clock {
  now(): Timestamp {
    return Date.now() as Timestamp
  }

  /** Time since `previous`, ms; negative when the system clock was set back in between. */
  deltaFrom(previous: Timestamp): DeltaTime {
    return (Date.now() - previous) as DeltaTime
  }
}
