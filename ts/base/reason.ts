/** The reason of a refusal, for people. */

import type { OperationalMode } from '../core/types.js'
import { type LimitedBy, obstacleText } from './limited-by.js'

/** The reason for which a request does not flow. */
export function reasonOf(
  mode: OperationalMode,
  voltage: number,
  resistance: number,
  limitedBy: LimitedBy | undefined,
): string {
  // Most refusals end here, and other modules cost a look-up each.
  const isOrdinary = limitedBy === undefined || limitedBy === 'occupancy' || limitedBy === 'queue_age'
  const obstacle = isOrdinary && mode !== 'CIRCUIT_BREAKER' ? undefined : obstacleText(mode, limitedBy)
  if (obstacle === undefined) return `Insufficient voltage: V=${voltage} ≤ R=${resistance.toFixed(1)}Ω`
  return limitedBy === 'override' ? obstacle : obstacle[0]!.toUpperCase() + obstacle.slice(1)
}
