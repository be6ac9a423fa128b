/** The obstacles of refused requests: their names, and their texts in reasons and error messages. */

import type { OperationalMode } from '../core/types.js'
import { CAUSE } from '../engine/port.js'

/**
 * The obstacle of a refused request.
 *
 * | | |
 * |---|---|
 * | `breaker` | the route's breaker is open, or that of the key's class |
 * | `occupancy` | what is in flight on the route |
 * | `queue_age` | the queue in front of the process |
 * | `process` | what the process is short of: its loop, its memory |
 * | `scar` | past trauma, or too many failures |
 * | `wait_timeout` | it waited, and can no longer make it |
 * | `wait_full` | the waiting room is full |
 * | `budget` | a budget is spent |
 * | `override` | an operator's order |
 * | `ban` | an operator's ban |
 */
export type LimitedBy =
  | 'breaker'
  | 'occupancy'
  | 'queue_age'
  | 'process'
  | 'scar'
  | 'wait_timeout'
  | 'wait_full'
  | 'budget'
  | 'override'
  | 'ban'

/** Obstacles by the engine's number of a {@link CAUSE}. */
export const LIMITED_BY: readonly (LimitedBy | undefined)[] = [
  undefined,
  'breaker',
  'breaker',
  'occupancy',
  'queue_age',
  'process',
  'scar',
  'override',
  'wait_timeout',
  'wait_full',
  'budget',
  'ban',
]

/** The obstacle of the refusal in a frame. */
export const limitedByAt = (frame: Float64Array, cell: number): LimitedBy => LIMITED_BY[frame[cell]!] ?? 'scar'

/** The engine's number of what ends a wait. */
export const waitCause = (limitedBy: LimitedBy): number =>
  limitedBy === 'wait_full' ? CAUSE.WAIT_FULL : CAUSE.WAIT_TIMEOUT

const TEXTS: Readonly<Record<LimitedBy, string>> = {
  breaker: 'circuit breaker open',
  occupancy: 'too much in flight on the route',
  queue_age: 'the queue in front of the process is too old',
  process: 'the process is short of capacity',
  scar: 'failures and past trauma of the route',
  wait_timeout: 'no place within the time it may wait',
  wait_full: 'waiting room full',
  budget: 'budget spent',
  override: 'override',
  ban: 'banned',
}

/** Obstacles that a higher voltage would have overcome. */
const BY_VOLTAGE: ReadonlySet<LimitedBy> = new Set<LimitedBy>(['occupancy', 'queue_age', 'process', 'scar'])

/** V ≤ R in figures. */
export const figuresOf = (voltage: number, resistance: number): string =>
  `V=${Math.round(voltage * 10) / 10} ≤ R=${resistance.toFixed(1)}Ω`

/** The obstacle in words, with V and R where they decided. @param mode decides where no obstacle is known */
export function obstacleText(
  mode: OperationalMode,
  voltage: number,
  resistance: number,
  limitedBy: LimitedBy | undefined,
): string {
  const obstacle = limitedBy ?? (mode === 'CIRCUIT_BREAKER' ? 'breaker' : undefined)
  if (obstacle === undefined) return figuresOf(voltage, resistance)
  return BY_VOLTAGE.has(obstacle) ? `${TEXTS[obstacle]}: ${figuresOf(voltage, resistance)}` : TEXTS[obstacle]
}
