/** `atrion/nest`: a global guard for NestJS, on its Express and on its Fastify platform. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { NestInterceptor } from '@nestjs/common'
import { type CallHandler, type CanActivate, type ExecutionContext, HttpException } from '@nestjs/common'
import type { Atrion } from '../atrion.js'
import type { Permit } from '../loop.js'
import { enterTier } from './_context.js'
import { type ExpressRequest, expressRoute } from './_express-pattern.js'
import { Gate } from './_gate.js'
import { Passage } from './_lifecycle.js'
import { type AdapterOptions, patternRoute } from './_options.js'
import { PROBLEM_TYPE, refusalOf } from './_refusal.js'

export { currentTier, withTier } from './_context.js'
export type { AdapterOptions, PressureOptions, Signal } from './_options.js'

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

/** `onShed` may throw an exception of one's own instead of the 503. */
export type NestOptions = AdapterOptions<NestRequest, NestResponse>

class AtrionGuard implements CanActivate, NestInterceptor {
  readonly #gate: Gate<NestRequest, NestResponse>
  /** A guard and an interceptor at once: whoever registers it as both is asked once. */
  readonly #seen = new WeakSet<IncomingMessage>()

  constructor(atrion: Atrion, options: NestOptions) {
    this.#gate = new Gate(atrion, options)
  }

  canActivate(context: ExecutionContext): boolean {
    if (context.getType() === 'http') {
      const http = context.switchToHttp()
      this.#guard(http.getRequest<NestRequest>(), http.getResponse<NestResponse>())
    }
    return true
  }

  intercept(context: ExecutionContext, next: CallHandler): ReturnType<CallHandler['handle']> {
    this.canActivate(context)
    return next.handle()
  }

  #guard(request: NestRequest, response: NestResponse): void {
    const gate = this.#gate
    const node = request.raw ?? request
    if (this.#seen.has(node) || gate.skips(request)) return
    this.#seen.add(node)
    const url = request.routeOptions?.url
    const pattern = url === undefined ? expressRoute(request as ExpressRequest) : patternRoute(request.method, url)
    const routeId = gate.routeOf(request, node, pattern)
    const permit = gate.enter(routeId, request, node)
    if (!permit.allow) this.#refuse(request, response, permit)
    new Passage(gate.atrion, routeId, permit, node, response.raw ?? response)
    if (gate.options.propagate === true) enterTier(gate.lastTier)
  }

  #refuse(request: NestRequest, response: NestResponse, permit: Permit): never {
    this.#gate.options.onShed?.(request, response, permit)
    const { retryAfterS, body } = refusalOf(permit)
    const raw = response.raw ?? response
    if (!raw.headersSent) {
      for (const [name, value] of Object.entries({ 'retry-after': retryAfterS, 'cache-control': 'no-store' })) {
        if (response.raw === undefined) response.setHeader(name, value)
        else response.header?.(name, value)
      }
      nameProblem(raw)
    }
    throw new HttpException(JSON.parse(body) as Record<string, unknown>, 503)
  }
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
 * for `app.useGlobalInterceptors`; as a guard it is asked first. Requests of other kinds than HTTP pass.
 *
 * Routes are Nest's own patterns, with the global prefix: `GET /users/:id`. A URL without a handler never comes to a guard; on
 * the Express platform, `app.use(atrionExpress(atrion, options))` of `atrion/express` guards those, too.
 *
 * A refusal is an `HttpException` with status 503, so that exception filters see it.
 *
 * @throws ConfigError for an option of the wrong type
 */
export function atrionNest(atrion: Atrion, options: NestOptions = {}): CanActivate & NestInterceptor {
  return new AtrionGuard(atrion, options)
}
