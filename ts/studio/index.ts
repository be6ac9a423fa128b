/** `atrion/studio`: Atrion Studio, a page for the operators of an instance, and the handler of every framework that serves it. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Atrion } from '../atrion.js'
import { ConfigError } from '../base/errors.js'
import { copyOf, own } from '../base/own.js'
import { unknownName } from '../base/suggest.js'
import { TELEMETRY_PORT, type TelemetryPort } from '../limiter/telemetry-port.js'
import { Access, type Authorize } from './access.js'
import { answerFetch, answerNode, type FetchRequest, jsonOfFetch, jsonOfNode, type StudioRequest } from './exchange.js'
import type { AuditEntry } from './protocol.js'
import { PATHS, Room } from './room.js'

export type { Role } from './access.js'
export type { AuditEntry } from './protocol.js'

/** The rights of a request: none, to read, or to change; with a name, its changes are noted under that. */
export type StudioRole = false | 'read' | 'write' | { readonly role: 'read' | 'write'; readonly name?: string }

export interface StudioOptions {
  /** The path that Studio is served under, which no adapter of the instance guards. Default '/atrion'. */
  readonly path?: string
  /**
   * Decides what a request may do: it is given the request of Node's, or that of the fetch API, and may be async. False, an error, and
   * what is no role refuse it. Default: requests of this machine may read, and nothing else is answered.
   */
  // biome-ignore lint/suspicious/noExplicitAny: the request is of whichever framework serves it
  readonly authorize?: (request: any) => StudioRole | Promise<StudioRole>
  /** Origins of the page besides that of its own Host, as 'https://ops.example.com', for a proxy that changes the Host. Default: none. */
  readonly origins?: readonly string[]
  /**
   * Origins whose pages may show Studio in a frame, as `'http://localhost:5173'`, or 'self' for its own: for `<atrion-panel>`. Such a page can
   * lead its visitor to click what is in the frame. Most 32. Default: none, and nothing frames it.
   */
  readonly frameAncestors?: readonly string[]
  /** Most viewers at once, 1 to 1,000. Default 32. */
  readonly maxViewers?: number
  /** Most routes with a history of an hour, each 47 kB, 0 to 1,000. Default 100. */
  readonly historyRoutes?: number
  /** Record from now on, and not from the first viewer on. Default false. */
  readonly record?: boolean
  /** Called with every change that is made by Studio, for a log of your own. */
  readonly onAction?: (entry: AuditEntry) => void
}

/** Fastify's instance, request and reply, as far as they are used. */
interface FastifyLike {
  route(options: {
    method: string[]
    url: string
    exposeHeadRoute?: boolean
    handler: (request: FastifyRequestLike, reply: FastifyReplyLike) => unknown
  }): unknown
}
interface FastifyRequestLike {
  readonly raw: unknown
  readonly body?: unknown
}
interface FastifyReplyLike {
  readonly raw: unknown
  hijack(): unknown
}

/** Koa's context, as far as it is used. */
interface KoaLike {
  readonly path: string
  readonly req: unknown
  readonly res: unknown
  readonly request: unknown
  readonly originalUrl?: string | undefined
  respond?: boolean | undefined
}

/** Hono's context, as far as it is used. */
interface HonoLike {
  readonly req: { readonly raw: FetchRequest }
  readonly env?: unknown
}

/** A place in Studio: the path that it is served under, and the part behind that. */
interface Place {
  readonly base: string
  readonly path: string
}

/** The socket's other end, where the runtime tells. */
export interface FetchInfo {
  readonly remoteAddress?: string | undefined
}

/**
 * Serves Studio. Called as it is, it is a listener of node:http and a middleware of Express, Connect and Nest: with `next` it passes on
 * what is not for its path.
 */
export interface Studio {
  (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void): void
  /** A plugin of Fastify's: `app.register(studio.fastify)`. */
  fastify(app: FastifyLike, options: unknown, done: (error?: Error) => void): void
  /** A middleware of Koa's: `app.use(studio.koa)`. */
  koa(context: KoaLike, next: () => Promise<unknown>): Promise<void>
  /** A handler of Hono's: `app.all('/atrion', studio.hono)` and `app.all('/atrion/*', studio.hono)`. */
  hono(context: HonoLike, next?: () => Promise<unknown>): Promise<Response>
  /** A handler in the style of fetch. Without the address of the client, which `info` gives, `authorize` has to be given. */
  fetch(request: FetchRequest, info?: FetchInfo): Promise<Response>
  /** Notes an event, such as a deployment, in the list of what changed. @throws TypeError for what is no text */
  annotate(text: string): void
  /** Ends Studio: viewers are disconnected, timers end, its path is guarded again. Orders that stand then stand for good. */
  close(): void
}

const NAMES = [
  'path',
  'authorize',
  'origins',
  'frameAncestors',
  'maxViewers',
  'historyRoutes',
  'record',
  'onAction',
] as const
/** Ancestors of a frame: they are written into a policy, of which none may end a part. */
const MOST_ANCESTORS = 32
const ANCESTOR = /^(?:self|https?:\/\/(?:[a-z\d](?:[a-z\d.-]*[a-z\d])?|\[[a-f\d:.]+\])(?::\d{1,5})?)$/i

function requireCount(field: string, value: number | undefined, low: number, high: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= low && value <= high)) return
  throw new ConfigError(field, `an integer in [${low}, ${high}]`, value)
}

function validated(options: StudioOptions): StudioOptions {
  if (typeof options !== 'object' || options === null) throw new ConfigError('options', 'an object', options)
  const given = copyOf(options, NAMES)
  for (const name of Object.keys(given)) {
    if (!(NAMES as readonly string[]).includes(name)) throw unknownName(name, name, [...NAMES])
  }
  const { path, authorize, origins, record, onAction } = given
  if (path !== undefined && !(typeof path === 'string' && /^(?:\/[\w.~-]+)+$/.test(path))) {
    throw new ConfigError('path', "a path that begins with '/' and does not end with it, without a query", path)
  }
  if (authorize !== undefined && typeof authorize !== 'function')
    throw new ConfigError('authorize', 'a function', authorize)
  if (onAction !== undefined && typeof onAction !== 'function')
    throw new ConfigError('onAction', 'a function', onAction)
  if (record !== undefined && typeof record !== 'boolean') throw new ConfigError('record', 'true or false', record)
  if (origins !== undefined && !(Array.isArray(origins) && origins.every((one) => /^https?:\/\/[^/\s]+$/.test(one)))) {
    throw new ConfigError('origins', "an array of origins, as 'https://ops.example.com'", origins)
  }
  const { frameAncestors } = given
  const areAncestors = (all: unknown): boolean =>
    Array.isArray(all) &&
    all.length <= MOST_ANCESTORS &&
    all.every((one) => typeof one === 'string' && ANCESTOR.test(one))
  if (frameAncestors !== undefined && !areAncestors(frameAncestors)) {
    const range = `an array of at most ${MOST_ANCESTORS} origins, as 'http://localhost:5173', or 'self'`
    throw new ConfigError('frameAncestors', range, frameAncestors)
  }
  requireCount('maxViewers', given.maxViewers, 1, 1_000)
  requireCount('historyRoutes', given.historyRoutes, 0, 1_000)
  return given
}

/** The port of an instance. @throws ConfigError for what is none */
function portOf(atrion: Atrion): TelemetryPort {
  const port = (atrion as Partial<Atrion> | null | undefined)?.[TELEMETRY_PORT]
  if (port === undefined) throw new ConfigError('atrion', 'an Atrion', atrion)
  return port
}

/** The path and the query of a request of Node's, Express's before it was mounted. */
function urlOf(request: IncomingMessage): { readonly path: string; readonly query: string } {
  const originalUrl = own(request as { originalUrl?: unknown }, 'originalUrl')
  const url = (typeof originalUrl === 'string' ? originalUrl : (request.url ?? '/')).replace(/^https?:\/\/[^/?#]*/i, '')
  const [whole = ''] = url.split('#')
  const end = whole.indexOf('?')
  return end < 0 ? { path: whole, query: '' } : { path: whole.slice(0, end), query: whole.slice(end + 1) }
}

/**
 * Makes Atrion Studio: a page that shows which route is sick, whose fault that is, and what may be done.
 *
 * ```ts
 * const studio = atrionStudio(atrion, { authorize: (request) => (isOperator(request) ? 'write' : false) })
 * app.use('/atrion', studio)
 * app.use(atrionExpress(atrion))
 * ```
 *
 * The adapters of the instance do not guard its path, so it answers also while the service sheds. Nothing runs, and nothing is recorded,
 * before the first viewer comes, unless `record` is set.
 *
 * @throws ConfigError for an option that is unknown or out of its range
 */
export function atrionStudio(atrion: Atrion, options: StudioOptions = {}): Studio {
  const given = validated(options)
  const { path: base = '/atrion', maxViewers = 32, historyRoutes = 100, record = false } = given
  const port = portOf(atrion)
  const token = [...crypto.getRandomValues(new Uint8Array(24))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')
  const frameAncestors = [...(given.frameAncestors ?? [])]
  const isFramed = frameAncestors.length > 0
  const access = new Access(given.authorize as Authorize | undefined, given.origins ?? [], token, isFramed)
  const room = new Room(atrion, port, access, {
    ...{ base, token, frameAncestors, maxViewers, historyRoutes, onAction: given.onAction },
    exempt: (path) => port.exempt(path),
  })
  if (record) room.record()

  /** The place of a path in Studio; undefined: it is for something else. */
  const placeOf = (path: string, mountedAt?: string): Place | undefined => {
    const roots = mountedAt ? [`${mountedAt}${base}`, mountedAt, base] : [base]
    for (const root of roots) {
      if (path === root || path.startsWith(`${root}/`)) return { base: root, path: path.slice(root.length) }
    }
    return undefined
  }
  /** The same where a framework has routed the path here: whatever comes before Studio's own is the application's. */
  const routedPlaceOf = (path: string): Place | undefined => {
    const at = `${path}/`.indexOf(`${base}/`)
    return at < 0 ? undefined : { base: path.slice(0, at + base.length), path: path.slice(at + base.length) }
  }

  const ofNode = (request: IncomingMessage, place: Place, query: string, body?: unknown): StudioRequest => ({
    ...place,
    method: request.method ?? 'GET',
    query: new URLSearchParams(query),
    original: request,
    remoteAddress: request.socket?.remoteAddress,
    header: (name) => {
      const value = request.headers[name]
      return Array.isArray(value) ? value.join(', ') : value
    },
    json: () => jsonOfNode(request, body ?? own(request as { body?: unknown }, 'body')),
  })

  const serveNode = async (request: StudioRequest, response: ServerResponse): Promise<void> => {
    try {
      const answer = await room.answer(request)
      answerNode(response, answer, request.method === 'HEAD')
    } catch {
      response.destroy()
    }
  }

  const onNode = (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void): void => {
    const { path, query } = urlOf(request)
    const baseUrl = own(request as { baseUrl?: unknown }, 'baseUrl')
    const place = placeOf(path, typeof baseUrl === 'string' ? baseUrl : undefined)
    if (place === undefined || (next !== undefined && !PATHS.includes(place.path))) {
      if (next !== undefined) next()
      else answerNode(response, { status: 404, headers: {}, body: 'Not found\n' }, request.method === 'HEAD')
      return
    }
    void serveNode(ofNode(request, place, query), response)
  }

  const onFetch = async (request: FetchRequest, info: FetchInfo = {}): Promise<Response> => {
    const url = new URL(request.url)
    const place = routedPlaceOf(url.pathname)
    if (place === undefined) return new Response('Not found\n', { status: 404 })
    const answer = await room.answer({
      ...place,
      method: request.method,
      query: url.searchParams,
      original: request,
      remoteAddress: own(info, 'remoteAddress'),
      header: (name) => request.headers.get(name) ?? (name === 'host' ? url.host : undefined),
      json: () => jsonOfFetch(request),
    })
    return answerFetch(answer, request.method === 'HEAD', request.signal)
  }

  return Object.assign(onNode, {
    fastify: (app: FastifyLike, _: unknown, done: (error?: Error) => void): void => {
      const handler = (request: FastifyRequestLike, reply: FastifyReplyLike): unknown => {
        const raw = request.raw as IncomingMessage
        const { path, query } = urlOf(raw)
        reply.hijack()
        const place = routedPlaceOf(path) ?? { base, path: '/-' }
        void serveNode(ofNode(raw, place, query, request.body), reply.raw as ServerResponse)
        return reply
      }
      for (const url of [base, `${base}/*`]) {
        app.route({ method: ['GET', 'HEAD', 'POST'], url, exposeHeadRoute: false, handler })
      }
      done()
    },
    koa: async (context: KoaLike, next: () => Promise<unknown>): Promise<void> => {
      const raw = context.req as IncomingMessage
      const { path, query } = urlOf(raw)
      const place = placeOf(path)
      if (place === undefined) {
        await next()
        return
      }
      context.respond = false
      const { body } = context.request as { body?: unknown }
      // A mounted application sees its own part of the path alone.
      const { originalUrl } = context
      const mounted = typeof originalUrl === 'string' ? routedPlaceOf(originalUrl.split('?')[0]!) : undefined
      await serveNode(ofNode(raw, mounted ?? place, query, body), context.res as ServerResponse)
    },
    hono: (context: HonoLike): Promise<Response> => {
      const incoming = own((context.env ?? {}) as { incoming?: IncomingMessage }, 'incoming')
      return onFetch(context.req.raw, { remoteAddress: incoming?.socket?.remoteAddress })
    },
    fetch: onFetch,
    annotate: (text: string): void => {
      if (typeof text !== 'string') throw new TypeError(`text: a string, got ${typeof text}`)
      room.annotate(text)
    },
    close: (): void => {
      room.close()
    },
  })
}
