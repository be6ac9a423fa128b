/** The checks of options that providers share. An error shows no text and nothing inside of a value: any of these may hold a password, meant for here or not. */

import { ConfigError } from '../base/errors.js'
import { isBytes } from '../base/realm.js'
import { Withheld } from '../base/text.js'

export function refusal(field: string, range: string, value: unknown): ConfigError {
  const isHarmless = value === '' || ['number', 'boolean', 'undefined'].includes(typeof value)
  return new ConfigError(field, range, isHarmless ? value : new Withheld(value))
}

export type Secret = string | Uint8Array

const MIN_SECRET_BYTES = 16
const MAX_SECRETS = 8
const SECRET_RANGE = `a string or Uint8Array of ${MIN_SECRET_BYTES} bytes or more, or a list of 1 to ${MAX_SECRETS} of these`
const encoder = new TextEncoder()

/** The secrets of a service as bytes; none where none was given. */
export function secretsOf(value: unknown): Uint8Array[] {
  if (value === undefined) return []
  const list = Array.isArray(value) ? value : [value]
  if (list.length === 0 || list.length > MAX_SECRETS) throw refusal('secret', SECRET_RANGE, value)
  return Array.from(list, (one: unknown) => {
    if (typeof one !== 'string' && !isBytes(one)) throw new ConfigError('secret', SECRET_RANGE, new Withheld(one))
    // A copy: what the caller does with the bytes later changes nothing.
    const bytes = typeof one === 'string' ? encoder.encode(one) : Uint8Array.from(one)
    if (bytes.length < MIN_SECRET_BYTES) throw new ConfigError('secret', SECRET_RANGE, new Withheld(one))
    return bytes
  })
}

export function known(options: object, fields: ReadonlySet<string>, path: string): void {
  for (const field of Object.keys(options)) {
    if (!fields.has(field))
      throw new ConfigError(`${path}${field}`, `one of ${[...fields].join(', ')}`, 'an unknown option')
  }
}

export function text(field: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw refusal(field, 'a string that is not empty', value)
  return value
}

export function flag(field: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw refusal(field, 'true or false', value)
  return value
}

export function number(field: string, value: unknown, least: number, most: number): number {
  if (typeof value !== 'number' || !(value >= least && value <= most)) {
    throw refusal(field, `a number in [${least}, ${most}]`, value)
  }
  return value
}

export function integer(field: string, value: unknown, least: number, most: number): number {
  if (!Number.isInteger(value)) throw refusal(field, `an integer in [${least}, ${most}]`, value)
  return number(field, value, least, most)
}
