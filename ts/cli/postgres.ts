/**
 * The examination of a server as `PostgresStateProvider` finds it: its tables and their version, the rights of its role, and those beyond what it needs.
 * Nothing is left behind but what other nodes remove with the rows of nodes that are gone: where there are no tables, they are made in a
 * transaction that is rolled back.
 */

import { builtin } from '../base/builtin.js'
import { PostgresClient, type PostgresClientLike, type Row } from '../providers/postgres/client.js'
import { PostgresStateProvider } from '../providers/postgres/provider.js'
import { SCHEMA_VERSION } from '../providers/postgres/schema.js'
import { checkInto, type Right, tryAll } from './rights.js'

/** The place of the tables. */
export interface Place {
  readonly schema: string
  readonly table: string
}

export interface PostgresReport extends Place {
  /** The package that connects; null: none is installed. */
  readonly driver: string | null
  readonly server: string | null
  readonly role: string | null
  readonly tables: readonly string[]
  readonly missingTables: readonly string[]
  /** The version of the tables; null: there are none, or it can't be read. */
  readonly version: number | null
  readonly expectedVersion: number
  /** Rights beyond those of `PostgresStateProvider.role()`; null: unknown. */
  readonly excess: readonly string[] | null
  readonly rights: readonly Right[]
}

/** A connection, and a statement on it, are given up after so long, ms. */
const WAIT_MS = 10_000
const WAIT_S = WAIT_MS / 1000

interface Driver {
  readonly name: string
  readonly client: PostgresClientLike
  end(): Promise<void>
}

type Options = Readonly<Record<string, unknown>>
interface PgClient {
  unref?(): void
}
interface PgPool {
  query(text: string, values?: never[]): PromiseLike<unknown>
  on(event: string, listener: (client: PgClient) => void): void
  end(): Promise<void>
}
interface Pg {
  readonly Pool: new (options: Options) => PgPool
}
interface PostgresJs {
  unsafe(text: string, values?: never[]): PromiseLike<unknown>
  end(options: Options): Promise<void>
}

/** One connection each, so that a transaction is what it seems. */
const DRIVERS: Readonly<Record<string, (module: unknown, url: string) => Omit<Driver, 'name'>>> = {
  pg: (module, url) => {
    const pool = new (module as Pg).Pool({ connectionString: url, max: 1, connectionTimeoutMillis: WAIT_MS })
    const clients = new Set<PgClient>()
    pool.on('connect', (client) => clients.add(client))
    pool.on('error', () => {})
    return {
      client: pool,
      end: async () => {
        // One that waits for an answer would keep the process.
        for (const client of clients) client.unref?.()
        pool.end().catch(() => {})
      },
    }
  },
  postgres: (module, url) => {
    const make = module as (url: string, options: Options) => PostgresJs
    const client = make(url, { max: 1, connect_timeout: WAIT_S, onnotice: () => {} })
    return { client, end: () => client.end({ timeout: 0 }) }
  },
}

/** The first package that can be loaded from the folder of the call. @throws Error that says how to get one */
function connectTo(url: string): Driver {
  const folder = process.cwd()
  const require = builtin('node:module').createRequire(builtin('node:path').join(folder, 'package.json'))
  const failed: string[] = []
  for (const [name, make] of Object.entries(DRIVERS)) {
    let module: unknown
    try {
      module = require(name)
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (code !== 'MODULE_NOT_FOUND' || !message.includes(`'${name}'`))
        failed.push(`${name}: ${message.split('\n')[0]}`)
      continue
    }
    return { name: `${name}${versionOf(require, name)}`, ...make(module, url) }
  }
  const why = failed.length > 0 ? `${failed.join('; ')}. ` : ''
  throw new Error(`${why}Neither 'pg' nor 'postgres' can be loaded from ${folder}: npm install pg`)
}

function versionOf(require: NodeJS.Require, name: string): string {
  try {
    return ` ${(require(`${name}/package.json`) as { version: string }).version}`
  } catch {
    return ''
  }
}

/** Takes the passwords of a URL out of a text, as they are written and as they are meant. */
function withoutSecretsOf(url: string): (text: string) => string {
  const written = [/:\/\/[^:@/?#]*:([^@]*)@/, /[?&](?:ssl)?password=([^&#]*)/].map((pattern) => pattern.exec(url)?.[1])
  const secrets = new Set<string>()
  for (const secret of written) {
    if (!secret) continue
    secrets.add(secret)
    try {
      secrets.add(decodeURIComponent(secret))
    } catch {
      // Not encoded.
    }
  }
  return (text) => [...secrets].reduce((clean, secret) => clean.replaceAll(secret, '…'), text)
}

/** Attributes of a role that reach further than any right on a table. */
const ATTRIBUTES: Readonly<Record<string, string>> = {
  rolsuper: 'is a superuser',
  rolcreaterole: 'creates roles',
  rolcreatedb: 'creates databases',
  rolreplication: 'replicates',
  rolbypassrls: 'bypasses row security',
  creates: 'creates schemas in the database',
}
const ROLE = `select current_user::text as name, current_setting('server_version') as server,
  rolsuper::text, rolcreaterole::text, rolcreatedb::text, rolreplication::text, rolbypassrls::text,
  has_database_privilege(current_database(), 'CREATE')::text as creates
  from pg_roles where rolname = current_user`

/** Rights on a table that the provider never uses; on the table of the version it only reads. */
const UNUSED = ['truncate', 'references', 'trigger']
const WRITING = ['insert', 'update', 'delete']
const RIGHTS = [...WRITING, ...UNUSED].map((right) => `has_table_privilege(c.oid, '${right}')::text as ${right}`)
const TABLES = `select c.relname::text as name, pg_has_role(c.relowner, 'USAGE')::text as owns,
  has_schema_privilege(n.oid, 'CREATE')::text as creates, ${RIGHTS.join(', ')}
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname::text = $1 and c.relname::text in ($2, $3, $4, $5) and c.relkind in ('r', 'p') order by 1`

const ENDS = ['', '_nodes', '_documents', '_version']

/** Rights beyond those of `PostgresStateProvider.role()`. */
function excessOf(role: Row, tables: readonly Row[], versionTable: string): string[] {
  if (role.rolsuper === 'true') return [ATTRIBUTES.rolsuper!]
  const excess = Object.entries(ATTRIBUTES).flatMap(([key, text]) => (role[key] === 'true' ? [text] : []))
  if (tables[0]?.creates === 'true') excess.push('creates tables in the schema')
  if (tables.some(({ owns }) => owns === 'true')) return [...excess, 'owns the tables']
  for (const table of tables) {
    const unused = table.name === versionTable ? [...WRITING, ...UNUSED] : UNUSED
    const more = unused.filter((right) => table[right] === 'true')
    if (more.length > 0) excess.push(`${more.join(', ')} on ${table.name}`)
  }
  return excess
}

const BY_ANOTHER = 'run the statement of PostgresStateProvider.migration() as a role that may'

/**
 * @param url may hold a password, which nothing shows
 * @throws ConfigError for a place that PostgreSQL has no name for
 */
export async function examinePostgres(url: string, place: Place): Promise<PostgresReport> {
  const migration = PostgresStateProvider.migration(place)
  const rights: Right[] = []
  const check = checkInto(rights, withoutSecretsOf(url))
  const names = ENDS.map((end) => `${place.table}${end}`)
  let driver: Driver | undefined
  let role: Row | undefined
  let tables: Row[] = []
  let version: number | null = null
  const report = (): PostgresReport => {
    const found = tables.map(({ name }) => name ?? '')
    return {
      ...place,
      driver: driver?.name ?? null,
      server: role?.server ?? null,
      role: role?.name ?? null,
      tables: found,
      missingTables: role === undefined ? [] : names.filter((name) => !found.includes(name)),
      version,
      expectedVersion: SCHEMA_VERSION,
      excess: role === undefined ? null : excessOf(role, tables, `${place.table}_version`),
      rights,
    }
  }
  try {
    const isLoaded = await check('load a driver', async () => {
      driver = connectTo(url)
    })
    if (!isLoaded || driver === undefined) return report()
    const open = driver.client
    const client = new PostgresClient(open, WAIT_MS)
    const isReached = await check('reach the server', async () => {
      ;[role] = await client.query(ROLE, [], true)
      tables = await client.query(TABLES, [place.schema, ...names], true)
    })
    if (!isReached) return report()
    if (tables.length > 0) {
      const isRead = await check('read the version of the tables', async () => {
        const text = `select version::text from "${place.schema.replaceAll('"', '""')}"."${names.at(-1)!.replaceAll('"', '""')}"`
        const [row] = await client.query(text, [], true)
        version = Number(row?.version ?? 0)
        if (version > SCHEMA_VERSION) {
          throw new Error(`they have version ${version}, and this Atrion knows ${SCHEMA_VERSION}: update atrion`)
        }
      })
      if (!isRead) return report()
    }
    if (version !== SCHEMA_VERSION) {
      await check('make the tables', async () => {
        await client.query('begin', [], true)
        try {
          await client.query(migration, [], true)
        } catch (error) {
          throw new Error(`${(error as Error).message}; ${BY_ANOTHER}`)
        } finally {
          await client.query('rollback', [], true)
        }
      })
      return report()
    }
    await tryAll(
      check,
      () => new PostgresStateProvider(open, { ...place, migrate: false, timeoutMs: WAIT_MS, intervalMs: 50 }),
    )
    return report()
  } finally {
    await driver?.end().catch(() => {})
  }
}

/** The report as the rows of a table. */
export function postgresRows(report: PostgresReport): [string, string][] {
  const { driver, server, role, schema, tables, missingTables, version, expectedVersion, excess, rights } = report
  const rows: [string, string][] = [['postgres driver', driver ?? 'none']]
  if (server !== null) rows.push(['postgres server', server])
  if (role !== null) {
    const missing = missingTables.length > 0 ? `; missing: ${missingTables.join(', ')}` : ''
    const versionText = version === null ? '' : `; version ${version}, ${expectedVersion} is expected`
    rows.push(['postgres tables', `in ${schema}: ${tables.join(', ') || 'none'}${missing}${versionText}`])
    const more = `has more rights than a service needs: ${excess?.join('; ')}. PostgresStateProvider.role() makes one that has not`
    rows.push(['postgres role', `${role} ${excess?.length === 0 ? 'has no more rights than it needs' : more}`])
  }
  for (const { name, ok, cause } of rights) rows.push([`postgres: ${name}`, ok ? 'yes' : `no: ${cause}`])
  return rows
}
