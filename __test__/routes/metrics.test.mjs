// metrics(): every route in one array, the same figures that stats() and getState() give one by one.
import test from 'ava'
import { BAD, CALM, create, drive, engine, HOSTILE_NAMES, randomOf, virtual } from '../_engine.mjs'

const rowOf = (atrion, routeId) => [...atrion.metrics()].find((row) => row.routeId === routeId)

test('an instance without routes has no rows', (t) => {
  const metrics = create().metrics()
  t.deepEqual(
    [metrics.size, metrics.routes, metrics.cells.length, metrics.at(0), [...metrics]],
    [0, [], 0, undefined, []],
  )
})

test('the open loop: state, order and transitions', (t) => {
  const world = virtual()
  drive(world, 'calm', CALM, 12)
  for (let i = 0; i < 40; i++) drive(world, 'bad', BAD, 2)
  world.atrion.override('calm', 'open')
  const metrics = world.atrion.metrics()
  t.deepEqual([...metrics.routes].sort(), ['bad', 'calm'])
  t.is(metrics.cells.length, 2 * metrics.stride)
  const calm = rowOf(world.atrion, 'calm')
  const state = world.atrion.getState('calm')
  t.deepEqual(
    [calm.mode, calm.resistance, calm.scar, calm.order],
    [state.mode, state.resistance, state.scarTissue, 'open'],
  )
  const bad = rowOf(world.atrion, 'bad')
  t.is(bad.mode, 'CIRCUIT_BREAKER')
  t.deepEqual(bad.transitions, { BOOTSTRAP: 0, OPERATIONAL: 1, CIRCUIT_BREAKER: 1 })
  t.deepEqual([bad.p50Ms, bad.limit, bad.inFlight], [undefined, 0, 0])
})

test('metrics stay as they were read, and a route that has gone has no row', async (t) => {
  const world = virtual()
  drive(world, 'a', CALM, 3)
  const before = world.atrion.metrics()
  const cells = Float64Array.from(before.cells)
  drive(world, 'a', BAD, 20)
  t.deepEqual(before.cells, cells)
  await world.atrion.resetRoute('a')
  t.is(world.atrion.metrics().size, 0)
})

test('names of any kind come back as they are, and evicted ones do not', (t) => {
  const atrion = create({ maxRoutes: 50 })
  const names = HOSTILE_NAMES.filter((name) => name.length < 1000)
  for (const name of names) atrion.route(name, CALM)
  t.deepEqual([...atrion.metrics().routes].sort(), [...new Set(names)].sort())
  for (let i = 0; i < 200; i++) atrion.route(`r${i}`, CALM)
  const { routes } = atrion.metrics()
  t.deepEqual([...routes].sort(), atrion.getRoutes().sort())
  t.is(routes.length, 50)
})

if (engine !== 'ts') {
  test('the closed loop: the figures of stats(), by tier, cause and duration', (t) => {
    const random = randomOf(5)
    const { atrion, clock } = virtual()
    const durations = { counts: new Array(15).fill(0), sumMs: 0 }
    const bounds = [5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000]
    const shed = {}
    const admitted = {}
    const tiers = ['bulk', 'low', 'normal', 'high', 'critical']
    for (let i = 0; i < 400; i++) {
      const tier = tiers[Math.floor(random() * 5)]
      const permit = atrion.acquire('route', { tier, saturation: random() < 0.3 ? 9 : 0 })
      if (!permit.allow) {
        shed[`${tier} ${permit.limitedBy}`] = (shed[`${tier} ${permit.limitedBy}`] ?? 0) + 1
        continue
      }
      admitted[tier] = (admitted[tier] ?? 0) + 1
      const ms = Math.round(random() ** 6 * 12_000)
      clock.advance(ms)
      permit.release()
      const bucket = bounds.findIndex((bound) => ms <= bound)
      durations.counts[bucket < 0 ? 14 : bucket] += 1
      durations.sumMs += ms
    }
    const held = atrion.acquire('route', { tier: 'critical' })
    admitted.critical += 1
    const row = rowOf(atrion, 'route')
    const stats = atrion.stats('route')
    for (const name of [
      'mode',
      'resistance',
      'scar',
      'inFlight',
      'limit',
      'failures',
      'reclaimed',
      'rejectedSamples',
      'p50Ms',
      'p99Ms',
      'baselineMs',
      'ratePerS',
      'successRatio',
      'openClasses',
      'waiting',
      'abandoned',
    ]) {
      t.is(row[name], stats[name], name)
    }
    t.is(row.inFlight, 1)
    t.deepEqual(row.admittedByTier, admitted)
    const found = Object.entries(row.shedByTier).flatMap(([tier, causes]) =>
      Object.entries(causes).map(([cause, count]) => [`${tier} ${cause}`, count]),
    )
    t.deepEqual(Object.fromEntries(found), shed)
    t.deepEqual(
      stats.shedByTier,
      Object.fromEntries(
        tiers.map((tier) => [
          tier,
          found.filter(([name]) => name.startsWith(`${tier} `)).reduce((sum, [, count]) => sum + count, 0),
        ]),
      ),
    )
    t.deepEqual(row.durations.counts, durations.counts)
    t.true(Math.abs(row.durations.sumMs - durations.sumMs) < 1e-6)
    held.release()
  })

  test('waits are counted by how long they took, however they ended', async (t) => {
    const { atrion, clock } = virtual()
    atrion.setRouteProfile('route', { limits: { min: 1, max: 1, initial: 1 } })
    const out = [await atrion.enter('route', { tier: 'critical' })]
    const waiting = Array.from({ length: 40 }, () => atrion.enter('route', { maxWaitMs: 60 }))
    const count = rowOf(atrion, 'route').waiting
    clock.advance(10)
    for (const permit of out) permit.release()
    const first = await waiting[0]
    clock.advance(61)
    first.release()
    const permits = await Promise.all(waiting)
    const { waits } = rowOf(atrion, 'route')
    t.true(count > 0, `${count} wait`)
    t.is(
      waits.counts.reduce((sum, n) => sum + n, 0),
      count,
    )
    t.deepEqual([first.allow, waits.counts[1], waits.sumMs], [true, 1, 10 + 39 * 71])
    t.is(
      rowOf(atrion, 'route').shedByTier.normal.wait_timeout ?? 0,
      permits.filter((one) => one.limitedBy === 'wait_timeout').length,
    )
  })

  test('many routes: every one once', (t) => {
    const atrion = create()
    for (let i = 0; i < 3_000; i++) atrion.acquire(`route ${i}`).release()
    const metrics = atrion.metrics()
    t.is(new Set(metrics.routes).size, 3_000)
    for (const row of metrics) t.is(row.admittedByTier.normal, 1)
  })
}
