// The ends of leases, and arguments that cannot be leased.
import { ConfigError } from 'atrion'
import test from 'ava'
import { BAD, CALM, create, engine, virtual, warm } from '../_engine.mjs'

const R = ({ atrion }, routeId = 'route') => atrion.getState(routeId).resistance

// the end

test('release is idempotent: the first outcome is the one that counts', async (t) => {
  const world = warm(virtual())
  const lease = await world.atrion.startTask('route')
  await lease.release()
  for (const outcome of ['failed', 'timeout', 'aborted', undefined]) await lease.release(outcome)
  t.is(R(world), 10)
  const failed = await world.atrion.startTask('route')
  await Promise.all([failed.release('failed'), failed.release('failed')])
  t.is(R(world), 15)
  t.is(world.atrion.getActiveTaskCount('route'), 0)
})

test('releasing what ran out meanwhile is too late', async (t) => {
  const world = warm(virtual())
  const lease = await world.atrion.startTask('route', { timeout: 100 })
  world.clock.advance(100)
  await lease.release('completed')
  t.is(R(world), 17.5)
})

test('an outcome that is none rejects and ends nothing', async (t) => {
  const { atrion } = virtual()
  const lease = await atrion.startTask('route')
  for (const outcome of ['done', '', null, 5, 'toString']) {
    const error = await t.throwsAsync(lease.release(outcome), { instanceOf: ConfigError })
    t.is(error.field, 'outcome')
  }
  t.true(lease.isActive)
})

test('an abort by others ends a lease as aborted: no scar', async (t) => {
  const world = warm(virtual())
  const abortController = new AbortController()
  const lease = await world.atrion.startTask('route', { abortController })
  abortController.abort()
  t.false(lease.isActive)
  t.is(world.atrion.getActiveTaskCount('route'), 0)
  await lease.release('failed')
  t.is(R(world), 10)
})

test('a lease on what was aborted before has ended', async (t) => {
  const world = warm(virtual())
  const abortController = new AbortController()
  abortController.abort()
  const lease = await world.atrion.startTask('route', { abortController })
  t.false(lease.isActive)
  t.is(world.atrion.getActiveTaskCount('route'), 0)
  world.clock.advance(1e6)
  world.atrion.route('route', CALM)
  t.is(R(world), 10)
})

test('a released lease aborts nothing, and holds on to no signal', async (t) => {
  const { atrion, clock } = virtual()
  const abortController = new AbortController()
  const { signal } = abortController
  let listeners = 0
  const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)]
  signal.addEventListener = (...args) => {
    listeners += 1
    add(...args)
  }
  signal.removeEventListener = (...args) => {
    listeners -= 1
    remove(...args)
  }
  for (const outcome of ['completed', 'failed', 'timeout', 'aborted']) {
    const lease = await atrion.startTask('route', {
      abortController: outcome === 'timeout' ? undefined : abortController,
    })
    await lease.release(outcome)
  }
  clock.advance(1e6)
  atrion.getActiveTaskCount('route')
  t.false(signal.aborted)
  t.is(listeners, 0)
})

test('several leases may share an abort controller', async (t) => {
  const { atrion } = virtual()
  const abortController = new AbortController()
  const leases = await Promise.all(['a', 'b', 'c'].map((id) => atrion.startTask(id, { abortController })))
  abortController.abort()
  t.true(leases.every(({ isActive }) => !isActive))
})

test('an abort listener may call routes, start leases and release them', async (t) => {
  const world = warm(virtual({ maxRoutes: 5 }))
  const others = []
  for (let i = 0; i < 20; i++) {
    const abortController = new AbortController()
    abortController.signal.addEventListener('abort', () => {
      for (let k = 0; k < 5; k++) world.atrion.route(`${i} ${k}`, BAD)
      world.atrion.startTask('other', { timeout: 1 }).then((lease) => others.push(lease))
      world.atrion.getActiveTaskCount('route')
    })
    await world.atrion.startTask('route', { timeout: 100 + i, abortController })
  }
  world.clock.advance(1000)
  t.is(world.atrion.route('last', CALM).resistance, 12)
  t.is(world.atrion.getState('last').tickCount, 1)
  t.is(world.atrion.getActiveTaskCount('route'), 0)
  await Promise.resolve()
  t.is(others.length, 20)
})

test('a custom abort controller that throws keeps no other lease from its end', async (t) => {
  class Broken {
    signal = new AbortController().signal

    abort() {
      throw new Error('no')
    }
  }
  const { atrion, clock } = virtual()
  for (let i = 0; i < 3; i++) await atrion.startTask('route', { timeout: 100, abortController: new Broken() })
  clock.advance(100)
  t.is(atrion.getActiveTaskCount('route'), 0)
})

// what cannot be honoured

test('a task that must be stoppable is not leased without an AbortController', async (t) => {
  const { atrion } = virtual()
  for (const profile of ['HEAVY', 'EXTREME']) {
    const error = await t.throwsAsync(atrion.startTask('route', { profile }), { instanceOf: ConfigError })
    t.is(error.field, 'options.abortController')
    t.true(error.message.includes(profile))
  }
  atrion.setRouteProfile('heavy', 'HEAVY')
  await t.throwsAsync(atrion.startTask('heavy'), { instanceOf: ConfigError })
  t.is(atrion.getActiveTaskCount('route'), 0)
})

test('options that cannot be honoured reject with the field, the range and the value', async (t) => {
  const { atrion } = virtual()
  for (const [options, field] of [
    [{ timeout: 0 }, 'options.timeout'],
    [{ timeout: -1 }, 'options.timeout'],
    [{ timeout: Number.NaN }, 'options.timeout'],
    [{ timeout: '5' }, 'options.timeout'],
    [{ profile: 'FAST' }, 'options.profile'],
    [{ profile: { maxDurationMs: 0 } }, 'options.profile.maxDurationMs'],
    [{ profile: { heartbeatRequired: 'yes' } }, 'options.profile.heartbeatRequired'],
    [{ profile: { heartbeatRequired: true } }, 'options.profile.heartbeatIntervalMs'],
    [{ profile: { speed: 1 } }, 'options.profile.speed'],
    [{ abortController: {} }, 'options.abortController'],
    [{ abortController: { abort() {} } }, 'options.abortController'],
    [{ abortController: null }, 'options.abortController'],
  ]) {
    const error = await t.throwsAsync(atrion.startTask('route', options), { instanceOf: ConfigError }, field)
    t.is(error.field, field)
  }
  for (const routeId of ['', 5, null, undefined, {}]) {
    await t.throwsAsync(atrion.startTask(routeId), { instanceOf: TypeError, message: /routeId must be a non-empty/ })
  }
  await t.throwsAsync(atrion.startTask('route', null), { instanceOf: TypeError, message: /options must be an object/ })
  t.deepEqual(atrion.getRoutes(), [])
})

test('a lease in real time has real times', async (t) => {
  const atrion = create()
  const lease = await atrion.startTask('route')
  t.true(Math.abs(lease.startedAt - Date.now()) < 60_000)
  t.true(lease.remainingMs() > 0 && lease.remainingMs() <= 30_000)
  await lease.release()
})

// what leases have in common with requests

const whereLoopsClose = engine === 'ts' ? test.skip : test

whereLoopsClose('a lease is in flight until it ends, whichever way it does', async (t) => {
  const { atrion, clock } = virtual()
  const abortController = new AbortController()
  const leases = [
    await atrion.startTask('route'),
    await atrion.startTask('route', { timeout: 50 }),
    await atrion.startTask('route', { abortController }),
  ]
  const permit = atrion.acquire('route')
  t.is(atrion.stats('route').inFlight, 4)
  await leases[0].release()
  t.is(atrion.stats('route').inFlight, 3)
  clock.advance(50)
  t.is(atrion.getActiveTaskCount('route'), 1)
  t.is(atrion.stats('route').inFlight, 2)
  abortController.abort()
  t.is(atrion.stats('route').inFlight, 1)
  permit.release()
  t.is(atrion.stats('route').inFlight, 0)
})

whereLoopsClose(
  'a route with a lease is not evicted, and one that was reset owes nothing to older leases',
  async (t) => {
    const { atrion } = virtual({ maxRoutes: 2 })
    const old = await atrion.startTask('route')
    for (const routeId of ['a', 'b', 'c']) atrion.route(routeId, CALM)
    t.is(atrion.stats('route').inFlight, 1)
    await atrion.resetRoute('route')
    t.is(atrion.stats('route').inFlight, 0)
    const lease = await atrion.startTask('route')
    await old.release()
    t.is(atrion.stats('route').inFlight, 1)
    await lease.release()
    t.is(atrion.stats('route').inFlight, 0)
  },
)
