/** What the engine remembers of routes, read and written off the decision path: states, snapshots, what tuners have learnt. */

import type { AutoTunerConfig, RouteState, TunerStats } from './core/index.js'
import { type RouteSnapshot, readMoments, readSnapshot, readState, requireSnapshot, writeSnapshot } from './decision.js'
import { type Engine, FRAME, STATE } from './engine/port.js'
import { ConfigError } from './errors.js'
import type { RouteIndex } from './routes.js'
import type { PhysicsVector } from './state/provider.js'

/** How much the state of other nodes weighs against one's own, [0, 1]. */
const GAMMA = 0.3

export class RouteStates {
  readonly #engine: Engine
  readonly #routes: RouteIndex
  readonly #intern: (routeId: string) => number

  constructor(engine: Engine, routes: RouteIndex, intern: (routeId: string) => number) {
    this.#engine = engine
    this.#routes = routes
    this.#intern = intern
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

  /** All of them or, when one is malformed, none. @throws ConfigError naming the field */
  restore(snapshots: readonly RouteSnapshot[]): void {
    if (!Array.isArray(snapshots)) throw new ConfigError('snapshot', 'an array of route snapshots', snapshots)
    const checked = snapshots.map((one, index) => requireSnapshot(`snapshot[${index}]`, one))
    for (const one of checked) {
      const slot = this.#intern(one.routeId)
      writeSnapshot(this.#engine.frame, one)
      this.#engine.writeState(slot)
    }
  }

  /** What R normally is on one route, or on all of them pooled; undefined without the route. */
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

  /** A route as other nodes are told of it. */
  vector(routeId: string): PhysicsVector | undefined {
    const snapshot = this.snapshot(routeId)
    if (snapshot === undefined) return undefined
    const { scarTissue, momentum, tickCount, resistance } = snapshot
    return { scar: scarTissue, momentumScalar: momentum, lastTick: tickCount, resistance }
  }

  /** S = γ·S_store + (1 − γ)·S_local; a route that has no ticks of its own takes the store's word. */
  merge(routeId: string, vector: PhysicsVector): void {
    const slot = this.#intern(routeId)
    const { frame } = this.#engine
    if (!this.#engine.readState(slot)) return
    const gamma = frame[FRAME.STATE + STATE.TICKS] === 0 ? 1 : GAMMA
    const scar = FRAME.STATE + STATE.SCAR
    frame[scar] = gamma * Math.min(vector.scar, 1e6) + (1 - gamma) * frame[scar]!
    this.#engine.writeState(slot)
  }

  /** Fills the state block with a route's state, if there is such a route. */
  #read(routeId: string): boolean {
    const slot = typeof routeId === 'string' ? this.#routes.find(routeId) : undefined
    return slot !== undefined && this.#engine.readState(slot)
  }
}
