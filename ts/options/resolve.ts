/** From options to a route's parameters: each value in its range, defaults for what is not given. */

import { DEFAULT_MAX_ROUTES } from '../base/bounded-routes.js'
import { ConfigError } from '../base/errors.js'
import { copyOf, own } from '../base/own.js'
import { nearestName } from '../base/suggest.js'
import {
  type AutoTunerConfig,
  DEFAULT_AUTOTUNER_CONFIG,
  DEFAULT_CONFIG,
  DEFAULT_SLO,
  type PhysicsConfig,
  PROFILE_CONFIGS,
  type ProfileConfig,
  type SLOConfig,
  type WorkloadProfile,
} from '../core/index.js'
import { TIERS } from '../engine/port.js'
import { NO_LANES, ROUNDING, resolveLanes } from './lanes.js'
import type { AtrionOptions, BreakBy, RouteProfileOptions, SLOOptions } from './options.js'
import { above, atLeast, integer, override, type Range, requireNumber, requireObject, within } from './ranges.js'
import { DEFAULT_LIMITS, type LimitConfig, type RouteParams } from './route-params.js'

const PHYSICS: Readonly<Record<keyof PhysicsConfig, Range>> = {
  baseResistance: { says: 'a number of Ω in (0, 1e6]', holds: (x) => x > 0 && x <= 1e6 },
  decayRate: atLeast(0),
  scarFactor: atLeast(0),
  dampingFactor: atLeast(0),
  criticalPressure: atLeast(0),
  breakMultiplier: above(1),
  bootstrapTicks: integer(0, 0xffff_ffff),
  minDeltaT: above(0, ' of ms'),
  tanhScale: above(0),
}

const TUNER: Readonly<Record<keyof AutoTunerConfig, Range>> = {
  windowSize: atLeast(1),
  sensitivity: atLeast(0),
  minFloor: atLeast(0),
  hardCeiling: atLeast(0),
  warmupTicks: integer(0, 0xffff_ffff),
  recoveryMultiplier: { says: 'a number in (0, 1]', holds: (x) => x > 0 && x <= 1 },
}

const OBJECTIVE = {
  baselineLatencyMs: above(0, ' of ms'),
  maxAcceptableLatencyMs: above(0, ' of ms'),
  targetErrorRate: within(0, 1),
} as const

const CRITICALITY = { latency: within(0, 10), error: within(0, 10), saturation: within(0, 10) } as const
const LIMITS = { min: integer(1, 1e6), max: integer(1, 1e6), initial: integer(1, 1e6) } as const
const PROFILE = {
  baselineLatencyMs: above(0, ' of ms'),
  maxDurationMs: above(0, ' of ms'),
  heartbeatIntervalMs: atLeast(0, ' of ms'),
  scarMultiplier: atLeast(0),
} as const
const VOLTAGE_RANGE = atLeast(0, ' of V')
export const DURATION_RANGE = above(0, ' of ms')

function resolveSlo(path: string, given: SLOOptions | undefined, defaults: SLOConfig = DEFAULT_SLO): SLOConfig {
  if (given === undefined) return defaults
  const slo = override(path, defaults, given, OBJECTIVE, ['criticality'])
  const criticality = override(`${path}.criticality`, defaults.criticality, own(given, 'criticality'), CRITICALITY)
  return { ...slo, criticality }
}

function resolveConfig(
  path: string,
  given: object | undefined,
  defaults: PhysicsConfig = DEFAULT_CONFIG,
): PhysicsConfig {
  return override(path, defaults, given, PHYSICS, path ? [] : SETTINGS)
}

function resolveTuner(given: AtrionOptions['autoTuner']): AutoTunerConfig | undefined {
  if (given === false) return undefined
  if (given === undefined || given === true) return DEFAULT_AUTOTUNER_CONFIG
  const tuner = override('autoTuner', DEFAULT_AUTOTUNER_CONFIG, given, TUNER)
  if (tuner.hardCeiling < tuner.minFloor) {
    throw new ConfigError('autoTuner.hardCeiling', `at least minFloor (${tuner.minFloor} Ω)`, tuner.hardCeiling)
  }
  return tuner
}

function resolveLimits(given: Partial<LimitConfig> | undefined, defaults = DEFAULT_LIMITS): LimitConfig {
  const limits = override('limits', defaults, given, LIMITS)
  if (limits.max < limits.min) throw new ConfigError('limits.max', `at least limits.min (${limits.min})`, limits.max)
  return { ...limits, initial: Math.min(Math.max(limits.initial, limits.min), limits.max) }
}

/** Longest name of a pool, characters. */
const LONGEST_POOL = 256
const SHARE: Range = { says: 'a number in (0, 1)', holds: (x) => x > 0 && x < 1 }
const NO_RESERVE: readonly number[] = Object.freeze(TIERS.map(() => 0))

function resolvePool(value: unknown, inherited: string | undefined): string | undefined {
  if (value === undefined) return inherited
  if (value === null) return undefined
  if (typeof value === 'string' && value !== '' && value.length <= LONGEST_POOL) return value
  throw new ConfigError('pool', `a string of 1 to ${LONGEST_POOL} characters, or null`, value)
}

function resolveReserve(given: unknown, inherited: readonly number[]): readonly number[] {
  if (given === undefined) return inherited
  if (given === null) return NO_RESERVE
  const none = Object.fromEntries(TIERS.map((tier) => [tier, 0]))
  const ranges = Object.fromEntries(TIERS.map((tier) => [tier, SHARE]))
  const shares = Object.values(override('reserve', none, requireObject('reserve', given), ranges))
  const sum = shares.reduce((total, share) => total + share, 0)
  if (sum > 1 + ROUNDING) throw new ConfigError('reserve', 'shares of at most 1 in all', sum)
  return shares
}

/** @throws ConfigError */
export function resolveBreakBy(value: unknown): BreakBy | undefined {
  if (value === undefined || value === null) return undefined
  if (value === 'key' || typeof value === 'function') return value as BreakBy
  throw new ConfigError('breakBy', "'key', a function from a key to its class, or null", value)
}

/** A profile's name, or a custom profile. */
export function requireProfile(field: string, value: unknown): WorkloadProfile | ProfileConfig {
  if (value === 'CUSTOM' || (typeof value === 'string' && Object.hasOwn(PROFILE_CONFIGS, value))) {
    return value as WorkloadProfile
  }
  if (typeof value !== 'object' || value === null) {
    const names = [...Object.keys(PROFILE_CONFIGS), 'CUSTOM']
    const nearest = nearestName(value, names)
    throw new ConfigError(field, `${names.join(', ')} or a profile of your own`, value, { nearest })
  }
  const profile = override(field, PROFILE_CONFIGS.STANDARD, value, PROFILE, ['heartbeatRequired'])
  return {
    ...profile,
    heartbeatRequired: requireHeartbeat(field, own(value as ProfileConfig, 'heartbeatRequired'), profile),
  }
}

/** Returns whether a custom profile asks for heartbeats: when it says so, or names how often they come. */
function requireHeartbeat(field: string, required: unknown, { heartbeatIntervalMs }: ProfileConfig): boolean {
  if (required !== undefined && typeof required !== 'boolean') {
    throw new ConfigError(`${field}.heartbeatRequired`, 'true or false', required)
  }
  if (required === true && heartbeatIntervalMs === 0) {
    throw new ConfigError(
      `${field}.heartbeatIntervalMs`,
      'a finite number of ms > 0, which heartbeatRequired requires',
      0,
    )
  }
  return required ?? heartbeatIntervalMs > 0
}

/** The settings of a route besides its physics. */
const SETTINGS = ['profile', 'slo', 'limits', 'pool', 'reserve', 'lanes', 'breakBy'] as const

/** Objects within the settings of a route: `slo`, and its `criticality`; `lanes`, and its `reserve`. */
const DEEPEST = 2

/** The names that are known in the settings of a route, and in the objects within them. */
const NAMES: readonly string[] = [...SETTINGS, ...Object.keys(PHYSICS)]
const NAMES_WITHIN: Readonly<Record<string, readonly string[]>> = {
  profile: [...Object.keys(PROFILE), 'heartbeatRequired'],
  slo: [...Object.keys(OBJECTIVE), 'criticality'],
  criticality: Object.keys(CRITICALITY),
  limits: Object.keys(LIMITS),
  reserve: TIERS,
  lanes: ['of', 'reserve'],
}

/** A copy of an object and of the objects within it: plain data, which is read without running a getter of the caller's. */
const detached = (given: object, names: readonly string[], depth = 0): object =>
  Object.fromEntries(
    Object.entries(copyOf(given, names)).map(([name, value]) => {
      const isObject = typeof value === 'object' && value !== null
      const within = Object.hasOwn(NAMES_WITHIN, name) ? NAMES_WITHIN[name]! : []
      return [name, isObject && depth < DEEPEST ? detached(value, within, depth + 1) : value]
    }),
  )

/**
 * The settings that were given for a route, without those that `Object.prototype` was made to have, in a copy that later changes of the
 * caller's do not reach. What is no object is returned as it is.
 */
export function ownProfile<T extends WorkloadProfile | RouteProfileOptions>(given: T): T {
  return typeof given !== 'object' || given === null ? given : (detached(given, NAMES) as T)
}

/** Options without those that are not given. */
const given = (options: object): object =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))

/** The settings of a route with changes to some of them: what the changes do not give stays, within `slo` and `limits` as well. */
export function changedProfile(before: RouteProfileOptions, changes: RouteProfileOptions): RouteProfileOptions {
  const changed = given(ownProfile(requireObject('changes', changes) as RouteProfileOptions)) as RouteProfileOptions
  const within = (name: 'slo' | 'limits'): object => {
    const [old, now] = [own(before, name), own(changed, name)]
    const isObject = typeof old === 'object' && old !== null && typeof now === 'object' && now !== null
    return isObject ? { [name]: { ...old, ...given(now) } } : {}
  }
  return { ...before, ...changed, ...within('slo'), ...within('limits') }
}

/** The law of a route that was given a profile, numbers of its own, or both. */
export function resolveRouteProfile(
  given: WorkloadProfile | RouteProfileOptions,
  base: RouteParams,
  where = 'profile',
): RouteParams {
  if (typeof given === 'string') return { ...base, profile: requireProfile(where, given) }
  const options: RouteProfileOptions = copyOf(ownProfile(requireObject(where, given)), NAMES)
  const reserve = resolveReserve(options.reserve, base.reserve)
  return {
    config: resolveConfig('', options, base.config),
    slo: resolveSlo('slo', options.slo, base.slo),
    tuner: base.tuner,
    limits: resolveLimits(options.limits, base.limits),
    profile: options.profile === undefined ? base.profile : requireProfile('profile', options.profile),
    pool: resolvePool(options.pool, base.pool),
    reserve,
    lanes: resolveLanes(options.lanes, reserve),
  }
}

/** The law of every route that was not given one of its own. */
export function resolveParams(options: AtrionOptions): RouteParams {
  return {
    config: resolveConfig('config', options.config),
    slo: resolveSlo('slo', options.slo),
    tuner: resolveTuner(options.autoTuner),
    limits: DEFAULT_LIMITS,
    profile: 'STANDARD',
    pool: undefined,
    reserve: NO_RESERVE,
    lanes: NO_LANES,
  }
}

export const resolveVoltage = (value: number | undefined): number =>
  value === undefined ? 100 : requireNumber('defaultVoltage', value, VOLTAGE_RANGE)

export const resolveMaxRoutes = (value: number | undefined): number =>
  value === undefined ? DEFAULT_MAX_ROUTES : requireNumber('maxRoutes', value, integer(1, 1 << 24))
