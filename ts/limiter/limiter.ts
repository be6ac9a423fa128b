/** The closed loop's face: permits asked for and given back, work run under them. The engine decides; this only translates. */

import { onAbort, requireSignal } from '../base/signals.js'
import { admit } from '../engine/fault.js'
import { type Engine, FRAME, OUTCOME, STATUS, TIERS } from '../engine/port.js'
import { modeAt, reasonOf } from '../routes/decision.js'
import { takeWish } from './acquire-or-wait.js'
import type { Conclude } from './adapter-port.js'
import { RouteCounts } from './counts.js'
import { Holdings } from './holdings.js'
import type { LoopHost } from './host.js'
import { obstacleIn } from './obstacle.js'
import { EnginePermit, KeyedPermit, outcomeCode } from './permit.js'
import { PermitWatch } from './permit-watch.js'
import {
  BY_VOLTAGE,
  cellOf,
  ENTER_NAMES,
  keyIdOf,
  NO_KEY,
  NORMAL,
  RUN_NAMES,
  readRequest,
  requireMaxWait,
} from './request.js'
import { fallBack, isBounded, neverAborted, readBounds, releaseFailed, runBounded, type Work } from './run.js'
import { readStats } from './stats.js'
import type { AcquireOptions, EnterOptions, LimitedBy, Permit, RouteStats, RunOptions, Tier } from './types.js'
import { type Listen, type Wait, type Waiter, WaitingRooms } from './waiting.js'

export type { LoopHost } from './host.js'
export type {
  AcquireOptions,
  EnterOptions,
  LimitedBy,
  Outcome,
  Permit,
  RouteStats,
  RunOptions,
  Tier,
} from './types.js'

/** Tiers by their number in the frame plus one; the first stands for a voltage. */
const TIER_NAMES: readonly (Tier | undefined)[] = [undefined, ...TIERS]

/** FRAME.WAITED_MS of a request that cannot wait, and of one that no longer does. */
const CANNOT_WAIT = -1
const WAITS_NO_LONGER = Number.POSITIVE_INFINITY
/** FRAME.QUEUE_AGE_MS of a request that asks again. */
const ASKED_BEFORE = -1

/** Tries to find a route's slot while other threads evict. */
const MAX_TRIES = 8

const NO_NAMES: readonly string[] = []

/** Stands for the permit of a request that waits. */
const waits = (): Permit => ({
  allow: false,
  resistance: 0,
  voltage: 0,
  mode: 'OPERATIONAL',
  reason: 'waiting',
  release() {},
  [Symbol.dispose]() {},
})

/** Listens to a signal while a request waits. @throws its reason when it is aborted already */
function listenTo(signal: AbortSignal | undefined): Listen | undefined {
  if (signal === undefined) return undefined
  if (signal.aborted) throw signal.reason
  return (abort) => onAbort(signal, () => abort(signal.reason))
}

export class ClosedLoop {
  readonly #engine: Engine
  readonly #host: LoopHost
  readonly #watch: PermitWatch
  readonly #holdings = new Holdings()
  /** Permits that were taken back as lost and came after all: late, then, and not reclaimed. */
  readonly #late = new RouteCounts()
  readonly #abandoned = new RouteCounts()
  readonly #rooms: WaitingRooms
  /** What the engine said to the request that was told last to wait. */
  readonly #wait: { -readonly [K in keyof Wait]: Wait[K] } & { tier: number } = { mayWaitMs: 0, ratePerMs: 0, tier: 0 }
  #lastWork: Work<unknown> | undefined
  #lastTakesSignal = false

  constructor(engine: Engine, host: LoopHost) {
    this.#engine = engine
    this.#host = host
    engine.frame[FRAME.WAITED_MS] = CANNOT_WAIT
    host.readClock()
    this.#watch = new PermitWatch((id) => this.giveBack('', id, OUTCOME.RECLAIMED))
    this.#rooms = new WaitingRooms({
      hasOwnClock: host.hasOwnClock,
      wait: this.#wait,
      nowMs: () => host.nowMs(),
      askAgain: (waiter, waitedMs) => this.#askAgain(waiter, waitedMs),
      giveUp: (waiter, limitedBy) => this.#askAgain(waiter, WAITS_NO_LONGER, limitedBy)!,
      held: (routeId, keyId) => this.#holdings.held(routeId, keyId),
      poolOf: (routeId) => host.poolOf(routeId),
    })
  }

  acquire(routeId: string, options?: AcquireOptions): Permit {
    const wish = takeWish()
    if (wish === undefined) return this.#acquire(routeId, options, NO_NAMES)
    const permit = this.#enter(routeId, options, NO_NAMES, wish.maxWaitMs, wish.listen)
    if (!('then' in permit)) return permit
    wish.waiting = permit
    return waits()
  }

  #acquire(routeId: string, options: AcquireOptions | undefined, also: readonly string[]): Permit {
    if (this.#rooms.size > 0) this.#rooms.expire(routeId)
    this.#host.settle()
    const tier = this.#describe(routeId, options, also)
    // From here to the answer nothing of the caller's runs.
    const slot = this.#host.slotOf(routeId)
    this.#engine.frame[FRAME.SLOT] = slot
    this.#engine.acquire()
    let { frame } = this.#engine // a permit more may have made the engine's memory grow
    if ((frame[FRAME.STATUS]! & STATUS.STALE) !== 0) frame = this.#acquireAnew(routeId)
    const status = frame[FRAME.STATUS]!
    if ((status & STATUS.TICKED) !== 0) this.#ticked(frame, routeId)
    // An admitted request that is to come back later was refused, in a dry run.
    if ((status & STATUS.ALLOW) === 0 || frame[FRAME.RETRY_AFTER_MS] !== 0) {
      return this.#refuse(frame, routeId, status, tier, undefined)
    }
    const id = frame[FRAME.PERMIT]!
    return new EnginePermit(
      this,
      routeId,
      id,
      this.#watch.watch(id),
      frame[FRAME.RESISTANCE]!,
      frame[FRAME.VOLTAGE]!,
      TIER_NAMES[tier + 1],
      modeAt(frame, FRAME.MODE),
      'OK',
      undefined,
      undefined,
    )
  }

  /** Resolves to a permit when it is the request's turn, or to a refusal when it can no longer make it. */
  async enter(routeId: string, options?: EnterOptions): Promise<Permit> {
    const maxWaitMs = requireMaxWait(typeof options === 'object' ? options?.maxWaitMs : undefined)
    const signal = requireSignal('signal', typeof options === 'object' ? options?.signal : undefined)
    return this.#enter(routeId, options, ENTER_NAMES, maxWaitMs, listenTo(signal))
  }

  #enter(
    routeId: string,
    options: AcquireOptions | undefined,
    also: readonly string[],
    maxWaitMs: number,
    listen: Listen | undefined,
  ): Permit | Promise<Permit> {
    // Places that are free belong to those who wait already.
    if (this.#rooms.size > 0) this.#rooms.pump(routeId)
    this.#host.settle()
    const tier = this.#describe(routeId, options, also)
    const slot = this.#host.slotOf(routeId)
    const { frame } = this.#engine
    const keyId = keyIdOf(frame[FRAME.KEY]!)
    const weight = frame[FRAME.KEY_WEIGHT]!
    const keyClass = frame[FRAME.KEY_CLASS]!
    const voltage = frame[FRAME.VOLTAGE]!
    frame[FRAME.SLOT] = slot
    const permit = this.#ask(routeId, tier, keyId, maxWaitMs > 0 ? 0 : CANNOT_WAIT, undefined)
    if (permit !== undefined) return permit
    // The clock is the caller's, and may ask this instance.
    const wait = { ...this.#wait }
    const arrivedMs = this.#host.nowMs()
    const waiter: Waiter = {
      routeId,
      askedTier: tier,
      voltage,
      keyId,
      weight,
      keyClass,
      tier: wait.tier,
      arrivedMs,
      latestMs: arrivedMs + maxWaitMs,
    }
    return this.#rooms.enter(waiter, wait, listen)
  }

  /** Runs `work` under a permit. */
  async run<T>(routeId: string, work: Work<T>, options?: RunOptions<T>): Promise<T> {
    if (typeof work !== 'function') throw this.#host.wrongType('fn', 'a function', work)
    if (options !== undefined && isBounded(options)) return this.#runBounded(routeId, work, options)
    const permit = this.#acquire(routeId, options, RUN_NAMES)
    if (!permit.allow) return fallBack(routeId, permit, options)
    try {
      const result = await work(this.#takesSignal(work) ? new AbortController().signal : neverAborted())
      permit.release('success')
      return result
    } catch (error) {
      releaseFailed(permit, error, options)
      throw error
    }
  }

  async #runBounded<T>(routeId: string, work: Work<T>, options: RunOptions<T>): Promise<T> {
    const bounds = readBounds(options)
    const { maxWaitMs, signal } = bounds
    if (signal?.aborted) throw signal.reason
    const permit =
      maxWaitMs === undefined
        ? this.#acquire(routeId, options, RUN_NAMES)
        : await this.#enter(routeId, options, RUN_NAMES, maxWaitMs, listenTo(signal))
    if (!permit.allow) return fallBack(routeId, permit, options)
    return runBounded(permit, work, options, bounds)
  }

  /** Does it look at its signal? To ask a function for its length takes 20 ns, so the last answer is kept. */
  #takesSignal(work: Work<unknown>): boolean {
    if (work !== this.#lastWork) {
      this.#lastWork = work
      this.#lastTakesSignal = work.length > 0
    }
    return this.#lastTakesSignal
  }

  stats(routeId: string, slot: number | undefined): Omit<RouteStats, 'mode' | 'rejectedSamples'> {
    const stats = readStats(this.#engine, slot)
    const life = slot === undefined ? '' : this.#lifeOf(slot)
    return {
      ...stats,
      reclaimed: Math.max(0, stats.reclaimed - this.#late.of(routeId, life)),
      abandoned: this.#abandoned.of(routeId, life),
      waiting: this.#rooms.sizeOf(routeId),
      pool: slot === undefined ? undefined : this.#host.poolOf(routeId),
    }
  }

  /** A permit comes back. Its number is void afterwards; one that is void already changes nothing. */
  giveBack(routeId: string, id: number, outcome: number): void {
    this.#host.readClock()
    const { frame } = this.#engine
    frame[FRAME.PERMIT] = id
    frame[FRAME.OUTCOME] = outcome
    this.#engine.release()
    if (frame[FRAME.STATUS] !== 0 && routeId !== '') this.#settle(frame, routeId)
    if (this.#rooms.size > 0) this.freed(routeId)
  }

  /** A permit's request goes on outside the work in flight. */
  detach(routeId: string, id: number): Conclude {
    const life = this.#lifeNow(routeId)
    this.giveBack(routeId, id, OUTCOME.DETACHED)
    let isOver = life === undefined
    return (outcome, ageMs) => {
      if (isOver) return
      isOver = true
      // One that was admitted before the route was reset says nothing of it.
      if (this.#lifeNow(routeId) !== life) return
      const { frame } = this.#engine
      this.#host.readClock()
      frame[FRAME.SLOT] = this.#host.findSlot(routeId)!
      frame[FRAME.PERMIT] = -1
      frame[FRAME.OUTCOME] = outcomeCode(outcome)
      frame[FRAME.AGE_MS] = ageMs
      this.#engine.release()
      if (this.#rooms.size > 0) this.freed(routeId)
    }
  }

  /** A client went away before its answer was there. */
  abandoned(routeId: string): void {
    const life = this.#lifeNow(routeId)
    if (life !== undefined) this.#abandoned.add(routeId, life)
  }

  /** A place may have become free on a route; '': on any of them. */
  freed(routeId: string): void {
    if (routeId === '') this.#rooms.pumpAll()
    else this.#rooms.pump(routeId)
  }

  /** Refuses all that wait. */
  refuseWaiting(): void {
    this.#rooms.refuseAll()
  }

  /** What a release told besides that it was one. */
  #settle(frame: Float64Array, routeId: string): void {
    if ((frame[FRAME.STATUS]! & STATUS.VOID) === 0) {
      this.#ticked(frame, routeId)
      return
    }
    // It was taken back before: late, then, and not lost.
    const slot = this.#host.findSlot(routeId)
    if (slot !== undefined) this.#late.add(routeId, this.#lifeOf(slot), readStats(this.#engine, slot).reclaimed)
  }

  #lifeNow(routeId: string): string | undefined {
    const slot = this.#host.findSlot(routeId)
    return slot === undefined ? undefined : this.#lifeOf(slot)
  }

  #lifeOf(slot: number): string {
    return `${slot} ${this.#host.tenancyOf(slot)}`
  }

  /** Writes what a request says of itself. @returns its tier's number, or {@link BY_VOLTAGE} */
  #describe(routeId: string, options: AcquireOptions | undefined, also: readonly string[]): number {
    if (options !== undefined) {
      const { keys, breakBy } = this.#host
      return readRequest(this.#engine, options, keys, breakBy.size === 0 ? undefined : breakBy.get(routeId), also)
    }
    const { frame } = this.#engine
    frame[FRAME.TIER] = NORMAL
    frame[FRAME.KEY] = Number.NaN
    frame[FRAME.QUEUE_AGE_MS] = 0
    frame[FRAME.PROCESS_SATURATION] = 0
    return NORMAL
  }

  /** Asks for the request in the frame; undefined: it may wait, see {@link ClosedLoop.#wait}. */
  #ask(
    routeId: string,
    tier: number,
    keyId: number,
    waitedMs: number,
    limitedBy: LimitedBy | undefined,
  ): Permit | undefined {
    this.#engine.frame[FRAME.WAITED_MS] = waitedMs
    this.#engine.acquire()
    let { frame } = this.#engine
    if ((frame[FRAME.STATUS]! & STATUS.STALE) !== 0) frame = this.#acquireAnew(routeId)
    const status = frame[FRAME.STATUS]!
    frame[FRAME.WAITED_MS] = CANNOT_WAIT
    if ((status & STATUS.TICKED) !== 0) this.#ticked(frame, routeId)
    if ((status & STATUS.WAIT) !== 0) {
      this.#wait.mayWaitMs = frame[FRAME.MAY_WAIT_MS]!
      this.#wait.ratePerMs = frame[FRAME.RATE_PER_MS]!
      this.#wait.tier = frame[FRAME.TIER]!
      if (this.#wait.mayWaitMs > 0) return undefined
      // Its deadline leaves no time: asked once more, it is refused and counted.
      frame[FRAME.TIER] = tier
      frame[FRAME.QUEUE_AGE_MS] = ASKED_BEFORE
      return this.#ask(routeId, tier, keyId, WAITS_NO_LONGER, 'wait_timeout')
    }
    if ((status & STATUS.ALLOW) === 0 || frame[FRAME.RETRY_AFTER_MS] !== 0) {
      return this.#refuse(frame, routeId, status, tier, limitedBy)
    }
    const id = frame[FRAME.PERMIT]!
    const group = this.#watch.watch(id)
    const Class = keyId === NO_KEY ? EnginePermit : KeyedPermit
    const permit = new Class(
      this,
      routeId,
      id,
      group,
      frame[FRAME.RESISTANCE]!,
      frame[FRAME.VOLTAGE]!,
      TIER_NAMES[tier + 1],
      modeAt(frame, FRAME.MODE),
      'OK',
      undefined,
      undefined,
    )
    if (permit instanceof KeyedPermit) permit.hold = group.keep(this.#holdings.hold(routeId, keyId))
    return permit
  }

  /** A request that waits asks again, or, where `limitedBy` says why, gives up. */
  #askAgain(waiter: Waiter, waitedMs: number, limitedBy?: LimitedBy): Permit | undefined {
    const { routeId, askedTier, voltage, keyId, weight, keyClass } = waiter
    this.#host.settle()
    const slot = this.#host.slotOf(routeId)
    const { frame } = this.#engine
    frame[FRAME.TIER] = askedTier
    if (askedTier === BY_VOLTAGE) frame[FRAME.VOLTAGE] = voltage
    frame[FRAME.KEY] = cellOf(keyId)
    frame[FRAME.KEY_WEIGHT] = weight
    frame[FRAME.KEY_CLASS] = keyClass
    frame[FRAME.QUEUE_AGE_MS] = ASKED_BEFORE
    frame[FRAME.PROCESS_SATURATION] = 0
    frame[FRAME.SLOT] = slot
    return this.#ask(routeId, askedTier, keyId, waitedMs, limitedBy)
  }

  /** Another thread evicted the route: asks for it in its new slot. A route that finds no place admits. @returns the frame */
  #acquireAnew(routeId: string): Float64Array {
    let { frame } = this.#engine
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const slot = this.#host.slotAgain(routeId)
      this.#engine.frame[FRAME.SLOT] = slot
      this.#engine.acquire()
      frame = this.#engine.frame
      if ((frame[FRAME.STATUS]! & STATUS.STALE) === 0) return frame
    }
    admit(frame)
    return frame
  }

  /** The refusal in the frame; in a dry run it is admitted all the same. */
  #refuse(
    frame: Float64Array,
    routeId: string,
    status: number,
    tier: number,
    limitedBy: LimitedBy | undefined,
  ): Permit {
    const id = (status & STATUS.ALLOW) === 0 ? -1 : frame[FRAME.PERMIT]!
    const resistance = frame[FRAME.RESISTANCE]!
    const voltage = frame[FRAME.VOLTAGE]!
    const mode = (status & STATUS.BY_CLASS) === 0 ? modeAt(frame, FRAME.MODE) : 'CIRCUIT_BREAKER'
    const obstacle = limitedBy ?? obstacleIn(frame, routeId, mode, this.#host)
    const refusal = new EnginePermit(
      this,
      routeId,
      id,
      id < 0 ? undefined : this.#watch.watch(id),
      resistance,
      voltage,
      TIER_NAMES[tier + 1],
      mode,
      reasonOf(mode, Math.round(voltage * 10) / 10, resistance, obstacle),
      Math.ceil(frame[FRAME.RETRY_AFTER_MS]!),
      obstacle,
    )
    this.#host.refused(routeId, refusal, obstacle)
    return refusal
  }

  #ticked(frame: Float64Array, routeId: string): void {
    this.#host.ticked(frame, routeId)
  }
}
