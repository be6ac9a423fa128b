import { createCollectorObserver, createCompositeObserver } from 'atrion'
import test from 'ava'
import { BAD, broken, CALM, drive, memoryLogger, turn, virtual } from '../_engine.mjs'

const CAPACITY = 16_384

test('nothing of an observer runs on the decision path', async (t) => {
  let calls = 0
  const world = virtual({ observer: { onUpdate: () => calls++ } })
  drive(world, 'route', CALM, 100)
  t.is(calls, 0)
  await turn()
  t.is(calls, 100)
})

test('an observer sees every tick, in the order they happened, over all routes', async (t) => {
  const events = []
  const world = virtual({ observer: createCollectorObserver(events) })
  const called = []
  for (let i = 0; i < 3000; i++) {
    const routeId = `route ${(i * 7) % 13}`
    called.push(routeId)
    world.clock.advance(1)
    world.atrion.route(routeId, i % 50 < 20 ? BAD : CALM)
  }
  await world.atrion.disconnect()
  t.deepEqual(
    events.map(({ routeId }) => routeId),
    called,
  )
  t.true(events.every(({ timestamp }, i) => i === 0 || timestamp === events[i - 1].timestamp + 1))
})

test('an event says what the tick did', async (t) => {
  const events = []
  const world = virtual({ observer: createCollectorObserver(events), autoTuner: false })
  const startedAt = world.clock.now()
  drive(world, 'route', CALM, 10)
  broken(world)
  const { resistance, momentum, scarTissue, pressure, tickCount } = world.atrion.getState('route')
  await world.atrion.disconnect()
  t.deepEqual(events[0], {
    routeId: 'route',
    mode: 'BOOTSTRAP',
    resistance: 12,
    momentum: undefined,
    scarTissue: 0,
    decision: 'BOOTSTRAP',
    deltaT: 0,
    timestamp: startedAt,
    pressureMagnitude: 0,
    modeTransition: undefined,
    tickCount: 1,
  })
  t.deepEqual(events[9].modeTransition, { from: 'BOOTSTRAP', to: 'OPERATIONAL' })
  t.is(events[9].decision, 'FLOW')
  t.is(events[9].momentum, 0)
  t.is(events[5].deltaT, 100)
  const { pressureMagnitude, ...last } = events.at(-1)
  t.deepEqual(last, {
    routeId: 'route',
    mode: 'CIRCUIT_BREAKER',
    resistance,
    momentum,
    scarTissue,
    decision: 'SHED',
    deltaT: 100,
    timestamp: world.clock.now(),
    modeTransition: { from: 'OPERATIONAL', to: 'CIRCUIT_BREAKER' },
    tickCount,
  })
  t.true(Math.abs(pressureMagnitude - Math.hypot(pressure.latency, pressure.error, pressure.saturation)) < 1e-12)
})

test('decisions are the same with and without an observer', (t) => {
  const [watched, plain] = [virtual({ observer: { onUpdate() {} } }), virtual()]
  for (const telemetry of [CALM, BAD, CALM]) {
    t.deepEqual(drive(watched, 'route', telemetry, 40, 130, 30), drive(plain, 'route', telemetry, 40, 130, 30))
  }
})

test('one that throws harms neither the decision nor the events that follow, and is warned of once', async (t) => {
  const logger = memoryLogger()
  const seen = []
  const observer = {
    onUpdate(event) {
      seen.push(event.tickCount)
      throw new Error('no')
    },
  }
  const world = virtual({ observer, logger })
  t.notThrows(() => drive(world, 'route', CALM, 50))
  await turn()
  t.deepEqual(
    seen,
    Array.from({ length: 50 }, (_, i) => i + 1),
  )
  t.is(logger.entries.filter(({ level }) => level === 'warn').length, 1)
})

test('an observer that throws and a logger that throws too affect no decision', async (t) => {
  const fails = () => {
    throw new Error('no')
  }
  const logger = { debug: fails, info: fails, warn: fails, error: fails }
  const world = virtual({ observer: { onUpdate: fails }, logger })
  t.is(world.atrion.route('route', { latencyMs: Number.NaN }).mode, 'BOOTSTRAP')
  await turn()
  t.is(world.atrion.route('route', CALM).mode, 'BOOTSTRAP')
  await t.notThrowsAsync(world.atrion.disconnect())
})

test('a flood of ticks is bounded: the newest events are dropped, with one warning, and decisions go on', async (t) => {
  const logger = memoryLogger()
  const events = []
  const world = virtual({ observer: createCollectorObserver(events), logger })
  const flood = CAPACITY + 5000
  for (let i = 0; i < flood; i++) world.atrion.route('route', CALM)
  t.is(world.atrion.getState('route').tickCount, flood)
  await world.atrion.disconnect()
  t.is(events.length, CAPACITY)
  t.is(events.at(-1).tickCount, CAPACITY)
  t.is(logger.entries.filter(({ message }) => /dropped/.test(message)).length, 1)
  world.atrion.route('route', CALM)
  await turn()
  t.is(events.at(-1).tickCount, flood + 1)
})

test('events that an observer causes come after the one that it is handling', async (t) => {
  const seen = []
  const world = virtual({
    observer: {
      onUpdate({ routeId }) {
        seen.push(routeId)
        if (routeId === 'first') world.atrion.route('third', CALM)
      },
    },
  })
  world.atrion.route('first', CALM)
  world.atrion.route('second', CALM)
  await turn()
  await turn()
  t.deepEqual(seen, ['first', 'second', 'third'])
})

test('disconnect delivers what still waits, connected or not', async (t) => {
  for (const connects of [false, true]) {
    const events = []
    const world = virtual({ observer: createCollectorObserver(events) })
    if (connects) await world.atrion.connect()
    drive(world, 'route', CALM, 20)
    t.is(events.length, 0)
    await world.atrion.disconnect()
    t.is(events.length, 20)
  }
})

test('observers combine', async (t) => {
  const [one, other] = [[], []]
  const observer = createCompositeObserver(createCollectorObserver(one), createCollectorObserver(other))
  const world = virtual({ observer })
  drive(world, 'route', CALM, 5)
  await turn()
  t.is(one.length, 5)
  t.deepEqual(one, other)
})

test('an observer of one instance sees nothing of another', async (t) => {
  const events = []
  const watched = virtual({ observer: createCollectorObserver(events) })
  const other = virtual()
  drive(other, 'route', CALM, 5)
  drive(watched, 'route', CALM, 1)
  await turn()
  t.is(events.length, 1)
})
