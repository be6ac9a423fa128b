/** Documents that nodes share, a row each: replaced by compare-and-set, with versions by the server's clock. */

import { MAX_TEXT_BYTES } from '../../base/documents.js'
import { AtrionError } from '../../base/errors.js'
import { checkedWrite, isDocumentText, requireDocumentName } from '../documents.js'
import type { DocumentOptions, SharedDocument } from '../provider.js'
import type { Row } from './client.js'
import { type Link, NOW } from './link.js'

/** A row is gone, for those who read, when it has expired; its version is kept for a while. */
const GONE = `(expires is not null and expires <= ${NOW} / 1000)`

/** A version is a time, Unix ms, and exact as a double; beyond this it is none. */
const MAX_VERSION = 2 ** 53 - 2 ** 32
/** Longest body, bytes: of a character of a text JSON makes six at most. Longer ones are not read. */
const MAX_BODY_BYTES = 6 * MAX_TEXT_BYTES
const MAX_MAC_BYTES = 256
/** Documents of which the newest version is known, where there is a secret. */
const MAX_KNOWN = 1_024

export class Documents {
  readonly #link: Link
  /** With a secret: an older version is a repetition. The one that was read longest ago is forgotten first. */
  readonly #newest = new Map<string, number>()

  constructor(link: Link) {
    this.#link = link
  }

  /** @throws (rejects) AtrionError `ATRION_PARSE` for a row that no node wrote, that is damaged, or older than one that was read before */
  async read(name: string): Promise<SharedDocument> {
    requireDocumentName(name)
    const known = this.#newest.get(name) ?? 0
    const row = await this.#row(name)
    const nowMs = Math.floor(Number(row.now) / 1000)
    const { text, problem } = this.#contentOf(name, row, known)
    if (problem !== undefined) {
      throw new AtrionError(`document ${JSON.stringify(name)} cannot be read: ${problem}`, { code: 'ATRION_PARSE' })
    }
    if (text === undefined) return { version: 0, text: null, nowMs }
    const version = Number(row.version)
    this.#note(name, version)
    return { version, text, nowMs }
  }

  /**
   * The text in a row; neither a text nor a problem: there is no document.
   *
   * @param known the newest version that was known when the row was asked for: an answer may come after that to a later question
   */
  #contentOf(
    name: string,
    { version, body, mac, gone }: Row,
    known: number,
  ): { readonly text?: string; readonly problem?: string } {
    if (version == null || gone === 'true') return {}
    const { seal, counts } = this.#link
    const isVersion = Number(version) > 0 && Number(version) <= MAX_VERSION
    if (isVersion && body != null && !seal.verifies(mac, 'document', keyOf(name), version, body)) {
      counts.droppedUnsigned += 1
      return { problem: 'its MAC is by none of the secrets' }
    }
    const text = isVersion && body != null ? parsed(body) : undefined
    if (isDocumentText(text) && known <= Number(version)) return { text }
    counts.droppedRows += 1
    return { problem: isDocumentText(text) ? 'it is older than one that was read before' : 'it is no document' }
  }

  #note(name: string, version: number): void {
    if (!this.#link.seal.hasSecret) return
    const newest = Math.max(this.#newest.get(name) ?? 0, version)
    this.#newest.delete(name)
    if (this.#newest.size >= MAX_KNOWN) this.#newest.delete(this.#newest.keys().next().value!)
    this.#newest.set(name, newest)
  }

  async write(name: string, version: number, text: string, options?: DocumentOptions): Promise<boolean> {
    const ttlMs = checkedWrite(name, version, text, options)
    const newest = this.#newest.get(name) ?? 0
    const row = await this.#row(name)
    const body = keyOf(text)
    // A row that is no document gives way as if there were none.
    const { text: present } = this.#contentOf(name, row, newest)
    if ((present === undefined ? 0 : Number(row.version)) !== version) return false
    const { tables, node } = this.#link
    const last = row.version ?? '0'
    const known = Math.max(Number(last) <= MAX_VERSION ? Number(last) : 0, this.#newest.get(name) ?? 0)
    const next = Math.max(known + 1, Math.floor(Number(row.now) / 1000))
    const mac = this.#link.seal.sign('document', keyOf(name), String(next), body)
    const rows = await this.#link.ask(
      `insert into ${tables.documents} as d (name, version, node, body, mac, expires)
       select $1::text, $2::text::bigint, $3::text, $4::text, $5::text, ${NOW} / 1000 + nullif($6::text, '')::bigint
       where $7::text = '0' or exists (select from ${tables.documents} where name = $1::text)
       on conflict (name) do update
         set version = excluded.version, node = excluded.node, body = excluded.body, mac = excluded.mac, expires = excluded.expires
         where d.version = $7::text::bigint
       returning ${NOW}::text as now`,
      [keyOf(name), String(next), node, body, mac, ttlMs === undefined ? '' : String(ttlMs), last],
    )
    if (rows.length > 0) this.#note(name, next)
    return rows.length > 0
  }

  /** The row of a document and the server's clock; without one, the clock alone. */
  async #row(name: string): Promise<Row> {
    const { tables } = this.#link
    const [row] = await this.#link.ask(
      `select d.version::text, ${GONE}::text as gone, ${NOW}::text as now,
         case when octet_length(d.body) <= ${MAX_BODY_BYTES} then d.body end as body,
         case when octet_length(d.mac) <= ${MAX_MAC_BYTES} then d.mac end as mac
       from (select) as one left join ${tables.documents} as d on d.name = $1::text`,
      [keyOf(name)],
    )
    return row ?? {}
  }
}

/** The text of a body; undefined for one that is none. */
function parsed(body: string): unknown {
  try {
    return JSON.parse(`"${body}"`)
  } catch {
    return undefined
  }
}

/** A text as JSON has it, without the quotation marks: text of PostgreSQL has no place for NUL, and some drivers drop a byte order mark. */
const keyOf = (text: string): string => JSON.stringify(text).slice(1, -1).replaceAll('\ufeff', '\\ufeff')
