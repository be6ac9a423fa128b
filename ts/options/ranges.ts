/** Ranges of numbers, and the check that a value is in one. */

import { ConfigError } from '../base/errors.js'
import { copyOf } from '../base/own.js'
import { unknownName } from '../base/suggest.js'

/** The values that an option may take. */
export interface Range {
  readonly says: string
  holds(value: number): boolean
}

export const atLeast = (low: number, unit = ''): Range => ({
  says: `a finite number${unit} ≥ ${low}`,
  holds: (x) => x >= low,
})
export const above = (low: number, unit = ''): Range => ({
  says: `a finite number${unit} > ${low}`,
  holds: (x) => x > low,
})
export const within = (low: number, high: number): Range => ({
  says: `a number in [${low}, ${high}]`,
  holds: (x) => x >= low && x <= high,
})
export const integer = (low: number, high: number): Range => ({
  says: `an integer in [${low}, ${high}]`,
  holds: (x) => Number.isInteger(x) && x >= low && x <= high,
})
/** Throws unless `value` is a number in the range. */
export function requireNumber(field: string, value: unknown, { says, holds }: Range): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || !holds(value)) throw new ConfigError(field, says, value)
  return value
}

export function requireObject(field: string, value: unknown): object {
  if (typeof value !== 'object' || value === null) throw new ConfigError(field, 'an object', value)
  return value
}

/** `defaults` with what `given` says instead, each value in its range, no name unknown. */
export function override<T extends object>(
  path: string,
  defaults: T,
  given: object | undefined,
  ranges: Readonly<Record<string, Range>>,
  alsoKnown: readonly string[] = [],
): T {
  if (given === undefined) return defaults
  const result: Record<string, unknown> = { ...(defaults as Record<string, unknown>) }
  const known = Object.keys(ranges)
  for (const [name, value] of Object.entries(copyOf(requireObject(path || 'options', given), known))) {
    if (value === undefined || alsoKnown.includes(name)) continue
    const field = path ? `${path}.${name}` : name
    const range = Object.hasOwn(ranges, name) ? ranges[name] : undefined
    if (!range) throw unknownName(field, name, known.concat(alsoKnown))
    result[name] = requireNumber(field, value, range)
  }
  return result as T
}
