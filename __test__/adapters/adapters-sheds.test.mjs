// A shed of a guard further in, answered by handlers that know nothing of Atrion.
import 'reflect-metadata'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'
import { serve } from '@hono/node-server'
import Router from '@koa/router'
import nest from '@nestjs/common'
import { APP_GUARD, NestFactory } from '@nestjs/core'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import { atrionExpress } from 'atrion/express'
import { atrionFastify } from 'atrion/fastify'
import { withAtrion } from 'atrion/fetch'
import { atrionHono } from 'atrion/hono'
import { atrionHttp } from 'atrion/http'
import { atrionKoa } from 'atrion/koa'
import { atrionNest } from 'atrion/nest'
import ava from 'ava'
import express4 from 'express4'
import express5 from 'express5'
import Fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { ask, CALM, close, drained, listen, watched } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'

const test = engine === 'ts' ? ava.skip : ava

const startNest = async (atrion, adapter, filter) => {
  class Controller {
    shed() {
      return atrion.run('inner', () => {})
    }
    fail() {
      throw new Error('a handler of the test')
    }
    async busy() {
      throw new nest.ServiceUnavailableException('of its own')
    }
  }
  nest.Controller()(Controller)
  for (const name of ['shed', 'fail', 'busy']) {
    nest.Get(name)(Controller.prototype, name, Object.getOwnPropertyDescriptor(Controller.prototype, name))
  }
  class Root {}
  const guard = { provide: APP_GUARD, useValue: atrionNest(atrion, CALM) }
  nest.Module({ controllers: [Controller], providers: [guard] })(Root)
  const app = await NestFactory.create(Root, ...(adapter ? [adapter] : []), { logger: false })
  if (filter !== undefined) app.useGlobalFilters(filter)
  await app.listen(0, '127.0.0.1')
  return app.getHttpServer()
}

const statusOf = (error) => error.status ?? 500

/** The handler of each path, asynchronous. */
const works = {
  '/shed': (atrion) => atrion.run('inner', () => {}),
  '/fail': async () => {
    throw new Error('a handler of the test')
  },
  '/busy': async () => {
    throw Object.assign(new Error('of its own'), { status: 503 })
  },
}

/** The status for an error, found out in different ways: some of them do not ask the error in the turn in which it is answered. */
const statuses = {
  'that reads the status and then waits': async (error) => {
    const status = statusOf(error)
    await turn()
    return status
  },
  'that never reads the status': async (error) => {
    await turn()
    return error.message === 'a handler of the test' ? 500 : 503
  },
}

const koaOf = (atrion, order) => {
  const app = new Koa()
  app.silent = true
  const router = new Router()
  for (const [path, work] of Object.entries(works)) router.get(path, () => work(atrion))
  for (const middleware of order(atrionKoa(atrion, CALM))) app.use(middleware)
  app.use(router.routes())
  return listen(createServer(app.callback()))
}

const later = Object.entries(statuses).flatMap(([how, statusFor]) => {
  const koaHandler = async (ctx, next) => {
    try {
      await next()
    } catch (error) {
      ctx.status = await statusFor(error)
      await turn()
      ctx.body = { error: error.message }
    }
  }
  const expressHandler = async (error, _req, res, _next) => {
    res.status(await statusFor(error))
    await turn()
    res.json({ error: error.message })
  }
  const fastifyHandler = async (error, _request, reply) => {
    reply.code(await statusFor(error))
    await turn()
    return { error: error.message }
  }
  class Filter {
    async catch(error, host) {
      host
        .switchToHttp()
        .getResponse()
        .status(await statusFor(error))
        .send({ error: error.message })
    }
  }
  nest.Catch()(Filter)
  const honoOf = async (build) => {
    const app = new Hono()
    build(app)
    const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 })
    if (!server.listening) await once(server, 'listening')
    return server
  }
  return Object.entries({
    'koa, with an error handler after the guard': (atrion) => koaOf(atrion, (guard) => [guard, koaHandler]),
    'koa, with an error handler before the guard': (atrion) => koaOf(atrion, (guard) => [koaHandler, guard]),
    ...Object.fromEntries(
      Object.entries({ 4: express4, 5: express5 }).flatMap(([version, express]) => [
        [
          `express ${version}, with error middleware`,
          (atrion) => {
            const app = express()
            app.use(atrionExpress(atrion, CALM))
            for (const [path, work] of Object.entries(works)) {
              app.get(path, (_req, res, next) => work(atrion).then(() => res.end(), next))
            }
            app.use(expressHandler)
            return listen(createServer(app))
          },
        ],
        [
          `express ${version}, with an asynchronous handler that catches`,
          (atrion) => {
            const app = express()
            app.use(atrionExpress(atrion, CALM))
            for (const [path, work] of Object.entries(works)) {
              app.get(path, (req, res) => work(atrion).catch((error) => expressHandler(error, req, res)))
            }
            return listen(createServer(app))
          },
        ],
      ]),
    ),
    'fastify, with an error handler': async (atrion) => {
      const app = Fastify()
      await app.register(atrionFastify(atrion, CALM))
      app.setErrorHandler(fastifyHandler)
      for (const [path, work] of Object.entries(works)) app.get(path, () => work(atrion))
      await app.listen({ host: '127.0.0.1', port: 0 })
      return app.server
    },
    'hono, with an error handler': (atrion) =>
      honoOf((app) => {
        app.use(atrionHono(atrion, CALM))
        app.onError(async (error, context) => context.json({ error: error.message }, await statusFor(error)))
        for (const [path, work] of Object.entries(works)) app.get(path, () => work(atrion))
      }),
    'hono, with a handler that catches': (atrion) =>
      honoOf((app) => {
        app.use(atrionHono(atrion, CALM))
        for (const [path, work] of Object.entries(works)) {
          app.get(path, (context) =>
            work(atrion).catch(async (error) => context.json({ error: error.message }, await statusFor(error))),
          )
        }
      }),
    'fetch, with a handler that catches': (atrion) => {
      const route = ({ method, url }) => `${method} ${new URL(url).pathname}`
      const answer = async (error) => Response.json({ error: error.message }, { status: await statusFor(error) })
      const handler = (request) => works[new URL(request.url).pathname](atrion).catch(answer)
      const guarded = withAtrion(handler, { atrion, route })
      return honoOf((app) => app.all('*', ({ req }) => guarded(req.raw)))
    },
    'nest on express, with a filter': (atrion) => startNest(atrion, undefined, new Filter()),
    'nest on fastify, with a filter': (atrion) => startNest(atrion, new FastifyAdapter(), new Filter()),
  }).map(([name, start]) => [`${name} ${how}`, start])
})

const servers = {
  ...Object.fromEntries(later),
  'nest on express, as a guard alone': (atrion) => startNest(atrion),
  'nest on fastify, as a guard alone': (atrion) => startNest(atrion, new FastifyAdapter()),
  'http, with a handler that catches': (atrion) => {
    const handler = async (req, res) => {
      try {
        if (req.url === '/fail') throw new Error('a handler of the test')
        if (req.url === '/busy') throw Object.assign(new Error('of its own'), { status: 503 })
        await atrion.run('inner', () => {})
      } catch (error) {
        res.writeHead(statusOf(error)).end(error.message)
      }
    }
    return listen(
      createServer(atrionHttp(atrion, handler, { ...CALM, route: ({ method, url }) => `${method} ${url}` })),
    )
  },
  ...Object.fromEntries(
    Object.entries({ 4: express4, 5: express5 }).map(([version, express]) => [
      `express ${version}, with a handler that catches`,
      (atrion) => {
        const app = express()
        app.use(atrionExpress(atrion, CALM))
        const answer = (res) => (error) => res.status(statusOf(error)).json({ error: error.message })
        app.get('/shed', (_req, res) => atrion.run('inner', () => {}).catch(answer(res)))
        app.get('/fail', (_req, res) => answer(res)(new Error('a handler of the test')))
        app.get('/busy', (_req, res) => answer(res)(Object.assign(new Error('of its own'), { status: 503 })))
        return listen(createServer(app))
      },
    ]),
  ),
}

for (const [name, start] of Object.entries(servers)) {
  test.serial(`${name}: an inner shed is passed on with its Retry-After, and is no failure`, async (t) => {
    const { atrion, outcomes } = watched()
    atrion.override('inner', 'open')
    const server = await start(atrion)
    const answers = []
    for (const path of ['/shed', '/fail', '/busy']) {
      answers.push(await ask(server, path))
      await drained(atrion, `GET ${path}`)
    }
    t.deepEqual(
      answers.map(({ status }) => status),
      [503, 500, 503],
    )
    t.regex(answers[0].headers['retry-after'], /^[1-9]\d*$/)
    t.is(answers[2].headers['retry-after'], undefined)
    t.deepEqual(
      outcomes.filter((outcome) => outcome.startsWith('GET')),
      ['GET /shed ignored', 'GET /fail failure', 'GET /busy failure'],
    )
    await close(server)
  })
}

test.serial('a shed is answered once: another request’s own 503 is a failure', async (t) => {
  const { atrion, outcomes } = watched()
  atrion.override('inner', 'open')
  const handler = async (req, res) => {
    if (req.url === '/swallows') await atrion.run('inner', () => {}, { fallback: 'none' })
    else await works[req.url](atrion).catch(() => {})
    res.writeHead(503).end()
  }
  const server = await listen(
    createServer(atrionHttp(atrion, handler, { ...CALM, route: ({ method, url }) => `${method} ${url}` })),
  )
  for (const path of ['/shed', '/busy', '/swallows']) await ask(server, path)
  const own = outcomes.filter((outcome) => outcome.startsWith('GET'))
  t.deepEqual(own, ['GET /shed ignored', 'GET /busy failure', 'GET /swallows failure'])
  await close(server)
})

const named = { ...CALM, route: () => 'r' }
const nested = {
  http: (outer, inner) =>
    listen(
      createServer(
        atrionHttp(
          outer,
          atrionHttp(inner, (_req, res) => res.end('x'), named),
          named,
        ),
      ),
    ),
  'express 5, with an answer of its own that comes later': (outer, inner) => {
    const app = express5()
    const onShed = async (_req, res) => {
      await turn()
      res.status(503).end('busy')
    }
    app.use(atrionExpress(outer, named), atrionExpress(inner, { ...named, onShed }))
    app.get('/', (_req, res) => res.send('x'))
    return listen(createServer(app))
  },
  koa: (outer, inner) => {
    const app = new Koa()
    app.use(atrionKoa(outer, named)).use(atrionKoa(inner, named))
    app.use((ctx) => {
      ctx.body = 'x'
    })
    return listen(createServer(app.callback()))
  },
  fetch: (outer, inner) => {
    const handler = withAtrion(() => new Response('x'), { atrion: inner, route: 'r' })
    return withAtrion(handler, { atrion: outer, route: 'r' })
  },
  'hono without Node': (outer, inner) => {
    const app = new Hono()
    app.use(atrionHono(outer, named), atrionHono(inner, named))
    app.get('/', (context) => context.text('x'))
    return (request) => app.fetch(request)
  },
}

for (const [name, start] of Object.entries(nested)) {
  test.serial(`${name}: what a guard of another instance refuses is no failure of the outer one`, async (t) => {
    const { atrion: outer, outcomes } = watched()
    const { atrion: inner } = watched()
    const server = await start(outer, inner)
    const get = async () => {
      if (typeof server !== 'function') return (await ask(server, '/')).status
      const response = await server(new Request('http://test/'))
      await response.text()
      return response.status
    }
    inner.override('r', 'open')
    t.is(await get(), 503)
    await drained(outer, 'r')
    inner.override('r', null)
    t.is(await get(), 200)
    await drained(outer, 'r')
    await drained(inner, 'r')
    t.deepEqual(outcomes, ['r ignored', 'r success'])
    if (typeof server !== 'function') await close(server)
  })
}
