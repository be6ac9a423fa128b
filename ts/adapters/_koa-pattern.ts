/**
 * The patterns of Koa's routers. Koa has none itself; the routers in the application's stack are asked beforehand. One that
 * is out of sight (in an application that is mounted, in a middleware of another's) says on the context which layer runs, and
 * koa-mount where it mounts what.
 */

import { isShedError } from '../base/errors.js'
import { shedErrorOf } from '../limiter/run.js'
import { patternRoute } from './_method.js'
import type { ResponseTracker } from './_response-tracker.js'
import { type AdapterRouteOptions, optionsAlong } from './_route-options.js'

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
  readonly stack?: readonly ((...args: never[]) => unknown)[]
}

interface Routed {
  readonly app?: { readonly middleware?: readonly { readonly router?: Router }[] }
  /** Set by the router while it runs: the layer that is next. */
  _matchedRoute?: unknown
  /** Set by koa-mount before it takes its prefix off the path: where the application is mounted. It is never taken back. */
  mountPath?: unknown
  readonly originalUrl?: string
}

/** The mounts that a request is within. One of them that passes the request on has put its prefix back on the path. */
class Mounts {
  readonly #context: Context
  readonly #within: { readonly prefix: string; readonly pathBefore: string }[] = []

  constructor(context: Context) {
    this.#context = context
    const { mountPath, originalUrl = '' } = context as Context & Routed
    if (typeof mountPath !== 'string') return
    const prefix = bare(mountPath)
    const pathBefore = prefix + context.path
    if (originalUrl.replace(/[?#].*$/, '').endsWith(pathBefore)) this.#within.push({ prefix, pathBefore })
  }

  /** Returns where the request is going to be; its path is still the one before. */
  enter(mountPath: string): string {
    const path = this.path + bare(mountPath)
    this.#within.push({ prefix: bare(mountPath), pathBefore: this.#context.path })
    return path
  }

  /** The mount that the request is in now: `/admin/tools`, '' outside of all mounts. */
  get path(): string {
    this.#leave()
    return this.#within.map(({ prefix }) => prefix).join('')
  }

  #leave(): void {
    while (this.#within.at(-1)?.pathBefore === this.#context.path) this.#within.pop()
  }
}

const bare = (mountPath: string): string => mountPath.replace(/\/$/, '')

const written = (path: unknown): string => (Array.isArray(path) ? path.map(String).join('|') : String(path))

/** Returns whether a layer answers whatever comes: one of its handlers takes no `next`. */
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

/** The place that a request is going to come to, as far as it is known beforehand. */
export interface KoaPlace {
  readonly routeId: string | undefined
  /** Options on the way there that need no request. */
  readonly own?: AdapterRouteOptions<unknown> | undefined
}

/** The middleware of the router, and of the route, that a request passes on its way to the one that answers. */
const along = (layers: readonly RouterLayer[], end: RouterLayer): readonly unknown[] =>
  layers
    .slice(0, layers.indexOf(end) + 1)
    .filter((layer) => layer === end || layer.methods.length === 0)
    .flatMap(({ stack = [] }) => stack)

/** Foresees where a request is going to come to. Never throws: a router of another make harms no request. */
export function koaPlace(context: Context): KoaPlace {
  try {
    const { app, _matchedRoute: matched } = context as Context & Routed
    for (const { router } of app?.middleware ?? []) {
      if (typeof router?.match !== 'function') continue
      const layers = router.match(context.path, context.method).pathAndMethod
      const layer = likeliest(layers)
      if (layer === undefined) continue
      return { routeId: patternRoute(context.method, written(layer.path)), own: optionsAlong(along(layers, layer)) }
    }
    const { path } = new Mounts(context)
    if (matched !== undefined) return { routeId: patternRoute(context.method, path + written(matched)) }
    return { routeId: path === '' ? undefined : patternRoute(context.method, `${path}/*`) }
  } catch {
    return { routeId: undefined }
  }
}

/** Counts the request for the layer that a router comes to, where that is another one than was foreseen. */
function arrive(context: Context, tracker: ResponseTracker, mounts: Mounts, path: unknown): void {
  const layers = ((context as { matched?: readonly RouterLayer[] }).matched ?? []).filter(({ methods }) =>
    methods.includes(context.method),
  )
  const at = layers.findIndex((layer) => layer.path === path)
  if (at < 0) return
  const nameOf = (layer: RouterLayer): string => patternRoute(context.method, mounts.path + written(layer.path))
  const expected = layers.findIndex((layer) => nameOf(layer) === tracker.routeId)
  // One that may pass the request on, before the one that was foreseen, is no reason to count it for that.
  const isForeseen = expected >= 0 && (at === expected || (at < expected && !isLast(layers[at]!)))
  if (isForeseen) return
  const layer = expected < 0 ? (likeliest(layers.slice(at)) ?? layers[at]!) : layers[at]!
  rename(tracker, nameOf(layer))
}

/** @throws ShedError when the route refuses the request */
function rename(tracker: ResponseTracker, routeId: string): void {
  // A guard further in may have named it.
  const refusal = tracker.isNamed ? undefined : tracker.rename(routeId)
  if (refusal === undefined) return
  tracker.refuse?.(refusal)
  throw shedErrorOf(routeId, refusal)
}

/** Calls `changed` whenever a property of a context is set. What it throws, but a ShedError, is dropped. */
function whenSet(context: object, name: 'routerPath' | 'mountPath', changed: (value: unknown) => void): void {
  let current = (context as Record<string, unknown>)[name]
  Object.defineProperty(context, name, {
    configurable: true,
    enumerable: true,
    get: () => current,
    set(value: unknown) {
      current = value
      try {
        changed(value)
      } catch (error) {
        if (isShedError(error)) throw error
      }
    },
  })
}

/**
 * Watches which mounts and which layers of the routers further in the request comes to. A route that refuses throws a ShedError
 * at its router, or at its mount.
 */
export function whenRouted(context: Context, tracker: ResponseTracker): void {
  const mounts = new Mounts(context)
  whenSet(context, 'routerPath', (path) => arrive(context, tracker, mounts, path))
  whenSet(context, 'mountPath', (mountPath) => {
    if (typeof mountPath !== 'string') return
    rename(tracker, patternRoute(context.method, `${mounts.enter(mountPath)}/*`))
  })
}
