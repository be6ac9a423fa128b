// A store that is not required: connect() resolves without it, and it is joined once it is there.
import { PGlite } from '@electric-sql/pglite'
import { ConfigError, ConnectionError, InMemoryProvider, MachineStateProvider, PostgresStateProvider } from 'atrion'
import test from 'ava'
import { BAD, create, engine } from '../_engine.mjs'
import { Way } from '../control/_cluster.mjs'

/** Keeps the process alive until a promise has settled: nothing of an instance does. */
const awaited = (promise) => {
  const timer = setInterval(() => {}, 1_000)
  return promise.finally(() => clearInterval(timer))
}
const eventOf = (atrion, name) => awaited(new Promise((resolve) => atrion.on(name, resolve)))

const SCARRED = { scar: 40, momentumScalar: 0, lastTick: 9, resistance: 50 }

test('connect() resolves, reports it once, and joins the store when it is there', async (t) => {
  const provider = new InMemoryProvider()
  await provider.connect()
  await provider.updateVector('known', SCARRED)
  const way = new Way(provider, { required: false, isCut: true })
  const warnings = []
  const none = () => {}
  const atrion = create({
    provider: way,
    logger: { debug: none, info: none, error: none, warn: (message) => warnings.push(message) },
  })
  const events = []
  for (const name of ['degraded', 'restored']) atrion.on(name, () => events.push(name))
  await atrion.connect()
  for (let i = 0; i < 30; i++) atrion.route('own', BAD)
  await atrion.flush()
  t.deepEqual(events, ['degraded'])
  t.is(warnings.length, 1)
  const restored = eventOf(atrion, 'restored')
  way.isCut = false
  await restored
  while ((await provider.getVector('own')) === null) await atrion.flush()
  if (engine !== 'ts') t.true((await provider.listRoutes()).includes('own'))
  while (atrion.getState('known') === undefined || atrion.getState('known').scar === 0) {
    atrion.route('known', { latencyMs: 1, errorRate: 0, saturation: 0 })
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  t.deepEqual(events, ['degraded', 'restored'])
  await atrion.disconnect()
})

test('an instance that is disconnected meanwhile joins nothing any more', async (t) => {
  const provider = new InMemoryProvider()
  await provider.connect()
  const way = new Way(provider, { required: false, isCut: true })
  let joins = 0
  const { connect } = way
  way.connect = async () => {
    joins += 1
    return connect()
  }
  const atrion = create({ provider: way })
  await atrion.connect()
  await atrion.disconnect().catch(() => {})
  const before = joins
  way.isCut = false
  await new Promise((resolve) => setTimeout(resolve, 400))
  t.is(joins, before)
  await atrion.connect()
  t.is(joins, before + 1, 'it connects again when it is asked to')
  await atrion.disconnect()
})

test('an attempt that fails after the instance was disconnected and connected again takes nothing from the new connection', async (t) => {
  const store = new InMemoryProvider()
  await store.connect()
  const way = new Way(store, { required: false })
  const attempts = []
  way.connect = () => {
    const attempt = {}
    const settled = new Promise((resolve, reject) => Object.assign(attempt, { resolve, reject }))
    attempts.push(attempt)
    if (attempts.length === 1) attempt.reject(new Error('absent'))
    if (attempts.length === 3) attempt.resolve()
    return settled
  }
  const atrion = create({ provider: way })
  await atrion.connect()
  await awaited(
    (async () => {
      while (attempts.length < 2) await new Promise((resolve) => setTimeout(resolve, 5))
    })(),
  )
  await atrion.disconnect()
  await atrion.connect()
  attempts[1].reject(new Error('too late'))
  await new Promise((resolve) => setImmediate(resolve))
  atrion.route('own', BAD)
  await atrion.flush()
  t.truthy(await store.getVector('own'))
  t.is(attempts.length, 3)
  await atrion.disconnect()
})

test('PostgreSQL that is absent at the start', async (t) => {
  const database = new PGlite()
  await database.waitReady
  t.teardown(() => database.close())
  let isThere = false
  const client = {
    query: async (text, values) => {
      if (!isThere) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
      return database.query(text, values)
    },
  }
  await t.throwsAsync(create({ provider: new PostgresStateProvider(client) }).connect(), {
    instanceOf: ConnectionError,
  })
  const provider = new PostgresStateProvider(client, { required: false, intervalMs: 20 })
  const atrion = create({ provider })
  await atrion.connect()
  t.true(atrion.route('r', BAD).allow)
  const restored = eventOf(atrion, 'restored')
  isThere = true
  await restored
  const { status, shared } = await awaited(
    atrion.patch({ base: atrion.config.version, changes: { limits: { max: 9 } } }),
  )
  t.deepEqual([status, shared], ['applied', true])
  await awaited(atrion.disconnect())
})

test('the option is a flag', (t) => {
  t.is(new MachineStateProvider({ required: false }).required, false)
  t.is(new MachineStateProvider().required, true)
  for (const make of [
    (options) => new MachineStateProvider(options),
    (options) => new PostgresStateProvider({ query: async () => [] }, options),
  ]) {
    const error = t.throws(() => make({ required: 'no' }), { instanceOf: ConfigError })
    t.is(error.field, 'required')
  }
})
