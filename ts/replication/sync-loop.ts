/**
 * The sync loop: what changed goes to the store in one batch every 100 ms, and what the others sent is blended in. The decision
 * path does not depend on it: it never waits for the store, and no failure of the store reaches it.
 */

import { own } from '../base/own.js'
import type { Context } from '../context.js'
import { linkOf } from '../providers/native-link.js'
import type { StateProvider } from '../providers/provider.js'
import type { RouteStates } from '../routes/states.js'
import { Health } from './health.js'
import { LinkTransport } from './link-transport.js'
import { ProviderTransport } from './provider-transport.js'
import type { RouteSource, SyncTransport } from './transport.js'

const DEFAULT_INTERVAL_MS = 100
/** γ: the weight of other nodes' reports against this node's own measurements. */
const DEFAULT_GAMMA = 0.3

export class SyncLoop {
  readonly #transport: SyncTransport
  readonly #intervalMs: number
  #timer: ReturnType<typeof setTimeout> | undefined
  #running = false

  constructor(transport: SyncTransport, provider: StateProvider) {
    this.#transport = transport
    const intervalMs = own(provider, 'intervalMs')
    this.#intervalMs = typeof intervalMs === 'number' && intervalMs > 0 ? intervalMs : DEFAULT_INTERVAL_MS
  }

  async start(): Promise<void> {
    await this.#transport.start()
    this.#running = true
    this.#arm()
  }

  async stop(): Promise<void> {
    this.#running = false
    clearTimeout(this.#timer)
    await this.#transport.stop()
  }

  async flush(): Promise<void> {
    if (this.#running) await this.#transport.flush()
  }

  forget(routeId: string): Promise<void> {
    return this.#transport.forget(routeId)
  }

  #arm(): void {
    this.#timer = setTimeout(() => {
      this.#transport.sync()
      if (this.#running) this.#arm()
    }, this.#intervalMs)
    this.#timer.unref?.()
  }
}

/** The sync loop of an engine with a provider: batch by batch where both are in Rust, call by call otherwise. */
export function createSyncLoop(provider: StateProvider, context: Context, states: RouteStates): SyncLoop {
  const { engine, routes, clock, events, logger } = context
  const health = new Health(provider.name, {
    warn: (message, details) => logger.warn(message, details),
    degraded: (error) => events.emit('degraded', { provider: provider.name, error }),
    restored: () => events.emit('restored', { provider: provider.name }),
  })
  const source: RouteSource = {
    maxRoutes: routes.maxRoutes,
    nowMs: () => clock.nowMs(),
    decayRate: () => routes.params.config.decayRate,
    nextUsed: () => states.nextUsed(),
    vectorOf: (routeId) => states.vector(routeId),
    inherit: (routeId, scar, ticks, gamma) => states.inherit(routeId, scar, ticks, gamma),
    blend: (routeId, reports, gamma) => states.blend(routeId, reports, gamma),
  }
  const wanted = own(provider, 'gamma')
  const gamma = typeof wanted === 'number' && wanted >= 0 && wanted <= 1 ? wanted : DEFAULT_GAMMA
  const native = linkOf(provider)
  const transport =
    native !== undefined && engine.cluster !== undefined
      ? new LinkTransport(provider, native, engine.cluster, health, gamma, routes.index)
      : new ProviderTransport(provider, source, health, gamma)
  return new SyncLoop(transport, provider)
}
