/**
 * Bans of an instance: its operator's, those of the cluster's document, and those by evidence. A key that this node alone found is demoted
 * here; one that two nodes found is refused by all that look for evidence; an operator's ban is refused by all.
 */

import { ConfigError } from '../base/errors.js'
import { wrongType } from '../base/input.js'
import type { KeyHasher } from '../base/keys.js'
import type { AtrionEvents } from '../events/events.js'
import type { KeyGate } from '../limiter/key-gate.js'
import type { SharedDocuments } from '../replication/documents.js'
import { Agreement } from './agreement.js'
import { Evidence, type EvidenceLimits, type Scenario } from './evidence.js'
import { BanGate } from './gate.js'
import { evidenceAgainst, type Known, keep, strongest, type Target } from './known.js'
import { readBanOptions, readTarget } from './options.js'
import { type BanDocument, copyOf, hashOfText, MOST_LENGTHS, MOST_SHARED, textOfHash } from './record.js'
import { BanSharing } from './sharing.js'
import { hashedTargets, TargetHasher } from './targets.js'
import type { Ban, BanOptions, BanTarget } from './types.js'

const ID = 'ban-'
/** Evidence of one node holds for so many windows, a minute at least. */
const WINDOWS = 10
const LEAST_FOUND_MS = 60_000
/** Nodes' seniority is looked at this often, ms. */
const LOOK_MS = 1_000
/** Clocks may differ by so much about what ended by itself, ms. */
const DOUBT_MS = 1_000

export interface BansHost {
  readonly node: string
  /** Hashes the keys of requests. */
  readonly keys: KeyHasher
  /** True where all nodes hash keys like this one: under the option `keySecret`. */
  readonly isSecret: boolean
  readonly documents: SharedDocuments | undefined
  readonly hasProvedNodes: boolean
  readonly evidence: EvidenceLimits | undefined
  readonly allow: readonly unknown[]
  /** The time of this node's clock, Unix ms. */
  nowMs(): number
  /** Refusals are counted only. */
  isDryRun(): boolean
  emit<K extends 'ban' | 'unban'>(name: K, event: AtrionEvents[K]): void
  warn(message: string, context: Record<string, unknown>): void
  /** Puts the gate before the limiter, or takes it away. */
  gate(gate: KeyGate | undefined): void
}

const newSalt = (): string =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('')

export class Bans {
  readonly #host: BansHost
  readonly #gate: BanGate
  readonly #sharing: BanSharing | undefined
  readonly #agreement: Agreement | undefined
  #salt = newSalt()
  #hasher: TargetHasher
  /** Bans that were made here, of the cluster, of evidence that two nodes agree on, and demotions; each of a bounded number. */
  readonly #made = new Map<number, Known>()
  #shared = new Map<number, Known>()
  #agreed = new Map<number, Known>()
  readonly #demoted = new Map<number, Known>()
  #allowList: readonly unknown[] = []
  #document: { readonly bans: BanDocument; readonly aheadMs: number } | undefined
  #looking: ReturnType<typeof setInterval> | undefined

  constructor(host: BansHost) {
    const { keys, documents, evidence, node } = host
    this.#host = host
    const isSecret = host.isSecret || documents === undefined
    this.#hasher = new TargetHasher(isSecret ? keys : this.#salt)
    const found = evidence && new Evidence(evidence, (hash, scenario) => this.#found(hash, scenario))
    const { nowMs, isDryRun, gate, warn } = host
    this.#gate = new BanGate({ isSecret, nowMs, isDryRun, gate }, this.#hasher, found)
    this.#agreement = evidence && new Agreement(node, host.hasProvedNodes)
    this.#sharing =
      documents &&
      new BanSharing(documents, {
        ...{ node, isWitness: evidence !== undefined, nowMs, warn },
        salt: () => this.#salt,
        adopt: (salt) => this.#adopt(salt),
        known: () => this.#document && copyOf(this.#document.bans),
        take: (bans, aheadMs) => this.#take(bans, aheadMs),
      })
    this.allow(undefined)
  }

  /** Bans a key, or all keys with a prefix. @throws ConfigError, TypeError */
  ban(given: BanTarget, options: BanOptions | undefined): Ban {
    const target = readTarget(given)
    const { ttlMs, reason, isSimulated } = readBanOptions(options)
    const prefix = target.isPrefix ? target.text.length : 0
    const { lengths } = this.#gate
    if (prefix > 0 && !lengths.includes(prefix) && lengths.length >= MOST_LENGTHS) {
      throw new ConfigError('prefix', `of one of the ${MOST_LENGTHS} lengths in use: ${lengths.join(', ')}`, prefix)
    }
    const hash = this.#hashOf(target)
    const untilMs = this.#host.nowMs() + ttlMs
    const known: Known = {
      ...{ origin: 'operator', scenario: 'manual', type: 'ban', prefix, untilMs, reason, isSimulated, target },
    }
    keep(this.#made, hash, known)
    this.#settle(hash)
    this.#sharing?.share(hash, { kind: 'ban', ban: { untilMs, reason, isSimulated, prefix } })
    this.#report(hash, known)
    return this.#banOf(hash, known)
  }

  /** Lifts a ban by its id, everywhere. @returns whether this node knew it @throws TypeError for what is no text */
  unban(id: string): boolean {
    if (typeof id !== 'string') throw wrongType('id', 'a string', id)
    const hash = id.startsWith(ID) ? hashOfText(id.slice(ID.length)) : undefined
    if (hash === undefined) return false
    const isKnown = this.#knownOf(hash) !== undefined || this.#gate.has(hash)
    for (const known of [this.#made, this.#shared, this.#agreed, this.#demoted]) known.delete(hash)
    this.#settle(hash)
    this.#sharing?.share(hash, { kind: 'lift' })
    if (isKnown) this.#host.emit('unban', { id })
    return isKnown
  }

  /** The bans and demotions that hold here: those of the cluster, and the newest that were made here, 4,096 at most. */
  list(): Ban[] {
    const all = [this.#made, this.#shared, this.#agreed, this.#demoted]
    const hashes = new Set(all.flatMap((known) => [...known.keys()]))
    return [...hashes].flatMap((hash) => {
      const known = this.#knownOf(hash)
      return known === undefined ? [] : [this.#banOf(hash, known)]
    })
  }

  /** The allow-list of the configuration, besides that of the code. */
  allow(list: readonly unknown[] | undefined): void {
    this.#allowList = list ?? []
    this.#gate.allow([...this.#host.allow, ...this.#allowList])
  }

  /** An allow-list without keys in clear, as all nodes read it. @throws (rejects) what the provider rejects with */
  async hashed(list: readonly unknown[]): Promise<string[]> {
    if (!this.#host.isSecret) await this.#sharing?.agreeOnSalt()
    return hashedTargets(list, this.#hasher)
  }

  start(): void {
    this.#sharing?.flush()
    if (this.#agreement === undefined || this.#looking !== undefined) return
    this.#agreement.listen(this.#host.nowMs())
    this.#looking = setInterval(() => {
      this.#agree()
      this.#sharing?.flush()
    }, LOOK_MS)
    this.#looking.unref?.()
  }

  stop(): void {
    this.#sharing?.stop()
    clearInterval(this.#looking)
    this.#looking = undefined
  }

  #hashOf({ text, isPrefix }: Target): number {
    return isPrefix ? this.#hasher.prefix(text) : this.#hasher.key(text)
  }

  /** The entry that holds of a key or a prefix. */
  #knownOf(hash: number): Known | undefined {
    const entries = [this.#made.get(hash), this.#shared.get(hash), this.#agreed.get(hash), this.#demoted.get(hash)]
    return strongest(entries, this.#host.nowMs())
  }

  /** Puts the entry that holds where requests are checked. */
  #settle(hash: number): void {
    const known = this.#knownOf(hash)
    if (known === undefined) this.#gate.delete(hash)
    else this.#gate.set(hash, known)
  }

  #banOf(hash: number, { origin, scenario, type, prefix, untilMs, reason, isSimulated }: Known): Ban {
    return {
      ...{ id: ID + textOfHash(hash), origin, scenario, scope: prefix > 0 ? 'prefix' : 'key', type },
      ...{ until: Math.ceil(untilMs), reason, simulated: isSimulated, hits: this.#gate.hitsOf(hash) },
    }
  }

  #report(hash: number, known: Known): void {
    const { id, origin, scenario, type, simulated, until } = this.#banOf(hash, known)
    this.#host.emit('ban', { id, origin, scenario, type, simulated, until })
  }

  /** Notes that this node found a key to take too much. */
  #found(hash: number, scenario: Scenario): void {
    const nowMs = this.#host.nowMs()
    const ttlMs = Math.max(LEAST_FOUND_MS, WINDOWS * this.#host.evidence!.windowMs)
    const before = this.#demoted.get(hash)
    if (before !== undefined && before.untilMs - nowMs > ttlMs / 2) return
    const known = evidenceAgainst('demote', scenario, nowMs + ttlMs)
    keep(this.#demoted, hash, known)
    this.#settle(hash)
    this.#sharing?.share(hash, { kind: 'found', scenario, untilMs: nowMs + ttlMs })
    if (before === undefined || before.untilMs <= nowMs) this.#report(hash, known)
  }

  /** Takes over the cluster's bans, and drops those that were lifted. */
  #take(bans: BanDocument, aheadMs: number): void {
    const before = this.#shared
    this.#document = { bans, aheadMs }
    this.#shared = new Map()
    for (const [hash, { untilMs, reason, isSimulated, prefix }] of bans.bans) {
      if (this.#sharing!.pending.get(hash)?.kind === 'lift') continue
      // A document without room for reasons takes none from those who know them.
      const same = [this.#made.get(hash), before.get(hash)].find(
        (one) => one !== undefined && Math.abs(one.untilMs - (untilMs - aheadMs)) <= DOUBT_MS,
      )
      const known: Known = {
        ...{
          origin: 'operator',
          scenario: 'manual',
          type: 'ban',
          prefix,
          untilMs: untilMs - aheadMs,
          reason: reason ?? same?.reason,
          isSimulated,
        },
      }
      this.#shared.set(hash, known)
      const old = before.get(hash)
      if (old === undefined || Math.abs(old.untilMs - known.untilMs) > DOUBT_MS || old.isSimulated !== isSimulated) {
        this.#settle(hash)
      }
      if (old === undefined && !this.#made.has(hash)) this.#report(hash, known)
    }
    const nowMs = this.#host.nowMs()
    for (const [hash, known] of before) {
      // One that gave way to others in the document holds on.
      const isKept = known.untilMs > nowMs && !bans.lifted.has(hash) && this.#shared.size < MOST_SHARED
      if (!this.#shared.has(hash) && isKept && this.#sharing!.pending.get(hash)?.kind !== 'lift')
        this.#shared.set(hash, known)
    }
    for (const hash of bans.lifted.keys()) {
      if (this.#shared.has(hash) || this.#sharing!.pending.has(hash)) continue
      const isKnown = [before, this.#made, this.#agreed, this.#demoted].some((known) => known.has(hash))
      for (const known of [this.#made, this.#agreed, this.#demoted]) known.delete(hash)
      if (!isKnown) continue
      this.#settle(hash)
      this.#host.emit('unban', { id: ID + textOfHash(hash) })
    }
    this.#agree()
  }

  /** Refuses the keys that two nodes found. */
  #agree(): void {
    if (this.#agreement === undefined || this.#document === undefined) return
    const before = this.#agreed
    const { bans, aheadMs } = this.#document
    const agreed = this.#agreement.of(bans, this.#host.nowMs(), aheadMs)
    this.#agreed = new Map(
      agreed.map(([hash, scenario, untilMs]) => [hash, evidenceAgainst('ban', scenario, untilMs)] as const),
    )
    for (const [hash, known] of this.#agreed) {
      const old = before.get(hash)
      if (old === undefined || Math.abs(old.untilMs - known.untilMs) > DOUBT_MS) this.#settle(hash)
      if (old === undefined) this.#report(hash, known)
    }
    for (const hash of before.keys()) if (!this.#agreed.has(hash)) this.#settle(hash)
  }

  /** The nodes agree on a salt: bans that were made here are hashed anew, and what is only known by its hash is dropped. */
  #adopt(salt: string): void {
    if (this.#host.isSecret || salt === this.#salt) return
    this.#salt = salt
    this.#hasher = new TargetHasher(salt)
    const made = [...this.#made.values()]
    for (const known of [this.#made, this.#shared, this.#agreed, this.#demoted]) known.clear()
    this.#sharing!.pending.clear()
    this.#gate.reset(this.#hasher)
    this.allow(this.#allowList)
    for (const known of made) {
      const { untilMs, reason, isSimulated, prefix, target } = known
      const hash = this.#hashOf(target!)
      this.#made.set(hash, known)
      this.#settle(hash)
      this.#sharing!.pending.set(hash, { kind: 'ban', ban: { untilMs, reason, isSimulated, prefix } })
    }
  }
}
