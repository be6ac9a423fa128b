/**
 * The pulse: what changed goes to the store in one batch every 100 ms. The decision path only notes a name; it never
 * waits for the store, never hears of its troubles, and keeps no history: a route that changed a thousand times in a
 * pulse is sent once, as it is now.
 */

import { SyncError } from '../errors.js'
import { isPhysicsVector, type PhysicsVector, type StateProvider } from './provider.js'

const INTERVAL_MS = 100

/** Calls to the store that may be under way at once. */
const CONCURRENCY = 64

/** The routes, as the pulse needs them. */
export interface PulseSource {
  /** The route as it is now; undefined when it is gone. */
  vectorOf(routeId: string): PhysicsVector | undefined
  /** Blends in what the store knows of a route. */
  merge(routeId: string, vector: PhysicsVector): void
  readonly maxRoutes: number
  /** Never throws. */
  warn(message: string, context: Record<string, unknown>): void
}

/** Runs `work` on every item, a bounded number at a time; it must not throw. */
async function forEachBounded<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const queue = items[Symbol.iterator]()
  const lane = async (): Promise<void> => {
    for (let next = queue.next(); !next.done; next = queue.next()) await work(next.value)
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, lane))
}

export class Pulse {
  readonly #provider: StateProvider
  readonly #source: PulseSource
  #changed = new Set<string>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #sending: Promise<void> | undefined
  #running = false

  constructor(provider: StateProvider, source: PulseSource) {
    this.#provider = provider
    this.#source = source
  }

  /** Connects the store and takes over what it knows; rejects when the store does. */
  async start(): Promise<void> {
    await this.#provider.connect()
    this.#running = true
    await this.#load()
    this.#arm()
  }

  /** Sends what has not been sent, then disconnects the store; rejects when that does. */
  async stop(): Promise<void> {
    this.#running = false
    clearTimeout(this.#timer)
    this.#timer = undefined
    await this.#sending
    await this.#send()
    await this.#provider.disconnect()
  }

  /** Notes that a route changed. */
  touch(routeId: string): void {
    this.#changed.add(routeId)
    if (this.#timer === undefined && this.#running) this.#arm()
    if (this.#changed.size > this.#source.maxRoutes) this.#changed.delete(this.#changed.values().next().value as string)
  }

  /** Deletes a route from the store. */
  async forget(routeId: string): Promise<void> {
    this.#changed.delete(routeId)
    await this.#quietly(routeId, () => this.#provider.deleteVector(routeId))
  }

  #arm(): void {
    if (this.#changed.size === 0 || this.#sending) return
    this.#timer = setTimeout(() => this.#beat(), INTERVAL_MS)
    this.#timer.unref?.()
  }

  #beat(): void {
    this.#timer = undefined
    this.#sending = this.#send().finally(() => {
      this.#sending = undefined
      if (this.#running) this.#arm()
    })
  }

  async #send(): Promise<void> {
    const batch = this.#changed
    this.#changed = new Set()
    await forEachBounded(batch, async (routeId) => {
      const vector = this.#source.vectorOf(routeId)
      if (vector) await this.#quietly(routeId, () => this.#provider.updateVector(routeId, vector))
    })
  }

  async #load(): Promise<void> {
    let routeIds: readonly string[] = []
    await this.#quietly('*', async () => {
      routeIds = await this.#provider.listRoutes()
    })
    if (!Array.isArray(routeIds)) return
    await forEachBounded(routeIds.slice(0, this.#source.maxRoutes), async (routeId) => {
      if (typeof routeId !== 'string' || routeId === '') return
      await this.#quietly(routeId, async () => {
        const vector = await this.#provider.getVector(routeId)
        if (isPhysicsVector(vector)) this.#source.merge(routeId, vector)
      })
    })
  }

  /** The store's failures are logged, whether it rejects or throws. */
  async #quietly(routeId: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (cause) {
      const error = new SyncError(routeId, cause)
      this.#source.warn(error.message, { provider: this.#provider.name, routeId })
    }
  }
}
