/** The events of an instance. Listeners run off the decision path; one that throws, or is slow, delays no decision. */

import { noticeEnd } from '../base/host-calls.js'
import { later } from '../base/later.js'
import type { LimitedBy } from '../base/limited-by.js'
import { soon } from '../base/soon.js'
import type { OperationalMode } from '../core/types.js'
import type { Tier } from '../engine/kinds.js'
import type { SafeLogger } from './safe-logger.js'
import type { Stall } from './stall.js'

export interface AtrionEvents {
  /** A route changed its mode. */
  transition: {
    readonly routeId: string
    readonly from: OperationalMode
    readonly to: OperationalMode
    readonly resistance: number
  }
  /** A request was refused. */
  shed: {
    readonly routeId: string
    readonly voltage: number
    readonly resistance: number
    readonly mode: OperationalMode
    readonly retryAfterMs: number | undefined
    /** The obstacle. */
    readonly limitedBy: LimitedBy
    /** undefined: a voltage was given instead, or the request came to `route()`. */
    readonly tier: Tier | undefined
  }
  /** The provider of shared state is in trouble, or, as `engine 'native'`, the engine failed in a call; decisions go on. */
  degraded: { readonly provider: string; readonly error: Error }
  /** … and works again. */
  restored: { readonly provider: string }
  /** A route with the profile 'AUTO' has been slower than usual for 15 minutes; once, until it is as usual again. */
  regression: {
    readonly routeId: string
    /** Now, ms. */
    readonly p50Ms: number
    readonly p99Ms: number
    readonly usualP50Ms: number
    readonly usualP99Ms: number
    /** The time since it began, ms. */
    readonly forMs: number
  }
  /** The soft limit of a unit of a swarm's budget was crossed; once. */
  soft: BudgetEvent
  /** A limit of a swarm's budget refused a call, or ended one. */
  hard: BudgetEvent & { readonly caller: string; readonly ended: boolean }
  /** A call of a swarm's ended that had reserved more than it used. */
  refund: { readonly swarm: string; readonly amounts: Readonly<Record<string, number>> }
  /** Settings changed: by a patch, on trial or for good, or because one expired; of a file, `paths` is all that is in it. */
  patch: ConfigEvent & { readonly state: 'applied' | 'canary' | 'expired' }
  /** A patch on trial was taken back. */
  rollback: ConfigEvent & { readonly evidence: string }
  /** Settings were refused, those before hold. */
  patch_refused: Omit<ConfigEvent, 'version'> & { readonly version: number | undefined; readonly error: Error }
  /** A ban was made, here or by other nodes. */
  ban: BanEvent
  /** A ban ended: it was lifted, here or by another node. */
  unban: { readonly id: string }
  /** A request was cancelled for what it held while others waited; see `cancellable`. */
  cancelled: {
    readonly routeId: string
    readonly tier: Tier | undefined
    readonly ageMs: number
    readonly share: number
  }
  /** The event loop was blocked, and is no longer; native engine only. */
  stall: Stall
}

/** A unit of a swarm's budget, in the unit itself. */
export interface BudgetEvent {
  /** The path of the swarm whose budget it is: its name behind those of its ancestors, as 'root/child'. */
  readonly swarm: string
  readonly unit: string
  readonly limit: number
  readonly used: number
  readonly held: number
}

export const BUDGET_EVENT_NAMES = ['soft', 'hard', 'refund'] as const satisfies readonly (keyof AtrionEvents)[]

/** A change of the settings. */
export interface ConfigEvent {
  readonly layer: 'file' | 'cluster' | 'node'
  readonly version: number
  readonly author: string | undefined
  readonly reason: string | undefined
  readonly paths: readonly string[]
}

/** A ban; its key is in none. */
export interface BanEvent {
  readonly id: string
  readonly origin: 'operator' | 'evidence'
  /** 'manual', 'share' or 'failures'. */
  readonly scenario: string
  /** 'demote': the key's requests go as tier `bulk`, on this node alone. */
  readonly type: 'ban' | 'demote'
  readonly simulated: boolean
  /** Unix ms */
  readonly until: number
}

export const EVENT_NAMES: readonly (keyof AtrionEvents)[] = [
  ...(['transition', 'shed', 'degraded', 'restored', 'regression'] as const),
  ...BUDGET_EVENT_NAMES,
  ...(['stall', 'cancelled'] as const),
  ...(['patch', 'rollback', 'patch_refused', 'ban', 'unban'] as const),
]

type Listener<K extends keyof AtrionEvents> = (event: AtrionEvents[K]) => void

/** Events that may wait for their listeners. */
const CAPACITY = 8192
/** Rounds of delivery in one turn of the event loop: a listener that causes its own event must not keep all else waiting. */
const MOST_ROUNDS = 64

export class Events {
  readonly #listeners = new Map<keyof AtrionEvents, Set<(event: never) => void>>()
  readonly #logger: SafeLogger
  #waiting: (() => void)[] = []
  /** Rounds of delivery in this turn of the event loop. */
  #rounds = 0
  #dropped = 0

  constructor(logger: SafeLogger) {
    this.#logger = logger
  }

  /** Events that found the queue full. */
  get dropped(): number {
    return this.#dropped
  }

  on<K extends keyof AtrionEvents>(name: K, listener: Listener<K>): () => void {
    const listeners = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, listeners.add(listener as (event: never) => void))
    return () => {
      listeners.delete(listener as (event: never) => void)
      if (listeners.size === 0) this.#listeners.delete(name)
    }
  }

  /** Returns whether an event has a listener; without one it need not be made. */
  has(name: keyof AtrionEvents): boolean {
    return this.#listeners.has(name)
  }

  emit<K extends keyof AtrionEvents>(name: K, event: AtrionEvents[K]): void {
    const listeners = this.#listeners.get(name)
    if (listeners === undefined) return
    if (this.#waiting.length >= CAPACITY) {
      this.#dropped += 1
      return
    }
    if (this.#waiting.length === 0) {
      if (this.#rounds < MOST_ROUNDS) soon(() => this.#drain())
      else later(() => this.#drain())
    }
    this.#waiting.push(() => {
      for (const listener of listeners) {
        try {
          const result: unknown = (listener as (event: AtrionEvents[K]) => unknown)(event)
          noticeEnd(result, (error) => this.#complain(name, error))
        } catch (error) {
          this.#complain(name, error)
        }
      }
    })
  }

  #complain(name: keyof AtrionEvents, error: unknown): void {
    this.#logger.error(`a listener of '${name}' threw`, { error })
  }

  #drain(): void {
    const batch = this.#waiting
    this.#waiting = []
    if (this.#rounds === 0) {
      later(() => {
        this.#rounds = 0
      })
    }
    this.#rounds += 1
    for (const deliver of batch) deliver()
  }
}
