/** The options of adapters that are of headers: their types and ranges. */

import { ConfigError } from '../base/errors.js'
import { nearestName, unknownName } from '../base/suggest.js'
import { TIERS } from '../engine/port.js'
import { isTier } from './_resolve.js'

/** Types that the options may have. */
export const HEADER_TYPES = {
  headers: ['string'],
  maxRetryAfterMs: ['number'],
  retryAfterMs: ['boolean'],
  tierHeader: ['string', 'object'],
} as const

const LEAST_RETRY_MS = 1_000
const MOST_RETRY_MS = 86_400_000
/** A header's name, by RFC 9110. */
const TOKEN = /^[!#$%&'*+.^_`|~\w-]+$/

/** @throws ConfigError for an option out of its range */
export function validateHeaders({ headers, maxRetryAfterMs, tierHeader }: Record<string, unknown>): void {
  if (headers !== undefined && headers !== 'ietf') {
    throw new ConfigError('headers', "'ietf'", headers, { nearest: nearestName(headers, ['ietf']) })
  }
  if (
    maxRetryAfterMs !== undefined &&
    !((maxRetryAfterMs as number) >= LEAST_RETRY_MS && (maxRetryAfterMs as number) <= MOST_RETRY_MS)
  ) {
    throw new ConfigError('maxRetryAfterMs', `a number of ms in [${LEAST_RETRY_MS}, ${MOST_RETRY_MS}]`, maxRetryAfterMs)
  }
  if (tierHeader === undefined) return
  if (tierHeader === null) throw new ConfigError('tierHeader', "a header's name or an object", tierHeader)
  const isName = typeof tierHeader === 'string'
  const { name, tiers, ...rest } = (isName ? { name: tierHeader } : tierHeader) as Record<string, unknown>
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined) throw unknownName(`tierHeader.${unknown}`, unknown, ['name', 'tiers'])
  if (typeof name !== 'string' || !TOKEN.test(name)) {
    throw new ConfigError(isName ? 'tierHeader' : 'tierHeader.name', "a header's name", name)
  }
  if (tiers === undefined) return
  if (!Array.isArray(tiers) || tiers.length === 0 || !Array.from<unknown>(tiers).every(isTier)) {
    throw new ConfigError('tierHeader.tiers', `a list of ${[...TIERS].reverse().join(', ')}`, tiers)
  }
}
