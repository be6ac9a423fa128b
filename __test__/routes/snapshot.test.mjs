import { ConfigError } from 'atrion'
import test from 'ava'
import { BAD, broken, CALM, create, drive, HOSTILE_NAMES, MILD, randomOf, virtual, warm } from '../_engine.mjs'
import fc from '../_random.mjs'

const telemetryOf = (random) => ({
  latencyMs: (random() < 0.4 ? 3000 : 150) * random(),
  errorRate: random() < 0.4 ? random() : 0,
  saturation: random(),
})

test('a restored instance decides as the original would have', (t) => {
  const random = randomOf(11)
  const original = virtual()
  const routeIds = ['a', 'b', 'c', 'd']
  const step = (worlds) => {
    const routeId = routeIds[Math.floor(random() * routeIds.length)]
    const telemetry = telemetryOf(random)
    const voltage = 80 * random()
    const elapsedMs = Math.floor(500 * random())
    return worlds.map(({ atrion, clock }) => {
      clock.advance(elapsedMs)
      return atrion.route(routeId, telemetry, voltage)
    })
  }
  for (let i = 0; i < 500; i++) step([original])
  const copy = virtual()
  copy.clock.set(original.clock.now())
  copy.atrion.restore(JSON.parse(JSON.stringify(original.atrion.snapshot())))
  for (const routeId of routeIds) {
    t.deepEqual(copy.atrion.getState(routeId), original.atrion.getState(routeId))
    t.deepEqual(copy.atrion.getTunerStats(routeId), original.atrion.getTunerStats(routeId))
  }
  for (let i = 0; i < 2000; i++) {
    const [expected, actual] = step([original, copy])
    if (JSON.stringify(actual) !== JSON.stringify(expected)) return t.deepEqual(actual, expected)
  }
  t.deepEqual(copy.atrion.snapshot(), original.atrion.snapshot())
})

test('every mode survives', (t) => {
  const world = virtual()
  drive(world, 'new', BAD, 3)
  warm(world, 'operational')
  broken(world, 'broken')
  const copy = virtual()
  copy.clock.set(world.clock.now())
  copy.atrion.restore(world.atrion.snapshot())
  t.deepEqual(
    ['new', 'operational', 'broken'].map((id) => copy.atrion.getState(id).mode),
    ['BOOTSTRAP', 'OPERATIONAL', 'CIRCUIT_BREAKER'],
  )
  t.deepEqual(copy.atrion.snapshot(), world.atrion.snapshot())
})

test('a snapshot has only the fields of its mode', (t) => {
  const world = broken(warm(virtual()))
  t.true(world.atrion.snapshot()[0].recoveryStartedAt > 0)
  do {
    world.clock.advance(5000)
  } while (world.atrion.route('route', CALM).mode === 'CIRCUIT_BREAKER')
  t.is(world.atrion.snapshot()[0].recoveryStartedAt, 0)
})

test('a snapshot is plain JSON, a route each, and says everything', (t) => {
  const world = warm(virtual())
  world.atrion.route('route', { ...MILD, errorRate: Number.NaN })
  const [snapshot, ...others] = world.atrion.snapshot()
  t.deepEqual(others, [])
  t.deepEqual(JSON.parse(JSON.stringify(snapshot)), snapshot)
  t.deepEqual(snapshot, {
    routeId: 'route',
    mode: 'OPERATIONAL',
    pressure: { latency: snapshot.pressure.latency, error: 0, saturation: 0 },
    previousPressure: { latency: 0, error: 0, saturation: 0 },
    momentum: snapshot.pressure.latency / 100,
    scarTissue: 0,
    resistance: snapshot.resistance,
    tickCount: 11,
    lastUpdatedAt: world.clock.now(),
    recoveryStartedAt: 0,
    tuner: { mean: snapshot.resistance, variance: 0, count: 1 },
    rejectedSamples: 1,
  })
})

test('an empty instance has an empty snapshot, and restoring it changes nothing', (t) => {
  const world = warm(virtual())
  t.deepEqual(create().snapshot(), [])
  const before = world.atrion.snapshot()
  world.atrion.restore([])
  t.deepEqual(world.atrion.snapshot(), before)
})

test('restoring overwrites the routes it names, and no other', (t) => {
  const world = warm(virtual(), 'a')
  const [calm] = world.atrion.snapshot()
  drive(world, 'a', BAD, 10)
  drive(world, 'b', BAD, 30)
  const b = world.atrion.getState('b')
  world.atrion.restore([calm])
  t.deepEqual(
    world.atrion.snapshot().find(({ routeId }) => routeId === 'a'),
    calm,
  )
  t.deepEqual(world.atrion.getState('b'), b)
})

test('a restored route is governed by the profile it has here', (t) => {
  const world = warm(virtual())
  const copy = virtual()
  copy.clock.set(world.clock.now())
  copy.atrion.setRouteProfile('route', { scarFactor: 20 })
  copy.atrion.restore(world.atrion.snapshot())
  copy.atrion.route('route', BAD)
  t.true(Math.abs(copy.atrion.getState('route').scarTissue - 20) < 1e-9)
})

test('names survive, whatever they are', (t) => {
  const world = virtual()
  for (const routeId of HOSTILE_NAMES) world.atrion.route(routeId, CALM)
  const copy = virtual()
  copy.atrion.restore(JSON.parse(JSON.stringify(world.atrion.snapshot())))
  t.deepEqual(copy.atrion.getRoutes().sort(), [...HOSTILE_NAMES].sort())
})

test('times before zero are times like any other', (t) => {
  const world = virtual()
  world.clock.set(-5000)
  broken(world)
  const copy = virtual()
  copy.atrion.restore(world.atrion.snapshot())
  t.deepEqual(copy.atrion.getState('route'), world.atrion.getState('route'))
})

// malformed ones

const valid = () => warm(virtual()).atrion.snapshot()[0]

const BREAKAGES = [
  ['routeId', ''],
  ['routeId', 5],
  ['routeId', undefined],
  ['mode', 'OPEN'],
  ['mode', undefined],
  ['mode', 'toString'],
  ['pressure', null],
  ['pressure.latency', 1.01],
  ['pressure.error', Number.NaN],
  ['pressure.saturation', '0'],
  ['previousPressure', undefined],
  ['previousPressure.latency', -2],
  ['momentum', -1],
  ['momentum', null],
  ['scarTissue', -0.1],
  ['scarTissue', Number.POSITIVE_INFINITY],
  ['resistance', 'ten'],
  ['resistance', undefined],
  ['tickCount', 1.5],
  ['tickCount', -1],
  ['tickCount', 2 ** 32],
  ['lastUpdatedAt', Number.NaN],
  ['lastUpdatedAt', '2026'],
  ['recoveryStartedAt', {}],
  ['tuner', 5],
  ['tuner.mean', -1],
  ['tuner.variance', Number.NaN],
  ['tuner.count', 0.5],
  ['rejectedSamples', -1],
]

const withValue = (snapshot, path, value) => {
  const [first, second] = path.split('.')
  return second === undefined
    ? { ...snapshot, [first]: value }
    : { ...snapshot, [first]: { ...snapshot[first], [second]: value } }
}

test('a malformed snapshot names the field, and none of it is taken over', (t) => {
  for (const [path, value] of BREAKAGES) {
    const world = virtual()
    const snapshot = [{ ...valid(), routeId: 'fine' }, withValue(valid(), path, value)]
    const error = t.throws(() => world.atrion.restore(snapshot), { instanceOf: ConfigError }, path)
    t.is(error.field, `snapshot[1].${path}`)
    t.is(error.got, value)
    t.is(error.code, 'ATRION_CONFIG')
    t.true(error.message.startsWith(`snapshot[1].${path} must be `), error.message)
    t.deepEqual(world.atrion.getRoutes(), [], path)
  }
})

test('an argument that is no snapshot is refused', (t) => {
  const { atrion } = virtual()
  for (const bad of [undefined, null, {}, 'x', 5, [null], [5], ['route'], [[]]]) {
    t.throws(() => atrion.restore(bad), { instanceOf: ConfigError })
  }
  t.deepEqual(atrion.getRoutes(), [])
})

test('restoring any JSON either works or throws a ConfigError and changes nothing', (t) => {
  const base = valid()
  const paths = [...new Set(BREAKAGES.map(([path]) => path))]
  const property = fc.property(fc.constantFrom(...paths), fc.jsonValue(), (path, value) => {
    const { atrion } = virtual()
    try {
      atrion.restore([withValue(base, path, value)])
    } catch (error) {
      return error instanceof ConfigError && atrion.getRoutes().length === 0
    }
    const { resistance } = atrion.route(atrion.getRoutes()[0], MILD)
    return resistance >= 10 && resistance <= 1e6
  })
  t.notThrows(() => fc.assert(property, { numRuns: 500 }))
})

test('values beyond what a route can have are bounded', (t) => {
  const { atrion } = virtual()
  atrion.restore([{ ...valid(), scarTissue: 1e300, resistance: 1e300 }])
  const { scarTissue, resistance } = atrion.getState('route')
  t.deepEqual([scarTissue, resistance], [1e6, 1e6])
})
