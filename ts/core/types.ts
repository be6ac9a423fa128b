/**
 * The vocabulary of the model: one type per physical quantity, so that the compiler keeps volts from ohms, and one
 * state per mode, so that a field exists exactly where it means something.
 */

declare const brand: unique symbol
type Brand<Name extends string> = { readonly [brand]: Name }

/** A point in time, ms. Only differences matter; any epoch will do. */
export type Timestamp = number & Brand<'Timestamp'>

/** A span of time, ms. */
export type DeltaTime = number & Brand<'DeltaTime'>

/** V: priority of a request, V, ≥ 0. */
export type Volts = number & Brand<'Volts'>

/** R: what a request must overcome, Ω, in [baseResistance, 1e6]. */
export type Ohms = number & Brand<'Ohms'>

/** One component of P, in [-1, 1]: 0 is as expected, positive is worse, negative is better. */
export type NormalizedPressure = number & Brand<'Pressure'>

/** M: how fast stress changes, 1/ms, ≥ 0. */
export type Momentum = number & Brand<'Momentum'>

/** S: memory of past trauma, Ω, ≥ 0. */
export type Scar = number & Brand<'Scar'>

/** P: how far a route is from its expectation. */
export interface PressureVector {
  readonly latency: NormalizedPressure
  readonly error: NormalizedPressure
  readonly saturation: NormalizedPressure
}

/** W: how much each kind of pressure matters, Ω per unit of pressure, ≥ 0. */
export interface SensitivityWeights {
  readonly wLatency: number
  readonly wError: number
  readonly wSaturation: number
}

/** The telemetry that is expected of a route; pressure is the distance from here. A baseline ≤ 0 silences its component. */
export interface Baselines {
  /** ms */
  readonly latencyMs: number
  /** share of requests, [0, 1] */
  readonly errorRate: number
  /** share of capacity in use, [0, 1] */
  readonly saturation: number
}

/** The constants of the laws. Plain numbers are welcome: the unit is in the description. */
export interface PhysicsConfig {
  /** R_base: resistance of a calm route, Ω, > 0. Default 10. */
  readonly baseResistance: number
  /** λ: share of the scar that fades, 1/s, ≥ 0. Default 0.1, a half-life of 6.9 s. */
  readonly decayRate: number
  /** σ: what one tick of trauma adds to the scar, Ω, ≥ 0. Default 5. */
  readonly scarFactor: number
  /** μ: resistance per momentum, Ω·ms, ≥ 0. Default 20. */
  readonly dampingFactor: number
  /** ‖P⁺‖ above which a tick is trauma, ≥ 0. Default 0.7. */
  readonly criticalPressure: number
  /** The static break point is baseResistance times this, > 1. Default 10. */
  readonly breakMultiplier: number
  /** Ticks before the physics start, ≥ 0. Default 10. */
  readonly bootstrapTicks: number
  /** Shortest sampling window, and the least `retryAfterMs`, ms, > 0. Default 100. */
  readonly minDeltaT: number
  /** k: steepness of the normalisation, > 0. Default 1. */
  readonly tanhScale: number
}

/** The promise of the operator; weights and baselines follow from it. */
export interface SLOConfig {
  /** Latency of a healthy route, ms, > 0. Default 100. */
  readonly baselineLatencyMs: number
  /** The deadline, ms, > baselineLatencyMs. Default 500. */
  readonly maxAcceptableLatencyMs: number
  /** Error rate of a healthy route, [0, 1]. Default 0.01. */
  readonly targetErrorRate: number
  /** The criticality of each kind of pressure, 0 (ignore) to 10. Default 5, 8, 3. */
  readonly criticality: {
    readonly latency: number
    readonly error: number
    readonly saturation: number
  }
}

export type OperationalMode = 'BOOTSTRAP' | 'OPERATIONAL' | 'CIRCUIT_BREAKER'

interface StateOfEveryMode {
  readonly routeId: string
  readonly pressure: PressureVector
  readonly scarTissue: Scar
  readonly resistance: Ohms
  /** Ticks since the route was first seen; the first one makes this 1. */
  readonly tickCount: number
  readonly lastUpdatedAt: Timestamp
}

/** Watching: a flat, cautious resistance until there is enough evidence for the physics. */
export interface BootstrapState extends StateOfEveryMode {
  readonly mode: 'BOOTSTRAP'
  readonly momentum: undefined
  readonly previousPressure: undefined
}

/** The physics decide. */
export interface OperationalState extends StateOfEveryMode {
  readonly mode: 'OPERATIONAL'
  readonly momentum: Momentum
  readonly previousPressure: PressureVector
}

/** Nothing flows; the physics go on, and close the breaker when the route has healed. */
export interface CircuitBreakerState extends StateOfEveryMode {
  readonly mode: 'CIRCUIT_BREAKER'
  readonly momentum: Momentum
  readonly previousPressure: PressureVector
  /** The time at which the breaker opened. */
  readonly recoveryStartedAt: Timestamp
}

/** All that is remembered of a route. Narrow it by `mode`. */
export type RouteState = BootstrapState | OperationalState | CircuitBreakerState

/** A request, for the purpose of the decision. */
export interface Request {
  readonly requestId: string
  readonly voltage: Volts
  readonly timestamp: Timestamp
}

export type FlowDecision =
  | { readonly type: 'PASS'; readonly routeId: string }
  | { readonly type: 'REJECT'; readonly reason: 'INSUFFICIENT_VOLTAGE' | 'CIRCUIT_OPEN' }
  | { readonly type: 'REDIRECT'; readonly targetRouteId: string }

/** The meaning of a tick for traffic; it follows from the mode. */
export type ObserverDecision = 'FLOW' | 'SHED' | 'BOOTSTRAP'

/** One tick, as an observer sees it. */
export interface PhysicsEvent {
  readonly routeId: string
  readonly mode: OperationalMode
  readonly resistance: Ohms
  /** undefined in BOOTSTRAP */
  readonly momentum: Momentum | undefined
  readonly scarTissue: Scar
  readonly decision: ObserverDecision
  /** Since the route's previous tick, ms, ≥ 0. */
  readonly deltaT: DeltaTime
  readonly timestamp: Timestamp
  /** ‖P‖, in [0, √3] */
  readonly pressureMagnitude: number
  /** Present when this tick changed the mode. */
  readonly modeTransition?: { readonly from: OperationalMode; readonly to: OperationalMode } | undefined
  readonly tickCount: number
}

/** Receives every tick, in order, off the decision path. */
export interface PhysicsObserver {
  onUpdate(event: PhysicsEvent): void
}

export interface AutoTunerConfig {
  /** N: ticks that the moments look back over, ≥ 1. Default 100. */
  windowSize: number
  /** k: standard deviations above the mean at which a route breaks, ≥ 0. Default 3. */
  sensitivity: number
  /** The break point is never below this, Ω, ≥ 0. Default 30. */
  minFloor: number
  /** The break point is never above this, Ω, ≥ minFloor. Default 500. */
  hardCeiling: number
  /** Ticks before the moments are trusted, ≥ 0. Default 50. */
  warmupTicks: number
  /** The recovery point as a share of the break point, (0, 1]. Default 0.5. */
  recoveryMultiplier: number
}
