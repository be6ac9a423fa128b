/**
 * Finds the pattern to which Express is going to route a request. Express knows it only when the handler is reached, too late to refuse
 * cheaply, so the application's own stack of layers is asked beforehand, in its order and with its own matchers; Express
 * matches again itself, so that nothing is left behind.
 *
 * A route whose handlers all take `next` may pass the request on, as `app.all('*', requireAuth)` does, so that several may
 * match: the likeliest is chosen, and where another one is reached after all, the request counts for that.
 */

import {
  type ExpressApp,
  type ExpressRoute,
  isMountedApp,
  type Layer,
  layersIn,
  type Match,
  mountOf,
  stackOf,
  written,
} from './_express-mount.js'
import { patternRoute } from './_method.js'
import { type AdapterRouteOptions, hasRouteOptions, optionsAlong } from './_route-options.js'

export interface ExpressRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly originalUrl?: string
  /** The text that the mounts on its way matched. */
  readonly baseUrl?: string
  readonly route?: ExpressRoute
  readonly app?: ExpressApp
}

/** Names of routes that requests came to. */
export const patterns = new WeakMap<ExpressRoute, string | undefined>()

/** A route that matches a request; none for a middleware that answers itself. */
export interface Candidate {
  readonly route: ExpressRoute | undefined
  /** undefined: a middleware for all paths, whose requests share a route. */
  readonly pattern: string | undefined
  /** True when the last handler takes no `next`: nothing comes after it. */
  readonly isLast: boolean
  /** The mount of an application of which nothing is known yet: its layer, and its mount. */
  readonly unknown?: { readonly layer: Layer; readonly mount: string }
  /** Options on the way to its handler that need no request. */
  readonly own?: AdapterRouteOptions<unknown> | undefined
}

/** A path without its query; also of `http://host/path`, as proxies send it. */
function pathOf(url: string): string {
  const start = url.startsWith('/') ? 0 : Math.max(url.indexOf('/', url.indexOf('://') + 3), 0)
  const end = url.search(/[?#]/)
  return url.slice(start, end < 0 ? undefined : end) || '/'
}

const handles = (route: ExpressRoute, method: string): boolean =>
  (route._handles_method ?? route._handlesMethod)?.call(route, method) === true

/** Returns whether a handler names its request and no `next`. One that names nothing (`...args`) may still pass on. */
const answers = ({ handle }: Layer): boolean => handle?.length === 1 || handle?.length === 2

/** Returns whether one of the route's handlers for this method answers whatever comes. */
function isLastFor({ stack = [] }: ExpressRoute, method: string): boolean {
  const name = method.toLowerCase()
  return stack.some(
    (layer) =>
      (layer.method === undefined || layer.method === name || (name === 'head' && layer.method === 'get')) &&
      answers(layer),
  )
}

const join = (mount: string, inner: string): string => (mount === '' ? inner : inner === '/' ? mount : mount + inner)

/** Matches a layer; one that cannot tell does not match. */
function matchOf(layer: Layer, path: string): Match | undefined {
  try {
    const found = layer.match(path)
    return found === true ? layer : found || undefined
  } catch {
    return undefined
  }
}

/** The routes of a stack that match a request within a mount. */
export function candidatesIn(stack: readonly Layer[], url: string, method: string, mount: string): Candidate[] {
  const found: Candidate[] = []
  collect(stack, pathOf(url), method, mount, found, [])
  return found
}

/** The middleware of a route for a method, with those before it. */
const along = (before: readonly unknown[], { stack = [] }: ExpressRoute, method: string): readonly unknown[] => {
  const name = method.toLowerCase()
  const own = stack.filter((layer) => layer.method === undefined || layer.method === name).map(({ handle }) => handle)
  return [...before, ...own]
}

/**
 * Puts the routes that match into `found`, in order, up to the first that answers; true once there is one.
 *
 * @param before middleware with options that a request has passed by then
 */
function collect(
  stack: readonly Layer[],
  path: string,
  method: string,
  mount: string,
  found: Candidate[],
  before: readonly unknown[],
): boolean {
  let passed = before
  for (const layer of stack) {
    const { route } = layer
    const inner = route === undefined ? layersIn(layer) : undefined
    const isApp = inner === undefined && isMountedApp(layer)
    const isOptions = hasRouteOptions(layer.handle)
    if (route === undefined && inner === undefined && !isApp && !isOptions && !answers(layer)) continue
    const match = matchOf(layer, path)
    if (match === undefined) continue
    if (isOptions) {
      passed = [...passed, layer.handle]
      continue
    }
    if (route !== undefined) {
      if (!handles(route, method)) continue
      const isLast = isLastFor(route, method)
      const own = optionsAlong(along(passed, route, method))
      found.push({ route, pattern: join(mount, written(route.path)), isLast, own })
      if (isLast) return true
      continue
    }
    const here = mount + mountOf(layer, match)
    if (inner !== undefined) {
      const rest = path.slice(match.path?.length ?? 0)
      if (collect(inner, rest.startsWith('/') ? rest : `/${rest}`, method, here, found, passed)) return true
      continue
    }
    const pattern = here === '' ? undefined : `${here}/*`
    const own = optionsAlong(passed)
    if (isApp) found.push({ route: undefined, pattern, isLast: true, unknown: { layer, mount: here }, own })
    else {
      found.push({ route: undefined, pattern, isLast: true, own })
      return true
    }
  }
  return false
}

/** Returns whether a layer is middleware for all paths, as most are. */
const isForAll = ({ regexp, slash }: Layer): boolean => regexp?.fast_slash === true || slash === true

/**
 * The longest of the mounts of middleware that a request passes before it comes to `end`; '' where there is none. What a
 * router has no route for does not count for that.
 */
function mountBefore(end: ExpressRoute | undefined, stack: readonly Layer[], path: string, mount: string): string {
  let longest = ''
  /** True when the end is reached. */
  const pass = (layers: readonly Layer[], within: string, at: string): boolean => {
    for (const layer of layers) {
      if (layer.route !== undefined) {
        if (layer.route === end) return true
        continue
      }
      const inner = layersIn(layer)
      if ((inner === undefined && isForAll(layer)) || layer.handle?.length === 4) continue
      const match = matchOf(layer, within)
      if (match === undefined) continue
      const here = at + mountOf(layer, match)
      const rest = within.slice(match.path?.length ?? 0)
      if (inner === undefined) longest = here.length > longest.length ? here : longest
      else if (pass(inner, rest.startsWith('/') ? rest : `/${rest}`, here)) return true
    }
    return false
  }
  pass(stack, path, mount)
  return longest
}

const isWide = ({ pattern = '*' }: Candidate): boolean => /[*(]|^\/\^/.test(pattern)

/**
 * The likeliest of the routes that match: the first that was written for few URLs, unless it is for all methods and may pass
 * the request on, as checks of all kinds do.
 */
function likeliest(found: readonly Candidate[], method: string): Candidate | undefined {
  const name = method.toLowerCase()
  const isHandler = ({ isLast, route }: Candidate): boolean =>
    isLast || route?.stack?.some((layer) => layer.method === name) === true
  const narrow = found.filter((candidate) => !isWide(candidate))
  return narrow.find(isHandler) ?? narrow[0] ?? found.find(isHandler) ?? found[0]
}

/** The plan of Express for a request. */
export interface Routing {
  readonly candidates: readonly Candidate[]
  /** The one that the request counts for. */
  chosen: Candidate | undefined
}

/** Up to its first wildcard. */
const staticLength = ({ pattern = '' }: Candidate): number => pattern.search(/[*({]|^\/\^|$/)

/** Foresees the handlers that a request is going to come to in a stack whose application is mounted at `mount`. */
function routingIn(stack: readonly Layer[], url: string, method: string, mount: string): Routing {
  const candidates = candidatesIn(stack, url, method, mount)
  const chosen = likeliest(candidates, method)
  if (chosen?.pattern !== undefined && !isWide(chosen)) return { candidates, chosen }
  // A request that only a catch-all would answer counts for the mount that may answer it before that: files, a proxy, an application.
  const narrowest = mountBefore(chosen?.route, stack, pathOf(url), mount)
  if (narrowest.length <= Math.max(mount.length, chosen === undefined ? 0 : staticLength(chosen))) {
    return { candidates, chosen }
  }
  const mounted: Candidate = { route: undefined, pattern: `${narrowest}/*`, isLast: false }
  return { candidates: [mounted, ...candidates], chosen: mounted }
}

/** Looks a request up in its application's stack. Never throws. */
export function lookUp(request: ExpressRequest): Routing {
  try {
    const { method = 'GET', app, baseUrl = '', originalUrl, url = '/' } = request
    const stack = stackOf(app)
    if (stack === undefined) return { candidates: [], chosen: undefined }
    // A mounted application's stack begins where it is mounted.
    const mount = app?.parent === undefined ? '' : written((app.path?.() ?? '').split(','))
    if (mount !== '') return routingIn(stack, url, method, mount)
    const routing = routingIn(stack, originalUrl ?? url, method, '')
    if (routing.chosen !== undefined || baseUrl === '') return routing
    // An application on a router, which does not tell it where; a guard before it may have seen.
    const within = routingIn(stack, url, method, '')
    const candidates = within.candidates.map(
      (one): Candidate =>
        one.route !== undefined && patterns.has(one.route) ? { ...one, pattern: patterns.get(one.route) } : one,
    )
    return { candidates, chosen: candidates[within.candidates.indexOf(within.chosen as Candidate)] }
  } catch {
    return { candidates: [], chosen: undefined }
  }
}

const segmentsOf = (path: string): number => path.split('/').length

/**
 * A route that a request has come to out of sight: of a router that some middleware calls, or after its URL was rewritten. What
 * is not known of its mount is `*`.
 */
export function candidateOf(
  route: ExpressRoute,
  { method = 'GET', baseUrl = '' }: ExpressRequest,
  known?: Candidate,
): Candidate {
  const pattern = known?.route === undefined ? known?.pattern : undefined
  const mount = pattern?.endsWith('/*') ? pattern.slice(0, -2) : ''
  const unknown = segmentsOf(mount) < segmentsOf(baseUrl) ? (mount === '' ? '*' : '/*') : ''
  return {
    route,
    pattern: join(baseUrl === '' ? '' : mount + unknown, written(route.path)),
    isLast: isLastFor(route, method),
  }
}

/** `GET /users/:id`, or undefined for a URL that nothing is registered for. */
export function expressRoute(request: ExpressRequest, routing: Routing = lookUp(request)): string | undefined {
  const { route, method } = request
  const here = route === undefined ? undefined : routing.candidates.find((candidate) => candidate.route === route)
  // A guard that is among a route's own handlers: its way there may not be seen, its path is.
  const pattern = here?.pattern ?? (route === undefined ? routing.chosen?.pattern : written(route.path))
  return pattern === undefined ? undefined : patternRoute(method, pattern)
}
