/** Streams of states, as callers see them. */

import type { OperationalMode } from '../core/index.js'

export interface StreamOptions {
  /**
   * The time between two writes, ms, an integer in [1, 60000]. Default 100. Writes that take longer than a tenth of it come less often, so
   * that they take a tenth of the thread at most.
   */
  readonly intervalMs?: number | undefined
  /** Routes that there is room for, an integer in [1, 65536], 384 bytes each. Default 1024. */
  readonly maxRoutes?: number | undefined
}

/** A stream of the states of all routes into shared memory: see `atrion.stream()`. */
export interface StateStream {
  /** To be handed to a worker or a page, which reads it by a `StreamReader`. */
  readonly buffer: SharedArrayBuffer
  readonly intervalMs: number
  readonly maxRoutes: number
  /** Writes what has changed now, besides every `intervalMs`. Nothing after {@link StateStream.stop}. */
  write(): void
  /** Ends the stream; what was written stays. */
  stop(): void
  [Symbol.dispose](): void
}

/** A route as it was last written. */
export interface StreamedRoute {
  /** The route's name; its first 256 bytes, in UTF-8, where it is longer. */
  readonly routeId: string
  readonly mode: OperationalMode
  /** R for a request that came now, Ω. */
  readonly resistance: number
  /** R of the route by itself at its last tick, Ω. */
  readonly ownResistance: number
  /** M, 1/ms. */
  readonly momentum: number
  /** S, Ω. */
  readonly scar: number
  readonly tickCount: number
  /** The time of its last tick, ms. */
  readonly lastUpdatedAt: number
  readonly inFlight: number
  /** Infinity while there is none. */
  readonly limit: number
  /** Requests admitted, and refused, of all tiers, since the route was first seen: those of the closed loop. */
  readonly admitted: number
  readonly shed: number
  readonly failures: number
  /** Quantiles of the latency, ms; NaN before the first answer. */
  readonly p50Ms: number
  readonly p99Ms: number
}

/** All routes of a stream. Each route's numbers are those of one moment; two routes may be of two writes that follow each other. */
export interface StreamSnapshot {
  /** The time of the last write, ms since the Unix epoch; 0 before the first. */
  readonly atMs: number
  /** False once the stream was stopped. */
  readonly isLive: boolean
  /** Routes that there was no room for. */
  readonly missed: number
  readonly routes: readonly StreamedRoute[]
}
