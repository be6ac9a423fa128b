/** The part of an engine that watches the event loop of its thread; of the native engine only. */
export interface LoopPort {
  /** Watches the loop: `cells` holds what is known of its stalls, `onStall` is called after each. False where it can't be watched. */
  watchLoop(cells: Float64Array, onStall: () => void): boolean
  /** Decisions of this engine know of the loop's stalls from now on; false where it is not watched. */
  attach(): boolean
  /** Sets whether stalls excuse requests; not while a recording is made, which has none. */
  setExcuses(excuses: boolean): void
  /** The time of a permit, which fails now, in which the loop stalled, if it stalled just now, ms; FRAME.AGE_MS is its age. */
  stalledMs(permit: number): number
}
