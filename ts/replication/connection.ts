/** The connection of an instance to its provider. Connects and disconnects happen one after the other, in the order of their calls. */

import { IN_MEMORY, type StateProvider } from '../providers/provider.js'
import type { SyncLoop } from './sync-loop.js'

export class Connection {
  readonly #provider: StateProvider | undefined
  readonly #syncLoop: SyncLoop | undefined
  readonly #changed: (isConnected: boolean) => void
  #isConnected = false
  /** The last connect or disconnect, settled or not. */
  #last: Promise<void> = Promise.resolve()

  /**
   * @param provider undefined: state is kept in this process only
   * @param syncLoop what carries state to and from the provider; undefined: nothing is carried
   * @param changed called when the provider was connected, and when it is going to be disconnected; throws nothing
   */
  constructor(
    provider: StateProvider | null | undefined,
    syncLoop: SyncLoop | null | undefined,
    changed: (isConnected: boolean) => void,
  ) {
    this.#changed = changed
    this.#provider = provider ?? undefined
    this.#syncLoop = syncLoop ?? undefined
  }

  get isConnected(): boolean {
    return this.#isConnected
  }

  get providerName(): string {
    return this.#provider?.name ?? IN_MEMORY
  }

  connect(): Promise<void> {
    return this.#inOrder(async () => {
      if (this.#isConnected) return
      await (this.#syncLoop?.start() ?? this.#provider?.connect())
      this.#isConnected = true
      this.#changed(true)
    })
  }

  disconnect(): Promise<void> {
    return this.#inOrder(async () => {
      if (!this.#isConnected) return
      this.#isConnected = false
      this.#changed(false)
      await (this.#syncLoop?.stop() ?? this.#provider?.disconnect())
    })
  }

  /** Other nodes that reported lately, where the provider knows. */
  get nodes(): number | undefined {
    return this.counts.nodes
  }

  /** The numbers that the provider counts; none where it counts nothing. */
  get counts(): Readonly<Record<string, number>> {
    try {
      const stats: object = (this.#provider as { stats?: () => object } | undefined)?.stats?.() ?? {}
      return Object.fromEntries(Object.entries(stats).filter(([, value]) => typeof value === 'number'))
    } catch {
      return {}
    }
  }

  /** Never rejects. */
  async flush(): Promise<void> {
    await this.#syncLoop?.flush()
  }

  /** Deletes a route from the provider; never rejects. */
  async forget(routeId: string): Promise<void> {
    await this.#syncLoop?.forget(routeId)
  }

  #inOrder(step: () => Promise<void>): Promise<void> {
    const result = this.#last.then(step)
    this.#last = result.catch(() => {})
    return result
  }
}
