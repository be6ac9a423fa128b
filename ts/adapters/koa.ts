/** `atrion/koa`: middleware for Koa. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ParameterizedContext } from 'koa'
import type { Atrion } from '../atrion.js'
import { textOfAny } from '../base/host-calls.js'
import { warnOnce } from '../base/warn-once.js'
import { shedErrorOf } from '../limiter/run.js'
import type { Permit } from '../limiter/types.js'
import { withTier } from './_context.js'
import { Gate } from './_gate.js'
import { koaPlace, whenRouted } from './_koa-pattern.js'
import type { AdapterOptions } from './_options.js'
import { PROBLEM_TYPE, refusalHeaders, refusalOf, type Shed, shedIn } from './_problem.js'
import { isHttpError } from './_refusal.js'
import { leaveBody } from './_request-body.js'
import { isThenable } from './_resolve.js'
import type { ResponseTracker } from './_response-tracker.js'
import { arriveOnNode } from './_route-arrival.js'
import { type AdapterRouteOptions, markRoute, routeOptionsOf } from './_route-options.js'

export { cancelSignal } from './_cancel.js'
export { currentTier, withTier } from './_context.js'
export type { AdapterOptions, PressureOptions, Signal } from './_options.js'
export type { AdapterRouteOptions } from './_route-options.js'
export { openStreams } from './_stream.js'

/** The part of Koa's context that is used; Koa's own is one. */
export interface KoaContext {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly method: string
  readonly path: string
  status: number
  body: unknown
  set(field: string, value: string): void
}

/** The options' callbacks get Koa's own context. */
export type KoaOptions<Context extends KoaContext = ParameterizedContext> = AdapterOptions<Context, Context>

export type KoaMiddleware<Context extends KoaContext = ParameterizedContext> = (
  context: Context,
  next: () => Promise<unknown>,
) => Promise<unknown>

function refuse(context: KoaContext, shed: Shed): void {
  if (context.res.headersSent) return
  const refusal = refusalOf(shed)
  context.status = 503
  for (const [name, value] of Object.entries(refusalHeaders(refusal))) context.set(name, value)
  context.set('Content-Type', PROBLEM_TYPE)
  context.body = refusal.body
}

/** An application's own answer; ours where it throws or rejects with what is no answer of Koa's. */
async function refuseOwn(context: KoaContext, shed: Shed, answer: () => unknown): Promise<void> {
  try {
    const result = answer()
    if (isThenable(result)) await result
  } catch (error) {
    if (isHttpError(error)) throw error
    warnOnce('callback onShed', `the adapter's option 'onShed' threw: ${textOfAny(error)}`)
    refuse(context, shed)
  }
}

/**
 * Guards everything after it: `app.use(atrionKoa(atrion, options))`, or `router.use(…)`.
 *
 * Routes are the patterns of @koa/router (`GET /users/:id`), looked up in the routers that the application uses; a request that
 * a router further in routes counts for its pattern from then on. Where there is none, and for URLs that no router knows,
 * requests share `GET *`, one a method. The handler is over when its promise is settled.
 *
 * @throws ConfigError for an option that is unknown, of the wrong type or out of its range
 */
export function atrionKoa<Context extends KoaContext = ParameterizedContext>(
  atrion: Atrion,
  options: KoaOptions<Context> = {},
): KoaMiddleware<Context> {
  const gate = new Gate<Context, Context>(atrion, options)
  const { onShed, propagate } = gate.options

  const shed = (context: Context, refusal: Shed, permit: Permit | undefined): void | Promise<void> => {
    leaveBody(context.req, context.res)
    if (onShed === undefined || permit === undefined) refuse(context, refusal)
    else return refuseOwn(context, permit, () => onShed(context, context, permit))
  }

  const handle = async (tracker: ResponseTracker, context: Context, next: () => Promise<unknown>): Promise<unknown> => {
    let refusal: Permit | undefined
    tracker.refuse = (permit) => {
      refusal = permit
    }
    if (!tracker.isNamed) whenRouted(context, tracker)
    const work = tracker.running(propagate === true ? () => withTier(tracker.tier, next) : next)
    try {
      const result = await work
      tracker.noteType(context.res.getHeader('content-type'))
      return result
    } catch (error) {
      const inner = shedIn(error)
      if (inner === undefined || context.res.headersSent) throw error
      tracker.noteShed(inner)
      return shed(context, refusal ?? inner, refusal)
    }
  }

  return async (context, next) => {
    const { routeId, own } = koaPlace(context)
    return gate.pass<unknown>(
      { request: context, node: context.req, response: context.res, pattern: () => routeId, own },
      (tracker) => (tracker === undefined ? next() : handle(tracker, context, next)),
      (permit) => shed(context, permit, permit),
    )
  }
}

/**
 * Options of a route, or of a router, beneath the guard of the application:
 * `router.get('/pay', atrionKoa.route({ tier: 'high' }), pay)`. It takes no permit of its own.
 *
 * @throws ConfigError for an option that is unknown, of the wrong type or out of its range
 */
function route<Context extends KoaContext = ParameterizedContext>(
  given: AdapterRouteOptions<Context>,
): KoaMiddleware<Context> {
  const options = routeOptionsOf(given)
  const middleware: KoaMiddleware<Context> = async (context, next) => {
    const refusal = await arriveOnNode(context.req, middleware, context, options)
    if (refusal === undefined) return next()
    refusal.refuse?.(refusal.permit)
    throw shedErrorOf(koaPlace(context).routeId ?? '*', refusal.permit)
  }
  return markRoute(middleware, options)
}

atrionKoa.route = route
