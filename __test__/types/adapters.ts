/** Adapters: the callbacks get the framework's own request, response and context. */
import { createServer } from 'node:http'
import {
  createSecureServer,
  createServer as createServerOfHttp2,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2'
import type { ExecutionContext } from '@nestjs/common'
import type { Atrion } from 'atrion'
import { atrionExpress, openStreams } from 'atrion/express'
import { atrionFastify, type RequestAdmission } from 'atrion/fastify'
import { withAtrion } from 'atrion/fetch'
import { type AtrionEnv, atrionHono } from 'atrion/hono'
import { atrionHttp, cancelSignal } from 'atrion/http'
import { atrionKoa } from 'atrion/koa'
import {
  AtrionModule,
  AtrionRoute,
  atrionNest,
  Key,
  type NestRequest,
  type NestResponse,
  SkipAtrion,
  Tier,
} from 'atrion/nest'
import type { Request, Response } from 'express'
import express from 'express'
import Fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'

export function adapters(atrion: Atrion): number {
  createServer(
    atrionHttp(atrion, (req, res) => res.end(cancelSignal(req).aborted ? '' : req.url), {
      cancellable: (req) => (req.url === '/report' ? 1 : 0),
      tier: async (req) => (req.headers.authorization ? 'high' : 'normal'),
      key: (req) => req.socket.remotePort,
      stream: (req) => req.url === '/poll',
      maxStreams: 100,
      maxWaitMs: 50,
      onShed: (_req, res, permit) => res.writeHead(429, { 'Retry-After': String(permit.retryAfterMs) }).end(),
    }),
  )

  // HTTP/2's compatibility API, whose requests and responses are of their own types.
  createServerOfHttp2(atrionHttp(atrion, (_req, res) => res.stream.end()))
  const byAuthority = { route: (req: Http2ServerRequest) => req.authority }
  const answer = async (_req: Http2ServerRequest, res: Http2ServerResponse) => res.stream.end()
  createSecureServer({}, atrionHttp(atrion, answer, byAuthority))
  createServerOfHttp2(atrionHttp(atrion, new Koa().callback()))
  // Applications that are listeners.
  createServer(atrionHttp(atrion, express(), { key: (req) => req.socket.remotePort }))
  createServer(atrionHttp(atrion, new Koa().callback()))

  const app = express()
  app.use(
    atrionExpress(atrion, {
      route: (req) => `${req.method} ${req.baseUrl}`,
      tier: (req) => (req.path === '/pay' ? 'critical' : undefined),
      key: (req) => req.ip,
      skip: async (req) => req.get('x-health') === '1',
      onShed: (_req, res) => res.status(429).json({ later: true }),
    }),
  )
  app.use(atrionExpress<Request<{ id: string }>, Response<string>>(atrion, { key: (req) => req.params.id }))

  const fastify = Fastify()
  fastify.register(
    atrionFastify(atrion, { key: (request) => request.ip, onShed: (_request, reply) => reply.code(429).send() }),
  )
  fastify.register(atrionFastify, { atrion, tier: (request) => (request.routeOptions.url === '/pay' ? 'high' : 'low') })

  const koa = new Koa()
  koa.use(atrionKoa(atrion, { key: (ctx) => ctx.get('x-user'), tier: (ctx) => (ctx.request.secure ? 'high' : 'low') }))

  type Env = { Variables: { user: string }; Bindings: { region: string } }
  const hono = new Hono<Env>()
  hono.use(atrionHono<Env>(atrion, { key: (context) => context.get('user'), route: (context) => context.env.region }))

  interface MyRequest extends NestRequest {
    readonly user?: { readonly id: number }
  }
  const guard = atrionNest<MyRequest, NestResponse>(atrion, { key: (request) => request.user?.id })
  const canActivate: (context: ExecutionContext) => unknown = (context) => guard.canActivate(context)

  const handler: (request: Request2) => Promise<globalThis.Response> = withAtrion(() => new globalThis.Response(), {
    atrion,
    key: async (request) => request.headers.get('x-user') ?? undefined,
  })
  // @ts-expect-error: no such option
  atrionHttp(atrion, () => {}, { teir: () => 'high' })
  return openStreams(atrion, 'GET *') + [canActivate, handler, fastify, koa, hono].length
}

type Request2 = globalThis.Request

/** Options of one route have the framework's own request, and its handlers the types of before. */
export function routeOptions(atrion: Atrion): unknown[] {
  const app = express()
  app.get('/users/:id', atrionExpress.route({ tier: 'high', key: (req) => req.ip }), (req, res) =>
    res.send(req.params.id),
  )
  app.get('/health', atrionExpress.route({ skip: true }), (_req, res) => res.send('well'))
  // @ts-expect-error: no such tier
  atrionExpress.route({ tier: 'hihg' })

  const koa = new Koa()
  koa.use(atrionKoa.route({ key: (ctx) => ctx.get('x-user'), stream: true }))

  const fastify = Fastify()
  fastify.register(atrionFastify, { atrion })
  const config = { atrion: { tier: 'high', key: (request: { ip: string }) => request.ip } } as const
  fastify.get('/pay', { config }, async (request) => {
    const admission: RequestAdmission | null = request.atrion
    const instance: Atrion = request.server.atrion
    return [admission?.routeId, admission?.tier, instance.engine]
  })
  fastify.get('/poll', { config: { atrion: { stream: true, maxWaitMs: 20 } } }, async () => 'ok')
  fastify.get('/health', { config: { atrion: false } }, async () => 'well')
  // @ts-expect-error: no such tier
  fastify.get('/', { config: { atrion: { tier: 'hihg' } } }, async () => 'ok')

  const hono = new Hono<AtrionEnv>()
  hono.use(atrionHono(atrion))
  hono.get('/pay/:id', atrionHono.route({ tier: 'critical', key: (c) => c.req.header('x-user') }), (c) => {
    const instance: Atrion = c.var.atrion
    const routeId: string | undefined = c.get('atrionAdmission')?.routeId
    return c.json([instance.engine, routeId, c.req.param('id')])
  })
  // In a chain the variables are known without being named.
  const chained = new Hono().use(atrionHono(atrion)).get('/', (c) => c.text(c.var.atrion.engine))

  const decorators = [
    Tier('high'),
    Tier((request: NestRequest) => (request.method === 'POST' ? 'high' : 'low')),
    Key((request: { user?: { id: number } }) => request.user?.id),
    SkipAtrion(),
    AtrionRoute({ stream: true, maxWaitMs: 50 }),
  ]
  const modules = [
    AtrionModule.forRoot(),
    AtrionModule.forRoot({ atrion, tier: (request) => (request.method === 'GET' ? 'low' : 'high'), isGlobal: false }),
    AtrionModule.forRoot({ atrion: { defaultVoltage: 50 }, guard: false }),
    AtrionModule.forRootAsync({ inject: ['settings'], useFactory: async (ms: number) => ({ maxWaitMs: ms }) }),
  ]
  // @ts-expect-error: no such option
  AtrionModule.forRoot({ teir: () => 'high' })
  return [app, koa, fastify, hono, chained, ...decorators, ...modules]
}
