// The provider for PostgreSQL keeps what a provider promises, through each client that it takes.
import { PGlite } from '@electric-sql/pglite'
import { PostgresStateProvider } from 'atrion'
import { testProvider } from 'atrion/testing'
import test from 'ava'
import pg from 'pg'
import postgres from 'postgres'
import { provideProgram } from '../../scripts/lib/packages.mjs'
import { PATIENCE_MS } from '../_patience.mjs'
import { PostgresServer, startBouncer } from '../_postgres/server.mjs'

const server = await PostgresServer.start()
const noBouncer = await provideProgram('pgbouncer')
const bouncer = noBouncer === undefined ? await startBouncer(server) : undefined

const pool = new pg.Pool(server.connection)
const sql = postgres(server.url, { max: 3, onnotice: () => {} })
const client = new pg.Client(server.connection)
await client.connect()
const lite = new PGlite()
const behind = bouncer && new pg.Pool(bouncer.connection)
const sqlBehind = bouncer && postgres({ ...bouncer.connection, prepare: false, max: 3, onnotice: () => {} })

test.after.always(async () => {
  await Promise.all([pool.end(), sql.end(), client.end(), lite.close(), behind?.end(), sqlBehind?.end()])
  await bouncer?.stop()
  await server.stop()
})

const secret = 'a secret of the service'
const suite = (register, title, over, options) =>
  // On a busy machine a statement may take longer than the usual five seconds.
  testProvider(register, () => new PostgresStateProvider(over, { intervalMs: 20, timeoutMs: 60_000, ...options }), {
    title,
    timeoutMs: PATIENCE_MS,
  })

suite(test.serial, 'a pool of pg', pool, { table: 'pool' })
suite(test.serial, 'a client of pg', client, { table: 'client' })
suite(test.serial, 'postgres.js', sql, { table: 'sql' })
suite(test.serial, 'PGlite', lite, {})
suite(test.serial, 'with a secret, unlogged, notified', pool, { table: 'odd', secret, unlogged: true, notify: true })
suite(test.serial, 'postgres.js, notified', sql, { table: 'sqln', notify: true })
if (bouncer === undefined) {
  test.skip(`through PgBouncer: ${noBouncer}`, () => {})
} else {
  suite(test.serial, 'through PgBouncer in transaction mode', behind, { table: 'bouncer' })
  suite(test.serial, 'postgres.js through PgBouncer', sqlBehind, { table: 'sqlbouncer' })
}
