/**
 * The account of a budget that processes share: the content of one document. Pure: no clock, no store.
 *
 * Of every unit `limit = used + held + left` holds at every step: `left` is what no node has, a node has `granted` in all since it joined,
 * and of that it has used and reserved `taken`, which it states whenever it writes; the rest is its slice. A node grants nothing beyond `granted`, so
 * that nothing is ever overspent, whatever is lost: of a node that died, all that it had been granted counts as used, since it may have
 * used it after its last report. So slices are small: see {@link SharedBudget}.
 *
 * All amounts are whole quanta; `scale` is the number of them in a unit.
 */

import { own } from '../base/own.js'

const FORMAT = 'atrion-swarm'
const VERSION = 1

/** Most nodes that share a budget at a time. */
const MAX_SHARING = 256
/** Most units of one account. */
const MAX_ACCOUNT_UNITS = 64
/** Most dead nodes that are remembered, so that one that returns learns that its slice was counted as used. */
const MAX_REMEMBERED = 64

/** A node's part in one unit. */
export interface Part {
  /** The node's limit of the whole budget. */
  limit: number
  /** Quanta that the node may use in all since it joined. */
  granted: number
  /** Quanta of those that are used or reserved. */
  taken: number
  /** Quanta of those that are used, and do not come back. */
  used: number
  /** Quanta that the node lacks for calls that wait, and the time since which they do, ms; 0: none wait. */
  missing: number
  sinceMs: number
}

export interface Sharer {
  /** The store's time after which it counts as dead, ms. */
  untilMs: number
  /** By the number of the unit; undefined where the node does not limit it. */
  parts: (Part | undefined)[]
}

/** A node's demand of one unit. */
export interface Demand {
  readonly limit: number
  /** Used and reserved since it joined: it is never granted less. */
  readonly taken: number
  /** The used part of that. */
  readonly used: number
  /** The node's grant as far as it knows: less than in the account where an answer was lost. */
  readonly granted: number
  /** Quanta that calls which wait lack beyond that; 0: none wait for this unit. */
  readonly missing: number
  /** Quanta that they need of this unit beyond what is taken, where they lack this one or another; 0: none wait. */
  readonly need: number
  /** The time since which the first of them has waited, ms. */
  readonly sinceMs: number
  /** The slice that it would like to have. */
  readonly window: number
}

/** An account of a later version, which is not to be written over. */
export class LaterAccount extends Error {}

export class Account {
  readonly units: string[] = []
  /** Quanta in one unit. */
  readonly scales: number[] = []
  /** Used by nodes that are gone. */
  readonly gone: number[] = []
  readonly sharers = new Map<string, Sharer>()
  /** The nodes that died last. */
  readonly dead: string[] = []
  /** Until then nothing is granted, since some of what was granted may be forgotten; the store's time, ms. */
  recoveringUntilMs = 0

  /** The number of a unit; it is added where there is none yet. */
  unitOf(name: string, scale: number): number {
    const known = this.units.indexOf(name)
    if (known >= 0) return known
    this.units.push(name)
    this.scales.push(scale)
    this.gone.push(0)
    return this.units.length - 1
  }

  /** @throws Error where it has no room for those of some units that it does not have yet: with them it could not be read again */
  requireRoom(units: readonly string[]): void {
    const most = MAX_ACCOUNT_UNITS - units.filter((unit) => !this.units.includes(unit)).length
    if (this.units.length > most) throw new Error(`it has ${this.units.length} units, and no room for more`)
  }

  /** The least of the limits that living nodes have; Infinity: none has one. */
  limitOf(unit: number): number {
    let least = Number.POSITIVE_INFINITY
    for (const { parts } of this.sharers.values()) least = Math.min(least, parts[unit]?.limit ?? least)
    return least
  }

  /** Quanta that no node has; negative where more was used than there was. */
  leftOf(unit: number): number {
    let left = this.limitOf(unit) - this.gone[unit]!
    for (const { parts } of this.sharers.values()) left -= parts[unit]?.granted ?? 0
    return left
  }

  /** Quanta that are used or reserved for sure. */
  takenOf(unit: number): number {
    let taken = this.gone[unit]!
    for (const { parts } of this.sharers.values()) taken += parts[unit]?.taken ?? 0
    return taken
  }

  /**
   * Bounds the times by the store's clock: what was written may be of a clock that was ahead, or of none, and no node that is not there
   * may hold the others up for longer than one that is.
   *
   * @param aheadMs the most that a node is counted as living for
   * @returns whether that changed anything
   */
  bound(nowMs: number, aheadMs: number): boolean {
    const latestMs = nowMs + aheadMs
    let isChanged = this.recoveringUntilMs > latestMs
    this.recoveringUntilMs = Math.min(this.recoveringUntilMs, latestMs)
    for (const sharer of this.sharers.values()) {
      isChanged ||= sharer.untilMs > latestMs
      sharer.untilMs = Math.min(sharer.untilMs, latestMs)
      for (const part of sharer.parts) if (part !== undefined) part.sinceMs = Math.min(part.sinceMs, nowMs)
    }
    return isChanged
  }

  /** Counts the grants of nodes that have not reported for too long as used. */
  bury(nowMs: number): void {
    for (const [id, { untilMs }] of this.sharers) if (untilMs <= nowMs) this.#remove(id, 'granted')
  }

  /** A node leaves: what it has not taken is left again. */
  leave(id: string): void {
    this.#remove(id, 'taken')
  }

  #remove(id: string, counted: 'granted' | 'taken'): void {
    const sharer = this.sharers.get(id)
    if (sharer === undefined) return
    this.sharers.delete(id)
    for (const [unit, part] of sharer.parts.entries()) {
      if (part !== undefined) this.gone[unit] = amountOf(this.gone[unit]! + part[counted])
    }
    if (counted === 'granted' && this.dead.push(id) > MAX_REMEMBERED) this.dead.shift()
  }

  /** A node reports that it lives. False: there are too many. */
  join(id: string, untilMs: number): boolean {
    const sharer = this.sharers.get(id)
    if (sharer === undefined) {
      if (this.sharers.size >= MAX_SHARING) return false
      const buried = this.dead.indexOf(id)
      if (buried >= 0) this.dead.splice(buried, 1)
    }
    this.sharers.set(id, { untilMs, parts: sharer?.parts ?? [] })
    return true
  }

  /**
   * Grants a node what it demands of a unit, as far as there is any, and takes back what it does not need.
   *
   * @returns what it may use in all; never less than it has taken
   */
  grant(id: string, unit: number, demand: Demand, nowMs: number): number {
    const { parts } = this.sharers.get(id)!
    const before = parts[unit]
    const part: Part = {
      limit: demand.limit,
      // An account that is older than the node's knowledge of it has lost something.
      granted: Math.max(before?.granted ?? 0, demand.granted, demand.taken),
      taken: demand.taken,
      used: Math.min(demand.used, demand.taken),
      missing: 0,
      sinceMs: 0,
    }
    parts[unit] = part
    const left = Math.max(0, this.leftOf(unit))
    const { isWanted, owed } = this.#wanted(id, unit, demand.sinceMs)
    const share = Math.floor((left + part.granted - demand.taken) / (2 * this.#living(unit)))
    // The node that has waited longest keeps what it has of other units.
    const kept = owed === 0 ? Math.min(demand.need, part.granted - demand.taken) : 0
    const window = isWanted ? kept : Math.max(kept, Math.min(demand.window, share))
    const need = demand.missing > 0 ? demand.granted + demand.missing : demand.taken
    const target = Math.max(need, demand.taken + window)
    if (target <= part.granted) {
      part.granted = target
      return target
    }
    const free = nowMs < this.recoveringUntilMs ? 0 : Math.max(0, left - owed)
    const granted = part.granted + Math.min(target - part.granted, free)
    if (granted >= need) {
      part.granted = granted
      return granted
    }
    // A part of what a run needs does not help this node and would be missing elsewhere; so would a slice that is too small while others
    // have waited longer.
    if (owed > 0) part.granted = demand.taken
    part.missing = need - part.granted
    part.sinceMs = demand.sinceMs
    return part.granted
  }

  /** Returns whether a node that has waited for longer lacks some of a unit. */
  owes(id: string, unit: number, sinceMs: number): boolean {
    return this.#wanted(id, unit, sinceMs).owed > 0
  }

  #living(unit: number): number {
    let living = 0
    for (const { parts } of this.sharers.values()) if (parts[unit] !== undefined) living += 1
    return living
  }

  /** Returns whether others lack some of a unit, and how much those do that have waited for longer. */
  #wanted(id: string, unit: number, sinceMs: number): { isWanted: boolean; owed: number } {
    let isWanted = false
    let owed = 0
    for (const [other, { parts }] of this.sharers) {
      const part = parts[unit]
      if (other === id || part === undefined || part.missing === 0) continue
      isWanted = true
      if (part.sinceMs < sinceMs || (part.sinceMs === sinceMs && other < id)) owed += part.missing
    }
    return { isWanted, owed }
  }

  /**
   * Returns whether a node's own part, or the number of nodes, has changed since this account was read.
   *
   * @param isOld true: what it has taken counts as well
   */
  hasNews(read: string, id: string, isOld: boolean): boolean {
    const known = Account.parse(read)
    if (known.sharers.size !== this.sharers.size || known.recoveringUntilMs !== this.recoveringUntilMs) return true
    const old = known.sharers.get(id)?.parts ?? []
    return this.sharers.get(id)!.parts.some((part, unit) => {
      const was = old[unit]
      if (part === undefined || was === undefined) return part !== was
      return (
        part.granted !== was.granted ||
        part.missing !== was.missing ||
        (isOld && (part.taken !== was.taken || part.used !== was.used))
      )
    })
  }

  text(): string {
    const { units, scales, gone, dead, recoveringUntilMs } = this
    const nodes = [...this.sharers].map(([id, { untilMs, parts }]) => [
      id,
      untilMs,
      ...units.map((_, unit) => {
        const part = parts[unit]
        if (part === undefined) return 0
        return [part.limit, part.granted, part.taken, part.used, part.missing, part.sinceMs].map(amountOf)
      }),
    ])
    return JSON.stringify({ format: FORMAT, version: VERSION, units, scales, gone, nodes, dead, recoveringUntilMs })
  }

  /** @throws LaterAccount for one of a later version, Error where it is none */
  static parse(text: string): Account {
    const given: unknown = JSON.parse(text)
    if (typeof given !== 'object' || given === null || own(given as Fields, 'format') !== FORMAT) {
      throw new Error('it is not the account of a budget')
    }
    const { version, units, scales, gone, nodes, dead, recoveringUntilMs } = given as Fields
    if (Number.isInteger(version) && (version as number) > VERSION) {
      throw new LaterAccount(`it has version ${version}; this one reads version ${VERSION}`)
    }
    require(version === VERSION, 'version')
    const account = new Account()
    require(isListOf(units, isName) &&
      units.length <= MAX_ACCOUNT_UNITS &&
      new Set(units).size === units.length, 'units')
    require(isListOf(scales, isScale) && scales.length === units.length, 'scales')
    require(isListOf(gone, isAmount) && gone.length === units.length, 'gone')
    require(isListOf(dead, isName) && dead.length <= MAX_REMEMBERED, 'dead')
    require(isAmount(recoveringUntilMs), 'recoveringUntilMs')
    require(Array.isArray(nodes) && nodes.length <= MAX_SHARING, 'nodes')
    account.units.push(...units)
    account.scales.push(...scales)
    account.gone.push(...gone)
    account.dead.push(...dead)
    account.recoveringUntilMs = recoveringUntilMs
    for (const node of nodes as unknown[]) {
      require(Array.isArray(node) && node.length === units.length + 2, 'nodes')
      const [id, untilMs, ...parts] = node as unknown[]
      require(isName(id) && isAmount(untilMs) && !account.sharers.has(id), 'nodes')
      account.sharers.set(id, { untilMs, parts: parts.map(partOf) })
    }
    return account
  }
}

type Fields = Readonly<Record<string, unknown>>

function require(holds: boolean, field: string): asserts holds {
  if (!holds) throw new Error(`its ${field} cannot be read`)
}

/** An amount that can be read again: where nodes count a unit by different quanta it may be more than a double counts. */
const amountOf = (quanta: number): number => Math.min(quanta, Number.MAX_SAFE_INTEGER)
/** Quanta of a unit: {@link Units} counts none finer. */
const isScale = (value: unknown): value is number => isAmount(value) && value >= 1 && value <= 1e9
const isAmount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const isName = (value: unknown): value is string => typeof value === 'string' && value !== '' && value.length <= 64
const isListOf = <T>(value: unknown, is: (one: unknown) => one is T): value is T[] =>
  Array.isArray(value) && value.every(is)

function partOf(given: unknown): Part | undefined {
  if (given === 0) return undefined
  require(isListOf(given, isAmount) && given.length === 6, 'nodes')
  const [limit, granted, taken, used, missing, sinceMs] = given as [number, number, number, number, number, number]
  require(used <= taken && taken <= granted, 'nodes')
  return { limit, granted, taken, used, missing, sinceMs }
}

/** The document of a swarm. A name that is too long for one ends in a hash of it. */
export function documentOf(name: string): string {
  const spelt = JSON.stringify(name).slice(1, -1)
  const document = `swarm:${/\p{Surrogate}/u.test(name) ? spelt : name}`
  if (new TextEncoder().encode(document).length <= 256) return document
  let [high, low] = [0x811c9dc5, 0x1b873593]
  for (let at = 0; at < spelt.length; at++) {
    high = Math.imul(high ^ spelt.charCodeAt(at), 0x01000193)
    low = Math.imul(low ^ spelt.charCodeAt(at), 0x85ebca6b)
  }
  const hash = [high, low].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('')
  return `swarm:${spelt.slice(0, 40).replace(/[^\x20-\x7e]/g, '.')}…${hash}`
}
