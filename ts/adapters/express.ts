/** `atrion/express`: middleware for Express 4 and 5. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Atrion } from '../atrion.js'
import { withTier } from './_context.js'
import { type ExpressRequest, expressRoute } from './_express-pattern.js'
import { Gate } from './_gate.js'
import { Passage } from './_lifecycle.js'
import type { AdapterOptions } from './_options.js'
import { refuse } from './_refusal.js'

export { currentTier, withTier } from './_context.js'
export type { AdapterOptions, PressureOptions, Signal } from './_options.js'

/** Express's request and response as far as they are Node's. Name Express's own types to have them in the options. */
export type ExpressOptions<
  Request extends IncomingMessage = IncomingMessage,
  Response extends ServerResponse = ServerResponse,
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
 * stack before Express routes. URLs without a pattern share `GET *`, one a method; so do all requests where there is no Express
 * application around the middleware (Connect).
 *
 * @throws ConfigError for an option of the wrong type
 */
export function atrionExpress<
  Request extends IncomingMessage = IncomingMessage,
  Response extends ServerResponse = ServerResponse,
>(atrion: Atrion, options: ExpressOptions<Request, Response> = {}): ExpressMiddleware {
  const gate = new Gate<Request, Response>(atrion, options)
  const { onShed, propagate, route } = options
  return (req, res, next) => {
    const request = req as Request
    const response = res as Response
    if (gate.skips(request)) return next()
    const pattern = route === undefined ? expressRoute(request as ExpressRequest) : undefined
    const routeId = gate.routeOf(request, request, pattern ?? undefined)
    const permit = gate.enter(routeId, request, request)
    if (!permit.allow) {
      if (onShed === undefined) refuse(response, permit)
      else onShed(request, response, permit)
      return
    }
    new Passage(atrion, routeId, permit, request, response)
    if (propagate === true) withTier(gate.lastTier, next)
    else next()
  }
}
