/** State that the processes of one machine share, and the threads of each, over a socket of the user's: without a server. */

import { AtrionError, ConfigError, SyncError } from '../../base/errors.js'
import { later } from '../../base/later.js'
import { checkedWrite, DocumentWatchers, requireDocumentName } from '../documents.js'
import { Lifecycle } from '../lifecycle.js'
import { RouteListeners } from '../listeners.js'
import {
  type DocumentOptions,
  isPhysicsVector,
  type PhysicsVector,
  type SharedDocument,
  type StateProvider,
  type VectorOrigin,
} from '../provider.js'
import { MAX_NAME, type Message } from './frames.js'
import { Member } from './member.js'
import { Outbox } from './outbox.js'
import { placeOf } from './place.js'
import { Replica } from './replica.js'
import { type MachineStateProviderOptions, settingsOf } from './settings.js'

export type { MachineStateProviderOptions } from './settings.js'

export interface MachineStats {
  /** 1 when this process has the hub, to which the others are joined. */
  readonly isHub: number
  /** Other processes and threads that are joined. */
  readonly nodes: number
  /** Times that this process became the hub. */
  readonly takeovers: number
}

interface Request {
  readonly message: Message
  /** True when a hub has it that has not answered yet. */
  isSent: boolean
  readonly resolve: (ok: boolean) => void
  readonly reject: (error: Error) => void
}

/** `disconnect()` sends what was not sent for no longer than this, ms. */
const PATIENCE_MS = 1000

/**
 * Shares state among the processes of one machine and the threads of each: worker threads, node:cluster, PM2. One of them has a hub on a Unix socket (a named
 * pipe on Windows) that the others join; every one knows all that is shared, so that another takes its place at once when it ends. Nothing is kept once
 * the last one has ended.
 *
 * ```ts
 * const atrion = new Atrion({ scope: 'machine' }) // or provider: new MachineStateProvider({ name: 'shop' })
 * ```
 */
export class MachineStateProvider implements StateProvider {
  readonly name = 'MachineStateProvider'
  readonly intervalMs: number
  readonly gamma: number
  /** false: `atrion.connect()` does not depend on this. */
  readonly required: boolean
  readonly maxConcurrentUpdates: number
  /** The time after which a call of a document counts as lost, ms. */
  readonly documentTimeoutMs: number
  readonly #timeoutMs: number
  readonly #maxRoutes: number
  readonly #node = nodeName()
  readonly #listeners: RouteListeners
  readonly #watchers = new DocumentWatchers()
  readonly #requests = new Map<number, Request>()
  readonly #member: Member
  readonly #outbox: Outbox
  #replica: Replica
  #lastId = 0
  #nodes = 0
  #takeovers = 0
  #isSending = false
  readonly #lifecycle = new Lifecycle(this.name)
  /** The reason for which it is joined to none. */
  #problem: Error | undefined
  #onJoined: (() => void) | undefined

  /** @throws ConfigError for an option out of its range, or unknown */
  constructor(options: MachineStateProviderOptions = {}) {
    const settings = settingsOf(options)
    this.intervalMs = settings.intervalMs
    this.gamma = settings.gamma
    this.required = settings.required
    this.#maxRoutes = settings.maxRoutes
    this.#timeoutMs = settings.timeoutMs
    this.documentTimeoutMs = Math.max(8_000, settings.timeoutMs + 1_000)
    this.maxConcurrentUpdates = settings.maxRoutes
    const place = placeOf(settings.name, settings.folder)
    this.#replica = new Replica(this.#maxRoutes, this.#node)
    this.#listeners = new RouteListeners(this.#maxRoutes)
    this.#outbox = new Outbox(this.#maxRoutes, this.#timeoutMs)
    const replica = (): Replica => this.#replica
    this.#member = new Member(place, {
      node: this.#node,
      get replica() {
        return replica()
      },
      receive: (message) => this.#receive(message),
      joined: () => this.#joined(),
      parted: (error) => this.#parted(error),
    })
  }

  stats(): MachineStats {
    return { isHub: this.#member.isHub ? 1 : 0, nodes: this.#nodes, takeovers: this.#takeovers }
  }

  /** @throws ConnectionError when the folder of the socket is not the user's alone, or no hub can be joined or made in time */
  connect(): Promise<void> {
    return this.#lifecycle.connect(async () => {
      this.#replica = new Replica(this.#maxRoutes, this.#node)
      // The cause of an earlier failure is not that of this one.
      this.#problem = undefined
      const joined = new Promise<void>((resolve) => {
        this.#onJoined = resolve
      })
      this.#member.start()
      try {
        await this.#within(joined)
      } catch (error) {
        await this.#member.stop()
        throw this.#problem ?? error
      }
    })
  }

  disconnect(): Promise<void> {
    return this.#lifecycle.disconnect(
      async () => {
        if (!this.#outbox.isEmpty) await this.#ask((id) => ({ kind: 'ping', id }), PATIENCE_MS).catch(() => {})
      },
      async () => {
        await this.#member.stop()
        this.#parted(new Error('disconnected'))
        this.#nodes = 0
      },
    )
  }

  async getVector(routeId: string): Promise<PhysicsVector | null> {
    await this.#settle(routeId)
    const vector = this.#replica.get(routeId)?.vector
    return vector ? { ...vector } : null
  }

  /** Resolves when the others are sent it. All calls of one turn go together. */
  async updateVector(routeId: string, vector: PhysicsVector): Promise<void> {
    if (!isPhysicsVector(vector)) throw new ConfigError('vector', 'an object with four finite numbers ≥ 0', vector)
    const { scar, momentumScalar, lastTick, resistance } = vector
    await this.#change(routeId, { scar, momentumScalar, lastTick, resistance })
  }

  deleteVector(routeId: string): Promise<void> {
    return this.#change(routeId, undefined)
  }

  async listRoutes(): Promise<string[]> {
    await this.#settle('*')
    return this.#replica.routes().map(({ routeId }) => routeId)
  }

  async load(maxRoutes: number): Promise<Iterable<readonly [routeId: string, vector: PhysicsVector, ageMs: number]>> {
    await this.#settle('*')
    const nowUs = this.#replica.clock.nowMs() * 1000
    const routes = this.#replica.routes()
    return routes
      .slice(Math.max(0, routes.length - Math.max(0, maxRoutes)))
      .map(({ routeId, vector, stamp }) => [routeId, { ...vector }, Math.max(0, (nowUs - stamp) / 1000)] as const)
  }

  subscribe(routeId: string, onChange: (vector: PhysicsVector, origin?: VectorOrigin) => void): () => void {
    return this.#listeners.add(routeId, onChange)
  }

  /** @throws ConfigError for a name out of its range */
  async readDocument(name: string): Promise<SharedDocument> {
    requireDocumentName(name)
    await this.#settle(`document ${name}`)
    const nowMs = this.#replica.clock.nowMs()
    const found = this.#replica.text(name)
    const isThere = found !== undefined && (found.expiresAtMs === null || found.expiresAtMs > nowMs)
    return isThere ? { version: found.version, text: found.text, nowMs } : { version: 0, text: null, nowMs }
  }

  /**
   * @throws ConfigError for a name, a version, a text or an option out of its range
   * @throws AtrionError when there is no room for it: 4096 documents of 64 Mi characters in all are kept
   */
  async writeDocument(name: string, version: number, text: string, options?: DocumentOptions): Promise<boolean> {
    const ttlMs = checkedWrite(name, version, text, options) ?? null
    await this.#lifecycle.connected()
    if (!this.#replica.hasRoom({ name, text })) {
      throw new AtrionError(`there is no room for document ${JSON.stringify(name)}`, { code: 'ATRION_SYNC' })
    }
    return this.#ask((id) => ({
      kind: 'write',
      id,
      name,
      version,
      text,
      ttlMs,
      by: `${this.#node} ${id}`,
      isAgain: false,
    })).catch((cause: unknown) => {
      throw new SyncError(`document ${name}`, cause)
    })
  }

  watchDocuments(onWrite: (name: string) => void): () => void {
    return this.#watchers.add(onWrite)
  }

  async #change(routeId: string, vector: PhysicsVector | undefined): Promise<void> {
    if (typeof routeId !== 'string' || routeId.length > MAX_NAME) {
      throw new TypeError(`routeId must be a string of at most ${MAX_NAME} characters`)
    }
    if (!this.#lifecycle.isConnected) await this.#lifecycle.connected()
    const confirmed = this.#outbox.add(routeId, vector)
    this.#sendSoon()
    try {
      await confirmed
    } catch (cause) {
      throw new SyncError(routeId, cause)
    }
  }

  #sendSoon(): void {
    if (this.#isSending) return
    this.#isSending = true
    later(() => {
      this.#isSending = false
      if (this.#member.isJoined)
        for (const message of this.#outbox.take(() => this.#nextId())) this.#member.send(message)
    })
  }

  /** Waits until all is here that the hub has passed on until now. */
  async #settle(routeId: string): Promise<void> {
    await this.#lifecycle.connected()
    try {
      await this.#ask((id) => ({ kind: 'ping', id }))
    } catch (cause) {
      throw new SyncError(routeId, cause)
    }
  }

  /** Sends a request, as soon as there is a hub, and resolves to its answer. */
  async #ask(make: (id: number) => Message, timeoutMs = this.#timeoutMs): Promise<boolean> {
    const id = this.#nextId()
    const message = make(id)
    const answered = new Promise<boolean>((resolve, reject) => {
      this.#requests.set(id, { message, isSent: false, resolve, reject })
    })
    // Changes that were made before are sent before.
    later(() => this.#sendRequest(id))
    try {
      return await this.#within(answered, timeoutMs)
    } finally {
      this.#requests.delete(id)
    }
  }

  #sendRequest(id: number): void {
    const request = this.#requests.get(id)
    if (request === undefined || request.isSent) return
    request.isSent = this.#member.send(request.message)
  }

  #nextId(): number {
    this.#lastId += 1
    return this.#lastId
  }

  async #within<T>(work: Promise<T>, timeoutMs = this.#timeoutMs): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined
    const overdue = new Promise<never>((_, reject) => {
      timer = setTimeout(() => later(() => reject(new Error(`no answer within ${timeoutMs} ms`))), timeoutMs)
    })
    try {
      return await Promise.race([work, overdue])
    } finally {
      clearTimeout(timer)
    }
  }

  #receive(message: Message): void {
    if (message.kind === 'done' || message.kind === 'welcome') {
      this.#nodes = Number(message.nodes) || 0
      this.#replica.clock.learn(message.clock)
    }
    if (message.kind === 'done') {
      this.#outbox.confirm(message.id)
      const request = this.#requests.get(message.id)
      if (message.ok === null)
        request?.reject(new Error('the hub of the machine was lost: the call may or may not have been carried out'))
      else request?.resolve(message.ok === true)
    } else if (message.kind === 'merge') {
      // The hub's own process has merged them already.
      const news = this.#member.isHub ? message : this.#replica.merge(message)
      const nowUs = this.#replica.clock.nowMs() * 1000
      for (const { routeId, vector, stamp, node } of news.routes ?? []) {
        if (node === this.#node) continue
        this.#listeners.call(routeId, vector, { node, ageMs: Math.max(0, (nowUs - stamp) / 1000) })
      }
      for (const { name } of news.texts ?? []) this.#watchers.call(name)
    }
  }

  #joined(): void {
    this.#problem = undefined
    if (this.#member.isHub) this.#takeovers += 1
    this.#onJoined?.()
    this.#sendSoon()
    later(() => {
      for (const id of [...this.#requests.keys()]) this.#sendRequest(id)
    })
  }

  #parted(error: Error): void {
    this.#problem = error
    this.#outbox.restore()
    for (const [id, request] of [...this.#requests]) {
      if (!this.#lifecycle.isConnected) request.reject(error)
      const { message } = request
      const again: Message = message.kind === 'write' && request.isSent ? { ...message, isAgain: true } : message
      this.#requests.set(id, { ...request, message: again, isSent: false })
    }
  }
}

function nodeName(): string {
  const words = globalThis.crypto.getRandomValues(new Uint32Array(2))
  return [...words].map((word) => word.toString(16).padStart(8, '0')).join('')
}
