import test from 'ava'
import { BAD, broken, CALM, create, drive, engine, MILD, memoryLogger, virtual, warm } from '../_engine.mjs'

const near = (t, actual, expected, tolerance = 1e-9) =>
  t.true(Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected)), `${actual} is not ${expected}`)

test('the instance says which engine it runs on', (t) => {
  const atrion = create()
  t.is(atrion.engine, engine)
  t.is(atrion.usingWasm, engine === 'wasm')
})

// modes

test('a new route bootstraps: nine ticks at 1.2 R_base, the tenth is OPERATIONAL', (t) => {
  const world = virtual()
  const decisions = drive(world, 'route', CALM, 10)
  for (const decision of decisions.slice(0, 9)) {
    t.deepEqual(decision, { allow: true, resistance: 12, mode: 'BOOTSTRAP', reason: 'OK' })
  }
  t.deepEqual(decisions[9], { allow: true, resistance: 10, mode: 'OPERATIONAL', reason: 'OK' })
})

test('during the bootstrap stress does nothing but be remembered', (t) => {
  const world = virtual()
  t.is(drive(world, 'route', BAD, 9).at(-1).resistance, 12)
  const state = world.atrion.getState('route')
  t.is(state.scarTissue, 0)
  near(t, state.pressure.latency, 1)
  t.is(state.previousPressure, undefined)
  t.is(state.momentum, undefined)
  t.is(state.tickCount, 9)
})

test('a route on its baselines has R_base; R follows the laws of pressure, momentum and scar', (t) => {
  const world = warm(virtual())
  t.is(world.atrion.route('route', CALM).resistance, 10)
  world.clock.advance(100)
  const p = Math.tanh(0.3)
  near(t, world.atrion.route('route', MILD).resistance, 10 + p * Math.log(6) + (20 * p) / 100)
  world.clock.advance(100)
  near(t, world.atrion.route('route', MILD).resistance, 10 + p * Math.log(6))
})

test('trauma scars by scarFactor and the scar halves every 6.9 s', (t) => {
  const world = warm(virtual())
  world.atrion.route('route', BAD)
  near(t, world.atrion.getState('route').scarTissue, 5)
  world.clock.advance((Math.LN2 / 0.1) * 1000)
  world.atrion.route('route', CALM)
  near(t, world.atrion.getState('route').scarTissue, 2.5)
})

test('doing better than expected is never trauma', (t) => {
  const world = warm(virtual())
  drive(world, 'route', { latencyMs: 0, errorRate: 0, saturation: 0 }, 50)
  const state = world.atrion.getState('route')
  t.is(state.scarTissue, 0)
  t.is(state.resistance, 10)
})

test('the breaker opens when R reaches the break point, refuses everything, and closes by itself', (t) => {
  const world = warm(virtual({ autoTuner: false }))
  const decisions = []
  while (decisions.at(-1)?.mode !== 'CIRCUIT_BREAKER') {
    decisions.push(world.atrion.route('route', BAD, 1e9))
    world.clock.advance(100)
  }
  t.true(decisions.at(-1).resistance >= 100)
  t.true(decisions.slice(0, -1).every(({ resistance, mode }) => resistance < 100 && mode === 'OPERATIONAL'))
  const refusal = decisions.at(-1)
  t.false(refusal.allow)
  t.is(refusal.reason, 'Circuit breaker open')

  const { recoveryStartedAt } = world.atrion.getState('route')
  t.is(recoveryStartedAt, world.clock.now() - 100)
  let decision
  do {
    world.clock.advance(1000)
    decision = world.atrion.route('route', CALM)
    if (decision.mode === 'CIRCUIT_BREAKER') {
      t.true(decision.resistance >= 50)
      t.is(world.atrion.getState('route').recoveryStartedAt, recoveryStartedAt)
    }
  } while (decision.mode === 'CIRCUIT_BREAKER')
  t.true(decision.allow)
  t.true(decision.resistance < 50)
  t.false('recoveryStartedAt' in world.atrion.getState('route'))
})

test('a breaker opened by momentum alone closes as soon as wound and stress are gone', (t) => {
  const world = warm(virtual({ autoTuner: false, config: { breakMultiplier: 1.01, baseResistance: 1000 } }))
  world.clock.set(world.clock.now() - 99.9)
  t.is(world.atrion.route('route', { ...CALM, latencyMs: 160 }).mode, 'CIRCUIT_BREAKER')
  world.clock.advance(1000)
  const decision = world.atrion.route('route', CALM, 2000)
  t.is(decision.mode, 'OPERATIONAL')
  t.true(decision.resistance < 1000.1)
})

test('one change of mode a tick: the last tick of the bootstrap cannot break', (t) => {
  const world = virtual({ config: { bootstrapTicks: 2, scarFactor: 1000 } })
  t.deepEqual(
    drive(world, 'route', BAD, 3).map(({ mode }) => mode),
    ['BOOTSTRAP', 'OPERATIONAL', 'CIRCUIT_BREAKER'],
  )
})

test('bootstrapTicks 0 and 1 make the first call operational', (t) => {
  for (const bootstrapTicks of [0, 1]) {
    t.is(virtual({ config: { bootstrapTicks } }).atrion.route('route', CALM).mode, 'OPERATIONAL')
  }
})

test('time that runs backwards is no time: no momentum, no healing, and the route keeps its own clock', (t) => {
  const world = warm(virtual())
  world.atrion.route('route', BAD)
  const before = world.atrion.getState('route')
  world.clock.advance(-60_000)
  const { resistance } = world.atrion.route('route', MILD)
  const after = world.atrion.getState('route')
  t.is(after.momentum, 0)
  t.is(after.scarTissue, before.scarTissue)
  t.is(after.lastUpdatedAt, before.lastUpdatedAt)
  near(t, resistance, 10 + Math.tanh(0.3) * Math.log(6) + before.scarTissue)
})

test('a clock that reports no number is a clock that stands still', (t) => {
  let now = 5000
  const atrion = create({ clock: { now: () => now } })
  atrion.route('route', CALM)
  now = Number.NaN
  t.is(atrion.route('route', CALM).mode, 'BOOTSTRAP')
  t.is(atrion.getState('route').lastUpdatedAt, 5000)
})

test('an instant is enough for an infinite change: R stays a number, and so does what a snapshot holds', (t) => {
  let now = 0
  const atrion = create({ clock: { now: () => now }, config: { bootstrapTicks: 1, dampingFactor: 0 } })
  atrion.route('route', CALM)
  now = 1e-320
  const { resistance } = atrion.route('route', { ...CALM, latencyMs: 200 })
  near(t, resistance, 10 + Math.tanh(1) * Math.log(6) + 5)
  t.true(Number.isFinite(atrion.snapshot()[0].momentum))
})

test('without a clock of its own an instance runs on real time', (t) => {
  const atrion = create({ config: { bootstrapTicks: 1 } })
  const before = Date.now()
  atrion.route('route', CALM)
  t.true(Math.abs(atrion.getState('route').lastUpdatedAt - before) < 60_000)
})

// voltage

test('V must be greater than R, not equal to it', (t) => {
  const world = warm(virtual())
  t.false(world.atrion.route('route', CALM, 10).allow)
  t.true(world.atrion.route('route', CALM, 10.000001).allow)
})

test('a voltage is a number, a field of the options, or the default of 100 V', (t) => {
  const world = warm(virtual({ config: { baseResistance: 50 } }))
  const allows = (...options) => world.atrion.route('route', CALM, ...options).allow
  t.true(allows())
  t.true(allows(undefined))
  t.true(allows({}))
  t.true(allows(51))
  t.true(allows({ voltage: 51 }))
  t.false(allows(50))
  t.false(allows({ voltage: 50 }))
  t.false(allows(0))
})

test('defaultVoltage is the voltage of a request that names none', (t) => {
  const world = warm(virtual({ defaultVoltage: 9 }))
  t.is(world.atrion.route('route', CALM).reason, 'Insufficient voltage: V=9 ≤ R=10.0Ω')
  t.true(world.atrion.route('route', CALM, 11).allow)
})

test('a voltage that is noise neither refuses a request nor lets it pass all others', (t) => {
  const world = warm(virtual({ config: { baseResistance: 200 } }))
  for (const voltage of [Number.NaN, Number.POSITIVE_INFINITY]) {
    t.is(world.atrion.route('route', CALM, voltage).reason, 'Insufficient voltage: V=100 ≤ R=200.0Ω')
    t.is(world.atrion.route('route', CALM, { voltage }).allow, false)
  }
})

// reasons

test('the three reasons', (t) => {
  const world = warm(virtual())
  t.is(world.atrion.route('route', CALM).reason, 'OK')
  const { resistance, reason } = world.atrion.route('route', { ...CALM, latencyMs: 1e6 }, 15)
  t.is(reason, `Insufficient voltage: V=15 ≤ R=${resistance.toFixed(1)}Ω`)
  t.is(broken(world).atrion.route('route', BAD).reason, 'Circuit breaker open')
})

test('error rate and saturation default to 0', (t) => {
  const worlds = [virtual(), virtual()]
  for (const [i, telemetry] of [{ latencyMs: 300 }, { latencyMs: 300, errorRate: 0, saturation: 0 }].entries()) {
    drive(worlds[i], 'route', telemetry, 30)
  }
  t.deepEqual(worlds[0].atrion.snapshot(), worlds[1].atrion.snapshot())
})

// the tuner

test('the tuner sees every R outside the bootstrap, and is warm after warmupTicks', (t) => {
  const world = virtual()
  drive(world, 'route', CALM, 10)
  t.is(world.atrion.getTunerStats('route').sampleCount, 0)
  world.clock.advance(100)
  drive(world, 'route', CALM, 49)
  t.false(world.atrion.getTunerStats('route').isWarmedUp)
  drive(world, 'route', CALM, 1)
  t.deepEqual(world.atrion.getTunerStats('route'), { mean: 10, stdDev: 0, sampleCount: 50, isWarmedUp: true })
})

test('a warm tuner breaks at μ + kσ within its bounds, long before the static point', (t) => {
  const world = virtual()
  drive(world, 'route', CALM, 80)
  const decisions = []
  do {
    world.clock.advance(100)
    decisions.push(world.atrion.route('route', BAD, 1e9))
  } while (decisions.at(-1).mode !== 'CIRCUIT_BREAKER' && decisions.length < 100)
  const { resistance } = decisions.at(-1)
  t.true(resistance >= 30 && resistance < 100, `${resistance}`)
  const { mean, stdDev } = world.atrion.getTunerStats('route')
  t.true(resistance >= Math.max(30, mean + 3 * stdDev))
})

test('the tuner keeps learning while the breaker is open', (t) => {
  const world = virtual()
  drive(world, 'route', CALM, 80)
  broken(world)
  const before = world.atrion.getTunerStats('route').sampleCount
  world.clock.advance(100)
  world.atrion.route('route', BAD)
  t.is(world.atrion.getTunerStats('route').sampleCount, before + 1)
})

test('each route has a tuner of its own', (t) => {
  const world = virtual()
  drive(world, 'calm', CALM, 80)
  drive(world, 'slow', { ...CALM, latencyMs: 150 }, 80)
  t.true(world.atrion.getTunerStats('slow').mean > world.atrion.getTunerStats('calm').mean)
})

test('without a tuner the break point is static and there are no statistics', (t) => {
  const world = virtual({ autoTuner: false })
  drive(world, 'route', CALM, 80)
  t.is(world.atrion.getTunerStats('route'), undefined)
  t.is(world.atrion.getTunerStats(), undefined)
  t.true(broken(world).atrion.getState('route').resistance >= 100)
})

test('options of the tuner are honoured', (t) => {
  const world = virtual({ autoTuner: { warmupTicks: 5, minFloor: 11, hardCeiling: 12, sensitivity: 0 } })
  drive(world, 'route', CALM, 20)
  world.clock.advance(100)
  t.is(world.atrion.route('route', BAD).mode, 'CIRCUIT_BREAKER')
})

test('statistics of all routes are pooled', (t) => {
  const world = virtual()
  drive(world, 'a', CALM, 20)
  drive(world, 'b', { ...CALM, latencyMs: 150 }, 50)
  drive(world, 'new', CALM, 1)
  const [a, b] = ['a', 'b'].map((id) => world.atrion.getTunerStats(id))
  const pooled = world.atrion.getTunerStats()
  t.is(pooled.sampleCount, 10 + 40)
  t.true(pooled.isWarmedUp)
  near(t, pooled.mean, (10 * a.mean + 40 * b.mean) / 50)
  const square = ({ mean, stdDev }) => stdDev ** 2 + mean ** 2
  near(t, pooled.stdDev, Math.sqrt((10 * square(a) + 40 * square(b)) / 50 - pooled.mean ** 2), 1e-6)
})

test('statistics of a route that is not there are undefined; without routes they are empty', (t) => {
  const { atrion } = virtual()
  t.is(atrion.getTunerStats('nowhere'), undefined)
  t.deepEqual(atrion.getTunerStats(), { mean: 0, stdDev: 0, sampleCount: 0, isWarmedUp: false })
})

test('a slow ramp is not learnt as normal beyond the hard ceiling', (t) => {
  const world = virtual({ autoTuner: { hardCeiling: 40 } })
  drive(world, 'route', CALM, 80)
  const modes = new Set()
  for (let i = 0; i < 3000; i++) {
    world.clock.advance(1000)
    modes.add(world.atrion.route('route', { ...CALM, latencyMs: 100 + i }).mode)
  }
  t.true(modes.has('CIRCUIT_BREAKER'))
})

// asking

test('routes are listed once they were called, and a route that was not has no state', (t) => {
  const { atrion } = virtual()
  t.deepEqual(atrion.getRoutes(), [])
  t.is(atrion.getState('a'), undefined)
  atrion.route('a', CALM)
  atrion.route('b', CALM)
  atrion.getState('c')
  t.deepEqual(atrion.getRoutes().sort(), ['a', 'b'])
})

test('two instances share nothing', (t) => {
  const [one, other] = [virtual(), virtual()]
  drive(one, 'route', BAD, 50)
  t.is(other.atrion.getState('route'), undefined)
  t.is(other.atrion.route('route', CALM).resistance, 12)
})

test('a logger that asks the same instance disturbs no answer', (t) => {
  let atrion
  const warn = () => t.false(atrion.route('log shipper', CALM, 0).allow)
  atrion = virtual({ logger: { ...memoryLogger(), warn } }).atrion
  for (const routeId of ['noisy', 'log shipper']) for (let i = 0; i < 12; i++) atrion.route(routeId, CALM)
  t.like(atrion.route('noisy', { latencyMs: Number.NaN }, 1000), { allow: true, reason: 'OK' })
  t.like(atrion.getState('noisy'), { tickCount: 13 })
})
