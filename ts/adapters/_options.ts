/** Options of all adapters of servers. */

import { ConfigError } from '../base/errors.js'
import { copyOf } from '../base/own.js'
import { unknownName } from '../base/suggest.js'
import type { Permit, Tier } from '../limiter/types.js'
import type { PressureOptions, Signal } from '../pressure/pressure.js'
import type { AnswerOptions } from './_answer-style.js'
import type { CancellableOption } from './_cancel.js'
import { HEADER_TYPES, validateHeaders } from './_header-options.js'
import type { MaybePromise } from './_resolve.js'
import type { TierHeader } from './_tier-headers.js'

export type { PressureOptions, Signal }

/** The time that a request may wait for its turn where no option says it, ms: not at all. */
export const DEFAULT_MAX_WAIT_MS = 0

/** Long-lived answers that may be open at once on one route. */
export const DEFAULT_MAX_STREAMS = 10_000

/**
 * Options of the adapters of servers. `Request` and `Response` are the framework's own. Every callback may answer by a promise,
 * which is awaited for a second; what throws, rejects or comes later counts as not given, and is warned of once.
 */
export interface AdapterOptions<Request, Response> extends AnswerOptions {
  /** Name of the route a request belongs to. There should be few: never the raw URL. Default: the framework's own pattern. */
  readonly route?: (request: Request) => MaybePromise<string | undefined>
  /** The importance of a request. Anything that is no tier counts as 'normal', the default; a CORS preflight is 'critical'. */
  readonly tier?: (request: Request) => MaybePromise<Tier | string | undefined>
  /** The client of a request (user, tenant, session): the place of a key inside its tier moves through the tier every five minutes. Default: none. */
  readonly key?: (request: Request) => MaybePromise<string | number | bigint | undefined>
  /** true: the request is not guarded at all (health checks, metrics). */
  readonly skip?: (request: Request) => MaybePromise<boolean>
  /** Tells whether the answer is long-lived (long poll, a feed): budgeted by `maxStreams` alone. Default: see `maxStreams`. */
  readonly stream?: boolean | ((request: Request) => MaybePromise<boolean>)
  /**
   * Long-lived answers open at once on a route, a whole number ≥ 1; one more is refused. Default 10,000. WebSocket upgrades,
   * event streams, NDJSON and what takes longer than 10 s are long-lived without being named.
   */
  readonly maxStreams?: number
  /** The time that a request may wait for its turn before it is refused, ms, ≥ 0. 0, the default: it does not wait. */
  readonly maxWaitMs?: number
  /**
   * Believe `X-Atrion-Voltage`, `X-Atrion-Tier`, `tierHeader` and RFC 9218's `Priority`: only behind a gateway that sets or removes
   * them. Default false. A `Sec-Purpose: prefetch` is 'bulk' in any case.
   */
  readonly trustHeaders?: boolean
  /** A header whose whole number is a tier, 0 the highest; read where `trustHeaders`. Default: none. */
  readonly tierHeader?: string | TierHeader
  /** Answers a shed request instead of the adapter's 503, which is sent where this throws, rejects or does not answer. */
  readonly onShed?: (request: Request, response: Response, decision: Permit) => unknown
  /** Signals of the process that count; false: none. Default: all. */
  readonly pressure?: PressureOptions | false
  /** Custom signals, [0, 1], asked at most every 100 ms. */
  readonly signals?: readonly Signal[]
  /**
   * Requests may be cancelled, by `cancelSignal(request)`, where one holds for long what others wait for: at most one in a thousand, and none of
   * a higher tier than what waits. A function gives a request's share of that now, ≥ 0; 0 while it waits itself. Default false.
   */
  readonly cancellable?: CancellableOption<Request>
  /** Keep the tier for what the request asks of others (`atrion/undici`). Costs an AsyncLocalStorage. Default false. */
  readonly propagate?: boolean
}

/** Types that the options may have. */
export type OptionTypes = Readonly<Record<string, readonly string[]>>

export const TYPES: OptionTypes = {
  route: ['function'],
  tier: ['function'],
  key: ['function'],
  skip: ['function'],
  stream: ['boolean', 'function'],
  maxStreams: ['number'],
  maxWaitMs: ['number'],
  trustHeaders: ['boolean'],
  ...HEADER_TYPES,
  onShed: ['function'],
  pressure: ['object', 'boolean'],
  signals: ['object'],
  cancellable: ['boolean', 'function'],
  propagate: ['boolean'],
}

const PRESSURE_TYPES: OptionTypes = {
  queueAge: ['boolean'],
  acceptQueue: ['boolean'],
  eventLoop: ['boolean'],
  heap: ['boolean'],
  cgroup: ['boolean'],
}

/** @throws ConfigError for an unknown option and for one of the wrong type */
export function validateTypes(options: unknown, types: OptionTypes, parent = ''): void {
  if (typeof options !== 'object' || options === null) throw new ConfigError('options', 'an object', options)
  for (const [name, value] of Object.entries(options)) {
    const field = parent + name
    if (!Object.hasOwn(types, name)) throw unknownName(field, name, Object.keys(types))
    const wanted = types[name]!
    if (value !== undefined && !wanted.includes(typeof value))
      throw new ConfigError(field, `${wanted[0] === 'object' ? 'an' : 'a'} ${wanted.join(' or ')}`, value)
  }
}

/**
 * The options of an adapter, checked.
 *
 * @throws ConfigError for an option that is unknown, of the wrong type or out of its range
 */
export function adapterOptionsOf<Request, Response>(
  given: AdapterOptions<Request, Response>,
): AdapterOptions<Request, Response> {
  const options = copyOf(given, Object.keys(TYPES))
  // Options of the wrong type are named below.
  const { pressure, signals } = (options ?? {}) as Record<string, unknown>
  if (
    signals !== undefined &&
    !(Array.isArray(signals) && Array.from<unknown>(signals).every((signal) => typeof signal === 'function'))
  ) {
    throw new ConfigError('signals', 'an array of functions', signals)
  }
  validateTypes(options, TYPES)
  validateBounds(options as Record<string, unknown>)
  validateHeaders(options as Record<string, unknown>)
  if (pressure === null || pressure === true) throw new ConfigError('pressure', 'an object or false', pressure)
  if (typeof pressure === 'object')
    validateTypes(copyOf(pressure, Object.keys(PRESSURE_TYPES)), PRESSURE_TYPES, 'pressure.')
  return options
}

/** @throws ConfigError for a number out of its range */
export function validateBounds({ maxStreams, maxWaitMs }: Record<string, unknown>): void {
  if (maxStreams !== undefined && !(Number.isInteger(maxStreams) && (maxStreams as number) >= 1)) {
    throw new ConfigError('maxStreams', 'a whole number ≥ 1', maxStreams)
  }
  if (maxWaitMs !== undefined && !((maxWaitMs as number) >= 0 && (maxWaitMs as number) < Number.POSITIVE_INFINITY)) {
    throw new ConfigError('maxWaitMs', 'a finite number of ms ≥ 0', maxWaitMs)
  }
}
