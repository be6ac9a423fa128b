import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  consoleObserver,
  createBootstrapState,
  createCollectorObserver,
  createCompositeObserver,
  createFilteredObserver,
  resetLogger,
  setLogger,
  silentLogger,
  silentObserver,
  updatePhysics,
  VectorMath,
} from 'atrion'
import test from 'ava'
import { configOf, operational, pressureOf, weights } from '../_core.mjs'

const config = configOf()
const calm = VectorMath.zero()

const event = (overrides = {}) => ({
  routeId: 'api',
  mode: 'OPERATIONAL',
  resistance: 12.34,
  momentum: 0.0015,
  scarTissue: 5,
  decision: 'FLOW',
  deltaT: 100,
  timestamp: 1000,
  pressureMagnitude: 0.5,
  modeTransition: undefined,
  tickCount: 11,
  ...overrides,
})

const collector = () => {
  const events = []
  return { events, observer: createCollectorObserver(events) }
}

/** Returns the lines that `act` prints. */
const printedBy = (act) => {
  const lines = []
  const { log } = console
  console.log = (line) => lines.push(line)
  try {
    act()
  } finally {
    console.log = log
  }
  return lines
}

// builders

test('a collector keeps every event, in order', (t) => {
  const { events, observer } = collector()
  const [a, b] = [event(), event()]
  observer.onUpdate(a)
  observer.onUpdate(b)
  t.is(events.length, 2)
  t.is(events[0], a)
  t.is(events[1], b)
})

test('a composite tells everyone, in order', (t) => {
  const seen = []
  const named = (name) => ({ onUpdate: (e) => seen.push([name, e.routeId]) })
  createCompositeObserver(named('a'), named('b'), named('c')).onUpdate(event())
  t.deepEqual(seen, [
    ['a', 'api'],
    ['b', 'api'],
    ['c', 'api'],
  ])
  t.notThrows(() => createCompositeObserver().onUpdate(event()))
})

test('one that throws does not keep a composite from telling the others', (t) => {
  const { events, observer } = collector()
  const failing = (message) => ({
    onUpdate() {
      throw new Error(message)
    },
  })
  t.throws(() => createCompositeObserver(failing('first'), observer).onUpdate(event()), { message: 'first' })
  const both = t.throws(() => createCompositeObserver(failing('a'), failing('b'), observer).onUpdate(event()))
  t.deepEqual(
    both.errors.map(({ message }) => message),
    ['a', 'b'],
  )
  t.is(events.length, 2)
})

test('a filter passes on what it is asked to', (t) => {
  const { events, observer } = collector()
  const shedOnly = createFilteredObserver(observer, ({ decision }) => decision === 'SHED')
  shedOnly.onUpdate(event())
  shedOnly.onUpdate(event({ decision: 'SHED', mode: 'CIRCUIT_BREAKER' }))
  t.deepEqual(
    events.map(({ decision }) => decision),
    ['SHED'],
  )
})

test.serial('the silent observer is silent', (t) => {
  t.deepEqual(
    printedBy(() => silentObserver.onUpdate(event())),
    [],
  )
})

test.serial('the console observer prints a line with every term', (t) => {
  const modeTransition = { from: 'OPERATIONAL', to: 'CIRCUIT_BREAKER' }
  const [flow, shed, bootstrap] = printedBy(() => {
    consoleObserver.onUpdate(event())
    consoleObserver.onUpdate(event({ mode: 'CIRCUIT_BREAKER', decision: 'SHED', modeTransition }))
    consoleObserver.onUpdate(event({ mode: 'BOOTSTRAP', decision: 'BOOTSTRAP', momentum: undefined }))
  })
  for (const term of ['api', 'OPERATIONAL', '12.3Ω', '0.0015', '5.00', '0.500']) t.true(flow.includes(term), term)
  t.false(flow.includes('→'))
  t.true(shed.includes('OPERATIONAL → CIRCUIT_BREAKER'))
  t.true(bootstrap.includes('0.0000'))
})

// delivery, through updatePhysics

test('the tick is over before the observer sees it', async (t) => {
  const { events, observer } = collector()
  updatePhysics(operational(), pressureOf(0.6), weights, config, 100, observer)
  t.is(events.length, 0)
  await nextTurn()
  t.is(events.length, 1)
})

test('an event says what the tick did', async (t) => {
  const { events, observer } = collector()
  let state = createBootstrapState('api', calm, configOf({ bootstrapTicks: 2 }), 0)
  for (const now of [100, 250]) {
    state = updatePhysics(state, pressureOf(0.3, 0.4), weights, configOf({ bootstrapTicks: 2 }), now, observer)
  }
  await nextTurn()
  t.deepEqual(events[0], {
    ...event({ mode: 'BOOTSTRAP', decision: 'BOOTSTRAP', resistance: 12, momentum: undefined }),
    scarTissue: 0,
    timestamp: 100,
    tickCount: 1,
  })
  t.deepEqual(events[1], {
    ...event({ resistance: state.resistance, momentum: 0, modeTransition: { from: 'BOOTSTRAP', to: 'OPERATIONAL' } }),
    scarTissue: 0,
    deltaT: 150,
    timestamp: 250,
    tickCount: 2,
  })
})

test('an open breaker is a SHED; a clock that went back is no time', async (t) => {
  const { events, observer } = collector()
  updatePhysics(operational({ scarTissue: 500, lastUpdatedAt: 900 }), calm, weights, config, 100, observer)
  await nextTurn()
  t.is(events[0].decision, 'SHED')
  t.is(events[0].deltaT, 0)
  t.deepEqual(events[0].modeTransition, { from: 'OPERATIONAL', to: 'CIRCUIT_BREAKER' })
})

test('events of all routes arrive in the order of their ticks', async (t) => {
  const { events, observer } = collector()
  for (let i = 0; i < 3000; i += 1) {
    updatePhysics(operational({ routeId: `route-${i % 7}` }), calm, weights, config, i, observer)
    if (i % 1000 === 999) await nextTurn()
  }
  while (events.length < 3000) await nextTurn()
  t.deepEqual(
    events.map(({ timestamp }) => timestamp),
    Array.from({ length: 3000 }, (_, i) => i),
  )
})

test('a turn that takes too long gives way, and the rest keeps its order', async (t) => {
  const seen = []
  const observer = {
    onUpdate({ timestamp }) {
      seen.push(timestamp)
      if (timestamp !== 0) return
      updatePhysics(operational(), calm, weights, config, 2000, observer)
      const busyUntil = performance.now() + 15
      while (performance.now() < busyUntil);
    },
  }
  for (let i = 0; i < 2000; i += 1) updatePhysics(operational(), calm, weights, config, i, observer)
  await nextTurn()
  t.is(seen.length, 1024)
  while (seen.length < 2001) await nextTurn()
  t.deepEqual(
    seen,
    Array.from({ length: 2001 }, (_, i) => i),
  )
})

test('an observer that ticks from within is seen later, not deeper', async (t) => {
  const seen = []
  const observer = {
    onUpdate({ timestamp }) {
      seen.push(timestamp)
      if (timestamp < 3) updatePhysics(operational(), calm, weights, config, timestamp + 1, observer)
      seen.push('done')
    },
  }
  updatePhysics(operational(), calm, weights, config, 1, observer)
  while (seen.length < 6) await nextTurn()
  t.deepEqual(seen, [1, 'done', 2, 'done', 3, 'done'])
})

test.serial('one that throws harms neither the tick nor later events, and is reported once', async (t) => {
  const warnings = []
  setLogger({ ...silentLogger, warn: (message, context) => warnings.push([message, context]) })
  const seen = []
  const observer = {
    onUpdate({ timestamp }) {
      seen.push(timestamp)
      throw new Error('broken observer')
    },
  }
  for (const now of [1, 2, 3]) {
    t.is(updatePhysics(operational(), calm, weights, config, now, observer).tickCount, 11)
  }
  await nextTurn()
  resetLogger()
  t.deepEqual(seen, [1, 2, 3])
  t.is(warnings.length, 1)
  t.is(warnings[0][1].error.message, 'broken observer')
})

test.serial('one that is too slow loses the newest events, and memory stays bounded', async (t) => {
  const warnings = []
  setLogger({ ...silentLogger, warn: (message) => warnings.push(message) })
  const { events, observer } = collector()
  for (let i = 0; i < 20_000; i += 1) updatePhysics(operational(), calm, weights, config, i, observer)
  while (events.length < 16_384) await nextTurn()
  updatePhysics(operational(), calm, weights, config, 20_000, observer)
  while (events.at(-1).timestamp !== 20_000) await nextTurn()
  resetLogger()
  t.is(events.length, 16_385, 'it goes on with the next event after those that were dropped')
  t.is(events[16_383].timestamp, 16_383)
  t.is(warnings.length, 1)
})
