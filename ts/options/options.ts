/** The options of an instance and of a route. */

import type {
  AutoTunerConfig,
  Clock,
  PhysicsConfig,
  PhysicsObserver,
  ProfileConfig,
  SLOConfig,
  WorkloadProfile,
} from '../core/index.js'
import type { EngineKind, Tier } from '../engine/kinds.js'
import type { Logger } from '../events/loggers.js'
import type { StateProvider } from '../providers/provider.js'
import type { LimitConfig } from './route-params.js'
import type { WatchdogOptions } from './watchdog.js'

/** An SLO with only some of its fields; one that is left out keeps its default. */
export type SLOOptions = Partial<Omit<SLOConfig, 'criticality'>> & {
  readonly criticality?: Partial<SLOConfig['criticality']>
}

export interface AtrionOptions {
  /** The store in which state is shared and kept. Default: none but the engine. */
  readonly provider?: StateProvider
  /** true (default): each route learns its own break point; false: it is static. */
  readonly autoTuner?: boolean | Partial<AutoTunerConfig>
  readonly config?: Partial<PhysicsConfig>
  /** `maxAcceptableLatencyMs` is the deadline that the closed loop defends. Default 500 ms. */
  readonly slo?: SLOOptions
  /** Sees every tick, in order, off the decision path. */
  readonly observer?: PhysicsObserver
  /** Default 'auto': native, then wasm, then ts. A named one that cannot load throws. */
  readonly engine?: 'auto' | EngineKind
  /**
   * 'instance' (default): an engine for this instance alone. 'process': one engine for all instances of the process that ask for it, in
   * any of its worker threads: a route hurt in one is hurt in all, at once. The newest instance's numbers govern. Needs the
   * native engine, and the same `maxRoutes` everywhere. 'machine': a `MachineStateProvider` of the working directory's name, connected at once: processes
   * of the machine that ask for it share scars, and so do their worker threads. Node.js alone; not together with `provider`.
   */
  readonly scope?: 'instance' | 'process' | 'machine'
  /** Voltage of a request that names none, V, ≥ 0. Default 100. */
  readonly defaultVoltage?: number
  /** Most routes kept, 1 to 16,777,216; the least recently used goes first, with scope 'process' one of them. Default 65,536. */
  readonly maxRoutes?: number
  /**
   * Time in ms, for simulation and tests. 'global': the global `Date`, read anew each time, for tests that fake it together with
   * the timers. Default: the engine's own, which is monotonic and no fake reaches.
   */
  readonly clock?: Pick<Clock, 'now'> | { now(): number } | 'global'
  /** Default: the process-wide one, which is silent. */
  readonly logger?: Logger
  /**
   * The secret that makes the places of keys unpredictable: at least 16 characters or bytes. Give all nodes of a service the same, so that a
   * user is treated alike by all of them. Default: drawn for each process.
   */
  readonly keySecret?: string | Uint8Array
  /** Keys that are found to take too much, and keys that are never banned. Default: none. */
  readonly bans?: BansOptions
  /** Decides, counts and reports refusals ('shed' events, `reason`), but admits every request. Default false. */
  readonly dryRun?: boolean
  /**
   * Watches the event loop, on the native engine and with its own clock: what a stall of this process makes late is no evidence of the services
   * that `run` and `atrion/undici` call. true: from the start; false: not at all. Default: from the first `run`, or the first listener of
   * 'stall', on.
   */
  readonly watchdog?: boolean | WatchdogOptions
  /** @deprecated `engine: 'wasm'` */
  readonly useWasm?: boolean
  /** Accepted and ignored: everything is Apache-2.0. */
  readonly license?: unknown
}

/** Bans by evidence, which need a `share` or `failures`; and the keys that no ban concerns. */
export interface BansOptions {
  /** The share of all requests with a key that is too much for one key, in (0, 1]. Default: none is. */
  readonly share?: number
  /** Failures of one key in a window that are too many where they are most of all failures, an integer ≥ 1. Default: none are. */
  readonly failures?: number
  /** The window, ms, 100 to 600,000. Default 10,000. */
  readonly windowMs?: number
  /** Keys, and prefixes of keys, that are neither refused nor demoted. At most 1,024. Default: none. */
  readonly allow?: readonly (string | { readonly prefix: string })[]
}

/** The settings that `setRouteProfile` takes besides a profile's name. */
export interface RouteProfileOptions extends Partial<PhysicsConfig> {
  readonly profile?: WorkloadProfile | ProfileConfig
  readonly slo?: SLOOptions
  /** Bounds of the adaptive limit. */
  readonly limits?: Partial<LimitConfig>
  /**
   * Routes of the same pool share one limit, because they share what is short: a database, an upstream. The more important
   * request goes first, whatever its route. 1 to 256 characters. null: a limit of its own, which is the default. Give the routes of
   * a pool the same deadline.
   */
  readonly pool?: string | null
  /**
   * Shares of the limit that are reserved for tiers, each in (0, 1), at most 1 in all: a tier that holds less than its share is
   * admitted whatever the others hold. What it does not use is lent to them. Default: none.
   */
  readonly reserve?: Readonly<Partial<Record<Tier, number>>>
  /**
   * Shares of the limit that are reserved for classes of keys, as `reserve` has them for tiers. Set in code alone: no patch changes it.
   * null: none, which is the default.
   */
  readonly lanes?: LanesOptions | null
  /**
   * Breakers by class of keys besides the route's own: 'key', or a function from a key to the name of its class. Where one class
   * fails, it alone is refused, and probed until it is well. Up to 64 classes of a route are distinguished at once. A function that
   * throws, or returns no string, puts the request in no class. null: none, which is the default.
   */
  readonly breakBy?: BreakBy | null
}

/** Lanes: classes of keys that a share of a route's limit is reserved for. */
export interface LanesOptions {
  /**
   * Maps a key to the name of its lane, at every request with a key. One that throws, or returns another value than the name of a lane,
   * puts the request in none.
   */
  readonly of: (key: string) => string | undefined
  /**
   * Shares of the limit by lane, 1 to 3 lanes, each share in (0, 1], with those of `reserve` at most 1 in all: a lane that holds less than its
   * share is admitted whatever its tier and whatever the others hold. What it does not use is lent to them. The routes of a pool
   * need the same lanes with the same shares, in the same order.
   */
  readonly reserve: Readonly<Record<string, number>>
}

/** Maps a key to the class whose breaker counts its failures. */
export type BreakBy = 'key' | ((key: string) => string | undefined)
