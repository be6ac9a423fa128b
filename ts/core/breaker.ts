/**
 * Law of the breaker: where a route breaks, and when it has healed.
 *
 * Two thresholds, so that a route near the limit does not flap: it opens at R ≥ break point and closes again when
 * R < recovery point, or when the wound is less than one trauma old and the stress is gone.
 */

import type { AutoTuner } from './tuner.js'
import type { Ohms, PhysicsConfig, PressureVector, Scar } from './types.js'
import { norm } from './vector.js'

/** Share of the static break point at which a route without a tuner recovers. */
const STATIC_RECOVERY_MULTIPLIER = 0.5

type BreakerConfig = Pick<PhysicsConfig, 'baseResistance' | 'breakMultiplier' | 'scarFactor' | 'criticalPressure'>

/** R_base·breakMultiplier, or what the tuner says once it is warm, Ω. */
export function breakPointOf(config: BreakerConfig, tuner?: AutoTuner): Ohms {
  const staticPoint = config.baseResistance * config.breakMultiplier
  return tuner ? tuner.computeBreakPoint(staticPoint) : (staticPoint as Ohms)
}

/** Half the static break point, or what the tuner says, Ω. */
export function recoveryPointOf(config: BreakerConfig, tuner?: AutoTuner): Ohms {
  const staticPoint = config.baseResistance * config.breakMultiplier
  return tuner ? tuner.computeRecoveryPoint(staticPoint) : ((staticPoint * STATIC_RECOVERY_MULTIPLIER) as Ohms)
}

/** Returns whether an open breaker closes. */
export function hasRecovered(
  resistance: Ohms,
  scar: Scar,
  pressure: PressureVector,
  config: BreakerConfig,
  tuner?: AutoTuner,
): boolean {
  if (resistance < recoveryPointOf(config, tuner)) return true
  return scar < config.scarFactor && norm(pressure) < config.criticalPressure
}
