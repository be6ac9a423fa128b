/** Carries state to and from a provider written in Rust: the engine and the provider's thread meet below JavaScript. */

import type { NativeCluster } from '../engine/cluster-port.js'
import type { NativeLink } from '../providers/native-link.js'
import type { StateProvider } from '../providers/provider.js'
import type { RouteIndex } from '../routes/route-index.js'
import type { Health } from './health.js'
import type { SyncTransport } from './transport.js'

/** Routes taken over from the store at once, before others may run. */
const ADOPT_CHUNK = 4096

export class LinkTransport implements SyncTransport {
  readonly #provider: StateProvider
  readonly #native: NativeLink
  readonly #cluster: NativeCluster
  readonly #health: Health
  readonly #gamma: number
  readonly #index: RouteIndex
  #stopListening: (() => void) | undefined

  constructor(
    provider: StateProvider,
    native: NativeLink,
    cluster: NativeCluster,
    health: Health,
    gamma: number,
    index: RouteIndex,
  ) {
    this.#provider = provider
    this.#native = native
    this.#cluster = cluster
    this.#health = health
    this.#gamma = gamma
    this.#index = index
  }

  async start(): Promise<void> {
    this.#stopListening = this.#native.onState((state, error) => {
      if (state === 'restored') this.#health.restored()
      else this.#health.degraded(error ?? new Error('the link was lost'))
    })
    // Routes that were used until now are sent with the first connection, and are not taken for those that the store brings.
    this.#cluster.sync(this.#native, this.#gamma)
    try {
      await this.#provider.connect()
    } catch (error) {
      this.#leave()
      throw error
    }
    while (this.#adopt() > 0) await new Promise((resolve) => setTimeout(resolve))
  }

  sync(): void {
    // A store that was absent when we connected is loaded when it is there.
    this.#adopt()
    this.#cluster.sync(this.#native, this.#gamma)
  }

  /** Takes over some of what was loaded; without weight for the others, nothing. */
  #adopt(): number {
    const taken = this.#gamma > 0 ? this.#cluster.adopt(this.#native, ADOPT_CHUNK, this.#gamma) : 0
    // Routes that had to give way for them went without a name that was looked up.
    if (taken > 0) this.#index.forgetEvicted()
    return taken
  }

  async flush(): Promise<void> {
    this.sync()
  }

  async stop(): Promise<void> {
    this.#cluster.sync(this.#native, this.#gamma)
    try {
      await this.#provider.disconnect()
    } finally {
      this.#leave()
    }
  }

  async forget(routeId: string): Promise<void> {
    try {
      await this.#provider.deleteVector(routeId)
    } catch {
      // The link reports its own failures.
    }
  }

  #leave(): void {
    this.#stopListening?.()
    this.#cluster.leave(this.#native)
  }
}
