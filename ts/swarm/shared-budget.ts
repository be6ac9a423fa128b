/**
 * A budget that processes share: takes slices of it from an {@link Account}, one compare-and-set each, and none a call.
 *
 * | event | what happens |
 * |---|---|
 * | a run finds the slice empty | a larger slice is taken: twice as large each time, up to a 64th of the limit and half an equal share of what is left |
 * | the slice is used up slowly | it is filled up in the background, to what was used of late in a second |
 * | nothing is used | the slice shrinks to what one run needs, and what is beyond goes back |
 * | others lack something | the slice goes back, but for what is reserved; those who lack are served in the order of their waits, and until then nothing more is reserved by others |
 * | the store is lost | this node lives on its slice, and on nothing else |
 * | a call of the store never settles | it counts as lost after 8 s, or what the provider says, and is made again; what it answers later is dropped |
 * | an answer of the store is lost | what may have been taken is not used before it was read; what was to go back is not used any more |
 * | the process dies | after {@link TTL_MS} others count its slice as used, since it may have been |
 * | the account is lost, damaged, or an older one is back | what the nodes still know is written again, and nothing is granted until all had time to do so |
 * | what is there was no account when this node came, or is one of a later version | it is left as it is, and nothing is granted |
 * | the store's clock jumps ahead | nodes count as dead and join again: their slices count as used |
 * | the store's clock goes back | no node counts as living, and nothing as forgotten, for longer than {@link TTL_MS} from then on |
 *
 * Longer than other files, because it is safe by the order in which a grant is lowered here, written, and raised here.
 */

import { DocumentCalls, type DocumentStore } from '../base/document-calls.js'
import { soon } from '../base/soon.js'
import { type After, afterHost } from '../base/within.js'
import type { SharedDocument } from '../providers/provider.js'
import { Account, type Demand, documentOf, LaterAccount } from './account.js'
import { converted, HORIZON_MS, Slice } from './slice.js'
import type { BudgetSource, SourcedRoot } from './source.js'

/** The time without a report after which a node counts as dead, ms. */
const TTL_MS = 10_000
/** The time for which an account is kept after its last write, ms. */
const RETENTION_MS = 86_400_000
/** The same after the last node has closed it, since a node that counts as dead may only be cut off, ms. */
const ENDED_MS = 600_000
/** The time between two updates while something is used, and while something is lacking, ms. */
const ACTIVE_MS = 250
const LACKING_MS = 100
/** The longest random delay of an update after another node wrote, ms: where this one lacks something, and otherwise. */
const HINT_LACKING_MS = 20
const HINT_MS = 300
/** Attempts at one change while others write as well. */
const MAX_TRIES = 8
const MAX_BACKOFF_MS = 2000
/** Stands for a document that the store cannot read. */
const UNREADABLE = 'unreadable'
/** The number of nodes up to which updates are not slowed down. */
const UNSLOWED = 16

export interface SharedBudgetParts {
  readonly store: DocumentStore
  /** Called with the reason for which the account cannot be read, once until it can. */
  readonly onUnreadable?: (reason: Error) => void
  /** Called with a promise that resolves once the slices of a closed swarm are returned. */
  readonly onLeave?: (left: Promise<void>) => void
  readonly after?: After
  /** In [0, 1). */
  readonly random?: () => number
  readonly id?: string
  /** The first update waits for this promise. It never rejects. */
  readonly ready?: Promise<void> | undefined
}

export class SharedBudget implements BudgetSource {
  readonly #parts: SharedBudgetParts
  readonly #after: After
  readonly #calls: DocumentCalls
  readonly #random: () => number
  readonly #id: string
  #document = ''
  #slices: Slice[] = []
  /** The account as this node has read or written it last. */
  #account: Account | undefined
  #hasJoined = false
  #isOpen = true
  #isRunning = false
  #isDue = false
  /** True after `leave()`, until a run is short again. */
  #hasLeft = false
  #turn: Promise<void>
  #failures = 0
  #learntMs = 0
  #writtenMs = 0
  /** The time since which the first of those who wait has waited, ms; 0: none waits. */
  #lackingMs = 0
  #stopTimer: (() => void) | undefined
  #timerMs = Number.POSITIVE_INFINITY
  #unwatch: (() => void) | undefined
  /** The account could not be read, and that was reported. */
  #isUnreadable = false

  constructor(parts: SharedBudgetParts) {
    this.#parts = parts
    this.#after = parts.after ?? afterHost
    this.#calls = new DocumentCalls(parts.store, this.#after)
    this.#random = parts.random ?? Math.random
    this.#id = parts.id ?? crypto.randomUUID()
    this.#turn = parts.ready ?? Promise.resolve()
  }

  /** The account as this node has read or written it last. */
  get account(): Account | undefined {
    return this.#account
  }

  attach(root: SourcedRoot): void {
    this.#document = documentOf(root.name)
    this.#slices = root.ownUnits.map((unit) => new Slice(unit, root))
    this.#unwatch = this.#calls.watch((name) => {
      if (name !== this.#document || this.#isRunning || this.#hasLeft) return
      const lacks = this.#slices.some(({ missing }) => missing > 0)
      if (lacks) this.#plan(this.#random() * HINT_LACKING_MS)
      else if (this.#hasJoined) this.#plan((0.5 + 0.5 * this.#random()) * HINT_MS)
    })
    if (this.#slices.length > 0) this.#look()
  }

  short(unit: string, missing: number): boolean {
    const slice = this.#slices.find((one) => one.unit === unit)
    if (slice === undefined || !this.#isOpen) return false
    const lacking = Math.max(1, missing - slice.kept)
    if (lacking > slice.missing) slice.missing = lacking
    if (!this.#isDue) slice.lack(lacking)
    this.#hasLeft = false
    const mayCome = this.#mayCome(slice, lacking)
    if (mayCome && !this.#isDue) {
      this.#isDue = true
      if (!this.#isRunning) soon(() => this.#look())
    }
    return mayCome
  }

  /** Returns whether enough would be left if all that is reserved, here and elsewhere, came back. */
  #mayCome(slice: Slice, missing: number): boolean {
    const account = this.#account
    const unit = account?.units.indexOf(slice.unit) ?? -1
    // It is left to the account where nodes count it by different quanta.
    if (account === undefined || unit < 0 || account.scales[unit] !== slice.root.scaleOf(slice.unit)) return true
    let possible = Math.min(account.limitOf(unit), slice.limit) - account.gone[unit]!
    for (const [id, { parts }] of account.sharers) if (id !== this.#id) possible -= parts[unit]?.used ?? 0
    return possible >= slice.granted + missing - slice.held
  }

  covers(unit: string, beyond: number): boolean {
    const slice = this.#slices.find((one) => one.unit === unit)
    if (slice === undefined || !this.short(unit, beyond) || this.#failures > 0) return false
    const index = this.#account?.units.indexOf(unit) ?? -1
    if (index < 0 || this.#account!.scales[index] !== slice.root.scaleOf(unit)) return false
    return beyond <= this.#account!.leftOf(index) / (2 * this.#account!.sharers.size)
  }

  close(): void {
    const left = this.leave(true)
    this.#parts.onLeave?.(left)
  }

  /**
   * Gives back what is not taken, and leaves. Resolves when that is done or could not be; never rejects.
   *
   * @param isOver true: for good, and the account goes with the last node; else it is kept, and the next run that is short joins again
   */
  leave(isOver = false): Promise<void> {
    if (isOver) {
      this.#isOpen = false
      this.#unwatch?.()
    }
    this.#hasLeft = true
    this.#isDue = false
    this.#stopTimer?.()
    this.#timerMs = Number.POSITIVE_INFINITY
    // Nothing more is reserved of what goes back.
    for (const slice of this.#slices) slice.apply(Math.min(slice.granted, slice.taken))
    this.#turn = this.#turn.then(() => this.#depart(isOver)).catch(() => {})
    return this.#turn
  }

  async #depart(isOver: boolean): Promise<void> {
    if (!this.#hasJoined) return
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const { version, text } = await this.#load()
      if (!text) return
      const account = Account.parse(text)
      for (const slice of this.#slices) {
        const part = account.sharers.get(this.#id)?.parts[account.units.indexOf(slice.unit)]
        if (part) part.taken = this.#up(account, slice, Math.max(slice.taken, slice.granted))
      }
      account.leave(this.#id)
      const isLast = isOver && account.sharers.size === 0
      const ends = isLast && account.dead.length === 0
      const ttlMs = ends ? 1 : isLast ? ENDED_MS : RETENTION_MS
      if (await this.#calls.write(this.#document, version, ends ? '' : account.text(), { ttlMs })) break
      await this.#pause(tries)
    }
    this.#hasJoined = false
    this.#account = undefined
    for (const slice of this.#slices) slice.settle(Math.max(slice.taken, slice.granted))
  }

  /** Schedules an update, unless one is due earlier. */
  #plan(ms: number): void {
    if (!this.#isOpen || this.#isRunning || ms >= this.#timerMs) return
    this.#stopTimer?.()
    this.#timerMs = ms
    this.#stopTimer = this.#after(ms, () => this.#look())
  }

  #look(): void {
    if (this.#isRunning || !this.#isOpen) return
    this.#isRunning = true
    this.#stopTimer?.()
    this.#timerMs = Number.POSITIVE_INFINITY
    this.#turn = this.#turn
      .then(() => this.#change())
      .then(
        () => {
          this.#failures = 0
        },
        () => {
          this.#failures += 1
        },
      )
      .then(() => {
        this.#isRunning = false
        this.#next()
      })
  }

  #next(): void {
    const isDue = this.#isDue
    this.#isDue = false
    if (this.#hasLeft) return
    if (this.#failures > 0) {
      const backoffMs = Math.min(MAX_BACKOFF_MS, LACKING_MS * 2 ** Math.min(this.#failures - 1, 10))
      this.#plan((0.5 + 0.5 * this.#random()) * backoffMs)
      return
    }
    const lacks = this.#slices.some(({ missing }) => missing > 0)
    const isActive = this.#slices.some((slice) => slice.isActive)
    const slowed = Math.max(1, (this.#account?.sharers.size ?? 1) / UNSLOWED)
    if (isDue && lacks) this.#plan(0)
    else if (lacks) this.#plan((0.75 + 0.5 * this.#random()) * LACKING_MS * slowed)
    else if (isActive) this.#plan((0.75 + 0.5 * this.#random()) * ACTIVE_MS * slowed)
    else if (this.#hasJoined) this.#plan(TTL_MS / 3)
  }

  #pause(tries: number): Promise<void> {
    return new Promise((resolve) => this.#after(this.#random() * 5 * (tries + 1), resolve))
  }

  /** One change of the account; rejects while the store is lost. */
  async #change(): Promise<void> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      if (!this.#isOpen || (await this.#attempt())) return
      await this.#pause(tries)
    }
  }

  /** False: another node wrote meanwhile. */
  async #attempt(): Promise<boolean> {
    const { version, text: found, nowMs: storeMs } = await this.#load()
    const nowMs = Math.floor(storeMs)
    // An account that has ended stays in the store, empty, for a while.
    const { account, text } = this.#read(found || null, nowMs)
    if (!this.#isOpen) return true
    this.#rejoin(account, nowMs, text === null)
    const isBounded = account.bound(nowMs, TTL_MS)
    const hasRoom = account.join(this.#id, nowMs + TTL_MS)
    account.bury(nowMs)
    if (!hasRoom && !account.join(this.#id, nowMs + TTL_MS)) {
      // Those that are not there give way when their time is over, which it never would be as it was written.
      if (isBounded) await this.#calls.write(this.#document, version, account.text(), { ttlMs: RETENTION_MS })
      throw new Error('too many nodes share the budget')
    }
    // A clock that went back.
    this.#learntMs = Math.min(this.#learntMs, nowMs)
    this.#writtenMs = Math.min(this.#writtenMs, nowMs)
    this.#lackingMs = Math.min(this.#lackingMs, nowMs)
    const elapsedMs = this.#learntMs === 0 ? 0 : nowMs - this.#learntMs
    if (elapsedMs >= ACTIVE_MS / 2 || this.#learntMs === 0) {
      for (const slice of this.#slices) slice.learn(Math.max(1, elapsedMs))
      this.#learntMs = nowMs
    }
    for (const slice of this.#slices) this.#ask(slice)
    const lacks = this.#slices.some(({ missing }) => missing > 0)
    if (!lacks) this.#lackingMs = 0
    else if (this.#lackingMs === 0) this.#lackingMs = nowMs
    const grants = this.#slices.map((slice) => this.#demand(account, slice, nowMs, lacks))
    const silentMs = nowMs - this.#writtenMs
    const isBehind = this.#slices.some((slice, n) => slice.granted < grants[n]!)
    const isDue = !this.#hasJoined || text === null || isBounded || isBehind || silentMs >= TTL_MS / 3
    if (!isDue && !account.hasNews(text, this.#id, silentMs >= HORIZON_MS)) {
      this.#learnt(account)
      this.#isDue = false
      return true
    }
    if (!(await this.#calls.write(this.#document, version, account.text(), { ttlMs: RETENTION_MS }))) return false
    this.#learnt(account)
    this.#hasJoined = true
    this.#writtenMs = nowMs
    this.#isDue = false
    if (this.#hasLeft) return true
    const { parts } = account.sharers.get(this.#id)!
    const taken = this.#slices.map((slice) => slice.taken)
    for (const [n, slice] of this.#slices.entries()) {
      if (parts[account.units.indexOf(slice.unit)]!.missing > 0) continue
      slice.missing = 0
      // Other waiting calls may lack something again at once.
      slice.apply(Math.max(grants[n]!, slice.granted))
    }
    // The next waiting call has waited for a shorter time.
    if (this.#slices.some((slice, n) => slice.taken > taken[n]!)) this.#lackingMs = 0
    return true
  }

  /** Stores the account as read from the store, and passes on the amounts of other nodes. */
  #learnt(account: Account): void {
    this.#account = account
    for (const { unit, root, base } of this.#slices) {
      const index = account.units.indexOf(unit)
      let [used, held] = [account.gone[index]!, 0]
      for (const [id, { parts }] of account.sharers) {
        const part = parts[index]
        if (id === this.#id || part === undefined) continue
        used += part.taken
        held += part.granted - part.taken
      }
      const own = (quanta: number): number => converted(quanta, account.scales[index]!, root.scaleOf(unit), Math.ceil)
      root.setElsewhere(unit, Math.max(0, own(used) - base), own(held))
    }
  }

  /** The document; one that the store cannot read has a text that is no account, once this node knows one to put in its place. */
  async #load(): Promise<SharedDocument> {
    const { unreadable, ...document } = await this.#calls.find(this.#document)
    if (unreadable === undefined) return document
    this.#report(unreadable)
    if (this.#account === undefined) throw unreadable
    return { ...document, text: UNREADABLE }
  }

  #report(error: Error): void {
    if (!this.#isUnreadable) this.#parts.onUnreadable?.(error)
    this.#isUnreadable = true
  }

  /** The account and its text; without one, what this node knows of an account that is lost, or that something else has taken the place of. */
  #read(text: string | null, nowMs: number): { readonly account: Account; readonly text: string | null } {
    if (text !== null) {
      try {
        const account = Account.parse(text)
        account.requireRoom(this.#slices.map(({ unit }) => unit))
        this.#isUnreadable = false
        return { account, text }
      } catch (error) {
        this.#report(error as Error)
        if (this.#account === undefined || error instanceof LaterAccount) throw error
      }
    }
    return { account: this.#known(nowMs), text: null }
  }

  #known(nowMs: number): Account {
    if (this.#account === undefined) {
      const account = new Account()
      // Another node may have ended the account meanwhile.
      for (const { unit, root, base } of this.#slices) account.gone[account.unitOf(unit, root.scaleOf(unit))]! += base
      return account
    }
    const account = Account.parse(this.#account.text())
    for (const sharer of account.sharers.values()) sharer.untilMs = nowMs + TTL_MS
    return account
  }

  /** Compares the account's entry of this node with the node's own state. */
  #rejoin(account: Account, nowMs: number, isLost: boolean): void {
    if (!this.#hasJoined) return
    const sharer = account.sharers.get(this.#id)
    const buried = account.dead.indexOf(this.#id)
    if (sharer === undefined && buried >= 0) {
      account.dead.splice(buried, 1)
      for (const slice of this.#slices) slice.settle(slice.granted)
      return
    }
    const isOlder = this.#slices.some((slice) => {
      const part = sharer?.parts[account.units.indexOf(slice.unit)]
      return this.#up(account, slice, slice.granted) > (part?.granted ?? 0)
    })
    if (isOlder || isLost) account.recoveringUntilMs = Math.max(account.recoveringUntilMs, nowMs + TTL_MS)
  }

  /** Has the waiting calls state again what they lack, since some may be gone. */
  #ask(slice: Slice): void {
    if (slice.missing === 0) return
    slice.missing = 0
    slice.apply(slice.granted)
  }

  /** Demands of one unit; what is to go back is not used from now on. Returns what is granted once it is written. */
  #demand(account: Account, slice: Slice, nowMs: number, lacks: boolean): number {
    const { root, unit } = slice
    const index = account.unitOf(unit, root.scaleOf(unit))
    const scale = account.scales[index]!
    const demand: Demand = {
      limit: converted(slice.limit, root.scaleOf(unit), scale, Math.floor),
      taken: this.#up(account, slice, slice.taken),
      used: this.#up(account, slice, slice.used),
      granted: this.#up(account, slice, slice.granted),
      missing: this.#up(account, slice, slice.missing),
      need: lacks ? this.#up(account, slice, slice.need) : 0,
      sinceMs: this.#lackingMs || nowMs,
      window: this.#up(account, slice, slice.window),
    }
    const granted = converted(account.grant(this.#id, index, demand, nowMs), scale, root.scaleOf(unit), Math.floor)
    slice.isStopped = account.owes(this.#id, index, demand.sinceMs)
    if (granted < slice.granted || slice.isStopped || slice.kept > 0) slice.apply(Math.min(granted, slice.granted))
    return granted
  }

  #up(account: Account, { root, unit }: Slice, quanta: number): number {
    const index = account.units.indexOf(unit)
    const own = root.scaleOf(unit)
    return converted(Math.ceil(quanta), own, index < 0 ? own : account.scales[index]!, Math.ceil)
  }
}
