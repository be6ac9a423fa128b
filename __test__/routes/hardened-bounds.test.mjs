// Names and profiles that a client may choose never take more memory than the bounds say, wherever they are kept.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Atrion, FileStateProvider, InMemoryProvider, PROFILE_CONFIGS, StateManager } from 'atrion'
import { KVStateProvider } from 'atrion/fetch'
import anyTest from 'ava'
import { CALM, create, engine } from '../_engine.mjs'

// Each takes much memory.
const test = anyTest.serial
const native = engine === 'native' ? test : test.skip

const VECTOR = { scar: 1, momentumScalar: 0, lastTick: 1, resistance: 11 }
const LONG = 16_000
const MOST_UNITS = 2 ** 24
const longName = (i) => 'x'.repeat(LONG) + String(i).padStart(8, '0')
const unitsOf = (names) => names.reduce((sum, name) => sum + name.length, 0)

/** Far more than fits. */
const COUNT = 3000

const PROVIDERS = {
  InMemoryProvider: () => new InMemoryProvider(),
  FileStateProvider: async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'atrion-bounds-'))
    t.teardown(() => rm(folder, { recursive: true, force: true }))
    return new FileStateProvider(join(folder, 'state.json'), { intervalMs: 1e6 })
  },
}

for (const [name, make] of Object.entries(PROVIDERS)) {
  test(`${name}: long names are bounded as in the engine, and the newest are kept`, async (t) => {
    const provider = await make(t)
    await provider.connect()
    for (let i = 0; i < COUNT; i++) await provider.updateVector(longName(i), VECTOR)
    const kept = await provider.listRoutes()
    t.true(unitsOf(kept) <= MOST_UNITS && unitsOf(kept) > MOST_UNITS - 2 * LONG, `${unitsOf(kept)}`)
    t.deepEqual(kept.at(-1), longName(COUNT - 1))
    t.is(await provider.getVector(longName(0)), null)
    t.deepEqual(await provider.getVector(longName(COUNT - 1)), VECTOR)
    for (const kind of kept) await provider.deleteVector(kind)
    for (let i = 0; i < 500; i++) await provider.updateVector(longName(i), VECTOR)
    t.is((await provider.listRoutes()).length, 500, 'what is deleted makes room')
    await provider.disconnect()
  })
}

test('KVStateProvider: long names are bounded, in memory and in the store', async (t) => {
  const store = new Map()
  const kv = {
    get: (key) => store.get(key),
    put: (key, value) => void store.set(key, value),
    delete: (key) => store.delete(key),
  }
  const provider = new KVStateProvider(kv, { writeEveryMs: 0 })
  await provider.connect()
  const nameOf = (i) => String(i).padEnd(2 ** 20, 'x')
  for (let i = 0; i < 40; i++) await provider.updateVector(nameOf(i), VECTOR)
  const kept = await provider.listRoutes()
  t.deepEqual(kept.length, 16)
  t.is(kept.at(-1), nameOf(39))
  t.is(store.size, kept.length + 1)
  const next = new KVStateProvider(kv, { writeEveryMs: 0, maxRoutes: 5 })
  await next.connect()
  t.is((await next.listRoutes()).length, 5, 'of an index that is longer no more is learnt than there may be')
})

test('StateManager: long names are bounded', (t) => {
  const manager = new StateManager(new InMemoryProvider())
  for (let i = 0; i < COUNT; i++) manager.update(longName(i), VECTOR)
  t.true(unitsOf(manager.getCachedRoutes()) <= MOST_UNITS)
})

test('profiles are kept of as many routes as there may be, and those in use are spared', (t) => {
  const maxRoutes = 5000
  const atrion = create({ maxRoutes })
  atrion.setRouteProfile('pay', { baseResistance: 40 })
  for (let i = 0; i < 10_000; i++) {
    atrion.route('pay', CALM)
    atrion.setRouteProfile(`invented-${i}`, 'HEAVY')
  }
  t.like(atrion.getRouteProfile('pay'), { baseResistance: 40 })
  const kept = Array.from({ length: 10_000 }, (_, i) => atrion.getRouteProfile(`invented-${i}`) === 'HEAVY')
  t.is(kept.filter(Boolean).length, maxRoutes - 1)
  t.true(kept.at(-1))
  // A route that lost its profile goes by the default again.
  atrion.route('invented-0', CALM)
  t.is(atrion.getRouteProfile('invented-0'), 'STANDARD')
})

test('routes that were given the same share it, and what a caller does with a copy changes nothing', (t) => {
  const atrion = create()
  const given = { baseResistance: 40, limits: {} }
  for (const route of ['a', 'b']) atrion.setRouteProfile(route, given)
  given.baseResistance = 1
  const read = atrion.getRouteProfile('a')
  read.baseResistance = 2
  t.is(atrion.getRouteProfile('b').baseResistance, 40)
  atrion.setRouteProfile('a', { baseResistance: 20 })
  for (const route of ['a', 'b']) for (let i = 0; i < 12; i++) atrion.route(route, CALM)
  const [a, b] = ['a', 'b'].map((route) => atrion.route(route, CALM).resistance)
  t.true(Math.abs(a - 20) < 3 && Math.abs(b - 40) < 5, `${a} Ω, ${b} Ω`)
  atrion.configure({ scarFactor: 7 })
  for (const route of ['a', 'b']) atrion.route(route, CALM)
  t.is(atrion.getRouteProfile('b').baseResistance, 40)
  t.true(Math.abs(atrion.route('b', CALM).resistance - 40) < 5)
})

native('instances of the process come and go with laws of their own, and route() never throws for it', (t) => {
  const shared = () => new Atrion({ scope: 'process', maxRoutes: 256 })
  const profileOf = (n) => ({ ...PROFILE_CONFIGS.HEAVY, scarMultiplier: n / 1e6 })
  // None is dropped: all numbers of laws are taken at last, and calls go by the law of their route.
  const instances = []
  for (let i = 0; i < 300; i++) {
    const atrion = shared()
    instances.push(atrion)
    for (let j = 0; j < 256; j++) {
      const decision = atrion.route('r', CALM, { profile: profileOf(1 + i * 256 + j) })
      if (!decision.allow) t.fail(decision.reason)
    }
  }
  t.throws(() => instances.at(-1).setRouteProfile('mine', { baseResistance: 3.25 }), { code: 'ATRION_CONFIG' })
  t.true(instances.at(-1).route('r', CALM).allow)
})
