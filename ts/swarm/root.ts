/**
 * The state that a swarm and all those below it share: the tree of their budgets, those who wait, the times at which something ends, and
 * what calls need of it.
 */

import { type BudgetError, isBudgetError } from '../base/budget-error.js'
import { ConfigError } from '../base/errors.js'
import type { InstanceEvents } from '../events/instance-events.js'
import { Accounts } from './accounts.js'
import { Alarms, type SpanClock } from './alarms.js'
import { BudgetTree, NONE } from './budget.js'
import { SwarmNode } from './node.js'
import type { ChildTerms, SwarmTerms } from './options.js'
import type { BudgetSource } from './source.js'
import { SourcedBudget } from './sourced.js'
import { MAX_UNITS, STRUCTURAL_UNITS, Units } from './units.js'
import { BudgetWaiting, type WaitingHost, type WaitTerms } from './waiting.js'

/** Most levels of a tree below its root: a call looks at all of its ancestors. */
const MOST_LEVELS = 256
/** The longest wait for a slice of a shared budget, of a call without `maxWaitMs`, ms. */
const SLICE_WAIT_MS = 1000

export class SwarmRoot implements WaitingHost {
  readonly clock: SpanClock
  readonly events: InstanceEvents
  readonly terms: SwarmTerms
  readonly units = new Units()
  readonly tree: BudgetTree
  readonly alarms: Alarms
  readonly waiting: BudgetWaiting
  readonly accounts: Accounts = new Accounts(this)
  readonly node: SwarmNode
  readonly sourced: SourcedBudget
  readonly #nodes: SwarmNode[] = []
  readonly #place = new Float64Array(MAX_UNITS)
  /** True when a limit of time, or one of depth, is anywhere in the tree. */
  #hasWall = false
  #hasDepth = false
  /** The swarm, and the number of the unit, that refused last. */
  refusedId = NONE
  refusedUnit = NONE

  constructor(
    name: string,
    terms: SwarmTerms,
    parts: { readonly clock: SpanClock; readonly events: InstanceEvents; readonly source: BudgetSource | undefined },
  ) {
    this.clock = parts.clock
    this.events = parts.events
    this.terms = terms
    this.tree = new BudgetTree(terms.limits.length)
    this.alarms = new Alarms(parts.clock)
    this.waiting = new BudgetWaiting(this)
    const limits = terms.limits.map((limit) => this.#limit(...limit))
    this.node = this.#add(name, undefined, terms.weight, terms.soft, limits)
    this.sourced = new SourcedBudget(this, parts.source)
    this.sourced.attach()
  }

  nowMs(): number {
    return this.clock.spanMs()
  }

  /** Ends what is due by the caller's own clock, which no timer follows. */
  settleTime(): void {
    if (this.clock.isHost) this.alarms.sweep(this.nowMs())
  }

  nodeOf(id: number): SwarmNode {
    return this.#nodes[id]!
  }

  /** @throws ConfigError, BudgetError */
  addChild(parent: SwarmNode, name: string, { limits, share, soft, weight }: ChildTerms): SwarmNode {
    if (parent.isClosed) throw this.accounts.error(parent, 'closed', parent)
    if (parent.children.has(name)) throw new ConfigError('name', 'a name that no open sibling has', name)
    const own = limits.map((limit) => this.#limit(...limit))
    if (share !== undefined) own.push(...this.#shareOf(parent, share))
    for (const { index, quanta } of own) this.#requireBelow(parent, index, quanta)
    this.#requireDepth(parent)
    if (parent.level >= MOST_LEVELS) throw this.accounts.refused(parent, 'full', parent)
    const place = this.#reservePlace(parent)
    const node = this.#add(name, parent, weight, soft ?? parent.soft, own)
    if (node === undefined) {
      this.tree.settle(place, 0)
      throw this.accounts.refused(parent, 'full', parent)
    }
    node.place = place
    parent.children.set(name, node)
    parent.refs += 1
    return node
  }

  /** Closes a swarm and all those below it. */
  close(node: SwarmNode): void {
    if (node.isClosed) return
    for (const child of [...node.children.values()]) this.close(child)
    node.isClosed = true
    if (node.wallTimer !== undefined) this.alarms.remove(node.wallTimer)
    this.ended(node, 'closed', undefined)
    node.parent?.children.delete(node.name)
    if (node.place !== NONE) {
      this.tree.settle(node.place, 0)
      this.waiting.freed(node.parent!)
    }
    if (node.parent === undefined) this.sourced.close()
    this.#forget(node)
  }

  /** Aborts what is under way in a swarm and below it, and refuses what waits. */
  ended(node: SwarmNode, cause: 'hard' | 'closed', unit: string | undefined): void {
    for (const child of node.children.values()) this.ended(child, cause, unit)
    for (const call of [...node.leases, ...node.waits]) call.stop(cause, node, unit)
    this.waiting.refuseBelow(node, ({ node: waits }) => this.accounts.refused(waits, cause, node, unit))
  }

  /** Refuses all that waits, as where the instance is disconnected. What is under way goes on. */
  refuseWaiting(): void {
    for (const node of this.#nodes) for (const call of node?.waits ?? []) call.stop('wait_timeout', node, undefined)
    this.waiting.refuseBelow(this.node, ({ node }) => this.accounts.refused(node, 'wait_timeout', node))
  }

  /** Notes that a call no longer belongs to a swarm. */
  unref(node: SwarmNode): void {
    node.refs -= 1
    this.#forget(node)
  }

  #forget(node: SwarmNode): void {
    if (!node.isClosed || node.refs > 0 || this.#nodes[node.id] !== node) return
    delete this.#nodes[node.id]
    this.waiting.drop(node.id)
    this.tree.removeNode(node.id)
    if (node.parent !== undefined) this.unref(node.parent)
  }

  #add(
    name: string,
    parent: SwarmNode | undefined,
    weight: number,
    soft: number,
    limits: readonly { readonly index: number; readonly quanta: number }[],
  ): SwarmNode {
    const id = this.tree.addNode(parent?.id ?? NONE)
    if (id === NONE) return undefined as never
    const node = new SwarmNode(id, name, parent, weight, soft, this.nowMs())
    this.#nodes[id] = node
    for (const { index, quanta } of limits) {
      const unit = this.units.names[index]!
      node.limited.push(index)
      if (unit === 'wallMs') {
        node.wallLimitMs = quanta
        this.#hasWall = true
        const due = (): number => {
          this.ended(node, 'hard', 'wallMs')
          return Number.POSITIVE_INFINITY
        }
        node.wallTimer = this.alarms.add({ due }, node.createdMs + quanta)
      } else if (unit === 'depth') {
        node.depthLimit = quanta
        this.#hasDepth = true
      }
      this.tree.setLimit(id, index, quanta, soft)
    }
    return node
  }

  /** @throws ConfigError */
  #limit(unit: string, limit: number): { index: number; quanta: number } {
    const known = this.units.indexOf(unit)
    if (known < 0 && this.units.count >= MAX_UNITS) {
      throw new ConfigError(
        `options.budget.${unit}`,
        `one of at most ${MAX_UNITS} units of the swarm and all below it`,
        limit,
      )
    }
    const index = this.units.declare(unit, limit)
    this.tree.reach(this.units.count)
    return { index, quanta: this.units.limit(`options.budget.${unit}`, index, limit) }
  }

  /** A share of every limit that is spent and that the parent or one of its ancestors has. */
  #shareOf(parent: SwarmNode, share: number): { index: number; quanta: number }[] {
    const least = new Map<number, number>()
    for (const at of parent.upwards()) {
      for (const index of at.limited) {
        if (STRUCTURAL_UNITS.has(this.units.names[index]!)) continue
        least.set(index, Math.min(least.get(index) ?? Number.POSITIVE_INFINITY, this.wholeLimit(at, index)))
      }
    }
    return [...least].map(([index, limit]) => ({ index, quanta: Math.floor(limit * share) }))
  }

  /** @throws ConfigError for a limit above one of the ancestors' */
  #requireBelow(parent: SwarmNode, index: number, quanta: number): void {
    for (const at of parent.upwards()) {
      const limit = this.wholeLimit(at, index)
      if (quanta <= limit) continue
      const unit = this.units.names[index]!
      const most = this.units.amountOf(index, limit)
      throw new ConfigError(
        `options.budget.${unit}`,
        `at most the ${most} of swarm ${JSON.stringify(at.path)}`,
        this.units.amountOf(index, quanta),
      )
    }
  }

  /** Quanta that other processes have used and hold of a budget that is shared with them. */
  elsewhere(node: SwarmNode, index: number): { readonly used: number; readonly held: number } {
    return this.sourced.elsewhere(node.parent === undefined ? index : NONE)
  }

  /** A limit as it was given, however much of it this process may use; Infinity: there is none. */
  wholeLimit(node: SwarmNode, index: number): number {
    if (node.parent !== undefined || !this.sourced.isShared) return this.tree.limitOf(node.id, index)
    return node.limited.includes(index) ? this.sourced.limitOf(this.units.names[index]!) : Number.POSITIVE_INFINITY
  }

  /** @throws BudgetError */
  #requireDepth(parent: SwarmNode): void {
    if (!this.#hasDepth) return
    let level = 1
    for (const at of parent.upwards()) {
      if (at.depthLimit !== undefined && level > at.depthLimit)
        throw this.accounts.refused(parent, 'hard', at, 'depth', level)
      level += 1
    }
  }

  /** @throws BudgetError */
  #reservePlace(parent: SwarmNode): number {
    const index = this.units.indexOf('children')
    if (index < 0) return NONE
    // The needs of one child.
    this.#place.fill(0)[index] = 1
    const place = this.reserve(parent, this.#place, 0)
    if (place === NONE) throw this.refusal(parent, this.#place, 0)
    return place
  }

  /** Reserves at a swarm and all its ancestors; NONE: {@link refusedId} and {@link refusedUnit} say where. */
  reserve(node: SwarmNode, needs: Float64Array, wallMs: number): number {
    if (this.#hasWall && !this.#hasTime(node, wallMs)) return NONE
    const handle = this.tree.reserve(node.id, needs, this.units.count)
    if (handle === NONE) this.#noteRefusal(needs)
    return handle
  }

  /** The same for more of an open reservation. */
  extend(handle: number, needs: Float64Array): boolean {
    if (this.tree.extend(handle, needs, this.units.count)) return true
    this.#noteRefusal(needs)
    return false
  }

  #noteRefusal(needs: Float64Array): void {
    this.refusedId = this.tree.refusedNode
    this.refusedUnit = this.tree.refusedUnit
    if (this.refusedId === this.node.id) this.sourced.lacks(needs)
  }

  /** Waits a moment for a slice of a budget that processes share, where a reservation was refused. @throws BudgetError */
  async slice({ node, needs, wallMs, ...terms }: Omit<WaitTerms, 'untilMs'>): Promise<number> {
    if (!this.canCome(needs) || this.refusedId !== this.node.id || !this.sourced.mayCome) {
      throw this.refusal(node, needs, wallMs)
    }
    try {
      const untilMs = this.nowMs() + SLICE_WAIT_MS
      return await this.waiting.wait(this.refusedId, { node, needs, wallMs, ...terms, untilMs })
    } catch (error) {
      if (!isBudgetError(error) || error.cause !== 'wait_timeout') throw error
      // The call has no `maxWaitMs`, so the cause is the limit and not the wait.
      const handle = this.reserve(node, needs, wallMs)
      if (handle === NONE) throw this.refusal(node, needs, wallMs)
      return handle
    }
  }

  /** Returns whether what was lacking last may be released here or granted by the source. */
  canCome(needs: Float64Array): boolean {
    const { refusedId, refusedUnit } = this
    if (refusedId === NONE || STRUCTURAL_UNITS.has(this.units.names[refusedUnit]!)) return false
    const { isShared } = this.sourced
    if (refusedId === this.node.id && this.sourced.mayCome) return true
    for (let at: SwarmNode | undefined = this.#nodes[refusedId]; at !== undefined; at = at.parent) {
      if (isShared && at === this.node && refusedId !== at.id) return true
      for (let unit = 0; unit < this.units.count; unit++) {
        if (needs[unit] === 0 || this.tree.couldFit(at.id, unit, needs[unit]!)) continue
        this.refusedId = at.id
        this.refusedUnit = unit
        return false
      }
    }
    return true
  }

  /** Returns whether the time of a swarm and its ancestors is not over within `wallMs`. */
  #hasTime(node: SwarmNode, wallMs: number): boolean {
    const nowMs = this.nowMs()
    const unit = this.units.indexOf('wallMs')
    for (let at: SwarmNode | undefined = node; at !== undefined; at = at.parent) {
      if (at.wallLimitMs === undefined) continue
      const elapsedMs = Math.max(0, nowMs - at.createdMs)
      this.tree.setUsed(at.id, unit, Math.min(at.wallLimitMs, Math.floor(elapsedMs)))
      if (at.wallLimitMs - elapsedMs > 0 && at.wallLimitMs - elapsedMs >= wallMs) continue
      this.refusedId = at.id
      this.refusedUnit = unit
      return false
    }
    return true
  }

  /** Brings `used` of limits of time up to the present. */
  readTime(node: SwarmNode): void {
    if (this.#hasWall) this.#hasTime(node, 0)
  }

  /** Limits a guessed amount to what is left: a small budget alone refuses no call of unknown size. */
  atMost(node: SwarmNode, unit: string, guess: number): number {
    const index = this.units.indexOf(unit)
    if (index < 0) return guess
    let most = guess
    for (const at of node.upwards()) {
      // Of a budget that is shared more may come.
      if (at !== this.node || !this.sourced.isShared) most = Math.min(most, this.tree.leftOf(at.id, index))
    }
    return Math.max(1, most)
  }

  /** The largest share of a limit of a swarm's that the needs are. */
  shareOf(id: number, needs: Float64Array): number {
    let most = 0
    for (const unit of this.nodeOf(id).limited) {
      if (needs[unit]! > 0) most = Math.max(most, needs[unit]! / Math.max(1, this.tree.limitOf(id, unit)))
    }
    return Math.min(1, most)
  }

  /** The error for what refused last, counted and reported. */
  refusal(node: SwarmNode, needs: Float64Array, wallMs: number): BudgetError {
    if (this.refusedId === NONE) return this.accounts.refused(node, 'full', node)
    const unit = this.units.names[this.refusedUnit]!
    const needed = unit === 'wallMs' ? wallMs : Math.max(0, needs[this.refusedUnit]!)
    return this.accounts.refused(node, 'hard', this.nodeOf(this.refusedId), unit, needed)
  }
}
