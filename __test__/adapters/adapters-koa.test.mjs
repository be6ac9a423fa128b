// atrion/koa in Koa, with @koa/router and without.
import { createServer } from 'node:http'
import Router from '@koa/router'
import { atrionKoa, currentTier } from 'atrion/koa'
import ava from 'ava'
import Koa from 'koa'
import { ask, CALM, close, contract, drained, listen, watched } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'

const test = engine === 'ts' ? ava.skip : ava

const routerOf = (held) => {
  const router = new Router()
  router.get('/users/:id', (ctx) => {
    if (ctx.params.id === '404') ctx.throw(404)
    ctx.body = ctx.params.id
  })
  router.get('/fail', () => {
    throw new Error('before the head')
  })
  router.get('/late', (ctx) => {
    ctx.respond = false
    ctx.res.write('so far')
    setImmediate(() => ctx.res.destroy(new Error('after the head')))
  })
  router.get('/hang', (ctx) => {
    held.push(ctx.res)
    return new Promise(() => {})
  })
  router.get('/events', (ctx) => {
    ctx.respond = false
    ctx.res.writeHead(200, ['Content-Type', 'text/event-stream'])
    ctx.res.write('data: 1\n\n')
    held.push(ctx.res)
  })
  router.get('/health', (ctx) => {
    ctx.body = 'well'
  })
  return router
}

const served = (app) => {
  app.silent = true
  return listen(createServer(app.callback()))
}

contract(test, 'koa', (atrion, options, held) => {
  const app = new Koa()
  const router = routerOf(held)
  app.use(atrionKoa(atrion, options))
  app.use(router.routes())
  return served(app)
})

contract(
  test,
  'koa, inside the router',
  (atrion, options, held) => {
    const app = new Koa()
    const router = new Router()
    router.use(atrionKoa(atrion, options))
    router.use(routerOf(held).routes())
    app.use(router.routes())
    return served(app)
  },
  { unmatched: null },
)

test('koa: without a router, the requests of a method share a route', async (t) => {
  const { atrion, outcomes } = watched()
  const app = new Koa()
  app.use(atrionKoa(atrion, CALM))
  app.use((ctx) => {
    ctx.body = ctx.path
  })
  const server = await served(app)
  t.is((await ask(server, '/a')).body, '/a')
  t.is((await ask(server, '/b')).body, '/b')
  await drained(atrion, 'GET *')
  t.deepEqual(outcomes, ['GET * success', 'GET * success'])
  await close(server)
})

test('koa: a middleware before the guard sees the refusal, and the tier reaches what comes after', async (t) => {
  const { atrion } = watched()
  const app = new Koa()
  app.use(async (ctx, next) => {
    await next()
    ctx.set('X-Status', String(ctx.status))
  })
  app.use(atrionKoa(atrion, { ...CALM, tier: () => 'low', propagate: true }))
  app.use(async (ctx) => {
    await null
    ctx.body = currentTier()
  })
  const server = await served(app)
  t.is((await ask(server, '/')).body, 'low')
  atrion.override('GET *', 'open')
  const { status, headers } = await ask(server, '/')
  t.is(status, 503)
  t.is(headers['x-status'], '503')
  await close(server)
})
