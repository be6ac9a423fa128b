/// <reference lib="esnext.disposable" preserve="true" />
/**
 * The class a service holds. It validates and hands on to its parts; nothing is decided here. Each entry point of the package
 * gives it the engines of its runtime.
 */

import { Auto } from './auto/auto.js'
import type { AnyProfile, AutoProfile } from './auto/types.js'
import type { Ban, BanOptions, BanTarget } from './bans/types.js'
import { requireRouteId } from './base/input.js'
import { KeyHasher } from './base/keys.js'
import type { Config } from './config/index.js'
import type { PatchOptions, PatchResult } from './config/types.js'
import { type Context, createContext } from './context.js'
import { Control } from './control.js'
import type { RouteState, TunerStats } from './core/index.js'
import type { Engines } from './engine/engines.js'
import type { EngineKind } from './engine/kinds.js'
import type { AtrionEvents } from './events/events.js'
import type { LeaseOptions, TaskLease } from './leases/types.js'
import { ADAPTER_PORT, type AdapterPort } from './limiter/adapter-port.js'
import { Limiter } from './limiter/limiter.js'
import type { Metrics } from './limiter/metrics.js'
import { TELEMETRY_PORT, type TelemetryPort } from './limiter/telemetry-port.js'
import type { AcquireOptions, EnterOptions, Permit, RouteStats, RunOptions } from './limiter/types.js'
import type { AtrionOptions, RouteProfileOptions } from './options/options.js'
import { resolveMaxRoutes, resolveParams, resolveVoltage } from './options/resolve.js'
import { validateOptions } from './options/validate.js'
import { Parts } from './parts.js'
import { adapterPort, telemetryPort } from './ports.js'
import { keepsDocuments } from './providers/provider.js'
import { Recording, type RecordOptions, type RecordTarget } from './recording/recording.js'
import { Connection } from './replication/connection.js'
import { createSyncLoop } from './replication/sync-loop.js'
import { type Changes, configure, orderOf } from './routes/configure.js'
import type { ExplainedDecision, RouteSnapshot } from './routes/decision.js'
import type { RouteOptions, Telemetry } from './routes/open-loop.js'
import { createStream } from './stream/stream.js'
import type { StateStream, StreamOptions } from './stream/types.js'
import { Swarms } from './swarm/swarms.js'
import type { Swarm, SwarmOptions } from './swarm/types.js'

export type { AtrionOptions } from './options/options.js'
export type { RouteOptions, Telemetry } from './routes/open-loop.js'

export class Atrion implements AsyncDisposable {
  readonly #context: Context
  readonly #parts: Parts
  readonly #limiter: Limiter
  readonly #connection: Connection
  #swarms: Swarms | undefined
  readonly #options: AtrionOptions
  readonly #keys: KeyHasher
  #control: Control | undefined
  readonly #auto: Auto

  /** @throws ConfigError for an option out of its range, DependencyError for a named engine that does not load */
  constructor(options?: AtrionOptions)
  /** @internal */
  constructor(options: AtrionOptions | undefined, engines: Engines)
  constructor(given: AtrionOptions = {}, engines: Engines = {}) {
    const options = validateOptions(given)
    const defaultVoltage = resolveVoltage(options.defaultVoltage)
    const context = createContext(options, resolveParams(options), resolveMaxRoutes(options.maxRoutes), engines)
    this.#context = context
    this.#parts = new Parts(context, defaultVoltage, (routeId) => this.#limiter.freed(routeId))
    if (options.dryRun === true) this.#parts.openLoop.setDryRun(true)
    this.#connection = new Connection(
      options.provider,
      options.provider && createSyncLoop(options.provider, context, this.#parts.states),
      (isConnected) => this.#follow(isConnected),
    )
    this.#keys = new KeyHasher(options.keySecret)
    this.#limiter = new Limiter(context, this.#keys, () => this.#parts.isDryRun)
    this.#auto = new Auto(context, () => this.#parts.leases)
    this.#options = options
    context.clock.restart()
    if (options.bans !== undefined) this.#controls()
  }

  #controls(): Control {
    this.#control ??= new Control(this.#context, this.#limiter, this.#parts.openLoop, this.#keys, this.#options)
    return this.#control
  }

  /** Follows what nodes share while the provider is connected. */
  #follow(isConnected: boolean): void {
    if (isConnected && keepsDocuments(this.#options.provider)) this.#controls()
    if (isConnected) this.#control?.start()
    else this.#control?.stop()
  }

  /** The engine that computes the physics. */
  get engine(): EngineKind {
    return this.#context.engine.kind
  }
  get usingWasm(): boolean {
    return this.engine === 'wasm'
  }
  get isConnected(): boolean {
    return this.#connection.isConnected
  }
  get providerName(): string {
    return this.#connection.providerName
  }
  /** Connects the provider and takes over what it knows. `route()` works before. Rejects when the provider does. */
  connect(): Promise<void> {
    return this.#connection.connect()
  }

  /** Sends the provider what it does not have yet and disconnects it. Requests that wait for a place are refused; the rest goes on working. */
  disconnect(): Promise<void> {
    this.#context.events.flush()
    this.#limiter.refuseWaiting()
    const left = this.#swarms?.leave()
    return left === undefined ? this.#connection.disconnect() : left.then(() => this.#connection.disconnect())
  }

  /** Sends what changed to the provider now, for hosts that freeze between requests: at most 5 s, never rejects, nothing before `connect()`. */
  async flush(): Promise<void> {
    await this.#connection.flush()
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
  route(routeId: string, telemetry: Telemetry, options?: RouteOptions | number | null): ExplainedDecision {
    return this.#parts.openLoop.route(routeId, telemetry, options)
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
    return this.#parts.openLoop.routeBatch(routeIds, samples, out)
  }

  /**
   * Governs a route by a profile, or by numbers of its own; 'AUTO': it learns what is usual. Outlives the route's state; kept of at most
   * `maxRoutes` routes, or 4096 where that is more: of those without state the one that was set longest ago goes first. @throws ConfigError
   */
  setRouteProfile(routeId: string, profile: AnyProfile): void {
    requireRouteId(routeId)
    this.#auto.setProfile(routeId, profile)
    this.#limiter.freed(routeId)
  }

  /** Returns the profile that was set for a route; 'STANDARD' when none was. */
  getRouteProfile(routeId: string): AnyProfile {
    return this.#auto.profileOf(routeId)
  }

  /** Returns what a route with the profile 'AUTO' has learnt, and why it is governed as it is; undefined for any other. */
  getAutoProfile(routeId: string): AutoProfile | undefined {
    return this.#auto.read(routeId)
  }

  /** The state of a route as its last tick left it. */
  getState(routeId: string): RouteState | undefined {
    return this.#parts.states.state(routeId)
  }
  getRoutes(): string[] {
    return this.#context.engine.routeIds()
  }

  /** Forgets a route's state, here and in the provider; its profile stays. */
  async resetRoute(routeId: string): Promise<void> {
    requireRouteId(routeId)
    this.#context.routes.remove(routeId)
    this.#auto.forget(routeId)
    this.#limiter.freed(routeId)
    await this.#connection.forget(routeId)
  }

  /** Returns the usual R of a route, or of all of them pooled. undefined without a tuner, or without the route. */
  getTunerStats(routeId?: string): TunerStats | undefined {
    const { tuner } = this.#context.routes.params
    return tuner && this.#parts.states.tunerStats(routeId, tuner)
  }

  /** All routes as plain JSON. */
  snapshot(): RouteSnapshot[] {
    return this.#auto.snapshots(this.#parts.states)
  }

  /** Takes over routes from a snapshot, all of them or, when one is malformed, none. @throws ConfigError naming the field */
  restore(snapshot: readonly RouteSnapshot[]): void {
    this.#auto.restore(this.#parts.states, snapshot)
  }

  /**
   * Asks for a permit: Atrion measures the request from now until the permit is released, and admits what the route can carry within its
   * deadline, the most important first. @throws TypeError for a wrong type, ConfigError for an unknown option or tier or on engine 'ts'
   */
  acquire(routeId: string, options?: AcquireOptions): Permit {
    return this.#limiter.acquire(routeId, options)
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
    return this.#limiter.enter(routeId, options)
  }

  /**
   * Runs `fn` under a permit and gives it back when it settles. With `maxWaitMs` it waits for the permit as {@link enter} does.
   * @returns what `fn` resolves to, or the fallback's value when the request was refused
   * @throws (rejects) ShedError when it was refused and there is no fallback; whatever `fn` rejects with; TypeError and
   *   ConfigError, before the work begins, for an option that cannot be honoured
   */
  run<T>(routeId: string, fn: (signal: AbortSignal) => T | PromiseLike<T>, options?: RunOptions<T>): Promise<T> {
    return this.#limiter.run(routeId, fn, options)
  }

  /** For the adapters of this package. @internal */
  get [ADAPTER_PORT](): AdapterPort {
    return adapterPort(this.#context, this.#limiter)
  }

  /** For the exporters of this package. @internal */
  get [TELEMETRY_PORT](): TelemetryPort {
    const trail = () => this.#control?.config.audit() ?? []
    return telemetryPort(this.#context, this.#limiter, this.#connection, this.#parts.openLoop, trail)
  }

  /** Returns the statistics of a route in the closed loop; zeros for one without requests. */
  stats(routeId: string): RouteStats {
    const stats = this.#limiter.stats(routeId, this.#context.routes.find(routeId))
    const state = this.#parts.states.snapshot(routeId)
    return { ...stats, mode: state?.mode ?? 'BOOTSTRAP', rejectedSamples: state?.rejectedSamples ?? 0 }
  }

  /**
   * The metrics of every route, in one crossing: 10,000 routes take a few ms of the event loop.
   * @param previous metrics that are no longer needed: their array is filled anew, which saves its allocation
   */
  metrics(previous?: Metrics): Metrics {
    return this.#limiter.metrics(previous)
  }

  /** Streams the states of all routes to workers and pages, by memory that they share: see {@link StateStream}. @throws ConfigError, AtrionError */
  stream(options?: StreamOptions): StateStream {
    return createStream(this.#context, options)
  }

  /** Orders a route's breaker open (refuse everything) or closed (admit everything); null leaves it to the physics again. */
  override(routeId: string, order: 'open' | 'closed' | null): void {
    requireRouteId(routeId)
    this.#context.routes.override(routeId, orderOf(order))
    this.#limiter.freed(routeId)
  }

  /**
   * Changes the numbers while they are in use: of one route, or of every route that was not given its own. What is not given,
   * within `slo` and `limits` as well, stays as it is.
   * @throws ConfigError when a value is out of its range; nothing is changed then
   */
  configure(changes: Changes): void
  configure(routeId: string, changes: RouteProfileOptions): void
  configure(first: string | Changes, second?: RouteProfileOptions): void {
    this.#limiter.freed(configure(this.#context.routes, this.#parts.openLoop, first, second))
  }

  /** The live configuration: what patches, files and the cluster lay over the code's settings. */
  get config(): Config {
    return this.#controls().config.use()
  }

  /**
   * Changes settings in one turn, on all nodes of a provider that keeps documents, else on this one. @returns a refusal with the conflict
   * where `base` is not the version that holds @throws (rejects) ConfigError, TypeError, what the provider does; nothing is changed then
   */
  patch(patch: PatchOptions): Promise<PatchResult> {
    return this.config.patch(patch)
  }

  /** Refuses the requests of a key, or of a prefix of keys: here at once, soon on all nodes that share documents. @throws ConfigError, TypeError */
  ban(target: BanTarget, options?: BanOptions): Ban {
    return this.#controls().ban(target, options)
  }

  /** Lifts a ban by its id, everywhere. @returns whether it was known here */
  unban(id: string): boolean {
    return this.#controls().unban(id)
  }

  /** The bans that hold on this node: those of the cluster, and at most 4,096 more. */
  bans(): Ban[] {
    return this.#control?.bans() ?? []
  }

  /**
   * Listens to an event, off the decision path. @returns a function that stops that
   * @throws ConfigError for an event that there is not, TypeError for a listener that is no function
   */
  on<K extends keyof AtrionEvents>(name: K, listener: (event: AtrionEvents[K]) => void): () => void {
    const stop = this.#context.events.on(name, listener)
    if (name === 'stall') this.#limiter.watch()
    return stop
  }

  /**
   * Records every decision with its inputs, for `npx atrion replay`: to a file, a stream of Node's, or a ring in memory. Never waits: what
   * finds no room is dropped and counted. One recording at a time. To be decided again bit for bit it begins before the first request.
   * @throws ConfigError, TypeError for a target that is none, AtrionError while there is a recording, the error of a file that does not open
   */
  record(target: RecordTarget, options: RecordOptions = {}): Recording {
    return new Recording(this.#context, target, options, () => this.#parts.isDryRun)
  }

  /** Leases a long-running task on a route. Rejects with ConfigError when an option can't be honoured. */
  async startTask(routeId: string, options: LeaseOptions = {}): Promise<TaskLease> {
    return this.#parts.leases.start(routeId, options)
  }
  getActiveTaskCount(routeId: string): number {
    return this.#parts.leases.activeCount(routeId)
  }

  /** A budget that work shares: see {@link Swarm}. @throws ConfigError for an option out of its range and a name that is taken, TypeError */
  createSwarm(name: string, options: SwarmOptions): Swarm {
    this.#swarms ??= new Swarms(this.#context, this.#limiter, this.#parts.leases, this.#options.provider)
    return this.#swarms.create(name, options)
  }
}
