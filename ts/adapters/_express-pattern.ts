/**
 * Which pattern Express is going to route a request to. Express knows it only when the handler is reached, too late to refuse
 * cheaply, so the application's own stack of layers is asked beforehand, in its order and with its own matchers; Express
 * matches again itself, so that nothing is left behind. A middleware that rewrites the URL later is not foreseen: the request
 * then counts for the pattern it came for.
 */

import { patternRoute } from './_options.js'

/** What is read of a layer of Express 4 and 5. */
interface Layer {
  readonly route?: ExpressRoute | undefined
  readonly handle?: { readonly stack?: readonly Layer[]; readonly name?: string }
  /** Express 5.3: the path as it was written. */
  readonly rawPath?: unknown
  /** Sets `path` and `params`, or, from Express 5.3 on, returns them; may throw for what does not decode. */
  match(path: string): boolean | Match | undefined
  readonly path?: string | undefined
  readonly params?: Params | undefined
}

type Params = Readonly<Record<string, unknown>>

interface Match {
  readonly path?: string | undefined
  readonly params?: Params | undefined
}

interface ExpressRoute {
  readonly path: unknown
  _handles_method?(method: string): boolean
  _handlesMethod?(method: string): boolean
}

export interface ExpressRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly originalUrl?: string
  readonly baseUrl?: string
  readonly route?: ExpressRoute
  readonly params?: Params
  readonly app?: ExpressApp
}

interface ExpressApp {
  /** Express 4 */
  readonly _router?: { readonly stack?: readonly Layer[] }
  /** Express 5; Express 4 throws when it is read */
  readonly router?: { readonly stack?: readonly Layer[] }
  readonly parent?: unknown
  path?(): string
}

/** How an application is called where it is mounted in another. */
const MOUNTED_APP = 'mounted_app'

/** A path without its query; also of `http://host/path`, as proxies send it. */
function pathOf(url: string): string {
  const start = url.startsWith('/') ? 0 : Math.max(url.indexOf('/', url.indexOf('://') + 3), 0)
  const end = url.search(/[?#]/)
  return url.slice(start, end < 0 ? undefined : end) || '/'
}

const written = (path: unknown): string => (Array.isArray(path) ? path.map(String).join('|') : String(path))

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

/** The pattern of a mount of which only the matched text is known: the values of its parameters become their names. */
function named(text: string, params: Params | undefined): string {
  const names = new Map(Object.entries(params ?? {}).map(([name, value]) => [String(value), name]))
  if (names.size === 0) return text
  const nameOf = (segment: string): string => {
    const name = segment === '' ? undefined : names.get(decoded(segment))
    return name === undefined ? segment : `:${name}`
  }
  return text.split('/').map(nameOf).join('/')
}

function mountOf({ rawPath }: Layer, { path = '', params }: Match): string {
  if (typeof rawPath === 'string') return rawPath.replace(/\/+$/, '')
  return named(path, params).replace(/\/+$/, '')
}

const handles = (route: ExpressRoute, method: string): boolean =>
  (route._handles_method ?? route._handlesMethod)?.call(route, method) === true

function find(stack: readonly Layer[], path: string, method: string): string | undefined {
  for (const layer of stack) {
    const { route, handle } = layer
    const nested = handle?.stack
    const isApp = handle?.name === MOUNTED_APP
    if (route === undefined && nested === undefined && !isApp) continue
    const found = layer.match(path)
    if (!found) continue
    if (route !== undefined) {
      if (handles(route, method)) return written(route.path)
      continue
    }
    const match = found === true ? layer : found
    const mount = mountOf(layer, match)
    if (nested === undefined) return `${mount}/*`
    const rest = path.slice(match.path?.length ?? 0)
    const inner = find(nested, rest.startsWith('/') ? rest : `/${rest}`, method)
    if (inner !== undefined) return mount === '' ? inner : inner === '/' ? mount : mount + inner
  }
  return undefined
}

/** `GET /users/:id`, or undefined for a URL that nothing is registered for. */
export function expressRoute(request: ExpressRequest): string | undefined {
  const { method = 'GET', route, app, baseUrl = '', params } = request
  if (route !== undefined) return patternRoute(method, named(baseUrl, params) + written(route.path))
  const stack = (app?._router ?? app?.router)?.stack
  if (stack === undefined) return undefined
  try {
    // A mounted application's stack begins where it is mounted.
    const mount = app?.parent === undefined ? '' : (app.path?.() ?? '')
    const path = pathOf(mount === '' ? (request.originalUrl ?? request.url ?? '/') : (request.url ?? '/'))
    const pattern = find(stack, path, method)
    return pattern === undefined ? undefined : patternRoute(method, mount + pattern)
  } catch {
    return undefined
  }
}
