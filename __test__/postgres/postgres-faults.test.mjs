// A PostgreSQL that is paused, killed, failed over to an empty one, or never answers: decisions go on, one warning, and nothing is lost.
import { PostgresStateProvider } from 'atrion'
import anyTest from 'ava'
import pg from 'pg'
import { BAD, CALM, create, memoryLogger } from '../_engine.mjs'
import { PostgresServer, until } from '../_postgres/server.mjs'

const test = anyTest.serial
const server = await PostgresServer.start()
test.after.always(() => server.stop())

const VECTOR = { scar: 12.5, momentumScalar: 0.25, lastTick: 7, resistance: 33 }
let tables = 0

const poolOf = (t, options = {}) => {
  const pool = new pg.Pool({ ...server.connection, ...options })
  // A pool without a listener ends the process when an idle connection is lost; that is its owner's to hear.
  pool.on('error', () => {})
  t.teardown(() => pool.end())
  return pool
}

/** Tries until it works: on a busy machine a statement may take longer than the little time that it has here. */
const sure = (work) =>
  until(
    () =>
      work().then(
        () => true,
        () => false,
      ),
    String(work),
  )

/** The route 'a', once it can be read. */
const read = async (provider) => {
  let vector
  await sure(async () => {
    vector = await provider.getVector('a')
  })
  return vector
}

/** An instance whose provider gives a statement up after 200 ms. */
const world = async (t, options = {}) => {
  const table = options.table ?? `t${tables++}`
  const pool = options.pool ?? poolOf(t)
  const provider = new PostgresStateProvider(pool, { table, intervalMs: 20, timeoutMs: 200, ...options.provider })
  const logger = memoryLogger()
  const atrion = create({ provider, logger })
  const events = []
  atrion.on('degraded', () => events.push('degraded'))
  atrion.on('restored', () => events.push('restored'))
  t.teardown(() => atrion.disconnect())
  await sure(() => atrion.connect())
  return { table, pool, provider, logger, atrion, events }
}

const outage = async (t, { atrion, events, logger, provider }, begin, end) => {
  for (let n = 0; n < 50; n++) atrion.route(`route ${n}`, CALM)
  await until(async () => (await provider.listRoutes().catch(() => [])).length === 50, 'all routes')
  await begin()
  await until(() => {
    // Decisions go on, and each is made at once: nothing of this turn waits for the server.
    for (let n = 0; n < 50; n++) t.true(atrion.route(`route ${n}`, BAD).resistance > 0)
    return events.length > 0
  }, 'an instance that has noticed')
  for (let n = 50; n < 100; n++) atrion.route(`route ${n}`, CALM)
  await end()
  // Routes that were measured meanwhile are written without being measured anew.
  await until(async () => (await provider.listRoutes().catch(() => [])).length === 100, 'all that was measured')
  await until(() => {
    atrion.route('route 0', CALM)
    return events.length > 1
  }, 'an instance that has noticed that it is over')
  t.deepEqual(events, ['degraded', 'restored'])
  t.is(logger.entries.filter(({ level }) => level === 'warn').length, 1)
}

test('a paused server', async (t) => {
  const it = await world(t)
  await outage(
    t,
    it,
    () => server.pause(),
    () => server.resume(),
  )
  t.true(it.pool.totalCount <= 10)
})

test('a killed server that comes back with what was logged', async (t) => {
  const it = await world(t)
  await outage(
    t,
    it,
    () => server.kill(),
    () => server.run(),
  )
})

test('a killed server that comes back without what was unlogged', async (t) => {
  const it = await world(t, { provider: { unlogged: true } })
  await outage(
    t,
    it,
    () => server.kill(),
    () => server.run(),
  )
})

test('a pool that points to another server, which has no tables', async (t) => {
  const other = await PostgresServer.start()
  t.teardown(() => other.stop())
  const [first, second] = [poolOf(t), new pg.Pool(other.connection)]
  t.teardown(() => second.end())
  let current = first
  const it = await world(t, { pool: { query: (text, values) => current.query(text, values) } })
  const failing = {
    query: () => Promise.reject(Object.assign(new Error('the database is starting up'), { code: '57P03' })),
  }
  await outage(
    t,
    it,
    () => {
      current = failing
    },
    () => {
      current = second
    },
  )
})

test('statements that never settle are given up, few of them at once, and hold nothing up for ever', async (t) => {
  const real = poolOf(t)
  let open = 0
  let most = 0
  let isHanging = false
  const query = (text, values) => {
    if (!isHanging) return real.query(text, values)
    open += 1
    most = Math.max(most, open)
    return new Promise(() => {})
  }
  const { provider } = await world(t, { pool: { query }, provider: { timeoutMs: 100 } })
  await sure(() => provider.updateVector('a', VECTOR))
  isHanging = true
  const failures = []
  for (let n = 0; n < 4; n++) {
    await provider.updateVector('a', { ...VECTOR, lastTick: n }).catch((error) => failures.push(error.message))
    await provider.getVector('a').catch((error) => failures.push(error.message))
  }
  t.is(failures.length, 8)
  t.true(most <= 8, `${most} statements are open`)
  t.true(failures.some((message) => /no answer within 100 ms/.test(message)))
})

test('a statement that comes late, after it was given up, replaces nothing newer', async (t) => {
  const real = poolOf(t)
  const held = []
  let isHolding = false
  const query = (text, values) => {
    if (!isHolding || !text.includes('insert into')) return real.query(text, values)
    return new Promise((resolve, reject) => held.push(() => real.query(text, values).then(resolve, reject)))
  }
  const { provider } = await world(t, { pool: { query }, provider: { timeoutMs: 100 } })
  await sure(() => provider.updateVector('a', VECTOR))
  isHolding = true
  await t.throwsAsync(provider.updateVector('a', { ...VECTOR, lastTick: 8 }), { code: 'ATRION_SYNC' })
  isHolding = false
  await sure(() => provider.updateVector('a', { ...VECTOR, lastTick: 9 }))
  for (const go of held) await go()
  t.is((await read(provider)).lastTick, 9)
  await sure(() => provider.updateVector('a', { ...VECTOR, lastTick: 10 }))
  t.is((await read(provider)).lastTick, 10)
})

test('a statement that was done although it was given up is noticed, and the next one counts', async (t) => {
  const real = poolOf(t)
  let isDeaf = false
  const query = async (text, values) => {
    const result = await real.query(text, values)
    return isDeaf && text.includes('insert into') ? new Promise(() => {}) : result
  }
  const { provider, table } = await world(t, { pool: { query }, provider: { timeoutMs: 100 } })
  await sure(() => provider.updateVector('a', VECTOR))
  isDeaf = true
  await t.throwsAsync(provider.updateVector('a', { ...VECTOR, lastTick: 8 }), { code: 'ATRION_SYNC' })
  isDeaf = false
  await sure(() => provider.updateVector('a', { ...VECTOR, lastTick: 9 }))
  t.is((await read(provider)).lastTick, 9)
  t.is((await real.query(`select from atrion.${table}`)).rowCount, 1)
})

test('with the server gone only the newest routes are kept, as many as may be, and disconnect() ends', async (t) => {
  const { atrion, provider } = await world(t, { provider: { maxRoutes: 100 } })
  await server.kill()
  const calls = []
  for (let round = 0; round < 20; round++) {
    for (let n = 0; n < 200; n++) calls.push(provider.updateVector(`${round} ${n}`, VECTOR))
  }
  for (let n = 0; n < 150; n++) calls.push(provider.deleteVector(`unknown ${n}`))
  const settled = Promise.allSettled(calls)
  await atrion.disconnect()
  const results = await settled
  t.deepEqual(new Set(results.map(({ status }) => status)), new Set(['rejected']))
  const surplus = results.filter(({ reason }) => /already wait to be deleted/.test(reason.message))
  t.is(surplus.length, 50, 'deletions wait, too, and no more of them than routes')
  // The provider writes what it kept once the server runs again.
  await server.run()
  await sure(() => atrion.connect())
  await sure(() => provider.updateVector('19 199', VECTOR))
  const newest = Array.from({ length: 100 }, (_, n) => `19 ${n + 100}`)
  let routes
  await sure(async () => {
    routes = await provider.listRoutes()
  })
  t.deepEqual([...routes].sort(), newest)
})

test('a server that cannot be reached fails connect() in time, and a later connect() works', async (t) => {
  const closed = new pg.Pool({ ...server.connection, port: 1 })
  t.teardown(() => closed.end())
  await t.throwsAsync(new PostgresStateProvider(closed).connect(), { code: 'ATRION_CONNECTION' })
  const hanging = new PostgresStateProvider({ query: () => new Promise(() => {}) }, { timeoutMs: 100 })
  await t.throwsAsync(hanging.connect(), { code: 'ATRION_CONNECTION', message: /no answer within 100 ms/ })
})
