/** The defaults, and what follows from a service level objective: w = ln(1 + criticality), baselines. */

import type {
  Baselines,
  DeltaTime,
  NormalizedPressure,
  Ohms,
  PhysicsConfig,
  SensitivityWeights,
  SLOConfig,
} from './types.js'

/** Half of the capacity in use is what a route is expected to run at. */
const BASELINE_SATURATION = 0.5

/** Tighter than ε: it compares results of one computation, not measurements. */
const FLOAT_TOLERANCE = 1e-10

/** {@link PhysicsConfig}'s defaults; each quantity that has a type has it here. */
export const DEFAULT_CONFIG: PhysicsConfig & {
  readonly baseResistance: Ohms
  readonly criticalPressure: NormalizedPressure
  readonly minDeltaT: DeltaTime
} = Object.freeze({
  baseResistance: 10 as Ohms,
  decayRate: 0.1,
  scarFactor: 5,
  dampingFactor: 20,
  criticalPressure: 0.7 as NormalizedPressure,
  breakMultiplier: 10,
  bootstrapTicks: 10,
  minDeltaT: 100 as DeltaTime,
  tanhScale: 1,
})

export const DEFAULT_SLO: SLOConfig = Object.freeze({
  baselineLatencyMs: 100,
  maxAcceptableLatencyMs: 500,
  targetErrorRate: 0.01,
  criticality: Object.freeze({ latency: 5, error: 8, saturation: 3 }),
})

/** W: logarithmic, so that ten is not ten times as loud as one. */
export function deriveWeights(slo: SLOConfig): SensitivityWeights {
  const { latency, error, saturation } = slo.criticality
  return { wLatency: Math.log(1 + latency), wError: Math.log(1 + error), wSaturation: Math.log(1 + saturation) }
}

/** The baselines of a route that keeps its objective. */
export function deriveBaselines(slo: SLOConfig): Baselines {
  return { latencyMs: slo.baselineLatencyMs, errorRate: slo.targetErrorRate, saturation: BASELINE_SATURATION }
}

/** Returns whether two results differ by less than 1e-10. */
export function floatEquals(a: number, b: number): boolean {
  return Math.abs(a - b) < FLOAT_TOLERANCE
}
