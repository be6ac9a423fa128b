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
  t.deepEqual(outcomes, ['GET * ignored', 'GET /admin/* ignored', 'GET /admin/x/:id success'])
  atrion.override('GET /admin/x/:id', 'open')
  t.is((await ask(server, '/admin/x/2')).status, 503)
  t.is(atrion.stats('GET *').inFlight, 0)
  await close(server)
})

koa(
  'mounts of functions and applications, in each other, and what passes on',
  (app) => {
    const inner = new Koa()
    const router = new KoaRouter()
    router.get('/x/:id', answer('x'))
    inner.use(router.routes())
    const outer = new Koa()
    outer.use(mount('/inner', inner))
    app.use(mount('/passes', (_ctx, next) => next()))
    app.use(mount('/outer', outer))
    app.use(mount('/tool/', answer('tool')))
    const hidden = new KoaRouter()
    hidden.get('/passes/:id', answer('hidden'))
    const routes = hidden.routes()
    app.use((ctx, next) => routes(ctx, next))
    const last = new KoaRouter()
    last.all(/.*/, answer('last'))
    app.use(last.routes())
  },
  {
    '/outer/inner/x/1': 'GET /outer/inner/x/:id',
    '/tool/x': 'GET /tool/*',
    '/passes/1': 'GET /passes/:id',
    '/passes/1/2': 'GET /.*/',
    '/none': 'GET /.*/',
  },
)

koa(
  'a mount without a router, and what no router knows',
  (app) => {
    app.use(mount('/tool', answer('tool')))
    const router = new KoaRouter({ prefix: '/p/:tenant' })
    router.get(/\/d\d+/, answer('d'))
    router.get('{/:id}', answer('id'))
    app.use(router.routes()).use(router.allowedMethods())
  },
  { '/tool': 'GET /tool/*', '/tool/x/y': 'GET /tool/*', '/tools': 'GET *', '/p/1/2': 'GET /p/:tenant{/:id}' },
)

test('koa: a guard within a mounted application', async (t) => {
  const build = (atrion) => {
    const app = new Koa()
    const sub = new Koa()
    sub.use(atrionKoa(atrion, CALM))
    const router = new KoaRouter()
    router.get('/x/:id', answer('x'))
    sub.use(router.routes())
    app.use(mount('/m', sub))
    return listen(createServer(app.callback()))
  }
  await compare(t, build, { '/m/x/1': 'GET /m/x/:id', '/m/none': 'GET /m/*' })
})

test('koa: a mount that refuses answers as a shed', async (t) => {
  const { atrion } = watched()
  const server = await koaOf((app) => app.use(mount('/tool', answer('tool'))))(atrion)
  atrion.override('GET /tool/*', 'open')
  const refused = await ask(server, '/tool/1')
  t.is(refused.status, 503)
  t.regex(refused.headers['content-type'], /problem/)
  t.is(atrion.stats('GET *').failures, 0)
  await close(server)
})

const honoOf =
  (build, options = {}) =>
  async (atrion) => {
    const app = new Hono()
    app.use(atrionHono(atrion, { ...CALM, ...options }))
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

const bySub = (app) => {
  const deep = new Hono().basePath('/deep')
  deep.mount('/legacy', () => new Response('legacy'))
  deep.get('/x/:id', text('x'))
  app.use('/sub/*', (_context, next) => next())
  app.route('/sub/:tenant', deep)
}

hono('a mount in a sub-application', bySub, {
  '/sub/1/deep/legacy/a/b': 'GET /sub/:tenant/deep/legacy/*',
  '/sub/2/deep/x/1': 'GET /sub/:tenant/deep/x/:id',
  '/sub/2/none': 'GET /sub/*',
})

const withMounts = (app) => {
  app.use('*', (_context, next) => next())
  app.use('/api/*', (_context, next) => next())
  app.use('/files/*', (context) => Promise.resolve(context.text('file')))
  app.mount('/legacy', () => new Response('legacy'))
  app.get('/api/me', text('me'))
  app.get('/kinds/:kind', (context, next) => (context.req.param('kind') === 'own' ? context.text('own') : next()))
  app.get('/kinds/:other', text('other'))
  app.on(['GET', 'POST'], ['/l1', '/l2/:id'], text('list'))
}

hono('mounts and middleware that answers', withMounts, {
  '/legacy': 'GET /legacy/*',
  '/legacy/a': 'GET /legacy/*',
  '/legacy/a/b?c': 'GET /legacy/*',
  '/files/a': 'GET /files/*',
  '/api/me': 'GET /api/me',
  '/api/none': 'GET /api/*',
  '/kinds/x': 'GET /kinds/:other',
  '/l2/7': 'GET /l2/:id',
  '/none': 'GET *',
})

hono(
  'the same before a catch-all',
  (app) => {
    withMounts(app)
    app.all('*', text('last'))
  },
  {
    '/legacy/a': 'GET /legacy/*',
    '/files/a': 'GET /files/*',
    '/api/me': 'GET /api/me',
    '/api/none': 'GET /*',
    '/none': 'GET /*',
  },
)

test('hono: what answers and what passes on is learnt', async (t) => {
  const { atrion, outcomes } = watched()
  const build = (app) => {
    withMounts(app)
    app.all('*', text('last'))
  }
  const server = await honoOf(build)(atrion)
  const paths = ['/legacy/a', '/legacy/b', '/api/none', '/api/none', '/kinds/own', '/kinds/own']
  for (const path of paths) {
    t.is((await ask(server, path)).status, 200)
    await idle(atrion)
  }
  t.deepEqual(outcomes, [
    ...['GET /* ignored', 'GET /legacy/* success', 'GET /legacy/* success'],
    ...['GET /* ignored', 'GET /api/* ignored', 'GET /* success'],
    ...['GET /* ignored', 'GET /api/* ignored', 'GET /* success'],
    ...['GET /kinds/:other ignored', 'GET /kinds/:kind success'],
  ])
  await close(server)
})

for (const [where, onShed] of [
  ['the adapter’s', undefined],
  ['the application’s', (context) => context.text('busy', 503)],
]) {
  test(`hono: a route that is come to and refuses gives ${where} answer, and logs nothing`, async (t) => {
    const { atrion, outcomes } = watched()
    let app
    const build = (built) => {
      app = built
      withMounts(app)
    }
    const server = await honoOf(build, onShed && { onShed })(atrion)
    // From then on it is expected to answer, until it passes a request on.
    t.is((await ask(server, '/kinds/own')).body, 'own')
    atrion.override('GET /kinds/:other', 'open')
    for (const request of [() => ask(server, '/kinds/x'), () => app.request('/kinds/x')]) {
      const answer = await request()
      t.is(answer.status, 503)
      const headers = new Headers(answer.headers)
      if (onShed === undefined) t.regex(headers.get('retry-after'), /^[1-9]\d*$/)
      else t.is(typeof answer.text === 'function' ? await answer.text() : answer.body, 'busy')
    }
    await idle(atrion)
    t.deepEqual(outcomes, ['GET /kinds/:other ignored', 'GET /kinds/:kind ignored'])
    await close(server)
  })
}

for (const [name, start] of Object.entries({
  hono: (atrion, guard) => honoOf((app) => app.get('/pay', guard(atrionHono), text('paid')))(atrion),
  koa: (atrion, guard) =>
    koaOf((app) => {
      const router = new KoaRouter()
      router.get('/pay', guard(atrionKoa), answer('paid'))
      app.use(router.routes())
    })(atrion),
})) {
  test(`${name}: the name that a guard further in gives is kept`, async (t) => {
    const { atrion, outcomes } = watched()
    const guard = (make) => make(atrion, { ...CALM, route: () => 'payments' })
    const server = await start(atrion, guard)
    t.is((await ask(server, '/pay')).body, 'paid')
    await idle(atrion)
    t.deepEqual(outcomes, ['GET /pay ignored', 'payments success'])
    atrion.override('payments', 'open')
    t.is((await ask(server, '/pay')).status, 503)
    await idle(atrion)
    await close(server)
  })
}
