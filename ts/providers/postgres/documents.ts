/** Documents that nodes share, a row each: replaced by compare-and-set, with versions by the server's clock. */

import { checkedWrite, requireDocumentName } from '../documents.js'
import type { DocumentOptions, SharedDocument } from '../provider.js'
import type { Row } from './client.js'
import { type Link, NOW } from './link.js'

/** A row is gone, for those who read, when it has expired; its version is kept for a while. */
const GONE = `(expires is not null and expires <= ${NOW} / 1000)`

export class Documents {
  readonly #link: Link

  constructor(link: Link) {
    this.#link = link
  }

  async read(name: string): Promise<SharedDocument> {
    requireDocumentName(name)
    const row = await this.#row(name)
    const nowMs = Math.floor(Number(row.now) / 1000)
    const none = { version: 0, text: null, nowMs }
    if (row.version == null || row.gone === 'true' || row.body == null) return none
    if (!this.#link.seal.verifies(row.mac, 'document', keyOf(name), row.version, row.body)) {
      this.#link.counts.droppedUnsigned += 1
      return none
    }
    return { version: Number(row.version), text: JSON.parse(`"${row.body}"`) as string, nowMs }
  }

  async write(name: string, version: number, text: string, options?: DocumentOptions): Promise<boolean> {
    const ttlMs = checkedWrite(name, version, text, options)
    const row = await this.#row(name)
    const body = keyOf(text)
    const isThere = row.version != null && row.gone !== 'true'
    const isForged =
      isThere && !this.#link.seal.verifies(row.mac, 'document', keyOf(name), row.version ?? '', row.body ?? '')
    if (isThere && !isForged ? Number(row.version) !== version : version !== 0) return false
    const { tables, node } = this.#link
    const last = row.version ?? '0'
    const next = String(Math.max(Number(last) + 1, Math.floor(Number(row.now) / 1000)))
    const mac = this.#link.seal.sign('document', keyOf(name), next, body)
    const rows = await this.#link.ask(
      `insert into ${tables.documents} as d (name, version, node, body, mac, expires)
       select $1::text, $2::text::bigint, $3::text, $4::text, $5::text, ${NOW} / 1000 + nullif($6::text, '')::bigint
       where $7::text = '0' or exists (select from ${tables.documents} where name = $1::text)
       on conflict (name) do update
         set version = excluded.version, node = excluded.node, body = excluded.body, mac = excluded.mac, expires = excluded.expires
         where d.version = $7::text::bigint
       returning ${NOW}::text as now`,
      [keyOf(name), next, node, body, mac, ttlMs === undefined ? '' : String(ttlMs), last],
    )
    return rows.length > 0
  }

  /** The row of a document and the server's clock; without one, the clock alone. */
  async #row(name: string): Promise<Row> {
    const { tables } = this.#link
    const [row] = await this.#link.ask(
      `select d.version::text, d.body, d.mac, ${GONE}::text as gone, ${NOW}::text as now
       from (select) as one left join ${tables.documents} as d on d.name = $1::text`,
      [keyOf(name)],
    )
    return row ?? {}
  }
}

/** A text as JSON has it, without the quotation marks: text of PostgreSQL has no place for NUL, and some drivers drop a byte order mark. */
const keyOf = (text: string): string => JSON.stringify(text).slice(1, -1).replaceAll('\ufeff', '\\ufeff')
