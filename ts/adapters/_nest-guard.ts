/** A guard and interceptor of NestJS, on its Express and on its Fastify platform. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { NestInterceptor } from '@nestjs/common'
import { type CallHandler, type CanActivate, type ExecutionContext, HttpException } from '@nestjs/common'
import { catchError, finalize, from, mergeMap } from 'rxjs'
import type { Atrion } from '../atrion.js'
import { textOfAny } from '../base/host-calls.js'
import { warnOnce } from '../base/warn-once.js'
import type { Permit } from '../limiter/types.js'
import { enterTier } from './_context.js'
import { tie } from './_express-layers.js'
import { type ExpressRequest, expressRoute, lookUp } from './_express-pattern.js'
import { Gate } from './_gate.js'
import { patternRoute } from './_method.js'
import { optionsOf } from './_nest-decorators.js'
import type { AdapterOptions } from './_options.js'
import { PROBLEM_TYPE, refusalHeaders, refusalOf, type Shed, shedIn } from './_problem.js'
import { isHttpError } from './_refusal.js'
import { leaveBody } from './_request-body.js'
import { bounded, isThenable } from './_resolve.js'
import { trackerOf } from './_response-tracker.js'
import type { AdapterRouteOptions } from './_route-options.js'

/** The platform's request: Express's, or Fastify's around Node's. */
export type NestRequest = IncomingMessage & {
  readonly raw?: IncomingMessage
  readonly routeOptions?: { readonly url?: string }
}

/** The platform's response: Express's, or Fastify's around Node's. */
export type NestResponse = ServerResponse & {
  readonly raw?: ServerResponse
  header?(name: string, value: string): unknown
}

/** The callbacks get the platform's request and response. `onShed` may throw its own exception instead of the 503. */
export type NestOptions<
  Request extends NestRequest = NestRequest,
  Response extends NestResponse = NestResponse,
> = AdapterOptions<Request, Response>

type HttpArguments = readonly [request: NestRequest, response: NestResponse]

/** A promise and what settles it. */
function deferred(): { readonly promise: Promise<void>; readonly settle: () => void } {
  let settle = (): void => {}
  const promise = new Promise<void>((resolve) => {
    settle = resolve
  })
  return { promise, settle }
}

/** The guard, and interceptor, that {@link atrionNest} makes: `@UseGuards(AtrionGuard)` where `AtrionModule` does not guard everything. */
export class AtrionGuard<Request extends NestRequest = NestRequest, Response extends NestResponse = NestResponse>
  implements CanActivate, NestInterceptor
{
  readonly #gate: Gate<Request, Response>
  /** A guard and an interceptor at once: registered as both, it asks once. */
  readonly #seen = new WeakSet<IncomingMessage>()

  /** @throws ConfigError for an option that is unknown, of the wrong type or out of its range */
  constructor(atrion: Atrion, options: NestOptions<Request, Response> = {}) {
    this.#gate = new Gate(atrion, options)
  }

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    if (context.getType() !== 'http') return true
    const http = context.switchToHttp()
    return this.#guard(http.getRequest<Request>(), http.getResponse<Response>(), optionsOf(context))
  }

  intercept(context: ExecutionContext, next: CallHandler): ReturnType<CallHandler['handle']> {
    const entered = this.canActivate(context)
    const handle = (): ReturnType<CallHandler['handle']> => this.#handle(context, next)
    return isThenable(entered) ? from(entered).pipe(mergeMap(handle)) : handle()
  }

  /** The handler is over when what it returns is; a shed of a guard further in is answered as one. */
  #handle(context: ExecutionContext, next: CallHandler): ReturnType<CallHandler['handle']> {
    if (context.getType() !== 'http') return next.handle()
    const http = context.switchToHttp()
    const [request, response]: HttpArguments = [http.getRequest<NestRequest>(), http.getResponse<NestResponse>()]
    const tracker = trackerOf(request.raw ?? request, this.#gate)
    if (tracker === undefined) return next.handle()
    const { promise, settle } = deferred()
    tracker.follow(promise)
    return next.handle().pipe(
      catchError((error: unknown) => {
        const shed = shedIn(error)
        if (shed === undefined) throw error
        tracker.noteShed(shed)
        throw refusalException(response, shed)
      }),
      finalize(settle),
    )
  }

  #guard(
    request: Request,
    response: Response,
    own: AdapterRouteOptions<Request> | undefined,
  ): boolean | Promise<boolean> {
    const gate = this.#gate
    const node = request.raw ?? request
    if (this.#seen.has(node)) return true
    this.#seen.add(node)
    const url = request.routeOptions?.url
    const routing = url === undefined ? lookUp(request as unknown as ExpressRequest) : undefined
    const pattern = (): string | undefined =>
      routing === undefined
        ? patternRoute(request.method, url ?? '*')
        : expressRoute(request as unknown as ExpressRequest, routing)
    return gate.pass<boolean | Promise<boolean>>(
      { request, node, response: response.raw ?? response, pattern, own },
      (tracker) => {
        if (tracker === undefined) return true
        tracker.isAlwaysEnded = true
        if (routing !== undefined) tie(tracker, node, routing)
        if (gate.options.propagate === true) enterTier(tracker.tier)
        return true
      },
      (permit) => this.#refuse(request, response, permit),
    ) as boolean | Promise<boolean>
  }

  #refuse(request: Request, response: Response, permit: Permit): Promise<never> {
    const { onShed } = this.#gate.options
    leaveBody(request.raw ?? request, response.raw ?? response)
    if (onShed === undefined) throw refusalException(response, permit)
    let answer: unknown
    try {
      answer = onShed(request, response, permit)
    } catch (error) {
      throw raised(response, permit, error)
    }
    if (!isThenable(answer)) throw refusalException(response, permit)
    return bounded('onShed', settled(answer), undefined).then((failure) => {
      throw failure === undefined ? refusalException(response, permit) : raised(response, permit, failure.error)
    })
  }
}

/** The failure of an application's answer; undefined where it did not. */
const settled = (answer: PromiseLike<unknown>): PromiseLike<{ readonly error: unknown } | undefined> =>
  answer.then(
    () => undefined,
    (error: unknown) => ({ error }),
  )

/** An exception of Nest's is an answer; any other error is not. */
function raised(response: NestResponse, permit: Shed, error: unknown): unknown {
  if (isHttpError(error)) return error
  warnOnce('callback onShed', `the adapter's option 'onShed' threw: ${textOfAny(error)}`)
  return refusalException(response, permit)
}

/** The exception of a shed request; its headers are on the response already. */
function refusalException(response: NestResponse, shed: Shed): HttpException {
  const refusal = refusalOf(shed)
  const raw = response.raw ?? response
  if (!raw.headersSent) {
    for (const [name, value] of Object.entries(refusalHeaders(refusal))) {
      if (response.raw === undefined) response.setHeader(name, value)
      else response.header?.(name, value)
    }
    nameProblem(raw)
  }
  return new HttpException(JSON.parse(refusal.body) as Record<string, unknown>, 503)
}

/** Nest calls every error `application/json`; where that is what an exception filter left it at, this one says what it is. */
function nameProblem(response: ServerResponse): void {
  const { writeHead } = response
  response.writeHead = ((...args: Parameters<typeof writeHead>) => {
    response.writeHead = writeHead
    const last = args[args.length - 1]
    const given = typeof last === 'object' && !Array.isArray(last) ? (last as Record<string, unknown>) : undefined
    const type = given?.['content-type'] ?? response.getHeader('content-type')
    if (String(type).startsWith('application/json')) {
      if (given?.['content-type'] !== undefined) given['content-type'] = PROBLEM_TYPE
      else response.setHeader('content-type', PROBLEM_TYPE)
    }
    return writeHead.apply(response, args)
  }) as typeof writeHead
}

/**
 * Guards every handler of the application: `app.useGlobalGuards(atrionNest(atrion, options))`. It is an interceptor as well,
 * for `app.useGlobalInterceptors`; as a guard it is asked first, as an interceptor it sees what the handler does: when it is over
 * though its client has gone, and a ShedError of a guard further in, which is answered as a shed. Register it as both. Requests
 * of other kinds than HTTP pass.
 *
 * Routes are Nest's own patterns, with the global prefix: `GET /users/:id`. A URL without a handler never comes to a guard; on
 * the Express platform, `app.use(atrionExpress(atrion, options))` of `atrion/express` guards those, too.
 *
 * A refusal is an `HttpException` with status 503, so that exception filters see it.
 *
 * @throws ConfigError for an option that is unknown, of the wrong type or out of its range
 */
export function atrionNest<Request extends NestRequest = NestRequest, Response extends NestResponse = NestResponse>(
  atrion: Atrion,
  options: NestOptions<Request, Response> = {},
): CanActivate & NestInterceptor {
  return new AtrionGuard(atrion, options)
}
