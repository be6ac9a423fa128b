/** The port of the exporters of this package: what they ask of an instance besides `metrics()`. */

import type { OperationalMode } from '../core/types.js'
import type { Watcher } from '../events/watchers.js'
import type { HistogramTotals } from './metrics.js'

/** Key of an instance's {@link TelemetryPort}: the same in every copy of the package. */
export const TELEMETRY_PORT: unique symbol = Symbol.for('atrion.telemetry') as never

export interface TelemetryPort {
  /** Watches what happens. @returns a function that ends the watch */
  watch(watcher: Watcher): () => void
  /** Waits for a place on a route. */
  waitsOf(routeId: string): HistogramTotals | undefined
  /** Requests that adapters refused for a spent budget, by tier, bulk to critical; undefined: there were none. */
  budgetShedsOf(routeId: string): readonly number[] | undefined
  /** Requests that wait for a place on a route. */
  waitingOf(routeId: string): number
  /** Changes of a route's mode, by the mode that it became. */
  transitionsOf(routeId: string): Readonly<Record<OperationalMode, number>> | undefined
  /** The least limit of a route that is configured. */
  leastLimitOf(routeId: string): number
  /** Other nodes that reported lately, undefined where that is not known; whether a provider, or the engine, is in trouble. */
  cluster(): { readonly nodes: number | undefined; readonly isDegraded: boolean }
  /** A path that the adapters do not guard, as that of the metrics. @returns a function that takes it back */
  exempt(path: string): () => void
}
