/** The options of the provider for PostgreSQL, and their check. */

import { DEFAULT_MAX_ROUTES } from '../../base/bounded-routes.js'
import { given } from '../../base/input.js'
import { ownOptions } from '../../base/own.js'
import { flag, integer, known, number, refusal, type Secret, secretsOf } from '../checks.js'
import { zoneOf } from '../provider.js'

/** The place of the tables. */
export interface PostgresTableOptions {
  /** The schema of the tables, 1 to 63 bytes. Default 'atrion'. */
  readonly schema?: string | null | undefined
  /** The beginning of the tables' names, 1 to 40 bytes. Default 'state'. */
  readonly table?: string | null | undefined
}

/** The tables, and their kind. */
export interface PostgresMigrationOptions extends PostgresTableOptions {
  /**
   * True: the routes' tables are UNLOGGED, which spares the write-ahead log. A crash of the server empties them, and a replica has none; nodes that
   * live write theirs anew. Documents are always logged. Counts when the tables are made. Default false.
   */
  readonly unlogged?: boolean | null | undefined
}

export interface PostgresStateProviderOptions extends PostgresMigrationOptions {
  /** The interval at which changes go out and those of others are looked for, ms, an integer in [10, 60000]. Default 100. */
  readonly intervalMs?: number | null | undefined
  /** γ: the weight of other nodes' reports against this node's own measurements, [0, 1]. Default 0.3. */
  readonly gamma?: number | null | undefined
  /** True: `connect()` makes the tables where they are missing. false: they are there, see `migration()`. Default true. */
  readonly migrate?: boolean | null | undefined
  /**
   * True: a NOTIFY with each batch, and a LISTEN on a connection of its own, so that changes are looked for when there are some, and
   * every second. NOTIFY takes a lock of the whole server at commit; LISTEN does not go through PgBouncer in transaction mode. Default false.
   */
  readonly notify?: boolean | null | undefined
  /**
   * The secret that all nodes of the service share, and nothing else has: rows carry a MAC by it, and what does not is counted in `stats()` and
   * dropped. A string of 16 bytes or more in UTF-8, or a Uint8Array; a list of at most 8: the first signs and all verify. Default: none.
   */
  readonly secret?: Secret | readonly Secret[] | null | undefined
  /** The zone of this node, 1 to 64 characters, such as 'eu-1'. Default: none. */
  readonly zone?: string | null | undefined
  /** The time after which what its node did not renew is forgotten, ms, an integer in [10000, 10¹²]. Default 300000. */
  readonly retentionMs?: number | null | undefined
  /** A statement, and `connect()`, is given up after so long, ms, an integer in [100, 600000]. Default 5000. */
  readonly timeoutMs?: number | null | undefined
  /** Most routes of this node that are kept, an integer in [1, 1048576]. Default 65536. */
  readonly maxRoutes?: number | null | undefined
  /** True: `atrion.connect()` rejects where the server cannot be reached; false: it is tried again until it is. Default true. */
  readonly required?: boolean | null | undefined
}

const TABLE_FIELDS: ReadonlySet<string> = new Set<keyof PostgresMigrationOptions>(['schema', 'table', 'unlogged'])
const FIELDS: ReadonlySet<string> = new Set<keyof PostgresStateProviderOptions>([
  ...(['schema', 'table', 'unlogged', 'intervalMs', 'gamma', 'migrate', 'notify', 'secret', 'zone'] as const),
  ...(['retentionMs', 'timeoutMs', 'maxRoutes', 'required'] as const),
])

export interface Place {
  readonly schema: string
  readonly table: string
  readonly unlogged: boolean
}

export interface Settings extends Place {
  readonly intervalMs: number
  readonly gamma: number
  readonly migrate: boolean
  readonly notify: boolean
  readonly secrets: readonly Uint8Array[]
  readonly zone: string
  readonly retentionMs: number
  readonly timeoutMs: number
  readonly maxRoutes: number
  readonly required: boolean
}

/** Longest name of PostgreSQL, bytes. */
const NAME_BYTES = 63
/** Room for the ends of the tables' and indexes' names. */
const TABLE_BYTES = 40

/** @throws ConfigError for what cannot be meant */
export function settingsOf(raw: PostgresStateProviderOptions): Settings {
  const options = optionsOf(raw, FIELDS)
  return {
    ...placeIn(options),
    intervalMs: integer('intervalMs', options.intervalMs ?? 100, 10, 60_000),
    gamma: number('gamma', options.gamma ?? 0.3, 0, 1),
    migrate: flag('migrate', options.migrate ?? true),
    notify: flag('notify', options.notify ?? false),
    secrets: secretsOf(options.secret ?? undefined),
    zone: options.zone == null ? '' : zoneOf(options.zone),
    retentionMs: integer('retentionMs', options.retentionMs ?? 300_000, 10_000, 1e12),
    timeoutMs: integer('timeoutMs', options.timeoutMs ?? 5000, 100, 600_000),
    maxRoutes: integer('maxRoutes', options.maxRoutes ?? DEFAULT_MAX_ROUTES, 1, 2 ** 20),
    required: flag('required', options.required ?? true),
  }
}

/** @throws ConfigError for what cannot be meant */
export const placeOf = (raw: PostgresMigrationOptions): Place => placeIn(optionsOf(raw, TABLE_FIELDS))

export function optionsOf<T extends object>(raw: T, fields: ReadonlySet<string>): T {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) throw refusal('options', 'an object', raw)
  const options = ownOptions(given(raw, fields), fields)
  known(options, fields, '')
  return options
}

const placeIn = (options: PostgresMigrationOptions): Place => ({
  schema: nameOf('schema', options.schema ?? 'atrion', NAME_BYTES),
  table: nameOf('table', options.table ?? 'state', TABLE_BYTES),
  unlogged: flag('unlogged', options.unlogged ?? false),
})

/** A name that PostgreSQL takes between quotation marks. */
export function nameOf(field: string, value: unknown, maxBytes: number): string {
  const range = `text of 1 to ${maxBytes} bytes without control characters and $`
  if (typeof value !== 'string' || value === '' || /[\p{Cc}\p{Cs}$]/u.test(value)) throw refusal(field, range, value)
  if (new TextEncoder().encode(value).length > maxBytes) throw refusal(field, range, value)
  return value
}
