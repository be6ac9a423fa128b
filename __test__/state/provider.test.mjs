// State shared through a store: off the decision path, in rounds, and whatever the store does, requests are decided.
import FakeTimers from '@sinonjs/fake-timers'
import anyTest from 'ava'
import { BAD, CALM, drive, memoryLogger, virtual } from '../_engine.mjs'
import { deferred, RecordingProvider } from '../_provider.mjs'

// The sync loop is driven by timers of the process, which these tests take over: one after the other.
const test = anyTest.serial

test.beforeEach((t) => {
  t.context.timers = FakeTimers.install({ toFake: ['setTimeout', 'clearTimeout'] })
})

test.afterEach.always((t) => {
  t.context.timers.uninstall()
})

const sync = (t) => t.context.timers.tickAsync(100)

const connected = async (options = {}) => {
  const provider = options.provider ?? new RecordingProvider()
  const logger = memoryLogger()
  const world = virtual({ logger, ...options, provider })
  await world.atrion.connect()
  return { ...world, provider, logger }
}

// batches

test('changed routes go to the store once a round, as they are then', async (t) => {
  const world = await connected()
  drive(world, 'a', BAD, 50)
  drive(world, 'b', CALM, 20)
  t.deepEqual(world.provider.updated, [])
  await t.context.timers.tickAsync(99)
  t.deepEqual(world.provider.updated, [])
  await t.context.timers.tickAsync(1)
  t.deepEqual(world.provider.updated, ['a', 'b'])
  const { scarTissue, momentum, tickCount, resistance } = world.atrion.getState('a')
  t.deepEqual(world.provider.vectors.get('a'), {
    scar: scarTissue,
    momentumScalar: momentum,
    lastTick: tickCount,
    resistance,
  })
  await t.context.timers.tickAsync(1000)
  t.is(world.provider.updated.length, 2)
})

test('a change after a round goes with the next', async (t) => {
  const world = await connected()
  for (let i = 1; i <= 5; i++) {
    world.atrion.route('a', CALM)
    await sync(t)
    t.is(world.provider.updated.length, i)
  }
})

test('ticks of a batch and scars of leases are changes too', async (t) => {
  const world = await connected()
  world.atrion.routeBatch(['a', 'b'], new Float64Array(6))
  await sync(t)
  t.deepEqual(world.provider.updated, ['a', 'b'])
  const lease = await world.atrion.startTask('c')
  await lease.release('failed')
  await sync(t)
  t.deepEqual(world.provider.updated, ['a', 'b', 'c'])
  t.is(world.provider.vectors.get('c').scar, 5)
})

test('nothing is sent before connect and after disconnect', async (t) => {
  const provider = new RecordingProvider()
  const world = virtual({ provider })
  world.atrion.route('a', CALM)
  await t.context.timers.tickAsync(1000)
  t.deepEqual(provider.calls, [])
  await world.atrion.connect()
  await sync(t)
  t.deepEqual(provider.updated, ['a'])
  await world.atrion.disconnect()
  world.atrion.route('a', CALM)
  await t.context.timers.tickAsync(1000)
  t.deepEqual(provider.updated, ['a'])
  t.is(t.context.timers.countTimers(), 0)
})

test('flush sends what changed without waiting for the round, and never rejects', async (t) => {
  const provider = new RecordingProvider()
  const world = virtual({ provider })
  await world.atrion.flush()
  t.deepEqual(provider.calls, [], 'before connect there is nothing to send it to')
  await world.atrion.connect()
  world.atrion.route('a', CALM)
  await world.atrion.flush()
  t.deepEqual(provider.updated, ['a'])
  provider.updateVector = REJECTS
  world.atrion.route('a', CALM)
  await t.notThrowsAsync(world.atrion.flush())
})

test('disconnect sends what has not been sent, then disconnects the store', async (t) => {
  const world = await connected()
  drive(world, 'a', CALM, 3)
  await world.atrion.disconnect()
  t.deepEqual(world.provider.calls.slice(-2), [['updateVector', 'a'], ['disconnect']])
  t.is(world.provider.vectors.get('a').lastTick, 3)
})

test('the set of changed routes is bounded by maxRoutes', async (t) => {
  const provider = new RecordingProvider()
  const world = virtual({ provider, maxRoutes: 10 })
  for (let i = 0; i < 1000; i++) world.atrion.route(`${i}`, CALM)
  await world.atrion.connect()
  await sync(t)
  t.deepEqual(
    provider.updated,
    Array.from({ length: 10 }, (_, i) => `${990 + i}`),
  )
})

test('a reset route is deleted from the store, and not written again', async (t) => {
  const world = await connected()
  drive(world, 'a', CALM, 2)
  await sync(t)
  world.atrion.route('a', CALM)
  await world.atrion.resetRoute('a')
  t.false(world.provider.vectors.has('a'))
  await sync(t)
  t.false(world.provider.vectors.has('a'))
})

// a store in trouble

const REJECTS = async () => {
  throw new Error('store is down')
}
const THROWS = () => {
  throw new Error('store is broken')
}

for (const [manner, fails] of [
  ['rejects', REJECTS],
  ['throws', THROWS],
]) {
  test(`a store whose every call ${manner} costs a warning, never a request`, async (t) => {
    const provider = new RecordingProvider()
    for (const method of ['getVector', 'updateVector', 'deleteVector', 'listRoutes']) provider[method] = fails
    const world = await connected({ provider })
    t.true(world.atrion.isConnected)
    t.true(drive(world, 'a', CALM, 20).every(({ allow }) => allow))
    await sync(t)
    await t.notThrowsAsync(world.atrion.resetRoute('a'))
    await t.notThrowsAsync(world.atrion.disconnect())
    const warnings = world.logger.entries.filter(({ level }) => level === 'warn')
    t.is(warnings.length, 1, 'one warning a change of state, however many calls fail')
    t.regex(warnings[0].message, /was not synchronised: store is/)
    t.deepEqual(warnings[0].context, { provider: 'RecordingProvider', routeId: '*' })
  })

  test(`a store whose connect ${manner} rejects connect, and a later connect tries again`, async (t) => {
    const provider = new RecordingProvider()
    const connect = provider.connect.bind(provider)
    provider.connect = fails
    const world = virtual({ provider })
    await t.throwsAsync(world.atrion.connect(), { message: /store is/ })
    t.false(world.atrion.isConnected)
    t.true(world.atrion.route('a', CALM).allow)
    provider.connect = connect
    await world.atrion.connect()
    t.true(world.atrion.isConnected)
  })
}

test('a logger that throws does not turn a store in trouble into a crash', async (t) => {
  const logger = { debug: THROWS, info: THROWS, warn: THROWS, error: THROWS }
  const provider = new RecordingProvider()
  provider.updateVector = REJECTS
  const world = await connected({ provider, logger })
  world.atrion.route('a', CALM)
  await sync(t)
  t.true(world.atrion.route('a', CALM).allow)
  await t.notThrowsAsync(world.atrion.disconnect())
})

test('one route that cannot be sent does not keep the others from it', async (t) => {
  const provider = new RecordingProvider()
  const update = provider.updateVector.bind(provider)
  provider.updateVector = (routeId, vector) => (routeId === 'b' ? REJECTS() : update(routeId, vector))
  const world = await connected({ provider })
  for (const routeId of ['a', 'b', 'c']) world.atrion.route(routeId, CALM)
  await sync(t)
  t.deepEqual(provider.updated, ['a', 'c'])
})

test('a slow store is never waited for: decisions go on, and changes pile up as names, not as calls', async (t) => {
  const provider = new RecordingProvider()
  const gate = deferred()
  let calls = 0
  provider.updateVector = () => {
    calls += 1
    return gate.promise
  }
  const world = await connected({ provider })
  world.atrion.route('a', CALM)
  await sync(t)
  t.is(calls, 1)
  for (let i = 0; i < 20; i++) {
    drive(world, 'a', CALM, 10)
    drive(world, 'b', CALM, 10)
    await sync(t)
  }
  t.is(calls, 2, 'one a route, until it settles')
  t.is(world.atrion.getState('b').tickCount, 200)
  gate.resolve()
  await sync(t)
  t.is(calls, 4)
})

test('a store is not asked everything at once', async (t) => {
  const provider = new RecordingProvider()
  let underWay = 0
  let most = 0
  provider.updateVector = async () => {
    underWay += 1
    most = Math.max(most, underWay)
    await Promise.resolve()
    underWay -= 1
  }
  const world = await connected({ provider })
  for (let i = 0; i < 1000; i++) world.atrion.route(`${i}`, CALM)
  await sync(t)
  t.true(most > 1 && most <= 64, `${most} at once`)
})

// connecting

test('connect and disconnect are idempotent, and happen in the order they were asked for', async (t) => {
  const provider = new RecordingProvider()
  const world = virtual({ provider })
  await Promise.all([world.atrion.connect(), world.atrion.connect()])
  t.is(provider.countOf('connect'), 1)
  await Promise.all([world.atrion.disconnect(), world.atrion.disconnect()])
  t.is(provider.countOf('disconnect'), 1)
  await Promise.all([world.atrion.connect(), world.atrion.disconnect(), world.atrion.connect()])
  t.deepEqual(
    provider.calls.map(([method]) => method).filter((method) => method.endsWith('connect')),
    ['connect', 'disconnect', 'connect', 'disconnect', 'connect'],
  )
  t.true(world.atrion.isConnected)
  world.atrion.route('a', CALM)
  await sync(t)
  t.deepEqual(provider.updated, ['a'])
})

test('disconnect without connect touches nothing', async (t) => {
  const provider = new RecordingProvider()
  await virtual({ provider }).atrion.disconnect()
  t.deepEqual(provider.calls, [])
})

test('a store whose disconnect fails rejects disconnect, and is disconnected all the same', async (t) => {
  const provider = new RecordingProvider()
  provider.disconnect = REJECTS
  const world = await connected({ provider })
  await t.throwsAsync(world.atrion.disconnect(), { message: 'store is down' })
  t.false(world.atrion.isConnected)
})

test('isConnected, providerName and asyncDispose', async (t) => {
  const provider = new RecordingProvider()
  const world = virtual({ provider })
  t.is(world.atrion.providerName, 'RecordingProvider')
  t.false(world.atrion.isConnected)
  await world.atrion.connect()
  t.true(world.atrion.isConnected)
  world.atrion.route('a', CALM)
  await world.atrion[Symbol.asyncDispose]()
  t.false(world.atrion.isConnected)
  t.deepEqual(provider.calls.slice(-2), [['updateVector', 'a'], ['disconnect']])
})
