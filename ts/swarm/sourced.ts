/** A root's budget as its source sees it. */

import type { BudgetTree } from './budget.js'
import type { SwarmNode } from './node.js'
import type { SwarmTerms } from './options.js'
import type { SourcedRoot } from './source.js'
import { STRUCTURAL_UNITS, type Units } from './units.js'
import type { BudgetWaiting } from './waiting.js'

/** The parts of a root that its budget is in. */
interface Rooted {
  readonly node: SwarmNode
  readonly units: Units
  readonly tree: BudgetTree
  readonly terms: SwarmTerms
  readonly waiting: BudgetWaiting
}

export class SourcedBudget implements SourcedRoot {
  readonly ownUnits: readonly string[]
  readonly #root: Rooted

  constructor(root: Rooted) {
    this.#root = root
    this.ownUnits = root.terms.limits.map(([unit]) => unit).filter((unit) => !STRUCTURAL_UNITS.has(unit))
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

  #indexOf(unit: string): number {
    return this.#root.units.indexOf(unit)
  }
}
