/** The reason of a refusal, for people: programs read `limitedBy`. */

import type { OperationalMode } from '../core/types.js'
import { type LimitedBy, obstacleText } from './limited-by.js'

/** The reason for which a permit was refused. */
export function reasonOf(
  mode: OperationalMode,
  voltage: number,
  resistance: number,
  limitedBy: LimitedBy | undefined,
): string {
  const text = obstacleText(mode, voltage, resistance, limitedBy)
  return limitedBy === 'override' ? text : text[0]!.toUpperCase() + text.slice(1)
}

/** The reason for which a request of the open loop does not flow: the words of Atrion 2.0. */
export function openLoopReasonOf(voltage: number, resistance: number, limitedBy: LimitedBy): string {
  if (limitedBy === 'override') return 'override'
  return limitedBy === 'breaker'
    ? 'Circuit breaker open'
    : `Insufficient voltage: V=${voltage} ≤ R=${resistance.toFixed(1)}Ω`
}
