/** The options of an upstream, checked. */

import { ConfigError } from '../base/errors.js'
import { copyOf } from '../base/own.js'
import { nearestName, unknownName } from '../base/suggest.js'
import type { PaceOptions } from './pace.js'
import { PROVIDERS, type UpstreamProvider } from './quota.js'

/** A provider of language models, and the limits that it is known to have. Swarms that are given the same object share one pace. */
export interface UpstreamOptions {
  /** The dialect of its headers and errors: 'openai' for all that are like it, 'generic' where it is not known: every dialect is read. */
  readonly provider: UpstreamProvider
  /**
   * The most requests a minute, > 0: a limit set here, or the provider's where its answers do not state it. Default: what the
   * answers state; without that, what is learnt from refusals.
   */
  readonly requestsPerMinute?: number | null | undefined
  /** The most tokens a minute, input and output, > 0. Default: as above. */
  readonly tokensPerMinute?: number | null | undefined
}

const NAMES = ['provider', 'requestsPerMinute', 'tokensPerMinute'] as const satisfies readonly (keyof UpstreamOptions)[]
const MOST_PER_MINUTE = 1e12
const RANGE = `a number in (0, ${MOST_PER_MINUTE}]`

function rateOf(field: string, value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'number' && value > 0 && value <= MOST_PER_MINUTE) return value
  throw new ConfigError(field, RANGE, value)
}

/** @throws ConfigError */
export function readUpstreamOptions(field: string, options: unknown): PaceOptions {
  if (typeof options !== 'object' || options === null) throw new ConfigError(field, 'an object', options)
  const given = copyOf(options as UpstreamOptions, NAMES)
  for (const name of Object.keys(given)) {
    if (!(NAMES as readonly string[]).includes(name)) throw unknownName(`${field}.${name}`, name, NAMES)
  }
  const { provider, requestsPerMinute, tokensPerMinute } = given
  if (!PROVIDERS.includes(provider)) {
    const names = PROVIDERS.map((name) => `'${name}'`).join(', ')
    throw new ConfigError(`${field}.provider`, `one of ${names}`, provider, {
      nearest: nearestName(provider, PROVIDERS),
    })
  }
  return {
    provider,
    requestsPerMinute: rateOf(`${field}.requestsPerMinute`, requestsPerMinute),
    tokensPerMinute: rateOf(`${field}.tokensPerMinute`, tokensPerMinute),
  }
}
