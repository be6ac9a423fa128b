/** Usage of answers, as they are read, on its way to the lease of a call. */

import type { SwarmLease } from '../swarm/types.js'
import type { Classified } from '../upstream/classify.js'
import type { UsageReader } from '../upstream/usage.js'

/**
 * Reports what was used so far. @returns false where the limit is reached
 *
 * @param isCut the answer was broken off: of a stream nothing counts but what came
 */
export function report(lease: SwarmLease, reader: UsageReader, isCut = false): boolean {
  const { inputTokens, outputTokens = isCut && reader.isStream ? 0 : undefined } = reader.usage
  if (inputTokens === undefined && outputTokens === undefined) return true
  try {
    return lease.used({ inputTokens, outputTokens })
  } catch {
    return true // settled already: its caller went away
  }
}

/** The judgement of a stream that ended by an error of its own. */
export const endOf = (kind: Classified['kind']): Classified => ({
  kind,
  outcome: kind === 'overload' || kind === 'failure' ? 'failure' : 'ignored',
  mayRetry: false,
  retryAfterMs: undefined,
})
