// Bad arguments throw; bad measurements do not.
import { resetLogger, setLogger } from 'atrion'
import anyTest from 'ava'
import { CALM, drive, MILD, memoryLogger, virtual, warm } from '../_engine.mjs'
import fc from '../_random.mjs'

// One of these replaces the logger of the process.
const test = anyTest.serial

const throwsTypeError = (t, call, message = /must be/) => t.throws(call, { instanceOf: TypeError, message })

/** Everything about every route, as text. */
const everything = ({ atrion }) => JSON.stringify(atrion.snapshot())

// wrong types

const NO_NAMES = [
  ['', '""'],
  [5, '5'],
  [0, '0'],
  [Number.NaN, 'NaN'],
  [5n, '5'],
  [true, 'true'],
  [null, 'null'],
  [undefined, 'undefined'],
  [Symbol('route'), 'Symbol(route)'],
  [{}, 'an object'],
  [Object.create(null), 'an object'],
  [['a'], 'an object'],
  [new String('a'), 'an object'],
  [() => 'a', 'a function'],
]

test('a routeId that is no non-empty string throws a TypeError that names it and shows it, and changes nothing', async (t) => {
  const world = warm(virtual())
  const before = everything(world)
  const { atrion } = world
  for (const [routeId, shown] of NO_NAMES) {
    const message = `routeId must be a non-empty string, got ${shown}`
    throwsTypeError(t, () => atrion.route(routeId, CALM), message)
    throwsTypeError(t, () => atrion.setRouteProfile(routeId, 'HEAVY'), message)
    await t.throwsAsync(atrion.resetRoute(routeId), { instanceOf: TypeError, message })
    await t.throwsAsync(atrion.startTask(routeId), { instanceOf: TypeError, message })
    t.is(atrion.getState(routeId), undefined)
    t.is(atrion.getActiveTaskCount(routeId), 0)
  }
  t.is(everything(world), before)
})

test('telemetry that is no object throws a TypeError that names it and shows it', (t) => {
  const world = warm(virtual())
  const before = everything(world)
  for (const [telemetry, shown] of [
    [undefined, 'undefined'],
    [null, 'null'],
    [100, '100'],
    ['100', '"100"'],
    [true, 'true'],
    [() => CALM, 'a function'],
  ]) {
    throwsTypeError(t, () => world.atrion.route('route', telemetry), `telemetry must be an object, got ${shown}`)
  }
  t.is(everything(world), before)
})

test('a latencyMs that is missing or no number throws a TypeError', (t) => {
  const world = warm(virtual())
  const before = everything(world)
  for (const [telemetry, shown] of [
    [{}, 'undefined'],
    [[], 'undefined'],
    [{ latencyMs: undefined }, 'undefined'],
    [{ latencyMs: null }, 'null'],
    [{ latencyMs: '100' }, '"100"'],
    [{ latencyMs: 100n }, '100'],
    [{ latencyMs: {} }, 'an object'],
    [{ latency: 100 }, 'undefined'],
  ]) {
    const message = `telemetry.latencyMs must be a number, got ${shown}`
    throwsTypeError(t, () => world.atrion.route('route', telemetry), message)
  }
  t.is(everything(world), before)
})

test('an errorRate or a saturation of a wrong type throws a TypeError; undefined and null are 0', (t) => {
  const world = warm(virtual())
  for (const field of ['errorRate', 'saturation']) {
    for (const [value, shown] of [
      ['0.5', '"0.5"'],
      [true, 'true'],
      [{}, 'an object'],
    ]) {
      const message = `telemetry.${field} must be a number, got ${shown}`
      throwsTypeError(t, () => world.atrion.route('route', { latencyMs: 100, [field]: value }), message)
    }
    for (const absent of [undefined, null]) {
      t.notThrows(() => world.atrion.route('route', { latencyMs: 100, [field]: absent }))
    }
  }
})

test('a voltage of a wrong type throws a TypeError', (t) => {
  const world = warm(virtual())
  for (const [options, shown] of [
    ['50', '"50"'],
    [true, 'true'],
    [{ voltage: '50' }, '"50"'],
    [{ voltage: 50n }, '50'],
  ]) {
    throwsTypeError(t, () => world.atrion.route('route', CALM, options), `voltage must be a number of V, got ${shown}`)
  }
})

test('an error shows a short value for every input', (t) => {
  const { atrion } = virtual()
  const { message } = throwsTypeError(t, () => atrion.route('route', 'x'.repeat(1 << 20)))
  t.true(message.length < 200)
  const long = throwsTypeError(t, () =>
    atrion.route('route', () => {
      throw new Error('this text must not be shown')
    }),
  )
  t.is(long.message, 'telemetry must be an object, got a function')
})

// noise

const NOISE = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1, -1e-12, -Number.MAX_VALUE]

for (const [field, axis] of [
  ['latencyMs', 'latency'],
  ['errorRate', 'error'],
  ['saturation', 'saturation'],
]) {
  test(`a ${field} that is noise keeps its last pressure, and the others move on`, (t) => {
    for (const value of NOISE) {
      const world = warm(virtual())
      world.atrion.route('route', { latencyMs: 130, errorRate: 0.012, saturation: 0.6 })
      const before = world.atrion.getState('route').pressure
      t.not(before[axis], 0)
      world.clock.advance(100)
      const { mode } = world.atrion.route('route', { latencyMs: 80, errorRate: 0.008, saturation: 0.3, [field]: value })
      t.is(mode, 'OPERATIONAL')
      const after = world.atrion.getState('route').pressure
      for (const other of ['latency', 'error', 'saturation']) {
        if (other === axis) t.is(after[other], before[other])
        else t.true(after[other] < 0)
      }
    }
  })
}

test('minus zero is zero, and no noise', (t) => {
  const { atrion } = virtual()
  atrion.route('route', { latencyMs: -0, errorRate: -0, saturation: -0 })
  t.is(atrion.snapshot()[0].rejectedSamples, 0)
})

test('noise is counted by sample, and the count is in the snapshot', (t) => {
  const { atrion } = virtual()
  const nothing = Number.NaN
  for (const [telemetry, count] of [
    [CALM, 0],
    [{ latencyMs: nothing }, 1],
    [{ latencyMs: nothing, errorRate: nothing, saturation: nothing }, 2],
    [{ latencyMs: 100, errorRate: -0.1 }, 3],
    [CALM, 3],
    [{ latencyMs: 100, saturation: Number.POSITIVE_INFINITY }, 4],
  ]) {
    atrion.route('route', telemetry)
    t.is(atrion.snapshot()[0].rejectedSamples, count)
  }
  t.is(atrion.stats('route').rejectedSamples, 4)
})

test('noise is warned of once a route', (t) => {
  const logger = memoryLogger()
  const { atrion } = virtual({ logger })
  for (let i = 0; i < 5; i++) for (const routeId of ['a', 'b']) atrion.route(routeId, { latencyMs: -1 })
  t.deepEqual(
    logger.entries.map(({ level, context }) => [level, context.routeId]),
    [
      ['warn', 'a'],
      ['warn', 'b'],
    ],
  )
})

test('noise is warned of to the logger of the process, where the instance has none', (t) => {
  const logger = memoryLogger()
  setLogger(logger)
  try {
    virtual().atrion.route('route', { latencyMs: Number.NaN })
  } finally {
    resetLogger()
  }
  t.is(logger.entries.length, 1)
})

test('nothing but noise is a tick on what was known before', (t) => {
  const world = warm(virtual())
  drive(world, 'route', MILD, 3)
  const { pressure } = world.atrion.getState('route')
  const [decision] = drive(world, 'route', { latencyMs: Number.NaN, errorRate: -1, saturation: Number.NaN }, 1)
  t.true(decision.allow)
  const state = world.atrion.getState('route')
  t.deepEqual(state.pressure, pressure)
  t.is(state.momentum, 0)
})

test('an errorRate or a saturation above 1 is 1, and no noise', (t) => {
  const [worlds, at] = [
    [virtual(), virtual()],
    [
      { errorRate: 7, saturation: 1e300 },
      { errorRate: 1, saturation: 1 },
    ],
  ]
  for (const [i, world] of worlds.entries()) drive(world, 'route', { latencyMs: 100, ...at[i] }, 15)
  t.is(everything(worlds[0]), everything(worlds[1]))
  t.is(worlds[0].atrion.snapshot()[0].rejectedSamples, 0)
})

test('every input of numbers gives a decision, and R in its range', (t) => {
  const number = fc.double()
  const call = fc.tuple(number, number, number, number, fc.double({ min: -1e6, max: 1e6, noNaN: true }))
  const property = fc.property(fc.array(call, { minLength: 1, maxLength: 40 }), (calls) => {
    const world = virtual({ config: { bootstrapTicks: 1 } })
    return calls.every(([latencyMs, errorRate, saturation, voltage, elapsedMs]) => {
      world.clock.advance(elapsedMs)
      const decision = world.atrion.route('route', { latencyMs, errorRate, saturation }, voltage)
      const { resistance, retryAfterMs, allow, mode } = decision
      const state = world.atrion.snapshot()[0]
      return (
        resistance >= 10 &&
        resistance <= 1e6 &&
        typeof allow === 'boolean' &&
        (allow ? mode !== 'CIRCUIT_BREAKER' : true) &&
        (retryAfterMs === undefined || (Number.isInteger(retryAfterMs) && retryAfterMs >= 100)) &&
        Object.values(state.pressure).every((p) => p >= -1 && p <= 1) &&
        [state.momentum, state.scarTissue, state.tuner.mean, state.tuner.variance].every((x) => x >= 0 && x < Infinity)
      )
    })
  })
  t.notThrows(() => fc.assert(property, { numRuns: 500 }))
})
