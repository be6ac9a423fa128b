/** The class a service holds: it validates, crosses to the engine, and reads the answer. Nothing is decided here. */

import { AtrionError, ConfigError } from './base/errors.js'
import { HostClock } from './base/host-clock.js'
import { requireRouteId, wrongType } from './base/input.js'
import { KeyHasher } from './base/keys.js'
import { nearestName, unknownName } from './base/suggest.js'
import type { Ohms, PhysicsObserver, ProfileConfig, RouteState, TunerStats, WorkloadProfile } from './core/index.js'
import { admit } from './engine/fault.js'
import { engineWanted, loadEngine, warnOfFault } from './engine/load.js'
import { type Engine, type EngineKind, FRAME, ORDER, STATUS } from './engine/port.js'
import { type AtrionEvents, EVENT_NAMES, Events } from './events/events.js'
import { getLogger, type Logger, silentLogger } from './events/loggers.js'
import { ObserverQueue } from './events/observer-queue.js'
import { LeaseBook, type LeaseOptions, type TaskLease } from './leases/manager.js'
import { ADAPTER_PORT, type AdapterPort } from './limiter/adapter-port.js'
import {
  type AcquireOptions,
  ClosedLoop,
  type EnterOptions,
  type Permit,
  type RouteStats,
  type RunOptions,
} from './limiter/limiter.js'
import {
  type AtrionOptions,
  type RouteProfileOptions,
  resolveLaw,
  resolveMaxRoutes,
  resolveRouteProfile,
  resolveVoltage,
  validateOptions,
} from './options/options.js'
import { InMemoryProvider } from './providers/memory.js'
import type { StateProvider } from './providers/provider.js'
import { createPulse, type Pulse } from './replication/sync-loop.js'
import { Batch } from './routes/batch.js'
import {
  modeAt,
  openLoopObstacle,
  type RouteDecision,
  type RouteSnapshot,
  readEvent,
  readRefusal,
} from './routes/decision.js'
import { RouteIndex } from './routes/index.js'
import type { LawSource } from './routes/params.js'
import { RouteProfiles } from './routes/profiles.js'
import { RouteStates } from './routes/states.js'

/** One reading of a route. */
export interface Telemetry {
  /** ms, ≥ 0 */
  readonly latencyMs: number
  /** Share of requests that failed, [0, 1]. Default 0, of null too. */
  readonly errorRate?: number | null | undefined
  /** How full the route's resource is, [0, 1]. Default 0, of null too. */
  readonly saturation?: number | null | undefined
}

export interface RouteOptions {
  /** Priority of the request, V; a negative one never flows. Default, of null too: the instance's `defaultVoltage`. */
  readonly voltage?: number | null | undefined
  /** Judge this call by another profile than the route's; null is the route's. */
  readonly profile?: WorkloadProfile | ProfileConfig | null | undefined
}

/** Tries to find a route's slot while other threads evict; beyond them the route is not the problem. */
const MAX_TRIES = 8

/** The global `Date`, read anew each time, so that a faked one counts. */
const GLOBAL_CLOCK = { now: (): number => Date.now() }

/** The clock that timers of this process and no fake follow, ms. */
const monotonic = performance.now.bind(performance)

/** Status of a request that flows on a route that is, and was, OPERATIONAL. */
const FLOWS = STATUS.ALLOW | STATUS.TICKED | STATUS.STEADY

export class Atrion implements AsyncDisposable {
  readonly #engine: Engine
  readonly #routes: RouteIndex
  readonly #states: RouteStates
  readonly #batch: Batch
  readonly #profiles: RouteProfiles
  readonly #leases: LeaseBook
  readonly #loop: ClosedLoop
  readonly #notices: Events
  readonly #orders = new Map<string, number>()
  readonly #provider: StateProvider
  readonly #pulse: Pulse | undefined
  readonly #events: ObserverQueue | undefined
  /** Does anybody want to hear of every tick? */
  readonly #isWatched: boolean
  readonly #clock: HostClock | undefined
  #law: LawSource
  readonly #logger: Logger | undefined
  readonly #defaultVoltage: number
  readonly #maxRoutes: number
  #dryRun = false
  #connected = false
  #lastNow = 0
  /** Connects and disconnects happen one after the other, in the order they were asked for. */
  #turn: Promise<void> = Promise.resolve()

  /** @throws ConfigError for an option out of its range, DependencyError for a named engine that does not load */
  constructor(given: AtrionOptions = {}) {
    const options = validateOptions(given)
    this.#law = resolveLaw(options)
    this.#defaultVoltage = resolveVoltage(options.defaultVoltage)
    this.#maxRoutes = resolveMaxRoutes(options.maxRoutes)
    this.#logger = options.logger
    const clock = options.clock === 'global' ? GLOBAL_CLOCK : options.clock
    this.#clock = clock && new HostClock(clock, (message, context) => this.#warn(message, context))
    this.#engine = loadEngine(
      engineWanted(options.engine, options.useWasm),
      this.#maxRoutes,
      options.scope === 'process',
    )
    this.#engine.frame[FRAME.NOW] = Number.NaN
    this.#engine.onFault = (report) => this.#faulted(report)
    this.#profiles = new RouteProfiles(
      this.#engine,
      this.#law,
      this.#maxRoutes,
      (routeId) => this.#routes.find(routeId) !== undefined,
      (routeId) => this.#govern(routeId),
    )
    if (options.dryRun === true) this.#setDryRun(true)
    this.#notices = new Events(() => this.#logger ?? getLogger())
    const isShared = options.scope === 'process'
    this.#routes = new RouteIndex(this.#engine, (routeId, slot) => this.#interned(routeId, slot), isShared)
    this.#states = new RouteStates(
      this.#engine,
      this.#routes,
      (routeId) => this.#intern(routeId),
      (routeId) => this.#profiles.sourceOf(routeId).config,
    )
    this.#batch = this.#createBatch()
    this.#events = options.observer && new ObserverQueue(options.observer as PhysicsObserver, undefined, options.logger)
    this.#provider = options.provider ?? new InMemoryProvider()
    this.#pulse = options.provider && this.#createPulse(options.provider)
    this.#isWatched = this.#events !== undefined
    this.#leases = this.#createLeases()
    this.#loop = this.#createLoop(new KeyHasher(options.keySecret))
    this.#clock?.restart()
  }

  /** Which engine computes the physics. */
  get engine(): EngineKind {
    return this.#engine.kind
  }

  get usingWasm(): boolean {
    return this.#engine.kind === 'wasm'
  }

  get isConnected(): boolean {
    return this.#connected
  }

  get providerName(): string {
    return this.#provider.name
  }

  /** Connects the provider and takes over what it knows. `route()` works before. Rejects when the provider does. */
  connect(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#connected) return
      await (this.#pulse?.start() ?? this.#provider.connect())
      this.#connected = true
    })
  }

  /**
   * Sends what the provider has not been told and disconnects it. Requests that wait for a place are refused; `route()`,
   * `acquire()` and the rest go on working.
   */
  disconnect(): Promise<void> {
    this.#events?.flush()
    this.#loop.refuseWaiting()
    return this.#inTurn(async () => {
      if (!this.#connected) return
      this.#connected = false
      await (this.#pulse?.stop() ?? this.#provider.disconnect())
    })
  }

  /**
   * Sends what changed to the provider now, instead of at its next pulse: for hosts that freeze or end between requests. Waits
   * until the provider has it, for at most 5 s. Never rejects, and does nothing before `connect()`.
   */
  async flush(): Promise<void> {
    await this.#pulse?.flush()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect()
  }

  /**
   * One tick of a route on the telemetry you measured, and whether a request flows now.
   *
   * A negative or non-finite number in the telemetry is noise: its component keeps its last pressure.
   *
   * @throws TypeError for a wrong type, naming the field and the value
   */
  route(routeId: string, telemetry: Telemetry, options?: RouteOptions | number | null): RouteDecision {
    if (typeof telemetry !== 'object' || telemetry === null) throw wrongType('telemetry', 'an object', telemetry)
    const { latencyMs } = telemetry
    const errorRate = telemetry.errorRate ?? 0
    const saturation = telemetry.saturation ?? 0
    if (typeof latencyMs !== 'number') throw wrongType('telemetry.latencyMs', 'a number', latencyMs)
    if (typeof errorRate !== 'number') throw wrongType('telemetry.errorRate', 'a number', errorRate)
    if (typeof saturation !== 'number') throw wrongType('telemetry.saturation', 'a number', saturation)

    let voltage = this.#defaultVoltage
    let law = -1
    if (options !== undefined && options !== null) {
      voltage = this.#voltageOf(options)
      const profile = typeof options === 'object' ? options.profile : undefined
      if (this.#clock !== undefined) this.#settleLeases()
      if (profile !== undefined && profile !== null) law = this.#profiles.forCall(routeId, profile)
    } else if (this.#clock !== undefined) {
      this.#settleLeases()
    }
    // From here to the decision nothing of the caller's runs: no getter, no clock, no logger.
    const slot = this.#routes.get(routeId) ?? this.#internNow(routeId)
    const { frame } = this.#engine
    frame[FRAME.SLOT] = slot
    frame[FRAME.LATENCY_MS] = latencyMs
    frame[FRAME.ERROR_RATE] = errorRate
    frame[FRAME.SATURATION] = saturation
    frame[FRAME.VOLTAGE] = voltage
    frame[FRAME.LAW] = law
    this.#engine.route()
    // Nearly every call ends here. Reading and comparing the modes as well would cost it 4 ns of 66.
    if (frame[FRAME.STATUS] === FLOWS && !this.#isWatched) {
      return { allow: true, resistance: frame[FRAME.RESISTANCE] as Ohms, mode: 'OPERATIONAL', reason: 'OK' }
    }
    return this.#settle(routeId, frame, voltage)
  }

  /** The rest of `route()`, where there is more to it than a request that flows. */
  #settle(routeId: string, frame: Float64Array, voltage: number): RouteDecision {
    if ((frame[FRAME.STATUS]! & STATUS.STALE) !== 0) this.#retry(routeId, frame)
    const status = frame[FRAME.STATUS]!
    const isTold = this.#events !== undefined || frame[FRAME.MODE] !== frame[FRAME.MODE_BEFORE]
    if (isTold && (status & STATUS.TICKED) !== 0) this.#ticked(frame, routeId)
    const decision: RouteDecision =
      (status & STATUS.ALLOW) === 0
        ? readRefusal(frame, voltage, this.#isOrderedOpen(routeId))
        : { allow: true, resistance: frame[FRAME.RESISTANCE] as Ohms, mode: modeAt(frame, FRAME.MODE), reason: 'OK' }
    // The logger is the caller's, and may ask this instance: the frame has been read by now.
    if ((status & STATUS.FIRST_REJECTED) !== 0) this.#warnOfNoise(routeId)
    return decision.allow ? decision : this.#refuse(routeId, decision, voltage)
  }

  /**
   * One tick of many routes in one crossing.
   *
   * @param samples three a route: latencyMs, errorRate, saturation
   * @param out one cell a route: its resistance, Ω. With room for two a route: resistance, then mode (0 BOOTSTRAP,
   *   1 OPERATIONAL, 2 CIRCUIT_BREAKER) of each. A new array of one a route by default.
   * @returns out
   * @throws TypeError for a wrong type, RangeError for an array that is too short
   */
  routeBatch(routeIds: readonly string[], samples: Float64Array, out?: Float64Array): Float64Array {
    if (!Array.isArray(routeIds)) throw wrongType('routeIds', 'an array of strings', routeIds)
    if (!(samples instanceof Float64Array)) throw wrongType('samples', 'a Float64Array', samples)
    if (out !== undefined && !(out instanceof Float64Array)) throw wrongType('out', 'a Float64Array', out)
    // Read once: what is asked for an element may answer differently the next time.
    const ids = [...routeIds]
    const count = ids.length
    const results = out ?? new Float64Array(count)
    if (samples.length < count * 3) throw new RangeError(`samples must hold ${count * 3} cells, got ${samples.length}`)
    if (results.length < count) throw new RangeError(`out must hold ${count} cells, got ${results.length}`)
    for (let i = 0; i < count; i++) requireRouteId(ids[i], `routeIds[${i}]`)
    if (count === 0) return results
    const stride = results.length >= count * 2 ? 2 : 1
    if (this.#clock !== undefined) this.#settleLeases()
    if (this.#events === undefined && !this.#notices.has('transition')) {
      this.#batch.run(ids, samples, results, stride)
    } else {
      this.#batch.runOneByOne(ids, samples, results, stride)
    }
    return results
  }

  /**
   * Governs a route by a profile, or by numbers of its own. Outlives the route's state; profiles are kept of at most `maxRoutes` routes,
   * and of those that have no state the one that was set longest ago goes first. @throws ConfigError
   */
  setRouteProfile(routeId: string, profile: WorkloadProfile | RouteProfileOptions): void {
    requireRouteId(routeId)
    const law = this.#profiles.set(routeId, profile)
    const slot = this.#routes.find(routeId)
    if (slot !== undefined) this.#engine.setLaw(slot, law)
    this.#loop.freed(routeId)
  }

  /** What was set for a route; 'STANDARD' when nothing was. */
  getRouteProfile(routeId: string): WorkloadProfile | RouteProfileOptions {
    return this.#profiles.get(routeId)
  }

  /** The state of a route as its last tick left it. */
  getState(routeId: string): RouteState | undefined {
    return this.#states.state(routeId)
  }

  getRoutes(): string[] {
    return this.#engine.routeIds()
  }

  /** Forgets a route's state, here and in the provider; its profile stays. */
  async resetRoute(routeId: string): Promise<void> {
    requireRouteId(routeId)
    const slot = this.#routes.find(routeId)
    if (slot !== undefined) this.#routes.remove(slot)
    this.#loop.freed(routeId)
    await this.#pulse?.forget(routeId)
  }

  /** What R normally is on a route, or on all of them pooled. undefined without a tuner, or without the route. */
  getTunerStats(routeId?: string): TunerStats | undefined {
    const { tuner } = this.#law
    return tuner && this.#states.tunerStats(routeId, tuner)
  }

  /** All routes as plain JSON. */
  snapshot(): RouteSnapshot[] {
    return this.#states.snapshots()
  }

  /** Takes over routes from a snapshot, all of them or, when one is malformed, none. @throws ConfigError naming the field */
  restore(snapshot: readonly RouteSnapshot[]): void {
    this.#states.restore(snapshot)
  }

  /**
   * Asks for a permit: Atrion measures the request from now until the permit is released, and admits what the route can
   * carry within its deadline, the most important first.
   *
   * @throws TypeError for a wrong type, ConfigError for an unknown option or tier or on engine 'ts'
   */
  acquire(routeId: string, options?: AcquireOptions): Permit {
    return this.#loop.acquire(routeId, options)
  }

  /**
   * Asks for a permit like {@link acquire}, and waits for it where nothing but a place is missing: the highest tier first, then
   * the keys that hold fewest, then the oldest. A request that can no longer make its deadline is refused at once. At most
   * 4,096 wait on a route and 65,536 in all; beyond that the least important is refused. Waiting keeps the process alive.
   *
   * @returns a permit; a refusal is one with `allow: false`, `limitedBy` 'wait_timeout' or 'wait_full' after a wait
   * @throws (rejects) the signal's reason when it is aborted meanwhile; TypeError and ConfigError as `acquire`
   */
  enter(routeId: string, options?: EnterOptions): Promise<Permit> {
    return this.#loop.enter(routeId, options)
  }

  /**
   * Runs `fn` under a permit and gives it back when it settles. With `maxWaitMs` it waits for the permit as {@link enter} does.
   *
   * @returns what `fn` resolves to, or the fallback's value when the request was refused
   * @throws (rejects) ShedError when it was refused and there is no fallback; whatever `fn` rejects with; TypeError and
   *   ConfigError, before the work begins, for an option that cannot be honoured
   */
  run<T>(routeId: string, fn: (signal: AbortSignal) => T | PromiseLike<T>, options?: RunOptions<T>): Promise<T> {
    return this.#loop.run(routeId, fn, options)
  }

  /** For the adapters of this package. @internal */
  get [ADAPTER_PORT](): AdapterPort {
    return {
      abandoned: (routeId) => this.#loop.abandoned(routeId),
      deadlineMs: (routeId) => this.#profiles.sourceOf(routeId).slo.maxAcceptableLatencyMs,
    }
  }

  /** What the closed loop knows of a route; zeros for one that nobody has asked about. */
  stats(routeId: string): RouteStats {
    const slot = typeof routeId === 'string' ? this.#routes.find(routeId) : undefined
    const stats = this.#loop.stats(routeId, slot)
    const state = this.#states.snapshot(routeId)
    return { ...stats, mode: state?.mode ?? 'BOOTSTRAP', rejectedSamples: state?.rejectedSamples ?? 0 }
  }

  /** Orders a route's breaker open (refuse everything) or closed (admit everything); null leaves it to the physics again. */
  override(routeId: string, order: 'open' | 'closed' | null): void {
    requireRouteId(routeId)
    if (order !== 'open' && order !== 'closed' && order !== null) {
      const nearest = nearestName(order, ['open', 'closed'])
      throw new ConfigError('order', "'open', 'closed' or null", order, { nearest })
    }
    const code = order === null ? ORDER.NONE : order === 'open' ? ORDER.OPEN : ORDER.CLOSED
    if (order === null) this.#orders.delete(routeId)
    else this.#orders.set(routeId, code)
    const slot = this.#routes.find(routeId)
    if (slot !== undefined) this.#engine.order(slot, code)
    this.#loop.freed(routeId)
  }

  /**
   * Changes the numbers while they are in use: of one route, or of every route that was not given its own. What is not said
   * stays as it is.
   *
   * @throws ConfigError when a value is out of its range; nothing is changed then
   */
  configure(changes: RouteProfileOptions & { readonly dryRun?: boolean }): void
  configure(routeId: string, changes: RouteProfileOptions): void
  configure(first: string | (RouteProfileOptions & { readonly dryRun?: boolean }), second?: RouteProfileOptions): void {
    if (typeof first === 'string') {
      const given = this.#profiles.get(first)
      const before = typeof given === 'string' ? { profile: given } : given
      this.setRouteProfile(first, { ...before, ...(second ?? {}) })
      return
    }
    if (typeof first !== 'object' || first === null) throw wrongType('changes', 'an object', first)
    const { dryRun, ...changes } = first
    if (dryRun !== undefined && typeof dryRun !== 'boolean') throw new ConfigError('dryRun', 'true or false', dryRun)
    if (changes.breakBy !== undefined) throw new ConfigError('breakBy', 'an option of one route', changes.breakBy)
    const law = resolveRouteProfile(changes, this.#law)
    const moved = this.#profiles.rebase(law)
    this.#law = law
    for (const routeId of moved) this.#govern(routeId)
    if (dryRun !== undefined) this.#setDryRun(dryRun)
    this.#loop.freed('')
  }

  /**
   * Listens to an event, off the decision path. @returns a function that stops that
   *
   * @throws ConfigError for an event that there is not, TypeError for a listener that is no function
   */
  on<K extends keyof AtrionEvents>(name: K, listener: (event: AtrionEvents[K]) => void): () => void {
    if (!EVENT_NAMES.includes(name)) throw unknownName('event', name, EVENT_NAMES)
    if (typeof listener !== 'function') throw wrongType('listener', 'a function', listener)
    return this.#notices.on(name, listener)
  }

  /** Leases a long-running task on a route. Rejects with ConfigError when an option can't be honoured. */
  async startTask(routeId: string, options: LeaseOptions = {}): Promise<TaskLease> {
    requireRouteId(routeId)
    if (typeof options !== 'object' || options === null) throw wrongType('options', 'an object', options)
    return this.#leases.start(routeId, options, this.#profiles.sourceOf(routeId).profile)
  }

  getActiveTaskCount(routeId: string): number {
    return this.#leases.activeCount(routeId)
  }

  #isOrderedOpen(routeId: string): boolean {
    return this.#orders.size > 0 && this.#orders.get(routeId) === ORDER.OPEN
  }

  #setDryRun(dryRun: boolean): void {
    this.#dryRun = dryRun
    this.#engine.setDryRun(dryRun)
  }

  /** A request is refused, or, in a dry run, only said to have been. */
  #refuse(routeId: string, refusal: RouteDecision, voltage: number): RouteDecision {
    if (this.#notices.has('shed')) {
      const { resistance, mode, retryAfterMs } = refusal
      const limitedBy = openLoopObstacle(refusal, voltage, this.#isOrderedOpen(routeId))
      this.#notices.emit('shed', { routeId, voltage, resistance, mode, retryAfterMs, limitedBy, tier: undefined })
    }
    return this.#dryRun ? { ...refusal, allow: true } : refusal
  }

  /** A tick happened; whoever wants to know is told. */
  #ticked(frame: Float64Array, routeId: string): void {
    this.#events?.push(readEvent(frame, routeId))
    const from = modeAt(frame, FRAME.MODE_BEFORE)
    const to = modeAt(frame, FRAME.MODE)
    if (from !== to) this.#notices.emit('transition', { routeId, from, to, resistance: frame[FRAME.RESISTANCE]! })
  }

  /** Puts a route under the law that was set for it. */
  #govern(routeId: string): void {
    const slot = this.#routes.find(routeId)
    if (slot !== undefined) this.#engine.setLaw(slot, this.#profiles.lawOf(routeId))
  }

  #createLoop(keys: KeyHasher): ClosedLoop {
    const hasOwnClock = this.#clock !== undefined
    const profiles = this.#profiles
    return new ClosedLoop(this.#engine, {
      wrongType,
      hasOwnClock,
      keys,
      breakBy: profiles.breakBy,
      poolOf: (routeId) => profiles.poolOf(routeId),
      findSlot: (routeId) => this.#routes.find(routeId),
      tenancyOf: (slot) => this.#routes.tenancyOf(slot),
      isOrderedOpen: (routeId) => this.#isOrderedOpen(routeId),
      baseResistanceOf: (routeId) => this.#profiles.sourceOf(routeId).config.baseResistance,
      nowMs: hasOwnClock ? () => this.#nowMs() : monotonic,
      slotOf: (routeId) => this.#routes.get(routeId) ?? this.#internNow(routeId),
      slotAgain: (routeId) => {
        this.#routes.forgetEvicted()
        return this.#internNow(routeId)
      },
      readClock: () => {
        if (this.#clock !== undefined) this.#readClock()
      },
      settle: () => {
        if (this.#clock !== undefined) this.#settleLeases()
      },
      ticked: (frame, routeId) => this.#ticked(frame, routeId),
      refused: (routeId, { resistance, voltage, mode, retryAfterMs, tier }, limitedBy) => {
        if (!this.#notices.has('shed')) return
        this.#notices.emit('shed', { routeId, voltage, resistance, mode, retryAfterMs, limitedBy, tier })
      },
    })
  }

  /** A route is new here: what was said of it holds. */
  #interned(routeId: string, slot: number): void {
    this.#engine.setLaw(slot, this.#profiles.lawOf(routeId))
    if (this.#orders.size > 0) this.#engine.order(slot, this.#orders.get(routeId) ?? ORDER.NONE)
  }

  #intern(routeId: string): number {
    requireRouteId(routeId)
    if (this.#clock !== undefined) this.#readClock()
    return this.#routes.intern(routeId)
  }

  /** The same, at the time in the frame, without asking the clock. */
  #internNow(routeId: string): number {
    requireRouteId(routeId)
    return this.#routes.intern(routeId)
  }

  /** Another thread evicted the route between two calls: it is new again. */
  #retry(routeId: string, frame: Float64Array): void {
    for (let tries = 0; (frame[FRAME.STATUS]! & STATUS.STALE) !== 0 && tries < MAX_TRIES; tries++) {
      this.#routes.forgetEvicted()
      frame[FRAME.SLOT] = this.#internNow(routeId)
      this.#engine.route()
    }
    // A route that finds no place proves nothing against its requests.
    if ((frame[FRAME.STATUS]! & STATUS.STALE) !== 0) admit(frame)
  }

  #voltageOf(options: RouteOptions | number): number {
    const voltage = typeof options === 'object' ? options.voltage : options
    if (voltage === undefined || voltage === null) return this.#defaultVoltage
    if (typeof voltage !== 'number') throw wrongType('voltage', 'a number of V', voltage)
    // Noise in a voltage is no reason to refuse a request, nor to let it pass all others. A negative one is below every R.
    return voltage < Number.POSITIVE_INFINITY ? voltage : this.#defaultVoltage
  }

  /** Reads the clock and, where it is not the machine's and wakes nobody, ends the leases whose time has come. */
  #settleLeases(): void {
    this.#readClock()
    this.#leases.sweepAt(this.#lastNow)
  }

  #inTurn(step: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(step)
    this.#turn = turn.catch(() => {})
    return turn
  }

  #readClock(): void {
    this.#lastNow = this.#clock!.now()
    this.#engine.frame[FRAME.NOW] = this.#lastNow
  }

  /** Whole ms since the Unix epoch, or what the instance's own clock says. */
  #nowMs(): number {
    if (this.#clock === undefined) return Math.floor(performance.timeOrigin + performance.now())
    this.#readClock()
    return this.#lastNow
  }

  #warnOfNoise(routeId: string): void {
    this.#warn('telemetry out of range was ignored; further samples of this route are only counted', { routeId })
  }

  /** The engine failed in a call; what it was asked is admitted. Told off the decision path: the logger may ask this instance. */
  #faulted(report: string): void {
    const message = 'the engine failed in a call, which was admitted; further failures are admitted without a word'
    queueMicrotask(() => {
      const logger = this.#logger ?? getLogger()
      const error = new AtrionError(message)
      this.#notices.emit('degraded', { provider: `engine '${this.#engine.kind}'`, error })
      if (logger === silentLogger) {
        warnOfFault(message)
        return
      }
      try {
        logger.error(message, { engine: this.#engine.kind, backtrace: report })
      } catch {}
    })
  }

  /** A logger that throws has nobody left to be reported to. */
  #warn(message: string, context: Record<string, unknown>): void {
    try {
      ;(this.#logger ?? getLogger()).warn(message, context)
    } catch {}
  }

  #createBatch(): Batch {
    return new Batch(this.#engine, this.#routes, {
      maxRoutes: this.#maxRoutes,
      intern: (routeId) => this.#internNow(routeId),
      tickAlone: (routeId, latencyMs, errorRate, saturation) => {
        this.route(routeId, { latencyMs, errorRate, saturation })
      },
      warnOfNoise: (routeIds) => {
        for (const routeId of routeIds) this.#warnOfNoise(routeId)
      },
    })
  }

  #createPulse(provider: StateProvider): Pulse {
    return createPulse(provider, this.#engine, {
      maxRoutes: this.#maxRoutes,
      nowMs: () => this.#nowMs(),
      decayRate: () => this.#law.config.decayRate,
      nextUsed: () => this.#states.nextUsed(),
      vectorOf: (routeId) => this.#states.vector(routeId),
      inherit: (routeId, scar, ticks, gamma) => this.#states.inherit(routeId, scar, ticks, gamma),
      listen: (routeId, voices, gamma) => this.#states.listen(routeId, voices, gamma),
      warn: (message, context) => this.#warn(message, context),
      degraded: (error) => this.#notices.emit('degraded', { provider: provider.name, error }),
      restored: () => this.#notices.emit('restored', { provider: provider.name }),
    })
  }

  #createLeases(): LeaseBook {
    return new LeaseBook({
      isVirtualTime: this.#clock !== undefined && this.#clock !== GLOBAL_CLOCK,
      now: () => this.#nowMs(),
      scarFactorOf: (routeId) => this.#profiles.sourceOf(routeId).config.scarFactor,
      scar: (routeId, ohms) => {
        this.#engine.scar(this.#intern(routeId), ohms)
      },
      occupy: (routeId) => {
        if (!this.#engine.hasClosedLoop) return () => {}
        const slot = this.#intern(routeId)
        const tenancy = this.#routes.tenancyOf(slot)
        this.#engine.lease(slot, true)
        // A route that was reset meanwhile owes nothing to the leases of the one before it.
        return () => {
          if (this.#routes.tenancyOf(slot) !== tenancy) return
          this.#engine.lease(slot, false)
          this.#loop.freed(routeId)
        }
      },
    })
  }
}
