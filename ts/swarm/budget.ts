/**
 * A tree of budgets as a data structure: limits, what is used and what is held, by node and unit, in whole quanta. Pure: no clock, no
 * promise, no event. At every node and for every unit, `limit = used + held + left` holds at every step, since `left` is only ever the
 * difference; and what a node uses or holds, each of its ancestors uses or holds as well.
 *
 * A reservation is made of all units up the whole tree, or not at all. It is a handle of a slot and that slot's generation: once it is
 * settled the generation has moved on, and the handle does nothing any more. All lie in flat arrays, which grow with the most open at once.
 */

import { grown, widened } from './cells.js'
import { MAX_UNITS } from './units.js'

/** The part of a handle that is the slot. */
const SLOTS = 2 ** 24
const GENERATIONS = 2 ** 29

/** Most nodes, and most open reservations, of a tree. */
export const MAX_NODES = 65_536
const MAX_RESERVATIONS = 1 << 20

/** Stands for no node, and for no reservation. */
export const NONE = -1

/** A need of unknown size: any amount that is left is enough, and none is held. */
export const SOME = -1

const INITIAL_NODES = 4
const INITIAL_SLOTS = 16

export class BudgetTree {
  #stride: number
  #parent = new Int32Array(INITIAL_NODES)
  #limit: Float64Array
  #used: Float64Array
  #held: Float64Array
  /** Use at which the soft limit is crossed; Infinity once that was reported. */
  #soft: Float64Array
  #nodes = 0
  readonly #freeNodes: number[] = []

  #slotNode = new Int32Array(INITIAL_SLOTS)
  #generation = new Float64Array(INITIAL_SLOTS)
  #amount: Float64Array
  #freeSlots = new Int32Array(INITIAL_SLOTS)
  #free = 0
  #slots = 0

  /** The node and the unit that refused the last reservation, or that the last charge went over. */
  refusedNode = NONE
  refusedUnit = NONE
  /** Soft limits that were crossed since the last look, as node and unit by turns. */
  readonly crossed: number[] = []

  /** @param units most units to begin with; more may be added */
  constructor(units: number) {
    this.#stride = Math.max(1, units)
    this.#limit = new Float64Array(INITIAL_NODES * this.#stride).fill(Number.POSITIVE_INFINITY)
    this.#soft = this.#limit.slice()
    this.#used = new Float64Array(INITIAL_NODES * this.#stride)
    this.#held = this.#used.slice()
    this.#amount = new Float64Array(INITIAL_SLOTS * this.#stride)
  }

  /** Reservations that are open. */
  get open(): number {
    return this.#slots - this.#free
  }

  /** Makes room for as many units. */
  reach(units: number): void {
    if (units <= this.#stride || units > MAX_UNITS) return
    const wide = Math.min(MAX_UNITS, Math.max(units, 2 * this.#stride))
    const from = this.#stride
    this.#limit = widened(this.#limit, from, wide, Number.POSITIVE_INFINITY)
    this.#soft = widened(this.#soft, from, wide, Number.POSITIVE_INFINITY)
    this.#used = widened(this.#used, from, wide, 0)
    this.#held = widened(this.#held, from, wide, 0)
    this.#amount = widened(this.#amount, from, wide, 0)
    this.#stride = wide
  }

  /** Adds a node without limits. @param parent NONE: a root @returns NONE where the tree is full */
  addNode(parent: number): number {
    let node = this.#freeNodes.pop()
    if (node === undefined) {
      if (this.#nodes >= MAX_NODES) return NONE
      node = this.#nodes
      this.#nodes += 1
      if (node >= this.#parent.length) this.#growNodes()
    }
    this.#parent[node] = parent
    const from = node * this.#stride
    this.#limit.fill(Number.POSITIVE_INFINITY, from, from + this.#stride)
    this.#soft.fill(Number.POSITIVE_INFINITY, from, from + this.#stride)
    this.#used.fill(0, from, from + this.#stride)
    this.#held.fill(0, from, from + this.#stride)
    return node
  }

  /** Forgets a node that holds nothing and has no child. What it used, its ancestors have used. */
  removeNode(node: number): void {
    this.#freeNodes.push(node)
  }

  parentOf(node: number): number {
    return this.#parent[node]!
  }

  limitOf(node: number, unit: number): number {
    return this.#limit[node * this.#stride + unit]!
  }

  usedOf(node: number, unit: number): number {
    return this.#used[node * this.#stride + unit]!
  }

  heldOf(node: number, unit: number): number {
    return this.#held[node * this.#stride + unit]!
  }

  /** Negative where more was used than there was. */
  leftOf(node: number, unit: number): number {
    return this.limitOf(node, unit) - this.usedOf(node, unit) - this.heldOf(node, unit)
  }

  /** The least that is left from a node up to the root. */
  leastLeft(node: number, unit: number): number {
    let least = Number.POSITIVE_INFINITY
    for (let at = node; at !== NONE; at = this.#parent[at]!) least = Math.min(least, this.leftOf(at, unit))
    return least
  }

  /** @param softShare the share of the limit at which the soft limit is crossed */
  setLimit(node: number, unit: number, limit: number, softShare: number): void {
    const at = node * this.#stride + unit
    this.#limit[at] = limit
    this.#soft[at] = limit > 0 ? Math.max(1, softShare * limit) : Number.POSITIVE_INFINITY
  }

  /** Moves a soft limit that was not crossed yet, as where others use a part of the same budget. */
  moveSoft(node: number, unit: number, soft: number): void {
    const at = node * this.#stride + unit
    if (this.#soft[at] !== Number.POSITIVE_INFINITY) this.#soft[at] = soft
    this.#spend(at, 0)
  }

  /** Changes how much of a limit there is, as where processes share one; the soft limit stays. */
  changeLimit(node: number, unit: number, limit: number): void {
    this.#limit[node * this.#stride + unit] = limit
  }

  /** Sets what is used by the clock. */
  setUsed(node: number, unit: number, used: number): void {
    const at = node * this.#stride + unit
    this.#used[at] = used
    this.#spend(at, 0)
  }

  /**
   * Holds an amount of each unit at a node and all its ancestors, or nothing at all.
   *
   * @param needs quanta by unit, or {@link SOME}
   * @returns a handle, or NONE: {@link refusedNode} and {@link refusedUnit} say why, and are NONE where there are too many reservations
   */
  reserve(node: number, needs: Float64Array, units: number): number {
    if (!this.#hasRoom(node, needs, units)) return NONE
    const slot = this.#takeSlot()
    if (slot === NONE) {
      this.refusedNode = NONE
      this.refusedUnit = NONE
      return NONE
    }
    const amount = this.#amount
    const to = slot * this.#stride
    for (let unit = 0; unit < units; unit++) amount[to + unit] = Math.max(needs[unit]!, 0)
    this.#slotNode[slot] = node
    this.#hold(node, needs, units)
    return this.#generation[slot]! * SLOTS + slot
  }

  /** Holds more for a reservation, all of it or nothing. False: refused, or it is settled. */
  extend(handle: number, needs: Float64Array, units: number): boolean {
    const slot = this.#slotOf(handle)
    this.refusedNode = NONE
    if (slot === NONE) return false
    const node = this.#slotNode[slot]!
    if (!this.#hasRoom(node, needs, units)) return false
    const to = slot * this.#stride
    for (let unit = 0; unit < units; unit++) {
      if (needs[unit]! > 0) this.#amount[to + unit] = this.#amount[to + unit]! + needs[unit]!
    }
    this.#hold(node, needs, units)
    return true
  }

  /** Quanta that a reservation still holds; 0 once it is settled. */
  heldBy(handle: number, unit: number): number {
    const slot = this.#slotOf(handle)
    return slot === NONE ? 0 : this.#amount[slot * this.#stride + unit]!
  }

  /**
   * Counts quanta as used: first those that the reservation holds, and what goes beyond them in any case, since it is spent.
   *
   * @returns false where that was more than was left: {@link refusedNode} and {@link refusedUnit} say where
   */
  charge(handle: number, unit: number, quanta: number): boolean {
    const slot = this.#slotOf(handle)
    if (slot === NONE) return true
    const cell = slot * this.#stride + unit
    const within = Math.min(quanta, this.#amount[cell]!)
    this.#amount[cell] = this.#amount[cell]! - within
    const node = this.#slotNode[slot]!
    const fits = quanta === within || this.#fits(node, unit, quanta - within)
    for (let at = node; at !== NONE; at = this.#parent[at]!) {
      const where = at * this.#stride + unit
      this.#held[where] = this.#held[where]! - within
      this.#spend(where, quanta)
    }
    return fits
  }

  /**
   * Ends a reservation: of the units in `counted` what it still holds counts as used, of all others it is left again.
   *
   * @param counted the units as bits
   * @returns false where it was settled before; nothing happens then
   */
  settle(handle: number, counted: number): boolean {
    const slot = this.#slotOf(handle)
    if (slot === NONE) return false
    const stride = this.#stride
    const from = slot * stride
    const amount = this.#amount
    const held = this.#held
    const node = this.#slotNode[slot]!
    for (let unit = 0; unit < stride; unit++) {
      const rest = amount[from + unit]!
      if (rest === 0) continue
      amount[from + unit] = 0
      const isCounted = ((counted >> unit) & 1) === 1
      for (let at = node; at !== NONE; at = this.#parent[at]!) {
        const where = at * stride + unit
        held[where] = held[where]! - rest
        if (isCounted) this.#spend(where, rest)
      }
    }
    const generation = this.#generation[slot]! + 1
    this.#generation[slot] = generation < GENERATIONS ? generation : 0
    this.#freeSlots[this.#free] = slot
    this.#free += 1
    return true
  }

  /** Corrects what was used after a settlement. @param quanta more, or less where negative */
  amend(node: number, unit: number, quanta: number): void {
    for (let at = node; at !== NONE; at = this.#parent[at]!) this.#spend(at * this.#stride + unit, quanta)
  }

  /** Returns whether a node's unit would do for a need if all that is held came back. */
  couldFit(node: number, unit: number, need: number): boolean {
    return this.leftOf(node, unit) + this.heldOf(node, unit) >= (need > 0 ? need : 1)
  }

  #hasRoom(node: number, needs: Float64Array, units: number): boolean {
    const stride = this.#stride
    const limit = this.#limit
    const used = this.#used
    const held = this.#held
    for (let at = node; at !== NONE; at = this.#parent[at]!) {
      const from = at * stride
      for (let unit = 0; unit < units; unit++) {
        const need = needs[unit]!
        if (need === 0) continue
        const left = limit[from + unit]! - used[from + unit]! - held[from + unit]!
        if (left >= (need > 0 ? need : 1)) continue
        this.refusedNode = at
        this.refusedUnit = unit
        return false
      }
    }
    return true
  }

  #fits(node: number, unit: number, quanta: number): boolean {
    for (let at = node; at !== NONE; at = this.#parent[at]!) {
      if (this.leftOf(at, unit) >= quanta) continue
      this.refusedNode = at
      this.refusedUnit = unit
      return false
    }
    return true
  }

  #hold(node: number, needs: Float64Array, units: number): void {
    const stride = this.#stride
    const held = this.#held
    for (let at = node; at !== NONE; at = this.#parent[at]!) {
      const from = at * stride
      for (let unit = 0; unit < units; unit++) {
        if (needs[unit]! > 0) held[from + unit] = held[from + unit]! + needs[unit]!
      }
    }
  }

  #spend(at: number, quanta: number): void {
    const used = this.#used[at]! + quanta
    this.#used[at] = used
    if (used < this.#soft[at]!) return
    this.#soft[at] = Number.POSITIVE_INFINITY
    this.crossed.push(Math.floor(at / this.#stride), at % this.#stride)
  }

  #slotOf(handle: number): number {
    if (handle < 0) return NONE
    // Not by `%`, which takes longer than all else here.
    const generation = Math.floor(handle / SLOTS)
    const slot = handle - generation * SLOTS
    return slot < this.#slots && this.#generation[slot] === generation ? slot : NONE
  }

  #takeSlot(): number {
    if (this.#free > 0) {
      this.#free -= 1
      return this.#freeSlots[this.#free]!
    }
    if (this.#slots >= MAX_RESERVATIONS) return NONE
    const slot = this.#slots
    this.#slots += 1
    if (slot >= this.#slotNode.length) {
      const more = 2 * slot
      this.#slotNode = grown(this.#slotNode, more)
      this.#generation = grown(this.#generation, more)
      this.#freeSlots = grown(this.#freeSlots, more)
      this.#amount = grown(this.#amount, more * this.#stride)
    }
    return slot
  }

  #growNodes(): void {
    const rows = 2 * this.#parent.length
    this.#parent = grown(this.#parent, rows)
    const cells = rows * this.#stride
    this.#limit = grown(this.#limit, cells)
    this.#soft = grown(this.#soft, cells)
    this.#used = grown(this.#used, cells)
    this.#held = grown(this.#held, cells)
  }
}
