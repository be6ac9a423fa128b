/**
 * Handlers in the style of fetch, a Request in and a Response out: Workers, Vercel Edge, Deno, Bun, Hono, middleware of
 * Next. Nothing here is Node's.
 *
 * A permit is given back when the response's body has been read: below 500 is success; 500 and above, a handler that throws
 * and a body that breaks off are failures; a request that its client gave up, or whose body nobody wanted, is ignored.
 */

import { Atrion } from '../atrion.js'
import { ConfigError } from '../errors.js'
import type { AcquireOptions, Permit, Tier } from '../loop.js'
import { KVStateProvider, type KVStateProviderOptions, type KVStore } from '../state/kv.js'
import type { StateProvider } from '../state/provider.js'
import { type BodyEnd, watchBody } from './_body.js'
import { PROBLEM_TYPE, refusalOf } from './_refusal.js'

export { KVStateProvider, type KVStateProviderOptions, type KVStore }

/** What is read of a request. */
export interface FetchRequest {
  readonly method: string
  readonly url: string
  readonly headers: { get(name: string): string | null }
  readonly signal?: { readonly aborted: boolean } | undefined
}

/** Options of {@link withAtrion}; `Args` are what the runtime hands the handler beside the request. */
export interface FetchOptions<Request extends FetchRequest, Args extends readonly unknown[]> {
  /** Who decides, or how to make it from the handler's other arguments, once. Default: an Atrion of this handler's own. */
  readonly atrion?: Atrion | ((...args: Args) => Atrion)
  /**
   * Where state is kept beyond this isolate, or how to find it among the handler's other arguments (a Worker's `env`), once:
   * a StateProvider, or any store with get and put. Only without `atrion`.
   */
  readonly state?: StateProvider | KVStore | ((...args: Args) => StateProvider | KVStore)
  /** Name of the route, or how a request tells it. There should be few: never the raw URL. Default: the method and `*`. */
  readonly route?: string | ((request: Request, ...args: Args) => string)
  /** How important a request is. Default 'normal'. */
  readonly tier?: Tier | ((request: Request, ...args: Args) => Tier | undefined)
  /** Who asks (user, tenant, session): the same key is treated alike within an hour. */
  readonly key?: (request: Request, ...args: Args) => string | undefined
  /** true: the request is not guarded at all. */
  readonly skip?: (request: Request, ...args: Args) => boolean
  /** Believe `X-Atrion-Voltage` and `X-Atrion-Tier`: only behind a gateway that sets or removes them. Default false. */
  readonly trustHeaders?: boolean
  /** Answers a shed request instead of the 503. */
  readonly onShed?: (request: Request, decision: Permit) => Response | Promise<Response>
}

type Handler<Request, Args extends readonly unknown[]> = (
  request: Request,
  ...args: Args
) => Response | Promise<Response>

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
const TIERS: ReadonlySet<unknown> = new Set<Tier>(['bulk', 'low', 'normal', 'high', 'critical'])
const TYPES = {
  atrion: ['object', 'function'],
  state: ['object', 'function'],
  route: ['string', 'function'],
  tier: ['string', 'function'],
  key: ['function'],
  skip: ['function'],
  trustHeaders: ['boolean'],
  onShed: ['function'],
} as const

function validate(options: unknown): void {
  if (typeof options !== 'object' || options === null) throw new ConfigError('options', 'an object', options)
  for (const [name, value] of Object.entries(options)) {
    const types: readonly string[] | undefined = Object.hasOwn(TYPES, name)
      ? TYPES[name as keyof typeof TYPES]
      : undefined
    if (!types) throw new ConfigError(name, `one of ${Object.keys(TYPES).join(', ')}`, name)
    if (value !== undefined && !types.includes(typeof value)) throw new ConfigError(name, types.join(' or '), value)
  }
  const { tier, atrion, state } = options as Record<string, unknown>
  if (typeof tier === 'string' && !TIERS.has(tier)) throw new ConfigError('tier', [...TIERS].join(', '), tier)
  if (atrion && state) throw new ConfigError('state', 'absent beside atrion, whose provider it would be', state)
}

const isProvider = (state: StateProvider | KVStore): state is StateProvider => 'updateVector' in state

/** An Atrion whose state is kept; a store that cannot be reached costs only what it would have known. */
function withState(state: StateProvider | KVStore): Atrion {
  const atrion = new Atrion({ provider: isProvider(state) ? state : new KVStateProvider(state) })
  atrion.connect().catch((error: unknown) => console.warn(`atrion: its state could not be read: ${String(error)}`))
  return atrion
}

/** What many requests changed is written at once, ms. */
const PULSE_MS = 200

/**
 * Where a request's end takes its timers with it, the instance's own pulse among them, its context can be asked to wait until
 * what changed is written.
 */
function awaitPulse(args: readonly unknown[], atrion: Atrion): void {
  const context = args.find((arg) => typeof (arg as { waitUntil?: unknown } | null)?.waitUntil === 'function')
  const { waitUntil } = (context ?? {}) as { waitUntil?: (work: Promise<void>) => void }
  if (waitUntil === undefined) return
  const pulse = new Promise((resolve) => setTimeout(resolve, PULSE_MS)).then(() => atrion.flush())
  waitUntil.call(context, pulse)
}

/** The 503 of a shed request: RFC 9457's problem document, and when to come back. */
function shedResponse(permit: Permit): Response {
  const { retryAfterS, body } = refusalOf(permit)
  const headers = { 'Content-Type': PROBLEM_TYPE, 'Cache-Control': 'no-store', 'Retry-After': retryAfterS }
  return new Response(body, { status: 503, headers })
}

/**
 * Guards a handler: a request that the route cannot carry is answered with 503 and `Retry-After` before the handler runs.
 *
 * @throws ConfigError for an option of the wrong type
 */
export function withAtrion<Request extends FetchRequest, Args extends readonly unknown[]>(
  handler: Handler<Request, Args>,
  options: FetchOptions<Request, Args> = {},
): (request: Request, ...args: Args) => Promise<Response> {
  if (typeof handler !== 'function') throw new ConfigError('handler', 'a function', handler)
  validate(options)
  const { route, tier, key, skip, trustHeaders, onShed, state } = options
  let atrion = typeof options.atrion === 'function' ? undefined : options.atrion

  const create = (args: Args): Atrion => {
    if (typeof options.atrion === 'function') return options.atrion(...args)
    return state ? withState(typeof state === 'function' ? state(...args) : state) : new Atrion()
  }

  const describe = (request: Request, args: Args): AcquireOptions => {
    const asking: { tier?: Tier; voltage?: number; key?: string } = {}
    const who = key?.(request, ...args)
    if (typeof who === 'string') asking.key = who
    const wanted: unknown = typeof tier === 'function' ? tier(request, ...args) : tier
    if (TIERS.has(wanted)) asking.tier = wanted as Tier
    else if (trustHeaders) {
      const voltage = request.headers.get('x-atrion-voltage')
      const named = request.headers.get('x-atrion-tier')
      if (voltage !== null && /^\d{1,9}(\.\d{1,9})?$/.test(voltage)) asking.voltage = Number(voltage)
      else if (TIERS.has(named)) asking.tier = named as Tier
    }
    return asking
  }

  const routeOf = (request: Request, args: Args): string => {
    const named = typeof route === 'function' ? route(request, ...args) : route
    return named || `${METHODS.has(request.method) ? request.method : 'OTHER'} *`
  }

  return async (request, ...args) => {
    if (skip?.(request, ...args) === true) return handler(request, ...args)
    atrion ??= create(args)
    const permit = atrion.acquire(routeOf(request, args), describe(request, args))
    if (!permit.allow) return onShed ? onShed(request, permit) : shedResponse(permit)
    if (state) awaitPulse(args, atrion)
    const isGone = (): boolean => request.signal?.aborted === true
    try {
      const response = await handler(request, ...args)
      const release = (end: BodyEnd): void => {
        const failed = end === 'failed' || response.status >= 500
        permit.release(isGone() || end === 'cancelled' ? 'ignored' : failed ? 'failure' : 'success')
      }
      // To a HEAD no server sends a body, and not every one cancels it.
      if (request.method !== 'HEAD') return watchBody(response, release)
      release('read')
      return response
    } catch (error) {
      permit.release(isGone() ? 'ignored' : 'failure')
      throw error
    }
  }
}
