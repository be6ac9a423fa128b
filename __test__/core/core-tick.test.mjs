// A tick of a route: the bootstrap, then momentum, scar and resistance.
import { createBootstrapState, updatePhysics } from 'atrion/core'
import test from 'ava'
import {
  anyPressure,
  between,
  broken,
  calm,
  configOf,
  holds,
  near,
  operational,
  pressureOf,
  run,
  steady,
  weights,
} from '../_core.mjs'

const config = configOf()

// bootstrap

test('a route without calls is at tick 0 with a fifth more than the base', (t) => {
  t.deepEqual(createBootstrapState('route', calm, config, 7), {
    routeId: 'route',
    mode: 'BOOTSTRAP',
    pressure: calm,
    previousPressure: undefined,
    momentum: undefined,
    scarTissue: 0,
    resistance: 12,
    tickCount: 0,
    lastUpdatedAt: 7,
  })
})

test('the first call is tick 1; the tenth turns OPERATIONAL', (t) => {
  const states = run(steady(calm, 11))
  t.deepEqual(
    states.map(({ tickCount }) => tickCount),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
  )
  t.deepEqual(
    states.map(({ mode }) => mode),
    [...Array(9).fill('BOOTSTRAP'), 'OPERATIONAL', 'OPERATIONAL'],
  )
})

test('the bootstrap keeps pressure and time, and does no physics', (t) => {
  const states = run(steady(pressureOf(1, 1, 1), 9))
  t.deepEqual(states.at(-1), {
    ...createBootstrapState('route', pressureOf(1, 1, 1), config, 0),
    tickCount: 9,
    lastUpdatedAt: 800,
  })
})

test('the last tick of the bootstrap has no momentum, but a full scar and resistance', (t) => {
  const calls = [...steady(calm, 9), [pressureOf(1), 900]]
  t.deepEqual(run(calls).at(-1), {
    routeId: 'route',
    mode: 'OPERATIONAL',
    pressure: pressureOf(1),
    previousPressure: calm,
    momentum: 0,
    scarTissue: 5,
    resistance: 10 + Math.log(6) + 5,
    tickCount: 10,
    lastUpdatedAt: 900,
  })
})

test('one change of mode a tick: the last tick of the bootstrap cannot break', (t) => {
  const law = configOf({ scarFactor: 1000, bootstrapTicks: 2 })
  const modes = run(steady(pressureOf(1), 3), { law }).map(({ mode }) => mode)
  t.deepEqual(modes, ['BOOTSTRAP', 'OPERATIONAL', 'CIRCUIT_BREAKER'])
})

test('bootstrapTicks 0 and 1 both make the first call operational', (t) => {
  for (const bootstrapTicks of [0, 1]) {
    t.is(run([[calm, 0]], { law: configOf({ bootstrapTicks }) })[0].mode, 'OPERATIONAL')
  }
})

// the physics

test('momentum is measured from the tick before', (t) => {
  const calls = [...steady(calm, 10), [pressureOf(0.6), 1000], [pressureOf(0.6), 1100], [pressureOf(0.5), 1150]]
  const [change, rest, back] = run(calls).slice(10)
  near(t, change.momentum, 0.006)
  t.deepEqual(change.previousPressure, calm)
  t.is(rest.momentum, 0)
  near(t, back.momentum, 0.1 / 50)
})

test('at a tick there is no staleness, however long the silence', (t) => {
  const quiet = updatePhysics(operational(), calm, weights, config, 3_600_000)
  t.is(quiet.resistance, 10)
})

test('a clock that goes back is a tick in no time', (t) => {
  const state = operational({ lastUpdatedAt: 5000, scarTissue: 3 })
  const next = updatePhysics(state, pressureOf(0.5), weights, config, 1000)
  t.is(next.momentum, 0)
  t.is(next.scarTissue, 3)
  t.is(next.lastUpdatedAt, 5000)
  const later = updatePhysics(next, pressureOf(0.5), weights, config, 6000)
  near(t, later.scarTissue, 3 * Math.exp(-0.1), 1e-12)
})

test('a component that is no number keeps its last pressure; a time that is none keeps the last time', (t) => {
  const state = operational({ pressure: pressureOf(0.1, 0.2, 0.3), lastUpdatedAt: 50 })
  const noisy = updatePhysics(state, pressureOf(Number.NaN, 0.5, Number.POSITIVE_INFINITY), weights, config, Number.NaN)
  t.deepEqual(noisy.pressure, pressureOf(0.1, 0.5, 0.3))
  t.is(noisy.lastUpdatedAt, 50)
})

test('the tick changes nothing it was given', (t) => {
  const deepFreeze = (value) => {
    if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(deepFreeze)
    return value
  }
  for (const state of [createBootstrapState('route', calm, config, 0), operational(), broken()]) {
    const before = structuredClone(state)
    t.notThrows(() => updatePhysics(deepFreeze(state), deepFreeze(pressureOf(1)), weights, deepFreeze(config), 100))
    t.deepEqual(state, before)
  }
})

test('the same inputs give the same route', (t) => {
  holds(t, [anyPressure, anyPressure, between(0, 1e6)], (before, after, now) => {
    const tick = () => JSON.stringify(updatePhysics(operational({ pressure: before }), after, weights, config, now))
    const [once, again] = [tick(), tick()]
    return once === again
  })
})
