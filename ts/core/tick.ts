/**
 * The tick: one sample of telemetry, and what becomes of a route. Where the laws meet.
 *
 *   BOOTSTRAP ──(bootstrapTicks reached)──▶ OPERATIONAL ──(R ≥ break point)──▶ CIRCUIT_BREAKER
 *                                               ▲──────────(recovered)──────────────┘
 *
 * A pure function of (state, sample, now, config) and of the tuner's moments, which it advances. At most one change of
 * mode a tick.
 */

import { deliver } from '../events/observer-queue.js'
import { breakPointOf, hasRecovered } from './breaker.js'
import { type Blend, blendScar } from './cluster.js'
import { isSafeNumber, PhysicsGuard } from './guards.js'
import { calculateMomentum } from './momentum.js'
import { calculateResistance } from './resistance.js'
import { updateScar } from './scar.js'
import type { AutoTuner } from './tuner.js'
import type {
  BootstrapState,
  DeltaTime,
  Momentum,
  NormalizedPressure,
  ObserverDecision,
  Ohms,
  OperationalMode,
  PhysicsConfig,
  PhysicsEvent,
  PhysicsObserver,
  PressureVector,
  RouteState,
  Scar,
  SensitivityWeights,
  Timestamp,
} from './types.js'
import { norm } from './vector.js'

/** A route of which nothing is known yet resists a little more than a calm one. */
const BOOTSTRAP_CAUTION = 1.2

const bootstrapResistance = ({ baseResistance }: PhysicsConfig): Ohms =>
  PhysicsGuard.clampResistance(baseResistance * BOOTSTRAP_CAUTION, baseResistance) as Ohms

/** A route without calls: tick 0, no scar. */
export function createBootstrapState(
  routeId: string,
  initialPressure: PressureVector,
  config: PhysicsConfig,
  now: Timestamp,
): BootstrapState {
  return {
    routeId,
    mode: 'BOOTSTRAP',
    pressure: initialPressure,
    previousPressure: undefined,
    momentum: undefined,
    scarTissue: 0 as Scar,
    resistance: bootstrapResistance(config),
    tickCount: 0,
    lastUpdatedAt: now,
  }
}

/**
 * The route after one tick; `state` is left as it was. A component of `newPressure` that is no finite number is noise
 * and keeps its last value; time that runs backwards is no time, and the route keeps its own.
 *
 * @param observer gets the tick later, off this path; whatever it does, the tick stands
 * @param tuner this route's own; without one the break point is static. It observes R first, and the break point
 *   follows from that; ticks of the bootstrap, the last one included, it does not see.
 * @param others what other nodes share; `scarTissue` stays this node's own
 */
export function updatePhysics(
  state: RouteState,
  newPressure: PressureVector,
  weights: SensitivityWeights,
  config: PhysicsConfig,
  now: Timestamp,
  observer?: PhysicsObserver,
  tuner?: AutoTuner,
  others?: Blend,
): RouteState {
  const at = isSafeNumber(now) && now > state.lastUpdatedAt ? now : state.lastUpdatedAt
  const deltaT = (at - state.lastUpdatedAt) as DeltaTime
  const pressure = withoutNoise(newPressure, state.pressure)
  const next = tick(state, pressure, weights, config, at, deltaT, tuner, others)
  if (observer) deliver(observer, eventOf(state.mode, next, deltaT))
  return next
}

function tick(
  state: RouteState,
  pressure: PressureVector,
  weights: SensitivityWeights,
  config: PhysicsConfig,
  now: Timestamp,
  deltaT: DeltaTime,
  tuner: AutoTuner | undefined,
  others: Blend | undefined,
): RouteState {
  const tickCount = state.tickCount + 1
  const bootstrapping = state.mode === 'BOOTSTRAP'

  if (bootstrapping && tickCount < config.bootstrapTicks) {
    return { ...state, pressure, resistance: bootstrapResistance(config), tickCount, lastUpdatedAt: now }
  }

  // The pressures of the bootstrap were only watched: a first difference against them would be no momentum.
  const momentum = bootstrapping ? (0 as Momentum) : calculateMomentum(pressure, state.pressure, deltaT)
  const scarTissue = updateScar(state.scarTissue, pressure, config, deltaT)
  const scar = blendScar(scarTissue, others) as Scar
  const resistance = calculateResistance(pressure, momentum, scar, weights, config)
  const physics = {
    pressure,
    previousPressure: state.pressure,
    momentum,
    scarTissue,
    resistance,
    tickCount,
    lastUpdatedAt: now,
  }

  const { routeId } = state
  if (bootstrapping) return { routeId, mode: 'OPERATIONAL', ...physics }

  // A report of one other node alone moves no breaker.
  const lone = others?.lone ?? 0
  const judged = Math.max(resistance - lone, config.baseResistance) as Ohms
  tuner?.observe(judged)
  if (state.mode === 'OPERATIONAL') {
    if (judged < breakPointOf(config, tuner)) return { routeId, mode: 'OPERATIONAL', ...physics }
    return { routeId, mode: 'CIRCUIT_BREAKER', ...physics, recoveryStartedAt: now }
  }
  if (hasRecovered(judged, (scar - lone) as Scar, pressure, config, tuner)) {
    return { routeId, mode: 'OPERATIONAL', ...physics }
  }
  return { routeId, mode: 'CIRCUIT_BREAKER', ...physics, recoveryStartedAt: state.recoveryStartedAt }
}

function withoutNoise(sample: PressureVector, last: PressureVector): PressureVector {
  const component = (value: NormalizedPressure, lastValue: NormalizedPressure): NormalizedPressure =>
    isSafeNumber(value) ? value : lastValue
  return {
    latency: component(sample.latency, last.latency),
    error: component(sample.error, last.error),
    saturation: component(sample.saturation, last.saturation),
  }
}

const DECISIONS: Readonly<Record<OperationalMode, ObserverDecision>> = {
  BOOTSTRAP: 'BOOTSTRAP',
  OPERATIONAL: 'FLOW',
  CIRCUIT_BREAKER: 'SHED',
}

function eventOf(from: OperationalMode, next: RouteState, deltaT: DeltaTime): PhysicsEvent {
  return {
    routeId: next.routeId,
    mode: next.mode,
    resistance: next.resistance,
    momentum: next.momentum,
    scarTissue: next.scarTissue,
    decision: DECISIONS[next.mode],
    deltaT,
    timestamp: next.lastUpdatedAt,
    pressureMagnitude: norm(next.pressure),
    modeTransition: from === next.mode ? undefined : { from, to: next.mode },
    tickCount: next.tickCount,
  }
}
