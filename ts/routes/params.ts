/** From what an operator says (config, objective, tuner, profile) to the numbers a route is governed by. */

import { nameNumber } from '../base/keys.js'
import {
  type AutoTunerConfig,
  deriveBaselines,
  deriveWeights,
  getProfileConfig,
  type PhysicsConfig,
  type ProfileConfig,
  type SLOConfig,
  type WorkloadProfile,
} from '../core/index.js'
import { LAW } from '../engine/port.js'

/** Bounds of the closed loop's adaptive limit, requests in flight. */
export interface LimitConfig {
  /** The limit is never below this; 1 to 1,000,000. Default 1. */
  readonly min: number
  /** The limit is never above this; min to 1,000,000. Default 100,000. */
  readonly max: number
  /** How many may be in flight beyond what was explored, while no queue is proven; min to max. Default 512. */
  readonly initial: number
}

/** A permit is never taken for lost before so many deadlines. */
const LOST_AFTER_DEADLINES = 4

export const DEFAULT_LIMITS: LimitConfig = Object.freeze({ min: 1, max: 100_000, initial: 512 })

/** Everything a law is made of. `tuner` undefined: the break point is static. */
export interface LawSource {
  readonly config: PhysicsConfig
  readonly slo: SLOConfig
  readonly tuner: AutoTunerConfig | undefined
  readonly limits: LimitConfig
  readonly profile: WorkloadProfile | ProfileConfig
  /** The pool whose limit the route shares; undefined: it has its own. */
  readonly pool: string | undefined
  /** Shares of the limit that are reserved, bulk to critical. */
  readonly reserve: readonly number[]
}

/**
 * Cells of a law, in the order of {@link LAW}. A profile's baseline replaces the objective's, and its multiplier scales
 * scarFactor; STANDARD, the default, changes neither, so that an objective of one's own holds.
 */
export function deriveLaw({ config, slo, tuner, limits, profile, pool, reserve }: LawSource): Float64Array {
  const { baselineLatencyMs, maxDurationMs, scarMultiplier } = getProfileConfig(profile)
  const weights = deriveWeights(slo)
  const baselines = deriveBaselines(slo)
  const cells = new Float64Array(LAW.LENGTH)
  cells[LAW.BASE_RESISTANCE] = config.baseResistance
  cells[LAW.DECAY_RATE] = config.decayRate
  cells[LAW.SCAR_FACTOR] = config.scarFactor * scarMultiplier
  cells[LAW.DAMPING_FACTOR] = config.dampingFactor
  cells[LAW.CRITICAL_PRESSURE] = config.criticalPressure
  cells[LAW.BREAK_MULTIPLIER] = config.breakMultiplier
  cells[LAW.BOOTSTRAP_TICKS] = config.bootstrapTicks
  cells[LAW.MIN_DELTA_T] = config.minDeltaT
  cells[LAW.TANH_SCALE] = config.tanhScale
  cells[LAW.BASELINE_LATENCY_MS] = profile === 'STANDARD' ? baselines.latencyMs : baselineLatencyMs
  cells[LAW.BASELINE_ERROR_RATE] = baselines.errorRate
  cells[LAW.BASELINE_SATURATION] = baselines.saturation
  cells[LAW.WEIGHT_LATENCY] = weights.wLatency
  cells[LAW.WEIGHT_ERROR] = weights.wError
  cells[LAW.WEIGHT_SATURATION] = weights.wSaturation
  cells[LAW.DEADLINE_MS] = slo.maxAcceptableLatencyMs
  if (tuner) {
    cells[LAW.TUNER] = 1
    cells[LAW.TUNER_WINDOW] = tuner.windowSize
    cells[LAW.TUNER_SENSITIVITY] = tuner.sensitivity
    cells[LAW.TUNER_MIN_FLOOR] = tuner.minFloor
    cells[LAW.TUNER_HARD_CEILING] = tuner.hardCeiling
    cells[LAW.TUNER_WARMUP_TICKS] = tuner.warmupTicks
    cells[LAW.TUNER_RECOVERY_MULTIPLIER] = tuner.recoveryMultiplier
  }
  // Work that may take long is not given up before its own deadline.
  cells[LAW.MAX_DURATION_MS] = Math.max(maxDurationMs, LOST_AFTER_DEADLINES * slo.maxAcceptableLatencyMs)
  cells[LAW.MIN_LIMIT] = limits.min
  cells[LAW.MAX_LIMIT] = limits.max
  cells[LAW.INITIAL_LIMIT] = limits.initial
  cells[LAW.POOL] = pool === undefined ? 0 : nameNumber(pool)
  cells.set(reserve, LAW.RESERVE)
  return cells
}
