/** The closed loop of an instance: permits, the requests that wait for one, and work that runs under one. */

import { requireRouteId, wrongType } from '../base/input.js'
import type { KeyHasher } from '../base/keys.js'
import { own } from '../base/own.js'
import type { Context } from '../context.js'
import { METRIC, METRIC_CELLS } from '../engine/metric-cells.js'
import { CAUSE, FRAME, OUTCOME, TIERS } from '../engine/port.js'
import type { RunContext } from '../events/watchers.js'
import { takeWish } from './acquire-or-wait.js'
import { Admission, CANNOT_WAIT, WAITS_NO_LONGER } from './admission.js'
import { Culprits } from './culprits.js'
import { FaceSheds, shedOf } from './face-sheds.js'
import { type HistogramTotals, Metrics } from './metrics.js'
import { PermitReturns } from './permit-returns.js'
import { PermitWatch } from './permit-watch.js'
import { BANNED, ENTER_NAMES, keyIdOf, NO_KEY, NO_LANE, REQUEST_CELLS, RUN_NAMES, tierIn } from './request.js'
import type { Waiter } from './route-room.js'
import { fallBack, isBounded, readBounds, runBounded, runUnder, type Work } from './run.js'
import { readStats } from './stats.js'
import type { AcquireOptions, EnterOptions, Permit, RouteStats, RunOptions } from './types.js'
import { listenTo, readWait, waits } from './wait-options.js'
import { type Listen, WaitingRooms } from './waiting.js'

const NO_NAMES: readonly string[] = []

export class Limiter {
  readonly #context: Context
  readonly #returns: PermitReturns
  readonly #admission: Admission
  #rooms: WaitingRooms | undefined
  readonly #budgetSheds = new FaceSheds()
  readonly #banSheds = new FaceSheds()
  readonly #isDryRun: () => boolean
  #lastWork: Work<unknown> | undefined
  #lastTakesSignal = false
  /** False until the first run, which begins to watch the event loop. */
  #isWatching = false
  #culprits: Culprits | undefined

  /** @param isDryRun whether every request is admitted, whatever is decided */
  constructor(context: Context, keys: KeyHasher, isDryRun: () => boolean) {
    this.#isDryRun = isDryRun
    this.#context = context
    context.clock.read()
    this.#returns = new PermitReturns(context, (routeId) => this.freed(routeId))
    const watch = new PermitWatch((id) => this.#returns.giveBack('', id, OUTCOME.RECLAIMED))
    if (context.watchdog?.isEager) this.watch()
    this.#admission = new Admission(context, keys, this.#returns, watch)
  }

  get #waiting(): WaitingRooms {
    const admission = this.#admission
    const { clock, routes, events } = this.#context
    this.#rooms ??= new WaitingRooms({
      hasOwnClock: clock.isHost,
      wait: admission.wait,
      nowMs: () => clock.spanMs(),
      askAgain: (waiter, waitedMs) => admission.askAgain(waiter, waitedMs),
      giveUp: (waiter, limitedBy) => admission.askAgain(waiter, WAITS_NO_LONGER, limitedBy)!,
      waited: (routeId, waitedMs) => events.watchers.waited?.(routeId, waitedMs),
      held: (routeId, keyId) => admission.held(routeId, keyId),
      poolOf: (routeId) => routes.profiles.poolOf(routeId),
      reservesOf: (routeId) => routes.profiles.sourceOf(routeId),
    })
    return this.#rooms
  }

  /** False where their code cannot be loaded now, as without a file descriptor: then no request waits, and none is cancelled. */
  get #hasRooms(): boolean {
    try {
      return this.#waiting !== undefined
    } catch {
      return false
    }
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
    if (this.#rooms !== undefined && this.#rooms.size > 0) this.#rooms.expire(routeId)
    this.#context.clock.keepUp()
    this.#context.clock.settle()
    const tier = this.#admission.describe(routeId, options, also)
    if (tier !== BANNED) return this.#offered(routeId, this.#admission.acquire(routeId, tier))
    return this.#banned(routeId) ?? this.#admission.acquire(routeId, this.#context.engine.frame[FRAME.TIER]!)
  }

  #offered(routeId: string, permit: Permit): Permit {
    return this.#culprits?.offered(routeId, permit) ?? permit
  }

  /** The refusal of a request whose key is banned, counted and reported; undefined: everything is admitted. */
  #banned(routeId: string): Permit | undefined {
    requireRouteId(routeId)
    const { engine, events } = this.#context
    const refusal = this.#admission.banned(routeId)
    // A listener of the caller's may ask this instance: what is in the frame is put back.
    const asked = REQUEST_CELLS.map((cell) => engine.frame[cell]!)
    this.#banSheds.add(routeId, refusal.tier ?? 'normal')
    if (events.has('shed')) events.emit('shed', shedOf(routeId, refusal, 'ban'))
    if (!this.#isDryRun()) return refusal
    for (const [i, cell] of REQUEST_CELLS.entries()) engine.frame[cell] = asked[i]!
    return undefined
  }

  /** The gate before keys, and the settings that are tried on a share of them: either is put here and taken away. */
  get admission(): Pick<Admission, 'gate' | 'trial'> {
    return this.#admission
  }

  /** Resolves to a permit when it is the request's turn, or to a refusal when it can no longer make it. */
  async enter(routeId: string, options?: EnterOptions): Promise<Permit> {
    const { maxWaitMs, signal } = readWait(options)
    return this.#enter(routeId, options, ENTER_NAMES, maxWaitMs, listenTo(signal))
  }

  #enter(
    routeId: string,
    options: AcquireOptions | undefined,
    also: readonly string[],
    maxWaitMs: number,
    listen: Listen | undefined,
  ): Permit | Promise<Permit> {
    const { engine, routes, clock } = this.#context
    const canWait = maxWaitMs > 0 && this.#hasRooms
    // Places that are free belong to those who wait already.
    if (this.#rooms !== undefined && this.#rooms.size > 0) this.#rooms.pump(routeId)
    clock.keepUp()
    clock.settle()
    let tier = this.#admission.describe(routeId, options, also)
    if (tier === BANNED) {
      const refusal = this.#banned(routeId)
      if (refusal !== undefined) return refusal
      tier = engine.frame[FRAME.TIER]!
    }
    const failed = this.#admission.failureOf()
    const slot = routes.slotOf(routeId)
    const { frame } = engine
    const keyId = keyIdOf(frame[FRAME.KEY]!)
    const weight = frame[FRAME.KEY_WEIGHT]!
    const keyClass = frame[FRAME.KEY_CLASS]!
    const lane = keyId === NO_KEY ? NO_LANE : frame[FRAME.KEY_LANE]!
    const voltage = frame[FRAME.VOLTAGE]!
    frame[FRAME.SLOT] = slot
    const waitedMs = canWait ? 0 : CANNOT_WAIT
    const permit = this.#admission.ask(routeId, tier, keyId, waitedMs, CAUSE.NONE, failed)
    if (permit !== undefined) return this.#offered(routeId, permit)
    // The clock is the caller's, and may call this instance.
    const wait = { ...this.#admission.wait }
    const arrivedMs = clock.spanMs()
    const waiter: Waiter = {
      routeId,
      askedTier: tier,
      voltage,
      keyId,
      weight,
      keyClass,
      lane,
      tier: wait.tier,
      arrivedMs,
      latestMs: arrivedMs + maxWaitMs,
      failed,
    }
    const answer = this.#waiting.enter(waiter, wait, listen)
    // A request that is cancelled for it gives its place back at once.
    this.#culprits?.waits(routeId, TIERS[wait.tier])
    return answer
  }

  /** Runs `work` under a permit. */
  run<T>(routeId: string, work: Work<T>, options?: RunOptions<T>): Promise<T> {
    if (!this.#isWatching) this.watch()
    const { run } = this.#context.events.watchers
    if (run === undefined) return this.#run(routeId, work, options, undefined)
    const context: RunContext = { routeId, tier: tierIn(options), limitedBy: undefined }
    return run(context, () => this.#run(routeId, work, options, context))
  }

  #run<T>(
    routeId: string,
    work: Work<T>,
    options: RunOptions<T> | undefined,
    context: RunContext | undefined,
  ): Promise<T> {
    try {
      if (typeof work !== 'function') {
        requireRouteId(routeId) // a function in its place is named as that
        throw wrongType('fn', 'a function', work)
      }
      if (options !== undefined && isBounded(options)) return this.#runBounded(routeId, work, options, context)
      const permit = this.#acquire(routeId, options, RUN_NAMES)
      if (!permit.allow) return this.#refuse(routeId, permit, options, context)
      return runUnder(permit, work, this.#takesSignal(work), options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Watches the event loop from now on. */
  watch(): ReturnType<PermitReturns['watch']> {
    this.#isWatching = true
    return this.#returns.watch()
  }

  async #refuse<T>(
    routeId: string,
    permit: Permit,
    options: RunOptions<T> | undefined,
    context: RunContext | undefined,
  ): Promise<T> {
    if (context !== undefined) context.limitedBy = permit.limitedBy
    return fallBack(routeId, permit, options)
  }

  async #runBounded<T>(
    routeId: string,
    work: Work<T>,
    options: RunOptions<T>,
    context: RunContext | undefined,
  ): Promise<T> {
    const bounds = readBounds(options)
    const { maxWaitMs, signal, share } = bounds
    if (signal?.aborted) throw signal.reason
    const culprits = share !== undefined && this.#hasRooms ? this.culprits : undefined
    const key = culprits && own(options, 'key')
    const permit =
      maxWaitMs === undefined
        ? this.#acquire(routeId, options, RUN_NAMES)
        : await this.#enter(routeId, options, RUN_NAMES, maxWaitMs, listenTo(signal))
    if (!permit.allow) return this.#refuse(routeId, permit, options, context)
    if (share === undefined || culprits === undefined) return runBounded(permit, work, options, bounds)
    return runBounded(permit, work, options, bounds, (cancel) => culprits.guard(routeId, permit, share, key, cancel))
  }

  /** Made when a request may be cancelled. */
  get culprits(): Culprits {
    this.#culprits ??= new Culprits(this.#context, this.#waiting, () => this.#returns.watchdog?.metrics().last)
    return this.#culprits
  }

  /** Returns whether work looks at its signal. To read a function's length takes 20 ns, so the last answer is kept. */
  #takesSignal(work: Work<unknown>): boolean {
    if (work !== this.#lastWork) {
      this.#lastWork = work
      this.#lastTakesSignal = work.length > 0
    }
    return this.#lastTakesSignal
  }

  stats(routeId: string, slot: number | undefined): Omit<RouteStats, 'mode' | 'rejectedSamples'> {
    const stats = readStats(this.#context.engine, slot)
    const late = slot === undefined ? 0 : this.#returns.lateOf(routeId, slot)
    return {
      ...stats,
      reclaimed: Math.max(0, stats.reclaimed - late),
      abandoned: slot === undefined ? 0 : this.#returns.abandonedOf(routeId, slot),
      ...this.#returns.excusedOf(routeId, slot),
      waiting: this.#rooms?.sizeOf(routeId) ?? 0,
      pool: this.#context.routes.profiles.poolOf(routeId),
    }
  }

  /** The metrics of every route, in one crossing. */
  metrics(previous?: Metrics): Metrics {
    if (previous !== undefined && !(previous instanceof Metrics)) throw wrongType('previous', 'Metrics', previous)
    const { engine, routes, events, clock } = this.#context
    clock.read()
    const cells = engine.metrics(previous?.cells)
    const names: string[] = []
    for (let at = 0; at < cells.length; at += METRIC_CELLS) {
      names.push(routes.nameOf(cells[at + METRIC.SLOT]!) ?? '')
    }
    return new Metrics(names, cells, this.#returns.watchdog?.metrics(), (routeId, slot) => ({
      waiting: this.#rooms?.sizeOf(routeId) ?? 0,
      budgetSheds: this.#budgetSheds.of(routeId),
      banSheds: this.#banSheds.of(routeId),
      abandoned: this.#returns.abandonedOf(routeId, slot),
      ...this.#returns.excusedOf(routeId, slot),
      late: this.#returns.lateOf(routeId, slot),
      waits: this.#rooms?.waits.of(routeId),
      transitions: events.transitionsOf(routeId),
    }))
  }

  /** An adapter refused a request by itself, for a budget that is spent. */
  refused(routeId: string, refusal: Permit): void {
    this.#budgetSheds.add(routeId, refusal.tier ?? 'normal')
    const { events } = this.#context
    if (events.has('shed')) events.emit('shed', shedOf(routeId, refusal, refusal.limitedBy ?? 'budget'))
  }

  /** Requests that were refused for their key, by tier, bulk to critical; undefined: there were none. */
  banShedsOf(routeId: string): readonly number[] | undefined {
    return this.#banSheds.of(routeId)
  }

  /** Requests that were so refused, by tier, bulk to critical; undefined: there were none. */
  budgetShedsOf(routeId: string): readonly number[] | undefined {
    return this.#budgetSheds.of(routeId)
  }

  /** Requests that wait for a place on a route. */
  waitingOf(routeId: string): number {
    return this.#rooms?.sizeOf(routeId) ?? 0
  }

  /** Waits for a place on a route. */
  waitsOf(routeId: string): HistogramTotals | undefined {
    return this.#rooms?.waits.of(routeId)
  }

  /** The time of a route's calls that does not count in their latency, ms. */
  excusedMsOf(routeId: string, slot: number | undefined): number {
    return this.#returns.excusedOf(routeId, slot).excusedMs
  }

  /** A client went away before its answer was there. */
  abandoned(routeId: string): void {
    this.#returns.abandoned(routeId)
  }

  /** A place may have become free on a route; '': on any of them. */
  freed(routeId: string): void {
    if (this.#rooms === undefined || this.#rooms.size === 0) return
    if (routeId === '') this.#rooms.pumpAll()
    else this.#rooms.pump(routeId)
  }

  /** Refuses all that wait. */
  refuseWaiting(): void {
    this.#rooms?.refuseAll()
  }
}
