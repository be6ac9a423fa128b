import { ConfigError, PROFILE_CONFIGS } from 'atrion'
import test from 'ava'
import { BAD, broken, CALM, create, drive, virtual, warm } from '../_engine.mjs'

const near = (t, actual, expected) =>
  t.true(Math.abs(actual - expected) <= 1e-9 * Math.max(1, Math.abs(expected)), `${actual} is not ${expected}`)

const latencyPressure = ({ atrion }, routeId = 'route') => atrion.getState(routeId).pressure.latency

/** Trauma without latency, so that a profile's baseline plays no part. */
const FAILING = { latencyMs: 100, errorRate: 1, saturation: 1 }

test('a profile really changes the baseline', (t) => {
  for (const [profile, { baselineLatencyMs }] of Object.entries(PROFILE_CONFIGS)) {
    const world = virtual()
    world.atrion.setRouteProfile('route', profile)
    world.atrion.route('route', { latencyMs: baselineLatencyMs * 1.5 })
    near(t, latencyPressure(world), Math.tanh(0.5))
  }
})

test('a profile really scales the scar', (t) => {
  for (const [profile, { scarMultiplier }] of Object.entries(PROFILE_CONFIGS)) {
    const world = warm(virtual())
    world.atrion.setRouteProfile('route', profile)
    world.atrion.route('route', FAILING)
    near(t, world.atrion.getState('route').scarTissue, 5 * scarMultiplier)
  }
})

test('STANDARD keeps the objective: an slo of the instance holds until a profile replaces its baseline', (t) => {
  const world = virtual({ slo: { baselineLatencyMs: 40 } })
  world.atrion.route('route', { latencyMs: 60 })
  near(t, latencyPressure(world), Math.tanh(0.5))
  world.atrion.setRouteProfile('route', 'HEAVY')
  world.atrion.route('route', { latencyMs: 7500 })
  near(t, latencyPressure(world), Math.tanh(0.5))
})

test('a profile for one call judges that call and no other', (t) => {
  const world = warm(virtual())
  world.atrion.route('route', { latencyMs: 7500, errorRate: 0.01, saturation: 0.5 }, { profile: 'HEAVY' })
  near(t, latencyPressure(world), Math.tanh(0.5))
  t.is(world.atrion.getRouteProfile('route'), 'STANDARD')
  world.clock.advance(100)
  world.atrion.route('route', { latencyMs: 150, errorRate: 0.01, saturation: 0.5 })
  near(t, latencyPressure(world), Math.tanh(0.5))
})

test('a profile for one call goes with a voltage', (t) => {
  const world = warm(virtual())
  const heavy = { latencyMs: 5000, errorRate: 0.01, saturation: 0.5 }
  t.true(world.atrion.route('route', heavy, { profile: 'HEAVY', voltage: 50 }).allow)
  t.false(world.atrion.route('route', heavy, { profile: 'HEAVY', voltage: 10 }).allow)
})

test('a profile for one call replaces the one of the route, and keeps its other numbers', (t) => {
  const world = warm(virtual())
  world.atrion.setRouteProfile('route', { profile: 'LIGHT', scarFactor: 7 })
  world.atrion.route('route', FAILING, { profile: 'HEAVY' })
  near(t, world.atrion.getState('route').scarTissue, 7 * 0.5)
})

test('a profile of your own for one call', (t) => {
  const world = warm(virtual())
  world.atrion.route('route', { latencyMs: 30 }, { profile: { baselineLatencyMs: 20, scarMultiplier: 3 } })
  near(t, latencyPressure(world), Math.tanh(0.5))
})

test('a new profile with every call does not use up what there is of them', (t) => {
  const world = warm(virtual())
  for (let i = 1; i <= 70_000; i++) {
    const baselineLatencyMs = 10 + i / 7
    world.atrion.route('route', { latencyMs: baselineLatencyMs * 1.5 }, { profile: { baselineLatencyMs } })
  }
  near(t, latencyPressure(world), Math.tanh(0.5))
  world.atrion.setRouteProfile('other', { scarFactor: 1.25 })
  warm(world, 'other')
  world.atrion.route('other', FAILING)
  near(t, world.atrion.getState('other').scarTissue, 1.25)
})

test('changing a profile over and over does not use up what there is of them', (t) => {
  const world = warm(virtual())
  for (let i = 1; i <= 70_000; i++) world.atrion.setRouteProfile('route', { scarFactor: i / 7 })
  world.atrion.route('route', FAILING)
  near(t, world.atrion.getState('route').scarTissue, 10_000)
})

test('a route by numbers: { scarFactor: 2 } protects it, { scarFactor: 20 } sheds it early', (t) => {
  const world = virtual()
  world.atrion.setRouteProfile('checkout', { scarFactor: 2 })
  world.atrion.setRouteProfile('search', { scarFactor: 20 })
  const shedAt = ['checkout', 'search', 'other'].map((routeId) => {
    warm(world, routeId)
    let ticks = 0
    for (; ticks < 500 && world.atrion.route(routeId, FAILING).allow; ticks++) world.clock.advance(100)
    return ticks
  })
  t.true(shedAt[1] < shedAt[2] && shedAt[2] < shedAt[0], shedAt.join())
})

test('the physics constants can be overridden for a route', (t) => {
  const constants = {
    baseResistance: 20,
    decayRate: 1,
    scarFactor: 1,
    dampingFactor: 0,
    criticalPressure: 0.1,
    breakMultiplier: 3,
    bootstrapTicks: 1,
    tanhScale: 2,
  }
  const world = virtual({ autoTuner: false })
  world.atrion.setRouteProfile('route', constants)
  const first = world.atrion.route('route', { ...CALM, latencyMs: 120 })
  t.is(first.mode, 'OPERATIONAL')
  const p = Math.tanh(2 * 0.2)
  near(t, first.resistance, 20 + p * Math.log(6) + 1)
  world.clock.advance(1000)
  near(t, world.atrion.route('route', { ...CALM, latencyMs: 120 }).resistance, 20 + p * Math.log(6) + 1 + Math.exp(-1))
  for (let i = 0; i < 40; i++) world.atrion.route('route', BAD)
  t.is(world.atrion.getState('route').mode, 'CIRCUIT_BREAKER')
  t.true(world.atrion.getState('route').resistance >= 60)
})

test('the shortest wait of a route is its minDeltaT', (t) => {
  const { atrion } = virtual({ defaultVoltage: 11 })
  atrion.setRouteProfile('route', { minDeltaT: 7 })
  t.is(atrion.route('route', CALM).retryAfterMs, 7)
  t.is(atrion.route('other', CALM).retryAfterMs, 100)
})

test('an slo for a route: what is left out keeps the value of the instance', (t) => {
  const world = virtual({ slo: { targetErrorRate: 0.1 } })
  world.atrion.setRouteProfile('route', { slo: { baselineLatencyMs: 20, criticality: { latency: 10 } } })
  drive(world, 'route', { latencyMs: 20, errorRate: 0.1, saturation: 0.5 }, 11)
  t.is(world.atrion.getState('route').resistance, 10)
  world.clock.advance(1e6)
  world.atrion.route('route', { latencyMs: 30, errorRate: 0.1, saturation: 0.5 })
  const { resistance, momentum } = world.atrion.getState('route')
  near(t, resistance, 10 + Math.tanh(0.5) * Math.log(11) + 20 * momentum)
})

test('limits of a route are accepted and checked', (t) => {
  const atrion = create()
  const limits = { min: 2, max: 8, initial: 4 }
  atrion.setRouteProfile('route', { limits })
  t.deepEqual(atrion.getRouteProfile('route'), { limits })
  t.throws(() => atrion.setRouteProfile('route', { limits: { min: 9, max: 8 } }), { instanceOf: ConfigError })
  t.throws(() => atrion.setRouteProfile('route', { limits: { min: 0 } }), { message: /limits\.min.*got 0/ })
})

test('getRouteProfile() returns what was set, and it cannot be changed from outside', (t) => {
  const atrion = create()
  t.is(atrion.getRouteProfile('route'), 'STANDARD')
  atrion.setRouteProfile('route', 'HEAVY')
  t.is(atrion.getRouteProfile('route'), 'HEAVY')
  const given = { scarFactor: 2, slo: { baselineLatencyMs: 50 } }
  atrion.setRouteProfile('route', given)
  given.slo.baselineLatencyMs = 1
  t.deepEqual(atrion.getRouteProfile('route'), { scarFactor: 2, slo: { baselineLatencyMs: 50 } })
})

test('a profile set before the first call governs the first call; set later, the next one', (t) => {
  const world = virtual()
  world.atrion.setRouteProfile('early', { baseResistance: 30 })
  near(t, world.atrion.route('early', CALM).resistance, 36)
  world.atrion.route('late', CALM)
  world.atrion.setRouteProfile('late', { baseResistance: 30 })
  near(t, world.atrion.route('late', CALM).resistance, 36)
  near(t, world.atrion.route('other', CALM).resistance, 12)
})

test('a profile outlives the state of its route', async (t) => {
  const world = virtual({ maxRoutes: 2 })
  world.atrion.setRouteProfile('route', { baseResistance: 30 })
  world.atrion.route('route', CALM)
  await world.atrion.resetRoute('route')
  t.is(world.atrion.getState('route'), undefined)
  near(t, world.atrion.route('route', CALM).resistance, 36)
  for (const id of ['a', 'b', 'c']) world.atrion.route(id, CALM)
  t.is(world.atrion.getState('route'), undefined)
  near(t, world.atrion.route('route', CALM).resistance, 36)
})

test('a change of profile keeps what the route went through', (t) => {
  const world = broken(warm(virtual()))
  const before = world.atrion.getState('route')
  world.atrion.setRouteProfile('route', 'HEAVY')
  t.deepEqual(world.atrion.getState('route'), before)
})

test('a profile that cannot be honoured changes nothing', (t) => {
  const world = virtual()
  world.atrion.setRouteProfile('route', { scarFactor: 2 })
  for (const bad of [
    'FAST',
    '',
    'toString',
    '__proto__',
    5,
    null,
    { scarFactor: -1 },
    { speed: 1 },
    { profile: 'FAST' },
  ]) {
    t.throws(() => world.atrion.setRouteProfile('route', bad), { instanceOf: ConfigError })
    t.deepEqual(world.atrion.getRouteProfile('route'), { scarFactor: 2 })
  }
  t.throws(() => world.atrion.route('route', CALM, { profile: 'FAST' }), {
    instanceOf: ConfigError,
    message: /options\.profile must be LIGHT, STANDARD, HEAVY, EXTREME, CUSTOM or a profile of your own, got "FAST"/,
  })
})

test('a call that names an unknown profile makes no route', (t) => {
  const { atrion } = virtual()
  t.throws(() => atrion.route('route', CALM, { profile: 'FAST' }))
  t.throws(() => atrion.route('route', CALM, { voltage: '5' }))
  t.deepEqual(atrion.getRoutes(), [])
})

test('configure() of a route keeps what the changes do not give, within slo and limits as well', (t) => {
  const { atrion } = virtual()
  atrion.setRouteProfile('route', {
    profile: 'HEAVY',
    slo: { maxAcceptableLatencyMs: 900 },
    limits: { min: 2, max: 50 },
    scarFactor: 3,
  })
  atrion.configure('route', { limits: { max: 40, min: undefined }, slo: { targetErrorRate: 0.02 }, pool: undefined })
  t.deepEqual(atrion.getRouteProfile('route'), {
    profile: 'HEAVY',
    slo: { maxAcceptableLatencyMs: 900, targetErrorRate: 0.02 },
    limits: { min: 2, max: 40 },
    scarFactor: 3,
  })
  t.throws(() => atrion.configure('route', { limits: { min: 45 } }), { instanceOf: ConfigError })
  t.is(atrion.getRouteProfile('route').limits.min, 2)
  t.throws(() => atrion.configure('route', 'HEAVY'), { instanceOf: Error })
})
