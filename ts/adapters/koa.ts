/** `atrion/koa`: middleware for Koa. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Atrion } from '../atrion.js'
import { withTier } from './_context.js'
import { Gate } from './_gate.js'
import { Passage } from './_lifecycle.js'
import { type AdapterOptions, patternRoute } from './_options.js'
import { PROBLEM_TYPE, refusalOf } from './_refusal.js'

export { currentTier, withTier } from './_context.js'
export type { AdapterOptions, PressureOptions, Signal } from './_options.js'

/** What is used of Koa's context; Koa's own is one. */
export interface KoaContext {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly method: string
  readonly path: string
  status: number
  body: unknown
  set(field: string, value: string): void
}

export type KoaOptions<Context extends KoaContext = KoaContext> = AdapterOptions<Context, Context>

export type KoaMiddleware<Context extends KoaContext = KoaContext> = (
  context: Context,
  next: () => Promise<unknown>,
) => Promise<unknown>

/** @koa/router and koa-router, as far as they tell of themselves. */
interface Router {
  match(path: string, method: string): { readonly pathAndMethod: readonly RouterLayer[] }
}

interface RouterLayer {
  readonly path: unknown
  /** None for the router's own middleware. */
  readonly methods: readonly string[]
}

interface Routed {
  readonly app?: { readonly middleware?: readonly { readonly router?: Router }[] }
  /** Set by the router while it runs. */
  readonly _matchedRoute?: unknown
}

const written = (path: unknown): string => (Array.isArray(path) ? path.map(String).join('|') : String(path))

/** Koa has no patterns; the routers in the application's stack have. */
function koaRoute(context: KoaContext): string | undefined {
  const { app, _matchedRoute: matched } = context as KoaContext & Routed
  for (const { router } of app?.middleware ?? []) {
    if (typeof router?.match !== 'function') continue
    const layers = router.match(context.path, context.method).pathAndMethod
    for (let i = layers.length - 1; i >= 0; i--) {
      const { methods, path } = layers[i]!
      if (methods.length > 0) return patternRoute(context.method, written(path))
    }
  }
  return matched === undefined ? undefined : patternRoute(context.method, written(matched))
}

/**
 * Guards everything after it: `app.use(atrionKoa(atrion, options))`, or `router.use(…)`.
 *
 * Routes are the patterns of @koa/router (`GET /users/:id`), looked up in the routers that the application uses. Where there is
 * none, and for URLs that no router knows, requests share `GET *`, one a method.
 *
 * @throws ConfigError for an option of the wrong type
 */
export function atrionKoa<Context extends KoaContext = KoaContext>(
  atrion: Atrion,
  options: KoaOptions<Context> = {},
): KoaMiddleware<Context> {
  const gate = new Gate<Context, Context>(atrion, options)
  const { onShed, propagate, route } = options
  return async (context, next) => {
    if (gate.skips(context)) return next()
    const { req, res } = context
    const routeId = gate.routeOf(context, req, route === undefined ? patternOf(context) : undefined)
    const permit = gate.enter(routeId, context, req)
    if (permit.allow) {
      new Passage(atrion, routeId, permit, req, res)
      return propagate === true ? withTier(gate.lastTier, next) : next()
    }
    if (onShed !== undefined) return onShed(context, context, permit)
    const { retryAfterS, body } = refusalOf(permit)
    context.status = 503
    context.set('Retry-After', retryAfterS)
    context.set('Cache-Control', 'no-store')
    context.set('Content-Type', PROBLEM_TYPE)
    context.body = body
    return undefined
  }
}

/** A router of another make must not take the service down. */
function patternOf(context: KoaContext): string | undefined {
  try {
    return koaRoute(context)
  } catch {
    return undefined
  }
}
