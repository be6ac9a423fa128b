/** A law's cells as the functional model wants them. */

import { AutoTuner, type PhysicsConfig, type SensitivityWeights } from '../../core/index.js'
import { LAW } from '../port.js'

export interface Law {
  readonly cells: Float64Array
  readonly config: PhysicsConfig
  readonly weights: SensitivityWeights
}

/** A law of its own copy of the cells. */
export function lawOf(cells: Float64Array): Law {
  return {
    cells: cells.slice(),
    config: {
      baseResistance: cells[LAW.BASE_RESISTANCE]!,
      decayRate: cells[LAW.DECAY_RATE]!,
      scarFactor: cells[LAW.SCAR_FACTOR]!,
      dampingFactor: cells[LAW.DAMPING_FACTOR]!,
      criticalPressure: cells[LAW.CRITICAL_PRESSURE]!,
      breakMultiplier: cells[LAW.BREAK_MULTIPLIER]!,
      bootstrapTicks: cells[LAW.BOOTSTRAP_TICKS]!,
      minDeltaT: cells[LAW.MIN_DELTA_T]!,
      tanhScale: cells[LAW.TANH_SCALE]!,
    },
    weights: {
      wLatency: cells[LAW.WEIGHT_LATENCY]!,
      wError: cells[LAW.WEIGHT_ERROR]!,
      wSaturation: cells[LAW.WEIGHT_SATURATION]!,
    },
  }
}

/** A tuner under a law, which has seen nothing yet. */
export function tunerOf({ cells }: Law): AutoTuner {
  if (cells[LAW.TUNER] === 0) return new AutoTuner()
  return new AutoTuner({
    windowSize: cells[LAW.TUNER_WINDOW]!,
    sensitivity: cells[LAW.TUNER_SENSITIVITY]!,
    minFloor: cells[LAW.TUNER_MIN_FLOOR]!,
    hardCeiling: cells[LAW.TUNER_HARD_CEILING]!,
    warmupTicks: cells[LAW.TUNER_WARMUP_TICKS]!,
    recoveryMultiplier: cells[LAW.TUNER_RECOVERY_MULTIPLIER]!,
  })
}
