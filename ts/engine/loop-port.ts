/** The part of an engine that watches the event loop of its thread; of the native engine only. */
export interface LoopPort {
  /** The addon's file, which another thread can load, too. */
  readonly file: string
  /** Watches the loop: `cells` holds what is known of its stalls, `onStall` is called after each. False where it can't be watched. */
  watchLoop(cells: Float64Array, onStall: () => void): boolean
  /** The number of this thread's loop, by which other threads look at it; undefined: it is not watched. */
  number(): number | undefined
  /** Decisions of this engine know of the loop's stalls from now on; false where it is not watched. */
  attach(): boolean
  /** The stalls that the engine has learnt of since this was last called: the beginning and the end of each, ms. FRAME.STALLS changes with them. */
  takeStalls(): Float64Array
  /** The engine learns of a stall: of a recording that is replayed. */
  blocked(sinceMs: number, untilMs: number): void
  /** So much of the age of a permit, which comes back next, does not count, ms: of a recording that is replayed. */
  postpone(permit: number, byMs: number): void
  /** The time of a permit, which fails now, in which the loop stalled, if it stalled just now, ms; FRAME.AGE_MS is its age. */
  stalledMs(permit: number): number
}
