/** What all adapters can be told, and how it is asked of a request. */

import { METHODS } from 'node:http'
import { TIERS } from '../engine/port.js'
import { ConfigError } from '../errors.js'
import type { Permit, Tier } from '../loop.js'
import type { PressureOptions, Signal } from '../pressure/pressure.js'

export type { PressureOptions, Signal }

/** Options of the adapters of servers. `Request` and `Response` are the framework's own. */
export interface AdapterOptions<Request, Response> {
  /** Name of the route a request belongs to. There should be few: never the raw URL. Default: the framework's own pattern. */
  readonly route?: (request: Request) => string
  /** How important a request is. What is no tier counts as 'normal', the default; a CORS preflight is 'critical'. */
  readonly tier?: (request: Request) => Tier | string | undefined
  /** Who asks (user, tenant, session): the same key is treated alike within an hour. Default: nobody in particular. */
  readonly key?: (request: Request) => string | undefined
  /** true: the request is not guarded at all (health checks, metrics). */
  readonly skip?: (request: Request) => boolean
  /** Believe `X-Atrion-Voltage` and `X-Atrion-Tier`: only behind a gateway that sets or removes them. Default false. */
  readonly trustHeaders?: boolean
  /** Answers a shed request instead of the adapter's 503. */
  readonly onShed?: (request: Request, response: Response, decision: Permit) => unknown
  /** Signals of the process that count; false: none. Default: all. */
  readonly pressure?: PressureOptions | false
  /** Signals of one's own, [0, 1], asked at most every 100 ms. */
  readonly signals?: readonly Signal[]
  /** Keep the tier for what the request asks of others (`atrion/undici`). Costs an AsyncLocalStorage. Default false. */
  readonly propagate?: boolean
}

/** Option names by the type they must have. */
const TYPES = {
  function: ['route', 'tier', 'key', 'skip', 'onShed'],
  boolean: ['trustHeaders', 'propagate'],
} as const

/** @throws ConfigError for an option of the wrong type */
export function validateAdapterOptions(options: unknown): void {
  if (typeof options !== 'object' || options === null) throw new ConfigError('options', 'an object', options)
  const given = options as Record<string, unknown>
  for (const [type, names] of Object.entries(TYPES)) {
    for (const name of names) {
      const kind: string = typeof given[name]
      if (kind !== 'undefined' && kind !== type) throw new ConfigError(name, `a ${type}`, given[name])
    }
  }
  const { pressure, signals } = given
  if (pressure !== undefined && pressure !== false && (typeof pressure !== 'object' || pressure === null)) {
    throw new ConfigError('pressure', 'an object or false', pressure)
  }
  if (signals !== undefined && !(Array.isArray(signals) && signals.every((signal) => typeof signal === 'function'))) {
    throw new ConfigError('signals', 'an array of functions', signals)
  }
}

const KNOWN_TIERS: ReadonlySet<unknown> = new Set(TIERS)

export const isTier = (value: unknown): value is Tier => KNOWN_TIERS.has(value)

const warned = new Set<string>()

/** A callback that throws must not take the service down with it: its answer is `fallback`, and the first time is told. */
export function asked<Request, Answer>(
  name: string,
  ask: (request: Request) => Answer,
  request: Request,
  fallback: Answer,
): Answer {
  try {
    return ask(request)
  } catch (error) {
    if (!warned.has(name)) {
      warned.add(name)
      process.emitWarning(`the adapter's option '${name}' threw: ${String(error)}`, { type: 'AtrionWarning' })
    }
    return fallback
  }
}

const KNOWN_METHODS: ReadonlySet<string> = new Set(METHODS)

/** Shared routes of requests without a pattern, one a method: strings made once. */
const SHARED = new Map(METHODS.map((method) => [method, `${method} *`]))

/** `GET *`: the route of everything that has no pattern of its own. Names of methods are bounded, too. */
export function sharedRoute(method: string | undefined): string {
  return SHARED.get(method ?? 'GET') ?? 'OTHER *'
}

/** `GET /users/:id` */
export function patternRoute(method: string | undefined, pattern: string): string {
  const known = method !== undefined && KNOWN_METHODS.has(method) ? method : 'OTHER'
  return `${known} ${pattern}`
}
