/**
 * The patterns of Hono. All routes that match are known beforehand, in their order: middleware takes a `next`, handlers need
 * not. (`hono/route` would answer only where it is the same copy of Hono, which it is not for an application of ES modules.)
 *
 * A mount looks like middleware, and a handler may pass the request on; which of them answer is learnt from what they did.
 */

import type { Context } from 'hono'
import { shedErrorOf } from '../limiter/run.js'
import type { Permit } from '../limiter/types.js'
import { patternRoute } from './_method.js'
import { type AdapterRouteOptions, optionsAlong } from './_route-options.js'

interface Route {
  readonly handler: object & { readonly length: number }
  readonly method: string
  readonly path: string
}

/** The part of the request's tracker that is used, on Node and elsewhere. */
interface Tracker {
  readonly routeId: string
  /** True when the application named the route itself; a guard further in may do so. */
  readonly isNamed: boolean
  rename(routeId: string): Permit | undefined
}

/** Around a handler of a sub-application with an error handler of its own. */
const COMPOSED = '__COMPOSED_HANDLER'

const handlerWithin = (handler: Route['handler']): Route['handler'] =>
  (handler as { readonly [COMPOSED]?: Route['handler'] })[COMPOSED] ?? handler

const arity = ({ handler }: Route): number => handlerWithin(handler).length

/** Returns whether handlers that may pass a request on were seen to answer, and never to pass on. */
const answering = new WeakMap<object, boolean>()

/** Returns whether a route is middleware, or a mount, by its form. */
const isMiddleware = (route: Route): boolean => route.method === 'ALL' && arity(route) >= 2

/** Returns whether a route is a handler: for a method, or one that takes no `next`, or that answers as far as is known. */
const isHandler = (route: Route): boolean => !isMiddleware(route) || answering.get(route.handler) === true

/** Returns whether a route answers every request, as far as is known. */
const isLast = (route: Route): boolean => arity(route) < 2 || answering.get(route.handler) === true

const isWide = ({ path }: Route): boolean => path.includes('*')

/** Returns whether all paths of an application, or of a part of one, are meant. */
const isForAll = ({ path }: Route): boolean => path === '*' || path === '/*'

/**
 * The handler that is going to answer: the first that does not pass on, or one for fewer paths before it; where there is none,
 * the mount or the middleware for the fewest paths.
 */
function likeliest(routes: readonly Route[]): Route | undefined {
  const handlers = routes.filter(isHandler)
  const end = handlers.findIndex(isLast)
  const reached = end < 0 ? handlers : handlers.slice(0, end + 1)
  const last = reached.at(-1)
  if (last === undefined) return routes.filter((route) => !isForAll(route)).sort(byPath)[0]
  if (end >= 0 && !isWide(last)) return last
  return reached.find((route) => !isWide(route)) ?? last
}

const byPath = (one: Route, other: Route): number => other.path.length - one.path.length

const routesOf = (context: Context): readonly Route[] => context.req.matchedRoutes ?? []

const nameOf = (context: Context, { path }: Route): string => patternRoute(context.req.method, path)

/** The place that a request is going to come to, as far as it is known beforehand. */
export interface HonoPlace {
  /** undefined where nothing is registered for it. */
  readonly routeId: string | undefined
  /** Options on the way there that need no request. */
  readonly own: AdapterRouteOptions<unknown> | undefined
}

/** Foresees where a request is going to come to. */
export function honoPlace(context: Context): HonoPlace {
  const routes = routesOf(context)
  const end = likeliest(routes)
  if (end === undefined) return { routeId: undefined, own: undefined }
  // Of a route's own middleware, all has its path, and may have been taken for its end.
  const isOnTheWay = (route: Route, at: number): boolean => at <= routes.indexOf(end) || route.path === end.path
  const passed = routes.filter(isOnTheWay).map(({ handler }) => handlerWithin(handler))
  return { routeId: nameOf(context, end), own: optionsAlong(passed) }
}

/** Remembers whether a handler that may pass a request on did so. One that ever did is taken for one that does. */
function learn(route: Route | undefined, isAnswering: boolean): void {
  if (route === undefined || arity(route) < 2) return
  if (!isAnswering || !answering.has(route.handler)) answering.set(route.handler, isAnswering)
}

/** Returns whether a route may be a mount: middleware for a part of the paths. */
const isProspect = (route: Route): boolean => isMiddleware(route) && !isForAll(route)

/** An error that Hono, where the application handles none, takes for an answer rather than for one to log. */
function refusalError(routeId: string, refusal: Permit): Error {
  const getResponse = (): Response => new Response(null, { status: 503 })
  return Object.defineProperty(shedErrorOf(routeId, refusal), 'getResponse', { value: getResponse })
}

/** The handlers that a request comes to, as the application runs them. */
export class Handlers {
  /** The refusal of a route that the request came to. */
  refusal: Permit | undefined
  readonly #context: Context
  readonly #tracker: Tracker
  readonly #routes: readonly Route[]
  /** The guard's own place among them. */
  readonly #start: number
  /** The handler that the request counts for; -1: none. */
  #counted: number
  #current: number

  /** Watches where several handlers may answer. One that is reached and was not expected refuses by a ShedError. */
  constructor(context: Context, tracker: Tracker) {
    const { req } = context
    this.#context = context
    this.#tracker = tracker
    this.#routes = routesOf(context)
    this.#start = req.routeIndex
    this.#current = req.routeIndex
    this.#counted = this.#find(tracker.routeId, isHandler)
    if (this.#counted < 0) this.#counted = this.#find(tracker.routeId, isMiddleware)
    if (!this.#isOpen()) return
    Object.defineProperty(req, 'routeIndex', {
      configurable: true,
      enumerable: true,
      get: () => this.#current,
      set: (index: number) => {
        this.#current = index
        this.#arrive()
      },
    })
  }

  /** Returns whether the handler that answered is the one that the request counts for. Asked when the request is over. */
  readonly isAsCounted = (): boolean => {
    const index = this.#context.req.routeIndex
    const last = this.#routes[index]
    if (last === undefined || index <= this.#start || this.#tracker.isNamed) return true
    // A check of a handler's requests that answers one itself answers for that handler.
    if (isMiddleware(last) && !this.#isForMany) return true
    // The last of all may have passed the request on to where nothing is found.
    if (index < this.#routes.length - 1) learn(last, true)
    return index === this.#counted || !isHandler(last) || this.#nameOf(last) === this.#tracker.routeId
  }

  /** Returns whether the request counts for a catch-all, if for any handler. */
  get #isForMany(): boolean {
    const counted = this.#routes[this.#counted]
    return counted === undefined || isWide(counted)
  }

  #find(routeId: string, isKind: (route: Route) => boolean): number {
    return this.#routes.findIndex((route, at) => at > this.#start && isKind(route) && this.#nameOf(route) === routeId)
  }

  /** Returns whether the request may come to a handler that it should count for instead: none is reached after one that answers. */
  #isOpen(): boolean {
    const counted = this.#routes[this.#counted]
    const isEnd = counted !== undefined && arity(counted) < 2
    const isForMany = this.#isForMany
    return this.#routes.some(
      (route, at) =>
        at > this.#start &&
        at !== this.#counted &&
        ((isForMany && isProspect(route)) || (!isEnd && at > this.#counted && isHandler(route))),
    )
  }

  #nameOf(route: Route): string {
    return nameOf(this.#context, route)
  }

  #arrive(): void {
    const index = this.#current
    const route = this.#routes[index]
    if (route === undefined || index <= this.#start || index === this.#counted || this.#tracker.isNamed) return
    const counted = this.#routes[this.#counted]
    const isPassed = index > this.#counted
    if (isPassed) learn(counted, false)
    // A handler that may pass the request on is worth a name where that is narrower than a catch-all's.
    const isNarrower = this.#isForMany && isProspect(route) && route.path.length > (counted?.path.length ?? 0)
    if (!isNarrower && !(isPassed && isHandler(route))) return
    const routeId = this.#nameOf(route)
    this.#counted = index
    if (routeId === this.#tracker.routeId) return
    this.refusal = this.#tracker.rename(routeId)
    if (this.refusal !== undefined) throw refusalError(routeId, this.refusal)
  }
}
