// Explanations: the terms of R sum to R to the last bit, whatever the route went through, and say what would have been admitted.
import { inspect } from 'node:util'
import { isShedError } from 'atrion'
import test from 'ava'
import { BAD, broken, CALM, create, drive, engine, randomOf, virtual, warm } from '../_engine.mjs'

const TERMS = ['base', 'pressure', 'momentum', 'scar', 'cluster', 'occupancy', 'queueAge', 'process']
const sum = (terms) => Object.values(terms).reduce((total, term) => total + term, 0)

/** Checks what holds of every explanation. */
const holds = (t, decision, voltage) => {
  const explained = decision.explain()
  const { terms, resistance, margin, limitedBy, admittedAt } = explained
  if (!('total' in terms)) t.deepEqual(Object.keys(terms), TERMS)
  t.is(sum(terms), resistance, inspect(explained))
  t.is(resistance, decision.resistance)
  t.is(explained.voltage, voltage)
  t.is(margin, voltage - resistance)
  t.is(admittedAt.ms, limitedBy === undefined ? 0 : decision.retryAfterMs)
  t.deepEqual(JSON.parse(JSON.stringify(explained)).terms, terms)
  return explained
}

test('of a decision: the same keys and values as before, and an explanation besides', (t) => {
  const world = warm(virtual())
  const decision = world.atrion.route('route', CALM)
  t.deepEqual(decision, { allow: true, resistance: 10, mode: 'OPERATIONAL', reason: 'OK' })
  t.deepEqual(Object.keys(decision), ['allow', 'resistance', 'mode', 'reason'])
  t.deepEqual(structuredClone(decision), { ...decision })
  const { terms, margin, limitedBy, admittedAt } = holds(t, decision, 100)
  t.deepEqual([terms.base, terms.scar, margin, limitedBy, admittedAt.ms], [10, 0, 90, undefined, 0])
  t.true(admittedAt.voltage > 10 && admittedAt.voltage < 10.1)
})

test('of a refusal: its terms are its own, whatever comes after', (t) => {
  const world = warm(virtual())
  world.atrion.route('route', BAD)
  world.clock.advance(100)
  const refusal = world.atrion.route('route', BAD, 12)
  t.false(refusal.allow)
  const before = holds(t, refusal, 12)
  drive(world, 'route', CALM, 600)
  t.deepEqual(refusal.explain(), before)
  t.is(before.limitedBy, 'scar')
  t.true(before.terms.scar > 0 && before.terms.pressure > 0)
})

test('the voltage that it names would have flowed, and R itself would not', (t) => {
  const states = () => {
    const world = warm(virtual())
    world.atrion.route('route', BAD)
    world.clock.advance(100)
    return world
  }
  const { voltage } = states().atrion.route('route', BAD, 1).explain().admittedAt
  t.true(states().atrion.route('route', BAD, voltage).allow)
  t.false(states().atrion.route('route', BAD, states().atrion.route('route', BAD, 1).resistance).allow)
})

test('causes that no voltage overcomes name none', (t) => {
  const world = broken(virtual())
  const { limitedBy, admittedAt } = holds(t, world.atrion.route('route', BAD), 100)
  t.is(limitedBy, 'breaker')
  t.is(admittedAt.voltage, undefined)
  world.atrion.override('other', 'open')
  const ordered = world.atrion.route('other', CALM)
  t.is(ordered.reason, 'override')
  const explained = holds(t, ordered, 100)
  t.deepEqual([explained.limitedBy, explained.admittedAt.voltage], ['override', undefined])
})

test('random histories of the open loop', (t) => {
  const random = randomOf(7)
  for (let i = 0; i < 40; i++) {
    const world = virtual({
      config: { baseResistance: 0.1 + random() * 100, dampingFactor: random() * 1e4, scarFactor: random() * 1e3 },
      slo: { criticality: { latency: random() * 10, error: random() * 10, saturation: 3 } },
      autoTuner: random() < 0.5,
    })
    for (let tick = 0; tick < 40; tick++) {
      const telemetry = { latencyMs: random() ** 8 * 1e5, errorRate: random(), saturation: random() }
      const voltage = random() * 200
      const decision = world.atrion.route('route', telemetry, voltage)
      const { terms } = holds(t, decision, voltage)
      t.false('total' in terms)
      world.clock.advance(Math.floor(random() ** 4 * 5_000))
    }
  }
})

test('states at the bounds of R', (t) => {
  const random = randomOf(11)
  for (const scar of [0, 1e-8, 1, 999_999.5, 1e6]) {
    for (const axis of [-1, -0.3, 0, 1]) {
      const world = warm(virtual({ autoTuner: false }))
      const [snapshot] = world.atrion.snapshot()
      const pressure = { latency: axis, error: axis, saturation: axis }
      world.atrion.restore([{ ...snapshot, pressure, scarTissue: scar, momentum: random(), mode: 'OPERATIONAL' }])
      const { terms } = holds(t, world.atrion.route('route', CALM, -1), -1)
      t.false('total' in terms, `${scar} ${axis}`)
    }
  }
})

test('of a request that flowed: until the R of its route changes; then a single term', (t) => {
  const world = warm(virtual())
  const decision = world.atrion.route('route', BAD, 1e6)
  world.atrion.route('other', CALM)
  t.true(holds(t, decision, 1e6).terms.scar > 0)
  world.clock.advance(1_000)
  world.atrion.route('route', CALM)
  t.deepEqual(holds(t, decision, 1e6).terms, { total: decision.resistance })
})

test('a dry run explains what would have been refused', (t) => {
  const world = broken(virtual({ dryRun: true }))
  const decision = world.atrion.route('route', BAD)
  t.true(decision.allow)
  t.is(holds(t, decision, 100).limitedBy, 'breaker')
})

if (engine !== 'ts') {
  test('of permits: random loads of the closed loop', (t) => {
    const random = randomOf(3)
    const causes = new Set()
    for (let i = 0; i < 12; i++) {
      const { atrion, clock } = virtual({ slo: { maxAcceptableLatencyMs: 50 + random() * 500 } })
      const out = []
      for (let n = 0; n < 1_500; n++) {
        const permit = atrion.acquire('route', {
          ...(random() < 0.5 ? { tier: 'bulk' } : { voltage: random() * 400 }),
          ...(random() < 0.3 && { key: `k${Math.floor(random() * 5)}` }),
          saturation: random() ** 6 * 1.5,
          queueAgeMs: random() ** 3 * 800,
        })
        const { limitedBy, terms } = holds(t, permit, permit.voltage)
        t.is(limitedBy, permit.limitedBy)
        t.false('total' in terms)
        causes.add(limitedBy)
        if (permit.allow) out.push(permit)
        clock.advance(random() * 8)
        if (out.length > 20 || random() < 0.4) out.shift()?.release(random() < 0.2 ? 'failure' : 'success')
      }
    }
    for (const cause of [undefined, 'occupancy', 'queue_age', 'process']) t.true(causes.has(cause), `${cause}`)
  })

  test('the largest of occupancy, queue and process counts, and the others are zero', (t) => {
    const { atrion } = virtual()
    const permit = atrion.acquire('route', { tier: 'bulk', saturation: 3 })
    t.false(permit.allow)
    t.is(permit.limitedBy, 'process')
    t.is(
      permit.reason,
      `The process is short of capacity: V=${Math.round(permit.voltage * 10) / 10} ≤ R=${permit.resistance.toFixed(1)}Ω`,
    )
    const { terms } = permit.explain()
    t.true(terms.process > 100)
    t.deepEqual([terms.occupancy, terms.queueAge], [0, 0])
  })

  test('of a permit: known for 128 decisions, and of a refusal for ever', (t) => {
    const { atrion } = virtual()
    const permit = atrion.acquire('a')
    const refusal = atrion.acquire('b', { saturation: 5 })
    for (let i = 0; i < 100; i++) atrion.acquire(`r${i}`)
    permit.release()
    t.false('total' in permit.explain().terms)
    for (let i = 0; i < 100; i++) atrion.acquire(`r${i}`)
    t.deepEqual(permit.explain().terms, { total: permit.resistance })
    t.true(refusal.explain().terms.process > 0)
    t.is(sum(refusal.explain().terms), refusal.resistance)
  })

  test('an order names itself, and neither V nor NaN', async (t) => {
    const atrion = create()
    atrion.override('route', 'open')
    const permit = atrion.acquire('route')
    t.is(permit.limitedBy, 'override')
    t.notRegex(`${permit.reason} ${JSON.stringify(permit)}`, /NaN|null/)
    const error = await t.throwsAsync(atrion.run('route', () => 1))
    t.true(isShedError(error))
    t.notRegex(error.message, /NaN|undefined/)
    t.deepEqual([error.limitedBy, error.tier], ['override', 'normal'])
  })
}
