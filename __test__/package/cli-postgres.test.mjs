// `atrion doctor --postgres`, against a server: with both drivers as a user's folder has them, with roles of several rights, without secrets.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { PostgresStateProvider } from 'atrion'
import test from 'ava'
import pg from 'pg'
import { own } from '../_installed.mjs'
import { PostgresServer } from '../_postgres/server.mjs'
import fc from '../_random.mjs'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'atrion-cli-postgres-')))
const server = await PostgresServer.start()
const admin = new pg.Pool({ ...server.connection, max: 2 })
test.after.always(async () => {
  await admin.end()
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** A user's folder in which these packages are installed. */
const folderWith = (...names) => {
  const at = join(folder, names.join('-') || 'none')
  mkdirSync(join(at, 'node_modules'), { recursive: true })
  writeFileSync(join(at, 'package.json'), '{"private":true}')
  for (const name of names) symlinkSync(join(ROOT, 'node_modules', name), join(at, 'node_modules', name), 'junction')
  return at
}
const FOLDERS = { pg: folderWith('pg'), postgres: folderWith('postgres'), none: folderWith() }

const doctor = async (cwd, ...args) => {
  const env = { ...process.env, ATRION_ENGINE: '', NODE_OPTIONS: '', PGPASSWORD: '' }
  const command = [join(ROOT, 'dist', 'cli.cjs'), 'doctor', '--expect', own ? 'native' : 'wasm', ...args]
  const child = spawn(process.execPath, command, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  return { stdout, stderr, status }
}
const reportOf = async (cwd, url, ...args) => {
  const { status, stdout, stderr } = await doctor(cwd, '--json', '--postgres', url, ...args)
  if (stdout === '') throw new Error(stderr)
  return { status, report: JSON.parse(stdout), ...JSON.parse(stdout).postgres }
}
const urlOf = (user, password = '') =>
  server.url.replace('lab@', `${encodeURIComponent(user)}${password && `:${encodeURIComponent(password)}`}@`)

const DONE = [
  'connect',
  'write a state',
  'read it',
  'list routes',
  'publish to other nodes, and receive from them',
  'delete it',
  'share documents: budgets, patches, bans',
]
let places = 0
/** Tables of a test's own, and a role with the rights of a service. */
const served = async () => {
  const place = { schema: `Doctor's ${++places}`, table: 'rooms' }
  const role = `service ${places}`
  await admin.query(PostgresStateProvider.migration(place))
  await admin.query(PostgresStateProvider.role(role, place))
  return { place, role, at: ['--schema', place.schema, '--table', place.table] }
}

for (const driver of ['pg', 'postgres']) {
  test.serial(`${driver}: a role of a service's own can do all, and has no right too many`, async (t) => {
    const { place, role, at } = await served()
    const found = await reportOf(FOLDERS[driver], urlOf(role), ...at)
    t.is(found.status, 0, JSON.stringify(found.report.problems))
    t.deepEqual(
      found.rights
        .filter(({ ok }) => ok)
        .map(({ name }) => name)
        .slice(-DONE.length),
      DONE,
    )
    t.true(found.rights.every(({ ok }) => ok))
    t.regex(found.driver, new RegExp(`^${driver}(?: \\d+\\.\\d+\\.\\d+)?$`))
    t.deepEqual(found.excess, [])
    t.is(found.role, role)
    t.deepEqual([found.version, found.expectedVersion, found.missingTables], [1, 1, []])
    t.is(found.tables.length, 4)
    // Its route is deleted again.
    const { rows } = await admin.query(`select body from "${place.schema}"."rooms"`)
    t.true(
      rows.every(({ body }) => !body.includes('atrion-doctor')),
      JSON.stringify(rows),
    )
  })

  test.serial(`${driver}: without tables it says whether they can be made, and makes none`, async (t) => {
    const at = ['--schema', `none of ${driver}`]
    const may = await reportOf(FOLDERS[driver], server.url, ...at)
    t.is(may.status, 0, JSON.stringify(may.report.problems))
    t.deepEqual(may.rights.at(-1), { name: 'make the tables', ok: true })
    t.deepEqual(may.excess, ['is a superuser'])
    t.is(may.missingTables.length, 4)
    const { rows } = await admin.query('select from pg_namespace where nspname = $1', [at[1]])
    t.is(rows.length, 0)

    const { role } = await served()
    const mayNot = await reportOf(FOLDERS[driver], urlOf(role), ...at)
    t.is(mayNot.status, 1)
    t.is(mayNot.rights.at(-1).name, 'make the tables')
    t.regex(mayNot.rights.at(-1).cause, /permission denied.*PostgresStateProvider\.migration\(\)/)
  })
}

test.serial('a right that is missing, or one too many, is named by what was tried', async (t) => {
  const { place, role, at } = await served()
  const table = (end) => `"${place.schema}"."rooms${end}"`
  await admin.query(`revoke insert on ${table('_documents')} from "${role}"`)
  await admin.query(`grant truncate on ${table('')} to "${role}"`)
  await admin.query(`grant update on ${table('_version')} to "${role}"`)
  await admin.query(`grant create on schema "${place.schema}" to "${role}"`)
  await admin.query(`alter role "${role}" createdb`)
  const { status, rights, excess, report } = await reportOf(FOLDERS.pg, urlOf(role), ...at)
  t.is(status, 1)
  t.deepEqual(
    rights.filter(({ ok }) => !ok).map(({ name }) => name),
    ['share documents: budgets, patches, bans'],
  )
  t.regex(report.problems[0], /^PostgreSQL: can't share documents.*permission denied/)
  t.deepEqual(
    new Set(excess),
    new Set(['creates databases', 'creates tables in the schema', 'truncate on rooms', 'update on rooms_version']),
  )
  await admin.query(`revoke all on schema "${place.schema}" from "${role}"`)
  const blind = await reportOf(FOLDERS.pg, urlOf(role), ...at)
  t.is(blind.status, 1)
  t.is(blind.rights.at(-1).name, 'read the version of the tables')
})

test.serial('tables of a later version, and one that was dropped', async (t) => {
  const { place, role, at } = await served()
  await admin.query(`drop table "${place.schema}"."rooms_nodes"`)
  const dropped = await reportOf(FOLDERS.pg, urlOf(role), ...at)
  t.is(dropped.status, 1)
  t.deepEqual(dropped.missingTables, ['rooms_nodes'])
  await admin.query(`update "${place.schema}"."rooms_version" set version = 9`)
  const later = await reportOf(FOLDERS.pg, urlOf(role), ...at)
  t.is(later.status, 1)
  t.regex(later.rights.at(-1).cause, /version 9.*knows 1/)
})

test.serial('the rows of the table; without a driver one line says what to install', async (t) => {
  const { role, at } = await served()
  const { stdout, status } = await doctor(FOLDERS.pg, '--postgres', urlOf(role), ...at)
  t.is(status, 0, stdout)
  for (const row of [
    'postgres driver +pg',
    'postgres server +\\d',
    "postgres tables +in Doctor's \\d+: rooms",
    'postgres: read it +yes',
  ]) {
    t.regex(stdout, new RegExp(`^${row}`, 'm'))
  }
  const none = await doctor(FOLDERS.none, '--postgres', server.url)
  t.is(none.status, 1)
  t.regex(none.stdout, /^MISSING +PostgreSQL: can't load a driver: Neither 'pg' nor 'postgres' .*npm install pg$/m)
})

const closedPort = async () => {
  const probe = createServer()
  await new Promise((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address()
  await new Promise((resolve) => probe.close(resolve))
  return port
}

test.serial('no password is shown, whatever is wrong', async (t) => {
  const port = await closedPort()
  const secrets = fc.string({ minLength: 12, maxLength: 24, unit: 'grapheme-ascii' })
  const kinds = fc.constantFrom('port', 'database', 'query', 'url')
  await fc.assert(
    fc.asyncProperty(secrets, kinds, fc.constantFrom('pg', 'postgres'), async (secret, kind, driver) => {
      const written = encodeURIComponent(secret)
      const url = {
        port: `postgres://lab:${written}@127.0.0.1:${port}/postgres`,
        database: urlOf('lab', secret).replace(/postgres$/, `none-${places}`),
        query: `postgres://lab@127.0.0.1:${port}/postgres?password=${written}`,
        url: `postgres://lab:${written}@127.0.0.1:port/postgres`,
      }[kind]
      const { status, stdout, stderr } = await doctor(FOLDERS[driver], '--postgres', url)
      t.is(status, 1)
      t.regex(stdout, /^MISSING +PostgreSQL: can't /m)
      for (const shown of [secret, written]) t.false((stdout + stderr).includes(shown), stdout + stderr)
    }),
    { numRuns: 8 },
  )
})

test.serial('a server that does not answer ends no later than its connection is given up', async (t) => {
  const silent = createServer(() => {})
  await new Promise((resolve) => silent.listen(0, '127.0.0.1', resolve))
  t.teardown(() => silent.close())
  const { port } = silent.address()
  const { status, report } = await reportOf(FOLDERS.pg, `postgres://lab@127.0.0.1:${port}/postgres`)
  t.is(status, 1)
  t.regex(report.problems[0], /can't reach the server/)
})

test.serial('options out of their range name it, and exit with 2', async (t) => {
  for (const [args, message] of [
    [['--postgres', 'localhost'], /--postgres must be a URL that begins with postgres:\/\//],
    [['--postgres', server.url, '--schema', 'a$b'], /--schema .*63 bytes.*a\$b/],
    [['--postgres', server.url, '--table', 'x'.repeat(41)], /--table .*40 bytes/],
    [['--schema', 'atrion'], /--schema and --table need --postgres/],
  ]) {
    const { status, stderr } = await doctor(FOLDERS.pg, ...args)
    t.is(status, 2)
    t.regex(stderr, message)
  }
})
