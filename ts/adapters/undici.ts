/** `atrion/undici`: an interceptor for outgoing requests of undici 6.20 and later, one route an origin. */

import type { Dispatcher } from 'undici'
import type { Atrion } from '../atrion.js'
import { ConfigError, ShedError } from '../errors.js'
import type { AcquireOptions, Permit, Tier } from '../loop.js'
import { currentTier } from './_context.js'
import { asked, isTier, validateAdapterOptions } from './_options.js'

export { currentTier, withTier } from './_context.js'

type Request = Dispatcher.DispatchOptions
type Handler = Dispatcher.DispatchHandler

export interface UndiciOptions {
  /** Name of the route. Default: `https://host`, the origin. */
  readonly route?: (request: Request) => string
  /** How important a request is. Default: the tier of the request being handled, where its adapter propagates it; else 'normal'. */
  readonly tier?: (request: Request) => Tier | string | undefined
  /** On whose behalf: the same key is treated alike within an hour. */
  readonly key?: (request: Request) => string | undefined
  /** true: the request is not guarded. */
  readonly skip?: (request: Request) => boolean
  /** Tell the other side the tier, as `X-Atrion-Tier`. Default false. */
  readonly propagate?: boolean
}

const HEADER = 'x-atrion-tier'

/** The request's headers, in whatever form they are, and the tier. What the caller set himself stays. */
function withHeader(headers: Request['headers'], tier: Tier): Request['headers'] {
  if (headers === undefined || headers === null) return { [HEADER]: tier }
  const isList = Array.isArray(headers)
  const names = isList ? headers.filter((_, i) => i % 2 === 0 || Array.isArray(headers[i])) : undefined
  if (isList && names !== undefined && typeof headers[0] === 'string') {
    return names.some((name) => String(name).toLowerCase() === HEADER) ? headers : [...headers, HEADER, tier]
  }
  const pairs = Symbol.iterator in headers ? Object.fromEntries(headers as Iterable<[string, string]>) : headers
  return Object.keys(pairs).some((name) => name.toLowerCase() === HEADER) ? headers : { ...pairs, [HEADER]: tier }
}

/** The caller's own change of mind says nothing of the other side. */
function wasAborted(error: unknown): boolean {
  const { name, code } = (error ?? {}) as { name?: unknown; code?: unknown }
  return name === 'AbortError' || code === 'UND_ERR_ABORTED' || code === 'ABORT_ERR'
}

type Method = (...args: never[]) => unknown
type Methods = Record<string, Method | undefined>

/** Passes everything on, and gives the permit back when the answer is complete, or will not be. */
function watched(handler: Handler, permit: Permit): Handler {
  let failed = false
  let streams = false
  const end = (): void => permit.release(failed ? 'failure' : streams ? 'ignored' : 'success')
  const before: Record<string, (...args: never[]) => void> = {
    onResponseStart: (_controller: never, status: number, headers: Record<string, unknown>) => {
      failed = status >= 500
      streams = String(headers?.['content-type'] ?? '').startsWith('text/event-stream')
    },
    onResponseEnd: end,
    onRequestUpgrade: () => permit.release('ignored'),
    onResponseError: (_controller: never, error: unknown) => permit.release(wasAborted(error) ? 'ignored' : 'failure'),
  }
  const target = handler as unknown as Methods
  const watching: Methods = {}
  for (const name of ['onRequestStart', 'onResponseData', 'onBodySent', 'onResponseStarted']) {
    if (typeof target[name] === 'function') watching[name] = (...args: never[]) => target[name]?.(...args)
  }
  for (const [name, look] of Object.entries(before)) {
    watching[name] = (...args: never[]) => {
      look(...args)
      return target[name]?.(...args)
    }
  }
  return watching as unknown as Handler
}

/** A permit tells its voltage in words only; a breaker that is open does not ask for it. */
const voltageOf = ({ reason }: Permit): number => Number(/V=([\d.]+)/.exec(reason)?.[1] ?? Number.NaN)

/** Tells the handler, in its words. */
function reject(handler: Handler, error: ShedError): void {
  const { onResponseError, onError } = handler as unknown as Methods
  if (typeof onResponseError === 'function') onResponseError.call(handler, null as never, error as never)
  else if (typeof onError === 'function') onError.call(handler, error as never)
  else throw error
}

/**
 * Guards what is asked of others: `new Agent().compose(atrionUndici(atrion, options))`, also as the `dispatcher` of `fetch`.
 * Every origin is a route of its own (`https://api.example.com`). A request that is shed rejects with a ShedError; nothing is
 * sent. Answers of 500 and above, and errors of the connection, count as failures; the caller's abort does not.
 *
 * @throws ConfigError for an option of the wrong type
 */
export function atrionUndici(atrion: Atrion, options: UndiciOptions = {}): Dispatcher.DispatcherComposeInterceptor {
  if (typeof atrion?.acquire !== 'function') throw new ConfigError('atrion', 'an Atrion', atrion)
  validateAdapterOptions(options)
  const { route, tier, key, skip, propagate } = options
  return (dispatch) => (request, handler) => {
    if (skip !== undefined && asked('skip', skip, request, false) === true) return dispatch(request, handler)
    const named = route && asked<Request, string>('route', route, request, '')
    const routeId = typeof named === 'string' && named !== '' ? named : String(request.origin ?? 'unknown')
    const wanted = (tier && asked<Request, string | undefined>('tier', tier, request, undefined)) ?? currentTier()
    const asking: { -readonly [K in keyof AcquireOptions]: AcquireOptions[K] } = {}
    if (isTier(wanted)) asking.tier = wanted
    const who = key && asked<Request, string | undefined>('key', key, request, undefined)
    if (typeof who === 'string') asking.key = who
    const permit = atrion.acquire(routeId, asking)
    if (!permit.allow) {
      const { resistance, mode, retryAfterMs } = permit
      reject(handler, new ShedError({ routeId, resistance, voltage: voltageOf(permit), mode, retryAfterMs }))
      return true
    }
    const sent =
      propagate === true ? { ...request, headers: withHeader(request.headers, asking.tier ?? 'normal') } : request
    try {
      return dispatch(sent as Request, watched(handler, permit))
    } catch (error) {
      permit.release('failure')
      throw error
    }
  }
}
