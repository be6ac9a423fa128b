/** `atrion/hono`: middleware for Hono, on Node by @hono/node-server, and elsewhere as far as Hono tells. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Context, MiddlewareHandler } from 'hono'
import type { Atrion } from '../atrion.js'
import { type BodyEnd, watchBody } from './_body.js'
import { withTier } from './_context.js'
import { Gate, type NodeRequest } from './_gate.js'
import { Passage } from './_lifecycle.js'
import { type AdapterOptions, patternRoute } from './_options.js'
import { PROBLEM_TYPE, refusalOf } from './_refusal.js'

export { currentTier, withTier } from './_context.js'
export type { AdapterOptions, PressureOptions, Signal } from './_options.js'

/** `onShed` returns the response. */
export type HonoOptions = AdapterOptions<Context, Context>

interface NodeBindings {
  readonly incoming?: IncomingMessage
  readonly outgoing?: ServerResponse
}

/**
 * Middleware takes a `next`, handlers do not. The last handler that matched is the route. (`hono/route` would answer only where
 * it is the same copy of Hono, which it is not for an application of ES modules.)
 */
function honoRoute(context: Context): string | undefined {
  const routes = context.req.matchedRoutes ?? []
  for (let i = routes.length - 1; i >= 0; i--) {
    const { handler, method, path } = routes[i]!
    if (method !== 'ALL' || handler.length < 2) return patternRoute(context.req.method, path)
  }
  return undefined
}

/** Where there is no Node beneath. */
const nodeRequestOf = (context: Context): NodeRequest => ({
  method: context.req.method,
  headers: Object.fromEntries(context.req.raw.headers),
})

/**
 * Guards everything registered after it: `app.use(atrionHono(atrion, options))`.
 *
 * Routes are Hono's own patterns (`GET /users/:id`); URLs that nothing is registered for share `GET *`, one a method. On Node
 * a permit is held until the response is out; elsewhere until its body has been read.
 *
 * @throws ConfigError for an option of the wrong type
 */
export function atrionHono(atrion: Atrion, options: HonoOptions = {}): MiddlewareHandler {
  const gate = new Gate<Context, Context>(atrion, options)
  const { onShed, propagate, route } = options
  return async (context, next) => {
    if (gate.skips(context)) return next()
    const { incoming, outgoing } = (context.env ?? {}) as NodeBindings
    const node = incoming ?? nodeRequestOf(context)
    const routeId = gate.routeOf(context, node, route === undefined ? honoRoute(context) : undefined)
    const permit = gate.enter(routeId, context, node)
    if (!permit.allow) {
      if (onShed !== undefined) return (await onShed(context, context, permit)) as Response
      const { retryAfterS, body } = refusalOf(permit)
      const headers = { 'content-type': PROBLEM_TYPE, 'retry-after': retryAfterS, 'cache-control': 'no-store' }
      return context.body(body, 503, headers)
    }
    const tier = gate.lastTier
    const passage = incoming && outgoing && new Passage(atrion, routeId, permit, incoming, outgoing)
    try {
      await (propagate === true ? withTier(tier, next) : next())
    } catch (error) {
      permit.release('failure')
      throw error
    }
    if (passage !== undefined) return undefined
    const failed = context.res.status >= 500
    const release = (end: BodyEnd): void => {
      permit.release(end === 'cancelled' ? 'ignored' : failed || end === 'failed' ? 'failure' : 'success')
    }
    // Of an answer to a HEAD Hono drops the body, unread.
    if (context.req.method === 'HEAD') release('read')
    else context.res = watchBody(context.res, release)
    return undefined
  }
}
