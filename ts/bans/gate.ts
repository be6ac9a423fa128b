/** The gate of an instance: the check of each request's key, in a table of hashes and by the prefixes that are banned. */

import type { LimitedBy } from '../base/limited-by.js'
import { type KeyGate, VERDICT } from '../limiter/key-gate.js'
import type { Evidence } from './evidence.js'
import { type Known, keep, marksOf } from './known.js'
import { MOST_LENGTHS, MOST_SHARED } from './record.js'
import { BanTable, MARK } from './table.js'
import { type TargetHasher, TargetSet, targetsOf } from './targets.js'

/** Keys that are known to have no entry, a power of two. */
const PASSED = 8_192
/** Entries of which the requests are counted. */
const MOST_COUNTED = 4 * MOST_SHARED

interface GateHost {
  /** True where keys come hashed as bans are. */
  readonly isSecret: boolean
  /** Unix ms, by this node's clock. */
  nowMs(): number
  /** Refusals are counted only. */
  isDryRun(): boolean
  /** Puts the gate before the limiter, or takes it away. */
  gate(gate: KeyGate | undefined): void
}

export class BanGate implements KeyGate {
  readonly limitedBy: LimitedBy = 'ban'
  retryAfterMs = 0
  readonly #host: GateHost
  readonly countsFailures: boolean
  readonly #evidence: Evidence | undefined
  #hasher: TargetHasher
  #table: BanTable
  /** Ends and marks of prefixes, by length and hash. */
  readonly #prefixes = new Map<number, Map<number, { readonly untilMs: number; readonly marks: number }>>()
  /** The earliest time at which a prefix may end. */
  #firstEndMs = Number.POSITIVE_INFINITY
  readonly #hits = new Map<number, number>()
  #allowed = new TargetSet()
  #isGate = false
  #lastHash = 0
  /** True where a key may have a prefix that has an entry. */
  #hasPrefixes = false
  readonly #isSecret: boolean
  /** Hashes of the limiter's of keys that lately turned out to have no entry, where keys do not come hashed as bans are. Made when first needed. */
  #passed: Float64Array | undefined
  #hasPassed = false

  constructor(host: GateHost, hasher: TargetHasher, evidence: Evidence | undefined) {
    this.#host = host
    this.#hasher = hasher
    this.#evidence = evidence
    this.countsFailures = evidence?.countsFailures ?? false
    this.#table = new BanTable(host.nowMs())
    this.#isSecret = host.isSecret
    this.#show()
  }

  /** Bytes of the table of keys. */
  get bytes(): number {
    return this.#table.bytes
  }

  /** Lengths of the prefixes that are banned. */
  get lengths(): readonly number[] {
    this.#dropEnded(this.#host.nowMs())
    return [...this.#prefixes.keys()]
  }

  /** Removes prefixes whose time is over: each length costs every request, and takes one of few places. */
  #dropEnded(nowMs: number): void {
    if (nowMs < this.#firstEndMs) return
    let firstEndMs = Number.POSITIVE_INFINITY
    for (const [length, prefixes] of this.#prefixes) {
      for (const [hash, { untilMs }] of prefixes) {
        if (untilMs > nowMs) firstEndMs = Math.min(firstEndMs, untilMs)
        else {
          prefixes.delete(hash)
          this.#hits.delete(hash)
        }
      }
      if (prefixes.size === 0) this.#prefixes.delete(length)
    }
    this.#firstEndMs = firstEndMs
    this.#show()
  }

  /** Requests that an entry met. */
  hitsOf(hash: number): number {
    return this.#hits.get(hash) ?? 0
  }

  has(hash: number): boolean {
    return this.#table.find(hash) !== 0
  }

  /** Enters what holds of a key or a prefix. */
  set(hash: number, known: Known): void {
    const { prefix, untilMs } = known
    // A ban by this node's operator takes a place from others if it has to: any client that writes to the store may fill the table.
    if (prefix === 0) this.#table.set(hash, marksOf(known), untilMs, this.#host.nowMs(), known.target !== undefined)
    else if (this.#prefixes.has(prefix) || this.lengths.length < MOST_LENGTHS) {
      this.#firstEndMs = Math.min(this.#firstEndMs, untilMs)
      const prefixes = this.#prefixes.get(prefix) ?? new Map()
      keep(prefixes, hash, { untilMs, marks: marksOf(known) })
      this.#prefixes.set(prefix, prefixes)
    }
    this.#show()
  }

  delete(hash: number): void {
    this.#table.delete(hash)
    for (const [length, prefixes] of this.#prefixes) {
      if (prefixes.delete(hash) && prefixes.size === 0) this.#prefixes.delete(length)
    }
    this.#hits.delete(hash)
    this.#show()
  }

  /** Forgets all: hashes are made another way from now on. */
  reset(hasher: TargetHasher): void {
    this.#hasher = hasher
    this.#table = new BanTable(this.#host.nowMs())
    this.#prefixes.clear()
    this.#hits.clear()
    this.#show()
  }

  /** The keys and prefixes that no ban concerns. */
  allow(list: readonly unknown[]): void {
    this.#allowed = targetsOf(list, this.#hasher)
  }

  /** Puts the gate before the limiter only while there is something to check. */
  #show(): void {
    this.#hasPrefixes = this.#prefixes.size > 0
    if (this.#hasPassed) {
      this.#passed!.fill(-1)
      this.#hasPassed = false
    }
    const isGate = this.#evidence !== undefined || this.#table.size > 0 || this.#prefixes.size > 0
    if (isGate === this.#isGate) return
    this.#isGate = isGate
    this.#host.gate(isGate ? this : undefined)
  }

  check(key: string, requestHash: number): number {
    if (this.#isSecret) return this.#check(key, requestHash)
    this.#passed ??= new Float64Array(PASSED).fill(-1)
    const passed = this.#passed
    // To hash a key a second time takes longer than all the rest.
    const at = requestHash & (PASSED - 1)
    if (passed[at] === requestHash) return VERDICT.PASS
    const hash = this.#hasher.key(key)
    if (this.#evidence === undefined && !this.#hasPrefixes && this.#table.find(hash) === 0) {
      passed[at] = requestHash
      this.#hasPassed = true
      return VERDICT.PASS
    }
    return this.#check(key, hash)
  }

  #check(key: string, hash: number): number {
    if (this.#evidence !== undefined) {
      this.#lastHash = hash
      this.#evidence.request(hash, this.#host.nowMs())
    }
    const marks = this.#table.find(hash)
    return marks === 0 && !this.#hasPrefixes ? VERDICT.PASS : this.#judge(key, hash, marks)
  }

  failureOf(): () => void {
    const evidence = this.#evidence
    const hash = this.#lastHash
    return () => evidence?.failure(hash)
  }

  /** The verdict on a key that has an entry, or that may have a prefix which has. */
  #judge(key: string, keyHash: number, keyMarks: number): number {
    const nowMs = this.#host.nowMs()
    this.#dropEnded(nowMs)
    let hash = keyHash
    let marks = keyMarks
    let { untilMs } = this.#table
    if (marks !== 0 && untilMs <= nowMs) {
      this.#table.delete(hash)
      this.#show()
      marks = 0
    }
    for (const [length, prefixes] of this.#prefixes) {
      if (marks === MARK.BAN) break
      if (key.length < length) continue
      const ofPrefix = this.#hasher.prefix(key.slice(0, length))
      const found = prefixes.get(ofPrefix)
      if (found !== undefined && (marks === 0 || found.marks === MARK.BAN)) {
        hash = ofPrefix
        marks = found.marks
        untilMs = found.untilMs
      }
    }
    if (marks === 0 || this.#allowed.has(key, keyHash, this.#hasher)) return VERDICT.PASS
    if (this.#hits.size < MOST_COUNTED || this.#hits.has(hash)) this.#hits.set(hash, this.hitsOf(hash) + 1)
    if (marks === MARK.BAN) {
      this.retryAfterMs = Math.ceil(untilMs - nowMs)
      return VERDICT.REFUSE
    }
    return marks === MARK.DEMOTED && !this.#host.isDryRun() ? VERDICT.DEMOTE : VERDICT.PASS
  }
}
