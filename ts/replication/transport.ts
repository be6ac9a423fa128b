/** The transport of state to a store and back: the seam between the sync loop and a kind of provider. */

import type { PhysicsVector } from '../providers/provider.js'

/** Carries changes to the store, and brings what is new there. */
export interface SyncTransport {
  /** Connects, and takes over what the store knows; rejects when the store cannot be connected. */
  start(): Promise<void>
  /** Sends what changed and blends in what came. Never throws, never waits. */
  sync(): void
  /** The same, and waits until what changed was sent, or has taken too long; never rejects. */
  flush(): Promise<void>
  /** Sends what was not sent, then disconnects; rejects when that fails. */
  stop(): Promise<void>
  /** Deletes a route from the store; never rejects. */
  forget(routeId: string): Promise<void>
}

/** The routes, as a transport needs them. None of these throws. */
export interface RouteSource {
  /** The next route that was used since this was last asked. */
  nextUsed(): string | undefined
  /** The route as it is now; undefined when it is gone. */
  vectorOf(routeId: string): PhysicsVector | undefined
  /**
   * A route that was not measured here takes over a scar of `scar` Ω, known after `ticks` ticks, with the weight `gamma`, or in
   * full where that is undefined; false when it was.
   */
  inherit(routeId: string, scar: number, ticks: number, gamma: number | undefined): boolean
  /** Blends in what other nodes report of a route; no reports: they have expired. */
  blend(routeId: string, reports: readonly { scar: number; requests: number }[], gamma: number): void
  readonly maxRoutes: number
  /** Monotonic, as the instance has it. */
  nowMs(): number
  /** λ, 1/s */
  decayRate(): number
}
