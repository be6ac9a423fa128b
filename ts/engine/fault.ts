/**
 * Failures of an engine's own: a panic of the addon, a trap of the wasm module. None reaches a caller: what was asked is
 * admitted, what was to change is left as it is, and the first failure is reported.
 */

import { FRAME, ROW_CELLS, STATUS } from './port.js'

/** A number that no engine gives to a permit: its release changes nothing. Also in `src/engine/permits.rs`. */
const NO_PERMIT = 2 ** 52

/** Answers the call in the frame without the engine: a request is admitted, and no tick happened. */
export function admit(frame: Float64Array): void {
  frame[FRAME.STATUS] = STATUS.ALLOW
  frame[FRAME.RESISTANCE] = 0
  frame[FRAME.MODE] = 0
  frame[FRAME.MODE_BEFORE] = 0
  frame[FRAME.RETRY_AFTER_MS] = 0
  frame[FRAME.CAUSE] = 0
  frame[FRAME.PERMIT] = NO_PERMIT
}

/** Answers the rows of a batch without the engine: R is 0, and no tick happened. */
export function admitRows(batch: Float64Array, rows: number): void {
  for (let at = 0; at < rows * ROW_CELLS; at += ROW_CELLS) batch.fill(0, at + 1, at + ROW_CELLS)
}

/** The listener that an engine's failures are reported to. */
export type FaultListener = (report: string) => void
