/** What may be said at construction, and what is wrong with it if it can't be. */

import { ConfigError } from '../base/errors.js'
import { requireKeySecret } from '../base/keys.js'
import { nearestName, unknownName } from '../base/suggest.js'
import { Withheld } from '../base/text.js'
import {
  type AutoTunerConfig,
  type Clock,
  DEFAULT_AUTOTUNER_CONFIG,
  DEFAULT_CONFIG,
  DEFAULT_SLO,
  type PhysicsConfig,
  type PhysicsObserver,
  PROFILE_CONFIGS,
  type ProfileConfig,
  type SLOConfig,
  type WorkloadProfile,
} from '../core/index.js'
import { type EngineKind, TIERS } from '../engine/port.js'
import type { Logger } from '../events/loggers.js'
import type { Tier } from '../limiter/types.js'
import type { StateProvider } from '../providers/provider.js'
import { DEFAULT_LIMITS, type LawSource, type LimitConfig } from '../routes/params.js'

/** An SLO of which only some is said; what is left out keeps its default. */
export type SLOOptions = Partial<Omit<SLOConfig, 'criticality'>> & {
  readonly criticality?: Partial<SLOConfig['criticality']>
}

export interface AtrionOptions {
  /** Where state is shared and kept. Default: nowhere but in the engine. */
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
   * 'instance' (default): an engine of one's own. 'process': one engine for all instances of the process that ask for it, in
   * any of its worker threads: a route hurt in one is hurt in all, at once. The newest instance's numbers govern. Needs the
   * native engine, and the same `maxRoutes` everywhere.
   */
  readonly scope?: 'instance' | 'process'
  /** Voltage of a request that names none, V, ≥ 0. Default 100. */
  readonly defaultVoltage?: number
  /** Most routes kept, 1 to 16,777,216; the least recently used goes first. Default 65,536. */
  readonly maxRoutes?: number
  /**
   * Time in ms, for simulation and tests. 'global': the global `Date`, read anew each time, for tests that fake it together with
   * the timers. Default: the engine's own, which is monotonic and no fake reaches.
   */
  readonly clock?: Pick<Clock, 'now'> | { now(): number } | 'global'
  /** Default: the process-wide one, which is silent. */
  readonly logger?: Logger
  /**
   * What makes the places of keys unpredictable: at least 16 characters or bytes. Give all nodes of a service the same, so that a
   * user is treated alike by all of them. Default: drawn for each process.
   */
  readonly keySecret?: string | Uint8Array
  /** Decide, count and say so ('shed' events, `reason`), but admit everybody. Default false. */
  readonly dryRun?: boolean
  /** @deprecated `engine: 'wasm'` */
  readonly useWasm?: boolean
  /** Accepted and ignored: everything is Apache-2.0. */
  readonly license?: unknown
}

/** What `setRouteProfile` takes besides a profile's name. */
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
   * Breakers by class of keys besides the route's own: 'key', or a function from a key to the name of its class. Where one class
   * fails, it alone is refused, and probed until it is well. Up to 64 classes of a route are told apart at once. A function that
   * throws, or returns no string, puts the request in no class. null: none, which is the default.
   */
  readonly breakBy?: BreakBy | null
}

/** From a key to the class that its failures are blamed on. */
export type BreakBy = 'key' | ((key: string) => string | undefined)

interface Range {
  readonly says: string
  holds(value: number): boolean
}

const atLeast = (low: number, unit = ''): Range => ({ says: `a finite number${unit} ≥ ${low}`, holds: (x) => x >= low })
const above = (low: number, unit = ''): Range => ({ says: `a finite number${unit} > ${low}`, holds: (x) => x > low })
const within = (low: number, high: number): Range => ({
  says: `a number in [${low}, ${high}]`,
  holds: (x) => x >= low && x <= high,
})
const integer = (low: number, high: number): Range => ({
  says: `an integer in [${low}, ${high}]`,
  holds: (x) => Number.isInteger(x) && x >= low && x <= high,
})

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

/** Throws unless `value` is a number in the range. */
export function requireNumber(field: string, value: unknown, { says, holds }: Range): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || !holds(value)) throw new ConfigError(field, says, value)
  return value
}

export const VOLTAGE_RANGE = atLeast(0, ' of V')
export const DURATION_RANGE = above(0, ' of ms')

function requireObject(field: string, value: unknown): object {
  if (typeof value !== 'object' || value === null) throw new ConfigError(field, 'an object', value)
  return value
}

/** `defaults` with what `given` says instead, each value in its range, no name unknown. */
function override<T extends object>(
  path: string,
  defaults: T,
  given: object | undefined,
  ranges: Readonly<Record<string, Range>>,
  alsoKnown: readonly string[] = [],
): T {
  if (given === undefined) return defaults
  const result: Record<string, unknown> = { ...(defaults as Record<string, unknown>) }
  for (const [name, value] of Object.entries(requireObject(path || 'options', given))) {
    if (value === undefined || alsoKnown.includes(name)) continue
    const field = path ? `${path}.${name}` : name
    const range = Object.hasOwn(ranges, name) ? ranges[name] : undefined
    if (!range) throw unknownName(field, name, Object.keys(ranges).concat(alsoKnown))
    result[name] = requireNumber(field, value, range)
  }
  return result as T
}

export function resolveSlo(path: string, given: SLOOptions | undefined, defaults: SLOConfig = DEFAULT_SLO): SLOConfig {
  if (given === undefined) return defaults
  const slo = override(path, defaults, given, OBJECTIVE, ['criticality'])
  const criticality = override(`${path}.criticality`, defaults.criticality, given.criticality, CRITICALITY)
  return { ...slo, criticality }
}

export function resolveConfig(
  path: string,
  given: object | undefined,
  defaults: PhysicsConfig = DEFAULT_CONFIG,
): PhysicsConfig {
  return override(
    path,
    defaults,
    given,
    PHYSICS,
    path ? [] : ['profile', 'slo', 'limits', 'pool', 'reserve', 'breakBy'],
  )
}

export function resolveTuner(given: AtrionOptions['autoTuner']): AutoTunerConfig | undefined {
  if (given === false) return undefined
  if (given === undefined || given === true) return DEFAULT_AUTOTUNER_CONFIG
  const tuner = override('autoTuner', DEFAULT_AUTOTUNER_CONFIG, given, TUNER)
  if (tuner.hardCeiling < tuner.minFloor) {
    throw new ConfigError('autoTuner.hardCeiling', `at least minFloor (${tuner.minFloor} Ω)`, tuner.hardCeiling)
  }
  return tuner
}

export function resolveLimits(given: Partial<LimitConfig> | undefined, defaults = DEFAULT_LIMITS): LimitConfig {
  const limits = override('limits', defaults, given, LIMITS)
  if (limits.max < limits.min) throw new ConfigError('limits.max', `at least limits.min (${limits.min})`, limits.max)
  return { ...limits, initial: Math.min(Math.max(limits.initial, limits.min), limits.max) }
}

/** Longest name of a pool, characters. */
const LONGEST_POOL = 256
const SHARE: Range = { says: 'a number in (0, 1)', holds: (x) => x > 0 && x < 1 }
/** What sums of shares may be off by: 0.1 + 0.2 + 0.7 is more than 1. */
const ROUNDING = 1e-9
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

/** A profile's name, or one of one's own. */
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
  return { ...profile, heartbeatRequired: requireHeartbeat(field, (value as ProfileConfig).heartbeatRequired, profile) }
}

/** Whether a profile of one's own asks for heartbeats: when it says so, or names how often they come. */
function requireHeartbeat(field: string, required: unknown, { heartbeatIntervalMs }: ProfileConfig): boolean {
  if (required !== undefined && typeof required !== 'boolean') {
    throw new ConfigError(`${field}.heartbeatRequired`, 'true or false', required)
  }
  if (required === true && heartbeatIntervalMs === 0) {
    throw new ConfigError(`${field}.heartbeatIntervalMs`, 'a finite number of ms > 0, as heartbeatRequired asks for', 0)
  }
  return required ?? heartbeatIntervalMs > 0
}

/** The law of a route that was given a profile, numbers of its own, or both. */
export function resolveRouteProfile(
  given: WorkloadProfile | RouteProfileOptions,
  base: LawSource,
  where = 'profile',
): LawSource {
  if (typeof given === 'string') return { ...base, profile: requireProfile(where, given) }
  const options = requireObject(where, given) as RouteProfileOptions
  return {
    config: resolveConfig('', options, base.config),
    slo: resolveSlo('slo', options.slo, base.slo),
    tuner: base.tuner,
    limits: resolveLimits(options.limits, base.limits),
    profile: options.profile === undefined ? base.profile : requireProfile('profile', options.profile),
    pool: resolvePool(options.pool, base.pool),
    reserve: resolveReserve(options.reserve, base.reserve),
  }
}

const KNOWN_OPTIONS: ReadonlySet<string> = new Set<keyof AtrionOptions>([
  'provider',
  'autoTuner',
  'config',
  'slo',
  'observer',
  'engine',
  'scope',
  'defaultVoltage',
  'maxRoutes',
  'clock',
  'logger',
  'dryRun',
  'keySecret',
  'useWasm',
  'license',
])

const METHODS = {
  provider: ['connect', 'disconnect', 'getVector', 'updateVector', 'deleteVector', 'listRoutes'],
  observer: ['onUpdate'],
  clock: ['now'],
  logger: ['debug', 'info', 'warn', 'error'],
} as const

/** The options, each read once. Throws ConfigError for the first that cannot be honoured. */
export function validateOptions(given: AtrionOptions): AtrionOptions {
  requireObject('options', given)
  for (const name of Object.keys(given)) {
    if (!KNOWN_OPTIONS.has(name)) throw unknownName(name, name, [...KNOWN_OPTIONS])
  }
  const names = [...KNOWN_OPTIONS] as (keyof AtrionOptions)[]
  const options = Object.fromEntries(names.map((name) => [name, given[name]])) as AtrionOptions
  for (const [name, methods] of Object.entries(METHODS)) {
    const value = options[name as keyof typeof METHODS] as Record<string, unknown> | undefined
    if (value === undefined || (name === 'clock' && (value as unknown) === 'global')) continue
    const missing = methods.find((method) => typeof value?.[method] !== 'function')
    // A provider's options or its URL in its place may hold a password.
    const shown = name === 'provider' && value !== null ? new Withheld(value) : value
    if (missing) throw new ConfigError(name, `an object with a method ${missing}()`, shown)
  }
  requireKeySecret(options.keySecret)
  const { scope } = options as { scope: unknown }
  if (scope !== undefined && scope !== 'instance' && scope !== 'process') {
    throw new ConfigError('scope', "'instance' or 'process'", scope)
  }
  for (const name of ['useWasm', 'dryRun'] as const) {
    const value: unknown = options[name]
    if (value !== undefined && typeof value !== 'boolean') throw new ConfigError(name, 'true or false', value)
  }
  if (options.autoTuner !== undefined && typeof options.autoTuner !== 'boolean')
    requireObject('autoTuner', options.autoTuner)
  return options
}

/** The law of every route that was not given one of its own. */
export function resolveLaw(options: AtrionOptions): LawSource {
  return {
    config: resolveConfig('config', options.config),
    slo: resolveSlo('slo', options.slo),
    tuner: resolveTuner(options.autoTuner),
    limits: DEFAULT_LIMITS,
    profile: 'STANDARD',
    pool: undefined,
    reserve: NO_RESERVE,
  }
}

export const resolveVoltage = (value: number | undefined): number =>
  value === undefined ? 100 : requireNumber('defaultVoltage', value, VOLTAGE_RANGE)

export const resolveMaxRoutes = (value: number | undefined): number =>
  value === undefined ? 65_536 : requireNumber('maxRoutes', value, integer(1, 1 << 24))
