/** The port of the exporters of this package: what they ask of an instance besides `metrics()`. */

import type { OperationalMode } from '../core/types.js'
import type { Watcher } from '../events/watchers.js'
import type { RouteProfileOptions } from '../options/options.js'
import type { RouteParams } from '../options/route-params.js'
import type { HistogramTotals } from './metrics.js'

/** Key of an instance's {@link TelemetryPort}: the same in every copy of the package. */
export const TELEMETRY_PORT: unique symbol = Symbol.for('atrion.telemetry') as never

/** An entry of the trail of patches. */
export interface TrailEntry {
  readonly layer: 'file' | 'cluster' | 'node'
  readonly version: number
  /** Unix ms */
  readonly atMs: number
  readonly author: string | undefined
  readonly reason: string | undefined
  readonly paths: readonly string[]
  readonly state: 'applied' | 'canary' | 'rolled_back' | 'expired' | 'refused'
}

export interface TelemetryPort {
  /** Watches what happens. @returns a function that ends the watch */
  watch(watcher: Watcher): () => void
  /** Waits for a place on a route. */
  waitsOf(routeId: string): HistogramTotals | undefined
  /** Requests that adapters refused for a spent budget, by tier, bulk to critical; undefined: there were none. */
  budgetShedsOf(routeId: string): readonly number[] | undefined
  /** Requests that were refused for their key, by tier, bulk to critical; undefined: there were none. */
  banShedsOf(routeId: string): readonly number[] | undefined
  /** Requests that wait for a place on a route. */
  waitingOf(routeId: string): number
  /** The time of its calls that does not count in their latency, since the event loop was blocked, ms. */
  excusedMsOf(routeId: string): number
  /** Changes of a route's mode, by the mode that it became. */
  transitionsOf(routeId: string): Readonly<Record<OperationalMode, number>> | undefined
  /** The least limit of a route that is configured. */
  leastLimitOf(routeId: string): number
  /** Other nodes that reported lately, undefined where that is not known; whether a provider, or the engine, is in trouble. */
  cluster(): { readonly nodes: number | undefined; readonly isDegraded: boolean }
  /** Numbers that the provider of shared state counts. */
  providerCounts(): Readonly<Record<string, number>>
  /** The settings that govern a route; without one, those of every route that was not given its own. */
  paramsOf(routeId?: string): RouteParams
  /** The settings that `configure` would lead to; nothing is changed. @throws ConfigError */
  previewOf(routeId: string | undefined, changes: RouteProfileOptions): RouteParams
  /** The order of an operator that stands for a route. */
  orderOf(routeId: string): 'open' | 'closed' | null
  /** True while every request is admitted, whatever is decided. */
  isDryRun(): boolean
  /** The trail of patches, the newest first; nothing where there were none. */
  configTrail(): readonly TrailEntry[]
  /** The terms of R of a route by itself, Ω: cells of `TERMS`; undefined: there is no such route. */
  termsOf(routeId: string): readonly number[] | undefined
  /** The terms of the decision under way, in a call of `shed` of a watcher. */
  lastTerms(): readonly number[]
  /** A path that the adapters do not guard, as that of the metrics. @returns a function that takes it back */
  exempt(path: string): () => void
}
