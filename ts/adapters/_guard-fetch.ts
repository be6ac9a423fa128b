/**
 * A guard of outgoing calls of `fetch`, in a page, a service worker or anywhere else: a call that the other side cannot carry is not sent,
 * the least important first, and `Retry-After` is obeyed.
 */

import type { Atrion } from '../atrion.js'
import { ConfigError, ShedError } from '../base/errors.js'
import { copyOf, ownOptions } from '../base/own.js'
import { isOfKind } from '../base/realm.js'
import { noteThrown } from '../base/shed-answered.js'
import { TIERS } from '../engine/port.js'
import { ADAPTER_PORT } from '../limiter/adapter-port.js'
import { failureOf, releaseCall } from '../limiter/calls.js'
import { shedErrorOf } from '../limiter/run.js'
import type { AcquireOptions, Tier } from '../limiter/types.js'
import { parseSpan } from '../upstream/quota.js'
import { acquire } from './_acquire-params.js'
import { BodyWatch, isOwnAbort } from './_body-watch.js'
import { type OptionTypes, validateTypes } from './_options.js'
import { called, isThenable, type MaybePromise, tierOf } from './_resolve.js'
import { isFeed } from './_stream.js'
import { priorityOf } from './_tier-headers.js'
import { nowMs } from './_timers.js'
import { isWatchable, watchedAnswer } from './_watched-answer.js'

type Fetch = typeof globalThis.fetch
type Init = RequestInit & { readonly priority?: unknown }

export interface GuardFetchOptions {
  /** The fetch that sends. Default: the global one, as it is when a call is made. */
  readonly fetch?: Fetch
  /** Name of the route of a call. There should be few: never the raw URL. Default: the origin, `https://api.example.com`. */
  readonly route?: (request: Request) => MaybePromise<string | undefined>
  /** The importance of a call. Default: 'bulk' for a prefetch (`Sec-Purpose` or `Purpose`), 'low' and 'high' by `priority` of fetch; else 'normal'. */
  readonly tier?: (request: Request) => MaybePromise<Tier | string | undefined>
  /** The longest `Retry-After` that is obeyed, ms, 0 to 86,400,000. Default 60,000. */
  readonly maxRetryAfterMs?: number
}

const TYPES: OptionTypes = { fetch: ['function'], route: ['function'], tier: ['function'], maxRetryAfterMs: ['number'] }
const DEFAULT_RETRY_AFTER_MS = 60_000
const MOST_RETRY_AFTER_MS = 86_400_000
/** Routes of which a wait is known; of one more, the oldest is forgotten. */
const MOST_ROUTES = 1_024
const NORMAL = TIERS.indexOf('normal')

/** Waits that the other side has asked for: of each route, until when each tier waits, ms. */
class Waits {
  readonly #routes = new Map<string, Float64Array>()

  /** The time that a call has to wait, ms; 0: none. */
  of(route: string, tier: number): number {
    return Math.max((this.#routes.get(route)?.[tier] ?? 0) - nowMs(), 0)
  }

  /** A call was refused for `ms`: those of its tier and of less important ones wait, as more important ones may still be served. */
  note(route: string, tier: number, ms: number): void {
    const until = this.#routes.get(route) ?? new Float64Array(TIERS.length)
    this.#routes.delete(route)
    if (this.#routes.size >= MOST_ROUTES) this.#routes.delete(this.#routes.keys().next().value!)
    this.#routes.set(route, until)
    for (let one = 0; one <= tier; one++) until[one] = Math.max(until[one]!, nowMs() + ms)
  }
}

/** The tier of a call by what it says itself. */
function ownTier(request: Request, init: Init | undefined): Tier | undefined {
  const found = priorityOf((name) => request.headers.get(name) ?? request.headers.get('purpose'), {}).tier
  if (found !== undefined) return found
  const priority = init === undefined ? undefined : ownOptions(init, ['priority']).priority
  return priority === 'low' || priority === 'high' ? priority : undefined
}

/** The time after which an answer asks to come back, ms; undefined: it does not. */
function retryAfterOf({ status, headers }: Response, mostMs: number): number | undefined {
  if (status !== 429 && status !== 503) return undefined
  const ms = parseSpan(headers.get('retry-after') ?? undefined, Date.now())?.ms
  return ms === undefined || !(ms > 0) ? undefined : Math.min(ms, mostMs)
}

/**
 * Guards what a page, or a service, asks of others: `const fetch = guardFetch(atrion)`. A call that is shed rejects with a ShedError, and
 * nothing is sent: where the route cannot carry it, the least important first, a prefetch before all else; and while a 429 or 503 with
 * `Retry-After` holds, calls of its tier and of less important ones. Answers of 500 and above, errors of the network, and bodies that
 * break off while they are read count as failures; what the caller aborts, and a refusal with `Retry-After`, does not. A call is in flight until the
 * body of its answer has been read; one whose caller does not read it at once, until its head is there.
 *
 * @throws ConfigError for an option that is unknown, of the wrong type or out of its range
 */
export function guardFetch(atrion: Atrion, options: GuardFetchOptions = {}): Fetch {
  if (typeof atrion?.acquire !== 'function') throw new ConfigError('atrion', 'an Atrion', atrion)
  if (atrion.engine === 'ts') throw new ConfigError('engine', "'native' or 'wasm', which have the closed loop", 'ts')
  const given = copyOf(options, Object.keys(TYPES))
  validateTypes(given, TYPES)
  const { route, tier, maxRetryAfterMs = DEFAULT_RETRY_AFTER_MS } = given
  if (!(maxRetryAfterMs >= 0 && maxRetryAfterMs <= MOST_RETRY_AFTER_MS)) {
    throw new ConfigError('maxRetryAfterMs', `a number in [0, ${MOST_RETRY_AFTER_MS}] ms`, maxRetryAfterMs)
  }
  // An instance of an older copy of the package gives none.
  const stalledUntil = atrion[ADAPTER_PORT]?.calls?.() ?? (() => 0)
  const waits = new Waits()

  const refuse = (error: ShedError): never => {
    noteThrown(error)
    throw error
  }

  return async (input, init) => {
    // A request of a service worker is passed on as it is: a navigation can't be made anew.
    const request = init === undefined && isOfKind(input, 'Request') ? (input as Request) : new Request(input, init)
    const named = route && called<string | undefined>('route', () => route(request), undefined)
    const wanted = tier && called<string | undefined>('tier', () => tier(request), undefined)
    const name = isThenable(named) ? await named : named
    const importance = tierOf(isThenable(wanted) ? await wanted : wanted) ?? ownTier(request, init)
    const routeId = typeof name === 'string' && name !== '' ? name : new URL(request.url).origin
    const level = importance === undefined ? NORMAL : TIERS.indexOf(importance)
    const waitMs = waits.of(routeId, level)
    if (waitMs > 0) {
      const { resistance, mode } = atrion.stats(routeId)
      const retryAfterMs = Math.ceil(waitMs)
      const cause = new Error(`the other side asked to come back in ${retryAfterMs} ms`)
      const refusal = {
        routeId,
        resistance,
        voltage: 0,
        mode,
        retryAfterMs,
        limitedBy: 'breaker',
        tier: TIERS[level],
      } as const
      refuse(new ShedError(refusal, { cause }))
    }
    const params: AcquireOptions = importance === undefined ? {} : { tier: importance }
    const permit = acquire(atrion, routeId, params)
    if (!permit.allow) refuse(shedErrorOf(routeId, permit))
    const startedMs = nowMs()
    try {
      const send = given.fetch ?? globalThis.fetch
      const response = await send(request, init?.priority === undefined ? undefined : { priority: init.priority })
      const retryAfterMs = retryAfterOf(response, maxRetryAfterMs)
      if (retryAfterMs !== undefined) waits.note(routeId, level, retryAfterMs)
      const isGood = retryAfterMs === undefined && response.status < 500
      if (isGood && !isFeed(response.headers.get('content-type')) && isWatchable(response)) {
        return watchedAnswer(response, new BodyWatch(atrion, routeId, permit, startedMs, request.signal, stalledUntil))
      }
      releaseCall(permit, isGood ? 'success' : retryAfterMs !== undefined ? 'ignored' : 'failure')
      return response
    } catch (error) {
      releaseCall(permit, isOwnAbort(request.signal, error) ? 'ignored' : failureOf(permit, error))
      throw error
    }
  }
}
