/**
 * Handlers of Express routes, wrapped once where a guarded request is going to reach them: what they return is when their work
 * is over, and which of them is reached names the route. A wrapped handler has the name, the parameters and the answer of
 * the one within.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  appOf,
  type ExpressApp,
  type ExpressRoute,
  foundApp,
  type Handle,
  type Layer,
  stackOf,
} from './_express-mount.js'
import {
  type Candidate,
  candidateOf,
  candidatesIn,
  type ExpressRequest,
  patterns,
  type Routing,
} from './_express-pattern.js'
import { patternRoute } from './_method.js'
import { describeShed } from './_problem.js'
import { refuse } from './_refusal.js'
import { isPromise } from './_resolve.js'
import { lastTracker, type ResponseTracker } from './_response-tracker.js'

const ROUTING = Symbol('atrion.routing')

type Routed = IncomingMessage & ExpressRequest & { [ROUTING]?: Routing; route?: ExpressRoute }

const wrapped = new WeakSet<object>()

type Handler = (this: unknown, request: Routed, response: ServerResponse, next: (error?: unknown) => void) => unknown

/** The request has come to this route: the refusal of it, where it was admitted as another one. */
function arrive(request: Routed, response: ServerResponse, tracker: ResponseTracker, route: ExpressRoute): boolean {
  const routing = request[ROUTING]
  if (routing === undefined || tracker.isNamed) return true
  const { candidates, chosen } = routing
  const at = candidates.findIndex((candidate) => candidate.route === route)
  // A request whose URL was rewritten on its way comes to a route of other requests.
  const candidate = candidates[at] ?? { route, pattern: patterns.get(route), isLast: true }
  if (candidate === chosen) return true
  // One before the chosen that may pass the request on is no reason to count it for that.
  const isPassed = chosen === undefined || at < 0 || at > candidates.indexOf(chosen)
  if (!isPassed && !candidate.isLast) return true
  routing.chosen = candidate
  const refusal = tracker.rename(patternRoute(request.method, candidate.pattern ?? '*'))
  if (refusal === undefined) return true
  if (tracker.refuse !== undefined) tracker.refuse(refusal)
  else refuse(request, response, refusal)
  return false
}

function wrap(layer: Layer, route: ExpressRoute, isFirst: boolean): void {
  const handle = layer.handle as Handler | undefined
  if (handle === undefined || handle.length > 3 || wrapped.has(handle)) return
  const isExpress4 = 'handle_request' in layer
  const handler: Handler = function guarded(request, response, next) {
    const tracker = lastTracker(request)
    if (tracker === undefined) return handle.call(this, request, response, next)
    if (isFirst && !arrive(request, response, tracker, route)) return undefined
    const onward = (error?: unknown): void => {
      noteShed(tracker, error)
      next(error)
    }
    try {
      const result = tracker.running(() => handle.call(this, request, response, onward))
      if (isPromise(result)) passRejection(result, isExpress4 ? onward : undefined)
      return result
    } catch (error) {
      noteShed(tracker, error)
      throw error
    }
  }
  for (const name of ['name', 'length'] as const) {
    Object.defineProperty(handler, name, { value: handle[name], configurable: true })
  }
  wrapped.add(handler)
  layer.handle = Object.assign(handler, handle) as unknown as Handle
}

function noteShed(tracker: ResponseTracker, error: unknown): void {
  const shed = describeShed(error)
  if (shed !== undefined) tracker.noteShed(shed)
}

/**
 * Express 5 hands what a promise rejects with on to the error handlers. Express 4 does not look: a shed is handed on for it, and
 * any other error stays unhandled, as it would be without a guard.
 */
function passRejection(work: PromiseLike<unknown>, next: ((error: unknown) => void) | undefined): void {
  work.then(undefined, (error: unknown) => {
    const shed = describeShed(error)
    if (next === undefined) return
    if (shed === undefined) throw error
    next(error)
  })
}

/**
 * Calls `arrived` with the application that a request has come to, once it is another one. A router reads the request's URL
 * before it looks for a layer, and by the time that a mounted one does, the request is one of its application's.
 */
function whenInnerApp(request: Routed, arrived: (app: ExpressApp) => void): () => void {
  const { app: outer } = request
  let { url } = request
  const stop = (): void => {
    Object.defineProperty(request, 'url', { value: url, configurable: true, enumerable: true, writable: true })
  }
  Object.defineProperty(request, 'url', {
    configurable: true,
    enumerable: true,
    get() {
      const { app } = request
      if (app !== undefined && app !== outer) {
        stop()
        try {
          arrived(app)
        } catch {} // a layer of another make harms no request
      }
      return url
    },
    set(value: string) {
      url = value
    },
  })
  return stop
}

/** Wraps a mounted application until the first request has shown which one it is. */
function wrapMount(layer: Layer, mount: string): void {
  const handle = layer.handle as Handler | undefined
  if (handle === undefined || wrapped.has(handle)) return
  const handler: Handler = function mountedApp(request, response, next) {
    if (appOf(layer) !== undefined || lastTracker(request) === undefined) {
      return handle.call(this, request, response, next)
    }
    const stop = whenInnerApp(request, (app) => {
      foundApp(layer, app)
      layer.handle = handle as unknown as Handle
      const candidates = candidatesIn(stackOf(app) ?? [], request.url ?? '/', request.method ?? 'GET', mount)
      tieTo(request, { candidates, chosen: undefined })
    })
    return handle.call(this, request, response, (error?: unknown) => {
      stop()
      next(error)
    })
  }
  Object.defineProperty(handler, 'name', { value: handle.name, configurable: true })
  wrapped.add(handler)
  layer.handle = handler as unknown as Handle
}

/** Routes that have been seen, and how many handlers they had. */
const seen = new WeakMap<ExpressRoute, number>()

/** Ties a request to the routes that it may come to. */
function tieTo(request: Routed, routing: Routing): void {
  request[ROUTING] = routing
  for (const candidate of routing.candidates) wrapHandlers(candidate)
}

function wrapHandlers({ route, unknown, pattern }: Candidate): void {
  if (unknown !== undefined) wrapMount(unknown.layer, unknown.mount)
  const stack = route?.stack
  if (route === undefined || stack === undefined || seen.get(route) === stack.length) return
  patterns.set(route, pattern)
  seen.set(route, stack.length)
  stack.forEach((layer, i) => {
    wrap(layer, route, i === 0 || stack[i - 1]?.method !== layer.method)
  })
}

/**
 * Watches for routes that were out of sight: of a router that some middleware calls. A router sets `request.route` just before it
 * runs the handlers of that.
 */
function whenRouted(request: Routed): void {
  let { route } = request
  Object.defineProperty(request, 'route', {
    configurable: true,
    enumerable: true,
    get: () => route,
    set(value: ExpressRoute | undefined) {
      route = value
      const routing = request[ROUTING]
      if (value?.stack === undefined || routing === undefined) return
      if (patterns.has(value) || routing.candidates.some((candidate) => candidate.route === value)) return
      try {
        wrapHandlers(candidateOf(value, request, routing.chosen))
      } catch {} // a route of another make harms no request
    },
  })
}

/** Ties a tracker to the routes that its request may come to. Never throws. */
export function tie(tracker: ResponseTracker, request: IncomingMessage, routing: Routing): void {
  const routed = request as Routed
  tieTo(routed, routing)
  const { candidates, chosen } = routing
  if (tracker.isNamed) return
  if (chosen?.route === undefined && routed.route === undefined) whenRouted(routed)
  if (chosen === undefined) return
  tracker.answersFor ??= () => {
    const { route } = routed
    // One before the chosen route answered: nothing was learnt of that.
    return route === undefined || route === routing.chosen?.route || !candidates.some((one) => one.route === route)
  }
}
