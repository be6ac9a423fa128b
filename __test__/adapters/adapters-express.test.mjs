// atrion/express in Express 4 and 5.

import { createServer } from 'node:http'
import { atrionExpress } from 'atrion/express'
import ava from 'ava'
import express4 from 'express4'
import express5 from 'express5'
import { ask, CALM, close, contract, drained, listen, until, watched } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'

const test = engine === 'ts' ? ava.skip : ava

const routesOf = (app, held) => {
  app.get('/users/:id', (req, res) => (req.params.id === '404' ? res.sendStatus(404) : res.send(req.params.id)))
  app.get('/fail', () => {
    throw new Error('before the head')
  })
  app.get('/late', (_req, res, next) => {
    res.write('so far')
    setImmediate(next, new Error('after the head'))
  })
  app.get('/hang', (_req, res) => held.push(res))
  app.get('/events', (_req, res) => {
    res.set('Content-Type', 'text/event-stream')
    res.write('data: 1\n\n')
    held.push(res)
  })
  app.get('/health', (_req, res) => res.send('well'))
  return app
}

for (const [name, express] of [
  ['express 4', express4],
  ['express 5', express5],
]) {
  const quiet = () => express().set('env', 'test')
  contract(test, name, (atrion, options, held) => {
    const app = quiet()
    app.use(atrionExpress(atrion, options))
    return listen(createServer(routesOf(app, held)))
  })

  const served = (app) => listen(createServer(app))

  test(`${name}: routers in routers have the pattern of the whole way`, async (t) => {
    const { atrion } = watched()
    const app = quiet()
    const orders = express.Router({ mergeParams: true })
    orders.get('/', (_req, res) => res.send('all'))
    orders.get('/:order', (req, res) => res.send(`${req.params.tenant} ${req.params.order}`))
    const api = express.Router()
    api.use('/tenants/:tenant/orders', orders)
    app.use(atrionExpress(atrion, CALM))
    app.use((_req, _res, next) => next())
    app.use('/api', api)
    const server = await served(app)
    t.is((await ask(server, '/api/tenants/acme/orders/5')).body, 'acme 5')
    t.is((await ask(server, '/api/tenants/a%20b/orders/6?q=1')).body, 'a b 6')
    t.is((await ask(server, '/api/tenants/acme/orders')).body, 'all')
    await drained(atrion, 'GET /api/tenants/:tenant/orders/:order')
    t.deepEqual(atrion.getRoutes().sort(), [
      'GET /api/tenants/:tenant/orders',
      'GET /api/tenants/:tenant/orders/:order',
    ])
    await close(server)
  })

  test(`${name}: methods, lists of paths, regular expressions and fall-through`, async (t) => {
    const { atrion } = watched()
    const app = quiet()
    app.use(atrionExpress(atrion, CALM))
    app.all('/any', (_req, res) => res.send('any'))
    app.get(['/one', '/two'], (_req, res) => res.send('list'))
    app.get(/^\/re\/\d+$/, (_req, res) => res.send('re'))
    app
      .route('/thing')
      .get((_req, res) => res.send('got'))
      .put((_req, res) => res.send('put'))
    const server = await served(app)
    t.is((await ask(server, '/any', { method: 'PATCH' })).body, 'any')
    t.is((await ask(server, '/two')).body, 'list')
    t.is((await ask(server, '/re/17')).body, 're')
    t.is((await ask(server, '/thing', { method: 'PUT' })).body, 'put')
    t.is((await ask(server, '/thing', { method: 'DELETE' })).status, 404)
    t.deepEqual(atrion.getRoutes().sort(), [
      'DELETE *',
      'GET /^\\/re\\/\\d+$/',
      'GET /one|/two',
      'PATCH /any',
      'PUT /thing',
    ])
    await close(server)
  })

  test(`${name}: an application in an application`, async (t) => {
    const { atrion } = watched()
    const app = quiet()
    const admin = quiet()
    admin.get('/stats/:day', (req, res) => res.send(req.params.day))
    app.use(atrionExpress(atrion, CALM))
    app.use('/admin', admin)
    const server = await served(app)
    t.is((await ask(server, '/admin/stats/monday')).body, 'monday')
    t.is((await ask(server, '/admin/stats/tuesday')).body, 'tuesday')
    await until(() => atrion.stats('GET /admin/stats/:day').inFlight === 0)
    t.is(atrion.stats('GET /admin/stats/:day').admitted, 2)
    // The first request was admitted before it was known what the application has.
    t.like(atrion.stats('GET /admin/*'), { admitted: 1, inFlight: 0, failures: 0, p50Ms: undefined })
    await close(server)
  })

  test(`${name}: applications in applications, in routers, and one that passes on`, async (t) => {
    const { atrion, outcomes } = watched()
    const [app, outer, inner, other] = [quiet(), quiet(), quiet(), quiet()]
    inner.get('/x/:id', (req, res) => res.send(req.params.id))
    other.get('/y', (_req, res) => res.send('y'))
    outer.use('/inner', inner)
    const router = express.Router()
    router.use('/other', other)
    app.use(atrionExpress(atrion, CALM))
    app.use('/outer', outer)
    app.use('/router', router)
    app.get('/outer/late', (_req, res) => res.send('late'))
    const server = await served(app)
    // The first requests show which applications there are.
    for (const path of ['/outer/inner/x/1', '/router/other/y']) t.is((await ask(server, path)).status, 200)
    outcomes.length = 0
    const paths = ['/outer/inner/x/2', '/outer/inner/x/3', '/router/other/y', '/outer/late', '/outer/nothing']
    const bodies = []
    for (const path of paths) bodies.push((await ask(server, path)).body)
    t.deepEqual(bodies.slice(0, 4), ['2', '3', 'y', 'late'])
    await until(() => outcomes.length === paths.length)
    t.deepEqual(outcomes, [
      'GET /outer/inner/x/:id success',
      'GET /outer/inner/x/:id success',
      'GET /router/other/y success',
      'GET /outer/late success',
      'GET * success',
    ])
    await close(server)
  })

  test(`${name}: guarding the inner application, or one handler`, async (t) => {
    const { atrion } = watched()
    const app = quiet()
    const admin = quiet()
    admin.use(atrionExpress(atrion, CALM))
    admin.get('/stats/:day', (req, res) => res.send(req.params.day))
    app.use('/admin', admin)
    app.get('/costly/:what', atrionExpress(atrion, CALM), (req, res) => res.send(req.params.what))
    app.get('/cheap', (_req, res) => res.send('cheap'))
    const server = await served(app)
    t.is((await ask(server, '/admin/stats/monday')).body, 'monday')
    t.is((await ask(server, '/costly/pdf')).body, 'pdf')
    t.is((await ask(server, '/cheap')).body, 'cheap')
    t.deepEqual(atrion.getRoutes().sort(), ['GET /admin/stats/:day', 'GET /costly/:what'])
    await close(server)
  })

  test(`${name}: what Express matches is not disturbed by having been asked before`, async (t) => {
    const { atrion } = watched()
    const app = quiet()
    app.param('id', (req, _res, next, id) => {
      req.seen = id
      setImmediate(next)
    })
    app.use(atrionExpress(atrion, CALM))
    app.get('/slow/:id', (req, res) => res.send(`${req.seen} ${req.params.id}`))
    const server = await served(app)
    const answers = await Promise.all(['a', 'b', 'c', 'd'].map((id) => ask(server, `/slow/${id}`)))
    t.deepEqual(
      answers.map(({ body }) => body),
      ['a a', 'b b', 'c c', 'd d'],
    )
    await close(server)
  })
}
