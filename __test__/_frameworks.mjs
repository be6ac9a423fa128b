// One application in every framework: what an adapter owes does not depend on the framework around it.
import 'reflect-metadata'
import { once } from 'node:events'
import { createServer } from 'node:http'
import http2 from 'node:http2'
import { serve } from '@hono/node-server'
import Router from '@koa/router'
import nest from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import { atrionExpress } from 'atrion/express'
import { atrionFastify } from 'atrion/fastify'
import { atrionHono } from 'atrion/hono'
import { atrionHttp } from 'atrion/http'
import { atrionKoa } from 'atrion/koa'
import { atrionNest } from 'atrion/nest'
import express4 from 'express4'
import express5 from 'express5'
import Fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { listen } from './_adapters.mjs'

/** Nest has read a body before its guards are asked. */
export const readsFirst = (name) => name.startsWith('nest')

/** Frameworks that HTTP/2 can be asked of. */
export const SPEAK_HTTP2 = ['http', 'fastify', 'koa', 'hono', 'nest on fastify']

const serverOf = (isHttp2, handler) => listen(isHttp2 ? http2.createServer(handler) : createServer(handler))

/** Each starts a server, of HTTP/2 without TLS where that is asked for, where `work(path)` answers GET and POST of /a and /b: it resolves to a text, or throws. */
export const FRAMEWORKS = {
  http: (atrion, options, work, isHttp2) => {
    const route = ({ method, url }) => `${method} ${url.split('?')[0]}`
    const handler = async (req, res) => {
      for await (const _ of req);
      res.end(await work(req.url))
    }
    const guarded = atrionHttp(atrion, handler, { route, ...options })
    // A handler of node:http answers errors itself; this one with 500.
    return serverOf(isHttp2, (req, res) => guarded(req, res)?.catch?.(() => res.writeHead(500).end()))
  },
  'express 4': (atrion, options, work) => {
    const app = express4().set('env', 'test')
    app.use(atrionExpress(atrion, options))
    app.use(express4.json())
    for (const path of ['/a', '/b']) {
      app.all(path, (req, res, next) => work(req.path).then((text) => res.send(text), next))
    }
    return listen(createServer(app))
  },
  'express 5': (atrion, options, work) => {
    const app = express5().set('env', 'test')
    app.use(atrionExpress(atrion, options))
    app.use(express5.json())
    for (const path of ['/a', '/b']) app.all(path, async (req, res) => res.send(await work(req.path)))
    return listen(createServer(app))
  },
  fastify: async (atrion, options, work, isHttp2) => {
    const app = isHttp2 ? Fastify({ http2: true }) : Fastify()
    await app.register(atrionFastify, { atrion, ...options })
    for (const url of ['/a', '/b']) app.route({ method: ['GET', 'POST'], url, handler: async () => work(url) })
    await app.listen({ host: '127.0.0.1', port: 0 })
    return app.server
  },
  koa: (atrion, options, work, isHttp2) => {
    const app = new Koa()
    app.silent = true
    app.use(atrionKoa(atrion, options))
    const router = new Router()
    for (const path of ['/a', '/b']) {
      router.register(path, ['GET', 'POST'], async (ctx) => {
        for await (const _ of ctx.req);
        ctx.body = await work(path)
      })
    }
    app.use(router.routes())
    return serverOf(isHttp2, app.callback())
  },
  hono: async (atrion, options, work, isHttp2) => {
    const app = new Hono()
    app.use(atrionHono(atrion, options))
    app.onError((_error, context) => context.text('failed', 500))
    for (const path of ['/a', '/b']) {
      app.on(['GET', 'POST'], path, async (context) => {
        await context.req.text()
        return context.text(await work(path))
      })
    }
    const create = isHttp2 ? http2.createServer : createServer
    const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0, createServer: create })
    if (!server.listening) await once(server, 'listening')
    return server
  },
  'nest on express': (atrion, options, work) => startNest(atrion, options, work),
  'nest on fastify': (atrion, options, work, isHttp2) =>
    startNest(atrion, options, work, isHttp2 ? new FastifyAdapter({ http2: true }) : new FastifyAdapter()),
}

async function startNest(atrion, options, work, adapter) {
  class Controller {
    a() {
      return work('/a')
    }
    b() {
      return work('/b')
    }
  }
  nest.Controller()(Controller)
  for (const name of ['a', 'b']) {
    nest.All(name)(Controller.prototype, name, Object.getOwnPropertyDescriptor(Controller.prototype, name))
  }
  class Root {}
  nest.Module({ controllers: [Controller] })(Root)
  const app = await (adapter
    ? NestFactory.create(Root, adapter, { logger: false })
    : NestFactory.create(Root, { logger: false }))
  const guard = atrionNest(atrion, options)
  app.useGlobalGuards(guard)
  app.useGlobalInterceptors(guard)
  await app.listen(0, '127.0.0.1')
  return app.getHttpServer()
}
