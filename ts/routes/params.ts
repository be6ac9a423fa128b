/** The cells that a route's parameters come to. */

import { nameNumber } from '../base/keys.js'
import { deriveBaselines, deriveWeights, getProfileConfig } from '../core/index.js'
import { CONFIG_CELLS, LAW, TUNER_CELLS, writeCells } from '../engine/law-cells.js'
import { TIERS } from '../engine/port.js'
import type { RouteParams } from '../options/route-params.js'

/** A permit is never taken for lost before so many deadlines. */
const LOST_AFTER_DEADLINES = 4

/**
 * Cells of a law, in the order of {@link LAW}. A profile's baseline replaces the objective's, and its multiplier scales
 * scarFactor; STANDARD, the default, changes neither, so that a custom objective holds.
 */
export function deriveCells({ config, slo, tuner, limits, profile, pool, reserve, lanes }: RouteParams): Float64Array {
  const { baselineLatencyMs, maxDurationMs, scarMultiplier } = getProfileConfig(profile)
  const weights = deriveWeights(slo)
  const baselines = deriveBaselines(slo)
  const cells = new Float64Array(LAW.LENGTH)
  writeCells(cells, CONFIG_CELLS, config)
  cells[LAW.SCAR_FACTOR] = config.scarFactor * scarMultiplier
  cells[LAW.BASELINE_LATENCY_MS] = profile === 'STANDARD' ? baselines.latencyMs : baselineLatencyMs
  cells[LAW.BASELINE_ERROR_RATE] = baselines.errorRate
  cells[LAW.BASELINE_SATURATION] = baselines.saturation
  cells[LAW.WEIGHT_LATENCY] = weights.wLatency
  cells[LAW.WEIGHT_ERROR] = weights.wError
  cells[LAW.WEIGHT_SATURATION] = weights.wSaturation
  cells[LAW.DEADLINE_MS] = slo.maxAcceptableLatencyMs
  if (tuner) {
    cells[LAW.TUNER] = 1
    writeCells(cells, TUNER_CELLS, tuner)
  }
  // Work that may take long is not given up before its own deadline.
  cells[LAW.MAX_DURATION_MS] = Math.max(maxDurationMs, LOST_AFTER_DEADLINES * slo.maxAcceptableLatencyMs)
  cells[LAW.MIN_LIMIT] = limits.min
  cells[LAW.MAX_LIMIT] = limits.max
  cells[LAW.INITIAL_LIMIT] = limits.initial
  cells[LAW.POOL] = pool === undefined ? 0 : nameNumber(pool)
  cells.set(reserve, LAW.RESERVE)
  for (const [i, { share }] of lanes.entries()) cells[LAW.RESERVE + TIERS.length + i] = share
  return cells
}
