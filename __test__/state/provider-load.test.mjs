// Loading from a store by connect: records that are taken over and records that are not; the provider in memory.
import { ConfigError, InMemoryProvider } from 'atrion'
import test from 'ava'
import { BAD, CALM, create, drive, HOSTILE_NAMES, virtual, warm } from '../_engine.mjs'
import { RecordingProvider } from '../_provider.mjs'

const connected = async (options) => {
  const world = virtual(options)
  await world.atrion.connect()
  return world
}

test('connect takes over the records of the store for new routes', async (t) => {
  const provider = new RecordingProvider()
  provider.vectors.set('a', { scar: 40, momentumScalar: 0, lastTick: 99, resistance: 50 })
  const world = await connected({ provider })
  // One node's report: at most γ·baseResistance·breakMultiplier of it.
  t.is(world.atrion.getState('a').scarTissue, 30)
  t.is(world.atrion.getState('a').resistance, 40)
  // It had left BOOTSTRAP, so its first tick does as well.
  t.is(world.atrion.getState('a').tickCount, 9)
  t.is(drive(world, 'a', CALM, 1, 0).at(-1).mode, 'OPERATIONAL')
  t.is(world.atrion.getState('a').resistance, 40)
})

test('a route that has ticks of its own blends: S = 0.3 S_store + 0.7 S_local', async (t) => {
  const provider = new RecordingProvider()
  provider.vectors.set('a', { scar: 40, momentumScalar: 0, lastTick: 99, resistance: 50 })
  const world = warm(virtual({ provider }), 'a')
  world.atrion.route('a', BAD)
  const { scarTissue } = world.atrion.getState('a')
  await world.atrion.connect()
  t.true(Math.abs(world.atrion.getState('a').scarTissue - (0.3 * 40 + 0.7 * scarTissue)) < 1e-9)
})

test('every engine takes over the same', async (t) => {
  const inherited = async (engine, ownsRecords) => {
    const provider = Object.assign(new RecordingProvider(), { ownsRecords })
    for (const scar of [0, 1e-12, 0.7, 12.5, 40, 1e9]) {
      for (const lastTick of [0, 3.5, 9, 1e300])
        provider.vectors.set(`${scar}/${lastTick}`, { scar, momentumScalar: 0, lastTick, resistance: 50 })
    }
    const { atrion } = await connected({ provider, engine })
    const snapshots = atrion.snapshot().sort((a, b) => (a.routeId < b.routeId ? -1 : 1))
    return snapshots.map(({ routeId, mode, scarTissue, resistance, tickCount, lastUpdatedAt }) => {
      return [routeId, mode, scarTissue.toFixed(9), resistance.toFixed(9), tickCount, lastUpdatedAt]
    })
  }
  for (const ownsRecords of [false, true]) {
    const expected = await inherited('ts', ownsRecords)
    t.is(expected.length, 24)
    t.deepEqual(await inherited(undefined, ownsRecords), expected)
  }
})

test('malformed vectors are not taken over', async (t) => {
  const fine = { scar: 1, momentumScalar: 0, lastTick: 1, resistance: 10 }
  const hostile = [
    null,
    undefined,
    'x',
    5,
    [],
    {},
    { ...fine, scar: Number.NaN },
    { ...fine, scar: -1 },
    { ...fine, scar: '1' },
    { ...fine, scar: Number.POSITIVE_INFINITY },
    { ...fine, momentumScalar: null },
    { ...fine, lastTick: undefined },
    { ...fine, resistance: {} },
    Object.create(fine, { scar: { get: () => Number.NaN } }),
    {
      get scar() {
        throw new Error('no')
      },
    },
  ]
  const provider = new RecordingProvider()
  for (const [i, vector] of hostile.entries()) provider.vectors.set(`hostile ${i}`, vector)
  provider.vectors.set('fine', fine)
  const world = await connected({ provider })
  t.deepEqual(world.atrion.getRoutes(), ['fine'])
})

test('a vector beyond what a scar can be is bounded', async (t) => {
  const provider = new RecordingProvider()
  provider.vectors.set('a', { scar: 1e300, momentumScalar: 1e300, lastTick: 1e300, resistance: 1e300 })
  const world = await connected({ provider })
  t.is(world.atrion.getState('a').scarTissue, 30)
  t.true(drive(world, 'a', CALM, 20).every(({ resistance }) => resistance <= 1e6))
})

test('malformed and hostile names from the store affect no route', async (t) => {
  const provider = new RecordingProvider()
  const vector = { scar: 3, momentumScalar: 0, lastTick: 1, resistance: 10 }
  for (const name of [...HOSTILE_NAMES, '', 5, null, undefined, {}, Symbol('x')]) provider.vectors.set(name, vector)
  const world = await connected({ provider })
  t.deepEqual(world.atrion.getRoutes().sort(), [...HOSTILE_NAMES].sort())
  t.is({}.scar, undefined)
  for (const routeId of HOSTILE_NAMES) t.is(world.atrion.getState(routeId).scarTissue, 3)
})

test('a malformed list of routes counts as empty', async (t) => {
  for (const list of [null, undefined, 'abc', 5, { length: 3 }, new Map()]) {
    const provider = new RecordingProvider()
    provider.listRoutes = async () => list
    const world = await connected({ provider })
    t.true(world.atrion.isConnected)
    t.deepEqual(world.atrion.getRoutes(), [])
  }
})

test('no more routes are loaded than there is room for', async (t) => {
  const provider = new RecordingProvider()
  for (let i = 0; i < 100; i++) {
    provider.vectors.set(`${i}`, { scar: 1, momentumScalar: 0, lastTick: 1, resistance: 10 })
  }
  const world = await connected({ provider, maxRoutes: 10 })
  t.is(world.atrion.getRoutes().length, 10)
  t.is(provider.countOf('getVector'), 10)
})

// the provider in memory

test('without a provider there is one in memory, which connects to nothing', async (t) => {
  const atrion = create()
  t.is(atrion.providerName, 'InMemoryProvider')
  await atrion.connect()
  t.true(atrion.isConnected)
  await atrion.disconnect()
  t.false(atrion.isConnected)
})

test('instances that share a provider in memory share their scars', async (t) => {
  const provider = new InMemoryProvider()
  const holder = await connected({ provider })
  const one = await connected({ provider })
  warm(one, 'a')
  one.atrion.route('a', BAD)
  await one.atrion.disconnect()
  const other = await connected({ provider })
  await holder.atrion.disconnect()
  t.true(Math.abs(other.atrion.getState('a').scarTissue - 5) < 1e-9)
})

test('a provider in memory keeps copies, is bounded, and forgets the least recently written', async (t) => {
  const provider = new InMemoryProvider({ maxRoutes: 2 })
  const vector = { scar: 1, momentumScalar: 0, lastTick: 1, resistance: 10 }
  await provider.updateVector('a', vector)
  vector.scar = 99
  t.is((await provider.getVector('a')).scar, 1)
  const got = await provider.getVector('a')
  got.scar = 99
  t.is((await provider.getVector('a')).scar, 1)
  await provider.updateVector('b', vector)
  await provider.updateVector('a', vector)
  await provider.updateVector('c', vector)
  t.deepEqual(await provider.listRoutes(), ['a', 'c'])
  await provider.deleteVector('a')
  t.is(await provider.getVector('a'), null)
  t.is(await provider.getVector('__proto__'), null)
  for (const maxRoutes of [0, -1, 1.5, Number.NaN, '5']) {
    t.throws(() => new InMemoryProvider({ maxRoutes }), { instanceOf: ConfigError, message: /maxRoutes/ })
  }
})
