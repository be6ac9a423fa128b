// State in PostgreSQL: the tables, the rights, what nodes learn from each other, and what is dropped. Longer than other files, because
// all of it is asserted on one server.
import { Atrion, PostgresStateProvider } from 'atrion'
import test from 'ava'
import pg from 'pg'
import { BAD, CALM, create, memoryLogger } from '../_engine.mjs'
import { change, connected, familiesOf, VECTOR } from '../_postgres/families.mjs'
import { PostgresServer, until } from '../_postgres/server.mjs'

const server = await PostgresServer.start()
const pool = new pg.Pool(server.connection)
test.after.always(async () => {
  await pool.end()
  await server.stop()
})

const { family, counting } = familiesOf(pool)

test('ten nodes that start at once make the tables once', async (t) => {
  const { make, table } = family(t)
  const providers = Array.from({ length: 10 }, () => make())
  await Promise.all(providers.map((provider) => provider.connect()))
  await Promise.all(providers.map((provider, n) => provider.updateVector(`route ${n}`, VECTOR)))
  t.is((await providers[0].listRoutes()).length, 10)
  const { rows } = await pool.query(`select version from atrion.${table}_version`)
  t.deepEqual(rows, [{ version: 1 }])
})

test('migrate: false makes nothing, and the statement that is printed makes everything', async (t) => {
  const { make, table } = family(t, { migrate: false })
  const error = await t.throwsAsync(make().connect(), { code: 'ATRION_CONNECTION' })
  t.regex(error.message, /migration\(\)/)
  const sql = PostgresStateProvider.migration({ table })
  t.is(sql, make().migration())
  await pool.query(sql)
  await pool.query(sql)
  const provider = await connected(make())
  await provider.updateVector('a', VECTOR)
  t.deepEqual(await provider.getVector('a'), VECTOR)
})

test('tables of a later version are refused by name', async (t) => {
  const { make, table } = family(t)
  await pool.query(PostgresStateProvider.migration({ table }))
  await pool.query(`update atrion.${table}_version set version = 99`)
  const error = await t.throwsAsync(make().connect(), { code: 'ATRION_CONNECTION' })
  t.regex(error.message, /version 99/)
})

test('the role that is printed suffices, and may do no more', async (t) => {
  const { make, table } = family(t)
  await pool.query(PostgresStateProvider.migration({ table }))
  const role = `service "${table}"`
  await pool.query(PostgresStateProvider.role(role, { table }))
  await pool.query(PostgresStateProvider.role(role, { table }))
  const service = new pg.Pool({ ...server.connection, user: role })
  t.teardown(() => service.end())
  const [one, two] = [await connected(make(service)), await connected(make(service))]
  const heard = change(two, 'a')
  await one.updateVector('a', VECTOR)
  t.like(await heard, { vector: VECTOR })
  t.true(await one.writeDocument('d', 0, 'text'))
  await one.deleteVector('a')
  for (const forbidden of [
    `drop table atrion.${table}`,
    `truncate atrion.${table}`,
    `create table atrion.x (a int)`,
    `update atrion.${table}_version set version = 2`,
    'create schema other',
  ]) {
    await t.throwsAsync(service.query(forbidden), { message: /permission denied|must be owner/ }, forbidden)
  }
})

test('names of schema and tables are names, whatever is in them', async (t) => {
  const options = { schema: `od"d's; drop`, table: `ta"b'le é`, migrate: true, notify: true, intervalMs: 20 }
  const [one, two] = [new PostgresStateProvider(pool, options), new PostgresStateProvider(pool, options)]
  t.teardown(() => Promise.all([one.disconnect(), two.disconnect()]))
  await Promise.all([one.connect(), two.connect()])
  const heard = change(two, 'a')
  await one.updateVector('a', VECTOR)
  t.like(await heard, { vector: VECTOR })
  await pool.query(PostgresStateProvider.role('r', { schema: options.schema, table: options.table }))
})

test('options out of their range are refused by name, and no secret is shown', (t) => {
  const cases = {
    schema: ['', 'x'.repeat(64), 'a\0', '$', 7],
    table: ['', 'x'.repeat(41), {}],
    intervalMs: [9, 60_001, 0.5, '100', Number.NaN],
    gamma: [-0.1, 1.1, '0.3'],
    migrate: ['no', 1],
    notify: ['yes', 0],
    unlogged: ['yes'],
    secret: ['short', [], 7, Array(9).fill('x'.repeat(16))],
    zone: ['', 'x'.repeat(65), 7, 'a\n'],
    retentionMs: [9999, 0.5, Number.POSITIVE_INFINITY],
    timeoutMs: [99, 600_001],
    maxRoutes: [0, 0.5, 2 ** 21],
  }
  for (const [field, values] of Object.entries(cases)) {
    for (const value of values) {
      const error = t.throws(() => new PostgresStateProvider(pool, { [field]: value }), { code: 'ATRION_CONFIG' })
      t.is(error.field, field)
    }
    t.notThrows(() => new PostgresStateProvider(pool, { [field]: null }))
  }
  t.is(t.throws(() => new PostgresStateProvider(pool, { tabel: 'x' })).field, 'tabel')
  const url = 'postgres://service:hunter2@db/x'
  for (const bad of [undefined, null, {}, url, 7, []]) {
    const error = t.throws(() => new PostgresStateProvider(bad), { code: 'ATRION_CONFIG' })
    t.is(error.field, 'pool')
    t.notRegex(`${error.message} ${error.got}`, /hunter2/)
  }
  const hidden = t.throws(() => new PostgresStateProvider(pool, { secret: 'hunter2' }))
  t.notRegex(`${hidden.message} ${hidden.got}`, /hunter2/)
})

test('an error of the driver shows no credentials', async (t) => {
  const query = async () => {
    throw Object.assign(new Error('connect postgres://service:hunter2@db:5432/x password=hunter2 failed'), {
      client: { password: 'hunter2' },
    })
  }
  const error = await t.throwsAsync(new PostgresStateProvider({ query }).connect(), { code: 'ATRION_CONNECTION' })
  const { inspect } = await import('node:util')
  t.notRegex(inspect(error, { depth: 9, showHidden: true }), /hunter2/)
  t.regex(error.message, /postgres:\/\/…@db:5432/)
})

test('a route that is hurt on one node is hurt on the other, whose reports have an origin', async (t) => {
  const { make } = family(t)
  const providers = [make(), make()]
  const [here, there] = providers.map((provider) => create({ provider }))
  t.teardown(() => Promise.all([here.disconnect(), there.disconnect()]))
  await Promise.all([here.connect(), there.connect()])
  for (let i = 0; i < 30; i++) there.route('checkout', CALM)
  const before = there.getState('checkout').resistance
  const heard = change(providers[1], 'checkout')
  for (let i = 0; i < 30; i++) here.route('checkout', BAD)
  await until(() => there.getState('checkout').resistance > before + 1, 'a report of the other node')
  t.true(there.getState('checkout').resistance > before + 1)
  const { vector, origin } = await heard
  t.true(vector.scar > 0)
  t.regex(origin.node, /^[0-9a-f]{16}$/)
})

test('all changes of a turn are one statement, and ten thousand routes too', async (t) => {
  const { make } = family(t)
  const client = counting()
  const provider = await connected(make(client))
  const before = client.writes()
  await Promise.all(Array.from({ length: 10_000 }, (_, n) => provider.updateVector(`GET /items/${n}`, VECTOR)))
  t.is(client.writes() - before, 1)
  t.is(provider.stats().sentRoutes, 10_000)
  t.is((await provider.listRoutes()).length, 10_000)
})

test('the sync loop hands over all routes of an interval at once', async (t) => {
  const { make } = family(t, { intervalMs: 100 })
  const client = counting()
  const atrion = create({ provider: make(client) })
  t.teardown(() => atrion.disconnect())
  await atrion.connect()
  for (let n = 0; n < 3000; n++) atrion.route(`route ${n}`, CALM)
  await atrion.flush()
  t.true(client.writes() <= 4, `${client.writes()} statements`)
  t.is(
    (await pool.query(`select count(*)::int as n from pg_stat_activity where state = 'idle in transaction'`)).rows[0].n,
    0,
  )
})

test('without news a look reads no row', async (t) => {
  const { make } = family(t)
  const [one, two] = [await connected(make()), await connected(make())]
  two.subscribe('a', () => {})
  const heard = change(two, 'a')
  await one.updateVector('a', VECTOR)
  await heard
  const { receivedBytes } = two.stats()
  const later = change(two, 'b')
  await one.updateVector('b', VECTOR)
  await later
  // The second look has read the row of 'b', and not that of 'a' again.
  t.true(two.stats().receivedBytes - receivedBytes < 200)
})

test('rows that no node wrote are dropped and counted, and hurt nothing', async (t) => {
  const { make, table } = family(t)
  const provider = await connected(make())
  const reports = []
  for (const routeId of ['a', '__proto__', 'far']) provider.subscribe(routeId, (vector) => reports.push(vector))
  const bodies = [
    'no json',
    '{}',
    '[[]]',
    '[["a",-1,0,0,0,1,0]]',
    '[["a",1e999,0,0,0,1,0]]',
    '[["a","1",0,0,0,1,0]]',
    `[["far",1,1,1,1,${Number.MAX_SAFE_INTEGER},0]]`,
    `[["a",1,1,1,1,1,0]]`,
    `[${'['.repeat(50_000)}`,
  ]
  for (const [n, body] of bodies.entries()) {
    await pool.query(`insert into atrion.${table} values ($1, $2, 1, $3, $4, '-')`, [
      n,
      `bad ${n}`,
      Date.now() * 1000,
      body,
    ])
    await pool.query(`insert into atrion.${table}_nodes values ($1, $2, '', now())`, [`bad ${n}`, Date.now() * 1000])
  }
  await pool.query(`insert into atrion.${table}_nodes values ('far', 9007199254740991, '', now())`)
  const other = await connected(make())
  const heard = change(provider, 'b')
  await other.updateVector('b', VECTOR)
  t.like(await heard, { vector: VECTOR })
  t.deepEqual(reports, [])
  t.true(provider.stats().droppedRows > 0)
  t.deepEqual([...(await provider.listRoutes())], ['b'])
  t.is(await provider.getVector('a'), null)
})

test('with a secret only rows of those who have it count, and a changed secret can be shared', async (t) => {
  const { make, table } = family(t)
  const [old, next] = ['the old secret of it', 'the new secret of it']
  const one = await connected(make(pool, { secret: old }))
  const two = await connected(make(pool, { secret: [next, old] }))
  const stranger = await connected(make())
  t.true(one.hasProvedNodes)
  t.false(stranger.hasProvedNodes)
  const heard = change(two, 'a')
  await stranger.updateVector('a', { ...VECTOR, scar: 999 })
  t.true(await stranger.writeDocument('d', 0, 'forged'))
  await t.throwsAsync(two.readDocument('d'), { code: 'ATRION_PARSE', message: /none of the secrets/ })
  await one.updateVector('a', VECTOR)
  t.deepEqual((await heard).vector, VECTOR)
  t.deepEqual(await two.getVector('a'), VECTOR)
  t.true(two.stats().droppedUnsigned > 0)
  t.true(await two.writeDocument('d', 0, 'right'))
  t.like(await two.readDocument('d'), { text: 'right' })
  // A row under another's name, with the MAC of another row.
  await pool.query(`update atrion.${table} set body = replace(body, '12.5', '99.5') where body like '%12.5%'`)
  t.is(await two.getVector('a'), null)
})

test('a deleted route stays deleted while its node writes others of the same row', async (t) => {
  const { make } = family(t)
  const [one, two] = [await connected(make()), await connected(make())]
  const names = Array.from({ length: 600 }, (_, n) => `route ${n}`)
  await Promise.all(names.map((name) => one.updateVector(name, VECTOR)))
  await Promise.all(names.slice(0, 300).map((name) => two.deleteVector(name)))
  await Promise.all(names.slice(300).map((name) => one.updateVector(name, { ...VECTOR, lastTick: 8 })))
  t.deepEqual((await two.listRoutes()).sort(), names.slice(300).sort())
})

test('nodes that are gone are forgotten after the time that was set', async (t) => {
  const { make, table } = family(t, { retentionMs: 10_000 })
  const gone = await connected(make())
  await gone.updateVector('a', VECTOR)
  await gone.disconnect()
  await pool.query(`update atrion.${table}_nodes set at = now() - interval '11 s'`)
  const lives = await connected(make())
  await lives.updateVector('b', VECTOR)
  await until(async () => (await pool.query(`select from atrion.${table}`)).rowCount === 1, 'rows that are removed')
  t.deepEqual(await lives.listRoutes(), ['b'])
})

test('the node writes everything anew when the server has lost its rows', async (t) => {
  const { make, table } = family(t)
  const provider = await connected(make())
  await Promise.all(Array.from({ length: 500 }, (_, n) => provider.updateVector(`${n}`, VECTOR)))
  await pool.query(`truncate atrion.${table}, atrion.${table}_nodes`)
  await provider.updateVector('new', VECTOR)
  await until(async () => (await provider.listRoutes()).length === 501, 'all routes')
  await pool.query(
    `drop table atrion.${table}, atrion.${table}_nodes, atrion.${table}_documents, atrion.${table}_version`,
  )
  await t.throwsAsync(provider.updateVector('newer', VECTOR), { code: 'ATRION_SYNC' })
  await until(async () => (await provider.listRoutes().catch(() => [])).length === 502, 'all routes in new tables')
  const routes = await provider.listRoutes()
  t.deepEqual([...routes].sort(), [...Array.from({ length: 500 }, (_, n) => `${n}`), 'new', 'newer'].sort())
})

test('rows that the server has in an older version, as after a crash, are written anew, and nothing is taken for deleted', async (t) => {
  const { make, table } = family(t)
  const [provider, other] = [await connected(make()), await connected(make())]
  const names = Array.from({ length: 600 }, (_, n) => `${n}`)
  await Promise.all(names.slice(0, 300).map((name) => provider.updateVector(name, VECTOR)))
  await pool.query(`create table atrion.${table}_old as table atrion.${table}`)
  await Promise.all(names.slice(300).map((name) => provider.updateVector(name, VECTOR)))
  await Promise.all(names.slice(0, 10).map((name) => provider.updateVector(name, { ...VECTOR, lastTick: 8 })))
  await pool.query(`truncate atrion.${table}`)
  await pool.query(`insert into atrion.${table} select * from atrion.${table}_old where shard % 2 = 0`)
  // Enough of them that every row has one.
  const later = Array.from({ length: 4000 }, (_, n) => `later ${n}`)
  await Promise.all(later.map((name) => provider.updateVector(name, VECTOR)))
  const all = [...names, ...later].sort()
  t.deepEqual((await other.listRoutes()).sort(), all)
  t.is((await other.getVector('7')).lastTick, 8)
  await other.deleteVector('7')
  await provider.updateVector('8', VECTOR)
  t.deepEqual(
    (await other.listRoutes()).sort(),
    all.filter((name) => name !== '7'),
  )
})

test('bodies are compressed by LZ4 where the server has it, and split by the server where it can', async (t) => {
  const { make, table } = family(t)
  const client = counting()
  const provider = await connected(make(client))
  const names = Array.from({ length: 10_000 }, (_, n) => `GET /items/${n}`)
  const written = new Map(
    names.map((name) => [
      name,
      { scar: Math.random(), momentumScalar: Math.random(), lastTick: 1, resistance: Math.random() },
    ]),
  )
  await Promise.all([...written].map(([name, vector]) => provider.updateVector(name, vector)))
  const { rows } = await pool.query(
    `select min(pg_column_compression(body)) as least, max(pg_column_compression(body)) as most from atrion.${table}`,
  )
  const { enumvals } = (await pool.query(`select enumvals from pg_settings where name = 'default_toast_compression'`))
    .rows[0]
  const compression = enumvals.includes('lz4') ? 'lz4' : null
  t.deepEqual(rows, [{ least: compression, most: compression }])
  t.regex(client.statements.at(-1), /string_to_table/)
  for (const name of names.slice(0, 20)) t.deepEqual(await provider.getVector(name), written.get(name))
  // A table that an earlier release made, and a server of before version 14.
  await pool.query(
    `alter table atrion.${table} alter column body set storage external, alter column body set compression pglz`,
  )
  const old = {
    query: async (text, values) => {
      const result = await pool.query(text, values)
      for (const row of result.rows) if ('splits' in row) row.splits = null
      return result
    },
  }
  const counted = counting(old)
  const other = await connected(make(counted))
  await Promise.all([...written].map(([name, vector]) => other.updateVector(name, { ...vector, lastTick: 2 })))
  t.regex(counted.statements.at(-1), /unnest\(string_to_array/)
  for (const name of names.slice(0, 20))
    t.deepEqual(await provider.getVector(name), { ...written.get(name), lastTick: 2 })
})

test('only a batch of routes does not wait for the disk, and only over a pool', async (t) => {
  const { make } = family(t)
  const client = new pg.Client(server.connection)
  await client.connect()
  t.teardown(() => client.end())
  const statements = []
  const clients = [
    [new pg.Pool(server.connection), true],
    [client, false],
    [{ query: (text, values) => pool.query(text, values) }, false],
  ]
  for (const [n, [over, isPool]] of clients.entries()) {
    statements.length = 0
    const query = over.query.bind(over)
    over.query = (given, ...rest) => {
      statements.push(typeof given === 'string' ? given : given.text)
      return query(given, ...rest)
    }
    const provider = await connected(make(over))
    await provider.updateVector('a', VECTOR)
    t.true(await provider.writeDocument(`document ${n}`, 0, 'text'))
    await provider.deleteVector('a')
    const lazy = statements.filter((text) => text.includes('synchronous_commit'))
    t.is(lazy.length, isPool ? 1 : 0)
    t.true(lazy.every((text) => text.includes('insert into') && !text.includes('_documents')))
    await provider.disconnect()
    if (isPool) await over.end()
  }
})

test('a pool is left open, and a provider that was not connected says so', async (t) => {
  const { make } = family(t)
  const own = new pg.Pool(server.connection)
  t.teardown(() => own.end())
  const provider = make(own, { notify: true })
  await t.throwsAsync(provider.getVector('a'), { code: 'ATRION_CONNECTION' })
  await t.throwsAsync(provider.updateVector('a', VECTOR), { code: 'ATRION_CONNECTION' })
  await connected(provider)
  await provider.disconnect()
  t.is((await own.query('select 1 as one')).rows[0].one, 1)
  t.is(own.idleCount, own.totalCount)
})

test('a client that cannot listen is refused with notify alone', async (t) => {
  const { make } = family(t)
  const plain = { query: (text, values) => pool.query(text, values) }
  await connected(make(plain))
  const error = await t.throwsAsync(make(plain, { notify: true }).connect(), { code: 'ATRION_CONNECTION' })
  t.regex(error.message, /notify/)
})

test('vectors that are none are refused', async (t) => {
  const { make } = family(t)
  const provider = await connected(make())
  for (const bad of [null, {}, { ...VECTOR, scar: -1 }, { ...VECTOR, resistance: Number.NaN }]) {
    await t.throwsAsync(provider.updateVector('a', bad), { code: 'ATRION_CONFIG' })
  }
  await t.throwsAsync(provider.updateVector(7, VECTOR), { instanceOf: TypeError })
  t.throws(() => provider.subscribe('a', 7), { instanceOf: TypeError })
})

test('an instance logs nothing while all is well', async (t) => {
  const { make } = family(t)
  const logger = memoryLogger()
  const atrion = new Atrion({ provider: make(), logger })
  await atrion.connect()
  atrion.route('a', CALM)
  await atrion.disconnect()
  t.deepEqual(logger.entries, [])
})
