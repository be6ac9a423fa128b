/** From the cells of a frame to what a caller reads: decisions, events, states, snapshots. */

import { ConfigError } from '../base/errors.js'
import { type Explanation, explanationOf } from '../base/explanation.js'
import { isRouteId, LONGEST_ROUTE_ID } from '../base/input.js'
import { type LimitedBy, limitedByAt } from '../base/limited-by.js'
import { own, ownOptions } from '../base/own.js'
import { openLoopReasonOf } from '../base/reason.js'
import {
  MAX_RESISTANCE,
  type Ohms,
  type OperationalMode,
  type PressureVector,
  type RouteState,
  type TunerMoments,
} from '../core/index.js'
import { FRAME, MODES, modeAt, STATE } from '../engine/port.js'
import { copyTerms } from '../engine/terms.js'

/** Answer of `route()`. */
export interface RouteDecision {
  /** Does the request flow? */
  readonly allow: boolean
  /** R, Ω */
  readonly resistance: Ohms
  readonly mode: OperationalMode
  /** 'OK', or what stopped it, for people. */
  readonly reason: string
  /** ms until this voltage would flow; absent when it flows, and when waiting alone will not do. */
  readonly retryAfterMs?: number
}

/** A route's state and what its tuner has learnt, as plain JSON. */
export interface RouteSnapshot {
  readonly routeId: string
  readonly mode: OperationalMode
  readonly pressure: { readonly latency: number; readonly error: number; readonly saturation: number }
  readonly previousPressure: { readonly latency: number; readonly error: number; readonly saturation: number }
  readonly momentum: number
  readonly scarTissue: number
  readonly resistance: number
  readonly tickCount: number
  readonly lastUpdatedAt: number
  readonly recoveryStartedAt: number
  readonly tuner: TunerMoments
  readonly rejectedSamples: number
  /** The record of a route with the profile 'AUTO'; restored, it goes on from there. */
  readonly auto?: AutoSnapshot | undefined
}

/** The record of a route that learns what is usual on it. */
export interface AutoSnapshot {
  /** Requests that succeeded. */
  readonly requests: number
  /** The learnt median, ms; 0 while the route is learning. */
  readonly p50Ms: number
  readonly p99Ms: number
  readonly isRegressed: boolean
  /** Durations while the route learns, and of leases, as pairs of a step and a count. */
  readonly durations: readonly number[]
  readonly leases: readonly number[]
}

/** A decision that explains itself. */
export interface ExplainedDecision extends RouteDecision {
  /** The terms of R, the margin, and what would have flowed. Costs nothing unless it is called. */
  explain(): Explanation
}

/** The place that the terms of a decision come from. */
export interface TermSource {
  /** The terms of a route's R as it is now. */
  termsOf(routeId: string): readonly number[] | undefined
}

/** A decision: to look at and to compare, a plain object with a method. */
export class Decision implements ExplainedDecision {
  static {
    // Compared as the plain object that it was in Atrion 2.0.
    Decision.prototype.constructor = Object
  }

  declare readonly allow: boolean
  declare readonly resistance: Ohms
  declare readonly mode: OperationalMode
  declare readonly reason: string
  declare readonly retryAfterMs?: number
  readonly #voltage: number
  readonly #source: TermSource
  /** Of a refusal its terms; of a request that flows its route, whose R is explained for as long as it is the same. */
  readonly #terms: string | readonly number[]
  readonly #limitedBy: LimitedBy | undefined

  constructor(
    allow: boolean,
    resistance: Ohms,
    mode: OperationalMode,
    reason: string,
    voltage: number,
    source: TermSource,
    terms: string | readonly number[],
    limitedBy?: LimitedBy,
  ) {
    this.allow = allow
    this.resistance = resistance
    this.mode = mode
    this.reason = reason
    this.#voltage = voltage
    this.#source = source
    this.#terms = terms
    this.#limitedBy = limitedBy
  }

  explain(): Explanation {
    const row = typeof this.#terms === 'string' ? this.#source.termsOf(this.#terms) : this.#terms
    return explanationOf(row, this.resistance, this.#voltage, this.#limitedBy, this.retryAfterMs, false)
  }
}

/** The refusal that the out cells describe. @param allow true in a dry run */
export function readRefusal(frame: Float64Array, voltage: number, allow: boolean, source: TermSource): Decision {
  const resistance = frame[FRAME.RESISTANCE] as Ohms
  const mode = modeAt(frame, FRAME.MODE)
  const retryAfterMs = frame[FRAME.RETRY_AFTER_MS]!
  const limitedBy = limitedByAt(frame, FRAME.CAUSE)
  const reason = openLoopReasonOf(voltage, resistance, limitedBy)
  const refusal = new Decision(allow, resistance, mode, reason, voltage, source, copyTerms(frame), limitedBy)
  if (!Number.isNaN(retryAfterMs)) (refusal as { retryAfterMs?: number }).retryAfterMs = retryAfterMs
  return refusal
}

const pressureAt = (frame: Float64Array, cell: number): PressureVector =>
  ({ latency: frame[cell], error: frame[cell + 1], saturation: frame[cell + 2] }) as unknown as PressureVector

/** The state in the state block. */
export function readState(frame: Float64Array, routeId: string): RouteState {
  const { pressure, previousPressure, momentum, recoveryStartedAt, ...rest } = readSnapshot(frame, routeId)
  const { routeId: id, mode, resistance, tickCount, lastUpdatedAt } = rest
  const scarTissue = rest.scarTissue + frame[FRAME.STATE + STATE.OTHERS]!
  const state = { routeId: id, mode, pressure, scarTissue, resistance, tickCount, lastUpdatedAt }
  if (mode === 'BOOTSTRAP') return { ...state, previousPressure: undefined, momentum: undefined } as RouteState
  const moved = { ...state, previousPressure, momentum }
  return (mode === 'CIRCUIT_BREAKER' ? { ...moved, recoveryStartedAt } : moved) as RouteState
}

export const readMoments = (frame: Float64Array): TunerMoments => ({
  mean: frame[FRAME.STATE + STATE.TUNER_MEAN]!,
  variance: frame[FRAME.STATE + STATE.TUNER_VARIANCE]!,
  count: frame[FRAME.STATE + STATE.TUNER_COUNT]!,
})

/** Everything in the state block, as plain JSON. */
export function readSnapshot(frame: Float64Array, routeId: string): RouteSnapshot {
  const cell = (index: number): number => frame[FRAME.STATE + index]!
  const mode = modeAt(frame, FRAME.STATE + STATE.MODE)
  return {
    routeId,
    mode,
    pressure: pressureAt(frame, FRAME.STATE + STATE.LATENCY),
    previousPressure: pressureAt(frame, FRAME.STATE + STATE.PREVIOUS_LATENCY),
    momentum: cell(STATE.MOMENTUM),
    scarTissue: cell(STATE.SCAR),
    resistance: cell(STATE.RESISTANCE),
    tickCount: cell(STATE.TICKS),
    lastUpdatedAt: cell(STATE.LAST_UPDATED_AT),
    recoveryStartedAt: mode === 'CIRCUIT_BREAKER' ? cell(STATE.RECOVERY_STARTED_AT) : 0,
    tuner: readMoments(frame),
    rejectedSamples: cell(STATE.REJECTED_SAMPLES),
  }
}

interface NumberRange {
  readonly says: string
  holds(value: number): boolean
}

const COUNT: NumberRange = {
  says: 'an integer in [0, 4294967295]',
  holds: (x: number) => Number.isInteger(x) && x >= 0 && x <= 0xffff_ffff,
}
const INSTANT: NumberRange = { says: 'a finite number of ms', holds: () => true }
const QUANTITY: NumberRange = { says: 'a finite number ≥ 0', holds: (x: number) => x >= 0 }

/**
 * Throws ConfigError unless `value` is a snapshot: what comes from a file or a wire is not trusted to be one.
 *
 * @param path how to name it in the error
 */
export function requireSnapshot(path: string, value: unknown): RouteSnapshot {
  if (typeof value !== 'object' || value === null) throw new ConfigError(path, 'an object', value)
  const given = value as Record<string, unknown>
  const number = (
    from: Record<string, unknown>,
    name: string,
    where: string,
    range: NumberRange = QUANTITY,
  ): number => {
    const x = own(from, name)
    if (typeof x === 'number' && Number.isFinite(x) && range.holds(x)) return x
    throw new ConfigError(`${where}.${name}`, range.says, x)
  }
  const pressure = (name: string): RouteSnapshot['pressure'] => {
    const vector = requireRecord(`${path}.${name}`, own(given, name))
    const component = (axis: 'latency' | 'error' | 'saturation'): number => {
      const x = own(vector, axis)
      if (typeof x === 'number' && x >= -1 && x <= 1) return x
      throw new ConfigError(`${path}.${name}.${axis}`, 'a number in [-1, 1]', x)
    }
    return { latency: component('latency'), error: component('error'), saturation: component('saturation') }
  }
  const { routeId, mode, tuner: moments } = ownOptions(given, ['routeId', 'mode', 'tuner'])
  if (!isRouteId(routeId)) {
    throw new ConfigError(`${path}.routeId`, `a non-empty string of at most ${LONGEST_ROUTE_ID} characters`, routeId)
  }
  if (!MODES.includes(mode as OperationalMode)) throw new ConfigError(`${path}.mode`, MODES.join(', '), mode)
  const tuner = requireRecord(`${path}.tuner`, moments)
  return {
    routeId,
    mode: mode as OperationalMode,
    pressure: pressure('pressure'),
    previousPressure: pressure('previousPressure'),
    momentum: number(given, 'momentum', path),
    scarTissue: Math.min(number(given, 'scarTissue', path), MAX_RESISTANCE),
    resistance: Math.min(number(given, 'resistance', path), MAX_RESISTANCE),
    tickCount: number(given, 'tickCount', path, COUNT),
    lastUpdatedAt: number(given, 'lastUpdatedAt', path, INSTANT),
    recoveryStartedAt: number(given, 'recoveryStartedAt', path, INSTANT),
    tuner: {
      mean: Math.min(number(tuner, 'mean', `${path}.tuner`), MAX_RESISTANCE),
      variance: Math.min(number(tuner, 'variance', `${path}.tuner`), MAX_RESISTANCE ** 2),
      count: number(tuner, 'count', `${path}.tuner`, COUNT),
    },
    rejectedSamples: number(given, 'rejectedSamples', path, COUNT),
  }
}

function requireRecord(path: string, value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw new ConfigError(path, 'an object', value)
  return value as Record<string, unknown>
}

/** Puts a snapshot into the state block. */
export function writeSnapshot(frame: Float64Array, snapshot: RouteSnapshot): void {
  const { pressure, previousPressure, tuner } = snapshot
  frame.set(
    [
      MODES.indexOf(snapshot.mode),
      pressure.latency,
      pressure.error,
      pressure.saturation,
      previousPressure.latency,
      previousPressure.error,
      previousPressure.saturation,
      snapshot.momentum,
      snapshot.scarTissue,
      snapshot.resistance,
      snapshot.tickCount,
      snapshot.lastUpdatedAt,
      snapshot.recoveryStartedAt,
      tuner.mean,
      tuner.variance,
      tuner.count,
      snapshot.rejectedSamples,
    ],
    FRAME.STATE,
  )
}
