/** Reading what a request says of itself. Options are read before a cell of the frame is written: getters may do anything. */

import { FRAME, TIERS } from '../engine/port.js'
import { ConfigError } from '../errors.js'
import { wrongType } from '../input.js'
import { nearestName, unknownName } from '../suggest.js'
import { MAX_TIMER_MS } from './timer.js'
import type { AcquireOptions } from './types.js'

const TIER_INDEX: ReadonlyMap<unknown, number> = new Map(TIERS.map((tier, index) => [tier, index]))

/** The tier of a request that says nothing of itself. */
export const NORMAL = TIERS.indexOf('normal')
/** Stands for a tier where a voltage decides. */
export const BY_VOLTAGE = -1
/** Stands for a key where there is none. */
export const NO_KEY = -1

/** A key's place inside its tier is drawn anew this often, so that nobody is unlucky for long, ms. */
export const EPOCH_MS = 3_600_000

/** Characters of a key that count: a client must not be able to buy hashing time. */
const KEY_LENGTH = 256
const HASHES = 0x1_0000_0000

/** A number that stands for a key, 32 bits: FNV-1a over its characters and the epoch, scattered by MurmurHash3's finaliser. */
function hashOf(key: string, epoch: number): number {
  let hash = 0x811c9dc5 ^ epoch
  const length = Math.min(key.length, KEY_LENGTH)
  for (let i = 0; i < length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

const ACQUIRE_NAMES = ['tier', 'voltage', 'key', 'queueAgeMs', 'saturation'] as const
export const ENTER_NAMES = ['maxWaitMs', 'signal'] as const
export const RUN_NAMES = [...ENTER_NAMES, 'timeoutMs', 'fallback', 'isFailure'] as const

/**
 * Reads what a request says of itself into the frame's cells.
 *
 * @param also names of further options that the call takes
 * @returns the tier's number, 0 (bulk) to 4 (critical), or {@link BY_VOLTAGE}
 * @throws ConfigError for an unknown option or tier, TypeError for a wrong type
 */
export function readRequest(
  frame: Float64Array,
  options: AcquireOptions,
  epoch: number,
  also: readonly string[],
): number {
  if (typeof options !== 'object' || options === null) throw wrongType('options', 'an object', options)
  // A `switch` costs half of what a look-up in a set does.
  for (const name in options) {
    switch (name) {
      case 'tier':
      case 'key':
      case 'voltage':
      case 'queueAgeMs':
      case 'saturation':
        continue
      default:
        if (!also.includes(name)) throw unknownName(name, name, [...ACQUIRE_NAMES, ...also])
    }
  }
  const { tier, voltage, key, queueAgeMs, saturation } = options
  let index = NORMAL
  if (tier !== undefined && tier !== null) {
    index = TIER_INDEX.get(tier) ?? refuseTier(tier)
  } else if (voltage !== undefined && voltage !== null) {
    if (typeof voltage !== 'number') throw wrongType('voltage', 'a number of V', voltage)
    // Noise in a voltage is no reason to let it pass all others: the request goes as 'normal'.
    if (voltage >= 0 && voltage < Number.POSITIVE_INFINITY) {
      index = BY_VOLTAGE
      frame[FRAME.VOLTAGE] = voltage
    }
  }
  frame[FRAME.TIER] = index
  frame[FRAME.KEY] = key === undefined || key === null ? Number.NaN : hashOf(textOf(key), epoch) / HASHES
  frame[FRAME.QUEUE_AGE_MS] = queueAgeMs === undefined ? 0 : sizeOf('queueAgeMs', queueAgeMs)
  frame[FRAME.PROCESS_SATURATION] = saturation === undefined ? 0 : sizeOf('saturation', saturation)
  return index
}

function refuseTier(tier: unknown): never {
  throw new ConfigError('tier', [...TIERS].reverse().join(', '), tier, { nearest: nearestName(tier, TIERS) })
}

/** A key that is a number is as good as its digits. */
function textOf(key: unknown): string {
  if (typeof key === 'string') return key
  if (typeof key === 'number' || typeof key === 'bigint') return String(key)
  throw wrongType('key', 'a string', key)
}

/** What is not a number > 0 is nothing. */
function sizeOf(field: string, value: unknown): number {
  if (value === null) return 0
  if (typeof value !== 'number') throw wrongType(field, 'a number', value)
  return value > 0 ? value : 0
}

/** A key's place inside its tier, [0, 1), from the number that stands for it; NaN draws one. */
export const placeOf = (keyId: number): number => (keyId === NO_KEY ? Number.NaN : keyId / HASHES)

/** The number that stands for a key, from its place. */
export const keyIdOf = (place: number): number => (Number.isNaN(place) ? NO_KEY : place * HASHES)

/** How long a request may wait, ms. @throws ConfigError */
export function requireMaxWait(value: unknown): number {
  if (value === undefined || value === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY
  if (typeof value === 'number' && value >= 0 && value <= MAX_TIMER_MS) return value
  throw new ConfigError('maxWaitMs', `a number of ms in [0, ${MAX_TIMER_MS}], or Infinity`, value)
}

/** How long work may take, ms; undefined: however long it takes. @throws ConfigError */
export function requireTimeout(value: unknown): number | undefined {
  if (value === undefined || value === null || value === Number.POSITIVE_INFINITY) return undefined
  if (typeof value === 'number' && value > 0) return value
  throw new ConfigError('timeoutMs', 'a number of ms > 0, or Infinity', value)
}
