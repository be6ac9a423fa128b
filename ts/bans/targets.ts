/** Keys and prefixes as hashes. A prefix of another length, or a key of the same text, has another hash. */

import { KeyHasher } from '../base/keys.js'
import { hashOfText, textOfHash } from './record.js'

/** Stands in a list for a key or a prefix by its hash. */
const TOKEN = /^#(?:k|p(\d{1,3})):([0-9a-z]{1,11})$/

export class TargetHasher {
  readonly #keys: KeyHasher

  /** @param keys those of the instance, or the salt that its nodes share */
  constructor(keys: KeyHasher | string) {
    this.#keys = typeof keys === 'string' ? new KeyHasher(keys) : keys
  }

  key(key: string): number {
    return this.#keys.hash(key)
  }

  prefix(prefix: string): number {
    return this.#keys.hash(`\0prefix\0${prefix}`)
  }
}

/** Hashes of keys, and of prefixes by their length in characters. */
export class TargetSet {
  readonly keys = new Set<number>()
  readonly prefixes = new Map<number, Set<number>>()

  get isEmpty(): boolean {
    return this.keys.size === 0 && this.prefixes.size === 0
  }

  addPrefix(length: number, hash: number): void {
    const hashes = this.prefixes.get(length) ?? new Set()
    this.prefixes.set(length, hashes.add(hash))
  }

  has(key: string, hash: number, hasher: TargetHasher): boolean {
    if (this.keys.has(hash)) return true
    for (const [length, hashes] of this.prefixes) {
      if (key.length >= length && hashes.has(hasher.prefix(key.slice(0, length)))) return true
    }
    return false
  }
}

/** The set of an allow-list, which is JSON that was found right. */
export function targetsOf(list: readonly unknown[], hasher: TargetHasher): TargetSet {
  const targets = new TargetSet()
  for (const one of list) {
    if (typeof one !== 'string') {
      const { prefix } = one as { prefix: string }
      targets.addPrefix(prefix.length, hasher.prefix(prefix))
      continue
    }
    const token = TOKEN.exec(one)
    const hash = token === null ? undefined : hashOfText(token[2]!)
    if (hash === undefined) targets.keys.add(hasher.key(one))
    else if (token![1] === undefined) targets.keys.add(hash)
    else targets.addPrefix(Number(token![1]), hash)
  }
  return targets
}

/** The same list without a key in clear. */
export const hashedTargets = (list: readonly unknown[], hasher: TargetHasher): string[] =>
  list.map((one) => {
    if (typeof one === 'string') return TOKEN.test(one) ? one : `#k:${textOfHash(hasher.key(one))}`
    const { prefix } = one as { prefix: string }
    return `#p${prefix.length}:${textOfHash(hasher.prefix(prefix))}`
  })
