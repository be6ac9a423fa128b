// StateManager and InMemoryProvider as code written for atrion 2.0 uses them.
import { Atrion, InMemoryProvider, resetLogger, StateManager, setLogger } from 'atrion'
import anyTest from 'ava'
import { CALM, engine, memoryLogger } from '../_engine.mjs'
import { deferred, RecordingProvider } from '../_provider.mjs'

// One of these replaces the logger of the process.
const test = anyTest.serial

const vectorOf = (scar) => ({ scar, momentumScalar: 0.25, lastTick: 3, resistance: 10 + scar })

test('a manager is connected once, and its provider with it', async (t) => {
  const provider = new RecordingProvider()
  const manager = new StateManager(provider)
  t.is(manager.providerName, 'RecordingProvider')
  t.false(manager.isConnected)
  await manager.connect()
  await manager.connect()
  t.true(manager.isConnected)
  await manager.disconnect()
  await manager.disconnect()
  t.false(manager.isConnected)
  t.deepEqual(provider.calls, [['connect'], ['disconnect']])
})

test('reads are answered from the cache, at once', async (t) => {
  const manager = new StateManager(new RecordingProvider())
  await manager.connect()
  t.is(manager.getLocal('a'), null)
  t.false(manager.hasLocal('a'))
  manager.update('a', vectorOf(1))
  manager.update('b', vectorOf(2))
  t.deepEqual(manager.getLocal('a'), vectorOf(1))
  t.true(manager.hasLocal('b'))
  t.deepEqual(manager.getCachedRoutes().sort(), ['a', 'b'])
  manager.clearCache()
  t.deepEqual(manager.getCachedRoutes(), [])
  manager.update('c', vectorOf(3))
  await manager.disconnect()
  t.false(manager.hasLocal('c'))
})

test('an update goes to the provider while connected, unless it is not to', async (t) => {
  const provider = new RecordingProvider()
  const manager = new StateManager(provider)
  manager.update('before', vectorOf(1))
  await manager.connect()
  manager.update('a', vectorOf(1))
  manager.update('b', vectorOf(2), false)
  await manager.flushToProvider()
  t.deepEqual(provider.updated, ['a', 'before', 'a', 'b'])
  t.deepEqual(provider.vectors.get('b'), vectorOf(2))
})

test('a route is fetched from the provider and deleted there', async (t) => {
  const provider = new RecordingProvider()
  provider.vectors.set('a', vectorOf(7))
  const manager = new StateManager(provider)
  t.is(await manager.syncFromProvider('a'), null, 'not connected')
  await manager.connect()
  t.deepEqual(await manager.syncFromProvider('a'), vectorOf(7))
  t.deepEqual(manager.getLocal('a'), vectorOf(7))
  t.is(await manager.syncFromProvider('b'), null)
  t.false(manager.hasLocal('b'))
  await manager.delete('a')
  t.false(manager.hasLocal('a'))
  t.false(provider.vectors.has('a'))
})

test('a provider that fails costs a warning each, never an exception', async (t) => {
  const logger = memoryLogger()
  const warned = deferred()
  setLogger({ ...logger, warn: (...entry) => [logger.warn(...entry), warned.resolve()] })
  t.teardown(resetLogger)
  const provider = new RecordingProvider()
  const manager = new StateManager(provider)
  await manager.connect()
  provider.updateVector = () => {
    throw new Error('down')
  }
  t.notThrows(() => manager.update('a', vectorOf(1)))
  await warned.promise
  await t.notThrowsAsync(manager.flushToProvider())
  t.is(logger.entries.length, 2)
  t.is(logger.entries[0].context.routeId, 'a')
  setLogger({
    ...logger,
    warn() {
      throw new Error('no disk')
    },
  })
  await t.notThrowsAsync(manager.flushToProvider())
})

test('the cache is bounded: the least recently updated goes first', async (t) => {
  const manager = new StateManager(new InMemoryProvider())
  for (let i = 0; i < 65_536; i++) manager.update(`${i}`, vectorOf(0), false)
  manager.update('0', vectorOf(1), false)
  manager.update('one more', vectorOf(0), false)
  t.is(manager.getCachedRoutes().length, 65_536)
  t.true(manager.hasLocal('0'))
  t.false(manager.hasLocal('1'))
})

// the provider in memory

test('size counts the routes kept', async (t) => {
  const provider = new InMemoryProvider({ maxRoutes: 2 })
  t.is(provider.size, 0)
  for (const routeId of ['a', 'b', 'c']) await provider.updateVector(routeId, vectorOf(1))
  t.is(provider.size, 2)
  await provider.deleteVector('c')
  t.is(provider.size, 1)
})

test('of a full provider the route goes that was read or written longest ago', async (t) => {
  const provider = new InMemoryProvider({ maxRoutes: 2 })
  await provider.updateVector('a', vectorOf(1))
  await provider.updateVector('b', vectorOf(2))
  await provider.getVector('a')
  await provider.updateVector('c', vectorOf(3))
  t.is(await provider.getVector('b'), null)
  t.deepEqual((await provider.listRoutes()).sort(), ['a', 'c'])
})

test('disconnect empties it where nothing else holds it', async (t) => {
  const provider = new InMemoryProvider()
  await provider.connect()
  await provider.updateVector('a', vectorOf(1))
  await provider.disconnect()
  t.is(provider.size, 0)
  await provider.connect()
  t.is(await provider.getVector('a'), null)
})

test('while another instance is connected it keeps what it has', async (t) => {
  const provider = new InMemoryProvider()
  const [one, other] = [new Atrion({ engine, provider }), new Atrion({ engine, provider })]
  await Promise.all([one.connect(), other.connect()])
  one.route('a', CALM)
  await one.disconnect()
  t.is(provider.size, 1)
  await other.disconnect()
  t.is(provider.size, 0)
})
