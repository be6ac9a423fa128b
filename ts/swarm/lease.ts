/**
 * The budget of one call: what it reserved, what it reported, and its settlement, which happens once.
 *
 * | state | the reservation | a report |
 * |---|---|---|
 * | open | is held | turns what is held into used; beyond it takes what is left, and at the limit aborts the signal |
 * | left | is settled, though the work goes on: its caller went away, or it was silent for ten minutes | corrects what was settled |
 * | over | is settled, and the work has ended | throws |
 *
 * Longer than other files, because every report and every way of ending changes the same counts.
 */

import type { BudgetCause, BudgetError } from '../base/budget-error.js'
import { ConfigError } from '../base/errors.js'
import { copyOf } from '../base/own.js'
import type { HeapTimer } from '../base/timer-heap.js'
import { type Classified, classify } from '../upstream/classify.js'
import type { Alarm } from './alarms.js'
import { type Call, type CallHost, priceOf } from './call.js'
import type { Stoppable, SwarmNode } from './node.js'
import type { PaceGrant } from './pacer.js'
import type { Amounts, SwarmLease } from './types.js'
import { FINE_PARTS, isAmount, MAX_UNITS, STANDARD_UNITS, STRUCTURAL_UNITS } from './units.js'

/** The time without a report after which a call is settled as if its holder had gone; twice as long at most, ms. */
export const SILENCE_MS = 600_000

const OPEN = 0
const LEFT = 1
const OVER = 2

const ALL = 2 ** MAX_UNITS - 1

/** The most that a call may report of a unit, thousandths of a quantum. */
const MOST_FINE = Number.MAX_SAFE_INTEGER * FINE_PARTS

/** Ends the accounting of calls whose caller has left and whose work never ended. */
const lost =
  typeof FinalizationRegistry === 'function' ? new FinalizationRegistry<() => void>((end) => end()) : undefined

export class RunLease implements SwarmLease, Stoppable, Alarm {
  /** Called when a limit ends it, once. */
  onStop: (() => void) | undefined
  exhausted: BudgetError | undefined
  /** The upstream's grant, where there is an upstream. */
  grant: PaceGrant | undefined
  partial: unknown
  readonly #host: CallHost
  readonly #node: SwarmNode
  readonly #call: Call
  readonly #handle: number
  readonly #controller: AbortController
  #state = OPEN
  /** Units that were reported, as bits. */
  #reported = 0
  /** Reported totals, thousandths of a quantum by unit. */
  readonly #totals: number[]
  /** The part of them that is counted, quanta by unit. */
  readonly #charged: number[]
  #inputTokens: number | undefined
  #outputTokens: number | undefined
  #hasOwnUsd = false
  #isAlive = false
  /** True where the price of output that was not reported is counted. */
  #isPriceGuessed = false
  #silence: HeapTimer<Alarm> | undefined

  /** @param handle the reservation of the lease @param isWatched false: something else ends it when its holder is silent */
  constructor(
    host: CallHost,
    node: SwarmNode,
    call: Call,
    handle: number,
    controller: AbortController,
    isWatched: boolean,
  ) {
    this.#host = host
    this.#node = node
    this.#call = call
    this.#handle = handle
    this.#controller = controller
    const units = host.root.units.count
    this.#totals = new Array<number>(units).fill(0)
    this.#charged = new Array<number>(units).fill(0)
    node.leases.add(this)
    node.refs += 1
    for (let at: SwarmNode | undefined = node; at !== undefined; at = at.parent) {
      at.runs += 1
      at.inFlight += 1
    }
    if (isWatched) this.#silence = host.root.alarms.add(this, host.root.nowMs() + SILENCE_MS)
  }

  get swarm(): string {
    return this.#node.path
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  used(usage: Amounts): boolean {
    return this.#report(usage, false)
  }

  debit(usage: Amounts): boolean {
    return this.#report(usage, true)
  }

  extend(more: Amounts): void {
    this.#requireWork()
    const { root } = this.#host
    const needs = new Float64Array(MAX_UNITS)
    for (const [name, index, amount] of this.#read('more', more)) {
      if (index >= 0) needs[index] = root.units.up(`more.${name}`, index, amount)
    }
    if (this.#state === LEFT || this.exhausted !== undefined) {
      throw this.exhausted ?? root.accounts.error(this.#node, 'settled', this.#node)
    }
    if (!root.extend(this.#handle, needs)) throw root.refusal(this.#node, needs, 0)
    this.#isAlive = true
  }

  remaining(): Record<string, number> {
    const { root } = this.#host
    const remaining = new Map<string, number>()
    for (let at: SwarmNode | undefined = this.#node; at !== undefined; at = at.parent) {
      for (const index of at.limited) {
        const name = root.units.names[index]!
        if (STRUCTURAL_UNITS.has(name) || remaining.has(name)) continue
        const left = Math.max(0, root.tree.leastLeft(this.#node.id, index))
        remaining.set(name, root.units.amountOf(index, root.tree.heldBy(this.#handle, index) + left))
      }
    }
    return Object.fromEntries(remaining)
  }

  /** Reported totals, by unit. */
  reported(): Record<string, number> {
    const { units } = this.#host.root
    const amounts = new Map<string, number>()
    this.#totals.forEach((total, index) => {
      if (((this.#reported >> index) & 1) === 1)
        amounts.set(units.names[index]!, units.amountOf(index, total / FINE_PARTS))
    })
    if (this.#inputTokens !== undefined) amounts.set('inputTokens', this.#inputTokens)
    if (this.#outputTokens !== undefined) amounts.set('outputTokens', this.#outputTokens)
    return Object.fromEntries(amounts)
  }

  keep(partial: unknown): void {
    this.partial = partial
  }

  answered(status: number, headers: unknown, body?: unknown): Classified {
    return this.grant?.answered?.(status, headers, body) ?? classify(status, headers, body)
  }

  refund(): void {
    if (this.#state === OPEN) this.#reported = ALL
  }

  settle(usage?: Amounts): boolean {
    if (this.#state === OVER) return false
    if (usage !== undefined && usage !== null) this.#report(usage, false)
    this.finish()
    return true
  }

  /** Ends the accounting, since the work is over. Further calls do nothing. */
  finish(): void {
    if (this.#state === OVER) return
    if (this.#state === OPEN) this.#settle()
    else lost?.unregister(this)
    this.#state = OVER
    this.#learn()
    this.#host.root.unref(this.#node)
  }

  /** Settles a call whose caller no longer waits; later reports of its work correct that. */
  leave(): void {
    if (this.#state !== OPEN) return
    const { tree } = this.#host.root
    for (let unit = 0; unit < this.#charged.length; unit++) {
      if (((this.#reported >> unit) & 1) === 0) this.#charged[unit] = tree.heldBy(this.#handle, unit)
    }
    this.#settle()
    this.#state = LEFT
    const { root } = this.#host
    const node = this.#node
    lost?.register(this, () => root.unref(node), this)
  }

  stop(cause: BudgetCause, ancestor: SwarmNode, unit: string | undefined): void {
    this.#exhaust(this.#host.root.accounts.error(this.#node, cause, ancestor, unit), ancestor, unit)
  }

  due(nowMs: number): number {
    if (!this.#isAlive) {
      this.#silence = undefined
      this.leave()
      return Number.POSITIVE_INFINITY
    }
    this.#isAlive = false
    return nowMs + SILENCE_MS
  }

  #exhaust(error: BudgetError, ancestor: SwarmNode, unit: string | undefined): void {
    if (this.exhausted !== undefined || this.#state === OVER) return
    this.exhausted = error
    for (let at: SwarmNode | undefined = this.#node; at !== undefined; at = at.parent) at.exhausted += 1
    if (unit !== undefined) this.#host.root.accounts.emitHard(this.#node, ancestor, unit, true)
    this.onStop?.()
    this.#controller.abort(error)
  }

  #requireWork(): void {
    if (this.#state === OVER) throw this.#host.root.accounts.error(this.#node, 'settled', this.#node)
  }

  /** The units and amounts of a report. @throws ConfigError */
  #read(field: string, usage: Amounts): [name: string, index: number, amount: number][] {
    if (typeof usage !== 'object' || usage === null) throw new ConfigError(field, 'an object', usage)
    const { units } = this.#host.root
    const read: [string, number, number][] = []
    for (const [name, amount] of Object.entries(copyOf(usage, STANDARD_UNITS))) {
      if (amount === undefined || amount === null) continue
      const index = units.find(field, name, [])
      if (STRUCTURAL_UNITS.has(name))
        throw new ConfigError(`${field}.${name}`, 'left out: calls do not use it up', amount)
      if (!isAmount(amount)) throw new ConfigError(`${field}.${name}`, 'a finite number ≥ 0', amount)
      read.push([name, index, amount])
    }
    return read
  }

  #report(usage: Amounts, isMore: boolean): boolean {
    this.#requireWork()
    const { root } = this.#host
    const read = this.#read('usage', usage)
    // Nothing is counted where one of them cannot be.
    const totals = read.map(([name, index, amount]) => {
      if (index < 0) return 0
      const fine = root.units.fineUp(`usage.${name}`, index, amount)
      const total = isMore ? (this.#totals[index] ?? 0) + fine : fine
      if (total > MOST_FINE) throw new ConfigError(`usage.${name}`, 'an amount that can be counted', amount)
      return total
    })
    let fits = true
    for (const [i, [name, index, amount]] of read.entries()) {
      if (name === 'inputTokens')
        this.#inputTokens = Math.max(amount + (isMore ? (this.#inputTokens ?? 0) : 0), this.#inputTokens ?? 0)
      if (name === 'outputTokens')
        this.#outputTokens = Math.max(amount + (isMore ? (this.#outputTokens ?? 0) : 0), this.#outputTokens ?? 0)
      if (name === 'usd') this.#hasOwnUsd = true
      if (index >= 0) fits = this.#count(index, totals[i]!) && fits
    }
    fits = this.#countPrice() && fits
    this.#isAlive = true
    if (root.tree.crossed.length > 0) root.accounts.reportSoft()
    return fits && this.exhausted === undefined
  }

  /** Counts tokens in US dollars, where those are not reported and the price is known. */
  #countPrice(): boolean {
    const { root } = this.#host
    const index = root.units.indexOf('usd')
    if (index < 0 || this.#hasOwnUsd || root.terms.priceOf === undefined) return true
    if (this.#inputTokens === undefined && this.#outputTokens === undefined) return true
    // Settled already with the price of the output that was expected.
    if (this.#state === LEFT && this.#outputTokens === undefined) return true
    const { model, inputTokens } = this.#call
    const usd = priceOf(root, model, this.#inputTokens ?? inputTokens, this.#outputTokens ?? 0)
    return usd === undefined ? true : this.#count(index, root.units.fineUp('usage.usd', index, usd))
  }

  /** Counts the price of output that was never reported, as far as it was reserved: such output counts as used. */
  #countUnreported(): void {
    const { root } = this.#host
    const index = root.units.indexOf('usd')
    if (index < 0 || this.#hasOwnUsd || this.#inputTokens === undefined || this.#outputTokens !== undefined) return
    const held = this.#reported === ALL ? 0 : root.tree.heldBy(this.#handle, index)
    const usd = held > 0 ? priceOf(root, this.#call.model, this.#inputTokens, this.#call.outputTokens) : undefined
    if (usd === undefined) return
    const more = Math.min(root.units.up('usage.usd', index, usd) - this.#charged[index]!, held)
    if (more <= 0) return
    this.#charged[index]! += more
    this.#isPriceGuessed = true
    root.tree.charge(this.#handle, index, more)
  }

  /** Counts a unit's total, thousandths of a quantum. @returns false where it goes beyond the limit */
  #count(index: number, total: number): boolean {
    const { root } = this.#host
    // A budget made since then may name the unit.
    while (this.#totals.length <= index) {
      this.#totals.push(0)
      this.#charged.push(0)
    }
    const isFirst = ((this.#reported >> index) & 1) === 0
    this.#reported |= 1 << index
    if (total < this.#totals[index]!) return true
    this.#totals[index] = total
    const quanta = Math.ceil(total / FINE_PARTS)
    const more = quanta - this.#charged[index]!
    if (this.#state === LEFT) {
      // An amount that was settled without a report may be too high.
      const mayFall = isFirst || (this.#isPriceGuessed && root.units.names[index] === 'usd')
      if (more === 0 || (more < 0 && !mayFall)) return true
      this.#charged[index] = quanta
      root.tree.amend(this.#node.id, index, more)
      if (more < 0) root.waiting.freed(this.#node)
      return true
    }
    if (more <= 0) return true
    this.#charged[index] = quanta
    if (root.tree.charge(this.#handle, index, more) || root.sourced.covers(index)) return true
    const by = root.nodeOf(root.tree.refusedNode)
    const unit = root.units.names[index]!
    this.#exhaust(root.accounts.error(this.#node, 'hard', by, unit, more), by, unit)
    return false
  }

  /** Ends the reservation: what was not reported counts as it was reserved, what was reported and not used is left again. */
  #settle(): void {
    const { root } = this.#host
    const node = this.#node
    if (this.#silence !== undefined) root.alarms.remove(this.#silence)
    node.leases.delete(this)
    for (let at: SwarmNode | undefined = node; at !== undefined; at = at.parent) at.inFlight -= 1
    this.#countUnreported()
    const refund = root.events.has('refund') ? this.#refundable() : undefined
    root.tree.settle(this.#handle, ~this.#reported)
    if (refund !== undefined) root.accounts.emitRefund(node, refund)
    if (root.tree.crossed.length > 0) root.accounts.reportSoft()
    root.waiting.freed(node)
  }

  #refundable(): Record<string, number> | undefined {
    const { tree, units } = this.#host.root
    const amounts = new Map<string, number>()
    for (let unit = 0; unit < units.count; unit++) {
      const held = ((this.#reported >> unit) & 1) === 1 ? tree.heldBy(this.#handle, unit) : 0
      if (held === 0) continue
      amounts.set(units.names[unit]!, units.amountOf(unit, held))
    }
    return amounts.size > 0 ? Object.fromEntries(amounts) : undefined
  }

  #learn(): void {
    if (this.#inputTokens === undefined && this.#outputTokens === undefined) return
    const { model, agent, outputTokens, isLearnt } = this.#call
    // An answer that a limit cut short says little of its full length.
    if (this.exhausted !== undefined) return
    this.#host.estimates.learn(model, agent, this.#inputTokens, this.#outputTokens)
    if (this.#outputTokens === undefined) return
    for (const at of this.#node.upwards()) at.estimates.add(outputTokens, this.#outputTokens, isLearnt)
  }
}
