/** `atrion/express`: middleware for Express 4 and 5. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Request as ExpressRequest, Response as ExpressResponse } from 'express'
import type { Atrion } from '../atrion.js'
import type { Permit } from '../limiter/types.js'
import { withTier } from './_context.js'
import { tie } from './_express-layers.js'
import { expressRoute, lookUp, type Routing } from './_express-pattern.js'
import { Gate } from './_gate.js'
import type { AdapterOptions } from './_options.js'
import { refuseOnNode } from './_refusal.js'
import { isThenable } from './_resolve.js'

export { currentTier, withTier } from './_context.js'
export type { AdapterOptions, PressureOptions, Signal } from './_options.js'
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
    let routing: Routing | undefined
    const pattern = (): string | undefined => {
      routing = lookUp(request)
      return expressRoute(request, routing)
    }
    const refuse = (permit: Permit): void =>
      refuseOnNode(node, response, permit, onShed && (() => onShed(request, response, permit)), next)
    const entered = gate.pass<void>(
      { request, node, response, pattern },
      (tracker) => {
        if (tracker === undefined) return next()
        tracker.refuse ??= refuse
        tie(tracker, node, routing ?? lookUp(request))
        if (propagate === true) withTier(tracker.tier, next)
        else next()
      },
      refuse,
    )
    if (isThenable(entered)) entered.then(undefined, next)
  }
}
