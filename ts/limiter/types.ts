/// <reference lib="esnext.disposable" preserve="true" />
/** The types of a request for a permit, and of its answer. */

import type { ShedError } from '../base/errors.js'
import type { Explanation } from '../base/explanation.js'
import type { LimitedBy } from '../base/limited-by.js'
import type { OperationalMode } from '../core/types.js'
import type { Tier } from '../engine/kinds.js'

export type { LimitedBy } from '../base/limited-by.js'
export type { Tier } from '../engine/kinds.js'

/** Options of `acquire()`. null counts as not given. */
export interface AcquireOptions {
  /** Default 'normal'. */
  readonly tier?: Tier | null | undefined
  /** A custom priority, V, ≥ 0, instead of a tier. */
  readonly voltage?: number | null | undefined
  /**
   * The client (user, tenant, session). The same key is treated alike for minutes; within five minutes every key has been served
   * as large a share as any other. One that holds more than its equal share of what is in flight goes last in its tier.
   */
  readonly key?: string | number | bigint | null | undefined
  /** The weight of the key's equal share, > 0: a key of weight 2 may hold twice as much. Default 1. */
  readonly weight?: number | null | undefined
  /** The time that the request waited in front of the process, ms. Adapters measure it. Default 0. */
  readonly queueAgeMs?: number | null | undefined
  /** The occupancy of the process, 1 is full. Adapters measure it. Default 0. */
  readonly saturation?: number | null | undefined
}

/** Options of `enter()`. */
export interface EnterOptions extends AcquireOptions {
  /**
   * The time that it may wait for a place, ms, 0 to 2,147,483,647; Infinity: as long as the deadline allows, which is the default.
   * 0: not at all. It never waits for longer than its deadline allows.
   */
  readonly maxWaitMs?: number | undefined
  /** Aborted while it waits, it waits no longer: `enter()` rejects with the signal's reason. */
  readonly signal?: AbortSignal | null | undefined
}

/** The outcome of a request: as it should be, failed by the route, or in a way that says nothing of the route. */
export type Outcome = 'success' | 'failure' | 'ignored'

/** An answer to `acquire()` or `enter()`. */
export interface Permit {
  readonly allow: boolean
  /** R at that moment, Ω */
  readonly resistance: number
  readonly mode: OperationalMode
  /** 'OK', or what stopped it, for people. */
  readonly reason: string
  /** The time after which a refused request should come back, ms, jittered per key. */
  readonly retryAfterMs?: number | undefined
  /** The obstacle of a refused request; undefined when it was admitted. */
  readonly limitedBy?: LimitedBy | undefined
  /** undefined: a voltage was given instead. */
  readonly tier?: Tier | undefined
  /** The voltage of the decision, V. */
  readonly voltage: number
  /** Explains the decision: the terms of R, the margin, and what would have been admitted. Costs nothing unless it is called. */
  explain(): Explanation
  /**
   * Gives the permit back; 'success' by default, and 'failed' and 'error' are synonyms of 'failure'. Once is enough, and a
   * refused permit's does nothing.
   *
   * @throws ConfigError for what is no outcome, TypeError for what is no string; the permit has been given back by then
   */
  release(outcome?: Outcome | 'failed' | 'error'): void
  /** `using permit = atrion.acquire(…)` gives it back at the end of the block, as a success unless it was given back before. */
  [Symbol.dispose](): void
}

/** Options of `run()`. */
export interface RunOptions<T> extends AcquireOptions {
  /** Wait for a place, at most this long, ms: see {@link EnterOptions.maxWaitMs}. Default: it does not wait. */
  readonly maxWaitMs?: number | undefined
  /** Abort the work after this long, ms, > 0; the wait for a place does not count. Infinity, null or undefined: never. */
  readonly timeoutMs?: number | null | undefined
  /** Abort when this is. What it aborts says nothing of the route. */
  readonly signal?: AbortSignal | null | undefined
  /** The value that a refused call resolves to, or a function that makes it. */
  readonly fallback?: T | ((refusal: ShedError) => T | PromiseLike<T>)
  /**
   * true: it may be cancelled by its signal where it holds, longer than others, what they wait for; of a thousand requests one at most, see
   * `docs/guide/culprits.md`. It then rejects with a {@link ShedError}. A function gives what it holds of that now, ≥ 0; one that itself waits holds
   * 0. Default false.
   */
  readonly cancellable?: boolean | (() => number) | null | undefined
  /** Returns whether an error counts as a failure of the route. Default: every error does but a {@link ShedError}. One that throws counts as true. */
  readonly isFailure?: ((error: unknown) => boolean) | null | undefined
}

/** The statistics of a route, as `stats()` returns them. */
export interface RouteStats {
  /** Requests and leases under way. */
  readonly inFlight: number
  /** Requests that wait for a place, of this instance. */
  readonly waiting: number
  /** Requests that the route carries at once without missing its deadline; of a pooled route, that all routes of the pool carry. */
  readonly limit: number
  /** The pool whose limit it shares; undefined: the limit is its own. */
  readonly pool: string | undefined
  /** R for a request that came now, Ω */
  readonly resistance: number
  /** The addition of faults and traumas to it, Ω */
  readonly scar: number
  readonly mode: OperationalMode
  readonly admitted: number
  readonly shed: number
  readonly shedByTier: Readonly<Record<Tier, number>>
  readonly failures: number
  /** Permits that were never released. One that is released late, after it was taken back, is not counted. */
  readonly reclaimed: number
  /** Requests whose client went away before its answer was there, as the adapters of servers see them. */
  readonly abandoned: number
  /** Answers of calls that came while the event loop was blocked, and whose latency counts without that. */
  readonly excused: number
  /** The time that they were excused for, ms: what it took as it was is longer by that. */
  readonly excusedMs: number
  readonly rejectedSamples: number
  /** Median latency, ms, within 25 %; undefined before the first answer. */
  readonly p50Ms: number | undefined
  readonly p99Ms: number | undefined
  /** The route's own service time as far as it is known, ms. */
  readonly baselineMs: number
  /** Completions a second at capacity, as far as it is known. */
  readonly ratePerS: number
  /** Share of requests that succeed, [0, 1]; failures that count against a class of keys alone are left out. */
  readonly successRatio: number
  /** Classes of keys whose breaker is open; see `breakBy`. */
  readonly openClasses: number
}
