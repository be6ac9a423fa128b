/** One lease: its heartbeats, its end, and the trauma that its end leaves. */

import { AtrionError, ConfigError } from '../base/errors.js'
import { noticeEnd } from '../base/host-calls.js'
import { ownOptions } from '../base/own.js'
import { onAbort } from '../base/signals.js'
import type { HeapTimer } from '../base/timer-heap.js'
import type { ProfileConfig, Timestamp, WorkloadProfile } from '../core/index.js'
import { SafeLogger } from '../events/safe-logger.js'
import { requireNumber } from '../options/ranges.js'
import type { HeartbeatPayload, LeaseOutcome, TaskLease } from './types.js'

const OUTCOMES: ReadonlySet<unknown> = new Set<LeaseOutcome>(['completed', 'failed', 'timeout', 'aborted'])

/** Traumas that a lease's end leaves, in scarFactors of its route times the profile's multiplier. */
const TRAUMA = { timeout: 1.5, silence: 1, failed: 1 } as const

/** Missed heartbeats that end a lease. */
const MISSED_HEARTBEATS = 3

/** The parts of the instance that a lease needs. */
export interface LeaseHost {
  nowMs(): number
  /** scarFactor of a route without a profile's multiplier, Ω. */
  scarFactorOf(routeId: string): number
  scar(routeId: string, ohms: number): void
  /** Counts the lease among the route's work in flight. @returns what ends that */
  occupy(routeId: string): () => void
  /** A lease has ended. */
  drop(lease: Lease): void
  /** A lease was released as completed, after so many ms. */
  completed(routeId: string, durationMs: number): void
}

/** The options that a lease is started with. */
export interface LeaseTerms {
  readonly id: string
  readonly routeId: string
  readonly profile: WorkloadProfile
  readonly config: ProfileConfig
  readonly durationMs: number
  readonly abortController: AbortController | undefined
  readonly metadata: Readonly<Record<string, unknown>>
  /** Called once, when it has ended. */
  readonly onEnd?: (() => void) | undefined
}

export class Lease implements TaskLease {
  readonly id: string
  readonly routeId: string
  readonly profile: WorkloadProfile
  readonly startedAt: Timestamp
  readonly expiresAt: Timestamp
  readonly metadata: Readonly<Record<string, unknown>>
  readonly #host: LeaseHost
  readonly #config: ProfileConfig
  readonly #abortController: AbortController | undefined
  readonly #vacate: () => void
  readonly #onEnd: (() => void) | undefined
  readonly #onAbort = (): void => this.#end('aborted', 0)
  /** Stops listening to the controller's signal. */
  #forget: (() => void) | undefined
  /** The lease's place among the deadlines, while it is open. */
  deadline: HeapTimer<Lease> | undefined
  #lastSignAt: number
  #heartbeat: HeartbeatPayload = {}
  #active = true

  constructor(host: LeaseHost, terms: LeaseTerms) {
    const now = host.nowMs()
    this.id = terms.id
    this.routeId = terms.routeId
    this.profile = terms.profile
    this.startedAt = now as Timestamp
    this.expiresAt = (now + terms.durationMs) as Timestamp
    this.metadata = terms.metadata
    this.#host = host
    this.#config = terms.config
    this.#abortController = terms.abortController
    this.#lastSignAt = now
    this.#onEnd = terms.onEnd
    this.#vacate = host.occupy(terms.routeId)
    try {
      if (this.#abortController?.signal.aborted) this.#end('aborted', 0)
      else if (this.#abortController) this.#forget = onAbort(this.#abortController.signal, this.#onAbort)
    } catch (error) {
      // A signal of a host's own class: a lease that was never handed out holds nothing.
      this.#end('aborted', 0)
      throw error
    }
  }

  /** Returns whether the lease has not ended as of its last look at the time. */
  get isOpen(): boolean {
    return this.#active
  }

  get isActive(): boolean {
    if (this.#active) this.settle(this.#host.nowMs())
    return this.#active
  }

  get lastHeartbeat(): HeartbeatPayload {
    return this.#heartbeat
  }

  /** The time at which the lease ends by itself unless something happens: it runs out, or has been silent for too long. */
  get dueAt(): number {
    const { heartbeatRequired, heartbeatIntervalMs } = this.#config
    if (!heartbeatRequired || !(heartbeatIntervalMs > 0)) return this.expiresAt
    return Math.min(this.expiresAt, this.#lastSignAt + MISSED_HEARTBEATS * heartbeatIntervalMs)
  }

  heartbeat(payload: HeartbeatPayload = {}): void {
    if (!this.isActive)
      throw new AtrionError(`lease ${this.id} has ended and is no longer active: a heartbeat after the end is a bug`)
    requireHeartbeat(payload)
    this.#heartbeat = { ...this.#heartbeat, ...payload }
    this.#lastSignAt = this.#host.nowMs()
  }

  async release(outcome: LeaseOutcome = 'completed'): Promise<void> {
    if (!OUTCOMES.has(outcome)) throw new ConfigError('outcome', [...OUTCOMES].join(', '), outcome)
    if (!this.isActive) return
    if (outcome === 'completed') this.#host.completed(this.routeId, this.#host.nowMs() - this.startedAt)
    this.#end(outcome, outcome === 'timeout' || outcome === 'failed' ? TRAUMA[outcome] : 0)
  }

  remainingMs(): number {
    return this.#active ? Math.max(0, this.expiresAt - this.#host.nowMs()) : 0
  }

  /** Ends the lease if its time has come; otherwise when to look again. */
  settle(now: number): number {
    if (!this.#active) return Number.POSITIVE_INFINITY
    const due = this.dueAt
    if (now < due) return due
    this.#end('timeout', due >= this.expiresAt ? TRAUMA.timeout : TRAUMA.silence)
    return Number.POSITIVE_INFINITY
  }

  #end(outcome: LeaseOutcome, trauma: number): void {
    if (!this.#active) return
    this.#active = false
    this.#host.drop(this)
    this.#vacate()
    this.#onEnd?.()
    const ohms = trauma * this.#host.scarFactorOf(this.routeId) * this.#config.scarMultiplier
    if (ohms > 0) this.#host.scar(this.routeId, ohms)
    this.#call(this.#forget)
    if (outcome === 'timeout') this.#call(() => this.#abortController?.abort())
  }

  /** The controller and its signal may be of a host's own class: their errors must not keep the other leases from being looked at. */
  #call(host: (() => unknown) | undefined): void {
    const warn = (error: unknown): void =>
      new SafeLogger(undefined).warn('the abort controller of a lease threw', {
        routeId: this.routeId,
        leaseId: this.id,
        error,
      })
    try {
      noticeEnd(host?.(), warn)
    } catch (error) {
      warn(error)
    }
  }
}

const HEARTBEAT_NAMES = ['progress', 'memoryBytes', 'status']

function requireHeartbeat(payload: HeartbeatPayload): void {
  if (typeof payload !== 'object' || payload === null) throw new ConfigError('heartbeat', 'an object', payload)
  const { progress, memoryBytes, status } = ownOptions(payload, HEARTBEAT_NAMES)
  if (progress !== undefined && progress !== null) {
    requireNumber('heartbeat.progress', progress, { says: 'a number in [0, 1]', holds: (x) => x >= 0 && x <= 1 })
  }
  if (memoryBytes !== undefined && memoryBytes !== null) {
    requireNumber('heartbeat.memoryBytes', memoryBytes, { says: 'a finite number ≥ 0', holds: (x) => x >= 0 })
  }
  if (status !== undefined && status !== null && typeof status !== 'string')
    throw new ConfigError('heartbeat.status', 'a string', status)
}
