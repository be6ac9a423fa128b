/**
 * The beginning of a call: budget, the upstream's quota and the route's permit, of which all three are needed.
 *
 * Nothing is held while something else is waited for. What is had at once is taken at once. Where one of them has to be waited for, the
 * others are given back; what came of the wait is kept while the rest is tried again, and given back where another has to be waited for
 * now. So a call that waits for a permit takes up no budget, calls that wait for different things cannot block each other, and each wait
 * keeps its own order: that of the budget, of the upstream, or of the route, where a swarm's calls wait among all others.
 */

import { BudgetError } from '../base/budget-error.js'
import { keptName } from '../base/keys.js'
import { onAbort } from '../base/signals.js'
import { TIERS } from '../engine/kinds.js'
import { acquireOrWait } from '../limiter/acquire-or-wait.js'
import { shedErrorOf } from '../limiter/run.js'
import type { AcquireOptions, Permit } from '../limiter/types.js'
import { NONE } from './budget.js'
import type { Call } from './call.js'
import type { Stoppable, SwarmNode } from './node.js'
import type { RunTerms } from './options.js'
import type { PaceGrant, PaceRequest } from './pacer.js'
import type { SwarmRoot } from './root.js'

/** The holdings of a call that may begin. */
export interface Admission {
  readonly handle: number
  readonly grant: PaceGrant | undefined
  readonly permit: Permit | undefined
}

/** The instance, as far as it gives permits. */
export interface Permits {
  acquire(routeId: string, options: AcquireOptions): Permit
}

type Listen = (abort: (reason: unknown) => void) => () => void

export class CallAdmission {
  readonly #permits: Permits
  readonly #root: SwarmRoot
  readonly #node: SwarmNode
  readonly #call: Call
  readonly #terms: RunTerms
  readonly #untilMs: number
  readonly #listen: Listen | undefined
  #handle = NONE
  #grant: PaceGrant | undefined
  #permit: Permit | undefined

  constructor(permits: Permits, root: SwarmRoot, node: SwarmNode, call: Call, terms: RunTerms) {
    this.#permits = permits
    this.#root = root
    this.#node = node
    this.#call = call
    this.#terms = terms
    this.#untilMs = terms.maxWaitMs > 0 ? root.nowMs() + terms.maxWaitMs : 0
    const { signal } = terms
    this.#listen = signal && ((abort) => onAbort(signal, () => abort(signal.reason)))
  }

  /**
   * Begins the call as soon as it holds all that it needs. No turn of the event loop lies between the last look at its signal and its
   * swarm and its beginning: an abort, or the end of the swarm, finds a call that waits or one that is under way.
   *
   * @throws BudgetError, ShedError, the signal's reason; nothing is held then
   */
  async begin<T>(begin: (admission: Admission) => Promise<T>): Promise<T> {
    // A swarm that is closed keeps its place in the tree while a call may hold some of it.
    this.#node.refs += 1
    let call: Promise<T>
    try {
      // Every round ends in a wait, and the total time of the waits is limited.
      for (;;) {
        this.#terms.signal?.throwIfAborted()
        if (this.#node.isClosed) throw this.#root.accounts.refused(this.#node, 'closed', this.#node)
        if (this.#handle === NONE && !this.#reserve()) {
          this.#giveBack()
          this.#handle = await this.#waitForBudget()
          continue
        }
        if (this.#grant === undefined && this.#root.terms.pacer !== undefined) {
          this.#grant = this.#root.terms.pacer.tryAdmit(this.#paceRequest())
          if (this.#grant === undefined) {
            this.#giveBack()
            this.#grant = await this.#waitForQuota()
            continue
          }
        }
        if (this.#permit === undefined && this.#root.terms.route !== undefined) {
          const permit = this.#acquire(this.#root.terms.route)
          if ('then' in permit) {
            this.#giveBack()
            this.#permit = this.#admitted(this.#root.terms.route, await permit)
            continue
          }
          this.#permit = this.#admitted(this.#root.terms.route, permit)
        }
        call = begin({ handle: this.#handle, grant: this.#grant, permit: this.#permit })
        break
      }
    } catch (error) {
      this.#giveBack()
      throw error
    } finally {
      this.#root.unref(this.#node)
    }
    return call
  }

  /** Returns all that the call holds. */
  #giveBack(): void {
    if (this.#handle !== NONE) {
      const handle = this.#handle
      this.#handle = NONE
      this.#root.tree.settle(handle, 0)
      this.#root.waiting.freed(this.#node)
    }
    this.#permit?.release('ignored')
    this.#permit = undefined
    const grant = this.#grant
    this.#grant = undefined
    grant?.cancel()
  }

  /** Reserves the call's budget; false: the call has to wait, or is refused. Where others wait already, it does so behind them, unless it waited for its permit. */
  #reserve(): boolean {
    const { needs, wallMs } = this.#call
    const node = this.#node
    const isFirst = this.#permit !== undefined
    if (!isFirst && this.#maxWaitMs() > 0 && this.#root.waiting.blocked(node) !== NONE) return false
    this.#handle = this.#root.reserve(node, needs, wallMs)
    return this.#handle !== NONE
  }

  #waitForBudget(): number | Promise<number> {
    const root = this.#root
    const { needs, wallMs } = this.#call
    const { tier, key } = this.#terms
    const terms = { node: this.#node, needs, wallMs, tier, key, listen: this.#listen }
    let id = root.waiting.blocked(this.#node)
    if (this.#maxWaitMs() <= 0 || id === NONE) {
      // Tried again, since enough may have been returned meanwhile.
      const handle = root.reserve(this.#node, needs, wallMs)
      if (handle !== NONE) return handle
      if (this.#untilMs === 0) return root.slice(terms)
      if (!root.canCome(needs) || this.#maxWaitMs() <= 0) throw root.refusal(this.#node, needs, wallMs)
      id = root.refusedId
    }
    return root.waiting.wait(id, { ...terms, untilMs: this.#untilMs })
  }

  async #waitForQuota(): Promise<PaceGrant> {
    const maxWaitMs = this.#maxWaitMs()
    let grant: PaceGrant | undefined
    if (maxWaitMs > 0) {
      const controller = new AbortController()
      const forget = this.#listenToEnd((reason) => controller.abort(reason))
      try {
        grant = await this.#root.terms.pacer!.admit(this.#paceRequest(), maxWaitMs, controller.signal)
      } finally {
        forget()
      }
    }
    if (grant !== undefined) return grant
    this.#node.countRefusal('upstream')
    throw new BudgetError({ cause: 'upstream', swarm: this.#node.path })
  }

  #paceRequest(): PaceRequest {
    const { model, inputTokens, outputTokens } = this.#call
    const { tier, key } = this.#terms
    const root = this.#root.node
    return {
      amounts: { requests: 1, inputTokens, outputTokens },
      tier,
      tenant: keptName(key ?? root.name),
      weight: key === undefined ? root.weight : 1,
      model,
    }
  }

  #acquire(route: string): Permit | Promise<Permit> {
    const { tier, key } = this.#terms
    const root = this.#root.node
    const options: AcquireOptions = {
      tier: TIERS[tier],
      key: key ?? root.name,
      weight: key === undefined ? root.weight : 1,
    }
    const maxWaitMs = this.#maxWaitMs()
    if (maxWaitMs <= 0) return this.#permits.acquire(route, options)
    return acquireOrWait(this.#permits, route, options, maxWaitMs, (abort) => this.#listenToEnd(abort))
  }

  /** Calls back with the reason where the caller leaves or the swarm ends, while the call waits outside of the swarm's own queues. */
  #listenToEnd(abort: (reason: unknown) => void): () => void {
    const node = this.#node
    const waits: Stoppable = {
      stop: (cause, ancestor, unit) => abort(this.#root.accounts.refused(node, cause, ancestor, unit)),
    }
    const forget = this.#listen?.(abort)
    node.waits.add(waits)
    return () => {
      node.waits.delete(waits)
      forget?.()
    }
  }

  /** @throws ShedError */
  #admitted(route: string, permit: Permit): Permit {
    if (permit.allow) return permit
    this.#node.countRefusal('shed')
    throw shedErrorOf(route, permit)
  }

  /** Time that the call may still wait, ms. */
  #maxWaitMs(): number {
    if (this.#untilMs === 0) return 0
    return Math.max(0, this.#untilMs - this.#root.nowMs())
  }
}
