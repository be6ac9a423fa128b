/** The public types of live configuration: a patch, its result, and what explains a setting. */

import type { PhysicsConfig, ProfileConfig, SLOConfig, WorkloadProfile } from '../core/index.js'
import type { Tier } from '../engine/kinds.js'
import type { LimitConfig } from '../options/route-params.js'

/** A merge patch of `T` (RFC 7396): what is left out stays, null returns to the layer below. */
export type MergePatch<T> = {
  readonly [K in keyof T]?: (T[K] extends object ? MergePatch<T[K]> : T[K]) | null | undefined
}

/** Settings of all routes or of one that a patch may change, all of them JSON. */
interface SharedSettings {
  readonly slo?: MergePatch<SLOConfig> | null | undefined
  readonly limits?: MergePatch<LimitConfig> | null | undefined
  readonly profile?: WorkloadProfile | MergePatch<ProfileConfig> | null | undefined
  readonly pool?: string | null | undefined
  readonly reserve?: MergePatch<Record<Tier, number>> | null | undefined
}

/** The settings of one route that a patch may change: those of `setRouteProfile`, functions apart. */
export interface RouteChanges extends SharedSettings, MergePatch<PhysicsConfig> {
  readonly breakBy?: 'key' | null | undefined
}

/** A key, or all keys that begin with a text of 1 to 256 characters. */
export type BanTarget = string | { readonly prefix: string }

/** The settings that a patch may change. */
export interface ConfigChanges extends SharedSettings {
  readonly config?: MergePatch<PhysicsConfig> | null | undefined
  readonly dryRun?: boolean | null | undefined
  /** By the id of a route: a profile's name, settings, or null for the layer below. */
  readonly routes?: Readonly<Record<string, WorkloadProfile | RouteChanges | null>> | null | undefined
  /** By the id of a route: an operator's order. */
  readonly overrides?: Readonly<Record<string, 'open' | 'closed' | null>> | null | undefined
  readonly bans?: { readonly allow?: readonly BanTarget[] | null | undefined } | null | undefined
}

/** A trial of a patch, before it holds everywhere. */
export interface CanaryOptions {
  /** The share of the other nodes that try it besides this one, [0, 1]. Default 0: this one alone. */
  readonly share?: number | undefined
  /**
   * The share of keys that it is tried on, on the nodes of the trial, [0.001, 0.9]: their requests are decided by the patch, and their success is
   * compared with that of all other keys at the same time. Of `limits` and `reserve` alone. Default: it holds for all requests there, and their
   * success is compared with that before.
   */
  readonly keyShare?: number | undefined
  /** The length of the trial, ms, 100 to 3,600,000. Default 30,000. */
  readonly forMs?: number | undefined
  /** The fall of the top tier's success that ends it, percentage points in [0.1, 100]. Default 2. */
  readonly fallPoints?: number | undefined
}

export interface PatchOptions {
  /** The version that the patch was made on: `atrion.config.version`, or, where `layer` is given, that of `atrion.config.current().versions`. */
  readonly base: number
  /** The settings that it changes. */
  readonly changes: ConfigChanges
  /** The patch takes itself back after so long, ms, 1 to 2,592,000,000 (30 days). Default: it stays. */
  readonly ttlMs?: number | null | undefined
  /** At most 64 characters. */
  readonly author?: string | null | undefined
  /** At most 280 characters. */
  readonly reason?: string | null | undefined
  /** A trial before it holds everywhere. Default: none. */
  readonly canary?: boolean | CanaryOptions | null | undefined
  /** 'cluster': all nodes of the provider, which is the default where it keeps documents; 'node': this one alone. */
  readonly layer?: 'cluster' | 'node' | null | undefined
}

/** A layer of the configuration; the later wins. */
export type ConfigLayer = 'code' | 'file' | 'cluster' | 'node'

export type UpperLayer = Exclude<ConfigLayer, 'code'>

/** The layers above the code, the one that wins last. */
export const UPPER = ['file', 'cluster', 'node'] as const satisfies readonly UpperLayer[]

/** A patch that stands between a patch and its base. */
export interface ConflictingPatch {
  readonly version: number
  readonly author: string | undefined
  readonly reason: string | undefined
  readonly paths: readonly string[]
}

/** The reasons for which a patch on another base is refused. */
export interface PatchConflict {
  /** The base that was given. */
  readonly base: number
  /** The version that holds. */
  readonly version: number
  /** Paths of the patch that were changed since, too. */
  readonly paths: readonly string[]
  /** Patches since the base, the newest first, as far as the trail goes back. */
  readonly since: readonly ConflictingPatch[]
}

/** The result of a trial. */
export type CanaryOutcome = 'applied' | 'rolled_back'

export interface PatchResult {
  /** 'refused': nothing was changed, see `conflict`. */
  readonly status: 'applied' | 'canary' | 'refused'
  /** True where the patch holds, on the nodes of its trial at least. */
  readonly applied: boolean
  /** The version that holds now: the base of the next patch. */
  readonly version: number
  readonly layer: 'cluster' | 'node'
  /** True where other nodes get it. */
  readonly shared: boolean
  /** Paths that the patch changes. */
  readonly paths: readonly string[]
  /** The time at which it takes itself back, Unix ms of the store's clock, or of this node's where nothing is shared. */
  readonly expiresAtMs: number | undefined
  readonly conflict: PatchConflict | undefined
  /** Resolves when the trial is over, at once where there is none. */
  settled(): Promise<CanaryOutcome | 'refused'>
}

/** A setting in one layer. */
export interface LayerValue {
  readonly layer: ConfigLayer
  readonly value: unknown
  readonly author: string | undefined
  readonly reason: string | undefined
  readonly version: number | undefined
  /** Unix ms */
  readonly expiresAtMs: number | undefined
  /** True where the patch does not hold because it does not fit what the code says by now. */
  readonly isSetAside: boolean
}

/** A setting, and where it comes from. */
export interface ConfigExplanation {
  readonly path: string
  /** The value that holds. */
  readonly value: unknown
  /** The layer that it comes from. */
  readonly layer: ConfigLayer
  /** The value in each layer that has one, the upper first: the first one that is not set aside wins. */
  readonly layers: readonly LayerValue[]
}

export type PatchState = 'applied' | 'canary' | 'rolled_back' | 'expired' | 'refused'

/** An entry of the audit trail. */
export interface ConfigAuditEntry {
  readonly layer: Exclude<ConfigLayer, 'code'>
  readonly version: number
  /** Unix ms */
  readonly atMs: number
  readonly author: string | undefined
  readonly reason: string | undefined
  readonly paths: readonly string[]
  readonly state: PatchState
  /** The node that it was made on; undefined: not known. */
  readonly node: string | undefined
}

/** The settings of the layers above the code, as they hold on this node. */
export interface CurrentConfig {
  readonly version: number
  readonly versions: Readonly<Record<'file' | 'cluster' | 'node', number>>
  readonly changes: ConfigChanges
}

/** A source of settings: each value that it gives replaces the one before. */
export interface ConfigSource {
  /** @returns a function that ends it */
  subscribe(listener: (changes: unknown) => void): (() => void) | { unsubscribe(): void } | undefined
}

export interface WatchFileOptions {
  /** Reads a text. Default: JSON for `.json`, the package `yaml` for `.yaml` and `.yml`. */
  readonly parse?: ((text: string) => unknown) | undefined
  /** The longest that a change goes unnoticed where the system does not report it, ms, 10 to 60,000. Default 1,000. */
  readonly intervalMs?: number | undefined
}
