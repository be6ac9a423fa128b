/** The state block of the frame: a route's whole state as cells, and back. */

import { blendScar } from '../../core/cluster.js'
import type { PressureVector, RouteState } from '../../core/index.js'
import { weighPressure } from '../../core/resistance.js'
import { METRIC } from '../metric-cells.js'
import { FRAME, MODES, STATE, TERM_ROWS, TERMS } from '../port.js'
import { type Law, tunerOf } from './params.js'
import type { Route } from './route-table.js'

/** The pressure of a route that was not measured yet. */
export const CALM = { latency: 0, error: 0, saturation: 0 } as PressureVector

/** The most that a restored time may be ahead of now, ms: a clock that was set back a little gives such, and is waited for. */
const AHEAD_MS = 60_000

/** Fills the state block with a route's state. */
export function readStateInto(frame: Float64Array, route: Route): void {
  const { state, tuner } = route
  const moments = tuner.snapshot()
  const previous = state.previousPressure ?? CALM
  frame.set(
    [
      MODES.indexOf(state.mode),
      state.pressure.latency,
      state.pressure.error,
      state.pressure.saturation,
      previous.latency,
      previous.error,
      previous.saturation,
      state.momentum ?? 0,
      state.scarTissue,
      state.resistance,
      state.tickCount,
      state.lastUpdatedAt,
      state.mode === 'CIRCUIT_BREAKER' ? state.recoveryStartedAt : 0,
      moments.mean,
      moments.variance,
      moments.count,
      route.rejectedSamples,
      route.law,
      blendScar(state.scarTissue, route.others) - state.scarTissue,
      state.scarTissue,
    ],
    FRAME.STATE,
  )
}

/** Overwrites a route's state, but for its law, with the state block. @param now ms */
export function writeStateFrom(frame: Float64Array, route: Route, law: Law, now: number): void {
  const cell = (index: number): number => frame[FRAME.STATE + index]!
  const pressure = (at: number): PressureVector =>
    ({ latency: cell(at), error: cell(at + 1), saturation: cell(at + 2) }) as PressureVector
  const mode = MODES[cell(STATE.MODE)]!
  // A time from a clock further ahead would stand still until then.
  const settle = (at: number): number => (at <= now + AHEAD_MS ? at : now)
  route.state = {
    routeId: route.id,
    mode,
    pressure: pressure(STATE.LATENCY),
    previousPressure: mode === 'BOOTSTRAP' ? undefined : pressure(STATE.PREVIOUS_LATENCY),
    momentum: mode === 'BOOTSTRAP' ? undefined : cell(STATE.MOMENTUM),
    scarTissue: cell(STATE.SCAR),
    resistance: cell(STATE.RESISTANCE),
    tickCount: cell(STATE.TICKS),
    lastUpdatedAt: settle(cell(STATE.LAST_UPDATED_AT)),
    ...(mode === 'CIRCUIT_BREAKER' && { recoveryStartedAt: settle(cell(STATE.RECOVERY_STARTED_AT)) }),
  } as RouteState
  route.tuner = tunerOf(law)
  route.tunerLaw = route.law
  route.tuner.restore({
    mean: cell(STATE.TUNER_MEAN),
    variance: cell(STATE.TUNER_VARIANCE),
    count: cell(STATE.TUNER_COUNT),
  })
  route.rejectedSamples = cell(STATE.REJECTED_SAMPLES)
}

/** Writes what R of the route is made of into the next row of the frame. */
export function writeTerms(frame: Float64Array, { state, others }: Route, { weights, config }: Law): void {
  const decision = (frame[FRAME.DECISION]! + 1) % 2 ** 30
  frame[FRAME.DECISION] = decision
  const own = (others?.keep ?? 1) * state.scarTissue
  frame.set(
    [
      config.baseResistance,
      weighPressure(state.pressure, weights),
      config.dampingFactor * (state.momentum ?? 0),
      own,
      blendScar(state.scarTissue, others) - own,
      state.resistance,
    ],
    FRAME.TERMS + (decision % TERM_ROWS) * TERMS.LENGTH,
  )
}

/** Fills a row of metrics, of which the closed loop's part stays empty. */
export function writeMetrics(row: Float64Array, slot: number, { state, others, rejectedSamples, order }: Route): void {
  const cluster = blendScar(state.scarTissue, others) - state.scarTissue
  row[METRIC.SLOT] = slot
  row[METRIC.MODE] = MODES.indexOf(state.mode)
  row[METRIC.OWN_RESISTANCE] = state.resistance
  row[METRIC.MOMENTUM] = state.momentum ?? 0
  row[METRIC.CLUSTER] = cluster
  row[METRIC.TICKS] = state.tickCount
  row[METRIC.LAST_UPDATED_AT] = state.lastUpdatedAt
  row[METRIC.REJECTED_SAMPLES] = rejectedSamples
  row[METRIC.ORDER] = order
  row[METRIC.RESISTANCE] = state.resistance
  row[METRIC.SCAR] = state.scarTissue + cluster
  row[METRIC.P50_MS] = Number.NaN
  row[METRIC.P99_MS] = Number.NaN
  row[METRIC.SUCCESS] = 1
}
