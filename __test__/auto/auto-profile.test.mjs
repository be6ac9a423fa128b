// setRouteProfile(id, 'AUTO'): what it governs, its leases, its snapshot, its events.
import { Atrion } from 'atrion'
import test from 'ava'
import { create, engine, turn, virtual } from '../_engine.mjs'

const MINUTE_MS = 60_000

/** Requests of a route, one after another, each of so many ms. */
const serve = ({ atrion, clock }, count, durationMs, { routeId = 'route', gapMs = 0, outcome = 'success' } = {}) => {
  for (let i = 0; i < count; i++) {
    const permit = atrion.acquire(routeId)
    clock.advance(typeof durationMs === 'function' ? durationMs(i) : durationMs)
    permit.release(outcome)
    clock.advance(gapMs)
  }
}

const learnt = () => {
  const world = virtual()
  world.atrion.setRouteProfile('route', 'AUTO')
  serve(world, 500, (i) => 10 + (i % 11))
  return world
}

test('an unknown route has no such profile, and any other takes it away', (t) => {
  const atrion = create()
  t.is(atrion.getAutoProfile('route'), undefined)
  atrion.setRouteProfile('route', 'AUTO')
  t.is(atrion.getRouteProfile('route'), 'AUTO')
  t.like(atrion.getAutoProfile('route'), { routeId: 'route', state: 'learning', requests: 0, p50Ms: undefined })
  t.regex(atrion.getAutoProfile('route').explanation[0], /learning: 0 of 500/)
  atrion.setRouteProfile('route', 'HEAVY')
  t.is(atrion.getRouteProfile('route'), 'HEAVY')
  t.is(atrion.getAutoProfile('route'), undefined)
  t.throws(() => atrion.setRouteProfile('', 'AUTO'), { instanceOf: TypeError })
  t.throws(() => atrion.setRouteProfile('route', 'AUTOMATIC'), { code: 'ATRION_CONFIG' })
})

if (engine !== 'ts') {
  test('after 500 requests it is governed by what is usual, and says why', async (t) => {
    const { atrion } = learnt()
    const profile = atrion.getAutoProfile('route')
    t.like(profile, { state: 'ready', requests: 500, leaseMs: 1000, shift: undefined })
    t.true(Math.abs(profile.suggestedDeadlineMs / 40 - 1) < 0.1)
    t.true(Math.abs(profile.p50Ms / 15 - 1) < 0.1 && Math.abs(profile.p99Ms / 20 - 1) < 0.1)
    t.is(profile.baselineMs, profile.p50Ms)
    t.is(profile.explanation.length, 4)
    t.regex(
      profile.explanation.join('\n'),
      /median 1\d(?:\.\d)? ms[\s\S]*baseline[\s\S]*deadline suggested: 4\d ms[\s\S]*leases last 1000 ms/,
    )
    const lease = await atrion.startTask('route')
    t.is(lease.expiresAt - lease.startedAt, 1000)
  })

  test('failures teach nothing, and neither do other routes', (t) => {
    const world = learnt()
    const before = world.atrion.getAutoProfile('route')
    serve(world, 100, 1, { outcome: 'failure', gapMs: 1000 })
    serve(world, 100, 900, { routeId: 'other' })
    t.deepEqual(world.atrion.getAutoProfile('route'), before)
  })

  test('a configuration of the route stays', (t) => {
    const world = virtual()
    world.atrion.setRouteProfile('route', 'AUTO')
    world.atrion.configure('route', { scarFactor: 7 })
    serve(world, 500, 30)
    t.is(world.atrion.getAutoProfile('route').state, 'ready')
    world.atrion.configure('route', { pool: 'db' })
    t.is(world.atrion.stats('route').pool, 'db')
    t.is(world.atrion.getRouteProfile('route'), 'AUTO')
  })

  test('a lasting regression is an event, and to set the profile anew accepts it', async (t) => {
    const world = learnt()
    const seen = []
    world.atrion.on('regression', (event) => seen.push(event))
    serve(world, 600, 45, { gapMs: 2000 })
    await turn()
    t.is(seen.length, 1)
    const [{ routeId, p50Ms, p99Ms, usualP50Ms, usualP99Ms, forMs }] = seen
    t.is(routeId, 'route')
    t.true(Math.abs(p50Ms / 45 - 1) < 0.1 && Math.abs(usualP50Ms / 15 - 1) < 0.1)
    t.true(p99Ms >= p50Ms && usualP99Ms >= usualP50Ms)
    t.true(forMs >= 15 * MINUTE_MS && forMs < 30 * MINUTE_MS)
    const profile = world.atrion.getAutoProfile('route')
    t.is(profile.state, 'regressed')
    t.true(Math.abs(profile.baselineMs / 15 - 1) < 0.1)
    t.regex(profile.explanation.join('\n'), /slower now[\s\S]*regression[\s\S]*do not move/)
    world.atrion.setRouteProfile('route', 'AUTO')
    serve(world, 500, 45)
    t.true(Math.abs(world.atrion.getAutoProfile('route').baselineMs / 45 - 1) < 0.1)
  })

  test('leases that are completed say how long leases last', async (t) => {
    const world = virtual()
    world.atrion.setRouteProfile('job', 'AUTO')
    for (let i = 0; i < 20; i++) {
      const lease = await world.atrion.startTask('job')
      t.is(lease.expiresAt - lease.startedAt, 30_000)
      world.clock.advance(20_000)
      await lease.release(i % 7 === 3 ? 'failed' : 'completed')
    }
    for (let i = 0; i < 3; i++) {
      const lease = await world.atrion.startTask('job')
      world.clock.advance(20_000)
      await lease.release()
    }
    const lease = await world.atrion.startTask('job')
    t.true(Math.abs((lease.expiresAt - lease.startedAt) / 60_000 - 1) < 0.05)
  })

  test('it is in the snapshot, also half learnt, and goes on elsewhere', (t) => {
    const whole = learnt()
    const half = virtual()
    half.atrion.setRouteProfile('route', 'AUTO')
    serve(half, 300, 30)
    for (const { atrion } of [whole, half]) {
      const snapshot = JSON.parse(JSON.stringify(atrion.snapshot()))
      const other = virtual()
      other.atrion.restore(snapshot)
      t.is(other.atrion.getRouteProfile('route'), 'AUTO')
      const { shift: _, ...before } = atrion.getAutoProfile('route')
      t.like(other.atrion.getAutoProfile('route'), before)
      t.deepEqual(other.atrion.snapshot()[0].auto, snapshot[0].auto)
    }
    const other = virtual()
    other.atrion.restore(half.atrion.snapshot())
    serve(other, 200, 30)
    t.is(other.atrion.getAutoProfile('route').state, 'ready')
    const plain = virtual()
    serve(plain, 10, 30)
    t.false('auto' in plain.atrion.snapshot()[0])
  })

  test('a snapshot whose record is none changes nothing', (t) => {
    const [snapshot] = learnt().atrion.snapshot()
    for (const auto of [
      5,
      'x',
      {},
      { ...snapshot.auto, p50Ms: -1 },
      { ...snapshot.auto, leases: 7 },
      { ...snapshot.auto, durations: [[]] },
    ]) {
      const { atrion } = virtual()
      const error = t.throws(() => atrion.restore([{ ...snapshot, auto }]), { code: 'ATRION_CONFIG' })
      t.is(error.field, 'snapshot[0].auto')
      t.deepEqual(atrion.getRoutes(), [])
    }
  })

  test('resetRoute forgets what was learnt, and the profile stays', async (t) => {
    const { atrion } = learnt()
    await atrion.resetRoute('route')
    t.like(atrion.getAutoProfile('route'), { state: 'learning', requests: 0 })
    t.is(atrion.getRouteProfile('route'), 'AUTO')
  })

  test('4,096 routes learn at once, and the one that was set first gives way', (t) => {
    const atrion = new Atrion({ engine })
    for (let i = 0; i <= 4096; i++) atrion.setRouteProfile(`route ${i}`, 'AUTO')
    t.is(atrion.getAutoProfile('route 0'), undefined)
    t.is(atrion.getAutoProfile('route 4096').state, 'learning')
  })
}
