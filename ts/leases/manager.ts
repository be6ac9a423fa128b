/**
 * Leases: work that takes so long that a request's latency is no measure of it. A lease has an end, and what happens at
 * it is physics: overrun and silence scar the route, so that the next request meets the resistance it deserves.
 *
 * One unref'd timer serves all leases: it is set for the earliest moment at which one of them must be looked at. A timer
 * a lease would cost a million timers for a million tasks, and a heartbeat would have to move one each time.
 */

import { ConfigError } from '../base/errors.js'
import { requireRouteId, wrongType } from '../base/input.js'
import { ownOptions } from '../base/own.js'
import { unknownName } from '../base/suggest.js'
import { TimerHeap } from '../base/timer-heap.js'
import type { Context } from '../context.js'
import { getProfileConfig, requiresAbortController } from '../core/index.js'
import { requireNumber } from '../options/ranges.js'
import { DURATION_RANGE, requireProfile } from '../options/resolve.js'
import { Lease, type LeaseHost } from './lease.js'
import type { LeaseOptions, TaskLease } from './types.js'

const LEASE_NAMES: readonly string[] = [
  'profile',
  'timeout',
  'abortController',
  'metadata',
] satisfies (keyof LeaseOptions)[]

/** The interval at which leases are looked at when time is not the machine's: no timer follows a caller's clock, ms. */
const VIRTUAL_POLL_MS = 10

const BASE36 = 36
const ID_NOISE = 36 ** 6

export class LeaseManager {
  readonly #context: Context
  readonly #host: LeaseHost
  readonly #deadlines = new TimerHeap<Lease>()
  readonly #perRoute = new Map<string, number>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #wakesAt = Number.POSITIVE_INFINITY
  #count = 0
  /** Called when a lease was released as completed. */
  onCompleted: ((routeId: string, durationMs: number) => void) | undefined
  #sweeping = false

  /** @param onFreed called when a lease has ended: a place may have become free on its route */
  constructor(context: Context, onFreed: (routeId: string) => void) {
    const { engine, routes, clock } = context
    this.#context = context
    const intern = (routeId: string): number => {
      clock.read()
      return routes.intern(routeId)
    }
    this.#host = {
      nowMs: () => clock.nowMs(),
      scarFactorOf: (routeId) => routes.paramsOf(routeId).config.scarFactor,
      scar: (routeId, ohms) => engine.scar(intern(routeId), ohms),
      occupy: (routeId) => {
        if (!engine.hasClosedLoop) return () => {}
        const slot = intern(routeId)
        const generation = routes.index.generationOf(slot)
        engine.lease(slot, true)
        // A route that was reset meanwhile owes nothing to the leases of the one before it; nor does one that got its slot through another thread.
        return () => {
          if (routes.find(routeId) !== slot) return
          // Other threads' evictions are learnt of with the next name that is looked up.
          if (routes.isShared && intern(routeId) !== slot) return
          if (routes.index.generationOf(slot) !== generation) return
          engine.lease(slot, false)
          onFreed(routeId)
        }
      },
      drop: (lease) => this.#drop(lease),
      completed: (routeId, durationMs) => this.onCompleted?.(routeId, durationMs),
    }
    clock.follow((nowMs) => this.sweepAt(nowMs))
  }

  /** @param onEnd called once, when the lease has ended @throws ConfigError when an option can't be honoured */
  start(routeId: string, given: LeaseOptions, onEnd?: () => void): TaskLease {
    requireRouteId(routeId)
    if (typeof given !== 'object' || given === null) throw wrongType('options', 'an object', given)
    const options = ownOptions(given, LEASE_NAMES)
    const ownProfile = this.#context.routes.paramsOf(routeId).profile
    for (const name of Object.keys(options)) {
      if (!LEASE_NAMES.includes(name)) throw unknownName(`options.${name}`, name, LEASE_NAMES)
    }
    const wanted = requireProfile('options.profile', options.profile ?? ownProfile)
    const profile = getProfileConfig(wanted)
    const { abortController } = options
    if (abortController !== undefined && !isAbortController(abortController)) {
      throw new ConfigError('options.abortController', 'an AbortController', abortController)
    }
    if (requiresAbortController(wanted) && !abortController) {
      const name = typeof wanted === 'string' ? wanted : 'with heartbeats'
      throw new ConfigError(
        'options.abortController',
        `an AbortController, which profile ${name} requires`,
        abortController,
      )
    }
    const durationMs =
      options.timeout === undefined || options.timeout === null
        ? profile.maxDurationMs
        : requireNumber('options.timeout', options.timeout, DURATION_RANGE)
    this.#count += 1
    const noise = Math.floor(Math.random() * ID_NOISE).toString(BASE36)
    const lease = new Lease(this.#host, {
      id: `lease-${this.#count.toString(BASE36)}-${noise}`,
      routeId,
      profile: typeof wanted === 'string' ? wanted : 'CUSTOM',
      config: profile,
      durationMs,
      abortController,
      metadata: options.metadata ?? {},
      onEnd,
    })
    // An abort that came before the task did: there is nothing left to watch.
    if (!lease.isOpen) return lease
    lease.deadline = this.#deadlines.add(lease, lease.dueAt)
    this.#perRoute.set(routeId, (this.#perRoute.get(routeId) ?? 0) + 1)
    if (lease.dueAt < this.#wakesAt) this.#wakeAt(lease.dueAt, lease.startedAt)
    return lease
  }

  activeCount(routeId: string): number {
    this.sweepAt(this.#context.clock.nowMs())
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

  #drop(lease: Lease): void {
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
    const delayMs = this.#context.clock.isHost ? VIRTUAL_POLL_MS : Math.max(1, Math.ceil(at - now))
    // Timers carry 31 bits of ms; one that is further off looks again when it fires.
    this.#timer = setTimeout(() => this.#look(), Math.min(delayMs, 0x7fff_ffff))
    this.#timer.unref?.()
  }

  #look(): void {
    const now = this.#context.clock.nowMs()
    if (this.#wakesAt <= now) this.sweepAt(now)
    else this.#wakeAt(this.#wakesAt, now)
  }
}

const isAbortController = (value: unknown): value is AbortController => {
  const given = value as Partial<AbortController> | null
  return typeof given?.abort === 'function' && typeof given.signal?.addEventListener === 'function'
}
