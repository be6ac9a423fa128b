/**
 * Law of staleness: U = κ·(seconds since the last telemetry), Ω.
 *
 * For sweeps over idle routes only: the less recent the news, the less it is worth. At a tick telemetry is fresh and U
 * is 0.
 */

import { sanitizePositive } from './guards.js'
import type { Timestamp } from './types.js'

/** κ, Ω/s */
const STALENESS_FACTOR = 0.5
const MS_PER_SECOND = 1000

/** The addition of silence to the resistance, Ω, ≥ 0; 0 when the clock went back. */
export function calculateStaleness(
  lastUpdatedAt: Timestamp,
  now: Timestamp,
  stalenessFactor: number = STALENESS_FACTOR,
): number {
  return sanitizePositive((stalenessFactor * (now - lastUpdatedAt)) / MS_PER_SECOND)
}
