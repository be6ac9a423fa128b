// retryAfterMs is physics: a request that waits that long, while the stress stays as it is, flows.
import test from 'ava'
import { BAD, broken, CALM, create, drive, MILD, randomOf, virtual, warm } from '../_engine.mjs'

/** The same world twice: what the one is given does not change the other. */
const copyOf = ({ atrion, clock }, options) => {
  const copy = virtual(options)
  copy.clock.set(clock.now())
  copy.atrion.restore(atrion.snapshot())
  return copy
}

test('a request that flows has no retryAfterMs', (t) => {
  t.false('retryAfterMs' in warm(virtual()).atrion.route('route', CALM))
})

test('a request that waits for retryAfterMs flows, and a moment earlier would not have', (t) => {
  const random = randomOf(7)
  let refusals = 0
  let waited = 0
  for (let i = 0; i < 300; i++) {
    const options = { autoTuner: false, config: { decayRate: 0.05 + random(), scarFactor: 2 + 10 * random() } }
    const world = warm(virtual(options))
    drive(world, 'route', BAD, 1 + Math.floor(30 * random()), 20 + 400 * random())
    const telemetry = random() < 0.5 ? CALM : { ...CALM, latencyMs: 100 + 30 * random() }
    world.clock.advance(100)
    world.atrion.route('route', telemetry, 0)
    world.clock.advance(100)
    const voltage = 12 + 60 * random()
    const { allow, retryAfterMs } = world.atrion.route('route', telemetry, voltage)
    if (allow) continue
    refusals += 1
    t.true(Number.isInteger(retryAfterMs) && retryAfterMs >= 100)
    const early = copyOf(world, options)
    world.clock.advance(retryAfterMs)
    t.true(world.atrion.route('route', telemetry, voltage).allow, `run ${i}: refused after ${retryAfterMs} ms`)
    if (retryAfterMs === 100) continue
    waited += 1
    early.clock.advance(retryAfterMs - 2)
    t.false(early.atrion.route('route', telemetry, voltage).allow, `run ${i}: flowed before ${retryAfterMs} ms`)
  }
  t.true(refusals > 150 && waited > 100, `${refusals} refusals, ${waited} that had to wait`)
})

test('an open breaker closes when its retryAfterMs is over', (t) => {
  const options = { autoTuner: false }
  const world = broken(warm(virtual(options)))
  world.clock.advance(100)
  world.atrion.route('route', MILD)
  world.clock.advance(100)
  const { mode, retryAfterMs } = world.atrion.route('route', MILD)
  t.is(mode, 'CIRCUIT_BREAKER')
  const early = copyOf(world, options)
  early.clock.advance(retryAfterMs - 2)
  t.is(early.atrion.route('route', MILD).mode, 'CIRCUIT_BREAKER')
  world.clock.advance(retryAfterMs)
  t.deepEqual(
    { ...world.atrion.route('route', MILD), resistance: 0 },
    {
      allow: true,
      resistance: 0,
      mode: 'OPERATIONAL',
      reason: 'OK',
    },
  )
})

test('with a tuner that goes on learning, a few waits are enough', (t) => {
  const world = virtual()
  drive(world, 'route', CALM, 100)
  broken(world)
  world.clock.advance(100)
  let decision = world.atrion.route('route', CALM, 25)
  t.false(decision.allow)
  let waits = 0
  for (; !decision.allow && waits < 10; waits++) {
    world.clock.advance(decision.retryAfterMs)
    decision = world.atrion.route('route', CALM, 25)
  }
  t.true(decision.allow)
  t.true(waits <= 3, `${waits} waits`)
})

test('the wait is never shorter than minDeltaT', (t) => {
  for (const minDeltaT of [1, 100, 2500]) {
    const world = warm(virtual({ config: { minDeltaT } }))
    const refusal = world.atrion.route('route', { ...CALM, latencyMs: 140 }, 10.01)
    t.false(refusal.allow)
    t.is(refusal.retryAfterMs, minDeltaT)
  }
})

test('there is none when waiting alone will not do', (t) => {
  const atOrBelowBase = warm(virtual())
  t.false('retryAfterMs' in atOrBelowBase.atrion.route('route', CALM, 10))
  t.false('retryAfterMs' in atOrBelowBase.atrion.route('route', CALM, 0))

  const healsNever = warm(virtual({ config: { decayRate: 0 } }))
  drive(healsNever, 'route', BAD, 5)
  t.false('retryAfterMs' in healsNever.atrion.route('route', CALM, 20))

  const heldOpen = virtual({ autoTuner: false, config: { baseResistance: 1, breakMultiplier: 5 } })
  drive(heldOpen, 'route', BAD, 30)
  const refusal = heldOpen.atrion.route('route', BAD)
  t.is(refusal.mode, 'CIRCUIT_BREAKER')
  t.true(refusal.retryAfterMs === undefined || refusal.retryAfterMs > 0)
})

test('a bootstrap that asks for more than the voltage says how long, or nothing', (t) => {
  const atrion = create({ defaultVoltage: 11 })
  const refusal = atrion.route('route', CALM)
  t.is(refusal.mode, 'BOOTSTRAP')
  t.false(refusal.allow)
  t.is(refusal.retryAfterMs, 100)
})
