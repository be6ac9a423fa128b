/** The target and the options of a ban, each read once and in its range. */

import { ConfigError } from '../base/errors.js'
import { wrongType } from '../base/input.js'
import { own, ownOptions } from '../base/own.js'
import { unknownName } from '../base/suggest.js'
import { printable } from '../base/text.js'
import type { Target } from './known.js'
import { MOST_REASON, MOST_TTL_MS, requirePrefix } from './record.js'
import type { BanOptions, BanTarget } from './types.js'

const NAMES = ['ttlMs', 'reason', 'simulated'] satisfies (keyof BanOptions)[]
const DEFAULT_TTL_MS = 3_600_000
const LONGEST_KEY = 65_536

/** @throws ConfigError, TypeError */
export function readTarget(given: BanTarget): Target {
  if (typeof given === 'string') {
    // It is kept in clear until the nodes agree on how keys are hashed.
    if (given.length > LONGEST_KEY) {
      throw new ConfigError('key', `text of at most ${LONGEST_KEY} characters`, given.slice(0, 100))
    }
    return { text: given, isPrefix: false }
  }
  if (typeof given === 'number' || typeof given === 'bigint') return { text: String(given), isPrefix: false }
  if (typeof given !== 'object' || given === null) throw wrongType('key', 'a string or { prefix }', given)
  const wrong = Object.keys(given).find((name) => name !== 'prefix')
  if (wrong !== undefined) throw unknownName(wrong, wrong, ['prefix'])
  return { text: requirePrefix('prefix', own(given, 'prefix')), isPrefix: true }
}

/** @throws ConfigError, TypeError */
export function readBanOptions(given: BanOptions | null | undefined): {
  readonly ttlMs: number
  readonly reason: string | undefined
  readonly isSimulated: boolean
} {
  if (given === undefined || given === null) return { ttlMs: DEFAULT_TTL_MS, reason: undefined, isSimulated: false }
  if (typeof given !== 'object') throw wrongType('options', 'an object', given)
  for (const name of Object.keys(given)) {
    if (!(NAMES as readonly string[]).includes(name)) throw unknownName(name, name, NAMES)
  }
  const { ttlMs, reason, simulated } = ownOptions(given, NAMES)
  const ms = ttlMs ?? DEFAULT_TTL_MS
  if (!(typeof ms === 'number' && ms >= 1 && ms <= MOST_TTL_MS)) {
    throw new ConfigError('ttlMs', `a number of ms in [1, ${MOST_TTL_MS}] (24 h)`, ms)
  }
  if (reason !== undefined && reason !== null && typeof reason !== 'string')
    throw wrongType('reason', 'a string', reason)
  if (typeof reason === 'string' && reason.length > MOST_REASON) {
    throw new ConfigError('reason', `text of at most ${MOST_REASON} characters`, reason)
  }
  if (simulated !== undefined && simulated !== null && typeof simulated !== 'boolean') {
    throw new ConfigError('simulated', 'true or false', simulated)
  }
  return {
    ttlMs: ms,
    reason: typeof reason === 'string' ? printable(reason).slice(0, MOST_REASON) : undefined,
    isSimulated: simulated === true,
  }
}
