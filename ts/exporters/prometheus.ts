/** `atrion/prometheus`: the metrics of an instance for Prometheus, and a handler for every framework that serves them. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Atrion } from '../atrion.js'
import { ConfigError } from '../base/errors.js'
import { copyOf } from '../base/own.js'
import { unknownName } from '../base/suggest.js'
import { Exemplars } from './_exemplars.js'
import { expositionOf, OPEN_METRICS_TYPE, prefersOpenMetrics, TEXT_TYPE } from './_exposition.js'
import { collectorOf, portOf } from './_series.js'

export interface PrometheusOptions {
  /** The path that the metrics are served on, which no adapter of the instance guards. Default '/metrics'. */
  readonly path?: string
  /**
   * The trace of the request under way, for exemplars, which OpenMetrics has: called when a request ends. With OpenTelemetry
   * `() => trace.getActiveSpan()?.spanContext().traceId`. Default: no exemplars.
   */
  readonly traceId?: () => string | undefined
}

/** An answer to a scrape. */
export interface Scrape {
  readonly contentType: string
  readonly body: string
}

/** Koa's context, as far as it is used. */
interface KoaLike {
  readonly method: string
  readonly path: string
  status: number
  body: unknown
  get(name: string): string
  set(name: string, value: string): void
}

/** Fastify's request and reply, as far as they are used. */
interface FastifyRequestLike {
  readonly headers: Readonly<Record<string, unknown>>
}
interface FastifyReplyLike {
  header(name: string, value: string): unknown
  send(body: string): unknown
}

/** A request of the fetch API, as far as it is used. */
interface FetchLike {
  readonly method: string
  readonly headers: { get(name: string): string | null }
}

/**
 * Serves the metrics. Called as it is, it is a listener of node:http and a middleware of Express, Connect and Nest: with `next` it
 * passes on what is not for its path.
 */
export interface PrometheusHandler {
  (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void): void
  /** The metrics as text. @param accept the client's Accept header: with OpenMetrics in it the text is that */
  scrape(accept?: string | null): Scrape
  /** A handler of Fastify's: `app.get('/metrics', metrics.fastify)`. */
  fastify(request: FastifyRequestLike, reply: FastifyReplyLike): void
  /** A middleware of Koa's: `app.use(metrics.koa)`. */
  koa(context: KoaLike, next: () => Promise<unknown>): Promise<void>
  /** A handler of Hono's: `app.get('/metrics', metrics.hono)`. */
  hono(context: { readonly req: { readonly raw: FetchLike } }): Response
  /** A handler in the style of fetch. */
  fetch(request: FetchLike): Response
  /** Ends the exporter: its path is guarded again, and no exemplars are kept. */
  close(): void
}

const NOT_ALLOWED = 'GET or HEAD\n'

/** The headers of an answer; the metrics of now are of no use later. */
const headersOf = (contentType: string): Record<string, string> => ({
  'content-type': contentType,
  'cache-control': 'no-store',
})

function pathOf(url: string): string {
  const end = url.search(/[?#]/)
  return end < 0 ? url : url.slice(0, end)
}

/** Returns whether a request of Express or Connect is for a handler that was not given a path of its own. */
function isElsewhere(request: IncomingMessage, path: string): boolean {
  const { route, baseUrl, originalUrl } = request as { route?: unknown; baseUrl?: string; originalUrl?: string }
  if (route !== undefined || (typeof baseUrl === 'string' && baseUrl !== '')) return false
  return pathOf(originalUrl ?? request.url ?? '/') !== path
}

const NAMES = ['path', 'traceId'] as const satisfies readonly (keyof PrometheusOptions)[]

function validated(given: PrometheusOptions): PrometheusOptions {
  if (typeof given !== 'object' || given === null) throw new ConfigError('options', 'an object', given)
  const options = copyOf(given, NAMES)
  for (const name of Object.keys(options)) {
    if (!NAMES.includes(name as never)) throw unknownName(name, name, NAMES)
  }
  const { path, traceId } = options
  if (path !== undefined && !(typeof path === 'string' && /^\/[^?#]*$/.test(path))) {
    throw new ConfigError('path', "a path that begins with '/', without a query", path)
  }
  if (traceId !== undefined && typeof traceId !== 'function') throw new ConfigError('traceId', 'a function', traceId)
  return options
}

/**
 * Makes a handler that serves the metrics of an instance in Prometheus's text format, or as OpenMetrics where the client prefers that.
 *
 * ```ts
 * const metrics = atrionPrometheus(atrion)
 * app.use(atrionExpress(atrion))
 * app.get('/metrics', metrics)
 * ```
 *
 * The adapters of the instance do not guard its path, so it answers also while the service sheds. At most 200 routes have a label of
 * their own; all others are `other`.
 *
 * @throws ConfigError for an option that is unknown or of the wrong type
 */
export function atrionPrometheus(atrion: Atrion, options: PrometheusOptions = {}): PrometheusHandler {
  const { path = '/metrics', traceId } = validated(options)
  const collector = collectorOf(atrion)
  const port = portOf(atrion)
  const exemplars = new Exemplars()
  const ends = [port.exempt(path)]
  if (traceId !== undefined) {
    const completed = (routeId: string, durationMs: number): void =>
      exemplars.note(collector.labelOf(routeId), durationMs, traceId())
    ends.push(port.watch({ completed }))
  }

  const scrape = (accept?: string | null): Scrape => {
    const isOpen = prefersOpenMetrics(accept)
    const body = expositionOf(collector.collect(), isOpen, (route, bucket) => exemplars.of(route, bucket))
    return { contentType: isOpen ? OPEN_METRICS_TYPE : TEXT_TYPE, body }
  }

  const onNode = (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void): void => {
    if (next !== undefined && isElsewhere(request, path)) {
      next()
      return
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD', 'content-type': 'text/plain' })
      response.end(NOT_ALLOWED)
      return
    }
    const { contentType, body } = scrape(request.headers.accept)
    response.writeHead(200, { ...headersOf(contentType), 'content-length': Buffer.byteLength(body) })
    response.end(request.method === 'HEAD' ? undefined : body)
  }

  const onFetch = (request: FetchLike): Response => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return new Response(NOT_ALLOWED, { status: 405, headers: { allow: 'GET, HEAD' } })
    }
    const { contentType, body } = scrape(request.headers.get('accept'))
    return new Response(request.method === 'HEAD' ? null : body, { headers: headersOf(contentType) })
  }

  return Object.assign(onNode, {
    scrape,
    fastify: (request: FastifyRequestLike, reply: FastifyReplyLike): void => {
      const { accept } = request.headers
      const { contentType, body } = scrape(typeof accept === 'string' ? accept : undefined)
      for (const [name, value] of Object.entries(headersOf(contentType))) reply.header(name, value)
      reply.send(body)
    },
    koa: async (context: KoaLike, next: () => Promise<unknown>): Promise<void> => {
      if (context.path !== path) {
        await next()
        return
      }
      if (context.method !== 'GET' && context.method !== 'HEAD') {
        context.status = 405
        context.set('allow', 'GET, HEAD')
        return
      }
      const { contentType, body } = scrape(context.get('accept'))
      context.status = 200
      context.body = body
      for (const [name, value] of Object.entries(headersOf(contentType))) context.set(name, value)
    },
    hono: (context: { readonly req: { readonly raw: FetchLike } }): Response => onFetch(context.req.raw),
    fetch: onFetch,
    close: (): void => {
      for (const end of ends) end()
    },
  })
}
