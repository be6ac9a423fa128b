/**
 * Law of the scar: S ← S·e^(−λΔt/1000) + σ·[‖P⁺‖ > P_crit], with P⁺ = max(P, 0) component by component.
 *
 * P⁺ is a check valve: stress leaves a mark, relief never does. Without it a route that answers far *faster* than its
 * baseline would have a large ‖P‖, and be wounded by doing well.
 */

import { MAX_RESISTANCE } from './constants.js'
import { PhysicsGuard, safeExp, sanitizePositive } from './guards.js'
import type { DeltaTime, PhysicsConfig, PressureVector, Scar } from './types.js'

const MS_PER_SECOND = 1000

/**
 * The scar after `deltaT` ms of healing and one tick of `pressure`, Ω, in [0, 1e6]; exactly 0 below ε. Time that runs
 * backwards heals nothing.
 *
 * The upper bound is R_max: more could not be seen in R, and would only be longer in healing.
 */
export function updateScar(
  currentScar: Scar,
  pressure: PressureVector,
  config: Pick<PhysicsConfig, 'decayRate' | 'scarFactor' | 'criticalPressure'>,
  deltaT: DeltaTime,
): Scar {
  const elapsedSeconds = sanitizePositive(deltaT) / MS_PER_SECOND
  const healed = sanitizePositive(currentScar) * safeExp(-config.decayRate * elapsedSeconds, 1)
  const trauma = stressOf(pressure) > config.criticalPressure ? config.scarFactor : 0
  return PhysicsGuard.cleanScar(Math.min(healed + trauma, MAX_RESISTANCE)) as Scar
}

/** ‖P⁺‖ */
function stressOf(p: PressureVector): number {
  const latency = Math.max(0, p.latency)
  const error = Math.max(0, p.error)
  const saturation = Math.max(0, p.saturation)
  return Math.sqrt(latency * latency + error * error + saturation * saturation)
}
