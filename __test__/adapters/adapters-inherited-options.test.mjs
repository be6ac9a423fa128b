// Options that are an object's own, its class's getters, or another object's that it was created from: all count, in every adapter.
import 'reflect-metadata'
import { createServer } from 'node:http'
import Router from '@koa/router'
import nest from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { ConfigError } from 'atrion'
import { atrionExpress } from 'atrion/express'
import { atrionFastify } from 'atrion/fastify'
import { atrionHono } from 'atrion/hono'
import { atrionKoa } from 'atrion/koa'
import { AtrionModule, AtrionRoute } from 'atrion/nest'
import ava from 'ava'
import express4 from 'express4'
import express5 from 'express5'
import Fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { ask, CALM, close, listen, watched } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'
import fc from '../_random.mjs'

const test = engine === 'ts' ? ava.skip : ava

/** The ways in which an object may have its properties. */
const KINDS = {
  own: (options) => options,
  class: (options) => {
    class Options {}
    for (const [name, value] of Object.entries(options)) {
      Object.defineProperty(Options.prototype, name, { get: () => value, configurable: true })
    }
    return new Options()
  },
  created: (options) => Object.create(options),
}

const expressOf = (express) => async (atrion, made) => {
  const app = express()
  app.use(atrionExpress(atrion, CALM))
  app.get('/', atrionExpress.route(made({ tier: 'low', key: () => 'alice' })), (_req, res) => res.send('ok'))
  return listen(createServer(app))
}

const nestOf = (module, options) => async (atrion, made) => {
  class Controller {
    get() {
      return 'ok'
    }
  }
  const { prototype } = Controller
  const descriptor = Object.getOwnPropertyDescriptor(prototype, 'get')
  nest.Controller()(Controller)
  nest.Get()(prototype, 'get', descriptor)
  if (options !== undefined) AtrionRoute(made(options))(prototype, 'get', descriptor)
  class Root {}
  nest.Module({ imports: [module(atrion, made)], controllers: [Controller] })(Root)
  const app = await NestFactory.create(Root, { logger: false, abortOnError: false })
  await app.listen(0, '127.0.0.1')
  return app.getHttpServer()
}

const fastifyOf = (register, config) => async (atrion, made) => {
  const app = Fastify()
  register(app, atrion, made)
  app.get('/', { config: config === undefined ? {} : { atrion: made(config) } }, async () => 'ok')
  await app.listen({ host: '127.0.0.1', port: 0 })
  return app.server
}

const OF_ROUTE = { tier: 'low', key: () => 'alice' }
const OF_GUARD = { ...CALM, tier: () => 'low', key: () => 'alice' }

/** Each starts a server whose GET / has these options, made in one of those ways. */
const PLACES = {
  'a route of Express 4': expressOf(express4),
  'a route of Express 5': expressOf(express5),
  'a route of Koa': async (atrion, made) => {
    const app = new Koa()
    const router = new Router()
    router.get('/', atrionKoa.route(made(OF_ROUTE)), (ctx) => {
      ctx.body = 'ok'
    })
    app.use(atrionKoa(atrion, CALM))
    app.use(router.routes())
    return listen(createServer(app.callback()))
  },
  'a route of Fastify': fastifyOf((app, atrion) => app.register(atrionFastify(atrion, CALM)), OF_ROUTE),
  'the plugin of Fastify': fastifyOf((app, atrion, made) => app.register(atrionFastify, made({ atrion, ...OF_GUARD }))),
  'a handler of Nest': nestOf((atrion) => AtrionModule.forRoot({ atrion, ...CALM }), OF_ROUTE),
  'the module of Nest': nestOf((atrion, made) => AtrionModule.forRoot(made({ atrion, ...OF_GUARD, isGlobal: false }))),
  'the module of Nest, made later': nestOf((atrion, made) =>
    AtrionModule.forRootAsync({ useFactory: () => made({ atrion, ...OF_GUARD }) }),
  ),
}

for (const [place, start] of Object.entries(PLACES)) {
  for (const [kind, made] of Object.entries(KINDS)) {
    test(`${place}: options of the kind "${kind}" count`, async (t) => {
      const { atrion, asked } = watched()
      const server = await start(atrion, made)
      t.is((await ask(server, '/')).status, 200)
      t.like(asked.at(-1), { routeId: 'GET /', tier: 'low', key: 'alice' })
      await close(server)
    })
  }
}

test('a route of Hono: options of every kind count', async (t) => {
  for (const made of Object.values(KINDS)) {
    const { atrion, asked } = watched()
    const app = new Hono()
    app.use(atrionHono(atrion, CALM))
    app.get('/', atrionHono.route(made(OF_ROUTE)), (c) => c.text('ok'))
    t.is((await app.request('/')).status, 200)
    t.like(asked.at(-1), { routeId: 'GET /', tier: 'low', key: 'alice' })
  }
})

test('a wrong option is an error that names it, whichever way an object has it', (t) => {
  const takers = {
    express: (options) => atrionExpress.route(options),
    koa: (options) => atrionKoa.route(options),
    hono: (options) => atrionHono.route(options),
    nest: (options) => AtrionRoute(options),
    module: (options) => AtrionModule.forRoot(options),
  }
  const wrong = fc.constantFrom(['maxWaitMs', -1], ['maxWaitMs', Number.NaN], ['stream', 'yes'], ['cancellable', 1])
  fc.assert(
    fc.property(wrong, fc.constantFrom(...Object.keys(KINDS)), fc.constantFrom(...Object.keys(takers)), (...given) => {
      const [[field, got], kind, taker] = given
      const error = t.throws(() => takers[taker](KINDS[kind]({ [field]: got })), { instanceOf: ConfigError })
      t.like(error, { field, got }, `${taker}, ${kind}`)
    }),
  )
})
