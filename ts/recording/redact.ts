/** The part of a route's name that goes into a recording. Keys never do: they are hashes, under a secret, before the engine sees them. */

import { ConfigError } from '../base/errors.js'

/** true: what looks like data in a name is masked; 'routes': a number stands for each name; false: names as they are. */
export type Redact = boolean | 'routes'

/** Longest name that is written, characters. */
const LONGEST = 200

/** Addresses, UUIDs, long hexadecimal and decimal numbers, tokens, and queries. */
const DATA = [
  /[\w.+-]+@[\w-]+(?:\.[\w-]+)+/g,
  /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi,
  /\?.*$/gs,
  /(?<![0-9a-z])(?=[0-9a-f]*\d)[0-9a-f]{12,}(?![0-9a-z])/gi,
  /\d{4,}/g,
  /(?<![\w-])[\w-]{32,}(?![\w-])/g,
]

export function requireRedact(value: unknown): Redact {
  if (value === undefined || value === null) return true
  if (typeof value === 'boolean' || value === 'routes') return value
  throw new ConfigError('redact', "true, false or 'routes'", value)
}

/** The name as it is written. */
export function redacted(name: string, redact: Redact, number: number): string {
  if (redact === 'routes') return `route ${number}`
  if (redact === false) return name.slice(0, LONGEST)
  return DATA.reduce((text, pattern) => text.replace(pattern, '*'), name.slice(0, 4 * LONGEST)).slice(0, LONGEST)
}
