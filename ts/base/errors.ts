/**
 * Every error that Atrion throws on purpose. Each carries a `code`, which survives where `instanceof` does not:
 * two copies of the package in one process, another realm, a log.
 */

import type { OperationalMode } from '../core/types.js'
import type { Tier } from '../engine/kinds.js'
import { type LimitedBy, obstacleText } from './limited-by.js'
import { define, own, ownOptions, peek } from './own.js'
import { isError } from './realm.js'
import { noteStatusRead } from './shed-answered.js'
import { kindOf, printable, Withheld, withoutSecrets } from './text.js'

export type AtrionErrorCode =
  | 'ATRION_ERROR'
  | 'ATRION_CONNECTION'
  | 'ATRION_DEPENDENCY'
  | 'ATRION_SYNC'
  | 'ATRION_PARSE'
  | 'ATRION_SHED'
  | 'ATRION_CONFIG'
  | 'ATRION_BUDGET'

/** The options that every Atrion error accepts besides its own fields. */
export interface AtrionErrorOptions {
  /** The error that led to it. */
  readonly cause?: unknown
}

/** The root: catch it to catch them all. */
export class AtrionError extends Error {
  static {
    // On the prototype, so that the stack's first line says it and no instance carries it as a field of its own.
    define(AtrionError.prototype, 'name', 'AtrionError')
  }

  readonly code: AtrionErrorCode

  constructor(message: string, options: AtrionErrorOptions & { readonly code?: AtrionErrorCode } = {}) {
    const cause = own(options, 'cause')
    super(message, cause === undefined ? undefined : { cause })
    this.code = own(options, 'code') ?? 'ATRION_ERROR'
  }
}

/** A state provider was used before `connect()`, or cannot be reached. */
export class ConnectionError extends AtrionError {
  static {
    define(ConnectionError.prototype, 'name', 'ConnectionError')
  }

  readonly providerName: string

  constructor(providerName = 'Provider', options: AtrionErrorOptions = {}) {
    const cause = own(options, 'cause')
    const what = cause === undefined ? 'is not connected: await connect() first' : 'could not connect'
    super(`${providerName} ${what}${because(cause)}`, { ...options, code: 'ATRION_CONNECTION' })
    this.providerName = providerName
  }
}

export interface DependencyErrorOptions extends AtrionErrorOptions {
  /** The fault. Default: 'is not installed'. */
  readonly problem?: string | undefined
}

/** An optional package is needed, and not installed or can't be used. */
export class DependencyError extends AtrionError {
  static {
    define(DependencyError.prototype, 'name', 'DependencyError')
  }

  readonly dependency: string
  /** The command that mends it. */
  readonly installCommand: string

  constructor(dependency: string, installCommand = `npm install ${dependency}`, options: DependencyErrorOptions = {}) {
    const { problem = 'is not installed', ...rest } = ownOptions(options, ['problem'])
    super(`${dependency} ${problem}: run \`${installCommand}\``, { ...rest, code: 'ATRION_DEPENDENCY' })
    this.dependency = dependency
    this.installCommand = installCommand
  }
}

/** A route's state could not be exchanged with the store. */
export class SyncError extends AtrionError {
  static {
    define(SyncError.prototype, 'name', 'SyncError')
  }

  readonly routeId: string

  constructor(routeId: string, cause?: unknown) {
    super(`state of route ${show(routeId)} was not synchronised${because(cause)}`, { cause, code: 'ATRION_SYNC' })
    this.routeId = routeId
  }
}

/** A route's state in the store is not what Atrion wrote. */
export class ParseError extends AtrionError {
  static {
    define(ParseError.prototype, 'name', 'ParseError')
  }

  readonly routeId: string

  constructor(routeId: string, options: AtrionErrorOptions = {}) {
    super(`stored state of route ${show(routeId)} cannot be read${because(own(options, 'cause'))}`, {
      ...options,
      code: 'ATRION_PARSE',
    })
    this.routeId = routeId
  }
}

/** A refusal: the reason, and when to come back. */
export interface Refusal {
  readonly routeId: string
  /** Ω */
  readonly resistance: number
  /** V */
  readonly voltage: number
  readonly mode: OperationalMode
  /** ms until this voltage would flow; absent when waiting alone will not do */
  readonly retryAfterMs?: number | undefined
  /** The obstacle. */
  readonly limitedBy?: LimitedBy | undefined
  /** undefined: a voltage was given instead. */
  readonly tier?: Tier | undefined
}

const REFUSAL_NAMES = ['retryAfterMs', 'limitedBy', 'tier'] satisfies (keyof Refusal)[]

/** Popular clients ignore more than a minute, s. */
const MAX_RETRY_AFTER_S = 60

const headersOf = (retryAfterMs: number | undefined, limitedBy: LimitedBy | undefined): Record<string, string> => {
  // An operator's order or ban stays, however long a client waits.
  const retry = limitedBy === 'ban' || limitedBy === 'override' ? { 'x-should-retry': 'false' } : undefined
  if (retryAfterMs === undefined || Number.isNaN(retryAfterMs)) return { ...retry }
  const seconds = Math.min(Math.max(Math.ceil(retryAfterMs / 1000), 1), MAX_RETRY_AFTER_S)
  return { 'retry-after': String(seconds), ...retry }
}

/**
 * The request was shed. Not a fault: the route is protecting itself. Frameworks that know `http-errors` answer it with 503 and
 * its headers.
 */
export class ShedError extends AtrionError implements Refusal {
  static {
    define(ShedError.prototype, 'name', 'ShedError')
  }

  readonly routeId: string
  readonly resistance: number
  readonly voltage: number
  readonly mode: OperationalMode
  readonly retryAfterMs: number | undefined
  readonly limitedBy: LimitedBy | undefined
  readonly tier: Tier | undefined
  /** `retry-after` in whole seconds, 1 to 60, where it is known when to come back; `x-should-retry` 'false' where waiting will not help. */
  readonly headers: Readonly<Record<string, string>>

  constructor(refusal: Refusal, options: AtrionErrorOptions = {}) {
    const { routeId, resistance, voltage, mode, retryAfterMs, limitedBy, tier } = ownOptions(refusal, REFUSAL_NAMES)
    const reason = obstacleText(mode, voltage, resistance, limitedBy)
    const remedy = retryAfterMs === undefined ? '' : `, retry in ${retryAfterMs} ms`
    super(`route ${show(routeId)} shed the request: ${reason}${remedy}`, { ...options, code: 'ATRION_SHED' })
    this.routeId = routeId
    this.resistance = resistance
    this.voltage = voltage
    this.mode = mode
    this.retryAfterMs = retryAfterMs
    this.limitedBy = limitedBy
    this.tier = tier
    this.headers = headersOf(retryAfterMs, limitedBy)
  }

  /** For error handlers, as `http-errors` has it. */
  get status(): 503 {
    noteStatusRead(this)
    return 503
  }

  /** Koa writes an error's status back to it. */
  set status(given: number) {
    define(this, 'status', given)
  }

  get statusCode(): 503 {
    return this.status
  }

  set statusCode(given: number) {
    define(this, 'statusCode', given)
  }
}

/** An option is out of its range. */
export class ConfigError extends AtrionError {
  static {
    define(ConfigError.prototype, 'name', 'ConfigError')
  }

  /** The option, as a path: `autoTuner.windowSize`. */
  readonly field: string
  /** The range, in words. */
  readonly range: string
  /** The value that was given; where it may hold a secret, the kind of value. */
  readonly got: unknown

  /** The right name that is nearest to the one given, where one is near. */
  readonly nearest: string | undefined

  constructor(
    field: string,
    range: string,
    got: unknown,
    options: AtrionErrorOptions & { readonly nearest?: string | undefined } = {},
  ) {
    const shown = typeof got === 'string' ? withoutSecrets(got) : got
    const nearest = own(options, 'nearest')
    const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`
    super(`${field} must be ${range}, got ${show(shown)}${hint}`, { ...options, code: 'ATRION_CONFIG' })
    this.field = field
    this.range = range
    this.got = shown instanceof Withheld ? shown.kind : shown
    this.nearest = nearest
  }
}

const CODES: ReadonlySet<unknown> = new Set<AtrionErrorCode>([
  'ATRION_ERROR',
  'ATRION_CONNECTION',
  'ATRION_DEPENDENCY',
  'ATRION_SYNC',
  'ATRION_PARSE',
  'ATRION_SHED',
  'ATRION_CONFIG',
  'ATRION_BUDGET',
])

/** Anything may be thrown, a proxy whose traps throw among it. */
const codeOf = (error: unknown): unknown => peek(error, 'code')

/** Returns whether Atrion threw it, whichever copy of the package that was. */
export const isAtrionError = (error: unknown): error is AtrionError => CODES.has(codeOf(error))
export const isConnectionError = (error: unknown): error is ConnectionError => codeOf(error) === 'ATRION_CONNECTION'
export const isDependencyError = (error: unknown): error is DependencyError => codeOf(error) === 'ATRION_DEPENDENCY'
export const isSyncError = (error: unknown): error is SyncError => codeOf(error) === 'ATRION_SYNC'
export const isParseError = (error: unknown): error is ParseError => codeOf(error) === 'ATRION_PARSE'
export const isShedError = (error: unknown): error is ShedError => codeOf(error) === 'ATRION_SHED'
export const isConfigError = (error: unknown): error is ConfigError => codeOf(error) === 'ATRION_CONFIG'

function because(cause: unknown): string {
  if (cause === undefined) return ''
  try {
    return `: ${isError(cause) ? cause.message : show(cause)}`
  } catch {
    return ''
  }
}

/** A hostile value must not turn an error message into megabytes, nor make it throw. */
const SHOWN_LENGTH = 80

function show(value: unknown): string {
  const text = typeof value === 'string' ? printable(JSON.stringify(value.slice(0, SHOWN_LENGTH + 1))) : describe(value)
  return text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text
}

function describe(value: unknown): string {
  if (value instanceof Withheld) return value.kind
  const type = typeof value
  if (type === 'bigint' || type === 'function' || type === 'object') return kindOf(value)
  return String(value)
}
