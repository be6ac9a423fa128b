/** The check of an instance's options. */

import { ConfigError } from '../base/errors.js'
import { requireKeySecret } from '../base/keys.js'
import { own, ownOptions } from '../base/own.js'
import { unknownName } from '../base/suggest.js'
import { Withheld } from '../base/text.js'
import { DEFAULT_AUTOTUNER_CONFIG, DEFAULT_CONFIG, DEFAULT_SLO } from '../core/index.js'
import type { AtrionOptions, BansOptions } from './options.js'
import { integer, type Range, requireNumber, requireObject } from './ranges.js'

/** The names of all options. */
export const KNOWN_OPTIONS: ReadonlySet<string> = new Set<keyof AtrionOptions>([
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
  'bans',
  'watchdog',
  'useWasm',
  'license',
])

/** Names of the deadline in other packages. */
const DEADLINE = /^(?:max|target)?(?:deadline|timeout|latency)(?:Ms)?$/i

/** The path of an option that was given one level too high, or by another package's name. */
function intendedPath(name: string): string | undefined {
  if (Object.hasOwn(DEFAULT_SLO, name)) return `slo.${name}`
  if (Object.hasOwn(DEFAULT_CONFIG, name)) return `config.${name}`
  if (Object.hasOwn(DEFAULT_AUTOTUNER_CONFIG, name)) return `autoTuner.${name}`
  return DEADLINE.test(name) ? 'slo.maxAcceptableLatencyMs' : undefined
}

const METHODS = {
  provider: ['connect', 'disconnect', 'getVector', 'updateVector', 'deleteVector', 'listRoutes'],
  observer: ['onUpdate'],
  clock: ['now'],
  logger: ['debug', 'info', 'warn', 'error'],
} as const

const SHARE: Range = { says: 'a number in (0, 1]', holds: (x) => x > 0 && x <= 1 }
const WINDOW: Range = { says: 'a number of ms in [100, 600000]', holds: (x) => x >= 100 && x <= 600_000 }
const BAN_NAMES = ['share', 'failures', 'windowMs', 'allow'] satisfies (keyof BansOptions)[]
/** Most keys and prefixes of an allow-list, and the longest prefix, characters. */
const MOST_ALLOWED = 1_024
const LONGEST_PREFIX = 256

/** @throws ConfigError, which shows no key */
function requireBans(value: unknown): void {
  if (value === undefined) return
  const given = requireObject('bans', value)
  for (const name of Object.keys(given)) {
    if (!(BAN_NAMES as readonly string[]).includes(name)) throw unknownName(`bans.${name}`, name, BAN_NAMES)
  }
  const { share, failures, windowMs, allow } = ownOptions(given as BansOptions, BAN_NAMES)
  if (share !== undefined) requireNumber('bans.share', share, SHARE)
  if (failures !== undefined) requireNumber('bans.failures', failures, integer(1, 1e9))
  if (windowMs !== undefined) requireNumber('bans.windowMs', windowMs, WINDOW)
  if (allow === undefined) return
  const says = `an array of at most ${MOST_ALLOWED} keys and { prefix } of 1 to ${LONGEST_PREFIX} characters`
  if (!Array.isArray(allow) || allow.length > MOST_ALLOWED)
    throw new ConfigError('bans.allow', says, new Withheld(allow))
  allow.forEach((one: unknown, i) => {
    const isObject = typeof one === 'object' && one !== null
    const text = isObject ? own(one as { prefix?: unknown }, 'prefix') : one
    const isTarget = typeof text === 'string' && text !== '' && (!isObject || text.length <= LONGEST_PREFIX)
    if (!isTarget) throw new ConfigError(`bans.allow[${i}]`, says, new Withheld(one))
  })
}

/** The options, each read once. Throws ConfigError for the first that cannot be honoured. */
export function validateOptions(given: AtrionOptions): AtrionOptions {
  requireObject('options', given)
  const source = ownOptions(given, KNOWN_OPTIONS)
  for (const name of Object.keys(source)) {
    if (!KNOWN_OPTIONS.has(name)) throw unknownName(name, name, [...KNOWN_OPTIONS], intendedPath(name))
  }
  const names = [...KNOWN_OPTIONS] as (keyof AtrionOptions)[]
  const options = Object.fromEntries(names.map((name) => [name, source[name]])) as AtrionOptions
  for (const [name, methods] of Object.entries(METHODS)) {
    const value = options[name as keyof typeof METHODS] as Record<string, unknown> | undefined
    if (value === undefined || (name === 'clock' && (value as unknown) === 'global')) continue
    const missing = methods.find((method) => typeof value?.[method] !== 'function')
    // A provider's options or its URL in its place may hold a password.
    const shown = name === 'provider' && value !== null ? new Withheld(value) : value
    if (missing) throw new ConfigError(name, `an object with a method ${missing}()`, shown)
  }
  requireKeySecret(options.keySecret)
  requireBans(options.bans)
  const { scope } = options as { scope: unknown }
  if (scope !== undefined && scope !== 'instance' && scope !== 'process' && scope !== 'machine') {
    throw new ConfigError('scope', "'instance', 'process' or 'machine'", scope)
  }
  if (scope === 'machine' && options.provider === undefined) {
    throw new ConfigError('scope', "'instance' or 'process' where there is no Node.js", scope)
  }
  for (const name of ['useWasm', 'dryRun'] as const) {
    const value: unknown = options[name]
    if (value !== undefined && typeof value !== 'boolean') throw new ConfigError(name, 'true or false', value)
  }
  if (options.autoTuner !== undefined && typeof options.autoTuner !== 'boolean')
    requireObject('autoTuner', options.autoTuner)
  return options
}
