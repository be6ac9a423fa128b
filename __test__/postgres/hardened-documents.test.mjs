// Rows of documents that anything which can write to the tables has changed: none stops a read or a write, and with a secret none older than what
// was read comes back.
import { PostgresStateProvider } from 'atrion'
import test from 'ava'
import pg from 'pg'
import { PostgresServer } from '../_postgres/server.mjs'

const server = await PostgresServer.start()
const pool = new pg.Pool(server.connection)
test.after.always(async () => {
  await pool.end()
  await server.stop()
})

const SECRET = 'sixteen bytes or more'

let tables = 0
async function start(t, options = {}) {
  const table = `h${tables++}`
  const make = async () => {
    const provider = new PostgresStateProvider(pool, { table, ...options })
    t.teardown(() => provider.disconnect())
    await provider.connect()
    return provider
  }
  const set = (assignment, values = []) =>
    pool.query(`update atrion.${table}_documents set ${assignment} where name = 'd'`, values)
  return { provider: await make(), make, set, table }
}

/** A read that says that there is something else than a document. */
const unreadable = { code: 'ATRION_PARSE', message: /^document "d" cannot be read: / }

test('a row that is no document is not read, which says so, and the next write takes its place', async (t) => {
  const { provider, set } = await start(t)
  for (const [what, assignment, values] of [
    ['a body that is no JSON', 'body = $1', ['\u0001"x']],
    ['a body that ends the text', 'body = $1', ['a","b']],
    ['a backslash at its end', 'body = $1', ['x\\']],
    ['half a pair of surrogates', 'body = $1', ['\\ud800']],
    ['a text of 2 MiB', "body = repeat('x', 2097152)"],
    ['a body of 34 MB', "body = repeat('x', 34000000)"],
    ['a negative version', 'version = -5'],
    ['no version', 'version = 0'],
    ['the largest version', 'version = 9223372036854775807'],
    ['a version beyond what a double counts', 'version = 9007199254740993'],
    ['a MAC of 1 MB', "mac = repeat('x', 1000000), body = repeat('\"', 5)"],
  ]) {
    const { version } = await provider.readDocument('d')
    t.true(await provider.writeDocument('d', version, 'before'), what)
    await set(assignment, values)
    await t.throwsAsync(provider.readDocument('d'), unreadable, what)
    t.false(await provider.writeDocument('d', 5, 'x'), what)
    const startedMs = Date.now()
    t.true(await provider.writeDocument('d', 0, 'after'), what)
    const { version: next, text } = await provider.readDocument('d')
    t.is(text, 'after', what)
    t.true(next >= startedMs - 60_000 && next < startedMs + 3_600_000, `${what}: ${next}`)
  }
  t.true(provider.stats().droppedRows > 0)
})

test('an answer that comes after that to a later question is no repetition', async (t) => {
  const held = []
  let isHolding = false
  // Holds the answer to one question back.
  const client = {
    query: async (text, values) => {
      const result = await pool.query(text, values)
      if (isHolding && text.includes('left join')) {
        isHolding = false
        await new Promise((resolve) => held.push(resolve))
      }
      return result
    },
  }
  const provider = new PostgresStateProvider(client, { table: `h${tables++}`, secret: SECRET, notify: false })
  t.teardown(() => provider.disconnect())
  await provider.connect()
  t.true(await provider.writeDocument('d', 0, 'first'))
  const { version } = await provider.readDocument('d')
  isHolding = true
  const late = provider.readDocument('d')
  while (held.length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  t.true(await provider.writeDocument('d', version, 'second'))
  held[0]()
  t.like(await late, { version, text: 'first' })
  t.is((await provider.readDocument('d')).text, 'second')
  t.is(provider.stats().droppedRows, 0)
})

test('with a secret neither a changed row nor an older one is read, and the next write is above both', async (t) => {
  const { provider, make, set, table } = await start(t, { secret: SECRET })
  t.true(await provider.writeDocument('d', 0, 'first'))
  const rows = () => pool.query(`select version, body, mac from atrion.${table}_documents where name = 'd'`)
  const [older] = (await rows()).rows
  const { version } = await provider.readDocument('d')
  t.true(await provider.writeDocument('d', version, 'second'))
  const { version: second } = await provider.readDocument('d')
  t.true(second > version)
  // Its MAC is right: a node that has read the newer one knows better, one that has not cannot.
  await set('version = $1, body = $2, mac = $3', [older.version, older.body, older.mac])
  await t.throwsAsync(provider.readDocument('d'), unreadable)
  t.is((await (await make()).readDocument('d')).text, 'first')
  t.true(await provider.writeDocument('d', 0, 'third'))
  const { version: third, text } = await provider.readDocument('d')
  t.is(text, 'third')
  t.true(third > second)
  await set("body = 'forged'")
  await t.throwsAsync(provider.readDocument('d'), unreadable)
  t.true(await provider.writeDocument('d', 0, 'fourth'))
  await set("mac = ''")
  await t.throwsAsync(provider.readDocument('d'), unreadable)
  t.true(provider.stats().droppedUnsigned >= 2)
})
