/** The package's names but the class and the providers, which differ between runtimes. */

export type { RouteOptions, Telemetry } from './atrion.js'
export type { AutoProfile } from './auto/types.js'
export type { Ban, BanOptions, BanTarget } from './bans/types.js'
export {
  type BudgetCause,
  BudgetError,
  type BudgetRefusal,
  isBudgetError,
} from './base/budget-error.js'
export * from './base/errors.js'
export type { Explanation } from './base/explanation.js'
export type { Config } from './config/index.js'
export type {
  CanaryOptions,
  CanaryOutcome,
  ConfigAuditEntry,
  ConfigChanges,
  ConfigExplanation,
  ConfigLayer,
  ConfigSource,
  ConflictingPatch,
  CurrentConfig,
  LayerValue,
  MergePatch,
  PatchConflict,
  PatchOptions,
  PatchResult,
  PatchState,
  RouteChanges,
  WatchFileOptions,
} from './config/types.js'
export * from './core/index.js'
export type { EngineKind } from './engine/kinds.js'
export type { AtrionEvents, BudgetEvent } from './events/events.js'
export * from './events/loggers.js'
export * from './events/observers.js'
export type { LoopMetrics, Stall } from './events/stall.js'
export type { HeartbeatPayload, LeaseOptions, LeaseOutcome, TaskLease } from './leases/types.js'
export type { HistogramTotals, Metrics, RouteMetrics } from './limiter/metrics.js'
export type {
  AcquireOptions,
  EnterOptions,
  LimitedBy,
  Outcome,
  Permit,
  RouteStats,
  RunOptions,
  Tier,
} from './limiter/types.js'
export type { AtrionOptions, BansOptions, RouteProfileOptions, SLOOptions } from './options/options.js'
export { DEFAULT_LIMITS, type LimitConfig } from './options/route-params.js'
export type { WatchdogOptions } from './options/watchdog.js'
export { type ConflictStrategy, StateManager } from './providers/manager.js'
export { InMemoryProvider, type InMemoryProviderOptions } from './providers/memory.js'
export {
  type HistoryEntry,
  type HistoryQuery,
  type HistorySource,
  PostgresPersistenceAdapter,
  type PostgresPersistenceOptions,
} from './providers/postgres/history.js'
export {
  type PostgresClientLike,
  type PostgresMigrationOptions,
  PostgresStateProvider,
  type PostgresStateProviderOptions,
  type PostgresStats,
  type PostgresTableOptions,
} from './providers/postgres/provider.js'
export type {
  DocumentOptions,
  PhysicsVector,
  SharedDocument,
  StateProvider,
  VectorOrigin,
} from './providers/provider.js'
export {
  Recording,
  type RecordingStats,
  type RecordOptions,
  type RecordTarget,
  type RingTarget,
} from './recording/recording.js'
export type { Redact } from './recording/redact.js'
export type { AutoSnapshot, ExplainedDecision, RouteDecision, RouteSnapshot } from './routes/decision.js'
export { StreamReader } from './stream/reader.js'
export type { StateStream, StreamedRoute, StreamOptions, StreamSnapshot } from './stream/types.js'
export type {
  Amounts,
  Budget,
  BudgetEvents,
  ChildOptions,
  Estimate,
  EstimateStats,
  ModelPrice,
  Price,
  Swarm,
  SwarmLease,
  SwarmOptions,
  SwarmRunOptions,
  SwarmStats,
  SwarmTaskLease,
  SwarmTaskOptions,
  UnitStats,
} from './swarm/types.js'
