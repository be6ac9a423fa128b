// Options of one route beneath the guard of its application, in every framework that has a place for them.
// One file, because every test runs over the same table of applications.
import 'reflect-metadata'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { serve } from '@hono/node-server'
import Router from '@koa/router'
import nest from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import { ConfigError } from 'atrion'
import { atrionExpress } from 'atrion/express'
import { atrionFastify } from 'atrion/fastify'
import { atrionHono } from 'atrion/hono'
import { openStreams } from 'atrion/http'
import { atrionKoa } from 'atrion/koa'
import { AtrionRoute, atrionNest } from 'atrion/nest'
import ava from 'ava'
import express4 from 'express4'
import express5 from 'express5'
import Fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { ask, CALM, close, drained, listen, until, watched } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'

const test = engine === 'ts' ? ava.skip : ava

const express = (make) => (atrion, options, own, work) => {
  const app = make().set('env', 'test')
  app.use(atrionExpress(atrion, options))
  app.use((req, _res, next) => {
    req.user = 'alice'
    next()
  })
  app.get('/a/:id', atrionExpress.route(own), (req, res, next) =>
    work(req).then((text) => res.send(text ?? req.user), next),
  )
  return listen(createServer(app))
}

const nestOn = (makeAdapter) => async (atrion, options, own, work) => {
  class Controller {
    a(request) {
      return work(request).then((text) => text ?? 'alice')
    }
  }
  nest.Controller()(Controller)
  const descriptor = Object.getOwnPropertyDescriptor(Controller.prototype, 'a')
  nest.Get('a/:id')(Controller.prototype, 'a', descriptor)
  nest.Req()(Controller.prototype, 'a', 0)
  AtrionRoute(own)(Controller.prototype, 'a', descriptor)
  class Root {}
  nest.Module({ controllers: [Controller] })(Root)
  const adapter = makeAdapter?.()
  const app = await (adapter
    ? NestFactory.create(Root, adapter, { logger: false })
    : NestFactory.create(Root, { logger: false }))
  const guard = atrionNest(atrion, options)
  app.useGlobalGuards(guard).useGlobalInterceptors(guard)
  await app.listen(0, '127.0.0.1')
  return app.getHttpServer()
}

/** Each starts a server of GET /a/:id with options of its own; `work(request)` resolves to its text. */
const STARTS = {
  'express 4': express(express4),
  'express 5': express(express5),
  fastify: async (atrion, options, own, work) => {
    const app = Fastify()
    await app.register(atrionFastify, { atrion, ...options })
    app.get('/a/:id', { config: { atrion: own } }, async (request) => (await work(request)) ?? 'alice')
    await app.listen({ host: '127.0.0.1', port: 0 })
    return app.server
  },
  koa: (atrion, options, own, work) => {
    const app = new Koa()
    app.silent = true
    app.use(atrionKoa(atrion, options))
    const router = new Router()
    router.use((ctx, next) => {
      ctx.state.user = 'alice'
      return next()
    })
    router.get('/a/:id', atrionKoa.route(own), async (ctx) => {
      ctx.body = (await work(ctx)) ?? ctx.state.user
    })
    app.use(router.routes())
    return listen(createServer(app.callback()))
  },
  hono: async (atrion, options, own, work) => {
    const app = new Hono()
    app.use(atrionHono(atrion, options))
    app.use(async (context, next) => {
      context.set('user', 'alice')
      await next()
    })
    app.get('/a/:id', atrionHono.route(own), async (context) =>
      context.text((await work(context)) ?? context.get('user')),
    )
    const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 })
    if (!server.listening) await once(server, 'listening')
    return server
  },
  'nest on express': nestOn(),
  'nest on fastify': nestOn(() => new FastifyAdapter()),
}

/** Frameworks that know a route's options, functions too, before a request is admitted. */
const KNOWS_ALL = ['fastify', 'nest on express', 'nest on fastify']
/** The value that a function finds, set before it where something can be. */
const userOf = (request) => request.user ?? request.state?.user ?? request.get?.('user')

for (const [name, start] of Object.entries(STARTS)) {
  const run = (title, options, own, body, work = async () => undefined) =>
    test(`${name}: ${title}`, async (t) => {
      const world = watched()
      const given = typeof own === 'function' ? own(world.atrion) : own
      const server = await start(world.atrion, { ...CALM, ...options }, given, (request) => work(world, request))
      try {
        await body(t, { ...world, server })
      } finally {
        await close(server)
      }
    })

  run('a tier and a name count when the request is admitted', {}, { tier: 'high', route: 'pay' }, async (t, world) => {
    const { atrion, asked, outcomes, server } = world
    t.is((await ask(server, '/a/1')).body, 'alice')
    await drained(atrion, 'pay')
    t.like(asked[0], { routeId: 'pay', tier: 'high' })
    t.is(asked.length, 1)
    t.deepEqual(outcomes, ['pay success'])
  })

  run(
    'they are over those of the guard',
    { tier: () => 'low', key: () => 'bob' },
    { tier: 'critical' },
    async (t, w) => {
      t.is((await ask(w.server, '/a/1')).status, 200)
      t.like(w.asked[0], { routeId: 'GET /a/:id', tier: 'critical', key: 'bob' })
      t.is(w.asked.length, 1)
    },
  )

  run('a route that is skipped is not asked for', {}, { skip: true }, async (t, { server, asked, atrion }) => {
    t.is((await ask(server, '/a/1')).body, 'alice')
    t.deepEqual(asked, [])
    t.deepEqual(atrion.getRoutes(), [])
  })

  run('one that is skipped by what is known late counts for nothing', {}, { skip: async () => true }, async (t, w) => {
    t.is((await ask(w.server, '/a/1')).body, 'alice')
    if (KNOWS_ALL.includes(name)) return t.deepEqual(w.asked, [])
    await drained(w.atrion, 'GET /a/:id')
    t.deepEqual(w.outcomes, ['GET /a/:id ignored'])
    t.is(w.atrion.stats('GET /a/:id').failures, 0)
  })

  run(
    'a key that is known late is that of the permit',
    {},
    { key: (request) => userOf(request) ?? 'alice' },
    async (t, w) => {
      t.is((await ask(w.server, '/a/1')).body, 'alice')
      await drained(w.atrion, 'GET /a/:id')
      t.is(w.asked.at(-1).key, 'alice')
      t.is(w.outcomes.at(-1), 'GET /a/:id success')
      t.is(w.atrion.stats('GET /a/:id').inFlight, 0)
    },
  )

  run(
    'a tier that is found to be lower is asked for anew, and refused as the guard refuses',
    { tier: () => 'high' },
    (atrion) => ({
      tier: async () => {
        atrion.override('GET /a/:id', 'open')
        return 'bulk'
      },
    }),
    async (t, { server, atrion, asked }) => {
      await ask(server, '/a/1') // makes the route, which only then has an override
      atrion.override('GET /a/:id', null)
      const { status, headers } = await ask(server, '/a/2')
      t.is(status, 503)
      t.regex(headers['retry-after'], /^[1-9]\d*$/)
      t.regex(headers['content-type'], /^application\/problem\+json/)
      t.is(asked.at(-1).tier, 'bulk')
      t.is(atrion.stats('GET /a/:id').inFlight, 0)
    },
  )

  run(
    'a tier that is found to be higher needs no second permit',
    { tier: () => 'low' },
    { tier: async () => 'high' },
    async (t, w) => {
      t.is((await ask(w.server, '/a/1')).status, 200)
      t.is(w.asked.length, 1)
    },
  )

  run(
    'a stream holds no place',
    {},
    { stream: true },
    async (t, { server, atrion }) => {
      const answer = ask(server, '/a/1')
      await until(() => openStreams(atrion, 'GET /a/:id') === 1)
      t.is(atrion.stats('GET /a/:id').inFlight, 0)
      waiting.shift()()
      t.is((await answer).status, 200)
      await until(() => openStreams(atrion, 'GET /a/:id') === 0)
    },
    () => new Promise((resolve) => waiting.push(() => resolve(undefined))),
  )
  const waiting = []

  run(
    'functions that throw, or name no tier, harm nothing',
    {},
    {
      tier: () => 'emperor',
      key: () => {
        throw new Error('a callback of the test')
      },
      route: async () => {
        throw new Error('a callback of the test')
      },
    },
    async (t, { server, asked }) => {
      t.is((await ask(server, '/a/1')).body, 'alice')
      t.is(asked.length, 1)
    },
  )
}

test('options of a route that are wrong are errors where they are given', async (t) => {
  const makers = [atrionExpress.route, atrionKoa.route, atrionHono.route, AtrionRoute]
  for (const make of makers) {
    t.like(
      t.throws(() => make({ tier: 'hihg' }), { instanceOf: ConfigError }),
      { field: 'tier', nearest: 'high' },
    )
    t.like(
      t.throws(() => make({ teir: 'high' }), { instanceOf: ConfigError }),
      { field: 'teir', nearest: 'tier' },
    )
    t.like(
      t.throws(() => make({ maxWaitMs: -1 }), { instanceOf: ConfigError }),
      { field: 'maxWaitMs' },
    )
    t.like(
      t.throws(() => make({ route: '' }), { instanceOf: ConfigError }),
      { field: 'route' },
    )
    t.like(
      t.throws(() => make(undefined), { instanceOf: ConfigError }),
      { field: 'options' },
    )
  }
  const { atrion } = watched()
  const app = Fastify()
  await app.register(atrionFastify, { atrion })
  t.throws(() => app.get('/', { config: { atrion: { tier: 'hihg' } } }, async () => 'ok'), { instanceOf: ConfigError })
  await app.close()
})

test('without a guard before it, a route with options is as one without', async (t) => {
  const app = express5()
  app.get('/', atrionExpress.route({ tier: 'high', key: () => 'a' }), (_req, res) => res.send('ok'))
  const server = await listen(createServer(app))
  t.is((await ask(server, '/')).body, 'ok')
  await close(server)
  const hono = new Hono().get('/', atrionHono.route({ tier: 'high' }), (context) => context.text('ok'))
  t.is(await (await hono.request('/')).text(), 'ok')
})

test('express: options of a router are for its routes, and those of a route are over them', async (t) => {
  const { atrion, asked } = watched()
  const app = express5()
  app.use(atrionExpress(atrion, CALM))
  const router = express5.Router()
  router.use(atrionExpress.route({ tier: 'bulk', key: 'batch' }))
  router.get('/slow', (_req, res) => res.send('slow'))
  router.get('/pay', atrionExpress.route({ tier: 'critical' }), (_req, res) => res.send('pay'))
  app.use('/api', router)
  app.get('/other', (_req, res) => res.send('other'))
  const server = await listen(createServer(app))
  for (const path of ['/api/slow', '/api/pay', '/other']) t.is((await ask(server, path)).status, 200)
  t.deepEqual(
    asked.map(({ routeId, tier, key }) => [routeId, tier, key]),
    [
      ['GET /api/slow', 'bulk', 'batch'],
      ['GET /api/pay', 'critical', 'batch'],
      ['GET /other', undefined, undefined],
    ],
  )
  await close(server)
})

test('koa: options of a router are for its routes, and those of a route are over them', async (t) => {
  const { atrion, asked } = watched()
  const app = new Koa()
  app.use(atrionKoa(atrion, CALM))
  const router = new Router({ prefix: '/api' })
  router.use(atrionKoa.route({ tier: 'bulk' }))
  router.get('/slow', (ctx) => {
    ctx.body = 'slow'
  })
  router.get('/pay', atrionKoa.route({ tier: 'critical' }), (ctx) => {
    ctx.body = 'pay'
  })
  app.use(router.routes())
  const server = await listen(createServer(app.callback()))
  for (const path of ['/api/slow', '/api/pay']) t.is((await ask(server, path)).status, 200)
  t.deepEqual(
    asked.map(({ routeId, tier }) => [routeId, tier]),
    [
      ['GET /api/slow', 'bulk'],
      ['GET /api/pay', 'critical'],
    ],
  )
  await close(server)
})

test('hono: options count without Node beneath, and handlers find the instance and their admission', async (t) => {
  const { atrion, asked, outcomes } = watched()
  const app = new Hono()
  app.use(atrionHono(atrion, CALM))
  app.get('/pay', atrionHono.route({ tier: 'high' }), (context) => {
    const { routeId, tier, isStream } = context.get('atrionAdmission')
    return context.json({ isSame: context.var.atrion === atrion, routeId, tier, isStream })
  })
  app.get('/late', atrionHono.route({ tier: () => 'bulk' }), (context) => context.text('late'))
  app.get('/health', atrionHono.route({ skip: true }), (context) =>
    context.json([context.var.atrion === atrion, context.get('atrionAdmission') === undefined]),
  )
  t.deepEqual(await (await app.request('/pay')).json(), {
    isSame: true,
    routeId: 'GET /pay',
    tier: 'high',
    isStream: false,
  })
  t.is(await (await app.request('/late')).text(), 'late')
  t.deepEqual(await (await app.request('/health')).json(), [true, true])
  t.deepEqual(
    asked.map(({ routeId, tier }) => `${routeId} ${tier}`),
    ['GET /pay high', 'GET /late undefined', 'GET /late bulk'],
  )
  await drained(atrion, 'GET /late')
  t.deepEqual(outcomes, ['GET /pay success', 'GET /late ignored', 'GET /late success'])
  atrion.override('GET /late', 'open')
  t.is((await app.request('/late')).status, 503)
})

test('a guard within a guard: its tier counts where it is lower, and nothing it does not give is lost', async (t) => {
  const { atrion, asked, outcomes } = watched()
  const app = express5()
  app.use(atrionExpress(atrion, { ...CALM, tier: () => 'high', key: () => 'alice' }))
  app.get('/a', atrionExpress(atrion, { ...CALM, tier: () => 'bulk' }), (_req, res) => res.send('a'))
  app.get('/b', atrionExpress(atrion, CALM), (_req, res) => res.send('b'))
  const server = await listen(createServer(app))
  t.is((await ask(server, '/a')).body, 'a')
  t.is((await ask(server, '/b')).body, 'b')
  await drained(atrion, 'GET /b')
  t.deepEqual(
    asked.map(({ routeId, tier, key }) => [routeId, tier, key]),
    [
      ['GET /a', 'high', 'alice'],
      ['GET /a', 'bulk', 'alice'],
      ['GET /b', 'high', 'alice'],
    ],
  )
  t.deepEqual(outcomes, ['GET /a ignored', 'GET /a success', 'GET /b success'])
  await close(server)
})
