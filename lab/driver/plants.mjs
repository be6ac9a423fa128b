// The plants, by the `kind` that a scenario names.
export { kneeOf, throughputOf } from './contended.mjs'

import { BatchPlant } from './batch.mjs'
import { ContendedPlant, kneeOf, throughputOf } from './contended.mjs'
import { CpuPlant } from './cpu.mjs'
import { FreePlant } from './free.mjs'
import { PoolPlant } from './pool.mjs'

/** @typedef {import('./pool.mjs').PoolSpec | import('./cpu.mjs').CpuSpec | import('./free.mjs').FreeSpec | import('./contended.mjs').ContendedSpec | import('./batch.mjs').BatchSpec} PlantSpec */

export const PLANTS = { pool: PoolPlant, cpu: CpuPlant, free: FreePlant, contended: ContendedPlant, batch: BatchPlant }

/**
 * Nominal capacity of a plant in requests a second; of a free one, the rate that its scenario takes as 1.
 * @param {PlantSpec} plant
 */
export function capacityOf(plant) {
  if (plant.kind === 'free') return plant.perS
  if (plant.kind === 'contended') return (1000 * throughputOf(plant, kneeOf(plant))) / plant.serviceMs
  return ((plant.workers ?? 1) * (plant.batch ?? 1) * 1000) / plant.serviceMs
}

/**
 * Returns the number of requests that a plant can work on at once without any of them waiting for another, as a function of time.
 * @param {PlantSpec} plant
 * @returns {(tMs: number) => number}
 */
export function slotsOf(plant) {
  const { kind, workers = 1, workersShare } = plant
  if (kind === 'free') return () => Number.POSITIVE_INFINITY
  if (kind === 'contended') {
    const knee = kneeOf(plant)
    return () => knee
  }
  // One batch is worked on while the next one fills.
  if (kind === 'batch') return () => 2 * workers * plant.batch
  return workersShare === undefined ? () => workers : (tMs) => Math.round(workers * workersShare(tMs))
}

/** In-flight requests that an operator would start from when setting a limit: the servers, or Little's law. */
export function nominalInFlightOf(plant) {
  const slots = slotsOf(plant)(0)
  return Number.isFinite(slots) ? slots : Math.max(1, Math.ceil((plant.perS * plant.serviceMs) / 1000))
}
