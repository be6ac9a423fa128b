/** Lanes: classes of keys that a share of a route's limit is reserved for. */

import { ConfigError } from '../base/errors.js'
import { copyOf, own } from '../base/own.js'
import { unknownName } from '../base/suggest.js'
import type { LanesOptions } from './options.js'
import { type Range, requireNumber, requireObject } from './ranges.js'
import type { LaneShare } from './route-params.js'

/** Most lanes of a route: the engine has as many counts. */
export const MOST_LANES = 3
/** The error that a sum of shares may have: 0.1 + 0.2 + 0.7 is more than 1. */
export const ROUNDING = 1e-9

const NAMES = ['of', 'reserve'] as const
const SHARE: Range = { says: 'a number in (0, 1]', holds: (x) => x > 0 && x <= 1 }
export const NO_LANES: readonly LaneShare[] = Object.freeze([])

/** Maps a key to the number of its lane, 1 to {@link MOST_LANES}. */
export interface LaneBy {
  readonly of: LanesOptions['of']
  readonly numbers: ReadonlyMap<unknown, number>
}

/**
 * The shares of a route's lanes.
 *
 * @param reserve the shares of tiers, which with these are at most 1
 * @throws ConfigError
 */
export function resolveLanes(value: unknown, reserve: readonly number[]): readonly LaneShare[] {
  if (value === undefined || value === null) return NO_LANES
  const given: Record<string, unknown> = copyOf(requireObject('lanes', value) as Record<string, unknown>, NAMES)
  for (const name of Object.keys(given)) {
    if (name !== 'of' && name !== 'reserve') throw unknownName(`lanes.${name}`, name, [...NAMES])
  }
  if (typeof given.of !== 'function') {
    throw new ConfigError('lanes.of', 'a function from a key to the name of its lane', given.of)
  }
  const lanes = Object.entries(requireObject('lanes.reserve', given.reserve))
    .filter(([, share]) => share !== undefined)
    .map(([name, share]) => ({ name, share: requireNumber(`lanes.reserve.${name}`, share, SHARE) }))
  if (lanes.length === 0 || lanes.length > MOST_LANES) {
    throw new ConfigError('lanes.reserve', `shares of 1 to ${MOST_LANES} lanes`, lanes.length)
  }
  const sum = [...reserve, ...lanes.map(({ share }) => share)].reduce((total, share) => total + share, 0)
  if (sum > 1 + ROUNDING) throw new ConfigError('lanes.reserve', 'shares of at most 1 in all with `reserve`', sum)
  return lanes
}

/** The lanes that were given for a route and found right; undefined: there are none. */
export function laneByOf(given: unknown, lanes: readonly LaneShare[]): LaneBy | undefined {
  if (lanes.length === 0) return undefined
  const { of } = own(given as { lanes: LanesOptions }, 'lanes')!
  return { of, numbers: new Map(lanes.map(({ name }, i) => [name, i + 1])) }
}
