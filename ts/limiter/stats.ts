/** From the cells of the stats block to what a caller reads. */

import { type Engine, FRAME, STATS, TIERS } from '../engine/port.js'
import type { RouteStats, Tier } from './types.js'

/** The statistics of the route in a slot; zeros where the engine has none. */
export function readStats(
  engine: Engine,
  slot: number | undefined,
): Omit<RouteStats, 'mode' | 'rejectedSamples' | 'waiting' | 'pool' | 'abandoned' | 'excused' | 'excusedMs'> {
  const known = slot !== undefined && engine.readStats(slot)
  const { frame } = engine
  const cell = (index: number): number => (known ? frame[FRAME.STATS + index]! : 0)
  const quantile = (index: number): number | undefined =>
    known && !Number.isNaN(cell(index)) ? cell(index) : undefined
  const shedByTier = Object.fromEntries(TIERS.map((tier, i) => [tier, cell(STATS.SHED_BY_TIER + i)]))
  return {
    inFlight: cell(STATS.IN_FLIGHT),
    limit: cell(STATS.LIMIT),
    resistance: cell(STATS.RESISTANCE),
    scar: cell(STATS.SCAR),
    admitted: cell(STATS.ADMITTED),
    shed: Object.values(shedByTier).reduce((sum, n) => sum + n, 0),
    shedByTier: shedByTier as Record<Tier, number>,
    failures: cell(STATS.FAILURES),
    reclaimed: cell(STATS.RECLAIMED),
    p50Ms: quantile(STATS.P50_MS),
    p99Ms: quantile(STATS.P99_MS),
    baselineMs: cell(STATS.BASELINE_MS),
    ratePerS: cell(STATS.RATE_PER_S),
    successRatio: known ? cell(STATS.SUCCESS) : 1,
    openClasses: cell(STATS.OPEN_CLASSES),
  }
}
