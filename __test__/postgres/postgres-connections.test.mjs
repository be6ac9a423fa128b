// Connections of the user: a single one of `pg` takes statements in turn, and one that listened goes back as it came.
import { PostgresPersistenceAdapter, PostgresStateProvider } from 'atrion'
import test from 'ava'
import pg from 'pg'
import postgres from 'postgres'
import { change, connected, familiesOf, VECTOR } from '../_postgres/families.mjs'
import { PostgresServer, until } from '../_postgres/server.mjs'

const server = await PostgresServer.start()
const pool = new pg.Pool({ ...server.connection, max: 4 })
pool.on('error', () => {})
test.after.always(async () => {
  await pool.end()
  await server.stop()
})

const { family } = familiesOf(pool)

/** A connected client that notes how many statements were under way at once. */
async function single(t) {
  const client = new pg.Client(server.connection)
  await client.connect()
  t.teardown(() => client.end())
  const seen = { now: 0, most: 0, all: 0 }
  const query = client.query
  client.query = (...given) => {
    seen.now += 1
    seen.all += 1
    seen.most = Math.max(seen.most, seen.now)
    const work = query.apply(client, given)
    const ended = () => {
      seen.now -= 1
    }
    work.then(ended, ended)
    return work
  }
  return { client, seen }
}

const yes = () => true
const no = () => false

const listenersOf = (client) => client.eventNames().map((name) => [String(name), client.listenerCount(name)])

for (const notify of [false, true]) {
  test(`two providers and a history on one connection, ${notify ? 'with' : 'without'} notify, send one statement at a time and leave no listener`, async (t) => {
    const { make, table } = family(t, { notify })
    const { client, seen } = await single(t)
    const before = listenersOf(client)
    const history = new PostgresPersistenceAdapter(client, { table: `${table}_history`, timeoutMs: 60_000 })
    const [one, two] = [make(client), make(client)]
    await Promise.all([one.connect(), two.connect(), history.connect()])
    const heard = change(two, 'a')
    const calls = Array.from({ length: 20 }, (_, n) => [
      one.updateVector(`route ${n}`, VECTOR),
      two.getVector(`route ${n}`),
    ])
    await Promise.all([one.updateVector('a', VECTOR), two.listRoutes(), history.flush(), ...calls.flat()])
    t.like(await heard, { vector: VECTOR })
    await Promise.all([one.disconnect(), two.disconnect(), history.disconnect()])
    t.true(seen.all > 20)
    t.is(seen.most, 1)
    t.deepEqual(listenersOf(client), before)
  })
}

test('a connection that has not answered is sent no further statement, whichever provider it is of', async (t) => {
  const { make } = family(t, { intervalMs: 60_000 })
  const { client, seen } = await single(t)
  const [one, two] = [make(client, { timeoutMs: 1000 }), await connected(make(client))]
  await until(() => one.connect().then(yes, no), 'a connection in time')
  const query = client.query
  let answer
  client.query = (...given) => new Promise((resolve) => (answer = resolve)).then(() => query.apply(client, given))
  const { all } = seen
  await t.throwsAsync(one.getVector('a'), { message: /no answer within 1000 ms/ })
  client.query = query
  await t.throwsAsync(one.getVector('a'), { message: /1 statement has not been answered/ })
  await t.throwsAsync(two.getVector('a'), { message: /1 statement has not been answered/ })
  t.is(seen.all, all)
  answer()
  await until(() => two.getVector('a').then(yes, no), 'a statement after the answer')
  t.is(seen.most, 1)
})

test('a connection of a pool that listened goes back without a listener, as often as one likes', async (t) => {
  const { make } = family(t, { notify: true })
  const small = new pg.Pool({ ...server.connection, max: 2 })
  t.teardown(() => small.end())
  const clients = new Set()
  small.on('acquire', (client) => clients.add(client))
  const provider = make(small)
  const counts = []
  for (let n = 0; n < 12; n++) {
    await provider.connect()
    await provider.disconnect()
    await until(() => small.idleCount === small.totalCount, 'all connections back')
    counts.push([...clients].map((client) => [client.listenerCount('error'), client.listenerCount('notification')]))
  }
  t.true(clients.size <= 2)
  t.deepEqual(
    counts.at(-1),
    [...clients].map(() => [1, 0]),
  )
})

test('another connection listens after the one that did is lost, and neither is left behind', async (t) => {
  const { make } = family(t, { notify: true })
  const small = new pg.Pool({ ...server.connection, max: 2, application_name: 'lost' })
  small.on('error', () => {})
  t.teardown(() => small.end())
  const [one, two] = [await connected(make(small)), await connected(make())]
  const listening = `from pg_stat_activity where application_name = 'lost' and query like 'listen %'`
  const pids = new Set()
  for (let n = 0; n < 3; n++) {
    // Only who subscribes looks for news.
    const heard = change(one, `route ${n}`)
    await two.updateVector(`route ${n}`, VECTOR)
    t.like(await heard, { vector: VECTOR })
    const stop = one.subscribe('b', () => {})
    await until(async () => {
      const { rows } = await pool.query(`select pid ${listening}`)
      for (const { pid } of rows) pids.add(pid)
      return rows.length === 1 && pids.size === n + 1
    }, 'a connection that listens')
    await pool.query(`select pg_terminate_backend(pid) ${listening}`)
    if (n === 2) await one.disconnect()
    stop()
  }
  await until(() => small.idleCount === small.totalCount, 'all connections back')
  t.true(small.totalCount <= 2)
  await connected(one)
  await one.disconnect()
})

test.serial('disconnect() waits for no server that has stopped answering, whichever client listens', async (t) => {
  const other = await PostgresServer.start()
  t.teardown(() => other.stop())
  const clients = {
    pool: new pg.Pool(other.connection),
    client: new pg.Client(other.connection),
    js: postgres(other.url, { onnotice() {} }),
  }
  for (const client of [clients.pool, clients.client]) client.on('error', () => {})
  await clients.client.connect()
  const providers = Object.entries(clients).map(
    ([table, client]) => new PostgresStateProvider(client, { table, notify: true, timeoutMs: 2000 }),
  )
  for (const provider of providers) await until(() => provider.connect().then(yes, no), 'a connection')
  other.pause()
  // They all end while nothing answers.
  await Promise.all(providers.map((provider) => provider.disconnect()))
  other.resume()
  for (const provider of providers) {
    await until(() => provider.connect().then(yes, no), 'a connection again')
    await provider.disconnect()
  }
  await Promise.all([clients.pool.end(), clients.client.end(), clients.js.end()])
  t.is(clients.pool.totalCount, 0)
})
