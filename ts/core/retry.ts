/**
 * Law of the return: t = 1000·ln(S/S*)/λ, ms until the scar S has decayed to S*, at which this voltage would flow.
 *
 * A refusal carries its remedy, and the remedy is physics: pressure is assumed to stay, momentum to vanish, and only
 * time to heal. With X = R_base + P·W, the voltage flows when S < V − X. A breaker must close first, and closes when
 * S < recovery point − X, or, the stress being below critical, when S < scarFactor.
 */

import { recoveryPointOf } from './breaker.js'
import { weighPressure } from './resistance.js'
import type { AutoTuner } from './tuner.js'
import type { PhysicsConfig, RouteState, SensitivityWeights } from './types.js'
import { norm } from './vector.js'

const MS_PER_SECOND = 1000

/**
 * The time that a refused request should wait, whole ms, at least minDeltaT. undefined when waiting alone will not do: the
 * voltage is not above R_base, the breaker cannot close under this pressure, or nothing decays (λ = 0).
 *
 * When the present pressure alone holds the voltage back, it is taken to relax by the time the scar has: X is R_base.
 */
export function calculateRetryAfterMs(
  state: RouteState,
  voltage: number,
  weights: SensitivityWeights,
  config: PhysicsConfig,
  tuner?: AutoTuner,
): number | undefined {
  const { baseResistance, decayRate, minDeltaT } = config
  const stressed = Math.max(baseResistance, baseResistance + weighPressure(state.pressure, weights))
  const floor = voltage > stressed ? stressed : baseResistance
  const flows = voltage - floor
  const closes = state.mode === 'CIRCUIT_BREAKER' ? closingScar(state, floor, config, tuner) : Number.POSITIVE_INFINITY
  const neededScar = Math.min(flows, closes)
  if (!(neededScar > 0) || !(decayRate > 0)) return undefined
  const decayMs = (MS_PER_SECOND * Math.log(state.scarTissue / neededScar)) / decayRate
  return Math.ceil(Math.max(decayMs, minDeltaT))
}

/** Scar below which the breaker closes, Ω. */
function closingScar(state: RouteState, floor: number, config: PhysicsConfig, tuner: AutoTuner | undefined): number {
  const byResistance = recoveryPointOf(config, tuner) - floor
  const byHealing = norm(state.pressure) < config.criticalPressure ? config.scarFactor : 0
  return Math.max(byResistance, byHealing)
}
