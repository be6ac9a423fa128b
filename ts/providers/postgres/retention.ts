/** The bounds of a history: entries that are too old are deleted, and the oldest of those that are too many. */

import type { PostgresClient } from './client.js'

/** Entries are deleted so often, ms, and once a part of what is kept has been written since. */
const SWEEP_MS = 60_000
const SWEEP_PARTS = 16
/** Entries that one statement deletes, and statements of one sweep: the next one goes on. */
const MOST_DELETED = 10_000
const MOST_STATEMENTS = 32

export class Retention {
  readonly #client: PostgresClient
  readonly #table: string
  readonly #retentionMs: number
  readonly #maxEntries: number
  #sweptMs = Number.NEGATIVE_INFINITY
  /** Entries written since the last sweep. */
  #unswept = 0

  constructor(client: PostgresClient, table: string, retentionMs: number, maxEntries: number) {
    this.#client = client
    this.#table = table
    this.#retentionMs = retentionMs
    this.#maxEntries = maxEntries
  }

  /** Notes entries that were written, and deletes others where it is time for that. @throws (rejects) what the client rejects with */
  async wrote(entries: number): Promise<void> {
    this.#unswept += entries
    const isDue = performance.now() - this.#sweptMs >= Math.min(SWEEP_MS, this.#retentionMs)
    if (!isDue && this.#unswept < this.#maxEntries / SWEEP_PARTS) return
    const old = 'at < clock_timestamp() - make_interval(secs => $1::text::float8 / 1000)'
    // Numbers rise by one an entry at least, those of other processes among them.
    const beyond = `id <= (select max(id) from ${this.#table}) - $1::text::bigint`
    const isOver = (await this.#delete(old, this.#retentionMs)) && (await this.#delete(beyond, this.#maxEntries))
    this.#unswept = 0
    this.#sweptMs = isOver ? performance.now() : Number.NEGATIVE_INFINITY
  }

  /** Deletes the entries of a condition, the oldest first. @returns whether these were all */
  async #delete(condition: string, value: number): Promise<boolean> {
    const table = this.#table
    for (let statements = 0; statements < MOST_STATEMENTS; statements++) {
      const [row] = await this.#client.query(
        `with gone as (
           delete from ${table} where id in (select id from ${table} where ${condition} order by id limit ${MOST_DELETED}) returning 1
         ) select count(*)::text as deleted from gone`,
        [String(value)],
      )
      if (Number(row?.deleted) < MOST_DELETED) return true
    }
    return false
  }
}
