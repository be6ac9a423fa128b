/** The priority of a request by its headers: those that a gateway sets are believed where the application says so. */

import { TIERS } from '../engine/port.js'
import type { Tier } from '../limiter/types.js'
import { isTier } from './_resolve.js'

/** A header whose whole number is a tier. */
export interface TierHeader {
  readonly name: string
  /** Tiers by the number, from 0 on; a greater number is the last. Default critical, high, normal, low, bulk. */
  readonly tiers?: readonly Tier[]
}

/** A priority as it was found. Both are there, since what is missing would be read of `Object.prototype`. */
export interface HeaderPriority {
  readonly voltage: number | undefined
  readonly tier: Tier | undefined
}

/** The options that are read. */
export interface TierHeaderOptions {
  readonly trustHeaders?: boolean
  readonly tierHeader?: string | TierHeader
}

const NONE: HeaderPriority = { voltage: undefined, tier: undefined }
const tiered = (tier: Tier): HeaderPriority => ({ voltage: undefined, tier })
const HIGHEST_FIRST: readonly Tier[] = [...TIERS].reverse()
/** Tiers by the urgency of RFC 9218, of which 3 is the default, and 7 is for work in the background. */
const URGENCIES: readonly Tier[] = ['critical', 'high', 'high', 'normal', 'low', 'low', 'bulk', 'bulk']

const URGENCY = /(?:^|,)[ \t]*u=([0-7])[ \t]*(?:;[^,]*)?(?=,|$)/g
const VOLTAGE = /^\d{1,9}(\.\d{1,9})?$/
const WHOLE = /^\d{1,9}$/
const PREFETCH = /(?:^|[,;\s])prefetch(?:$|[,;\s])/i

/** The tier of RFC 9218's `Priority`, a dictionary, in which the last of two members of a name counts. */
function tierOfPriority(value: unknown): Tier | undefined {
  if (typeof value !== 'string') return undefined
  const urgency = [...value.matchAll(URGENCY)].at(-1)?.[1]
  return urgency === undefined ? undefined : URGENCIES[Number(urgency)]
}

function tierOfNumber(value: unknown, header: string | TierHeader): Tier | undefined {
  if (typeof value !== 'string' || !WHOLE.test(value.trim())) return undefined
  const tiers = typeof header === 'string' ? HIGHEST_FIRST : (header.tiers ?? HIGHEST_FIRST)
  return tiers[Math.min(Number(value), tiers.length - 1)]
}

/**
 * The priority of a request by its headers: where they are trusted `X-Atrion-Voltage`, `X-Atrion-Tier`, a header of the application's own and
 * RFC 9218's `Priority`, the first of them that says it; else a prefetch is bulk, which a client may well ask for.
 *
 * @param get reads a header by its name in lower case
 */
export function priorityOf(get: (name: string) => unknown, options: TierHeaderOptions): HeaderPriority {
  if (options.trustHeaders === true) {
    const voltage = get('x-atrion-voltage')
    if (typeof voltage === 'string' && VOLTAGE.test(voltage)) return { voltage: Number(voltage), tier: undefined }
    const named = get('x-atrion-tier')
    if (isTier(named)) return tiered(named)
    const { tierHeader } = options
    if (tierHeader !== undefined) {
      const name = typeof tierHeader === 'string' ? tierHeader : tierHeader.name
      const tier = tierOfNumber(get(name.toLowerCase()), tierHeader)
      if (tier !== undefined) return tiered(tier)
    }
    const tier = tierOfPriority(get('priority'))
    if (tier !== undefined) return tiered(tier)
  }
  const purpose = get('sec-purpose')
  return typeof purpose === 'string' && PREFETCH.test(purpose) ? tiered('bulk') : NONE
}
