/**
 * Headers of answers in every form that clients hand them on: fetch's `Headers`, objects of Node's with lists and names in any case,
 * maps, pairs, and undici's raw names and values in turn. Nothing here throws, whatever an upstream or a client made of them.
 */

import { isBytes, isOfKind } from '../base/realm.js'
/** Reads a header by its name in lower case; undefined where there is none that can be one. */
export type HeaderReader = (name: string) => string | undefined

/** Most headers that are looked at. */
const MOST_HEADERS = 512
/** Longest value that is read, characters: a longer one is no number and no date. */
const LONGEST_VALUE = 256

const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes.subarray(0, LONGEST_VALUE + 1))

/** A name or a value as text. Of a list the first counts. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value.length <= LONGEST_VALUE ? value.trim() : undefined
  if (typeof value === 'number') return String(value)
  if (isBytes(value)) return value.length <= LONGEST_VALUE ? latin1(value).trim() : undefined
  return Array.isArray(value) && value.length > 0 && !Array.isArray(value[0]) ? textOf(value[0]) : undefined
}

type Pair = readonly [name: unknown, value: unknown]

const isPair = (value: unknown): boolean => Array.isArray(value) && value.length === 2

function* inTurn(raw: readonly unknown[]): Generator<Pair> {
  for (let i = 0; i + 1 < raw.length; i += 2) yield [raw[i], raw[i + 1]]
}

function pairsOf(headers: object): Iterable<Pair> {
  if (Array.isArray(headers)) return isPair(headers[0]) ? (headers as Pair[]) : inTurn(headers)
  if (Symbol.iterator in headers) return headers as Iterable<Pair>
  return Object.entries(headers)
}

function tableOf(headers: object): Map<string, string> {
  const table = new Map<string, string>()
  let seen = 0
  for (const [name, value] of pairsOf(headers)) {
    if (++seen > MOST_HEADERS) break
    const key = textOf(name)?.toLowerCase()
    const text = textOf(value)
    if (key !== undefined && text !== undefined && !table.has(key)) table.set(key, text)
  }
  return table
}

/** A reader of headers in any form; one that reads nothing of what is none. */
export function readerOf(headers: unknown): HeaderReader {
  if (typeof headers !== 'object' || headers === null) return () => undefined
  try {
    const { get } = headers as { get?: unknown }
    if (typeof get === 'function' && !isOfKind(headers, 'Map')) {
      return (name) => {
        try {
          return textOf(get.call(headers, name) ?? undefined)
        } catch {
          return undefined
        }
      }
    }
    const table = tableOf(headers)
    return (name) => table.get(name)
  } catch {
    return () => undefined
  }
}
