// The helpers of the functional model's suites: shorthands for its quantities, and arbitraries of its ranges.
import {
  createBootstrapState,
  DEFAULT_CONFIG,
  DEFAULT_SLO,
  deriveWeights,
  updatePhysics,
  VectorMath,
} from 'atrion/core'
import fc from './_random.mjs'

export const weights = deriveWeights(DEFAULT_SLO)

export const pressureOf = (latency, error = 0, saturation = 0) => ({ latency, error, saturation })

/** A config whose break point is out of reach unless a test lowers it. */
export const configOf = (overrides = {}) => ({ ...DEFAULT_CONFIG, ...overrides })

export const calm = VectorMath.zero()

/** A route whose physics have begun. */
export const operational = (overrides = {}) => ({
  routeId: 'route',
  mode: 'OPERATIONAL',
  pressure: pressureOf(0),
  previousPressure: pressureOf(0),
  momentum: 0,
  scarTissue: 0,
  resistance: 10,
  tickCount: 10,
  lastUpdatedAt: 0,
  ...overrides,
})

/** A route whose breaker is open. */
export const broken = (overrides = {}) => ({
  ...operational({ resistance: 150, scarTissue: 140 }),
  mode: 'CIRCUIT_BREAKER',
  recoveryStartedAt: 0,
  ...overrides,
})

/** Every double there is, NaN and the infinities included. */
export const anyNumber = fc.double()
export const between = (min, max) => fc.double({ min, max, noNaN: true })
export const anyPressure = fc.record({ latency: between(-1, 1), error: between(-1, 1), saturation: between(-1, 1) })

/** Asserts that `predicate` holds for whatever the arbitraries yield. */
export const holds = (t, arbitraries, predicate) =>
  t.notThrows(() => fc.assert(fc.property(...arbitraries, predicate), { numRuns: 500 }))

/** Asserts equality up to a relative error, 1e-12 by default. */
export const near = (t, actual, expected, tolerance = 1e-12) =>
  t.true(isNear(actual, expected, tolerance), `${actual} is not near ${expected}`)

export const isNear = (actual, expected, tolerance = 1e-12) =>
  Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected))

/** A new route, called once for each [pressure, now], and its state after each call. */
export const run = (calls, { law = configOf(), tuner } = {}) => {
  const states = []
  let state = createBootstrapState('route', calls[0][0], law, calls[0][1])
  for (const [pressure, now] of calls) {
    state = updatePhysics(state, pressure, weights, law, now, undefined, tuner)
    states.push(state)
  }
  return states
}

/** The same pressure every 100 ms. */
export const steady = (pressure, times) => Array.from({ length: times }, (_, i) => [pressure, 100 * i])
