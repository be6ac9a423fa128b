/** The rows of terms in the frame: where a decision's is, and whether it is still there. */

import { FRAME, TERM_ROWS, TERMS } from './port.js'

/** Decisions are numbered with so many bits. */
const DECISIONS = 2 ** 30 - 1

const cellOf = (decision: number): number => FRAME.TERMS + (decision & (TERM_ROWS - 1)) * TERMS.LENGTH

/** A copy of the terms of the decision that the frame holds. */
export function copyTerms(frame: Float64Array): number[] {
  const at = cellOf(frame[FRAME.DECISION]!)
  return [
    frame[at]!,
    frame[at + 1]!,
    frame[at + 2]!,
    frame[at + 3]!,
    frame[at + 4]!,
    frame[at + 5]!,
    frame[at + 6]!,
    frame[at + 7]!,
    frame[at + 8]!,
    frame[at + 9]!,
  ]
}

/** The terms of a decision that was numbered so; undefined where others took its row. */
export function termsAt(frame: Float64Array, decision: number): ArrayLike<number> | undefined {
  const since = (frame[FRAME.DECISION]! - decision) & DECISIONS
  if (since >= TERM_ROWS) return undefined
  const at = cellOf(decision)
  return frame.subarray(at, at + TERMS.LENGTH)
}
