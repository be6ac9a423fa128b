/** Law of resistance: R = max(R_base, R_base + P·W + μ·M + S + U), at most R_max. */

import { MAX_RESISTANCE } from './constants.js'
import { PhysicsGuard } from './guards.js'
import type { Momentum, Ohms, PhysicsConfig, PressureVector, Scar, SensitivityWeights } from './types.js'
import { VectorMath } from './vector.js'

/** P·W: what the present stress contributes, Ω; negative on a route that does better than expected. */
export function weighPressure(pressure: PressureVector, weights: SensitivityWeights): number {
  return VectorMath.sum(VectorMath.scaleComponents(pressure, weights))
}

/**
 * The resistance that a request must overcome, Ω, in [baseResistance, 1e6].
 *
 * @param staleness U, Ω, default 0
 */
export function calculateResistance(
  pressure: PressureVector,
  momentum: Momentum,
  scar: Scar,
  weights: SensitivityWeights,
  config: Pick<PhysicsConfig, 'baseResistance' | 'dampingFactor'>,
  staleness = 0,
): Ohms {
  const { baseResistance, dampingFactor } = config
  const total = baseResistance + weighPressure(pressure, weights) + dampingFactor * momentum + scar + staleness
  // An overflow is the most stress there is: it must end at the ceiling, not count as a broken number.
  return PhysicsGuard.clampResistance(Math.min(total, MAX_RESISTANCE), baseResistance) as Ohms
}
