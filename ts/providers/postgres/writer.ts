/**
 * Writes this node's routes: all that changed since the last batch goes in one statement. One is under way at a time; what fails goes again, later and
 * later, and with what has changed since. Every change is kept here until it is written.
 */

import { later } from '../../base/later.js'
import type { PhysicsVector } from '../provider.js'
import type { Row } from './client.js'
import { deleteRows, sweep } from './deletion.js'
import { type Link, NOW } from './link.js'
import { type Outgoing, OwnShards, readBody } from './shards.js'

const { performance } = globalThis

/** Rows that turned out to be others than was known are written anew so often in one batch. */
const MOST_TRIES = 4
/** After a failure the next batch comes no later than this, ms. */
const LONGEST_PAUSE_MS = 5000
/** A node shows that it lives so often within the time after which it would be forgotten. */
const SIGNS_OF_LIFE = 4

/** A batch that is to come, and those that wait for it. */
interface Batch {
  readonly done: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class Writer {
  readonly #link: Link
  readonly #own: OwnShards
  /** Routes to be deleted, whichever nodes wrote them. */
  readonly #deleted = new Set<string>()
  #next: Batch | undefined
  #isBusy = false
  #isOn = false
  #failures = 0
  #hasWritten = false
  #retryTimer: ReturnType<typeof setTimeout> | undefined
  #lifeTimer: ReturnType<typeof setTimeout> | undefined
  readonly #prepare: () => Promise<void>

  /** @param prepare makes sure that the tables are there; called after a failure that shows that they are not */
  constructor(link: Link, prepare: () => Promise<void>) {
    this.#link = link
    this.#own = new OwnShards(link.settings.maxRoutes)
    this.#prepare = prepare
  }

  get hasChanges(): boolean {
    return this.#own.hasChanges || this.#deleted.size > 0
  }

  start(): void {
    this.#isOn = true
    this.#failures = 0
    this.#live()
    if (this.hasChanges) this.#schedule()
  }

  /** Writes what is not written, if it can be within `patienceMs`; never rejects. */
  async stop(patienceMs: number): Promise<void> {
    if (this.hasChanges || this.#isBusy) {
      clearTimeout(this.#retryTimer)
      this.#retryTimer = undefined
      let timer: ReturnType<typeof setTimeout> | undefined
      const over = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, patienceMs)
      })
      later(() => void this.#run())
      await Promise.race([this.#schedule().catch(() => {}), over])
      clearTimeout(timer)
    }
    this.#isOn = false
    clearTimeout(this.#retryTimer)
    clearTimeout(this.#lifeTimer)
    this.#retryTimer = undefined
    this.#next?.reject(new Error('disconnected'))
    this.#next = undefined
  }

  /** Resolves when the batch is written that has this change. */
  update(routeId: string, vector: PhysicsVector): Promise<void> {
    this.#deleted.delete(routeId)
    this.#own.set(routeId, vector, performance.now())
    return this.#schedule()
  }

  delete(routeId: string): Promise<void> {
    if (this.#deleted.size >= this.#link.settings.maxRoutes) {
      return Promise.reject(new Error(`${this.#deleted.size} routes already wait to be deleted`))
    }
    this.#own.remove(routeId)
    this.#deleted.add(routeId)
    return this.#schedule()
  }

  #schedule(): Promise<void> {
    if (this.#next === undefined) {
      this.#next = batch()
      // All calls of one turn go together.
      if (!this.#isBusy && this.#retryTimer === undefined) later(() => void this.#run())
    }
    return this.#next.done
  }

  async #run(): Promise<void> {
    if (this.#isBusy || this.#retryTimer !== undefined || !this.#isOn) return
    const current = this.#next
    this.#next = undefined
    this.#isBusy = true
    try {
      await this.#writeAll()
      this.#failures = 0
      current?.resolve()
    } catch (error) {
      this.#failures += 1
      current?.reject(error)
      if (isMissingTable(error)) await this.#prepare().catch(() => {})
    }
    this.#isBusy = false
    if (!this.#isOn) return
    if (this.#failures > 0) this.#retry()
    else if (this.#next !== undefined || this.hasChanges) later(() => void this.#run())
  }

  #retry(): void {
    const pauseMs = Math.min(this.#link.settings.intervalMs * 2 ** Math.min(this.#failures, 10), LONGEST_PAUSE_MS)
    // Not all nodes at once.
    this.#retryTimer = setTimeout(
      () => {
        this.#retryTimer = undefined
        void this.#run()
      },
      pauseMs * (0.5 + Math.random() / 2),
    )
    this.#retryTimer.unref?.()
  }

  /** Shows from time to time that this node lives, and removes the rows of those that do not. */
  #live(): void {
    const { retentionMs } = this.#link.settings
    this.#lifeTimer = setTimeout(
      () => {
        if (!this.#isBusy && this.#retryTimer === undefined) void this.#signOfLife()
        this.#live()
      },
      Math.min((retentionMs / SIGNS_OF_LIFE) * (0.5 + Math.random() / 2), 2 ** 31 - 1),
    )
    this.#lifeTimer.unref?.()
  }

  async #signOfLife(): Promise<void> {
    this.#isBusy = true
    try {
      await this.#write([], this.#link.clock.next())
      await sweep(this.#link)
    } catch {
      // The next batch shows it.
    }
    this.#isBusy = false
    if (this.#isOn && (this.#next !== undefined || this.hasChanges)) later(() => void this.#run())
  }

  async #writeAll(): Promise<void> {
    if (this.#deleted.size > 0) await this.#deleteAll()
    const { clock, settings } = this.#link
    // Later changes go with the next batch.
    const due = this.#own.changed()
    for (let tries = 0; due.size > 0; ) {
      const stamp = clock.next()
      const rows = this.#own.take(due, stamp, performance.now(), settings.retentionMs)
      const unknown = await this.#write(rows, stamp)
      if (unknown.length === 0) continue
      if (++tries >= MOST_TRIES)
        throw new Error(`rows of this node changed ${MOST_TRIES} times in a row while they were written`)
      await this.#mergeOwn(unknown)
      for (const { shard } of unknown) due.add(shard)
    }
  }

  /** One statement for all rows; resolves to those that the server has in another version. */
  async #write(rows: readonly Outgoing[], stamp: number): Promise<Outgoing[]> {
    const link = this.#link
    const { node, settings, counts } = link
    const bodies = rows.map(({ body }) => body).join('\n')
    const values = [
      node,
      String(stamp),
      settings.zone,
      rows.map(({ shard }) => shard).join(','),
      rows.map(({ version }) => version).join(','),
      bodies,
      rows.map(({ shard, body }) => link.sign(node, shard, stamp, body)).join(','),
    ]
    let answer: Row | undefined
    try {
      ;[answer] = await link.ask(this.#statement(), values)
    } catch (error) {
      for (const row of rows) this.#own.failed(row)
      throw error
    }
    counts.sentBatches += 1
    counts.sentBytes += bodies.length
    const written = new Set((answer?.shards ?? '').split(',').filter(Boolean).map(Number))
    const unknown: Outgoing[] = []
    for (const row of rows) {
      if (written.has(row.shard)) {
        counts.sentRoutes += row.entries.filter((entry) => entry.stamp === stamp).length
        this.#own.written(row)
      } else {
        this.#own.failed(row)
        unknown.push(row)
      }
    }
    // The server has lost this node's rows, as those of an UNLOGGED table after a crash.
    if (answer?.fresh === 'true' && this.#hasWritten) this.#own.markAll()
    this.#hasWritten = true
    return unknown
  }

  /**
   * The commit does not wait for the disk, nor for a standby: a crash of the server loses the batches of the last moments, which are hints that are
   * written anew with the next change. Not through a client of one connection, where the transaction may be its owner's.
   */
  #statement(): string {
    const { tables, settings, client, splits } = this.#link
    const hint = settings.notify ? `, pg_notify('${tables.channel.replaceAll("'", "''")}', $1::text)::text as hint` : ''
    const isLazy = client.isPool ? `, set_config('synchronous_commit', 'off', true) as commit` : ''
    const rowsOf = (text: string, by: string): string =>
      splits ? `string_to_table(${text}::text, ${by})` : `unnest(string_to_array(${text}::text, ${by}))`
    return `with given as (
  select u.shard::int, u.version::bigint, u.body, u.mac from rows from (
    ${rowsOf('$4', "','")}, ${rowsOf('$5', "','")}, ${rowsOf('$6', "E'\\n'")}, ${rowsOf('$7', "','")}
  ) as u(shard, version, body, mac)
), wrote as (
  insert into ${tables.state} as s (shard, node, version, stamp, body, mac)
  select shard, $1::text, version + 1, $2::text::bigint, body, mac from given order by shard
  on conflict (shard, node) do update
    set version = excluded.version, stamp = excluded.stamp, body = excluded.body, mac = excluded.mac
    where s.version = excluded.version - 1
  returning shard
), lives as (
  insert into ${tables.nodes} as n (node, stamp, zone, at) values ($1::text, $2::text::bigint, $3::text, clock_timestamp())
  on conflict (node) do update set stamp = greatest(n.stamp, excluded.stamp), at = excluded.at
  returning xmax = 0 as fresh
)
select (select string_agg(shard::text, ',') from wrote) as shards, (select fresh::text from lives) as fresh, ${NOW}::text as now${hint}${isLazy}`
  }

  /** Reads this node's own rows that are others than was known. */
  async #mergeOwn(rows: readonly Outgoing[]): Promise<void> {
    const { tables, node } = this.#link
    const shards = rows.map(({ shard }) => shard).join(',')
    const stored = await this.#link.ask(
      `select shard::text, version::text, body, ${NOW}::text as now from ${tables.state}
       where node = $1::text and shard = any(string_to_array($2::text, ',')::int[])`,
      [node, shards],
    )
    const found = new Map(stored.map((row) => [Number(row.shard), row]))
    for (const { shard } of rows) {
      const row = found.get(shard)
      this.#own.merge(shard, Number(row?.version ?? 0), readBody(row?.body) ?? [])
    }
  }

  /** Removes routes from the rows of all nodes: each row is replaced by one without them, if it still is the one that was read. */
  async #deleteAll(): Promise<void> {
    const gone = new Set(this.#deleted)
    this.#deleted.clear()
    try {
      await deleteRows(this.#link, gone, (shard, version) => this.#own.replaced(shard, version))
    } catch (error) {
      for (const routeId of gone) if (!this.#own.has(routeId)) this.#deleted.add(routeId)
      throw error
    }
  }
}

/** The codes of a table, or of a schema, that is not there. */
const isMissingTable = (error: unknown): boolean => ['42P01', '3F000'].includes((error as { code?: string }).code ?? '')

function batch(): Batch {
  let settle: Pick<Batch, 'resolve' | 'reject'> = { resolve: () => {}, reject: () => {} }
  const done = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject }
  })
  // Those that wait see it; nothing may be waiting.
  done.catch(() => {})
  return { done, ...settle }
}
