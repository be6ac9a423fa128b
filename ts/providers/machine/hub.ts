/**
 * The hub, which one process of the machine has: it puts changes in an order, and passes each on to all. It keeps nothing that the others do not keep
 * as well.
 */

import { isPhysicsVector } from '../provider.js'
import { listOf, MAX_NODE, type Message, MOST_WRITES, type Shared } from './frames.js'
import type { News, Replica } from './replica.js'

/** Processes that may be joined at once. */
const MOST_PEERS = 1024
/** Processes that were joined to another hub before bring what they know within that time; until then no document is written, ms. */
const GATHERING_MS = 250

/** A process that is joined. */
export interface Peer {
  node: string
  send(message: Message): void
}

/** Returns whether a write is one that a process of this package sends. */
const isWrite = ({ name, version, text, ttlMs, by }: Extract<Message, { kind: 'write' }>): boolean =>
  [name, text, by].every((one) => typeof one === 'string') &&
  Number.isSafeInteger(version) &&
  (ttlMs === null || Number.isFinite(ttlMs))

export class Hub {
  readonly #replica: Replica
  readonly #holds: () => Promise<boolean>
  readonly #peers = new Set<Peer>()
  #isOn = true
  /** The writes of documents, one after the other. */
  #writes: Promise<void>

  /** @param holds resolves to whether the place is still this hub's: another one may have taken it from a process that stood still */
  constructor(replica: Replica, holds: () => Promise<boolean>) {
    this.#replica = replica
    this.#holds = holds
    this.#writes = new Promise((resolve) => {
      const timer = setTimeout(resolve, GATHERING_MS)
      timer.unref?.()
    })
  }

  /** Returns false where there are too many. */
  add(peer: Peer): boolean {
    if (this.#peers.size >= MOST_PEERS) return false
    this.#peers.add(peer)
    return true
  }

  remove(peer: Peer): void {
    this.#peers.delete(peer)
  }

  end(): void {
    this.#isOn = false
    this.#peers.clear()
  }

  receive(peer: Peer, message: Message): void {
    if (message.kind === 'join') {
      peer.node = typeof message.node === 'string' ? message.node.slice(0, MAX_NODE) : ''
      for (const part of this.#replica.everything()) peer.send(part)
      peer.send({ kind: 'welcome', nodes: this.#peers.size - 1, clock: this.#replica.clock.read() })
    } else if (message.kind === 'merge') {
      this.#pass(this.#replica.merge(message))
    } else if (message.kind === 'put') {
      this.#put(peer, message.routes)
      this.#done(peer, message.id, true)
    } else if (message.kind === 'delete') {
      const stamp = this.#replica.nextStamp()
      const gone = listOf(message.routeIds).filter((routeId) => typeof routeId === 'string')
      this.#pass(this.#replica.merge({ kind: 'merge', gone: gone.map((routeId) => [routeId, stamp] as const) }))
      this.#done(peer, message.id, true)
    } else if (message.kind === 'ping') {
      this.#done(peer, message.id, true)
    } else if (message.kind === 'write') {
      // The next one is done whatever becomes of this one.
      this.#writes = this.#writes
        .then(async () => {
          if (!(await this.#holds()) || !this.#isOn) return
          this.#done(peer, message.id, isWrite(message) && this.#write(message))
        })
        .catch(() => {})
    }
  }

  #put(peer: Peer, given: unknown): void {
    const routes: Shared[] = []
    const stamp = this.#replica.nextStamp()
    for (const item of listOf(given)) {
      const [routeId, vector] = listOf(item)
      if (typeof routeId === 'string' && isPhysicsVector(vector))
        routes.push({ routeId, vector, stamp, node: peer.node })
    }
    this.#pass(this.#replica.merge({ kind: 'merge', routes }))
  }

  /** Returns whether the document was written; null: it is not known whether a hub that was lost did it. */
  #write({ name, version, text, ttlMs, by, isAgain }: Extract<Message, { kind: 'write' }>): boolean | null {
    const nowMs = this.#replica.clock.nowMs()
    const before = this.#replica.text(name)
    const isThere = before !== undefined && (before.expiresAtMs === null || before.expiresAtMs > nowMs)
    if (isAgain && before?.by.includes(by)) return true
    if ((isThere ? before.version : 0) !== version) {
      return isAgain && (before?.by.length ?? 0) >= MOST_WRITES ? null : false
    }
    const next = Math.max(nowMs, 1 + (before?.version ?? 0))
    const news = this.#replica.merge({
      kind: 'merge',
      texts: [
        {
          name,
          version: next,
          text,
          by: [...(before?.by ?? []), by].slice(-MOST_WRITES),
          expiresAtMs: ttlMs === null ? null : nowMs + ttlMs,
        },
      ],
    })
    this.#pass(news)
    return news.texts.length > 0
  }

  /** Passes news on to all, the process that they came from as well: it learns their place in the order. */
  #pass(news: News): void {
    if (news.routes.length + news.gone.length + news.texts.length === 0) return
    for (const peer of [...this.#peers]) peer.send(news)
  }

  #done(peer: Peer, id: number, ok: boolean | null): void {
    peer.send({ kind: 'done', id, ok, nodes: this.#peers.size - 1, clock: this.#replica.clock.read() })
  }
}
