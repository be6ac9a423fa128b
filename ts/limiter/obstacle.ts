/** What stood in a refused request's way, from the terms of R that the engine names. */

import { FRAME } from '../engine/port.js'
import type { LimitedBy } from './types.js'

/** R of a route that is not known yet, in R_base: below it, resistance is nobody's scar. */
const UNKNOWN_SHARE = 1.2
/** Ω within which two terms are the same. */
const TOLERANCE = 1e-6

/**
 * The obstacle of the refusal in the frame; an order and the breaker go before all others.
 *
 * @param isOrdered an operator has ordered the route open
 * @param isBroken its breaker is open
 * @param baseResistance gives R_base of the route, Ω
 */
export function obstacleIn(
  frame: Float64Array,
  isOrdered: boolean,
  isBroken: boolean,
  baseResistance: () => number,
): LimitedBy {
  if (isOrdered) return 'override'
  if (isBroken) return 'breaker'
  const voltage = frame[FRAME.VOLTAGE]!
  const own = frame[FRAME.OWN_RESISTANCE]!
  const crowd = frame[FRAME.RESISTANCE]! - own
  const queue = frame[FRAME.QUEUE_RESISTANCE]!
  if (voltage > crowd && voltage > crowd + Math.min(own, UNKNOWN_SHARE * baseResistance())) return 'scar'
  if (queue > 0 && queue > crowd - TOLERANCE) return 'queue_age'
  return frame[FRAME.PROCESS_SATURATION]! > frame[FRAME.OCCUPANCY]! ? 'process' : 'occupancy'
}
