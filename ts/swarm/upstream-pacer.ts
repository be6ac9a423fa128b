/**
 * The quota of a provider as swarms see it: a place in its queue, and a grant when the pace has room. One serves all swarms that call the
 * same provider with the same key. Each model has a queue of its own, since one that is held must not stand in the others' way; who is
 * next in it is {@link FairQueue}'s to say.
 *
 * At most 65,536 calls wait in all; beyond that the least important gives way, or the newcomer.
 */

import { later } from '../base/later.js'
import { peek } from '../base/own.js'
import { onAbort } from '../base/signals.js'
import type { HeapTimer } from '../base/timer-heap.js'
import type { Outcome } from '../limiter/types.js'
import type { Classified } from '../upstream/classify.js'
import { type CallCost, Pace, type PacedCall, type PaceOptions, type PaceStats } from '../upstream/pace.js'
import type { Alarm, Alarms } from './alarms.js'
import type { PaceGrant, PaceRequest, Pacer } from './pacer.js'
import { FairQueue, type QueueEntry } from './queue.js'

/** Most calls that wait. */
const MOST_WAITING = 65_536
/** Most queues that are kept while none waits in them. */
const MOST_IDLE_QUEUES = 64
/** Tokens that weigh as much as one call in the order of turns. */
const TOKENS_A_CALL = 1000

/** The clock and the timers of an instance. */
export interface UpstreamHost {
  readonly alarms: Alarms
  nowMs(): number
}

const LONGEST_MODEL = 256
const modelOf = ({ model }: PaceRequest): string => model?.slice(0, LONGEST_MODEL) ?? ''

const costOf = ({ amounts, model }: PaceRequest): CallCost => ({
  inputTokens: amounts.inputTokens,
  outputTokens: amounts.outputTokens,
  requests: amounts.requests,
  model,
})

/** A grant, which the call's lease holds. */
export class UpstreamGrant implements PaceGrant {
  readonly #owner: UpstreamPacer
  readonly #call: PacedCall

  constructor(owner: UpstreamPacer, call: PacedCall) {
    this.#owner = owner
    this.#call = call
  }

  /** The head of the provider's answer is there. @param headers in any form @param body of an error, if it is there */
  answered(status: number, headers: unknown, body?: unknown): Classified {
    const classified = this.#call.answered(status, headers, this.#owner.nowMs(), body)
    this.#owner.pump()
    return classified
  }

  failed(error: unknown): Outcome | undefined {
    // The official SDKs and those like them: an error with the answer's status, its headers and its body.
    const status = peek(error, 'status') ?? peek(error, 'statusCode')
    if (typeof status !== 'number' || !(status >= 400 && status < 600)) return undefined
    const headers = peek(error, 'headers') ?? peek(error, 'responseHeaders')
    return this.answered(status, headers, peek(error, 'error') ?? peek(error, 'responseBody')).outcome
  }

  settle(used: Readonly<Record<string, number>>, outcome: Outcome): void {
    const nowMs = this.#owner.nowMs()
    // Without headers, a success shows at least that the call was not refused for quota.
    if (outcome === 'success') this.#call.answered(200, undefined, nowMs)
    const { inputTokens, outputTokens } = used
    const isReported = inputTokens !== undefined || outputTokens !== undefined
    const estimated = this.#call.amounts
    this.#call.end(
      nowMs,
      isReported
        ? {
            inputTokens: inputTokens ?? estimated.inputTokens,
            outputTokens: outputTokens ?? estimated.outputTokens,
          }
        : undefined,
    )
    this.#owner.pump()
  }

  cancel(): void {
    this.#call.cancel(this.#owner.nowMs())
    this.#owner.pump()
  }
}

/** A call that waits. */
class Waiter implements Alarm {
  entry!: QueueEntry<Waiter>
  timer: HeapTimer<Alarm> | undefined
  release: (() => void) | undefined
  forget: (() => void) | undefined

  constructor(
    readonly owner: UpstreamPacer,
    readonly model: string,
    readonly cost: CallCost,
    readonly resolve: (grant: PaceGrant | undefined) => void,
  ) {}

  due(): number {
    this.owner.leave(this, undefined)
    return Number.POSITIVE_INFINITY
  }
}

export class UpstreamPacer implements Pacer, Alarm {
  readonly #host: UpstreamHost
  readonly #pace: Pace
  /** Queues by model. One in which none waits is kept for the service that it remembers, as long as there are few. */
  readonly #queues = new Map<string, FairQueue<Waiter>>()
  #size = 0
  #turn = 0
  #wake: HeapTimer<Alarm> | undefined
  #isPumpDue = false

  constructor(options: PaceOptions, host: UpstreamHost) {
    this.#host = host
    this.#pace = new Pace(options, host.nowMs())
  }

  nowMs(): number {
    return this.#host.nowMs()
  }

  /** Calls that wait. */
  get waiting(): number {
    return this.#size
  }

  stats(): PaceStats {
    return this.#pace.stats(this.nowMs())
  }

  tryAdmit(request: PaceRequest): PaceGrant | undefined {
    if ((this.#queues.get(modelOf(request))?.size ?? 0) > 0) return undefined
    const cost = costOf(request)
    return this.#pace.waitMs(cost, this.nowMs()) === 0 ? this.#grant(cost) : undefined
  }

  admit(request: PaceRequest, maxWaitMs: number, signal: AbortSignal | undefined): Promise<PaceGrant | undefined> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason)
        return
      }
      const { alarms } = this.#host
      const waiter = new Waiter(this, modelOf(request), costOf(request), resolve)
      if (!this.#makeRoom(request)) {
        resolve(undefined)
        return
      }
      this.#enter(waiter, request)
      waiter.release = alarms.await()
      if (maxWaitMs < Number.POSITIVE_INFINITY) waiter.timer = alarms.add(waiter, this.nowMs() + maxWaitMs)
      if (signal !== undefined) {
        waiter.forget = onAbort(signal, () => {
          if (this.#remove(waiter)) reject(signal.reason)
        })
      }
      this.pump()
    })
  }

  /** Ends a wait. */
  leave(waiter: Waiter, grant: PaceGrant | undefined): void {
    if (this.#remove(waiter)) waiter.resolve(grant)
  }

  /** Lets the first waiting call go ahead. */
  due(): number {
    this.#wake = undefined
    this.pump()
    return Number.POSITIVE_INFINITY
  }

  /**
   * Grants what the pace has room for, in each queue's order, once in a turn of the event loop, when all answers that have come are read.
   * In a process that stood still timers are late, and come before the answers that tell what others sent meanwhile.
   */
  pump(): void {
    if (this.#isPumpDue || this.#size === 0) return
    this.#isPumpDue = true
    later(() => {
      this.#isPumpDue = false
      this.#pumpAll()
    })
  }

  #pumpAll(): void {
    let wakesInMs = Number.POSITIVE_INFINITY
    const models = [...this.#queues.keys()]
    // The models take turns at being served first, since they may share a configured limit.
    const first = this.#turn++ % Math.max(1, models.length)
    for (const model of [...models.slice(first), ...models.slice(0, first)])
      wakesInMs = Math.min(wakesInMs, this.#pumpOne(model))
    const { alarms } = this.#host
    if (this.#wake !== undefined) alarms.remove(this.#wake)
    this.#wake = wakesInMs < Number.POSITIVE_INFINITY ? alarms.add(this, this.nowMs() + wakesInMs) : undefined
  }

  /** @returns the time until the first of a queue may go, ms */
  #pumpOne(model: string): number {
    for (;;) {
      const queue = this.#queues.get(model)
      const nowMs = this.nowMs()
      const entry = queue?.next(nowMs)
      if (queue === undefined || entry === undefined) return Number.POSITIVE_INFINITY
      const waiter = entry.item
      const waitMs = this.#pace.waitMs(waiter.cost, nowMs)
      if (waitMs > 0) return waitMs
      const grant = this.#grant(waiter.cost)
      queue.take(entry)
      this.leave(waiter, grant)
    }
  }

  #grant(cost: CallCost): UpstreamGrant {
    return new UpstreamGrant(this, this.#pace.send(cost, this.nowMs()))
  }

  #enter(waiter: Waiter, { tier, tenant, weight, amounts }: PaceRequest): void {
    let queue = this.#queues.get(waiter.model)
    if (queue === undefined) {
      queue = new FairQueue<Waiter>({ capacity: MOST_WAITING })
      this.#queues.set(waiter.model, queue)
    }
    const tokens = (amounts.inputTokens ?? 0) + (amounts.outputTokens ?? 0)
    const cost = 1 + tokens / TOKENS_A_CALL
    waiter.entry = queue.push(waiter, { tier, tenant, weight, cost, arrivedMs: this.nowMs() })
    this.#size += 1
  }

  /** Removes one call from a full queue. Returns false if the new call has to give way. */
  #makeRoom(request: PaceRequest): boolean {
    if (this.#size < MOST_WAITING) return true
    const { tier, tenant } = request
    const model = modelOf(request)
    const victim = this.#queues.get(model)?.yielding(tier, tenant)?.item
    if (victim === undefined) return false
    this.leave(victim, undefined)
    return true
  }

  /** Takes a call out of its queue. False: it was out already. */
  #remove(waiter: Waiter): boolean {
    if (waiter.release === undefined) return false
    const queue = this.#queues.get(waiter.model)
    queue?.remove(waiter.entry)
    if (queue?.size === 0 && this.#queues.size > MOST_IDLE_QUEUES) this.#queues.delete(waiter.model)
    this.#size -= 1
    waiter.release()
    waiter.release = undefined
    if (waiter.timer !== undefined) this.#host.alarms.remove(waiter.timer)
    waiter.forget?.()
    return true
  }
}
