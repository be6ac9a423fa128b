/** A root's budget as its source sees it. */

import type { Accounts } from './accounts.js'
import type { BudgetTree } from './budget.js'
import type { SwarmNode } from './node.js'
import type { SwarmTerms } from './options.js'
import type { BudgetSource, SourcedRoot } from './source.js'
import { STRUCTURAL_UNITS, type Units } from './units.js'
import type { BudgetWaiting } from './waiting.js'

/** The parts of a root that its budget is in. */
interface Rooted {
  readonly node: SwarmNode
  readonly units: Units
  readonly tree: BudgetTree
  readonly terms: SwarmTerms
  readonly waiting: BudgetWaiting
  readonly accounts: Accounts
}

const NOWHERE = { used: 0, held: 0 }

export class SourcedBudget implements SourcedRoot {
  readonly ownUnits: readonly string[]
  /** Returns whether processes share the budget. */
  readonly isShared: boolean
  /** True where other processes may return all that was lacking last. */
  mayCome = false
  readonly #root: Rooted
  readonly #source: BudgetSource | undefined
  readonly #elsewhere = new Map<number, { readonly used: number; readonly held: number }>()

  constructor(root: Rooted, source: BudgetSource | undefined) {
    this.#root = root
    this.#source = source
    this.isShared = source !== undefined
    this.ownUnits = root.terms.limits.map(([unit]) => unit).filter((unit) => !STRUCTURAL_UNITS.has(unit))
  }

  /** Limits this process to what the source grants, from now on. */
  attach(): void {
    if (this.#source === undefined) return
    const { node, tree } = this.#root
    for (const unit of this.ownUnits) tree.changeLimit(node.id, this.#indexOf(unit), 0)
    this.#source.attach(this)
  }

  close(): void {
    this.#source?.close()
  }

  /** Requests what a refused reservation lacks of each unit. */
  lacks(needs: Float64Array): void {
    if (this.#source === undefined) return
    const { node, tree } = this.#root
    this.mayCome = true
    for (const unit of this.ownUnits) {
      const index = this.#indexOf(unit)
      if (needs[index] === 0) continue
      // Any amount is enough for a need that is not known.
      const missing = Math.max(1, needs[index]!) - tree.leftOf(node.id, index)
      if (missing > 0 && !this.#source.short(unit, missing)) this.mayCome = false
    }
  }

  /** Returns whether a use that went over this process's part is within what the budget has left. */
  covers(index: number): boolean {
    const { node, tree, units } = this.#root
    if (this.#source === undefined || tree.refusedNode !== node.id) return false
    return this.#source.covers(units.names[index]!, -tree.leftOf(node.id, index))
  }

  get name(): string {
    return this.#root.node.name
  }

  scaleOf(unit: string): number {
    return this.#root.units.scales[this.#indexOf(unit)]!
  }

  limitOf(unit: string): number {
    const given = this.#root.terms.limits.find(([name]) => name === unit)?.[1] ?? 0
    return this.#root.units.limit(unit, this.#indexOf(unit), given)
  }

  grantedOf(unit: string): number {
    return this.#root.tree.limitOf(this.#root.node.id, this.#indexOf(unit))
  }

  usedOf(unit: string): number {
    return this.#root.tree.usedOf(this.#root.node.id, this.#indexOf(unit))
  }

  heldOf(unit: string): number {
    return this.#root.tree.heldOf(this.#root.node.id, this.#indexOf(unit))
  }

  setGranted(unit: string, quanta: number): void {
    this.#root.tree.changeLimit(this.#root.node.id, this.#indexOf(unit), quanta)
    this.#root.waiting.freed(this.#root.node)
  }

  setElsewhere(unit: string, used: number, held: number): void {
    const index = this.#indexOf(unit)
    this.#elsewhere.set(index, { used, held })
    this.#root.tree.moveSoft(this.#root.node.id, index, this.#root.terms.soft * this.limitOf(unit) - used)
    if (this.#root.tree.crossed.length > 0) this.#root.accounts.reportSoft()
  }

  /** Quanta that other processes have used, and that they hold. */
  elsewhere(index: number): { readonly used: number; readonly held: number } {
    return this.#elsewhere.get(index) ?? NOWHERE
  }

  #indexOf(unit: string): number {
    return this.#root.units.indexOf(unit)
  }
}
