/** Adapters: the callbacks get the framework's own request, response and context. */
import { createServer } from 'node:http'
import type { ExecutionContext } from '@nestjs/common'
import type { Atrion } from 'atrion'
import { atrionExpress, openStreams } from 'atrion/express'
import { atrionFastify } from 'atrion/fastify'
import { withAtrion } from 'atrion/fetch'
import { atrionHono } from 'atrion/hono'
import { atrionHttp } from 'atrion/http'
import { atrionKoa } from 'atrion/koa'
import { atrionNest, type NestRequest, type NestResponse } from 'atrion/nest'
import type { Request, Response } from 'express'
import express from 'express'
import Fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'

export function adapters(atrion: Atrion): number {
  createServer(
    atrionHttp(atrion, (req, res) => res.end(req.url), {
      tier: async (req) => (req.headers.authorization ? 'high' : 'normal'),
      key: (req) => req.socket.remotePort,
      stream: (req) => req.url === '/poll',
      maxStreams: 100,
      maxWaitMs: 50,
      onShed: (_req, res, permit) => res.writeHead(429, { 'Retry-After': String(permit.retryAfterMs) }).end(),
    }),
  )

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
