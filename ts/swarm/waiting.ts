/**
 * Calls that wait for budget that others hold: a fair queue at every swarm whose budget is short, and the timers and promises of those that
 * wait. A call waits where it is refused, so that one whose own child's budget is short stands in no other's way. When something comes
 * back to a swarm, its queue and those of its ancestors are looked at: each grants in its order, and waits again at the first that does
 * not fit, so that a call that needs much is not passed by for good by those that need little.
 */

import { BudgetError } from '../base/budget-error.js'
import { keptName } from '../base/keys.js'
import type { HeapTimer } from '../base/timer-heap.js'
import type { Alarm, Alarms } from './alarms.js'
import { NONE } from './budget.js'
import type { SwarmNode } from './node.js'
import { FairQueue, type QueueEntry } from './queue.js'

/** Most calls that wait in a tree. */
const MOST_WAITING = 65_536
/** The least cost of a call, as a share of a limit. */
const LEAST_COST = 1e-6

/** The parts of the root that a call that waits needs. */
export interface WaitingHost {
  readonly alarms: Alarms
  nowMs(): number
  nodeOf(id: number): SwarmNode
  /** Reserves; a handle, or NONE: `refusedId` and `canCome` say where, and whether it is worth waiting. */
  reserve(node: SwarmNode, needs: Float64Array, wallMs: number): number
  readonly refusedId: number
  /** Returns whether what refused last may come back. */
  canCome(needs: Float64Array): boolean
  /** The error for what refused last. */
  refusal(node: SwarmNode, needs: Float64Array, wallMs: number): BudgetError
  /** The largest share of a limit of a swarm's that the needs are. */
  shareOf(id: number, needs: Float64Array): number
}

export interface WaitTerms {
  readonly node: SwarmNode
  readonly needs: Float64Array
  readonly wallMs: number
  readonly tier: number
  readonly key: string | undefined
  readonly untilMs: number
  /** Is given what ends the wait with an error, and returns what stops that. */
  readonly listen: ((abort: (reason: unknown) => void) => () => void) | undefined
}

/** The tenant of a call: its key, or the child that it comes through. */
const tenantOf = (key: string | undefined, child: SwarmNode | undefined): string =>
  key === undefined ? `c${child?.name ?? ''}` : `k${keptName(key)}`

class Waiter implements Alarm {
  entry!: QueueEntry<Waiter>
  /** The swarm in whose queue it is. */
  at = NONE
  timer: HeapTimer<Alarm> | undefined
  release: (() => void) | undefined
  forget: (() => void) | undefined
  readonly arrivedMs: number

  constructor(
    readonly owner: BudgetWaiting,
    readonly terms: WaitTerms,
    nowMs: number,
    readonly resolve: (handle: number) => void,
    readonly reject: (reason: unknown) => void,
  ) {
    this.arrivedMs = nowMs
  }

  due(): number {
    this.owner.timedOut(this)
    return Number.POSITIVE_INFINITY
  }
}

export class BudgetWaiting {
  readonly #host: WaitingHost
  readonly #queues = new Map<number, FairQueue<Waiter>>()
  #size = 0
  /** Swarms whose queue is to be looked at. */
  readonly #due: number[] = []
  #isPumping = false

  constructor(host: WaitingHost) {
    this.#host = host
  }

  get size(): number {
    return this.#size
  }

  /** The nearest swarm from a node upwards in which calls wait; NONE: in none. */
  blocked(node: SwarmNode): number {
    if (this.#size === 0) return NONE
    for (let at: SwarmNode | undefined = node; at !== undefined; at = at.parent) {
      if ((this.#queues.get(at.id)?.size ?? 0) > 0) return at.id
    }
    return NONE
  }

  /** Waits at a swarm. Resolves to a handle; rejects with a BudgetError, or what `listen` gives. */
  wait(id: number, terms: WaitTerms): Promise<number> {
    return new Promise((resolve, reject) => {
      const waiter = new Waiter(this, terms, this.#host.nowMs(), resolve, reject)
      if (!this.#makeRoom(id, waiter)) {
        reject(this.#errorOf(waiter, 'wait_full', id))
        return
      }
      this.#enter(id, waiter)
      this.#size += 1
      for (const at of terms.node.upwards()) at.waiting += 1
      waiter.release = this.#host.alarms.await()
      if (terms.untilMs < Number.POSITIVE_INFINITY) waiter.timer = this.#host.alarms.add(waiter, terms.untilMs)
      waiter.forget = terms.listen?.((reason) => {
        if (this.#leave(waiter)) reject(reason)
      })
      this.pump(id)
    })
  }

  /** Something came back to a swarm and its ancestors. */
  freed(node: SwarmNode): void {
    if (this.#size === 0) return
    for (let at: SwarmNode | undefined = node; at !== undefined; at = at.parent) {
      if (this.#queues.has(at.id)) this.pump(at.id)
    }
  }

  /** Grants what fits to those who wait in a swarm, in their order. */
  pump(id: number): void {
    this.#due.push(id)
    if (this.#isPumping) return
    this.#isPumping = true
    try {
      for (let at = this.#due.pop(); at !== undefined; at = this.#due.pop()) this.#pumpOne(at)
    } finally {
      this.#isPumping = false
    }
  }

  timedOut(waiter: Waiter): void {
    const error = this.#errorOf(waiter, 'wait_timeout', waiter.at)
    if (this.#leave(waiter)) waiter.reject(error)
  }

  /** Refuses all that wait in a swarm or below it. */
  refuseBelow(node: SwarmNode, error: (terms: WaitTerms) => BudgetError): void {
    if (this.#size === 0) return
    for (const queue of this.#queues.values()) {
      for (const { item } of queue.entries()) {
        if (node.contains(item.terms.node) && this.#leave(item)) item.reject(error(item.terms))
      }
    }
    this.freed(node)
  }

  /** Forgets the queue of a swarm that is gone. */
  drop(id: number): void {
    this.#queues.delete(id)
  }

  #pumpOne(id: number): void {
    const queue = this.#queues.get(id)
    if (queue === undefined) return
    for (;;) {
      const entry = queue.next(this.#host.nowMs())
      if (entry === undefined) return
      const waiter = entry.item
      const { node, needs, wallMs } = waiter.terms
      const handle = this.#host.reserve(node, needs, wallMs)
      if (handle !== NONE) {
        queue.take(entry)
        this.#leave(waiter)
        waiter.resolve(handle)
        continue
      }
      if (!this.#host.canCome(needs)) {
        const error = this.#host.refusal(node, needs, wallMs)
        if (this.#leave(waiter)) waiter.reject(error)
        continue
      }
      const other = this.#host.refusedId
      if (other === id) return
      queue.remove(entry)
      this.#enter(other, waiter)
      this.#due.push(other)
    }
  }

  #enter(id: number, waiter: Waiter): void {
    let queue = this.#queues.get(id)
    if (queue === undefined) {
      queue = new FairQueue<Waiter>({ capacity: MOST_WAITING })
      this.#queues.set(id, queue)
    }
    const { node, needs, tier, key } = waiter.terms
    const child = this.#host.nodeOf(id).childTowards(node)
    waiter.at = id
    waiter.entry = queue.push(waiter, {
      tier,
      tenant: tenantOf(key, child),
      weight: key === undefined ? (child?.weight ?? 1) : 1,
      cost: Math.max(LEAST_COST, this.#host.shareOf(id, needs)),
      arrivedMs: waiter.arrivedMs,
    })
  }

  /** In a full queue one gives way. False: the newcomer does. */
  #makeRoom(id: number, { terms }: Waiter): boolean {
    if (this.#size < MOST_WAITING) return true
    const child = this.#host.nodeOf(id).childTowards(terms.node)
    const victim = this.#queues.get(id)?.yielding(terms.tier, tenantOf(terms.key, child))?.item
    if (victim === undefined) return false
    const error = this.#errorOf(victim, 'wait_full', id)
    if (this.#leave(victim)) victim.reject(error)
    return true
  }

  /** Ends a wait. False: it had ended. */
  #leave(waiter: Waiter): boolean {
    if (waiter.release === undefined) return false
    this.#queues.get(waiter.at)?.remove(waiter.entry)
    this.#size -= 1
    for (const at of waiter.terms.node.upwards()) at.waiting -= 1
    waiter.release()
    waiter.release = undefined
    if (waiter.timer !== undefined) this.#host.alarms.remove(waiter.timer)
    waiter.forget?.()
    return true
  }

  #errorOf({ terms }: Waiter, cause: 'wait_timeout' | 'wait_full', id: number): BudgetError {
    terms.node.countRefusal(cause)
    return new BudgetError({ cause, swarm: terms.node.path, ancestor: this.#host.nodeOf(id).path })
  }
}
