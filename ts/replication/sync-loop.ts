/**
 * The pulse: what changed goes to the store in one batch every 100 ms, and what the others sent is blended in. The decision
 * path does not know of it; it never waits for the store, and never hears of its troubles.
 */

import type { Engine } from '../engine/port.js'
import { linkOf } from '../providers/native-link.js'
import type { StateProvider } from '../providers/provider.js'
import { Health, type HealthHost } from './health.js'
import { LinkCourier } from './link-transport.js'
import { ProviderCourier, type RouteSource } from './provider-transport.js'

/** Who carries what changed to the store, and brings what is new there. */
export interface Courier {
  /** Connects, and takes over what the store knows; rejects when the store cannot be connected. */
  start(): Promise<void>
  /** One pulse. Never throws, never waits. */
  beat(): void
  /** One pulse, and waits until what changed was brought, or has taken too long; never rejects. */
  flush(): Promise<void>
  /** Brings what was not sent, then disconnects; rejects when that fails. */
  stop(): Promise<void>
  /** Deletes a route from the store; never rejects. */
  forget(routeId: string): Promise<void>
}

const DEFAULT_INTERVAL_MS = 100
/** γ: how much the others weigh against one's own measurements. */
const DEFAULT_GAMMA = 0.3

export class Pulse {
  readonly #courier: Courier
  readonly #intervalMs: number
  #timer: ReturnType<typeof setTimeout> | undefined
  #running = false

  constructor(courier: Courier, provider: StateProvider) {
    this.#courier = courier
    const { intervalMs } = provider
    this.#intervalMs = typeof intervalMs === 'number' && intervalMs > 0 ? intervalMs : DEFAULT_INTERVAL_MS
  }

  async start(): Promise<void> {
    await this.#courier.start()
    this.#running = true
    this.#arm()
  }

  async stop(): Promise<void> {
    this.#running = false
    clearTimeout(this.#timer)
    await this.#courier.stop()
  }

  async flush(): Promise<void> {
    if (this.#running) await this.#courier.flush()
  }

  forget(routeId: string): Promise<void> {
    return this.#courier.forget(routeId)
  }

  #arm(): void {
    this.#timer = setTimeout(() => {
      this.#courier.beat()
      if (this.#running) this.#arm()
    }, this.#intervalMs)
    this.#timer.unref?.()
  }
}

/** The pulse of an engine with a provider: below JavaScript where both are of the addon, call by call otherwise. */
export function createPulse(provider: StateProvider, engine: Engine, host: RouteSource & HealthHost): Pulse {
  const health = new Health(provider.name, host)
  const { gamma: wanted } = provider
  const gamma = typeof wanted === 'number' && wanted >= 0 && wanted <= 1 ? wanted : DEFAULT_GAMMA
  const native = linkOf(provider)
  const courier =
    native !== undefined && engine.cluster !== undefined
      ? new LinkCourier(provider, native, engine.cluster, health, gamma)
      : new ProviderCourier(provider, host, health, gamma)
  return new Pulse(courier, provider)
}
