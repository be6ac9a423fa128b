/** What stood in a refused request's way, from the terms of R that the engine names. */

import type { OperationalMode } from '../core/index.js'
import { FRAME } from '../engine/port.js'
import type { LoopHost } from './host.js'
import type { LimitedBy } from './types.js'

/** R of a route that is not known yet, in R_base: below it, resistance is nobody's scar. */
const UNKNOWN_SHARE = 1.2
/** Ω within which two terms are the same. */
const TOLERANCE = 1e-6

/** The obstacle of the refusal in the frame; an order and the breaker go before all others. */
export function obstacleIn(frame: Float64Array, routeId: string, mode: OperationalMode, host: LoopHost): LimitedBy {
  if (host.isOrderedOpen(routeId)) return 'override'
  if (mode === 'CIRCUIT_BREAKER') return 'breaker'
  const voltage = frame[FRAME.VOLTAGE]!
  // One that flows by voltage was ordered to be refused, if not by this instance then by another of the process.
  if (voltage > frame[FRAME.RESISTANCE]!) return 'override'
  const own = frame[FRAME.OWN_RESISTANCE]!
  const crowd = frame[FRAME.RESISTANCE]! - own
  const queue = frame[FRAME.QUEUE_RESISTANCE]!
  if (voltage > crowd && voltage > crowd + Math.min(own, UNKNOWN_SHARE * host.baseResistanceOf(routeId))) return 'scar'
  if (queue > 0 && queue > crowd - TOLERANCE) return 'queue_age'
  return frame[FRAME.PROCESS_SATURATION]! > frame[FRAME.OCCUPANCY]! ? 'process' : 'occupancy'
}
