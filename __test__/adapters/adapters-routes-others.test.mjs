// The handler that answers names the route: Koa's and Hono's ways to route.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { serve } from '@hono/node-server'
import KoaRouter from '@koa/router'
import { atrionHono } from 'atrion/hono'
import { atrionKoa } from 'atrion/koa'
import ava from 'ava'
import { Hono } from 'hono'
import Koa from 'koa'
import mount from 'koa-mount'
import { ask, CALM, close, listen, watched } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'
import { compare, idle } from '../_routes.mjs'

const test = engine === 'ts' ? ava.skip : ava

const koaOf = (build) => (atrion) => {
  const app = new Koa()
  app.silent = true
  app.use(atrionKoa(atrion, CALM))
  build(app)
  return listen(createServer(app.callback()))
}

const answer = (text) => (ctx) => {
  ctx.body = text
}

const koa = (title, build, expected) => test(`koa: ${title}`, (t) => compare(t, koaOf(build), expected))

koa(
  'the first route that answers, with a catch-all at the end',
  (app) => {
    const router = new KoaRouter()
    router.use((_ctx, next) => next())
    router.all(/.*/, (_ctx, next) => next())
    router.get('/users/me', answer('me'))
    router.get('/users/:id', answer('id'))
    router.get('/pay', (ctx, _next) => answer('pay')(ctx))
    router.all(/.*/, (ctx) => {
      ctx.status = 404
    })
    app.use(router.routes())
  },
  { '/users/me': 'GET /users/me', '/users/7': 'GET /users/:id', '/pay': 'GET /pay', '/none': 'GET /.*/' },
)

koa(
  'routers in routers, prefixes, several routers',
  (app) => {
    const outer = new KoaRouter({ prefix: '/api' })
    const nested = new KoaRouter()
    nested.get('/x/:id', answer('x'))
    outer.use('/admin', nested.routes())
    const other = new KoaRouter()
    other.get('/other', answer('other'))
    app.use(outer.routes())
    app.use(other.routes())
  },
  { '/api/admin/x/1': 'GET /api/admin/x/:id', '/other': 'GET /other' },
)

koa(
  'a route that passes on',
  (app) => {
    const router = new KoaRouter()
    router.get('/a/:kind', (ctx, next) => (ctx.params.kind === 'own' ? answer('own')(ctx) : next()))
    router.get('/a/:other', answer('other'))
    app.use(router.routes())
  },
  { '/a/x': 'GET /a/:other' },
)

test('koa: a mounted application counts for its own patterns, and is refused by them', async (t) => {
  const { atrion, outcomes } = watched()
  const build = (app) => {
    const sub = new Koa()
    const router = new KoaRouter()
    router.get('/x/:id', answer('x'))
    sub.use(router.routes())
    app.use(mount('/admin', sub))
  }
  const server = await koaOf(build)(atrion)
  t.is((await ask(server, '/admin/x/1')).body, 'x')
  await idle(atrion)
  t.deepEqual(outcomes, ['GET * ignored', 'GET /admin/x/:id success'])
  atrion.override('GET /admin/x/:id', 'open')
  t.is((await ask(server, '/admin/x/2')).status, 503)
  t.is(atrion.stats('GET *').inFlight, 0)
  await close(server)
})

const honoOf = (build) => async (atrion) => {
  const app = new Hono()
  app.use(atrionHono(atrion, CALM))
  build(app)
  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 })
  if (!server.listening) await once(server, 'listening')
  return server
}

const text = (body) => (context) => context.text(body)
const hono = (title, build, expected) => test(`hono: ${title}`, (t) => compare(t, honoOf(build), expected))

hono(
  'the first handler that answers, checks before it, a catch-all after it',
  (app) => {
    app.use('*', (_context, next) => next())
    app.all('/api/*', (_context, next) => next())
    app.get('/api/users/me', text('me'))
    app.get(
      '/api/users/:id',
      (_context, next) => next(),
      (context) => context.text('id'),
    )
    app.get('/api/next', (context, _next) => context.text('next'))
    app.all('*', (context) => context.text('none', 404))
  },
  {
    '/api/users/me': 'GET /api/users/me',
    '/api/users/7': 'GET /api/users/:id',
    '/api/next': 'GET /api/next',
    '/none': 'GET /*',
  },
)

hono(
  'sub-applications, with error handlers of their own, base paths and mounts',
  (app) => {
    const sub = new Hono()
    sub.onError((_error, context) => context.text('sub', 500))
    sub.use('*', (_context, next) => next())
    sub.get('/x/:id', text('x'))
    app.route('/admin', sub)
    app.basePath('/v1').get('/y/:id', text('y'))
    app.mount('/other', () => new Response('other'))
    app.all('*', (context) => context.text('none', 404))
  },
  { '/admin/x/1': 'GET /admin/x/:id', '/v1/y/2': 'GET /v1/y/:id', '/none': 'GET /*' },
)

hono(
  'names that are optional, regular or many',
  (app) => {
    app.get('/opt/:id?', text('opt'))
    app.get('/re/:id{[0-9]+}', text('re'))
    app.on(['GET', 'PUT'], ['/l1', '/l2'], text('list'))
  },
  { '/re/7': 'GET /re/:id{[0-9]+}', '/l2': 'GET /l2', '/nothing/at/all': 'GET *' },
)
