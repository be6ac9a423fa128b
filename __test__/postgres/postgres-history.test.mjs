// The history in PostgreSQL: what an instance reports by its events is kept, found again, and deleted in time; what cannot be written is bounded and counted.
import { PGlite } from '@electric-sql/pglite'
import { PostgresPersistenceAdapter } from 'atrion'
import test from 'ava'
import pg from 'pg'
import { BAD, CALM, create } from '../_engine.mjs'
import { PostgresServer, until } from '../_postgres/server.mjs'

const server = await PostgresServer.start()
const pool = new pg.Pool(server.connection)
test.after.always(async () => {
  await pool.end()
  await server.stop()
})

let tables = 0
const adapterOf = async (t, options = {}, over = pool) => {
  const adapter = new PostgresPersistenceAdapter(over, {
    table: `h${tables++}`,
    intervalMs: 20,
    summaryMs: 0,
    timeoutMs: 60_000, // a busy machine is no failure
    ...options,
  })
  t.teardown(() => adapter.disconnect())
  await adapter.connect()
  return adapter
}
const all = { from: 0, to: new Date(8.64e15) }
/** A source of events as an instance is one. */
const source = () => {
  const listeners = new Map()
  return {
    on: (name, listener) => {
      listeners.set(name, listener)
      return () => listeners.delete(name)
    },
    getRoutes: () => ['a'],
    stats: () => ({ admitted: 1 }),
    emit: (name, event) => listeners.get(name)?.(event),
    listeners,
  }
}

for (const [kind, over] of [
  ['PostgreSQL', () => pool],
  ['PGlite', () => PGlite.create()],
]) {
  test(`transitions and summaries of an instance are in the report, with ${kind}`, async (t) => {
    const history = await adapterOf(t, { summaryMs: 100 }, await over())
    const atrion = create()
    const detach = history.attach(atrion)
    for (let n = 0; n < 30; n++) atrion.route('checkout', CALM)
    for (let n = 0; n < 200; n++) atrion.route('checkout', BAD)
    await until(async () => {
      await history.flush()
      const kinds = new Set((await history.report({ ...all, routeId: 'checkout' })).map((entry) => entry.kind))
      return kinds.has('transition') && kinds.has('summary')
    }, 'a transition and a summary')
    detach()
    const entries = await history.report({ ...all, routeId: 'checkout' })
    const first = entries.find((entry) => entry.kind === 'transition')
    t.like(first, { routeId: 'checkout', detail: { event: 'transition', from: 'BOOTSTRAP', to: 'OPERATIONAL' } })
    t.true(Math.abs(first.at - Date.now()) < 600_000)
    t.like(entries.find((entry) => entry.kind === 'summary').detail, { mode: 'CIRCUIT_BREAKER' })
    t.deepEqual(await history.report({ ...all, routeId: 'another' }), [])
    t.deepEqual(await history.report({ from: 0, to: 1 }), [])
  })
}

test('a summary has the number of requests, in all and since the one before, of either loop', async (t) => {
  const history = await adapterOf(t, { summaryMs: 100 })
  const routes = { closed: { admitted: 5, shed: 2 }, open: { admitted: 0, shed: 0 } }
  let ticks = 3
  const it = {
    ...source(),
    getRoutes: () => Object.keys(routes),
    stats: (routeId) => routes[routeId],
    getState: (routeId) => ({ tickCount: routeId === 'open' ? ticks : 1 }),
  }
  t.teardown(history.attach(it))
  const requestsOf = async (routeId) => {
    await history.flush()
    return (await history.report({ ...all, routeId })).map(({ detail }) => [detail.requests, detail.recentRequests])
  }
  const summaries = (routeId, count) =>
    until(async () => (await requestsOf(routeId)).length === count, `${count} summaries of ${routeId}`)
  await summaries('closed', 1)
  await summaries('open', 1)
  routes.closed = { admitted: 25, shed: 2 }
  ticks = 4
  await summaries('closed', 2)
  await summaries('open', 2)
  // The route was evicted, and came again.
  routes.closed = { admitted: 1, shed: 0 }
  await summaries('closed', 3)
  t.deepEqual(await requestsOf('closed'), [
    [7, 7],
    [27, 20],
    [1, 1],
  ])
  t.deepEqual(await requestsOf('open'), [
    [3, 3],
    [4, 1],
  ])
})

test('a flood of entries leaves a bounded number of the newest', async (t) => {
  const history = await adapterOf(t, { maxEntries: 1000, maxPending: 8192, intervalMs: 600_000 })
  const it = source()
  history.attach(it)
  for (let round = 0; round < 2; round++) {
    for (let n = 0; n < 4000; n++) it.emit('transition', { routeId: `${round}-${n}` })
    await history.flush()
    const entries = await history.report(all)
    t.true(entries.length <= 1000, `${entries.length}`)
    t.is(entries.at(-1).routeId, `${round}-3999`)
  }
  t.is(history.stats().written, 8_000)
  // Those of a sweep are deleted by several statements.
  const table = `h${tables++}`
  await pool.query(PostgresPersistenceAdapter.migration({ table }))
  await pool.query(
    `insert into atrion.${table} (at, kind, detail) select now() - interval '2 h', 'ban', '{}' from generate_series(1, 25000)`,
  )
  const other = await adapterOf(t, { table, retentionMs: 3_600_000 })
  await other.flush()
  t.is((await other.report(all)).length, 0)
})

test('patches, bans and any name are kept as they are, in their order', async (t) => {
  const history = await adapterOf(t)
  const it = source()
  const detach = history.attach(it)
  const names = ['a\0b', '\ud800', 'x\ny', "'; drop", 'é', '__proto__']
  for (const routeId of names) it.emit('transition', { routeId, from: 'a\0', to: '\n' })
  it.emit('patch', { version: 7, author: 'ann', paths: ['slo'], state: 'applied' })
  it.emit('ban', { id: 'b1', type: 'ban' })
  it.emit('degraded', { provider: 'p', error: new Error('gone') })
  it.emit('patch', { text: 'x'.repeat(100_000) })
  await history.flush()
  const entries = await history.report(all)
  t.deepEqual(
    entries.slice(0, names.length).map(({ routeId }) => routeId),
    names,
  )
  t.like(entries[6], { kind: 'patch', routeId: null, detail: { event: 'patch', version: 7, author: 'ann' } })
  t.like(entries[7], { kind: 'ban', detail: { id: 'b1' } })
  t.like(entries[8], { kind: 'store', detail: { error: 'gone' } })
  t.deepEqual(entries[9].detail, { isTooLong: true })
  t.is((await history.report({ ...all, limit: 2 })).length, 2)
  detach()
  t.is(it.listeners.size, 0)
  t.deepEqual(history.stats(), { written: 10, dropped: 0, pending: 0 })
})

test('without a server entries wait, bounded, and are written when it is back', async (t) => {
  let isGone = false
  const query = (text, values) => (isGone ? Promise.reject(new Error('gone')) : pool.query(text, values))
  const history = await adapterOf(t, { maxPending: 50 }, { query })
  const it = source()
  history.attach(it)
  isGone = true
  for (let n = 0; n < 80; n++) it.emit('transition', { routeId: `${n}` })
  await t.throwsAsync(history.flush(), { code: 'ATRION_SYNC' })
  t.deepEqual(history.stats(), { written: 0, dropped: 30, pending: 50 })
  isGone = false
  await until(() => history.stats().written === 50, 'all that waited')
  t.is((await history.report(all)).length, 50)
})

test('entries older than the retention are deleted, and the role that is printed suffices', async (t) => {
  const table = `h${tables++}`
  await pool.query(PostgresPersistenceAdapter.migration({ table }))
  await pool.query(PostgresPersistenceAdapter.role('historian', { table }))
  const service = new pg.Pool({ ...server.connection, user: 'historian' })
  t.teardown(() => service.end())
  await pool.query(
    `insert into atrion.${table} (at, kind, detail) values (now() - interval '2 h', 'ban', '{}'), (now(), 'ban', '{}')`,
  )
  const history = await adapterOf(t, { table, retentionMs: 3_600_000 }, service)
  await history.flush()
  t.is((await history.report(all)).length, 1)
  await t.throwsAsync(service.query(`update atrion.${table} set kind = 'x'`), { message: /permission denied/ })
})

test('options and queries out of their range are refused by name', async (t) => {
  for (const [field, bad] of Object.entries({
    table: '',
    intervalMs: 9,
    summaryMs: 99,
    retentionMs: 1,
    maxEntries: 999,
    maxPending: 0,
  })) {
    t.is(t.throws(() => new PostgresPersistenceAdapter(pool, { [field]: bad }), { code: 'ATRION_CONFIG' }).field, field)
  }
  t.is(t.throws(() => new PostgresPersistenceAdapter('postgres://u:hunter2@h')).field, 'pool')
  const history = await adapterOf(t)
  for (const [field, query] of Object.entries({
    from: { from: 'x', to: 1 },
    to: { from: 1, to: Number.NaN },
    routeId: { ...all, routeId: 7 },
    limit: { ...all, limit: 0 },
  })) {
    t.is((await t.throwsAsync(history.report(query), { code: 'ATRION_CONFIG' })).field, field)
  }
})
