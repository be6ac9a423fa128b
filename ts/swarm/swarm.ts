/** A swarm as its callers hold it. It checks arguments and delegates to its root, which has the state. */

import { requireRouteId, wrongType } from '../base/input.js'
import { unknownName } from '../base/suggest.js'
import { BUDGET_EVENT_NAMES } from '../events/events.js'
import type { LeaseManager } from '../leases/manager.js'
import { CallAdmission, type Permits } from './admission.js'
import { type CallHost, readCall } from './call.js'
import { RunLease } from './lease.js'
import type { SwarmNode } from './node.js'
import { readChildOptions, readRunOptions, requireName } from './options.js'
import { runWork, type SwarmWork } from './run.js'
import type {
  BudgetEvents,
  ChildOptions,
  Estimate,
  Swarm,
  SwarmRunOptions,
  SwarmStats,
  SwarmTaskLease,
  SwarmTaskOptions,
  UnitStats,
} from './types.js'

/** The parts that all swarms of a root share. */
export interface SwarmHost extends CallHost {
  readonly permits: Permits
  readonly leases: LeaseManager
  /** Called when a root is closed, so that its name is free again. */
  closed(name: string): void
}

/** The tier of tasks, which have no option for it. */
const NORMAL = 2

export class BudgetedSwarm implements Swarm {
  readonly #host: SwarmHost
  readonly #node: SwarmNode

  constructor(host: SwarmHost, node: SwarmNode) {
    this.#host = host
    this.#node = node
  }

  get name(): string {
    return this.#node.name
  }

  get path(): string {
    return this.#node.path
  }

  get isClosed(): boolean {
    return this.#node.isClosed
  }

  child(name: string, options: ChildOptions = {}): Swarm {
    const { root } = this.#host
    root.settleTime()
    return new BudgetedSwarm(this.#host, root.addChild(this.#node, requireName(name), readChildOptions(options)))
  }

  async run<T>(
    estimate: Estimate | null | undefined,
    work: SwarmWork<T>,
    options?: SwarmRunOptions | null,
  ): Promise<T> {
    if (typeof work !== 'function') throw wrongType('work', 'a function', work)
    const terms = readRunOptions(options)
    terms.signal?.throwIfAborted()
    this.#host.root.settleTime()
    const call = readCall(this.#host, this.#node, estimate)
    const { permits, root } = this.#host
    return new CallAdmission(permits, root, this.#node, call, terms).begin((admission) => {
      const controller = new AbortController()
      const lease = new RunLease(this.#host, this.#node, call, admission.handle, controller, true)
      lease.grant = admission.grant
      return runWork(lease, admission, work, terms, (reason) => controller.abort(reason))
    })
  }

  async startTask(routeId: string, options?: SwarmTaskOptions | null): Promise<SwarmTaskLease> {
    requireRouteId(routeId)
    if (options !== undefined && (typeof options !== 'object' || options === null)) {
      throw wrongType('options', 'an object', options)
    }
    const { estimate, ...rest } = options ?? {}
    const { root, leases } = this.#host
    root.settleTime()
    this.#requireOpen()
    const call = readCall(this.#host, this.#node, estimate)
    let handle = root.reserve(this.#node, call.needs, call.wallMs)
    if (handle < 0) {
      const { needs, wallMs } = call
      const node = this.#node
      node.refs += 1
      try {
        handle = await root.slice({ node, needs, wallMs, tier: NORMAL, key: undefined, listen: undefined })
        if (node.isClosed) root.tree.settle(handle, 0)
        this.#requireOpen()
      } finally {
        root.unref(node)
      }
    }
    const controller = new AbortController()
    const budget = new RunLease(this.#host, this.#node, call, handle, controller, false)
    try {
      const task = leases.start(routeId, rest, () => budget.finish())
      budget.onStop = () => rest.abortController?.abort(budget.exhausted)
      return Object.defineProperty(task, 'budget', { value: budget, enumerable: true }) as SwarmTaskLease
    } catch (error) {
      budget.refund()
      budget.finish()
      throw error
    }
  }

  /** @throws BudgetError */
  #requireOpen(): void {
    if (this.#node.isClosed) throw this.#host.root.accounts.refused(this.#node, 'closed', this.#node)
  }

  stats(): SwarmStats {
    const { root } = this.#host
    root.settleTime()
    root.readTime(this.#node)
    const node = this.#node
    const units = node.limited.map((index): [string, UnitStats] => {
      const { unit, limit, used, held } = root.accounts.of(node, root.units.names[index]!)
      const elsewhere = root.elsewhere(node, index)
      const here = root.tree.usedOf(node.id, index) + root.tree.heldOf(node.id, index)
      const left = root.units.amountOf(index, root.wholeLimit(node, index) - here - elsewhere.used - elsewhere.held)
      return [unit, { limit, used, held, left }]
    })
    return {
      name: node.name,
      path: node.path,
      units: Object.fromEntries(units),
      inFlight: node.inFlight,
      waiting: node.waiting,
      children: [...node.children.keys()],
      runs: node.runs,
      exhausted: node.exhausted,
      refusals: { ...node.refusals },
      unknownPrices: node.unknownPrices,
      estimates: node.estimates.read(),
      upstream: root.terms.pacer?.stats?.(),
    }
  }

  on<K extends keyof BudgetEvents>(name: K, listener: (event: BudgetEvents[K]) => void): () => void {
    if (!BUDGET_EVENT_NAMES.includes(name)) throw unknownName('event', name, BUDGET_EVENT_NAMES)
    if (typeof listener !== 'function') throw wrongType('listener', 'a function', listener)
    const { events, accounts } = this.#host.root
    return events.on(name, (event) => {
      if (accounts.isOf(this.#node, event)) return listener(event as BudgetEvents[K])
    })
  }

  close(): void {
    const isRoot = this.#node.parent === undefined && !this.#node.isClosed
    this.#host.root.close(this.#node)
    if (isRoot) this.#host.closed(this.#node.name)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
