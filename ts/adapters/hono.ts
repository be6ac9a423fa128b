/** `atrion/hono`: middleware for Hono, on Node by @hono/node-server, and elsewhere as far as Hono tells. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Context, Env, MiddlewareHandler } from 'hono'
import type { Atrion } from '../atrion.js'
import { isShedError } from '../base/errors.js'
import { textOfAny } from '../base/host-calls.js'
import { warnOnce } from '../base/warn-once.js'
import type { Permit } from '../limiter/types.js'
import type { AcquireParams } from './_acquire-params.js'
import type { RequestAdmission } from './_admission.js'
import { withTier } from './_context.js'
import { Gate, type NodeRequest } from './_gate.js'
import { Handlers, honoPlace } from './_hono-pattern.js'
import { sharedRoute } from './_method.js'
import type { AdapterOptions } from './_options.js'
import { PROBLEM_TYPE, refusalHeaders, refusalOf, type Shed, shedIn } from './_problem.js'
import { isHttpError } from './_refusal.js'
import { leaveBody } from './_request-body.js'
import { bounded, isThenable } from './_resolve.js'
import type { ResponseTracker } from './_response-tracker.js'
import { arriveOnNode, arriveOnWeb } from './_route-arrival.js'
import { type AdapterRouteOptions, markRoute, routeOptionsOf } from './_route-options.js'
import { hasRoom } from './_stream.js'
import { noteWebRefused, WebResponseTracker, webPassageOf } from './_web-response-tracker.js'

export type { RequestAdmission } from './_admission.js'
export { cancelSignal } from './_cancel.js'
export { currentTier, withTier } from './_context.js'
export type { AdapterOptions, PressureOptions, Signal } from './_options.js'
export type { AdapterRouteOptions } from './_route-options.js'
export { openStreams } from './_stream.js'

/** `onShed` returns the response. The callbacks get Hono's context of the application's own environment. */
export type HonoOptions<E extends Env = Env> = AdapterOptions<Context<E>, Context<E>>

/** The variables that a guard sets: `context.var.atrion`, `context.get('atrionAdmission')`. */
export interface AtrionVariables {
  /** The instance that decides. */
  readonly atrion: Atrion
  /** The request as it was admitted; undefined where it is not guarded. */
  readonly atrionAdmission: RequestAdmission | undefined
}

/** The part of an application's environment that a guard adds: `new Hono<AtrionEnv & MyEnv>()`. */
export interface AtrionEnv {
  Variables: AtrionVariables
}

interface NodeBindings {
  readonly incoming?: IncomingMessage
  readonly outgoing?: ServerResponse
}

type Next = () => Promise<void>

/** The tracker where there is no Node beneath. */
const nodeRequestOf = (context: Context): NodeRequest => ({
  method: context.req.method,
  headers: Object.fromEntries(context.req.raw.headers),
})

function shedResponse(shed: Shed): Response {
  const refusal = refusalOf(shed)
  const headers = { ...refusalHeaders(refusal), 'content-type': PROBLEM_TYPE }
  return new Response(refusal.body, { status: 503, headers })
}

/** Waits for what comes next. A route that refuses a request that has come to it is no error. */
async function passed(work: Promise<void>, handlers: Handlers | undefined): Promise<void> {
  try {
    await work
  } catch (error) {
    if (handlers?.refusal === undefined || !isShedError(error)) throw error
  }
}

/** An application's own answer; the adapter's where it throws, rejects, or returns none. */
async function ownResponse(shed: Shed, answer: () => unknown): Promise<Response> {
  try {
    const result = answer()
    const response = isThenable(result) ? await bounded('onShed', guarded(result), undefined) : result
    if (response instanceof RaisedError) throw response.error
    if (typeof (response as Response | undefined)?.status === 'number') return response as Response
    warnOnce('callback onShed', "the adapter's option 'onShed' returned no response")
  } catch (error) {
    if (isHttpError(error)) throw error
    warnOnce('callback onShed', `the adapter's option 'onShed' threw: ${textOfAny(error)}`)
  }
  return shedResponse(shed)
}

/** An error of Hono's own, which is an answer. */
class RaisedError {
  readonly error: unknown
  constructor(error: unknown) {
    this.error = error
  }
}

const guarded = (work: PromiseLike<unknown>): PromiseLike<unknown> =>
  work.then(undefined, (error: unknown) => {
    if (isHttpError(error)) return new RaisedError(error)
    throw error
  })

/**
 * Guards everything registered after it: `app.use(atrionHono(atrion, options))`.
 *
 * Routes are Hono's own patterns (`GET /users/:id`); URLs that nothing is registered for share `GET *`, one a method. On Node
 * a permit is held until the handler is over and the response handed over; elsewhere until its body has been read.
 *
 * @throws ConfigError for an option that is unknown, of the wrong type or out of its range
 */
export function atrionHono<E extends Env = Env>(
  atrion: Atrion,
  options: HonoOptions<E> = {},
): MiddlewareHandler<E & AtrionEnv> {
  const gate = new Gate<Context<E>, Context<E>>(atrion, options)
  const { onShed, propagate } = gate.options

  const refuse = (context: Context<E>, permit: Permit): Response | Promise<Response> =>
    onShed === undefined ? shedResponse(permit) : ownResponse(permit, () => onShed(context, context, permit))

  /** A shed of a guard further in, where it was made an error of, or of a route that Hono came to: it has caught it by now. */
  const answerShed = async (
    context: Context<E>,
    tracker: ResponseTracker | WebResponseTracker,
    handlers?: Handlers,
  ): Promise<void> => {
    const refusal = handlers?.refusal
    const shed = refusal ?? shedIn(context.error)
    if (shed === undefined) return
    tracker.noteShed(shed)
    if (refusal === undefined && context.res.status !== 500) return
    const response = refusal === undefined ? shedResponse(shed) : await refuse(context, refusal)
    context.res = undefined
    context.res = response
  }

  /** Gives the handlers their variables, and the tracker the way to answer a refusal further in. */
  const attach = (context: Context, tracker: ResponseTracker | WebResponseTracker): void => {
    tracker.refuse ??= (permit) => refuse(context as Context<E>, permit)
    context.set('atrionAdmission', tracker)
  }

  const onNode = async (context: Context<E>, next: Next, tracker: ResponseTracker): Promise<undefined> => {
    attach(context, tracker)
    const handlers = tracker.isNamed ? undefined : new Handlers(context, tracker)
    if (handlers !== undefined) tracker.answersFor ??= handlers.isAsCounted
    const work = tracker.running(propagate === true ? () => withTier(tracker.tier, next) : next)
    await passed(work, handlers)
    await answerShed(context, tracker, handlers)
    tracker.noteType(context.res.headers.get('content-type'))
    return undefined
  }

  const onWeb = async (
    context: Context<E>,
    next: Next,
    tracker: WebResponseTracker,
    tier: AcquireParams['tier'],
  ): Promise<void> => {
    attach(context, tracker)
    const handlers = tracker.isNamed ? undefined : new Handlers(context, tracker)
    const isGone = (): boolean => context.req.raw.signal?.aborted === true
    try {
      await passed(propagate === true ? withTier(tier ?? 'normal', next) : next(), handlers)
      await answerShed(context, tracker, handlers)
      if (handlers?.isAsCounted() === false) tracker.disown()
      // Of an answer to a HEAD Hono drops the body, unread.
      const hasBody = context.req.method !== 'HEAD'
      const given = tracker.give(context.res, hasBody, isGone, () =>
        shedResponse({ retryAfterMs: undefined, limitedBy: undefined }),
      )
      if (given !== context.res) context.res = given
    } catch (error) {
      tracker.fail(error, isGone())
      throw error
    }
  }

  /** Without Node beneath there is a request and a response, and no connection. */
  const enterWeb = async (context: Context<E>, next: Next): Promise<Response | undefined> => {
    const node = nodeRequestOf(context)
    const { routeId: pattern, own } = honoPlace(context)
    const params = await gate.ask(context, node, own)
    const outer = webPassageOf(context.req.raw, atrion)
    const known = params?.route ?? pattern
    const turnAway = (permit: Permit): Response | Promise<Response> => {
      noteWebRefused(context.req.raw, permit)
      return refuse(context, gate.dress(permit, known))
    }
    if (params === undefined) {
      if (own?.skip !== undefined) outer?.dismiss()
      await next()
      return undefined
    }
    if (outer !== undefined) {
      const refusal = outer.refine(known, params)
      if (refusal !== undefined) return turnAway(refusal)
      await next()
      await answerShed(context, outer)
      return undefined
    }
    const routeId = known ?? sharedRoute(node.method)
    const { isStream } = params
    if (isStream && !hasRoom(atrion, routeId, gate.maxStreams)) return turnAway(gate.spent(routeId, params))
    const permit = await gate.enter(routeId, params, node, undefined, own?.maxWaitMs)
    if (!permit.allow) return turnAway(permit)
    const tracker = new WebResponseTracker(gate, routeId, permit, params, context.req.raw, isStream)
    tracker.foreseen = own
    await onWeb(context, next, tracker, params.tier)
    return undefined
  }

  return async (given, next) => {
    const context = given as unknown as Context<E>
    given.set('atrion', atrion)
    const { incoming, outgoing } = (context.env ?? {}) as NodeBindings
    if (incoming === undefined || outgoing === undefined) return enterWeb(context, next)
    const { routeId, own } = honoPlace(context)
    return gate.pass<Promise<Response | undefined> | Response>(
      { request: context, node: incoming, response: outgoing, pattern: () => routeId, own },
      (tracker) => (tracker === undefined ? next().then(() => undefined) : onNode(context, next, tracker)),
      (permit) => {
        leaveBody(incoming, outgoing)
        return refuse(context, permit)
      },
    )
  }
}

/**
 * Options of a route beneath the guard of the application:
 * `app.get('/pay', atrionHono.route({ tier: 'high' }), pay)`. It takes no permit of its own.
 *
 * @throws ConfigError for an option that is unknown, of the wrong type or out of its range
 */
function route<E extends Env = Env>(given: AdapterRouteOptions<Context<E>>): MiddlewareHandler<E> {
  const options = routeOptionsOf(given)
  const middleware: MiddlewareHandler<E> = async (context, next) => {
    const { incoming } = (context.env ?? {}) as NodeBindings
    const refusal = await (incoming === undefined
      ? arriveOnWeb(context.req.raw, middleware, context, options)
      : arriveOnNode(incoming, middleware, context, options))
    if (refusal === undefined) return next()
    if (incoming !== undefined) leaveBody(incoming, (context.env as NodeBindings).outgoing!)
    const { permit, refuse = shedResponse } = refusal
    return (await refuse(permit)) as Response
  }
  return markRoute(middleware, options)
}

atrionHono.route = route
