/**
 * Atrion: admission control that behaves like physics.
 *
 * | from | what |
 * |---|---|
 * | `atrion` | the class a service holds |
 * | `options`, `law` | what may be said, and the numbers that follow |
 * | `decision`, `loop`, `tasks` | answers, permits, leases |
 * | `state/` | providers of shared state |
 * | `errors`, `loggers`, `observers` | what they say |
 * | `core/` | the functional model |
 *
 * @packageDocumentation
 */

export { Atrion, type RouteOptions, type Telemetry } from './atrion.js'
export * from './core/index.js'
export type { RouteDecision, RouteSnapshot } from './decision.js'
export type { EngineKind } from './engine/port.js'
export * from './errors.js'
export type { AtrionEvents } from './events.js'
export { DEFAULT_LIMITS, type LimitConfig } from './law.js'
export * from './loggers.js'
export type {
  AcquireOptions,
  EnterOptions,
  LimitedBy,
  Outcome,
  Permit,
  RouteStats,
  RunOptions,
  Tier,
} from './loop.js'
export * from './observers.js'
export type { AtrionOptions, RouteProfileOptions, SLOOptions } from './options.js'
export { type ConflictStrategy, StateManager } from './state/manager.js'
export { InMemoryProvider, type InMemoryProviderOptions } from './state/memory.js'
export * from './state/node.js'
export type { PhysicsVector, StateProvider, VectorOrigin } from './state/provider.js'
export type { HeartbeatPayload, LeaseOptions, LeaseOutcome, TaskLease } from './tasks.js'
