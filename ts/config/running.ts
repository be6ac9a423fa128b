/** A trial under way on this node: when it is looked at, when it ends, and how its result is stored. */

import type { Verdict } from './canary.js'
import { graceOf, type StandingPatch } from './layers.js'

/** Looks at a trial while it lasts. */
const LOOKS = 30
/** The longest time between two attempts to store the result of a trial, ms. */
const MOST_STEP_MS = 5_000

export interface Running {
  readonly layer: 'cluster' | 'node'
  readonly patch: StandingPatch
  readonly judge: (isLast: boolean) => Verdict
  readonly endsMs: number
  stepMs: number
  nextMs: number
  /** Rolled back here; that is still to be stored. */
  isBad: boolean
  evidence: string | undefined
  isWriting: boolean
  /** The result could not be stored, and that was logged. */
  isUnstored: boolean
}

/**
 * Begins a trial.
 *
 * @param nowMs the time of the layer's store
 * @param startMs the present by the clock of spans
 */
export function beginTrial(
  layer: Running['layer'],
  patch: StandingPatch,
  nowMs: number,
  startMs: number,
  judge: Running['judge'],
): Running {
  const { forMs, untilMs } = patch.trial!
  const leftMs = Math.max(0, Math.min(forMs, untilMs - nowMs - graceOf(forMs)))
  const stepMs = Math.max(forMs / LOOKS, 20)
  return {
    ...{ layer, patch, judge, endsMs: startMs + leftMs, stepMs, nextMs: startMs + stepMs },
    ...{ isBad: false, isWriting: false, isUnstored: false, evidence: undefined },
  }
}

/** The next attempt to store the result comes later than this one did. */
export function slowDown(running: Running): void {
  running.stepMs = Math.min(2 * running.stepMs, Math.max(running.stepMs, MOST_STEP_MS))
}
