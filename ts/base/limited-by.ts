/** The obstacles of refused requests: their names, and their texts in reasons and error messages. */

import type { OperationalMode } from '../core/types.js'

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

/** The obstacle in words; undefined where it is no more than a voltage below R. */
export function obstacleText(mode: OperationalMode, limitedBy: LimitedBy | undefined): string | undefined {
  if (limitedBy === 'override') return 'override'
  if (limitedBy === 'wait_timeout') return 'no place within the time it may wait'
  if (limitedBy === 'wait_full') return 'waiting room full'
  if (limitedBy === 'budget') return 'budget spent'
  if (limitedBy === 'ban') return 'banned'
  return mode === 'CIRCUIT_BREAKER' || limitedBy === 'breaker' ? 'circuit breaker open' : undefined
}
