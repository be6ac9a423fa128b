/**
 * Leases: work that takes so long that a request's latency says nothing of it. A lease has an end, and what happens at
 * it is physics: overrun and silence scar the route, so that the next request meets the resistance it deserves.
 *
 * One unref'd timer serves all leases: it is set for the earliest moment at which one of them must be looked at. A timer
 * a lease would cost a million timers for a million tasks, and a heartbeat would have to move one each time.
 */

import { AtrionError, ConfigError } from '../base/errors.js'
import { onAbort } from '../base/signals.js'
import { unknownName } from '../base/suggest.js'
import { type Deadline, Deadlines } from '../base/timer-heap.js'
import {
  getProfileConfig,
  type ProfileConfig,
  requiresAbortController,
  type Timestamp,
  type WorkloadProfile,
} from '../core/index.js'
import { getLogger } from '../events/loggers.js'
import { DURATION_RANGE, requireNumber, requireProfile } from '../options/options.js'

export interface LeaseOptions {
  /** Default: the route's own profile. */
  readonly profile?: WorkloadProfile | ProfileConfig | null | undefined
  /** Longest the lease lasts, ms, > 0. Default: the profile's maxDurationMs. */
  readonly timeout?: number | null | undefined
  /** Aborted when the lease runs out. Required by profiles with heartbeats: what can't be stopped must not be leased. */
  readonly abortController?: AbortController
  /** Yours; kept on the lease. */
  readonly metadata?: Readonly<Record<string, unknown>> | null | undefined
}

const LEASE_NAMES: readonly string[] = [
  'profile',
  'timeout',
  'abortController',
  'metadata',
] satisfies (keyof LeaseOptions)[]

export interface HeartbeatPayload {
  /** [0, 1] */
  readonly progress?: number | null | undefined
  /** ≥ 0 */
  readonly memoryBytes?: number | null | undefined
  readonly status?: string | null | undefined
}

export type LeaseOutcome = 'completed' | 'failed' | 'timeout' | 'aborted'

const OUTCOMES: ReadonlySet<unknown> = new Set<LeaseOutcome>(['completed', 'failed', 'timeout', 'aborted'])

/** A task that is under way. */
export interface TaskLease {
  readonly id: string
  readonly routeId: string
  readonly profile: WorkloadProfile
  readonly startedAt: Timestamp
  /** When it runs out, unless released before. */
  readonly expiresAt: Timestamp
  readonly isActive: boolean
  readonly metadata: Readonly<Record<string, unknown>>
  /** The newest of each thing a heartbeat said. */
  readonly lastHeartbeat: HeartbeatPayload
  /** Shows a sign of life. Throws after the end. */
  heartbeat(payload?: HeartbeatPayload): void
  /** Ends the lease; 'completed' by default. A second call does nothing. */
  release(outcome?: LeaseOutcome): Promise<void>
  /** ms until it runs out, ≥ 0 */
  remainingMs(): number
}

/** Traumas that a lease's end leaves, in scarFactors of its route times the profile's multiplier. */
const TRAUMA = { timeout: 1.5, silence: 1, failed: 1 } as const

/** Missed heartbeats that end a lease. */
const MISSED_HEARTBEATS = 3

/** How often leases are looked at when time is not the machine's: a virtual clock can't wake anybody, ms. */
const VIRTUAL_POLL_MS = 10

/** What leases need of the rest. */
export interface LeaseHost {
  now(): number
  readonly isVirtualTime: boolean
  /** scarFactor of a route without a profile's multiplier, Ω. */
  scarFactorOf(routeId: string): number
  scar(routeId: string, ohms: number): void
  /** The lease takes its place among the route's work in flight; the returned function gives it back. */
  occupy(routeId: string, maxDurationMs: number): () => void
}

const BASE36 = 36
const ID_NOISE = 36 ** 6

export class LeaseBook {
  readonly #host: LeaseHost
  readonly #deadlines = new Deadlines<Lease>()
  readonly #perRoute = new Map<string, number>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #wakesAt = Number.POSITIVE_INFINITY
  #count = 0
  #sweeping = false

  constructor(host: LeaseHost) {
    this.#host = host
  }

  /** @throws ConfigError when an option can't be honoured */
  start(routeId: string, options: LeaseOptions, ownProfile: WorkloadProfile | ProfileConfig): TaskLease {
    for (const name of Object.keys(options)) {
      if (!LEASE_NAMES.includes(name)) throw unknownName(`options.${name}`, name, LEASE_NAMES)
    }
    const given = requireProfile('options.profile', options.profile ?? ownProfile)
    const profile = getProfileConfig(given)
    const { abortController } = options
    if (abortController !== undefined && !isAbortController(abortController)) {
      throw new ConfigError('options.abortController', 'an AbortController', abortController)
    }
    if (requiresAbortController(given) && !abortController) {
      const name = typeof given === 'string' ? given : 'with heartbeats'
      throw new ConfigError(
        'options.abortController',
        `an AbortController, as profile ${name} asks for`,
        abortController,
      )
    }
    const durationMs =
      options.timeout === undefined || options.timeout === null
        ? profile.maxDurationMs
        : requireNumber('options.timeout', options.timeout, DURATION_RANGE)
    this.#count += 1
    const noise = Math.floor(Math.random() * ID_NOISE).toString(BASE36)
    const lease = new Lease(this, this.#host, {
      id: `lease-${this.#count.toString(BASE36)}-${noise}`,
      routeId,
      profile: typeof given === 'string' ? given : 'CUSTOM',
      config: profile,
      durationMs,
      abortController,
      metadata: options.metadata ?? {},
    })
    // An abort that came before the task did: there is nothing left to watch.
    if (!lease.isOpen) return lease
    lease.deadline = this.#deadlines.add(lease, lease.dueAt)
    this.#perRoute.set(routeId, (this.#perRoute.get(routeId) ?? 0) + 1)
    if (lease.dueAt < this.#wakesAt) this.#wakeAt(lease.dueAt, lease.startedAt)
    return lease
  }

  activeCount(routeId: string): number {
    this.sweepAt(this.#host.now())
    return this.#perRoute.get(routeId) ?? 0
  }

  /** Ends every lease whose time has come at `now`, ms. */
  sweepAt(now: number): void {
    // Ending a lease calls abort listeners, and they may do anything: also what leads here again.
    if (this.#sweeping || !(this.#wakesAt <= now)) return
    this.#sweeping = true
    try {
      for (let first = this.#deadlines.earliest; first && first.at <= now; first = this.#deadlines.earliest) {
        this.#deadlines.postpone(first, first.item.settle(now))
      }
    } finally {
      this.#sweeping = false
    }
    this.#wakeAt(this.#deadlines.earliest?.at ?? Number.POSITIVE_INFINITY, now)
  }

  /** A lease has ended. */
  drop(lease: Lease): void {
    if (!lease.deadline) return
    this.#deadlines.remove(lease.deadline)
    const left = (this.#perRoute.get(lease.routeId) ?? 1) - 1
    if (left > 0) this.#perRoute.set(lease.routeId, left)
    else this.#perRoute.delete(lease.routeId)
    if (this.#deadlines.size === 0) this.#wakeAt(Number.POSITIVE_INFINITY, 0)
  }

  #wakeAt(at: number, now: number): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#wakesAt = at
    if (at === Number.POSITIVE_INFINITY) return
    const delayMs = this.#host.isVirtualTime ? VIRTUAL_POLL_MS : Math.max(1, Math.ceil(at - now))
    // Timers carry 31 bits of ms; one that is further off looks again when it fires.
    this.#timer = setTimeout(() => this.#look(), Math.min(delayMs, 0x7fff_ffff))
    this.#timer.unref?.()
  }

  #look(): void {
    const now = this.#host.now()
    if (this.#wakesAt <= now) this.sweepAt(now)
    else this.#wakeAt(this.#wakesAt, now)
  }
}

const isAbortController = (value: unknown): value is AbortController => {
  const given = value as Partial<AbortController> | null
  return typeof given?.abort === 'function' && typeof given.signal?.addEventListener === 'function'
}

interface LeaseTerms {
  readonly id: string
  readonly routeId: string
  readonly profile: WorkloadProfile
  readonly config: ProfileConfig
  readonly durationMs: number
  readonly abortController: AbortController | undefined
  readonly metadata: Readonly<Record<string, unknown>>
}

class Lease implements TaskLease {
  readonly id: string
  readonly routeId: string
  readonly profile: WorkloadProfile
  readonly startedAt: Timestamp
  readonly expiresAt: Timestamp
  readonly metadata: Readonly<Record<string, unknown>>
  readonly #book: LeaseBook
  readonly #host: LeaseHost
  readonly #config: ProfileConfig
  readonly #abortController: AbortController | undefined
  readonly #vacate: () => void
  readonly #onAbort = (): void => this.#end('aborted', 0)
  /** Stops listening to the controller's signal. */
  #forget: (() => void) | undefined
  /** Its place among the others, while it is open. */
  deadline: Deadline<Lease> | undefined
  #lastSignAt: number
  #said: HeartbeatPayload = {}
  #active = true

  constructor(book: LeaseBook, host: LeaseHost, terms: LeaseTerms) {
    const now = host.now()
    this.id = terms.id
    this.routeId = terms.routeId
    this.profile = terms.profile
    this.startedAt = now as Timestamp
    this.expiresAt = (now + terms.durationMs) as Timestamp
    this.metadata = terms.metadata
    this.#book = book
    this.#host = host
    this.#config = terms.config
    this.#abortController = terms.abortController
    this.#lastSignAt = now
    this.#vacate = host.occupy(terms.routeId, terms.durationMs)
    if (this.#abortController?.signal.aborted) this.#end('aborted', 0)
    else if (this.#abortController) this.#forget = onAbort(this.#abortController.signal, this.#onAbort)
  }

  /** Whether it has not ended, as far as anybody has looked. */
  get isOpen(): boolean {
    return this.#active
  }

  get isActive(): boolean {
    if (this.#active) this.settle(this.#host.now())
    return this.#active
  }

  get lastHeartbeat(): HeartbeatPayload {
    return this.#said
  }

  /** When the lease ends by itself unless something happens: it runs out, or has been silent for too long. */
  get dueAt(): number {
    const { heartbeatRequired, heartbeatIntervalMs } = this.#config
    if (!heartbeatRequired || !(heartbeatIntervalMs > 0)) return this.expiresAt
    return Math.min(this.expiresAt, this.#lastSignAt + MISSED_HEARTBEATS * heartbeatIntervalMs)
  }

  heartbeat(payload: HeartbeatPayload = {}): void {
    if (!this.isActive)
      throw new AtrionError(`lease ${this.id} has ended and is no longer active: a heartbeat after the end is a bug`)
    requireHeartbeat(payload)
    this.#said = { ...this.#said, ...payload }
    this.#lastSignAt = this.#host.now()
  }

  async release(outcome: LeaseOutcome = 'completed'): Promise<void> {
    if (!OUTCOMES.has(outcome)) throw new ConfigError('outcome', [...OUTCOMES].join(', '), outcome)
    if (!this.isActive) return
    this.#end(outcome, outcome === 'timeout' || outcome === 'failed' ? TRAUMA[outcome] : 0)
  }

  remainingMs(): number {
    return this.#active ? Math.max(0, this.expiresAt - this.#host.now()) : 0
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
    this.#forget?.()
    this.#book.drop(this)
    this.#vacate()
    const ohms = trauma * this.#host.scarFactorOf(this.routeId) * this.#config.scarMultiplier
    if (ohms > 0) this.#host.scar(this.routeId, ohms)
    if (outcome === 'timeout') this.#abort()
  }
  /** The controller may be anyone's own class: what it throws must not keep the other leases from being looked at. */
  #abort(): void {
    try {
      this.#abortController?.abort()
    } catch (error) {
      getLogger().warn('the abort controller of a lease threw', { routeId: this.routeId, leaseId: this.id, error })
    }
  }
}

function requireHeartbeat(payload: HeartbeatPayload): void {
  if (typeof payload !== 'object' || payload === null) throw new ConfigError('heartbeat', 'an object', payload)
  const { progress, memoryBytes, status } = payload
  if (progress !== undefined && progress !== null) {
    requireNumber('heartbeat.progress', progress, { says: 'a number in [0, 1]', holds: (x) => x >= 0 && x <= 1 })
  }
  if (memoryBytes !== undefined && memoryBytes !== null) {
    requireNumber('heartbeat.memoryBytes', memoryBytes, { says: 'a finite number ≥ 0', holds: (x) => x >= 0 })
  }
  if (status !== undefined && status !== null && typeof status !== 'string')
    throw new ConfigError('heartbeat.status', 'a string', status)
}
