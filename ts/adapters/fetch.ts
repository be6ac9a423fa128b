/**
 * Handlers in the style of fetch, a Request in and a Response out: Workers, Vercel Edge, Deno, Bun, Hono, middleware of
 * Next. Nothing here is Node's.
 *
 * A permit is given back when the response's body has been read, or its reader keeps it waiting: below 500 is success; 500 and
 * above, a handler that throws and a body that breaks off are failures; a request that its client gave up, a body that was not
 * read on, a long-lived answer and a shed of a guard further in are ignored.
 */

import { Atrion } from '../atrion.js'
import { ConfigError } from '../base/errors.js'
import { textOfAny } from '../base/host-calls.js'
import { copyOf } from '../base/own.js'
import { onAbort } from '../base/signals.js'
import { unknownName } from '../base/suggest.js'
import { TIERS } from '../engine/port.js'
import { ADAPTER_PORT } from '../limiter/adapter-port.js'
import type { AcquireOptions, Permit, Tier } from '../limiter/types.js'
import { KVStateProvider, type KVStateProviderOptions, type KVStore } from '../providers/kv.js'
import type { StateProvider } from '../providers/provider.js'
import {
  type AcquireParams,
  acquire,
  acquireAgain,
  enter,
  GONE,
  streamsSpent,
  type TrackerHost,
} from './_acquire-params.js'
import { type AnswerOptions, AnswerStyles } from './_answer-style.js'
import { type CancellableOption, shareOf } from './_cancel.js'
import { isExempt } from './_exempt.js'
import { HEADER_TYPES, validateHeaders } from './_header-options.js'
import {
  DEFAULT_MAX_STREAMS,
  DEFAULT_MAX_WAIT_MS,
  type OptionTypes,
  validateBounds,
  validateTypes,
} from './_options.js'
import { PROBLEM_TYPE, refusalHeaders, refusalOf, type Shed, shedIn } from './_problem.js'
import { called, isThenable, isTier, keyOf, type MaybePromise, tierOf } from './_resolve.js'
import { hasRoom } from './_stream.js'
import { priorityOf, type TierHeader } from './_tier-headers.js'
import { noteWebRefused, WebResponseTracker, webPassageOf } from './_web-response-tracker.js'

export { cancelSignal } from './_cancel.js'
export { type GuardFetchOptions, guardFetch } from './_guard-fetch.js'
export { openStreams } from './_stream.js'
export { KVStateProvider, type KVStateProviderOptions, type KVStore }

/** The fields that are read of a request. */
export interface FetchRequest {
  readonly method: string
  readonly url: string
  readonly headers: { get(name: string): string | null }
  readonly signal?: { readonly aborted: boolean } | undefined
}

/** Options of {@link withAtrion}; `Args` are what the runtime hands the handler beside the request. */
export interface FetchOptions<Request extends FetchRequest, Args extends readonly unknown[]> extends AnswerOptions {
  /** The instance that decides, or a function that makes it from the handler's other arguments, once. Default: an Atrion of this handler's own. */
  readonly atrion?: Atrion | ((...args: Args) => Atrion)
  /**
   * The store of state beyond this isolate, or a function that finds it in the handler's other arguments (a Worker's `env`), once:
   * a StateProvider, or any store with get and put. Only without `atrion`.
   */
  readonly state?: StateProvider | KVStore | ((...args: Args) => StateProvider | KVStore)
  /** Name of the route, or how a request tells it. There should be few: never the raw URL. Default: the method and `*`. */
  readonly route?: string | ((request: Request, ...args: Args) => MaybePromise<string | undefined>)
  /** The importance of a request. Default 'normal'. */
  readonly tier?: Tier | ((request: Request, ...args: Args) => MaybePromise<Tier | string | undefined>)
  /** The client of a request (user, tenant, session): the place of a key inside its tier moves through the tier every five minutes. */
  readonly key?: (request: Request, ...args: Args) => MaybePromise<string | number | bigint | undefined>
  /** true: the request is not guarded at all. */
  readonly skip?: (request: Request, ...args: Args) => MaybePromise<boolean>
  /** Tells whether the answer is long-lived (long poll, a feed): budgeted by `maxStreams` alone. */
  readonly stream?: boolean | ((request: Request, ...args: Args) => MaybePromise<boolean>)
  /** Long-lived answers open at once on a route, a whole number ≥ 1; one more is refused. Default 10,000. */
  readonly maxStreams?: number
  /** The time that a request may wait for its turn before it is refused, ms, ≥ 0. 0, the default: it does not wait. */
  readonly maxWaitMs?: number
  /**
   * Requests may be cancelled, by `cancelSignal(request)`, where one holds for long what others wait for: at most one in a thousand, and none of
   * a higher tier than what waits. A function gives a request's share of that now, ≥ 0; 0 while it waits itself. Default false.
   */
  readonly cancellable?: CancellableOption<Request>
  /**
   * Believe `X-Atrion-Voltage`, `X-Atrion-Tier`, `tierHeader` and RFC 9218's `Priority`: only behind a gateway that sets or removes
   * them. Default false. A `Sec-Purpose: prefetch` is 'bulk' in any case.
   */
  readonly trustHeaders?: boolean
  /** A header whose whole number is a tier, 0 the highest; read where `trustHeaders`. Default: none. */
  readonly tierHeader?: string | TierHeader
  /** Answers a shed request instead of the 503. */
  readonly onShed?: (request: Request, decision: Permit) => MaybePromise<Response>
}

type Handler<Request, Args extends readonly unknown[]> = (
  request: Request,
  ...args: Args
) => Response | Promise<Response>

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
const TYPES: OptionTypes = {
  atrion: ['object', 'function'],
  state: ['object', 'function'],
  route: ['string', 'function'],
  tier: ['string', 'function'],
  key: ['function'],
  skip: ['function'],
  stream: ['boolean', 'function'],
  maxStreams: ['number'],
  maxWaitMs: ['number'],
  cancellable: ['boolean', 'function'],
  trustHeaders: ['boolean'],
  ...HEADER_TYPES,
  onShed: ['function'],
}

function validate(options: unknown): void {
  validateTypes(options, TYPES)
  validateBounds(options as Record<string, unknown>)
  validateHeaders(options as Record<string, unknown>)
  const { tier, atrion, state } = options as Record<string, unknown>
  if (typeof tier === 'string' && !isTier(tier)) {
    throw unknownName('tier', tier, [...TIERS].reverse())
  }
  if (atrion && state) throw new ConfigError('state', 'left out where atrion is given: set its provider instead', state)
}

const isProvider = (state: StateProvider | KVStore): state is StateProvider => 'updateVector' in state

/** An Atrion whose state is kept; a store that cannot be reached costs only what it would have known. */
function withState(state: StateProvider | KVStore): Atrion {
  const atrion = new Atrion({ provider: isProvider(state) ? state : new KVStateProvider(state) })
  atrion
    .connect()
    .catch((error: unknown) => console.warn(`atrion: the stored state could not be read: ${textOfAny(error)}`))
  return atrion
}

/** The interval in which the changes of many requests are written at once, ms. */
const FLUSH_MS = 200

/**
 * Asks a request's context, whose end stops its timers, the instance's sync loop among them, to wait until
 * what changed is written.
 */
function awaitSync(args: readonly unknown[], atrion: Atrion): void {
  const context = args.find((arg) => typeof (arg as { waitUntil?: unknown } | null)?.waitUntil === 'function')
  const { waitUntil } = (context ?? {}) as { waitUntil?: (work: Promise<void>) => void }
  if (waitUntil === undefined) return
  const flushed = new Promise((resolve) => setTimeout(resolve, FLUSH_MS)).then(() => atrion.flush())
  waitUntil.call(context, flushed)
}

/** The 503 of a shed request: RFC 9457's problem document, and when to come back. */
function shedResponse(shed: Shed): Response {
  const refusal = refusalOf(shed)
  const headers = { ...refusalHeaders(refusal), 'content-type': PROBLEM_TYPE }
  return new Response(refusal.body, { status: 503, headers })
}

/** The answers of the handler's arguments to the options. */
type Answers = readonly [route: unknown, tier: unknown, key: unknown, stream: unknown]

/** Guards requests for one handler. */
class FetchGate<Request extends FetchRequest, Args extends readonly unknown[]> implements TrackerHost {
  readonly atrion: Atrion
  readonly maxStreams: number
  readonly #options: FetchOptions<Request, Args>
  readonly #maxWaitMs: number
  readonly #styles: AnswerStyles

  constructor(atrion: Atrion, options: FetchOptions<Request, Args>) {
    this.atrion = atrion
    this.#options = options
    this.#styles = new AnswerStyles(atrion, options)
    this.maxStreams = options.maxStreams ?? DEFAULT_MAX_STREAMS
    this.#maxWaitMs = options.maxWaitMs ?? DEFAULT_MAX_WAIT_MS
  }

  /** Returns whether the request is for a path that is not guarded. */
  isExempt(request: Request): boolean {
    const exempt = (this.atrion as Partial<Atrion>)[ADAPTER_PORT]?.exempt
    return exempt !== undefined && exempt.size > 0 && isExempt(exempt, request, undefined)
  }

  again(routeId: string, params: AcquireParams): Permit {
    const permit = acquireAgain(this.atrion, routeId, params)
    return permit.allow ? permit : this.#styles.dress(permit, routeId)
  }

  spent(routeId: string, { tier }: AcquireParams): Permit {
    return streamsSpent(this.atrion, routeId, tier, this.maxStreams)
  }

  ask(request: Request, args: Args): AcquireParams | Promise<AcquireParams> {
    const { route, tier, key, stream } = this.#options
    const named = typeof route === 'function' ? called('route', () => route(request, ...args), undefined) : route
    const wanted = typeof tier === 'function' ? called('tier', () => tier(request, ...args), undefined) : tier
    const whose = key && called('key', () => key(request, ...args), undefined)
    const long = typeof stream === 'function' ? called('stream', () => stream(request, ...args), false) : stream
    const answers: Answers = [named, wanted, whose, long]
    if (!answers.some(isThenable)) return this.#params(request, answers)
    return Promise.all(answers).then((given) => this.#params(request, given))
  }

  /** Asks for a permit. Never rejects. */
  enter(routeId: string, { tier, voltage, key }: AcquireParams, request: Request): Permit | Promise<Permit> {
    const options = { tier, voltage, key } as AcquireOptions
    const { signal } = request
    // A client that goes away gives up its turn; one that has gone waits for none.
    if (this.#maxWaitMs <= 0 || signal?.aborted) return acquire(this.atrion, routeId, options)
    const listen =
      signal instanceof AbortSignal
        ? (abort: (reason: unknown) => void) => onAbort(signal, () => abort(GONE))
        : undefined
    return enter(this.atrion, routeId, options, this.#maxWaitMs, listen)
  }

  /** The answer to a request that is shed. Never rejects. */
  async refuse(request: Request, permit: Permit, routeId: string | undefined): Promise<Response> {
    noteWebRefused(request, permit)
    this.#styles.dress(permit, routeId)
    const { onShed } = this.#options
    const own = onShed && (await called<Response | undefined>('onShed', () => onShed(request, permit), undefined))
    // A response of another fetch than the global one is one, too.
    return typeof own?.status === 'number' ? own : shedResponse(permit)
  }

  #params(request: Request, [named, wanted, whose, long]: Answers): AcquireParams {
    const isStream = long === true
    const route = typeof named === 'string' && named !== '' ? named : undefined
    const tier = wanted === undefined ? undefined : tierOf(wanted)
    const key = whose === undefined ? undefined : keyOf(whose)
    const share = shareOf(this.#options.cancellable, request)
    if (tier !== undefined) return { route, tier, voltage: undefined, key, isStream, share }
    const given = priorityOf((name) => request.headers.get(name), this.#options)
    return { route, tier: given.tier, voltage: given.voltage, key, isStream, share }
  }
}

const sharedRoute = ({ method }: FetchRequest): string => `${METHODS.has(method) ? method : 'OTHER'} *`

/**
 * Guards a handler: a request that the route cannot carry is answered with 503 and `Retry-After` before the handler runs.
 *
 * @throws ConfigError for an option that is unknown, of the wrong type or out of its range
 */
export function withAtrion<Request extends FetchRequest, Args extends readonly unknown[]>(
  handler: Handler<Request, Args>,
  given: FetchOptions<Request, Args> = {},
): (request: Request, ...args: Args) => Promise<Response> {
  if (typeof handler !== 'function') throw new ConfigError('handler', 'a function', handler)
  // An instance has methods by the names of options.
  if (typeof (given as { acquire?: unknown } | null)?.acquire === 'function') {
    throw new ConfigError('options', 'an object such as { atrion }, and not the instance itself', given)
  }
  const options = copyOf(given, Object.keys(TYPES))
  validate(options)
  const { skip, state } = options
  let made: FetchGate<Request, Args> | undefined
  if (options.atrion !== undefined && typeof options.atrion !== 'function')
    made = new FetchGate(options.atrion, options)

  const create = (args: Args): Atrion => {
    if (typeof options.atrion === 'function') return options.atrion(...args)
    return state ? withState(typeof state === 'function' ? state(...args) : state) : new Atrion()
  }

  const handle = async (tracker: WebResponseTracker, request: Request, args: Args): Promise<Response> => {
    const isGone = (): boolean => request.signal?.aborted === true
    try {
      const response = await handler(request, ...args)
      return tracker.give(response, request.method !== 'HEAD', isGone, () =>
        shedResponse({ retryAfterMs: undefined, limitedBy: undefined }),
      )
    } catch (error) {
      tracker.fail(error, isGone())
      const shed = shedIn(error)
      if (shed === undefined) throw error
      return shedResponse(shed)
    }
  }

  return async (request, ...args) => {
    if (made?.isExempt(request)) return handler(request, ...args)
    const skips = skip !== undefined && (await called<boolean>('skip', () => skip(request, ...args), false)) === true
    if (skips) return handler(request, ...args)
    made ??= new FetchGate(create(args), options)
    const gate = made
    const asked = gate.ask(request, args)
    const params = isThenable(asked) ? await asked : asked
    const outer = webPassageOf(request, gate.atrion)
    if (outer !== undefined) {
      const refusal = params.route === undefined ? undefined : outer.rename(params.route, params)
      return refusal === undefined ? handler(request, ...args) : gate.refuse(request, refusal, params.route)
    }
    const routeId = params.route ?? sharedRoute(request)
    const { isStream } = params
    if (isStream && !hasRoom(gate.atrion, routeId, gate.maxStreams)) {
      return gate.refuse(request, gate.spent(routeId, params), routeId)
    }
    const entered = gate.enter(routeId, params, request)
    const permit = isThenable(entered) ? await entered : entered
    if (!permit.allow) return gate.refuse(request, permit, routeId)
    if (state) awaitSync(args, gate.atrion)
    return handle(new WebResponseTracker(gate, routeId, permit, params, request, isStream), request, args)
  }
}
