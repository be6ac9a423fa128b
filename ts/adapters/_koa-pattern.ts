/**
 * The patterns of Koa's routers. Koa has none itself; the routers in the application's stack are asked beforehand. One that
 * is out of sight (in an application that is mounted, in a middleware of another's) says on the context which layer runs.
 */

import { isShedError } from '../base/errors.js'
import { shedErrorOf } from '../limiter/run.js'
import { patternRoute } from './_method.js'
import type { ResponseTracker } from './_response-tracker.js'

interface Context {
  readonly method: string
  readonly path: string
}

/** @koa/router and koa-router, as far as they tell of themselves. */
interface Router {
  match(path: string, method: string): { readonly pathAndMethod: readonly RouterLayer[] }
}

interface RouterLayer {
  readonly path: unknown
  /** None for the router's own middleware. */
  readonly methods: readonly string[]
  readonly stack?: readonly { readonly length: number }[]
}

interface Routed {
  readonly app?: { readonly middleware?: readonly { readonly router?: Router }[] }
  /** Set by the router while it runs: the layer that is next. */
  _matchedRoute?: unknown
  /** Set by koa-mount: where the application is mounted. */
  readonly mountPath?: string
}

const written = (path: unknown): string => (Array.isArray(path) ? path.map(String).join('|') : String(path))

/** Whether a layer answers whatever comes: one of its handlers takes no `next`. */
const isLast = ({ stack = [] }: RouterLayer): boolean => stack.some((handler) => handler.length < 2)

const isWide = ({ path }: RouterLayer): boolean => /[*(]|^\/\^|\{/.test(written(path))

/** The layer that is going to answer: the first that does not pass on, else the first that is for few paths. */
function likeliest(layers: readonly RouterLayer[]): RouterLayer | undefined {
  const routes = layers.filter(({ methods }) => methods.length > 0)
  const end = routes.findIndex(isLast)
  const reached = end < 0 ? routes : routes.slice(0, end + 1)
  if (end >= 0 && !isWide(reached[end]!)) return reached[end]
  return reached.find((layer) => !isWide(layer)) ?? reached.at(-1)
}

/** The pattern of a request, as far as it is known beforehand. Never throws: a router of another make harms no request. */
export function koaRoute(context: Context): string | undefined {
  try {
    const { app, _matchedRoute: matched } = context as Context & Routed
    for (const { router } of app?.middleware ?? []) {
      if (typeof router?.match !== 'function') continue
      const layer = likeliest(router.match(context.path, context.method).pathAndMethod)
      if (layer !== undefined) return patternRoute(context.method, written(layer.path))
    }
    return matched === undefined ? undefined : patternRoute(context.method, mounted(context, matched))
  } catch {
    return undefined
  }
}

const mounted = (context: object, path: unknown): string => {
  const { mountPath = '' } = context as Routed
  return mountPath.replace(/\/$/, '') + written(path)
}

/** Counts the request for the layer that a router comes to, where that is another one than was foreseen. */
function arrive(context: Context, tracker: ResponseTracker, path: unknown): void {
  const layers = ((context as { matched?: readonly RouterLayer[] }).matched ?? []).filter(({ methods }) =>
    methods.includes(context.method),
  )
  const at = layers.findIndex((layer) => layer.path === path)
  if (at < 0) return
  const nameOf = (layer: RouterLayer): string => patternRoute(context.method, mounted(context, layer.path))
  const expected = layers.findIndex((layer) => nameOf(layer) === tracker.routeId)
  // One that may pass the request on, before the one that was foreseen, is no reason to count it for that.
  const isForeseen = expected >= 0 && (at === expected || (at < expected && !isLast(layers[at]!)))
  if (isForeseen) return
  const layer = expected < 0 ? (likeliest(layers.slice(at)) ?? layers[at]!) : layers[at]!
  const routeId = nameOf(layer)
  const refusal = tracker.rename(routeId)
  if (refusal === undefined) return
  tracker.refuse?.(refusal)
  throw shedErrorOf(routeId, refusal)
}

/** Watches which layers the routers further in come to. A route that refuses throws a ShedError at its router. */
export function whenRouted(context: object, tracker: ResponseTracker): void {
  let routerPath = (context as { routerPath?: unknown }).routerPath
  Object.defineProperty(context, 'routerPath', {
    configurable: true,
    enumerable: true,
    get: () => routerPath,
    set(path: unknown) {
      routerPath = path
      try {
        arrive(context as Context, tracker, path)
      } catch (error) {
        if (isShedError(error)) throw error
      }
    },
  })
}
