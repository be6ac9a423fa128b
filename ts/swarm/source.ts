/**
 * The seam to budgets that processes share: how much of a root's budget this process may use. Without a source that is all of it. A source
 * takes slices of a shared budget and adds each to what the root may use; it takes back what the root has left. All amounts are whole
 * quanta, see {@link Units}, so that slices add up exactly; `scaleOf` is the number of them in a unit.
 */

/** A root as its source sees it. */
export interface SourcedRoot {
  readonly name: string
  /** The units of the root's own budget that are spent: neither `wallMs`, `depth` nor `children`. */
  readonly ownUnits: readonly string[]
  /** Quanta in one unit. */
  scaleOf(unit: string): number
  /** The whole limit. */
  limitOf(unit: string): number
  /** The part that this process may use, in all since it began; 0 until the source has granted some. */
  grantedOf(unit: string): number
  usedOf(unit: string): number
  heldOf(unit: string): number
  /** Sets what this process may use in all. Less than `used + held` is possible: then nothing more is reserved. Then tries the waiting calls again. */
  setGranted(unit: string, quanta: number): void
  /** Sets what other processes have used, and what they hold, as far as this one knows: for figures, and for the soft limit. */
  setElsewhere(unit: string, used: number, held: number): void
}

export interface BudgetSource {
  /** Called once, when the root is made. */
  attach(root: SourcedRoot): void
  /**
   * A reservation found too little in this process. Called at most once a refusal, on the decision path: asks for more in the background.
   *
   * @returns whether more may come, so that it is worth waiting for
   */
  short(unit: string, missing: number): boolean
  /**
   * Work under way has used more than this process was granted. Asks for more in the background.
   *
   * @param beyond all that is used and held beyond what was granted
   * @returns whether the shared budget has so much left for sure, so that the work may go on
   */
  covers(unit: string, beyond: number): boolean
  /** The root is closed: what it has left goes back. */
  close(): void
}
