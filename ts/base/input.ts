/** Wrong types, as distinct from noise: a bug in the caller is thrown, naming the field and the value. */

import { copyOf } from './own.js'
import { isFloat64Array } from './realm.js'
import { printable } from './text.js'

/** Longest route id, characters: one name must not crowd out the others, whose names share 16 MiB or more. */
export const LONGEST_ROUTE_ID = 1 << 22

export function wrongType(field: string, wanted: string, got: unknown): TypeError {
  let shown = String(typeof got === 'object' ? got && 'an object' : got)
  if (typeof got === 'string') shown = printable(JSON.stringify(got.slice(0, 80)))
  if (typeof got === 'function') shown = 'a function'
  return new TypeError(`${field} must be ${wanted}, got ${shown}`)
}

/** @throws TypeError for what is no Float64Array, of whichever realm */
export function requireCells(field: string, value: unknown): asserts value is Float64Array {
  if (!isFloat64Array(value)) throw wrongType(field, 'a Float64Array', value)
}

/** The options that were given, by the names that are known: null is not given, as undefined is. */
export const given = <T extends object>(options: T, names: Iterable<string>): T =>
  Object.fromEntries(Object.entries(copyOf(options, names)).filter(([, value]) => value !== null)) as T

/** Returns whether a route can have that name. */
export const isRouteId = (routeId: unknown): routeId is string =>
  typeof routeId === 'string' && routeId !== '' && routeId.length <= LONGEST_ROUTE_ID

export function requireRouteId(routeId: unknown, field = 'routeId'): asserts routeId is string {
  if (typeof routeId !== 'string' || routeId === '') throw wrongType(field, 'a non-empty string', routeId)
  if (routeId.length > LONGEST_ROUTE_ID) {
    throw new TypeError(`${field} must be at most ${LONGEST_ROUTE_ID} characters long, got ${routeId.length}`)
  }
}
