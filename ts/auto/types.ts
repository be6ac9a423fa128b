/** Routes that learn what is usual on them, as callers read them. */

import type { WorkloadProfile } from '../core/index.js'
import type { RouteProfileOptions } from '../options/options.js'

/** The profile of a route: named, custom, or learnt. */
export type AnyProfile = WorkloadProfile | RouteProfileOptions | 'AUTO'

/** The values of a route with the profile 'AUTO'. Durations are in ms, of requests that succeeded; undefined while it is learning. */
export interface AutoProfile {
  readonly routeId: string
  /**
   * `learning` until 500 requests have succeeded; `shifted` while it is slower or faster than usual, `regressed` once it has been
   * slower for 15 minutes. Only `ready` moves what is usual, by 0.3 % a minute at most.
   */
  readonly state: 'learning' | 'ready' | 'shifted' | 'regressed'
  /** Requests that succeeded. */
  readonly requests: number
  /** The baseline that governs the route: the median. */
  readonly baselineMs: number | undefined
  readonly p50Ms: number | undefined
  readonly p99Ms: number | undefined
  /** A deadline for `slo.maxAcceptableLatencyMs`: twice the 99th percentile, 10 at least. It is not applied. */
  readonly suggestedDeadlineMs: number | undefined
  /** The longest that a lease on the route lasts by default: three times the 99th percentile, of leases where 20 were completed; 1,000 at least. */
  readonly leaseMs: number | undefined
  /** The route as it is now, while it is not as usual. */
  readonly shift: { readonly p50Ms: number; readonly p99Ms: number; readonly forMs: number } | undefined
  /** The same in words, a line each. */
  readonly explanation: readonly string[]
}
