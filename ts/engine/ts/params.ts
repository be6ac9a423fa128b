/** A law's cells as the functional model wants them. */

import { AutoTuner, type PhysicsConfig, type SensitivityWeights } from '../../core/index.js'
import { CONFIG_CELLS, LAW, readCells, TUNER_CELLS } from '../law-cells.js'

export interface Law {
  readonly cells: Float64Array
  readonly config: PhysicsConfig
  readonly weights: SensitivityWeights
}

/** A law of its own copy of the cells. */
export function lawOf(cells: Float64Array): Law {
  return {
    cells: cells.slice(),
    config: readCells(cells, CONFIG_CELLS),
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
  return new AutoTuner(readCells(cells, TUNER_CELLS))
}
