/** What stood in a request's way, in words: for the reason of a refusal and for the message of its error. */

import type { OperationalMode } from '../core/types.js'
import type { LimitedBy } from '../limiter/types.js'

/** The obstacle in words; undefined where it is no more than a voltage below R. */
export function obstacleText(mode: OperationalMode, limitedBy: LimitedBy | undefined): string | undefined {
  if (limitedBy === 'override') return 'override'
  if (limitedBy === 'wait_timeout') return 'no place within the time it may wait'
  if (limitedBy === 'wait_full') return 'waiting room full'
  if (limitedBy === 'budget') return 'budget spent'
  if (limitedBy === 'ban') return 'banned'
  return mode === 'CIRCUIT_BREAKER' || limitedBy === 'breaker' ? 'circuit breaker open' : undefined
}
