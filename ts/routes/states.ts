/** The engine's memory of routes, read and written off the decision path: states, snapshots, moments of tuners. */

import { ConfigError } from '../base/errors.js'
import { requireRouteId } from '../base/input.js'
import { own } from '../base/own.js'
import type { Context } from '../context.js'
import { calculateShare, type PeerReport } from '../core/cluster.js'
import type { AutoTunerConfig, PhysicsConfig, RouteState, TunerStats } from '../core/index.js'
import type { InstanceClock } from '../engine/clock.js'
import { type Engine, FRAME, PAST, SHARE, STATE } from '../engine/port.js'
import type { PhysicsVector } from '../providers/provider.js'
import { type RouteSnapshot, readMoments, readSnapshot, readState, requireSnapshot, writeSnapshot } from './decision.js'
import type { Routes } from './routes.js'

export class RouteStates {
  readonly #engine: Engine
  readonly #routes: Routes
  readonly #clock: InstanceClock

  constructor({ engine, routes, clock }: Context) {
    this.#engine = engine
    this.#routes = routes
    this.#clock = clock
  }

  state(routeId: string): RouteState | undefined {
    return this.#read(routeId) ? readState(this.#engine.frame, routeId) : undefined
  }

  snapshot(routeId: string): RouteSnapshot | undefined {
    return this.#read(routeId) ? readSnapshot(this.#engine.frame, routeId) : undefined
  }

  snapshots(): RouteSnapshot[] {
    return this.#engine
      .routeIds()
      .map((routeId) => this.snapshot(routeId))
      .filter((one) => one !== undefined)
  }

  /**
   * Restores all states or, when one is malformed, none.
   *
   * @param learnt is given what a snapshot has besides a route's state, as it came; whatever it throws ends it
   * @throws ConfigError naming the field
   */
  restore(
    snapshots: readonly RouteSnapshot[],
    learnt: (path: string, routeId: string, auto: unknown) => void = () => {},
  ): void {
    if (!Array.isArray(snapshots)) throw new ConfigError('snapshot', 'an array of route snapshots', snapshots)
    const checked: RouteSnapshot[] = []
    // One by one: a hole is none, and what is no snapshot ends it at once, whatever the length is.
    for (let index = 0; index < snapshots.length; index++) {
      const path = `snapshot[${index}]`
      const one = requireSnapshot(path, snapshots[index])
      const auto = own(snapshots[index]!, 'auto')
      if (auto !== undefined && auto !== null) learnt(`${path}.auto`, one.routeId, auto)
      checked.push(one)
    }
    for (const one of checked) {
      const slot = this.#intern(one.routeId)
      writeSnapshot(this.#engine.frame, one)
      this.#engine.writeState(slot)
    }
  }

  /** The usual R of one route, or of all of them pooled; undefined without the route. */
  tunerStats(routeId: string | undefined, tuner: AutoTunerConfig): TunerStats | undefined {
    if (routeId !== undefined && this.#routes.find(routeId) === undefined) return undefined
    let count = 0
    let sum = 0
    let squares = 0
    for (const id of routeId === undefined ? this.#engine.routeIds() : [routeId]) {
      if (!this.#read(id)) continue
      const moments = readMoments(this.#engine.frame)
      count += moments.count
      sum += moments.count * moments.mean
      squares += moments.count * (moments.variance + moments.mean * moments.mean)
    }
    const mean = count > 0 ? sum / count : 0
    const variance = count > 0 ? Math.max(0, squares / count - mean * mean) : 0
    return { mean, stdDev: Math.sqrt(variance), sampleCount: count, isWarmedUp: count >= tuner.warmupTicks }
  }

  /** A route as it is reported to other nodes. */
  vector(routeId: string): PhysicsVector | undefined {
    const snapshot = this.snapshot(routeId)
    if (snapshot === undefined) return undefined
    const { momentum, tickCount, resistance } = snapshot
    const scar = this.#engine.frame[FRAME.STATE + STATE.SUFFERED]!
    return { scar, momentumScalar: momentum, lastTick: tickCount, resistance }
  }

  /**
   * A route that was not measured here takes over a scar of `scar` Ω that a store knows, with the weight `gamma`, or in full
   * where that is undefined; it was known after `ticks` ticks, so that it leaves BOOTSTRAP as soon as it is measured if it had
   * left it before. False when it was measured here.
   */
  inherit(routeId: string, scar: number, ticks: number, gamma: number | undefined): boolean {
    const slot = this.#intern(routeId)
    const { batch } = this.#engine
    batch[PAST.SCAR] = scar
    batch[PAST.TICKS] = ticks
    batch[PAST.GAMMA] = gamma ?? Number.NaN
    return this.#engine.inherit(slot, true)
  }

  /** Blends in what other nodes report of a route, with the weight `gamma`; no reports: they have expired. */
  blend(routeId: string, reports: readonly PeerReport[], gamma: number): void {
    const slot = this.#routes.find(routeId)
    if (slot === undefined) return
    if (reports.length > 0) this.#engine.inherit(slot, false)
    if (!this.#engine.readState(slot)) return
    const suffered = this.#engine.frame[FRAME.STATE + STATE.SUFFERED]!
    const share = calculateShare(reports, suffered, gamma, this.#configOf(routeId))
    const { batch } = this.#engine
    batch[SHARE.KEEP] = share.keep
    batch[SHARE.ADD] = share.add
    batch[SHARE.LONE] = share.lone
    batch[SHARE.BELIEF] = share.belief
    batch[SHARE.WITNESSES] = share.witnesses
    batch[SHARE.BOUND] = share.bound
    this.#engine.share(slot)
  }

  /** The next route that was used since this was last asked. */
  nextUsed(): string | undefined {
    for (let slot = this.#engine.nextUsed(); slot !== -1; slot = this.#engine.nextUsed()) {
      const routeId = this.#engine.nameOf(slot)
      if (routeId !== undefined) return routeId
    }
    return undefined
  }

  #configOf(routeId: string): PhysicsConfig {
    return this.#routes.paramsOf(routeId).config
  }

  #intern(routeId: string): number {
    requireRouteId(routeId)
    this.#clock.read()
    return this.#routes.intern(routeId)
  }

  /** Fills the state block with a route's state, if there is such a route. */
  #read(routeId: string): boolean {
    const slot = typeof routeId === 'string' ? this.#routes.find(routeId) : undefined
    return slot !== undefined && this.#engine.readState(slot)
  }
}
