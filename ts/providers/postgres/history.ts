/** The history of an instance in PostgreSQL, for reports: changes of modes, patches, bans, and summaries of routes. */

import { ConfigError, ConnectionError, SyncError } from '../../base/errors.js'
import { isError, isOfKind } from '../../base/realm.js'
import { flag, integer } from '../checks.js'
import { PostgresClient, type PostgresClientLike } from './client.js'
import { prepare } from './prepare.js'
import { Retention } from './retention.js'
import { historyOf, historyRoleOf, migrationOf, tablesOf } from './schema.js'
import { nameOf, optionsOf, type Place, type PostgresTableOptions } from './settings.js'

export interface PostgresPersistenceOptions extends PostgresTableOptions {
  /** True: `connect()` makes the table where it is missing. Default true. */
  readonly migrate?: boolean | null | undefined
  /** Entries are written in batches, so often, ms, an integer in [10, 600000]. Default 1000. */
  readonly intervalMs?: number | null | undefined
  /** A summary of each route in use is kept so often, ms, an integer in [100, 86400000]; 0: none. Default 60000. */
  readonly summaryMs?: number | null | undefined
  /** Entries that are older are deleted, ms, an integer in [1000, 10¹³]. Default 30 days. */
  readonly retentionMs?: number | null | undefined
  /** Entries of all processes that are kept, the newest, an integer in [1000, 10⁹]: the oldest are deleted. Default 1,000,000. */
  readonly maxEntries?: number | null | undefined
  /** Entries that may wait to be written, an integer in [1, 1048576]; beyond it they are dropped and counted. Default 8192. */
  readonly maxPending?: number | null | undefined
  /** A statement, and `connect()`, is given up after so long, ms, an integer in [100, 600000]. Default 5000. */
  readonly timeoutMs?: number | null | undefined
}

const FIELDS: ReadonlySet<string> = new Set<keyof PostgresPersistenceOptions>([
  ...(['schema', 'table', 'migrate', 'intervalMs', 'summaryMs', 'retentionMs', 'maxEntries', 'maxPending'] as const),
  'timeoutMs',
])

/** The events that are kept, by the kind of entry that they become. */
const KINDS = {
  transition: 'transition',
  patch: 'patch',
  rollback: 'patch',
  patch_refused: 'patch',
  ban: 'ban',
  unban: 'ban',
  degraded: 'store',
  restored: 'store',
} as const

/** The methods of an Atrion that are used. */
export interface HistorySource {
  on(name: never, listener: (event: never) => void): () => void
  getRoutes(): string[]
  stats(routeId: string): object
  getState?(routeId: string): { readonly tickCount: number } | undefined
}

export interface HistoryEntry {
  /** Unix ms. */
  readonly at: number
  readonly kind: 'transition' | 'patch' | 'ban' | 'store' | 'summary'
  /** The event's route; null: it has none. */
  readonly routeId: string | null
  /**
   * The event, with its name as `event`. Of a summary the route's statistics, with `requests`, all since the process began, admitted or not, and
   * `recentRequests`, those since the summary before.
   */
  readonly detail: Readonly<Record<string, unknown>>
}

export interface HistoryQuery {
  /** Unix ms, or a Date. */
  readonly from: number | Date
  readonly to: number | Date
  /** Default: all. */
  readonly routeId?: string | undefined
  /** Most entries, the newest, an integer in [1, 100000]. Default 10000. */
  readonly limit?: number | undefined
}

/** Entries in one statement, and routes in one summary. */
const MOST_AT_ONCE = 2048
/** Longest detail that is kept whole, characters. */
const LONGEST_DETAIL = 16_384
const LONGEST_ROUTE = 1024
const DAY_MS = 86_400_000
/** After failures the next attempt comes no later than this, ms. */
const LONGEST_PAUSE_MS = 30_000

interface Pending {
  readonly at: number
  readonly kind: string
  readonly route: string
  readonly detail: string
}

/** The last summary of a route. */
interface Summary {
  readonly text: string
  readonly requests: number
}

/**
 * Keeps what an instance reports by its events, off the decision path. Entries wait in memory, at most `maxPending` of them, while the server is gone.
 *
 * ```ts
 * const history = new PostgresPersistenceAdapter(pool)
 * await history.connect()
 * const detach = history.attach(atrion)
 * console.log(await history.report({ from: Date.now() - 3_600_000, to: Date.now(), routeId: 'checkout' }))
 * ```
 */
export class PostgresPersistenceAdapter {
  readonly name = 'PostgresPersistenceAdapter'
  readonly #place: Place
  readonly #client: PostgresClient
  readonly #migrate: boolean
  readonly #intervalMs: number
  readonly #summaryMs: number
  readonly #retention: Retention
  readonly #maxPending: number
  readonly #pending: Pending[] = []
  #timer: ReturnType<typeof setTimeout> | undefined
  #writing: Promise<void> = Promise.resolve()
  #isOn = false
  #failures = 0
  #written = 0
  #dropped = 0

  /** @throws ConfigError for an option out of its range, or unknown */
  constructor(pool: PostgresClientLike, options: PostgresPersistenceOptions = {}) {
    const own = optionsOf(options, FIELDS)
    this.#place = placeOfHistory(own)
    this.#client = new PostgresClient(pool, integer('timeoutMs', own.timeoutMs ?? 5000, 100, 600_000))
    this.#migrate = flag('migrate', own.migrate ?? true)
    this.#intervalMs = integer('intervalMs', own.intervalMs ?? 1000, 10, 600_000)
    const summaryMs = own.summaryMs ?? 60_000
    this.#summaryMs = summaryMs === 0 ? 0 : integer('summaryMs', summaryMs, 100, DAY_MS)
    const retentionMs = integer('retentionMs', own.retentionMs ?? 30 * DAY_MS, 1000, 1e13)
    const maxEntries = integer('maxEntries', own.maxEntries ?? 1_000_000, 1000, 1e9)
    this.#retention = new Retention(this.#client, historyOf(this.#place).table, retentionMs, maxEntries)
    this.#maxPending = integer('maxPending', own.maxPending ?? 8192, 1, 2 ** 20)
  }

  /** The statement that makes the table or brings it up to date. @throws ConfigError for an option out of its range, or unknown */
  static migration(options: PostgresTableOptions = {}): string {
    const place = placeOfHistory(optionsOf(options, FIELDS))
    return migrationOf(place, historyOf(place).steps)
  }

  /** The statements that make a role that may write and read a history, and no more. @throws ConfigError */
  static role(name = 'atrion', options: PostgresTableOptions = {}): string {
    return historyRoleOf(placeOfHistory(optionsOf(options, FIELDS)), nameOf('name', name, 63))
  }

  /** Entries so far: written, dropped because too many waited, and those that wait. */
  stats(): { readonly written: number; readonly dropped: number; readonly pending: number } {
    return { written: this.#written, dropped: this.#dropped, pending: this.#pending.length }
  }

  /** @throws ConnectionError when the server cannot be reached, or its table is missing or of a later version */
  async connect(): Promise<void> {
    if (this.#isOn) return
    const { steps } = historyOf(this.#place)
    const migration = this.#migrate ? migrationOf(this.#place, steps) : undefined
    try {
      await prepare(this.#client, tablesOf(this.#place).version, steps.length, migration)
    } catch (cause) {
      throw new ConnectionError(this.name, { cause })
    }
    this.#isOn = true
    this.#arm()
  }

  /** Writes what waits, as far as the server takes it. The pool stays open. */
  async disconnect(): Promise<void> {
    if (!this.#isOn) return
    this.#isOn = false
    clearTimeout(this.#timer)
    await this.flush().catch(() => {})
  }

  /** Writes what waits. @throws SyncError when the server does not take it; it waits on then */
  async flush(): Promise<void> {
    const done = this.#writing.then(() => this.#writeAll())
    this.#writing = done.catch(() => {})
    try {
      await done
    } catch (cause) {
      throw new SyncError('*', cause)
    }
  }

  /** Keeps what an instance does from now on. @returns a function that ends that */
  attach(atrion: HistorySource): () => void {
    const detach = Object.entries(KINDS).map(([event, kind]) =>
      atrion.on(event as never, (given: Readonly<Record<string, unknown>>) => {
        const routeId = typeof given.routeId === 'string' ? given.routeId : null
        this.#add(kind, routeId, { event, ...given })
      }),
    )
    const seen = new Map<string, Summary>()
    const timer = this.#summaryMs > 0 ? setInterval(() => this.#summarize(atrion, seen), this.#summaryMs) : undefined
    timer?.unref?.()
    return () => {
      clearInterval(timer)
      for (const end of detach) end()
    }
  }

  /** The entries of a time, the oldest first. @throws ConfigError for a query out of its range, SyncError when the server does not answer */
  async report({ from, to, routeId, limit = 10_000 }: HistoryQuery): Promise<HistoryEntry[]> {
    const [since, until] = [timeOf('from', from), timeOf('to', to)]
    if (routeId !== undefined && typeof routeId !== 'string') throw new ConfigError('routeId', 'a string', routeId)
    const most = integer('limit', limit, 1, 100_000)
    const route = routeId === undefined ? '' : textOfRoute(routeId)
    try {
      const rows = await this.#client.query(
        `select (extract(epoch from at) * 1000)::text as at, kind, route, detail from ${historyOf(this.#place).table}
         where at >= to_timestamp($1::text::float8 / 1000) and at <= to_timestamp($2::text::float8 / 1000)
           and ($3::text = '' or (md5(route) = md5($3::text) and route = $3::text))
         order by at desc, id desc limit $4::text::int`,
        [String(since), String(until), route, String(most)],
        true,
      )
      return rows.reverse().map(({ at, kind, route: of, detail }) => ({
        at: Math.round(Number(at)),
        kind: kind as HistoryEntry['kind'],
        routeId: of == null ? null : (JSON.parse(of) as string),
        detail: JSON.parse(detail ?? '{}') as Record<string, unknown>,
      }))
    } catch (cause) {
      throw new SyncError(routeId ?? '*', cause)
    }
  }

  #add(kind: string, routeId: string | null, detail: object): void {
    if (this.#pending.length >= this.#maxPending) {
      this.#dropped += 1
      return
    }
    this.#pending.push({
      at: Date.now(),
      kind,
      route: routeId === null ? '' : textOfRoute(routeId),
      detail: detailOf(detail),
    })
  }

  /** Summaries of the routes whose statistics have changed. */
  #summarize(atrion: HistorySource, seen: Map<string, Summary>): void {
    for (const routeId of atrion.getRoutes().slice(0, MOST_AT_ONCE)) {
      const stats: { readonly admitted?: unknown; readonly shed?: unknown } = atrion.stats(routeId)
      const text = detailOf(stats)
      const before = seen.get(routeId)
      // Without permits each tick is a request, of `route()`.
      const requests =
        amountOf(stats.admitted) + amountOf(stats.shed) || amountOf(atrion.getState?.(routeId)?.tickCount)
      if (before?.text === text && before.requests === requests) continue
      if (before === undefined && seen.size >= MOST_AT_ONCE) seen.delete(seen.keys().next().value as string)
      seen.set(routeId, { text, requests })
      // A route that was evicted meanwhile counts from 0 again.
      const known = before === undefined || before.requests > requests ? 0 : before.requests
      this.#add('summary', routeId, { ...stats, requests, recentRequests: requests - known })
    }
  }

  #arm(): void {
    const pauseMs = Math.min(
      this.#intervalMs * 2 ** Math.min(this.#failures, 10),
      Math.max(LONGEST_PAUSE_MS, this.#intervalMs),
    )
    this.#timer = setTimeout(async () => {
      await this.flush().then(
        () => {
          this.#failures = 0
        },
        () => {
          this.#failures += 1
        },
      )
      if (this.#isOn) this.#arm()
    }, pauseMs)
    this.#timer.unref?.()
  }

  async #writeAll(): Promise<void> {
    const { table } = historyOf(this.#place)
    while (this.#pending.length > 0) {
      const batch = this.#pending.slice(0, MOST_AT_ONCE)
      await this.#client.query(
        `insert into ${table} (at, kind, route, detail)
         select to_timestamp(at::float8 / 1000), kind, nullif(route, ''), detail
         from unnest(string_to_array($1::text, ','), string_to_array($2::text, ','), string_to_array($3::text, E'\\n') || '{}'::text[],
           string_to_array($4::text, E'\\n')) as u(at, kind, route, detail)`,
        [
          batch.map(({ at }) => at).join(','),
          batch.map(({ kind }) => kind).join(','),
          batch.map(({ route }) => route).join('\n'),
          batch.map(({ detail }) => detail).join('\n'),
        ],
      )
      this.#pending.splice(0, batch.length)
      this.#written += batch.length
      await this.#retention.wrote(batch.length)
    }
    await this.#retention.wrote(0)
  }
}

const placeOfHistory = ({ schema, table }: PostgresTableOptions): Place => ({
  schema: nameOf('schema', schema ?? 'atrion', 63),
  table: nameOf('table', table ?? 'history', 40),
  unlogged: false,
})

const amountOf = (value: unknown): number => (typeof value === 'number' && value > 0 ? value : 0)

/** A name as JSON has it: text of PostgreSQL has no place for NUL. */
const textOfRoute = (routeId: string): string => JSON.stringify(routeId.slice(0, LONGEST_ROUTE))

function detailOf(detail: object): string {
  try {
    const text = JSON.stringify(detail, (_, value: unknown) => (isError(value) ? value.message : value))
    if (text.length <= LONGEST_DETAIL) return text
  } catch {
    // An event of the host's making may hold anything.
  }
  return '{"isTooLong":true}'
}

function timeOf(field: string, value: unknown): number {
  const ms = isOfKind(value, 'Date') ? Number(value) : value
  if (typeof ms === 'number' && Math.abs(ms) <= 8.64e15) return ms
  throw new ConfigError(field, 'a Date, or a Unix time in ms', value)
}
