/** The node of a swarm in its tree: place, limits of time and depth, calls under way, and counts. */

import type { BudgetCause } from '../base/budget-error.js'
import type { HeapTimer } from '../base/timer-heap.js'
import type { Alarm } from './alarms.js'
import { EstimateError } from './estimates.js'

/** Ends work under way, or a wait for it. */
export interface Stoppable {
  stop(cause: BudgetCause, ancestor: SwarmNode, unit: string | undefined): void
}

export class SwarmNode {
  readonly children = new Map<string, SwarmNode>()
  readonly leases = new Set<Stoppable>()
  /** Calls that wait for the upstream or the route. */
  readonly waits = new Set<Stoppable>()
  /** Units of its own budget, by number. */
  readonly limited: number[] = []
  /** ms; undefined: not limited */
  wallLimitMs: number | undefined
  wallTimer: HeapTimer<Alarm> | undefined
  /** Levels of children; undefined: not limited. */
  depthLimit: number | undefined
  isClosed = false
  /** Calls and children whose accounts still lead through it: its place is kept until there are none. */
  refs = 0
  /** The swarm's reservation of `children` in its ancestors. */
  place = -1
  /** Ancestors. */
  readonly level: number
  inFlight = 0
  waiting = 0
  runs = 0
  exhausted = 0
  unknownPrices = 0
  readonly refusals: Partial<Record<BudgetCause | 'shed', number>> = {}
  readonly estimates = new EstimateError()

  constructor(
    /** The swarm's number in the tree of budgets. */
    readonly id: number,
    readonly name: string,
    readonly parent: SwarmNode | undefined,
    readonly weight: number,
    readonly soft: number,
    readonly createdMs: number,
  ) {
    this.level = parent === undefined ? 0 : parent.level + 1
  }

  get path(): string {
    return this.parent === undefined ? this.name : `${this.parent.path}/${this.name}`
  }

  /** Itself and its ancestors, up to the root. */
  *upwards(): Generator<SwarmNode> {
    for (let at: SwarmNode | undefined = this; at !== undefined; at = at.parent) yield at
  }

  /** Returns whether `other` is this node or one below it. */
  contains(other: SwarmNode): boolean {
    for (let at: SwarmNode | undefined = other; at !== undefined; at = at.parent) if (at === this) return true
    return false
  }

  /** The child of this node on the path to `below`; undefined if `below` is this node. */
  childTowards(below: SwarmNode): SwarmNode | undefined {
    let child: SwarmNode | undefined
    for (let at: SwarmNode | undefined = below; at !== undefined && at !== this; at = at.parent) child = at
    return child
  }

  countRefusal(cause: BudgetCause | 'shed'): void {
    for (let at: SwarmNode | undefined = this; at !== undefined; at = at.parent) {
      at.refusals[cause] = (at.refusals[cause] ?? 0) + 1
    }
  }
}
