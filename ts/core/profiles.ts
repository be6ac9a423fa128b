/**
 * Workload profiles. Pressure is deviation from what is expected, and a health check, a page and a training run are
 * not expected to take equally long. A profile replaces the objective's latency baseline and scales the scar.
 */

import { ConfigError } from '../base/errors.js'
import { isSafeNumber, safeDivide } from './guards.js'

export type WorkloadProfile = 'LIGHT' | 'STANDARD' | 'HEAVY' | 'EXTREME' | 'CUSTOM'

export interface ProfileConfig {
  /** Expected latency, ms, > 0 */
  readonly baselineLatencyMs: number
  /** Longest a task may hold its lease, ms, > 0 */
  readonly maxDurationMs: number
  /** True when a task must show signs of life. */
  readonly heartbeatRequired: boolean
  /** The interval, ms; 0 when not required */
  readonly heartbeatIntervalMs: number
  /** Factor on scarFactor, ≥ 0: below 1 forgives, above 1 is strict. */
  readonly scarMultiplier: number
}

type NamedProfile = Exclude<WorkloadProfile, 'CUSTOM'>

const profile = (
  baselineLatencyMs: number,
  maxDurationMs: number,
  heartbeatIntervalMs: number,
  scarMultiplier: number,
): ProfileConfig =>
  Object.freeze({
    baselineLatencyMs,
    maxDurationMs,
    heartbeatRequired: heartbeatIntervalMs > 0,
    heartbeatIntervalMs,
    scarMultiplier,
  })

export const PROFILE_CONFIGS: Readonly<Record<NamedProfile, ProfileConfig>> = Object.freeze({
  LIGHT: profile(10, 1_000, 0, 2),
  STANDARD: profile(100, 30_000, 0, 1),
  HEAVY: profile(5_000, 300_000, 5_000, 0.5),
  EXTREME: profile(60_000, 3_600_000, 10_000, 0.2),
})

/**
 * The numbers behind a profile; one that is given as numbers is itself. 'CUSTOM' without numbers is STANDARD.
 *
 * @throws ConfigError for a name that is none
 */
export function getProfileConfig(profile: WorkloadProfile | ProfileConfig): ProfileConfig {
  if (typeof profile === 'object' && profile !== null) return profile
  const name = profile === 'CUSTOM' ? 'STANDARD' : profile
  if (!Object.hasOwn(PROFILE_CONFIGS, name)) {
    throw new ConfigError('profile', 'LIGHT, STANDARD, HEAVY, EXTREME, CUSTOM or a profile of your own', profile)
  }
  return PROFILE_CONFIGS[name]
}

/** Returns whether a task must be abortable. Long work that must show signs of life must also be stoppable without them. */
export function requiresAbortController(profile: WorkloadProfile | ProfileConfig): boolean {
  return getProfileConfig(profile).heartbeatRequired
}

/** Returns whether a task must show signs of life. */
export function requiresHeartbeat(profile: WorkloadProfile | ProfileConfig): boolean {
  return getProfileConfig(profile).heartbeatRequired
}

/** The lateness of a task in multiples of its baseline, ≥ 0: 1 is twice the expected latency, 0 is on time. */
export function calculateProfilePressure(actualLatencyMs: number, profile: WorkloadProfile | ProfileConfig): number {
  const { baselineLatencyMs } = getProfileConfig(profile)
  if (!isSafeNumber(actualLatencyMs)) return 0
  return Math.max(0, safeDivide(actualLatencyMs, baselineLatencyMs, 1) - 1)
}
