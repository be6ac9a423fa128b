/** The engine that runs anywhere: the functional model of `ts/core`, driven through the port. Open loop only. */

import { ConfigError } from '../../base/errors.js'
import { blendScar, calculateInheritance } from '../../core/cluster.js'
import {
  type AutoTuner,
  createBootstrapState,
  EPSILON,
  MAX_RESISTANCE,
  normalize,
  type Ohms,
  type PressureVector,
  type RouteState,
  type Scar,
  type Timestamp,
  updatePhysics,
  updateScar,
} from '../../core/index.js'
import { calculateResistance } from '../../core/resistance.js'
import { calculateRetryAfterMs } from '../../core/retry.js'
import { LAW } from '../law-cells.js'
import { METRIC_CELLS } from '../metric-cells.js'
import { BATCH_ROWS, CAUSE, type Engine, FRAME, MODES, ORDER, PAST, ROW_CELLS, SHARE, STATUS } from '../port.js'
import { type Law, lawOf, tunerOf } from './params.js'
import { type Route, RouteTable } from './route-table.js'
import { CALM, readStateInto, writeMetrics, writeStateFrom, writeTerms } from './state-block.js'

const MAX_LAWS = 65_536

export class TsEngine implements Engine {
  readonly kind = 'ts'
  readonly hasClosedLoop = false
  readonly frame = new Float64Array(FRAME.LENGTH)
  readonly batch = new Float64Array(BATCH_ROWS * ROW_CELLS)
  readonly #laws: Law[] = []
  readonly #table: RouteTable
  /** The last reading of the clock, ms: a call reads it once. */
  #lastRead = 0

  constructor(maxRoutes: number) {
    this.#table = new RouteTable(maxRoutes)
  }

  route(): void {
    const { frame } = this
    const slot = frame[FRAME.SLOT]!
    const route = this.#table.at(slot)
    if (!route) {
      frame[FRAME.STATUS] = STATUS.STALE
      return
    }
    const before = route.state
    const lawId = frame[FRAME.LAW]! >= 0 ? frame[FRAME.LAW]! : route.law
    const law = this.#laws[lawId] ?? this.#laws[0]!
    const status = this.#tick(slot, route, law, lawId, FRAME.LATENCY_MS, frame)
    const { state } = route
    const voltage = frame[FRAME.VOLTAGE]!
    const flows = state.mode !== 'CIRCUIT_BREAKER' && voltage > state.resistance
    const allow = route.order === ORDER.NONE ? flows : route.order === ORDER.CLOSED
    const tuner = this.#tunerOf(route, lawId)
    const blended = { ...state, scarTissue: blendScar(state.scarTissue, route.others) as Scar }
    const retryAfterMs = allow ? undefined : calculateRetryAfterMs(blended, voltage, law.weights, law.config, tuner)
    frame[FRAME.STATUS] = status | (allow ? STATUS.ALLOW : 0)
    frame[FRAME.RESISTANCE] = state.resistance
    frame[FRAME.MODE] = MODES.indexOf(state.mode)
    frame[FRAME.MODE_BEFORE] = MODES.indexOf(before.mode)
    frame[FRAME.RETRY_AFTER_MS] = retryAfterMs ?? Number.NaN
    if (!allow) {
      frame[FRAME.CAUSE] = causeOf(route)
      writeTerms(frame, route, law)
    }
    frame[FRAME.MOMENTUM] = state.momentum ?? 0
    frame[FRAME.SCAR] = blended.scarTissue
    frame[FRAME.DELTA_T_MS] = Math.max(0, state.lastUpdatedAt - before.lastUpdatedAt)
    frame[FRAME.TICKS] = state.tickCount
    frame[FRAME.TIMESTAMP] = state.lastUpdatedAt
    frame[FRAME.PRESSURE] = state.pressure.latency
    frame[FRAME.PRESSURE + 1] = state.pressure.error
    frame[FRAME.PRESSURE + 2] = state.pressure.saturation
  }

  routeBatch(): void {
    const { batch } = this
    const rows = this.frame[FRAME.SLOT]!
    for (let row = 0; row < rows; row++) {
      const at = row * ROW_CELLS
      const route = this.#table.at(batch[at]!)
      if (!route) {
        batch[at + 3] = STATUS.STALE
        continue
      }
      const status = this.#tick(batch[at]!, route, this.#laws[route.law]!, route.law, at + 1, batch)
      batch[at + 1] = route.state.resistance
      batch[at + 2] = MODES.indexOf(route.state.mode)
      batch[at + 3] = status
    }
  }

  acquire(): void {
    throw closedLoopMissing()
  }

  release(): void {}

  metrics(): Float64Array {
    const slots = this.#table.routeIds().map((routeId) => this.#table.find(routeId)!)
    const rows = new Float64Array(slots.length * METRIC_CELLS)
    for (const [i, slot] of slots.entries()) {
      writeMetrics(rows.subarray(i * METRIC_CELLS, (i + 1) * METRIC_CELLS), slot, this.#table.at(slot)!)
    }
    return rows
  }

  readStats(): boolean {
    return false
  }

  explain(slot: number): boolean {
    const route = this.#table.at(slot)
    if (!route) return false
    writeTerms(this.frame, route, this.#laws[route.law] ?? this.#laws[0]!)
    return true
  }

  lease(): void {}

  order(slot: number, order: number): void {
    const route = this.#table.at(slot)
    if (route) route.order = order
  }

  setDryRun(): void {}

  intern(routeId: string): number {
    const known = this.#table.find(routeId)
    if (known !== undefined) {
      this.#table.touch(known, routeId)
      return known
    }
    const law = this.#laws[0]!
    return this.#table.add({
      id: routeId,
      law: 0,
      state: createBootstrapState(routeId, CALM, law.config, this.#now()),
      tuner: tunerOf(law),
      tunerLaw: 0,
      rejectedSamples: 0,
      order: 0,
      others: undefined,
      inherited: undefined,
    })
  }

  find(routeId: string): number {
    return this.#table.find(routeId) ?? -1
  }

  evicted(): number {
    return this.#table.nextEvicted() ?? -1
  }

  remove(slot: number): void {
    this.#table.remove(slot)
  }

  routeIds(): string[] {
    return this.#table.routeIds()
  }

  nameOf(slot: number): string | undefined {
    return this.#table.at(slot)?.id
  }

  defineLaw(cells: Float64Array, id: number = this.#laws.length): number {
    if (id >= MAX_LAWS) return -1
    this.#laws[id] = lawOf(cells)
    return id
  }

  setLaw(slot: number, law: number): void {
    const route = this.#table.at(slot)
    if (route && this.#laws[law]) route.law = law
  }

  readState(slot: number): boolean {
    const route = this.#table.at(slot)
    if (!route) return false
    readStateInto(this.frame, route)
    return true
  }

  writeState(slot: number): boolean {
    const route = this.#table.at(slot)
    if (!route) return false
    writeStateFrom(this.frame, route, this.#laws[route.law]!, this.#now())
    return true
  }

  scar(slot: number, ohms: number): void {
    const route = this.#table.at(slot)
    if (!route) return
    const { config, weights } = this.#laws[route.law]!
    const { state } = route
    const now = Math.max(this.#now(), state.lastUpdatedAt) as Timestamp
    const healed = updateScar(state.scarTissue, CALM, config, (now - state.lastUpdatedAt) as never)
    const scarTissue = Math.min(healed + Math.max(0, ohms), 1e6) as Scar
    const resistance: Ohms =
      state.mode === 'BOOTSTRAP'
        ? state.resistance
        : calculateResistance(
            state.pressure,
            state.momentum,
            blendScar(scarTissue, route.others) as Scar,
            weights,
            config,
          )
    route.state = { ...state, scarTissue, resistance, lastUpdatedAt: now } as RouteState
    this.#table.touch(slot, route.id)
  }

  nextUsed(): number {
    return this.#table.nextUsed() ?? -1
  }

  share(slot: number): void {
    const route = this.#table.at(slot)
    if (!route) return
    const cell = (index: number): number => this.batch[index]!
    route.others = {
      keep: cell(SHARE.KEEP),
      add: cell(SHARE.ADD),
      bound: cell(SHARE.BOUND),
      lone: cell(SHARE.LONE),
    }
    this.#resist(route)
  }

  inherit(slot: number, taken: boolean): boolean {
    const route = this.#table.at(slot)
    if (!route) return false
    if (!taken) {
      this.#returnInherited(route)
      return true
    }
    if (route.state.tickCount > 0) return false
    const { config } = this.#laws[route.law]!
    const [scar, ticks, gamma] = [this.batch[PAST.SCAR]!, this.batch[PAST.TICKS]!, this.batch[PAST.GAMMA]!]
    const isOfPeers = !Number.isNaN(gamma)
    const weighed = isOfPeers ? calculateInheritance([{ scar, requests: 0 }], gamma, config) : scar
    const inherited = weighed < EPSILON ? 0 : Math.min(weighed, MAX_RESISTANCE)
    const atMs = Math.max(this.#now(), route.state.lastUpdatedAt)
    route.state = {
      ...route.state,
      scarTissue: inherited as Scar,
      tickCount: Math.max(0, Math.min(Math.floor(ticks), config.bootstrapTicks - 1)),
      lastUpdatedAt: atMs as Timestamp,
      ...(inherited > 0 && { resistance: Math.min(config.baseResistance + inherited, MAX_RESISTANCE) as Ohms }),
    } as RouteState
    route.inherited = isOfPeers && inherited > 0 ? { scar: inherited, atMs } : undefined
    this.#table.demote(slot)
    return true
  }

  /** The other nodes report themselves: what was taken over from the store of their reports is removed. */
  #returnInherited(route: Route): void {
    if (route.inherited === undefined) return
    const { state, inherited } = route
    route.inherited = undefined
    const elapsedMs = Math.max(0, state.lastUpdatedAt - inherited.atMs)
    const left = inherited.scar * Math.exp((-this.#laws[route.law]!.config.decayRate * elapsedMs) / 1000)
    const own = state.scarTissue - left
    route.state = { ...state, scarTissue: (own > EPSILON ? own : 0) as Scar }
  }

  /** R follows what others say, without a tick. */
  #resist(route: Route): void {
    const { state } = route
    if (state.mode === 'BOOTSTRAP') return
    const { config, weights } = this.#laws[route.law]!
    const scar = blendScar(state.scarTissue, route.others) as Scar
    const resistance = calculateResistance(state.pressure, state.momentum, scar, weights, config)
    route.state = { ...state, resistance } as RouteState
  }

  /** One tick of a route whose telemetry lies in three cells at `at`; the status of the tick. */
  #tick(slot: number, route: Route, law: Law, lawId: number, at: number, source: Float64Array): number {
    this.#table.touch(slot, route.id)
    const { cells } = law
    const scale = cells[LAW.TANH_SCALE]!
    const component = (offset: number, ceiling: number): number => {
      const value = source[at + offset]!
      if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) return Number.NaN
      return normalize(Math.min(value, ceiling), cells[LAW.BASELINE_LATENCY_MS + offset]!, scale)
    }
    const pressure = {
      latency: component(0, Number.MAX_VALUE),
      error: component(1, 1),
      saturation: component(2, 1),
    } as PressureVector
    const rejected = Number.isNaN(pressure.latency + pressure.error + pressure.saturation)
    const tuner = this.#tunerOf(route, lawId)
    route.state = updatePhysics(
      route.state,
      pressure,
      law.weights,
      law.config,
      this.#now(),
      undefined,
      tuner,
      route.others,
    )
    if (!rejected) return STATUS.TICKED
    route.rejectedSamples += 1
    return STATUS.TICKED | STATUS.REJECTED | (route.rejectedSamples === 1 ? STATUS.FIRST_REJECTED : 0)
  }

  /** The route's tuner under a law, its moments kept when the law changes; none when the break point is static. */
  #tunerOf(route: Route, lawId: number): AutoTuner | undefined {
    const id = this.#laws[lawId] ? lawId : 0
    if (this.#laws[id]!.cells[LAW.TUNER] === 0) return undefined
    if (route.tunerLaw !== id) {
      const moments = route.tuner.snapshot()
      route.tuner = tunerOf(this.#laws[id]!)
      route.tuner.restore(moments)
      route.tunerLaw = id
    }
    return route.tuner
  }

  readonly readClock = (): number => this.#now()
  readonly lastRead = (): number => this.#lastRead

  #now(): Timestamp {
    const given = this.frame[FRAME.NOW]!
    this.#lastRead = Number.isNaN(given) ? Math.floor(performance.timeOrigin + performance.now()) : given
    return this.#lastRead as Timestamp
  }
}

/** The obstacle of a request of the open loop. */
const causeOf = ({ order, state }: Route): number =>
  order === ORDER.OPEN ? CAUSE.OVERRIDE : state.mode === 'CIRCUIT_BREAKER' ? CAUSE.BREAKER : CAUSE.SCAR

/** The closed loop's law is written once, in the native engine and its wasm twin; this one is the oracle of the open loop. */
const closedLoopMissing = (): ConfigError =>
  new ConfigError('engine', "'native' or 'wasm' for acquire(), run() and the adapters", 'ts')
