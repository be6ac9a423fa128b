/** The port to a store of route state. Anyone's own class works; nothing on the decision path ever waits for it. */

/** What nodes tell each other of a route. */
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

export interface StateProvider {
  readonly name: string
  connect(): Promise<void>
  disconnect(): Promise<void>
  getVector(routeId: string): Promise<PhysicsVector | null>
  updateVector(routeId: string, vector: PhysicsVector): Promise<void>
  deleteVector(routeId: string): Promise<void>
  listRoutes(): Promise<string[]>
  /** Calls back when another node changed the route; returns how to stop that. */
  subscribe?(routeId: string, onChange: (vector: PhysicsVector) => void): () => void
}

const isQuantity = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0

/** Whether what a store returned can be trusted as a vector. */
export function isPhysicsVector(value: unknown): value is PhysicsVector {
  if (typeof value !== 'object' || value === null) return false
  const { scar, momentumScalar, lastTick, resistance } = value as Record<string, unknown>
  return isQuantity(scar) && isQuantity(momentumScalar) && isQuantity(lastTick) && isQuantity(resistance)
}
