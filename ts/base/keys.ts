/**
 * Keys as numbers. A key decides a request's place among its equals, so a client that can choose its key must not be able to
 * choose the place: the hash is HalfSipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012, in the 32-bit
 * form that Linux uses for its hash tables), under a secret. Its 64-bit form asks for three rounds more; here the other half of the
 * state makes the upper bits instead, since clients see no hash. Those of banned keys alone leave the process, for the store of the nodes: a
 * reader of it can try keys where the secret is the nodes' shared salt, and not where it is `keySecret`.
 */

import { ConfigError } from './errors.js'
import { isBytes } from './realm.js'
import { Withheld } from './text.js'

/** Shortest secret, characters or bytes. */
const SECRET_LENGTH = 16

const HIGH = 0x1_0000_0000

/** 53 bits of HalfSipHash-1-3 over all UTF-16 code units of a text, under the 64-bit key (k0, k1). */
function hashOf(text: string, k0: number, k1: number): number {
  let v0 = k0 | 0
  let v1 = k1 ^ 0xee
  let v2 = k0 ^ 0x6c796765
  let v3 = k1 ^ 0x74656462
  const { length } = text
  const even = length & ~1
  let word: number
  for (let i = 0; i < even; i += 2) {
    word = text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16)
    v3 ^= word
    v0 = (v0 + v1) | 0
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
    v0 = (v0 << 16) | (v0 >>> 16)
    v2 = (v2 + v3) | 0
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
    v0 = (v0 + v3) | 0
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
    v2 = (v2 + v1) | 0
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
    v2 = (v2 << 16) | (v2 >>> 16)
    v0 ^= word
  }
  // The last word holds the bytes' number, modulo 256, and the code unit that is left.
  word = (length << 25) | (length === even ? 0 : text.charCodeAt(even))
  v3 ^= word
  v0 = (v0 + v1) | 0
  v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
  v0 = (v0 << 16) | (v0 >>> 16)
  v2 = (v2 + v3) | 0
  v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
  v0 = (v0 + v3) | 0
  v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
  v2 = (v2 + v1) | 0
  v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
  v2 = (v2 << 16) | (v2 >>> 16)
  v0 ^= word
  v2 ^= 0xee
  for (let round = 0; round < 3; round++) {
    v0 = (v0 + v1) | 0
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
    v0 = (v0 << 16) | (v0 >>> 16)
    v2 = (v2 + v3) | 0
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
    v0 = (v0 + v3) | 0
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
    v2 = (v2 + v1) | 0
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
    v2 = (v2 << 16) | (v2 >>> 16)
  }
  return ((v0 ^ v2) >>> 11) * HIGH + ((v1 ^ v3) >>> 0)
}

/** A number ≥ 1 that stands for a name, the same in every process: for names of the operator's, which need no secret. */
export const nameNumber = (name: string): number => hashOf(name, 0, 0) || 1

/** Longest name that is kept as it is, characters. */
const LONGEST_KEPT = 256
/** Characters that are left of a longer one. */
const HEAD = 64

let names: KeyHasher | undefined

/**
 * A name or a key to be kept in a table: itself, or of one of more than 256 characters its head and a hash of the whole. What is cut
 * from a long text by `slice` would hold all of it in memory.
 */
export function keptName(name: string): string {
  if (name.length <= LONGEST_KEPT) return name
  names ??= new KeyHasher(undefined)
  const head = String.fromCharCode(...Array.from({ length: HEAD }, (_, i) => name.charCodeAt(i)))
  return `${head}…${names.hash(name).toString(36)}`
}

/** The secret of this process, drawn when it is first needed: some hosts draw none before there is a request. */
let drawn: Uint32Array | undefined

/** @throws ConfigError, which does not show the secret */
export function requireKeySecret(value: unknown): void {
  if (value === undefined) return
  const isSecret = typeof value === 'string' || isBytes(value)
  if (isSecret && value.length >= SECRET_LENGTH) return
  const got = isSecret ? value.length : new Withheld(value)
  throw new ConfigError('keySecret', `a string or Uint8Array of length ≥ ${SECRET_LENGTH}`, got)
}

/** Hashes keys under one secret. */
export class KeyHasher {
  #k0 = 0
  #k1 = 0
  #isReady = false

  /** @param secret found right by {@link requireKeySecret}; undefined: the process's */
  constructor(secret: string | Uint8Array | undefined) {
    if (secret === undefined) return
    const text = typeof secret === 'string' ? secret : String.fromCharCode(...secret)
    this.#key(hashOf(text, 1, 2) | 0, hashOf(text, 3, 4) | 0)
  }

  #key(k0: number, k1: number): void {
    this.#k0 = k0
    this.#k1 = k1
    this.#isReady = true
  }

  /** A key's number, an integer in [0, 2⁵³). */
  hash(key: string): number {
    if (!this.#isReady) {
      drawn ??= crypto.getRandomValues(new Uint32Array(2))
      this.#key(drawn[0]! | 0, drawn[1]! | 0)
    }
    return hashOf(key, this.#k0, this.#k1)
  }
}
