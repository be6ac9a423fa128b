/** Leases as callers hold them. */

import type { ProfileConfig, Timestamp, WorkloadProfile } from '../core/index.js'

export interface LeaseOptions {
  /** Default: the route's own profile. */
  readonly profile?: WorkloadProfile | ProfileConfig | null | undefined
  /** Longest the lease lasts, ms, > 0. Default: the profile's maxDurationMs. */
  readonly timeout?: number | null | undefined
  /** Aborted when the lease runs out. Required by profiles with heartbeats: what can't be stopped must not be leased. */
  readonly abortController?: AbortController
  /** Yours; kept on the lease. */
  readonly metadata?: Readonly<Record<string, unknown>> | null | undefined
}

export interface HeartbeatPayload {
  /** [0, 1] */
  readonly progress?: number | null | undefined
  /** ≥ 0 */
  readonly memoryBytes?: number | null | undefined
  readonly status?: string | null | undefined
}

export type LeaseOutcome = 'completed' | 'failed' | 'timeout' | 'aborted'

/** A task that is under way. */
export interface TaskLease {
  readonly id: string
  readonly routeId: string
  readonly profile: WorkloadProfile
  readonly startedAt: Timestamp
  /** The time at which it runs out, unless released before. */
  readonly expiresAt: Timestamp
  readonly isActive: boolean
  readonly metadata: Readonly<Record<string, unknown>>
  /** The newest value of each field of the heartbeats. */
  readonly lastHeartbeat: HeartbeatPayload
  /** Shows a sign of life. Throws after the end. */
  heartbeat(payload?: HeartbeatPayload): void
  /** Ends the lease; 'completed' by default. A second call does nothing. */
  release(outcome?: LeaseOutcome): Promise<void>
  /** Time until the lease runs out, ms, ≥ 0 */
  remainingMs(): number
}
