/** The things that the parts of the provider share: the client, the tables, the clock, the seal, and what is counted. */

import type { PostgresClient, Row } from './client.js'
import type { Tables } from './schema.js'
import type { Seal } from './seal.js'
import type { ServerClock } from './server-clock.js'
import type { Settings } from './settings.js'
import { readBody, type StoredRoute } from './shards.js'

const { performance } = globalThis

/** Counts since the provider was made. */
export interface Counts {
  sentBatches: number
  sentRoutes: number
  sentBytes: number
  receivedRoutes: number
  receivedBytes: number
  droppedRows: number
  droppedUnsigned: number
  failures: number
}

/** The server's clock in a statement, µs. */
export const NOW = '(extract(epoch from clock_timestamp()) * 1000000)::bigint'

export class Link {
  readonly node: string
  /** The server splits a text into rows by itself, as PostgreSQL does from version 14 on: an array between would cost a fifth of a batch. */
  splits = false
  readonly counts: Counts = {
    sentBatches: 0,
    sentRoutes: 0,
    sentBytes: 0,
    receivedRoutes: 0,
    receivedBytes: 0,
    droppedRows: 0,
    droppedUnsigned: 0,
    failures: 0,
  }

  constructor(
    readonly settings: Settings,
    readonly client: PostgresClient,
    readonly tables: Tables,
    readonly clock: ServerClock,
    readonly seal: Seal,
  ) {
    this.node = newNode()
  }

  /** Rows of a statement of which the first has the server's clock as `now`. */
  async ask(text: string, values: readonly string[]): Promise<Row[]> {
    const sentMs = performance.now()
    try {
      const rows = await this.client.query(text, values)
      this.clock.learn(Number(rows[0]?.now), sentMs, performance.now())
      return rows
    } catch (error) {
      this.counts.failures += 1
      throw error
    }
  }

  sign(node: string, shard: number | string, stamp: number | string, body: string): string {
    return this.seal.sign('state', node, String(shard), String(stamp), body)
  }

  /** Returns whether a node of this service wrote the row. */
  verifies({ node, shard, stamp, body, mac }: Row): boolean {
    return this.seal.verifies(mac, 'state', String(node), String(shard), String(stamp), String(body))
  }

  /** The routes of a row; undefined, and counted, where no node of this service wrote it. */
  read(row: Row): StoredRoute[] | undefined {
    const { node, body } = row
    if (node == null || body == null) return undefined
    this.counts.receivedBytes += body.length
    if (!this.verifies(row)) {
      this.counts.droppedUnsigned += 1
      return undefined
    }
    const nowUs = this.clock.nowUs()
    const oldestUs = nowUs - this.settings.retentionMs * 1000
    const routes = readBody(body)?.filter((route) => route.stamp >= oldestUs && this.clock.see(route.stamp))
    if (routes === undefined) this.counts.droppedRows += 1
    return routes
  }
}

/** A name for a node: 16 hexadecimal digits. */
function newNode(): string {
  const words = globalThis.crypto.getRandomValues(new Uint32Array(2))
  return [...words].map((word) => word.toString(16).padStart(8, '0')).join('')
}
