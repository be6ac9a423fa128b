/**
 * Reads what other nodes wrote: everything at the start, then what is new. The server gives, of each node that wrote since the last look, the rows
 * that changed, by an index; of a node's row those routes count that are of a later stamp than the last one read.
 */

import { DocumentWatchers } from '../documents.js'
import { RouteListeners } from '../listeners.js'
import type { PhysicsVector } from '../provider.js'
import type { Row } from './client.js'
import { type Link, NOW } from './link.js'
import { SHARDS, type StoredRoute, shardOf, timeOf } from './shards.js'

/** Nodes of which the rows are read in one look, those whose news is oldest first. */
const MOST_NODES_A_LOOK = 64
/** Other nodes that are known. */
const MOST_NODES = 4096
/** Shards that are read in one statement when all are. */
const SHARDS_AT_ONCE = 32
/** After a failure the next look comes no later than this, ms. */
const LONGEST_PAUSE_MS = 5000
/** With NOTIFY a look is due at least so often, ms: a notice may be lost. */
const LONGEST_SILENCE_MS = 1000
/** Documents of these last seconds are looked at again, ms: a write may be committed after a later one. */
const OVERLAP_MS = 5000
/** Documents that were written within that time are remembered, at most. */
const MOST_WRITTEN = 4096
/** A node that wrote nothing for so long is not counted as one that reports, ms. */
const SILENCE_MS = 3000

/** A connection that listens for hints of other nodes. */
interface Listening {
  isLost: boolean
  stop(): Promise<void>
}

export class Reader {
  readonly listeners: RouteListeners
  readonly watchers = new DocumentWatchers()
  readonly #link: Link
  /** The last stamp that was read of each node, µs. */
  #stamps = new Map<string, number>()
  /** Documents by name whose writes were reported, with their versions. */
  readonly #written = new Map<string, number>()
  #documentsFrom = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #isOn = false
  #isLooking = false
  #isDue = false
  #failures = 0
  #listening: Listening | undefined
  #isAsking = false
  #nodes = 0

  constructor(link: Link) {
    this.#link = link
    this.listeners = new RouteListeners(link.settings.maxRoutes)
  }

  /** Other nodes that wrote within three seconds. */
  get nodes(): number {
    return this.#nodes
  }

  /** Looks for news from now on: those of before are read by {@link Reader.load}. */
  async start(): Promise<void> {
    const { tables, settings, node } = this.#link
    const rows = await this.#link.ask(
      `select n.node, n.stamp::text, ${NOW}::text as now, to_regprocedure('pg_catalog.string_to_table(text, text)')::text as splits
       from (select) as one left join ${tables.nodes} as n on n.node <> $1::text`,
      [node],
    )
    this.#link.splits = rows[0]?.splits != null
    this.#stamps = new Map(rows.flatMap(({ node: of, stamp }) => (of == null ? [] : [[of, Number(stamp)] as const])))
    this.#documentsFrom = Math.floor(this.#link.clock.nowUs() / 1000)
    this.#isOn = true
    this.#failures = 0
    if (settings.notify) await this.#listen()
    this.#arm()
  }

  async #listen(): Promise<void> {
    const { tables, settings, node, client } = this.#link
    const heard = (from: string): void => {
      if (from === node || !this.#isOn) return
      this.#isDue = true
      this.#arm(settings.intervalMs / 4)
    }
    const listening: Listening = { isLost: false, stop: async () => {} }
    const lost = (): void => {
      listening.isLost = true
    }
    listening.stop = await client.listen(tables.channel, heard, lost)
    // It may have been stopped, or started anew, while a connection was waited for.
    if (!this.#isOn || this.#isListening) await listening.stop().catch(() => {})
    else this.#listening = listening
  }

  /** Listens again on another connection where the one that did was lost. Looks do not wait for that: the pool may have none free. */
  #listenAgain(): void {
    if (!this.#link.settings.notify || this.#isListening || this.#isAsking) return
    this.#isAsking = true
    const asked = (): void => {
      this.#isAsking = false
    }
    this.#listen().then(asked, asked)
  }

  get #isListening(): boolean {
    return this.#listening?.isLost === false
  }

  async stop(): Promise<void> {
    this.#isOn = false
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#nodes = 0
    const listening = this.#listening
    this.#listening = undefined
    await listening?.stop().catch(() => {})
  }

  /** The newest state of a route, whichever node wrote it. */
  async newest(routeId: string): Promise<PhysicsVector | null> {
    const { tables } = this.#link
    const rows = await this.#link.ask(
      `select shard::text, node, stamp::text, body, mac, ${NOW}::text as now from ${tables.state} where shard = $1::text::int`,
      [String(shardOf(routeId))],
    )
    let newest: StoredRoute | undefined
    for (const row of rows) {
      const found = this.#link.read(row)?.find((route) => route.routeId === routeId)
      if (found !== undefined && (newest === undefined || timeOf(found) > timeOf(newest))) newest = found
    }
    return newest?.vector ?? null
  }

  /** The newest state of every route. */
  async load(): Promise<Map<string, StoredRoute>> {
    const { tables } = this.#link
    const newest = new Map<string, StoredRoute>()
    for (let shard = 0; shard < SHARDS; shard += SHARDS_AT_ONCE) {
      const rows = await this.#link.ask(
        `select shard::text, node, stamp::text, body, mac, ${NOW}::text as now from ${tables.state}
         where shard >= $1::text::int and shard < $2::text::int`,
        [String(shard), String(shard + SHARDS_AT_ONCE)],
      )
      for (const row of rows) {
        for (const route of this.#link.read(row) ?? []) {
          const known = newest.get(route.routeId)
          if (known === undefined || timeOf(route) > timeOf(known)) newest.set(route.routeId, route)
        }
      }
    }
    return newest
  }

  #arm(waitMs?: number): void {
    const { intervalMs, notify } = this.#link.settings
    const usualMs = notify ? Math.max(intervalMs, LONGEST_SILENCE_MS) : intervalMs
    const pauseMs = Math.min(usualMs * 2 ** Math.min(this.#failures, 10), Math.max(LONGEST_PAUSE_MS, usualMs))
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#look(), this.#failures > 0 ? pauseMs : (waitMs ?? usualMs))
    this.#timer.unref?.()
  }

  async #look(): Promise<void> {
    if (this.#isLooking || !this.#isOn) return
    if (this.listeners.size === 0 && this.watchers.size === 0) return this.#arm()
    this.#isLooking = true
    this.#isDue = false
    let isMore = false
    try {
      isMore = await this.#read()
      this.#failures = 0
      this.#listenAgain()
    } catch {
      this.#failures += 1
    }
    this.#isLooking = false
    if (this.#isOn) this.#arm(isMore || this.#isDue ? 0 : undefined)
  }

  /** One look; resolves to whether there is more to be read at once. */
  async #read(): Promise<boolean> {
    const { tables, node } = this.#link
    const rows = await this.#link.ask(
      `with known as (
  select k.node, k.stamp::bigint from unnest(string_to_array($2::text, ','), string_to_array($3::text, ',')) as k(node, stamp)
), fresh as (
  select n.node, n.stamp, n.zone, coalesce(k.stamp, 0) as since from ${tables.nodes} as n left join known as k on k.node = n.node
  where n.node <> $1::text and n.stamp > coalesce(k.stamp, 0) order by n.stamp limit ${MOST_NODES_A_LOOK}
)
select 'now' as kind, null as node, null as latest, null as shard, null as stamp, null as body, null as mac, ${NOW}::text as now, null as zone
union all
select 'row', f.node, f.stamp::text, s.shard::text, s.stamp::text, s.body, s.mac, null, f.zone
from fresh as f left join ${tables.state} as s on s.node = f.node and s.stamp > f.since
union all
select 'document', d.node, null, null, d.version::text, d.name, null, null, null from ${tables.documents} as d
where $4::text <> '' and d.version > $4::text::bigint and d.node <> $1::text`,
      [node, [...this.#stamps.keys()].join(','), [...this.#stamps.values()].join(','), this.#documentsSince()],
    )
    const latest = new Map<string, number>()
    for (const row of rows) {
      if (row.kind === 'document') this.#report(row)
      if (row.kind !== 'row' || row.node == null) continue
      latest.set(row.node, Number(row.latest))
      if (row.body != null) this.#receive(row.node, row)
    }
    for (const [of, stamp] of latest) this.#note(of, stamp)
    const nowUs = this.#link.clock.nowUs()
    this.#nodes = [...this.#stamps.values()].filter((stamp) => nowUs - stamp < SILENCE_MS * 1000).length
    return latest.size >= MOST_NODES_A_LOOK
  }

  #receive(node: string, row: Row): void {
    const since = this.#stamps.get(node) ?? 0
    const nowUs = this.#link.clock.nowUs()
    for (const route of this.#link.read(row) ?? []) {
      if (route.stamp <= since) continue
      this.#link.counts.receivedRoutes += 1
      const ageMs = Math.max(0, (nowUs - timeOf(route)) / 1000)
      this.listeners.call(route.routeId, route.vector, { node, ageMs, zone: row.zone ?? '' })
    }
  }

  /** Notes how far a node was read. One that has not written for longest gives way. */
  #note(node: string, stamp: number): void {
    // A stamp of no time that could be would hide all that come after it.
    if (!this.#link.clock.see(stamp)) return
    this.#stamps.delete(node)
    if (this.#stamps.size >= MOST_NODES) this.#stamps.delete(this.#stamps.keys().next().value as string)
    this.#stamps.set(node, stamp)
  }

  #documentsSince(): string {
    if (this.watchers.size === 0) return ''
    const nowMs = Math.floor(this.#link.clock.nowUs() / 1000)
    for (const [name, version] of this.#written) {
      if (version < nowMs - 2 * OVERLAP_MS || this.#written.size > MOST_WRITTEN) this.#written.delete(name)
    }
    return String(Math.max(this.#documentsFrom, nowMs - OVERLAP_MS))
  }

  #report({ body, stamp }: Row): void {
    const version = Number(stamp)
    try {
      const name: unknown = JSON.parse(`"${body}"`)
      if (typeof name !== 'string' || this.#written.get(name) === version) return
      this.#written.set(name, version)
      this.watchers.call(name)
    } catch {
      // It is no name that a node wrote.
    }
  }
}
