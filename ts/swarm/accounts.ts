/** The accounts of a tree of swarms in figures: in errors, events and statistics. */

import { type BudgetCause, BudgetError } from '../base/budget-error.js'
import type { InstanceEvents } from '../events/instance-events.js'
import type { BudgetTree } from './budget.js'
import type { SwarmNode } from './node.js'
import type { Units } from './units.js'

export interface AccountsHost {
  readonly events: InstanceEvents
  readonly units: Units
  readonly tree: BudgetTree
  nodeOf(id: number): SwarmNode | undefined
  /** A limit as it was given, quanta; Infinity: there is none. */
  wholeLimit(node: SwarmNode, unit: number): number
  /** Quanta that other processes have used and hold. */
  elsewhere(node: SwarmNode, unit: number): { readonly used: number; readonly held: number }
}

/** The figures of a swarm in one unit, in the unit itself and not in quanta. */
export interface Account {
  readonly unit: string
  readonly limit: number
  readonly used: number
  readonly held: number
}

export class Accounts {
  readonly #host: AccountsHost
  /** The swarm of each event: two may have the same path, as one that has a slash in its name, or one after the other. */
  readonly #origins = new WeakMap<object, SwarmNode>()

  constructor(host: AccountsHost) {
    this.#host = host
  }

  of(node: SwarmNode, unit: string): Account {
    const { units, tree } = this.#host
    const index = units.indexOf(unit)
    if (unit === 'depth') return { unit, limit: node.depthLimit ?? 0, used: 0, held: 0 }
    const { used, held } = this.#host.elsewhere(node, index)
    return {
      unit,
      limit: units.amountOf(index, this.#host.wholeLimit(node, index)),
      used: units.amountOf(index, tree.usedOf(node.id, index) + used),
      held: units.amountOf(index, tree.heldOf(node.id, index) + held),
    }
  }

  /** @param node the swarm that was asked @param by the one that refuses @param quanta wanted */
  error(node: SwarmNode, cause: BudgetCause, by: SwarmNode, unit?: string, quanta = 0): BudgetError {
    const { units } = this.#host
    const figures =
      unit === undefined ? {} : { ...this.of(by, unit), wanted: units.amountOf(units.indexOf(unit), quanta) }
    return new BudgetError({ cause, swarm: node.path, ancestor: by.path, ...figures })
  }

  /** The same, counted as a refusal and reported. */
  refused(node: SwarmNode, cause: BudgetCause, by: SwarmNode, unit?: string, quanta?: number): BudgetError {
    node.countRefusal(cause)
    if (cause === 'hard' && unit !== undefined) this.emitHard(node, by, unit, false)
    return this.error(node, cause, by, unit, quanta)
  }

  emitHard(node: SwarmNode, by: SwarmNode, unit: string, ended: boolean): void {
    const { events } = this.#host
    if (!events.has('hard')) return
    events.emit('hard', this.#from(by, { swarm: by.path, ...this.of(by, unit), caller: node.path, ended }))
  }

  emitRefund(node: SwarmNode, amounts: Readonly<Record<string, number>>): void {
    this.#host.events.emit('refund', this.#from(node, { swarm: node.path, amounts }))
  }

  /** Reports soft limits that were crossed. */
  reportSoft(): void {
    const { tree, units, events } = this.#host
    while (tree.crossed.length > 0) {
      const unit = units.names[tree.crossed.pop()!]!
      const node = this.#host.nodeOf(tree.crossed.pop()!)
      if (node !== undefined) events.emit('soft', this.#from(node, { swarm: node.path, ...this.of(node, unit) }))
    }
  }

  /** Returns whether an event is of a swarm or of one below it. */
  isOf(node: SwarmNode, event: object): boolean {
    const origin = this.#origins.get(event)
    return origin !== undefined && node.contains(origin)
  }

  #from<E extends object>(node: SwarmNode, event: E): E {
    this.#origins.set(event, node)
    return event
  }
}
