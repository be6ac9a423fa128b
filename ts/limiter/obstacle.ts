/** The obstacle of a refused request, from the terms of R that the engine names. */

import type { OperationalMode } from '../core/types.js'
import { FRAME } from '../engine/port.js'
import type { Routes } from '../routes/routes.js'
import type { LimitedBy } from './types.js'

/** R of a route that is not known yet, in R_base: below it, resistance is no scar. */
const UNKNOWN_SHARE = 1.2
/** Ω within which two terms are the same. */
const TOLERANCE = 1e-6

/** The obstacle of the refusal in the frame; an order and the breaker go before all others. */
export function obstacleIn(frame: Float64Array, routeId: string, mode: OperationalMode, routes: Routes): LimitedBy {
  if (routes.isOverriddenOpen(routeId)) return 'override'
  if (mode === 'CIRCUIT_BREAKER') return 'breaker'
  const voltage = frame[FRAME.VOLTAGE]!
  // A request that flows by voltage was refused by an order of another instance of the process.
  if (voltage > frame[FRAME.RESISTANCE]!) return 'override'
  const own = frame[FRAME.OWN_RESISTANCE]!
  const crowd = frame[FRAME.RESISTANCE]! - own
  const queue = frame[FRAME.QUEUE_RESISTANCE]!
  if (
    voltage > crowd &&
    voltage > crowd + Math.min(own, UNKNOWN_SHARE * routes.paramsOf(routeId).config.baseResistance)
  )
    return 'scar'
  if (queue > 0 && queue > crowd - TOLERANCE) return 'queue_age'
  return frame[FRAME.PROCESS_SATURATION]! > frame[FRAME.OCCUPANCY]! ? 'process' : 'occupancy'
}
