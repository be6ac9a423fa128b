// A ShedError in applications that no adapter guards: every framework's own error handler answers it.
import 'reflect-metadata'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { serve } from '@hono/node-server'
import nest from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import { ShedError } from 'atrion'
import ava from 'ava'
import express4 from 'express4'
import express5 from 'express5'
import Fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { ask, close, listen } from '../_adapters.mjs'
import { create, engine } from '../_engine.mjs'

const test = engine === 'ts' ? ava.skip : ava

const startNest = async (work, ...adapter) => {
  class Controller {
    shed() {
      return work()
    }
  }
  nest.Controller()(Controller)
  nest.Get()(Controller.prototype, 'shed', Object.getOwnPropertyDescriptor(Controller.prototype, 'shed'))
  class Root {}
  nest.Module({ controllers: [Controller] })(Root)
  const app = await NestFactory.create(Root, ...adapter, { logger: false })
  await app.listen(0, '127.0.0.1')
  return app.getHttpServer()
}

const expressOf = (express) => (work) => {
  const app = express().set('env', 'test')
  app.get('/', (_req, res, next) => work().then(() => res.end(), next))
  return listen(createServer(app))
}

const SERVERS = {
  'express 4': [expressOf(express4), true],
  'express 5': [expressOf(express5), true],
  fastify: [
    async (work) => {
      const app = Fastify()
      app.get('/', work)
      await app.listen({ host: '127.0.0.1', port: 0 })
      return app.server
    },
    true,
  ],
  koa: [
    (work) => {
      const app = new Koa()
      app.silent = true
      app.use(work)
      return listen(createServer(app.callback()))
    },
    true,
  ],
  'hono, with an error handler that writes to the error': [
    async (work) => {
      const app = new Hono()
      app.get('/', work)
      app.onError((error, context) => {
        error.status = error.statusCode = error.status
        return context.text('busy', error.status, error.headers)
      })
      const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 })
      if (!server.listening) await once(server, 'listening')
      return server
    },
    true,
  ],
  // Nest's own filter has no headers.
  'nest on express': [(work) => startNest(work), false],
  'nest on fastify': [(work) => startNest(work, new FastifyAdapter()), false],
}

for (const [name, [start, hasHeaders]] of Object.entries(SERVERS)) {
  test(`${name}: a shed that no adapter sees is answered with 503`, async (t) => {
    const atrion = create()
    atrion.override('inner', 'open')
    const server = await start(() => atrion.run('inner', () => {}))
    const { status, headers } = await ask(server, '/')
    t.is(status, 503)
    if (hasHeaders) t.is(headers['x-should-retry'], 'false')
    await close(server)
  })
}

ava('the status of a ShedError may be written, as error handlers do', (t) => {
  const error = new ShedError({ routeId: 'r', resistance: 1, voltage: 1, mode: 'OPERATIONAL' })
  const other = new ShedError({ routeId: 'r', resistance: 1, voltage: 1, mode: 'OPERATIONAL' })
  error.status = 429
  error.statusCode = 429
  t.like(error, { status: 429, statusCode: 429, code: 'ATRION_SHED' })
  t.like(other, { status: 503, statusCode: 503 })
  t.is(Object.freeze(other).status, 503)
})
