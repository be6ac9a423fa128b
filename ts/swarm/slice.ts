/** The slice that a process has of one unit of a shared budget, and how large it ought to be. */

import type { SourcedRoot } from './source.js'

/** A slice is as large as the use in this time, ms … */
export const HORIZON_MS = 1000
/** … at most this part of the limit, and at first this one; never less than a run needs. */
const MOST_PART = 64
const FIRST_PART = 256

/** One unit of the root, in quanta of the root. */
export class Slice {
  /** Counted as used in the account under an earlier membership. */
  base = 0
  /** Quanta that it may use beyond that. */
  granted = 0
  missing = 0
  /** True while nothing more is reserved, since others have waited for longer. */
  isStopped = false
  /** Quanta of the grant that are not to be reserved. */
  kept = 0
  /** The need of the last run that was short of something. */
  need = 0
  burst = 0
  /** Quanta a ms. */
  rate = 0
  seenTaken = 0
  /** True while it is used, or larger than when nothing is used. */
  isActive = false

  constructor(
    readonly unit: string,
    readonly root: SourcedRoot,
  ) {}

  get limit(): number {
    return this.root.limitOf(this.unit)
  }

  get held(): number {
    return this.root.heldOf(this.unit)
  }

  /** Used and reserved beyond the base. */
  get taken(): number {
    return Math.max(0, this.root.usedOf(this.unit) + this.held - this.base)
  }

  get used(): number {
    return Math.max(0, this.root.usedOf(this.unit) - this.base)
  }

  /** Has the waiting calls tried again. */
  apply(granted: number): void {
    this.granted = granted
    // Quanta of calls that end are not reserved again while others have waited for longer.
    this.kept = this.isStopped ? Math.min(granted, this.held) : 0
    this.root.setGranted(this.unit, this.base + granted - this.kept)
  }

  /** The slice of a node that uses nothing. */
  get #least(): number {
    return this.need > 0 ? this.need : Math.ceil(this.limit / FIRST_PART)
  }

  /** The size of slice that this node asks for. */
  get window(): number {
    const most = Math.max(this.need, Math.ceil(this.limit / MOST_PART))
    return Math.ceil(Math.min(Math.max(this.#least, this.burst, this.rate * HORIZON_MS), most))
  }

  /** Notes that a call lacked an amount beyond what is granted. */
  lack(missing: number): void {
    this.need = Math.max(1, missing + this.granted - this.taken)
    this.burst = Math.max(2 * this.burst, this.need)
  }

  /** Notes an amount that the account counts as used from now on, used or not. */
  settle(quanta: number): void {
    this.base += quanta
    this.granted = 0
    this.seenTaken = 0
  }

  /** Updates the rate of use from the time since the last call. */
  learn(elapsedMs: number): void {
    const { taken } = this
    const used = Math.max(0, taken - this.seenTaken)
    this.isActive = used > 0 || this.window > this.#least
    this.seenTaken = taken
    const weight = Math.min(1, elapsedMs / HORIZON_MS)
    this.rate += weight * (used / Math.max(1, elapsedMs) - this.rate)
    if (this.missing === 0) this.burst *= 0.5 ** (elapsedMs / HORIZON_MS)
  }
}

/** Amounts of an account and of this process, where they count a unit by different quanta. */
export const converted = (quanta: number, from: number, to: number, round: (x: number) => number): number =>
  from === to ? quanta : round((quanta / from) * to)
