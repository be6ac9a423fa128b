/** Stalls of the event loop, as the watchdog knows them. */

/** A stall of the event loop that is over. */
export interface Stall {
  /** The beginning of the stall, Unix ms. */
  readonly startedAtMs: number
  /** The length of the stall, ms, without what the whole process did not run. */
  readonly durationMs: number
  /** The time in it in which the whole process did not run, as on a machine that was suspended, ms. */
  readonly suspendedMs: number
  /** The time that collections of garbage took of it, ms; undefined where the host does not let it be known, as on Windows. */
  readonly gcMs: number | undefined
  /** The frames of what blocked, the innermost first, a line each; with `watchdog: { stack: true }`, where they could be taken. */
  readonly stack?: string | undefined
}

/** The event loop of this thread, as the watchdog knows it. */
export interface LoopMetrics {
  /** Stalls since the loop was first watched. */
  readonly stalls: number
  /** All of them together, ms. */
  readonly stalledMs: number
  /** The longest, ms. */
  readonly longestMs: number
  /** The time that collections of garbage took of them, ms; undefined where the host does not let it be known. */
  readonly gcMs: number | undefined
  /** The last; undefined: there was none. */
  readonly last: Stall | undefined
}
