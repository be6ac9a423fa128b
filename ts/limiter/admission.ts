/** Asks the engine for a permit: the request into the frame, the answer out of it. The engine decides; this only translates. */

import type { KeyHasher } from '../base/keys.js'
import { limitedByAt, waitCause } from '../base/limited-by.js'
import type { Context } from '../context.js'
import { admit } from '../engine/fault.js'
import { CAUSE, type Engine, FRAME, modeAt, STATUS, TERMS, TIERS, type Tier } from '../engine/port.js'
import { copyTerms } from '../engine/terms.js'
import { Holdings } from './holdings.js'
import type { KeyGate } from './key-gate.js'
import type { KeyTrial, TrialGroup } from './key-trial.js'
import { EnginePermit, KeyedPermit, type PermitSource } from './permit.js'
import type { PermitWatch } from './permit-watch.js'
import { BY_VOLTAGE, cellOf, NO_KEY, NORMAL, readRequest } from './request.js'
import type { Waiter } from './route-room.js'
import type { AcquireOptions, LimitedBy, Permit } from './types.js'
import type { Wait } from './waiting.js'

/** Tiers by their number in the frame plus one; the first stands for a voltage. */
const TIER_NAMES: readonly (Tier | undefined)[] = [undefined, ...TIERS]

/** FRAME.WAITED_MS of a request that cannot wait, and of one that no longer does. */
export const CANNOT_WAIT = -1
export const WAITS_NO_LONGER = Number.POSITIVE_INFINITY
/** FRAME.QUEUE_AGE_MS of a request that asks again. */
const ASKED_BEFORE = -1

/** Tries to find a route's slot while other threads evict. */
const MAX_TRIES = 8

/** The terms of a refusal that the engine was not asked for. */
const NO_TERMS: readonly number[] = Object.freeze(Array.from({ length: TERMS.LENGTH }, () => 0))

export class Admission {
  readonly #context: Context
  readonly #engine: Engine
  readonly #keys: KeyHasher
  readonly #source: PermitSource
  readonly #watch: PermitWatch
  readonly #holdings = new Holdings()
  /** The gate before keys; undefined: there is none. */
  gate: KeyGate | undefined
  /** The trial of settings on a share of keys; undefined: there is none. */
  trial: KeyTrial | undefined
  /** The group of the request that was decided last; undefined: it is of none. */
  #group: TrialGroup | undefined
  /** The engine's answer to the last request that may wait. */
  readonly wait: { -readonly [K in keyof Wait]: Wait[K] } & { tier: number } = { mayWaitMs: 0, ratePerMs: 0, tier: 0 }

  constructor(context: Context, keys: KeyHasher, source: PermitSource, watch: PermitWatch) {
    this.#context = context
    this.#engine = context.engine
    this.#keys = keys
    this.#source = source
    this.#watch = watch
    context.engine.frame[FRAME.WAITED_MS] = CANNOT_WAIT
  }

  /** Permits that a key holds on a route. */
  held(routeId: string, keyId: number): number {
    return this.#holdings.held(routeId, keyId)
  }

  /** Writes a request's options into the frame. @returns its tier's number, or {@link BY_VOLTAGE} */
  describe(routeId: string, options: AcquireOptions | undefined, also: readonly string[]): number {
    if (options !== undefined) {
      const { breakBy, lanes } = this.#context.routes.profiles
      const breaks = breakBy.size === 0 ? undefined : breakBy.get(routeId)
      const laneBy = lanes.size === 0 ? undefined : lanes.get(routeId)
      return readRequest(this.#engine, options, this.#keys, breaks, laneBy, also, this.gate)
    }
    const { frame } = this.#engine
    frame[FRAME.TIER] = NORMAL
    frame[FRAME.KEY] = Number.NaN
    frame[FRAME.QUEUE_AGE_MS] = 0
    frame[FRAME.PROCESS_SATURATION] = 0
    return NORMAL
  }

  /** Asks for a request that is in the frame and cannot wait. */
  acquire(routeId: string, tier: number): Permit {
    // From here to the answer nothing of the caller's runs.
    const slot = this.#context.routes.slotOf(routeId)
    this.#engine.frame[FRAME.SLOT] = slot
    if (this.trial === undefined) this.#engine.acquire()
    else this.#decide(this.trial, routeId)
    let { frame } = this.#engine // a permit more may have made the engine's memory grow
    if ((frame[FRAME.STATUS]! & STATUS.STALE) !== 0) frame = this.#acquireAnew(routeId)
    const status = frame[FRAME.STATUS]!
    if ((status & STATUS.TICKED) !== 0) this.#context.events.ticked(frame, routeId)
    // An admitted request that is to come back later was refused, in a dry run.
    if ((status & STATUS.ALLOW) === 0 || frame[FRAME.RETRY_AFTER_MS] !== 0) {
      return this.#refuse(frame, routeId, status, tier)
    }
    const id = frame[FRAME.PERMIT]!
    if (this.gate?.countsFailures || this.trial !== undefined) {
      const noted = this.#admitted(tier, this.failureOf())
      if (noted !== undefined) return this.#keyed(frame, routeId, tier, NO_KEY, noted)
    }
    return new EnginePermit(
      this.#source,
      routeId,
      id,
      this.#watch.watch(id),
      frame[FRAME.RESISTANCE]!,
      frame[FRAME.VOLTAGE]!,
      TIER_NAMES[tier + 1],
      modeAt(frame, FRAME.MODE),
      undefined,
      undefined,
      frame[FRAME.DECISION]! | 0,
    )
  }

  /** Notes a failure of the key of the request in the frame; undefined: there is none, or failures are not counted. */
  failureOf(): (() => void) | undefined {
    return this.gate?.countsFailures && !Number.isNaN(this.#engine.frame[FRAME.KEY]!)
      ? this.gate.failureOf()
      : undefined
  }

  /**
   * Asks for the request in the frame; undefined: it may wait, see {@link Admission.wait}.
   *
   * @param cause of its refusal, where it no longer waits
   * @param failed called where it fails
   */
  ask(
    routeId: string,
    tier: number,
    keyId: number,
    waitedMs: number,
    cause: number,
    failed?: () => void,
  ): Permit | undefined {
    this.#engine.frame[FRAME.WAITED_MS] = waitedMs
    this.#engine.frame[FRAME.CAUSE] = cause
    if (this.trial === undefined) this.#engine.acquire()
    else this.#decide(this.trial, routeId)
    let { frame } = this.#engine
    if ((frame[FRAME.STATUS]! & STATUS.STALE) !== 0) frame = this.#acquireAnew(routeId)
    const status = frame[FRAME.STATUS]!
    frame[FRAME.WAITED_MS] = CANNOT_WAIT
    if ((status & STATUS.TICKED) !== 0) this.#context.events.ticked(frame, routeId)
    if ((status & STATUS.WAIT) !== 0) {
      this.wait.mayWaitMs = frame[FRAME.MAY_WAIT_MS]!
      this.wait.ratePerMs = frame[FRAME.RATE_PER_MS]!
      this.wait.tier = frame[FRAME.TIER]!
      if (this.wait.mayWaitMs > 0) return undefined
      // Its deadline leaves no time: asked once more, it is refused and counted.
      frame[FRAME.TIER] = tier
      frame[FRAME.QUEUE_AGE_MS] = ASKED_BEFORE
      return this.ask(routeId, tier, keyId, WAITS_NO_LONGER, CAUSE.WAIT_TIMEOUT)
    }
    if ((status & STATUS.ALLOW) === 0 || frame[FRAME.RETRY_AFTER_MS] !== 0) {
      return this.#refuse(frame, routeId, status, tier)
    }
    return this.#keyed(frame, routeId, tier, keyId, this.#admitted(tier, failed))
  }

  /** Decides the request in the frame while settings are tried on a share of keys. */
  #decide(trial: KeyTrial, routeId: string): void {
    const { frame } = this.#engine
    const key = frame[FRAME.KEY]!
    const slot = frame[FRAME.SLOT]!
    this.#group = Number.isNaN(key) ? undefined : trial.groupOf(key)
    const law = this.#group?.isTried === true ? trial.lawOf(routeId) : -1
    if (law >= 0) this.#engine.setLaw(slot, law)
    this.#engine.acquire()
    if (law >= 0) this.#engine.setLaw(slot, this.#context.routes.profiles.lawOf(routeId))
  }

  /** Counts an admitted request where settings are tried. @returns what is to be called where it fails */
  #admitted(tier: number, failed: (() => void) | undefined): (() => void) | undefined {
    return this.trial === undefined || this.#group === undefined ? failed : this.#group.admitted(tier, failed)
  }

  /** The permit in the frame, of a key where there is one. */
  #keyed(frame: Float64Array, routeId: string, tier: number, keyId: number, failed: (() => void) | undefined): Permit {
    const id = frame[FRAME.PERMIT]!
    const group = this.#watch.watch(id)
    const Class = keyId === NO_KEY && failed === undefined ? EnginePermit : KeyedPermit
    const permit = new Class(
      this.#source,
      routeId,
      id,
      group,
      frame[FRAME.RESISTANCE]!,
      frame[FRAME.VOLTAGE]!,
      TIER_NAMES[tier + 1],
      modeAt(frame, FRAME.MODE),
      undefined,
      undefined,
      frame[FRAME.DECISION]! | 0,
    )
    if (permit instanceof KeyedPermit) {
      if (keyId !== NO_KEY) permit.hold = group.keep(this.#holdings.hold(routeId, keyId))
      permit.failed = failed
    }
    return permit
  }

  /** Asks again for a request that waits, or, where `limitedBy` says why, refuses it. */
  askAgain(waiter: Waiter, waitedMs: number, limitedBy?: LimitedBy): Permit | undefined {
    const { routeId, askedTier, voltage, keyId, weight, keyClass, lane } = waiter
    this.#context.clock.settle()
    const slot = this.#context.routes.slotOf(routeId)
    const { frame } = this.#engine
    frame[FRAME.TIER] = askedTier
    if (askedTier === BY_VOLTAGE) frame[FRAME.VOLTAGE] = voltage
    frame[FRAME.KEY] = cellOf(keyId)
    frame[FRAME.KEY_WEIGHT] = weight
    frame[FRAME.KEY_CLASS] = keyClass
    frame[FRAME.KEY_LANE] = lane
    frame[FRAME.QUEUE_AGE_MS] = ASKED_BEFORE
    frame[FRAME.PROCESS_SATURATION] = 0
    frame[FRAME.SLOT] = slot
    const cause = limitedBy === undefined ? CAUSE.NONE : waitCause(limitedBy)
    return this.ask(routeId, askedTier, keyId, waitedMs, cause, waiter.failed)
  }

  /** The refusal of a request in the frame whose key is banned. The engine is not asked, so that it costs little. */
  banned(routeId: string): Permit {
    const tier = this.#engine.frame[FRAME.TIER]!
    const voltage = tier === BY_VOLTAGE ? this.#engine.frame[FRAME.VOLTAGE]! : 0
    const { limitedBy, retryAfterMs } = this.gate!
    const none = undefined
    return new EnginePermit(
      ...([this.#source, routeId, -1, none, 0, voltage, TIER_NAMES[tier + 1], 'OPERATIONAL', retryAfterMs] as const),
      limitedBy,
      NO_TERMS,
    )
  }

  /** Another thread evicted the route: asks for it in its new slot. A route that finds no place admits. @returns the frame */
  #acquireAnew(routeId: string): Float64Array {
    let { frame } = this.#engine
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const slot = this.#context.routes.internAgain(routeId)
      this.#engine.frame[FRAME.SLOT] = slot
      this.#engine.acquire()
      frame = this.#engine.frame
      if ((frame[FRAME.STATUS]! & STATUS.STALE) === 0) return frame
    }
    admit(frame)
    return frame
  }

  /** The refusal in the frame; in a dry run it is admitted all the same. */
  #refuse(frame: Float64Array, routeId: string, status: number, tier: number): Permit {
    const { events } = this.#context
    if (this.trial !== undefined) this.#group?.refused(tier)
    const id = (status & STATUS.ALLOW) === 0 ? -1 : frame[FRAME.PERMIT]!
    const resistance = frame[FRAME.RESISTANCE]!
    const voltage = frame[FRAME.VOLTAGE]!
    const mode = frame[FRAME.CAUSE] === CAUSE.CLASS ? 'CIRCUIT_BREAKER' : modeAt(frame, FRAME.MODE)
    const limitedBy = limitedByAt(frame, FRAME.CAUSE)
    const refusal = new EnginePermit(
      this.#source,
      routeId,
      id,
      id < 0 ? undefined : this.#watch.watch(id),
      resistance,
      voltage,
      TIER_NAMES[tier + 1],
      mode,
      Math.ceil(frame[FRAME.RETRY_AFTER_MS]!),
      limitedBy,
      copyTerms(frame),
    )
    if (events.has('shed')) {
      const { retryAfterMs, tier } = refusal
      events.emit('shed', { routeId, voltage, resistance, mode, retryAfterMs, limitedBy, tier })
    }
    return refusal
  }
}
