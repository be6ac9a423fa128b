/** `atrion/express`: middleware for Express 4 and 5. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Request as ExpressRequest, Response as ExpressResponse } from 'express'
import type { Atrion } from '../atrion.js'
import type { Permit } from '../limiter/types.js'
import { withTier } from './_context.js'
import { tie } from './_express-layers.js'
import { expressRoute, lookUp } from './_express-pattern.js'
import { Gate } from './_gate.js'
import type { AdapterOptions } from './_options.js'
import { refuseOnNode } from './_refusal.js'
import { isThenable } from './_resolve.js'
import { arriveOnNode } from './_route-arrival.js'
import { type AdapterRouteOptions, markRoute, routeOptionsOf } from './_route-options.js'

export { cancelSignal } from './_cancel.js'
export { currentTier, withTier } from './_context.js'
export type { AdapterOptions, PressureOptions, Signal } from './_options.js'
export type { AdapterRouteOptions } from './_route-options.js'
export { openStreams } from './_stream.js'

/** The options' callbacks get Express's own request and response. */
export type ExpressOptions<
  Request extends IncomingMessage = ExpressRequest,
  Response extends ServerResponse = ExpressResponse,
> = AdapterOptions<Request, Response>

export type ExpressMiddleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void

/**
 * Guards everything registered after it: `app.use(atrionExpress(atrion, options))`, once, before what costs.
 *
 * Routes are Express's own patterns, nested routers included: `GET /users/:id`. The pattern is looked up in the application's
 * stack before Express routes; a request that another route answers after all counts for that one. URLs without a pattern share
 * `GET *`, one a method; so do all requests where there is no Express application around the middleware (Connect).
 *
 * @throws ConfigError for an option that is unknown, of the wrong type or out of its range
 */
export function atrionExpress<
  Request extends IncomingMessage = ExpressRequest,
  Response extends ServerResponse = ExpressResponse,
>(atrion: Atrion, options: ExpressOptions<Request, Response> = {}): ExpressMiddleware {
  const gate = new Gate<Request, Response>(atrion, options)
  const { onShed, propagate } = gate.options
  return (node, serverResponse, next) => {
    const request = node as Request
    const response = serverResponse as Response
    const routing = lookUp(request)
    const pattern = (): string | undefined => expressRoute(request, routing)
    const refuse = (permit: Permit): void =>
      refuseOnNode(node, response, permit, onShed && (() => onShed(request, response, permit)), next)
    const entered = gate.pass<void>(
      { request, node, response, pattern, own: routing.chosen?.own },
      (tracker) => {
        if (tracker === undefined) return next()
        tracker.refuse ??= refuse
        tie(tracker, node, routing)
        if (propagate === true) withTier(tracker.tier, next)
        else next()
      },
      refuse,
    )
    if (isThenable(entered)) entered.then(undefined, next)
  }
}

/**
 * Options of a route, or of a router, beneath the guard of the application:
 * `app.get('/pay', atrionExpress.route({ tier: 'high' }), pay)`. It takes no permit of its own.
 *
 * @throws ConfigError for an option that is unknown, of the wrong type or out of its range
 */
function route<Request extends IncomingMessage = ExpressRequest>(
  given: AdapterRouteOptions<Request>,
): ExpressMiddleware {
  const options = routeOptionsOf(given)
  const middleware: ExpressMiddleware = (node, response, next) => {
    const refuse = (permit: Permit): void => refuseOnNode(node, response, permit)
    const arrived = arriveOnNode(node, middleware, node as Request, options)
    if (!isThenable(arrived)) {
      if (arrived === undefined) next()
      else (arrived.refuse ?? refuse)(arrived.permit)
      return
    }
    arrived.then((refusal) => (refusal === undefined ? next() : (refusal.refuse ?? refuse)(refusal.permit)))
  }
  return markRoute(middleware, options)
}

atrionExpress.route = route
