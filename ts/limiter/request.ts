/** Reading a request's options. Options are read before a cell of the frame is written: getters may do anything. */

import { ConfigError } from '../base/errors.js'
import { noticeEnd } from '../base/host-calls.js'
import { wrongType } from '../base/input.js'
import type { KeyHasher } from '../base/keys.js'
import { BARE, isForeign, ownOptions } from '../base/own.js'
import { unknownName } from '../base/suggest.js'
import { MAX_TIMER_MS } from '../base/timer.js'
import { type Engine, FRAME, TIERS, type Tier } from '../engine/port.js'
import type { LaneBy } from '../options/lanes.js'
import type { BreakBy } from '../options/options.js'
import { type KeyGate, VERDICT } from './key-gate.js'
import type { AcquireOptions } from './types.js'

const TIER_INDEX: ReadonlyMap<unknown, number> = new Map(TIERS.map((tier, index) => [tier, index]))

/** The tier of a request without options. */
export const NORMAL = TIERS.indexOf('normal')
const BULK = TIERS.indexOf('bulk')
/** Stands for a tier where a voltage decides. */
export const BY_VOLTAGE = -1
/** Stands for a tier where the request is refused for its key. */
export const BANNED = -2
/** Stands for a key where there is none. */
export const NO_KEY = -1
/** Stands for a lane where there is none. */
export const NO_LANE = 0

const ACQUIRE_NAMES = ['tier', 'voltage', 'key', 'weight', 'queueAgeMs', 'saturation'] as const
export const ENTER_NAMES = ['maxWaitMs', 'signal'] as const
export const RUN_NAMES = [...ENTER_NAMES, 'timeoutMs', 'fallback', 'isFailure', 'cancellable'] as const

/** Cells that describe the request which is about to be asked for. */
export const REQUEST_CELLS: readonly number[] = [
  ...[FRAME.TIER, FRAME.VOLTAGE, FRAME.KEY, FRAME.KEY_WEIGHT, FRAME.KEY_CLASS, FRAME.KEY_LANE],
  ...[FRAME.QUEUE_AGE_MS, FRAME.PROCESS_SATURATION],
]

/**
 * Reads a request's options into the frame's cells.
 *
 * @param breakBy the route's classification of keys
 * @param laneBy the route's lanes of keys
 * @param also names of further options that the call takes
 * @param gate the gate before keys
 * @returns the tier's number, 0 (bulk) to 4 (critical), {@link BY_VOLTAGE}, or {@link BANNED}: then the tier's is in the frame
 * @throws ConfigError for an unknown option or tier, TypeError for a wrong type
 */
export function readRequest(
  engine: Engine,
  options: AcquireOptions,
  keys: KeyHasher,
  breakBy: BreakBy | undefined,
  laneBy: LaneBy | undefined,
  also: readonly string[],
  gate: KeyGate | undefined,
): number {
  if (typeof options !== 'object' || options === null) throw wrongType('options', 'an object', options)
  // A `switch` costs half of what a look-up in a set does.
  for (const name in options) {
    switch (name) {
      case 'tier':
      case 'key':
      case 'weight':
      case 'voltage':
      case 'queueAgeMs':
      case 'saturation':
        continue
      default:
        if (!also.includes(name) && !isForeign(options, name))
          throw unknownName(name, name, [...ACQUIRE_NAMES, ...also])
    }
  }
  // One look for all of them: what a merge leaves on Object.prototype is enumerable.
  let own = options
  for (const _ in BARE) own = ownOptions(options, ACQUIRE_NAMES)
  const { tier, voltage, key, weight, queueAgeMs, saturation } = own
  let hash = Number.NaN
  let share = 1
  let keyClass = Number.NaN
  let lane = NO_LANE
  let verdict: number = VERDICT.PASS
  if (key !== undefined && key !== null) {
    const text = textOf(key)
    hash = keys.hash(text)
    if (gate !== undefined) verdict = gate.check(text, hash)
    if (breakBy !== undefined) keyClass = breakBy === 'key' ? hash : classOf(text, keys, breakBy)
    if (laneBy !== undefined) lane = laneOf(text, laneBy)
  }
  if (weight !== undefined && weight !== null) share = requireWeight(weight)
  let index = NORMAL
  let push = 0
  if (tier !== undefined && tier !== null) {
    index = TIER_INDEX.get(tier) ?? refuseTier(tier)
  } else if (voltage !== undefined && voltage !== null) {
    if (typeof voltage !== 'number') throw wrongType('voltage', 'a number of V', voltage)
    // Noise in a voltage is no reason to let it pass all others: the request goes as 'normal'.
    if (voltage >= 0 && voltage < Number.POSITIVE_INFINITY) {
      index = BY_VOLTAGE
      push = voltage
    }
  }
  if (verdict === VERDICT.DEMOTE) {
    index = BULK
    lane = NO_LANE // its reserve would admit what is demoted
  }
  const ageMs = queueAgeMs === undefined ? 0 : sizeOf('queueAgeMs', queueAgeMs)
  const full = saturation === undefined ? 0 : sizeOf('saturation', saturation)
  // Read only now: what was called above may have asked this instance, and made the engine's memory grow.
  const { frame } = engine
  frame[FRAME.KEY_WEIGHT] = share
  frame[FRAME.KEY_CLASS] = keyClass
  frame[FRAME.KEY_LANE] = lane
  if (index === BY_VOLTAGE) frame[FRAME.VOLTAGE] = push
  frame[FRAME.TIER] = index
  frame[FRAME.KEY] = hash
  frame[FRAME.QUEUE_AGE_MS] = ageMs
  frame[FRAME.PROCESS_SATURATION] = full
  return verdict === VERDICT.REFUSE ? BANNED : index
}

function refuseTier(tier: unknown): never {
  throw unknownName('tier', tier, [...TIERS].reverse())
}

/** A key that is a number is as good as its digits. */
function textOf(key: unknown): string {
  if (typeof key === 'string') return key
  if (typeof key === 'number' || typeof key === 'bigint') return String(key)
  throw wrongType('key', 'a string', key)
}

/** The number where it is > 0, and 0 for anything else. */
function sizeOf(field: string, value: unknown): number {
  if (value === null) return 0
  if (typeof value !== 'number') throw wrongType(field, 'a number', value)
  return value > 0 ? value : 0
}

/** The number of a key's class; NaN: it has none. */
function classOf(key: string, keys: KeyHasher, breakBy: (key: string) => string | undefined): number {
  try {
    const name: unknown = breakBy(key)
    noticeEnd(name)
    return typeof name === 'string' ? keys.hash(name) : Number.NaN
  } catch {
    return Number.NaN
  }
}

/** The number of a key's lane; {@link NO_LANE}: it is in none. */
function laneOf(key: string, { of, numbers }: LaneBy): number {
  try {
    const name: unknown = of(key)
    noticeEnd(name)
    return numbers.get(name) ?? NO_LANE
  } catch {
    return NO_LANE
  }
}

function requireWeight(value: unknown): number {
  if (typeof value !== 'number') throw wrongType('weight', 'a number', value)
  if (value > 0 && value < Number.POSITIVE_INFINITY) return value
  throw new ConfigError('weight', 'a finite number > 0', value)
}

/** The number that stands for a key, from its cell of the frame, and back. */
export const keyIdOf = (cell: number): number => (Number.isNaN(cell) ? NO_KEY : cell)
export const cellOf = (keyId: number): number => (keyId === NO_KEY ? Number.NaN : keyId)

/** The time that a request may wait, ms. @throws ConfigError */
export function requireMaxWait(value: unknown): number {
  if (value === undefined || value === null || value === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY
  if (typeof value === 'number' && value >= 0 && value <= MAX_TIMER_MS) return value
  throw new ConfigError('maxWaitMs', `a number of ms in [0, ${MAX_TIMER_MS}], or Infinity`, value)
}

/** The time that work may take, ms; undefined: however long it takes. @throws ConfigError */
export function requireTimeout(value: unknown): number | undefined {
  if (value === undefined || value === null || value === Number.POSITIVE_INFINITY) return undefined
  if (typeof value === 'number' && value > 0) return value
  throw new ConfigError('timeoutMs', 'a number of ms > 0, or Infinity', value)
}

/** The tier in the options of a run, where they are any. */
export const tierIn = (options: AcquireOptions | undefined): Tier | undefined =>
  TIERS.find((tier) => tier === (options as AcquireOptions | null | undefined)?.tier)
