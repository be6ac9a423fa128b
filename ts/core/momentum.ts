/** Law of momentum: M = ‖P − P_prev‖/Δt, 1/ms. Rising and falling count alike: both are change. */

import type { DeltaTime, Momentum, PressureVector } from './types.js'
import { norm, VectorMath } from './vector.js'

/**
 * The rate at which stress changes, 1/ms, ≥ 0 and finite. 0 when no time has passed, or the clock went back.
 *
 * @param previous pressure at the tick before
 * @param deltaT ms since that tick
 */
export function calculateMomentum(current: PressureVector, previous: PressureVector, deltaT: DeltaTime): Momentum {
  if (!(deltaT > 0)) return 0 as Momentum
  const speed = norm(VectorMath.subtract(current, previous)) / deltaT
  return (Number.isNaN(speed) ? 0 : Math.min(speed, Number.MAX_VALUE)) as Momentum
}
