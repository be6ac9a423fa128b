/**
 * The patterns of Hono. All routes that match are known beforehand, in their order: middleware takes a `next`, handlers need
 * not. (`hono/route` would answer only where it is the same copy of Hono, which it is not for an application of ES modules.)
 */

import type { Context } from 'hono'
import { patternRoute } from './_method.js'

interface Route {
  readonly handler: { readonly length: number }
  readonly method: string
  readonly path: string
}

/** Around a handler of a sub-application with an error handler of its own. */
const COMPOSED = '__COMPOSED_HANDLER'

const arity = ({ handler }: Route): number =>
  ((handler as { readonly [COMPOSED]?: { readonly length: number } })[COMPOSED] ?? handler).length

/** Whether it is a handler: for a method, or one that takes no `next`. */
const isHandler = (route: Route): boolean => route.method !== 'ALL' || arity(route) < 2

/** Whether it answers whatever comes. */
const isLast = (route: Route): boolean => isHandler(route) && arity(route) < 2

const isWide = ({ path }: Route): boolean => path.includes('*')

/** The handler that is going to answer: the first that does not pass on, or one for fewer paths before it. */
function likeliest(routes: readonly Route[]): Route | undefined {
  const handlers = routes.filter(isHandler)
  const end = handlers.findIndex(isLast)
  const reached = end < 0 ? handlers : handlers.slice(0, end + 1)
  const last = reached.at(-1)
  if (end >= 0 && last !== undefined && !isWide(last)) return last
  return reached.find((route) => !isWide(route)) ?? last
}

const routesOf = (context: Context): readonly Route[] => context.req.matchedRoutes ?? []

const nameOf = (context: Context, { path }: Route): string => patternRoute(context.req.method, path)

/** The pattern of a request, as far as it is known beforehand; undefined where nothing is registered for it. */
export function honoRoute(context: Context): string | undefined {
  const route = likeliest(routesOf(context))
  return route && nameOf(context, route)
}

/** The pattern of the handler that ran last; undefined where only middleware ran. */
export function honoRouteRun(context: Context): string | undefined {
  const route = routesOf(context)[context.req.routeIndex]
  return route !== undefined && isHandler(route) ? nameOf(context, route) : undefined
}
