/**
 * The streams of Studio: server-sent events, a snapshot and then what differs. Viewers of the same part of the board share what is
 * written. A client that does not take what is sent gets nothing more until it does, and then a snapshot; if it does not for long, it is
 * dropped. So at most one snapshot a client waits in memory.
 */

import type { Query } from './board.js'
import type { Sink } from './exchange.js'
import type { Hello } from './protocol.js'

/** The time after which a client that lost its stream comes back, ms. */
const RETRY_MS = 2_000
const HEARTBEAT_MS = 15_000
/** A client that has taken nothing for so long is dropped, ms. */
const SLOW_MS = 15_000
/** Messages kept for clients that come back. */
const KEPT = 32
/** A view without viewers is kept for so long, ms. */
const KEPT_MS = 10_000
const MOST_VIEWS = 128

interface Client {
  readonly sink: Sink
  /** The time since which the client does not take what is sent, ms; undefined: it does. */
  slowSinceMs: number | undefined
  lastMs: number
}

interface Message {
  readonly id: number
  readonly text: string
}

/** Makes the sections of a view. */
export type SectionsOf = (query: Query) => Map<string, string>

const eventText = (id: string, event: string, data: string): string => `id: ${id}\nevent: ${event}\ndata: ${data}\n\n`

const jsonOf = (sections: Iterable<readonly [string, string]>): string =>
  `{${[...sections].map(([name, json]) => `${JSON.stringify(name)}:${json}`).join(',')}}`

class View {
  readonly query: Query
  readonly clients = new Set<Client>()
  readonly #instance: string
  #sections = new Map<string, string>()
  #messages: Message[] = []
  #id = 0
  emptySinceMs = 0

  constructor(query: Query, instance: string, firstId: number) {
    this.query = query
    this.#instance = instance
    this.#id = firstId
  }

  get isEmpty(): boolean {
    return this.#sections.size === 0
  }

  /** The first sections, of which no client has any. */
  fill(sections: Map<string, string>): void {
    this.#sections = sections
  }

  /** Sends what differs from the last time. */
  update(sections: Map<string, string>, nowMs: number): void {
    const changed = [...sections].filter(([name, json]) => this.#sections.get(name) !== json)
    this.#sections = sections
    if (changed.length > 0) {
      this.#id += 1
      const text = eventText(`${this.#instance}-${this.#id}`, 'delta', jsonOf(changed))
      this.#messages.push({ id: this.#id, text })
      if (this.#messages.length > KEPT) this.#messages.shift()
      for (const client of this.clients) this.send(client, text, nowMs)
    }
    for (const client of this.clients) this.#tend(client, nowMs)
  }

  /** Brings a client up to date: by what it missed, where that is known, or by a snapshot. */
  catchUp(client: Client, lastEventId: string | undefined, nowMs: number): void {
    const [, instance, id] = /^([\w]+)-(\d{1,15})$/.exec(lastEventId ?? '') ?? []
    const last = Number(id)
    const missed = this.#messages.filter((message) => message.id > last)
    const isKnown = instance === this.#instance && last <= this.#id && missed.length === this.#id - last
    if (isKnown) for (const { text } of missed) this.send(client, text, nowMs)
    else this.snapshot(client, nowMs)
  }

  snapshot(client: Client, nowMs: number): void {
    this.send(client, eventText(`${this.#instance}-${this.#id}`, 'snapshot', jsonOf(this.#sections)), nowMs)
  }

  send(client: Client, text: string, nowMs: number): void {
    if (client.slowSinceMs !== undefined) return
    client.lastMs = nowMs
    if (client.sink.write(text)) return
    client.slowSinceMs = nowMs
    client.sink.onDrain(() => {
      if (client.slowSinceMs === undefined || !this.clients.has(client)) return
      client.slowSinceMs = undefined
      this.snapshot(client, performance.now())
    })
  }

  #tend(client: Client, nowMs: number): void {
    if (client.slowSinceMs !== undefined) {
      if (nowMs - client.slowSinceMs < SLOW_MS) return
      this.clients.delete(client)
      client.sink.drop()
    } else if (nowMs - client.lastMs >= HEARTBEAT_MS) {
      this.send(client, ': still there\n\n', nowMs)
    }
  }
}

export class Streams {
  readonly #instance: string
  readonly #mostClients: number
  readonly #sectionsOf: SectionsOf
  readonly #views = new Map<string, View>()
  /** Grows with every view, so that no id comes twice. */
  #firstId = 0
  /** Calls when the number of clients has changed. */
  onCount: ((clients: number) => void) | undefined

  constructor(instance: string, mostClients: number, sectionsOf: SectionsOf) {
    this.#instance = instance
    this.#mostClients = mostClients
    this.#sectionsOf = sectionsOf
  }

  get clients(): number {
    let count = 0
    for (const view of this.#views.values()) count += view.clients.size
    return count
  }

  get isFull(): boolean {
    return this.clients >= this.#mostClients
  }

  /** Opens a stream. @returns a function for when its client has gone */
  open(sink: Sink, query: Query, hello: Hello, lastEventId: string | undefined): () => void {
    const nowMs = performance.now()
    const view = this.#viewOf(query)
    const client: Client = { sink, slowSinceMs: undefined, lastMs: nowMs }
    view.clients.add(client)
    view.send(client, `retry: ${RETRY_MS}\nevent: hello\ndata: ${JSON.stringify(hello)}\n\n`, nowMs)
    this.onCount?.(this.clients)
    if (view.isEmpty) view.fill(this.#sectionsOf(query))
    view.catchUp(client, lastEventId, nowMs)
    return () => {
      if (!view.clients.delete(client)) return
      view.emptySinceMs = performance.now()
      this.onCount?.(this.clients)
    }
  }

  /** Sends every view what differs, after a sample. */
  update(): void {
    const nowMs = performance.now()
    for (const [key, view] of this.#views) {
      const before = view.clients.size
      if (before === 0) {
        if (nowMs - view.emptySinceMs > KEPT_MS) this.#views.delete(key)
        continue
      }
      view.update(this.#sectionsOf(view.query), nowMs)
      if (view.clients.size === before) continue
      view.emptySinceMs = nowMs
      this.onCount?.(this.clients)
    }
  }

  close(): void {
    for (const view of this.#views.values()) for (const { sink } of view.clients) sink.end()
    this.#views.clear()
  }

  #viewOf(query: Query): View {
    const key = JSON.stringify(query)
    const known = this.#views.get(key)
    if (known !== undefined) return known
    if (this.#views.size >= MOST_VIEWS) {
      for (const [name, { clients }] of this.#views) if (clients.size === 0) this.#views.delete(name)
    }
    this.#firstId += 1_000_000
    const view = new View(query, this.#instance, this.#firstId)
    this.#views.set(key, view)
    return view
  }
}
