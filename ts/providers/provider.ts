/** The port to a store of route state. Any class with these methods works; nothing on the decision path ever waits for it. */

import { ownOptions } from '../base/own.js'

/** The report of a node on a route. */
export interface PhysicsVector {
  /** S, Ω, ≥ 0 */
  scar: number
  /** M, 1/ms, ≥ 0 */
  momentumScalar: number
  /** Ticks of the route so far. */
  lastTick: number
  /** R, Ω */
  resistance: number
}

/** The origin of a change, as far as a provider knows it. */
export interface VectorOrigin {
  /** The node; changes that name none count as one node's. */
  readonly node?: string
  /** Requests the route saw there lately: the weight of the report. Default 0. */
  readonly requests?: number
  /** The time since it was so, ms. Default 0. */
  readonly ageMs?: number
}

export interface StateProvider {
  readonly name: string
  /** The interval at which changes are sent, ms. Default 100. */
  readonly intervalMs?: number
  /** γ: how much the others weigh against one's own measurements, [0, 1]. Default 0.3. */
  readonly gamma?: number
  /**
   * True when only this process, and those before it in its place, store anything: then it is taken over in full.
   * Default false: what others may have stored counts as one node's report, at most γ·baseResistance·breakMultiplier Ω.
   */
  readonly ownsRecords?: boolean
  /**
   * True when the nodes that changes name are proved, as by a secret of theirs. Default true. false: every client that can write may invent
   * nodes, so that those that come later count as one until they have been there for a while.
   */
  readonly hasProvedNodes?: boolean
  connect(): Promise<void>
  disconnect(): Promise<void>
  getVector(routeId: string): Promise<PhysicsVector | null>
  updateVector(routeId: string, vector: PhysicsVector): Promise<void>
  deleteVector(routeId: string): Promise<void>
  listRoutes(): Promise<string[]>
  /** Calls back when another node changed the route; returns how to stop that. */
  subscribe?(routeId: string, onChange: (vector: PhysicsVector, origin?: VectorOrigin) => void): () => void
  /**
   * Everything the store knows, at most `maxRoutes` routes of it, in one go: each route with its vector and how long ago, in
   * ms, it was so. Without it, `connect()` asks for one route after the other.
   */
  load?(maxRoutes: number): Promise<Iterable<readonly [routeId: string, vector: PhysicsVector, ageMs: number]>>
}

const isQuantity = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0

/** The names of a vector. */
export const VECTOR_NAMES = ['scar', 'momentumScalar', 'lastTick', 'resistance'] satisfies (keyof PhysicsVector)[]

/** Returns whether what a store returned can be trusted as a vector. */
export function isPhysicsVector(value: unknown): value is PhysicsVector {
  if (typeof value !== 'object' || value === null) return false
  const { scar, momentumScalar, lastTick, resistance } = ownOptions(value as Record<string, unknown>, VECTOR_NAMES)
  return isQuantity(scar) && isQuantity(momentumScalar) && isQuantity(lastTick) && isQuantity(resistance)
}
