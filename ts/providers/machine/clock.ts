/**
 * The clock that the processes of a machine share: Unix time as the first of them read it, which goes on by monotonic time. The system's clock may be
 * set back or ahead while they run; what expires at a time of this clock still does so in its time, and later changes have later stamps.
 */

import { monotonic } from '../../base/monotonic.js'

/** A clock that is further ahead of the system's is none, ms: a year. Behind it may be by any time: a machine without a battery begins in the past. */
const MOST_AHEAD_MS = 366 * 86_400_000

/**
 * A clock as it travels: its name, what it showed, and the time at which it began, ms of the machine's monotonic clock. That one is the same in all processes:
 * of any two clocks all know alike which one came first, however soon after it the other began and however late its message came.
 */
export type ClockReading = readonly [id: string, nowMs: number, beganMs: number]

export class MachineClock {
  #id: string
  /** The time at which the shared clock began, and its lead over the machine's monotonic one, ms. */
  #beganMs = monotonic()
  #offsetMs = Date.now() - this.#beganMs

  /** @param id of this process: the clock has its name until that of an older one is heard of */
  constructor(id: string) {
    this.#id = id
  }

  /** Whole Unix ms; never goes back but for a clock that is older than this one. */
  nowMs(): number {
    return Math.floor(monotonic() + this.#offsetMs)
  }

  read(): ClockReading {
    return [this.#id, monotonic() + this.#offsetMs, this.#beganMs]
  }

  /** Takes over a clock that began before this one. What is no reading counts for nothing: older versions send none. */
  learn(given: unknown): void {
    if (!Array.isArray(given)) return
    const [id, unixMs, beganMs] = given as unknown[]
    if (typeof id !== 'string' || id.length > 64 || !isTime(unixMs) || !isTime(beganMs)) return
    const offsetMs = unixMs - monotonic()
    if (unixMs - Date.now() > MOST_AHEAD_MS) return
    if (id === this.#id) {
      // A message is late, and never early.
      this.#offsetMs = Math.max(this.#offsetMs, offsetMs)
      return
    }
    if (beganMs === this.#beganMs ? id > this.#id : beganMs > this.#beganMs) return
    this.#id = id
    this.#offsetMs = offsetMs
    this.#beganMs = beganMs
  }
}

const isTime = (ms: unknown): ms is number => Number.isFinite(ms) && (ms as number) >= 0
