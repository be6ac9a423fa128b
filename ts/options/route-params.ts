/** The settings that govern a route, as an operator states them: config, objective, tuner, limits, profile, pool, reserves and lanes. */

import type { AutoTunerConfig, PhysicsConfig, ProfileConfig, SLOConfig, WorkloadProfile } from '../core/index.js'

/** Bounds of the closed loop's adaptive limit, requests in flight. */
export interface LimitConfig {
  /** The limit is never below this; 1 to 1,000,000. Default 1. */
  readonly min: number
  /** The limit is never above this; min to 1,000,000. Default 100,000. */
  readonly max: number
  /** The number that may be in flight beyond what was explored, while no queue is proven; min to max. Default 512. */
  readonly initial: number
}

export const DEFAULT_LIMITS: LimitConfig = Object.freeze({ min: 1, max: 100_000, initial: 512 })

/** A lane: a class of keys with a share of a route's limit. */
export interface LaneShare {
  readonly name: string
  /** The share that is reserved for it, (0, 1]. */
  readonly share: number
}

/** Everything a law is made of. `tuner` undefined: the break point is static. */
export interface RouteParams {
  readonly config: PhysicsConfig
  readonly slo: SLOConfig
  readonly tuner: AutoTunerConfig | undefined
  readonly limits: LimitConfig
  readonly profile: WorkloadProfile | ProfileConfig
  /** The pool whose limit the route shares; undefined: it has its own. */
  readonly pool: string | undefined
  /** Shares of the limit that are reserved, bulk to critical. */
  readonly reserve: readonly number[]
  /** The lanes of the route, at most 3. */
  readonly lanes: readonly LaneShare[]
}
