// The handler that answers names the route, and every mount has one bounded name: Express's ways to route.
import { createServer } from 'node:http'
import { atrionExpress } from 'atrion/express'
import ava from 'ava'
import express4 from 'express4'
import express5 from 'express5'
import { ask, CALM, close, listen, watched } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'
import { compare, idle, routesAfter } from '../_routes.mjs'

const test = engine === 'ts' ? ava.skip : ava

const send = (text) => (_req, res) => res.send(text)

for (const [name, express, wild] of [
  ['express 4', express4, (rest) => `${rest}*`],
  ['express 5', express5, (rest) => `${rest}*all`],
]) {
  const appOf = (build) => (atrion) => {
    const app = express().set('env', 'test')
    app.use(atrionExpress(atrion, CALM))
    build(app)
    return listen(createServer(app))
  }
  const matrix = (title, build, expected) => test(`${name}: ${title}`, (t) => compare(t, appOf(build), expected))

  matrix(
    'checks for all paths before the routes, a catch-all after them',
    (app) => {
      app.all(wild('/'), (_req, _res, next) => next())
      app.all(wild('/api/'), async (_req, _res, next) => next())
      app.use(express.static('/nowhere'))
      app.get('/api/me', send('me'))
      app.get('/api/pay', (_req, res, next) => (res ? res.send('pay') : next()))
      app.get('/other', send('other'))
      app.get(wild('/'), send('page'))
    },
    { '/api/me': 'GET /api/me', '/api/pay': 'GET /api/pay', '/other': 'GET /other', '/x/y': `GET ${wild('/')}` },
  )

  matrix(
    'a path before a parameter, and the other way round',
    (app) => {
      app.get('/users/me', (_req, res, _next) => res.send('me'))
      app.get('/users/:id', (_req, res, _next) => res.send('id'))
      app.get('/items/:id', send('id'))
      app.get('/items/me', send('never'))
    },
    { '/users/me': 'GET /users/me', '/users/7': 'GET /users/:id', '/items/me': 'GET /items/:id' },
  )

  matrix(
    'a route that passes on, by next() and by next("route")',
    (app) => {
      app.get('/a/:kind', (req, res, next) => (req.params.kind === 'own' ? res.send('own') : next()))
      app.get('/a/:other', send('other'))
      app.get(
        '/b/:kind',
        (req, _res, next) => next(req.params.kind === 'own' ? undefined : 'route'),
        (_req, res) => res.send('own'),
      )
      app.get('/b/:other', send('other'))
    },
    {
      '/a/own': 'GET /a/:kind',
      '/a/x': 'GET /a/:other',
      '/b/own': 'GET /b/:kind',
    },
  )

  test(`${name}: a route that passes on is not the one that is counted`, async (t) => {
    const build = (app) => {
      app.get('/a/:kind', (_req, _res, next) => next())
      app.get('/a/:other', (_req, res) => res.send('other'))
    }
    const { atrion, outcomes } = watched()
    const server = await appOf(build)(atrion)
    t.is((await ask(server, '/a/1')).body, 'other')
    await idle(atrion)
    t.deepEqual(outcomes, ['GET /a/:kind ignored', 'GET /a/:other success'])
    atrion.override('GET /a/:other', 'open')
    const refused = await ask(server, '/a/1')
    t.is(refused.status, 503)
    t.regex(refused.headers['content-type'], /problem/)
    await close(server)
  })

  test(`${name}: a dead route does not shed the healthy ones`, async (t) => {
    const build = (app) => {
      app.all(wild('/'), (_req, _res, next) => next())
      app.get('/good/:id', send('good'))
      app.get('/dead/:id', () => {
        throw new Error('dead')
      })
      app.all(wild('/'), (_req, res) => res.sendStatus(404))
    }
    const { atrion } = watched()
    const server = await appOf(build)(atrion)
    for (let i = 0; i < 60; i++) await ask(server, `/dead/${i}`)
    t.true(atrion.stats('GET /dead/:id').failures > 0)
    const answers = []
    for (let i = 0; i < 20; i++) answers.push((await ask(server, `/good/${i}`)).status)
    t.deepEqual([...new Set(answers)], [200])
    await close(server)
  })

  matrix(
    'proxies and files under a path, before a catch-all',
    (app) => {
      app.use('/files', express.static('/nowhere', { fallthrough: false }))
      app.use('/proxy/:to', (_req, res, _next) => res.send('proxy'))
      app.use('/api', (_req, _res, next) => next())
      app.get('/api/x', send('x'))
      app.use((_error, _req, res, _next) => res.status(404).send('none'))
      app.all(wild('/'), send('page'))
    },
    {
      '/files/a': 'GET /files/*',
      '/proxy/1/a': 'GET /proxy/:to/*',
      '/api/x': 'GET /api/x',
      '/api/none': `GET ${wild('/')}`,
      '/none': `GET ${wild('/')}`,
    },
  )

  matrix(
    'routers out of sight, and URLs that are rewritten',
    (app) => {
      const lazy = express.Router()
      lazy.get('/x/:id', send('x'))
      app.use('/lazy', (req, res, next) => lazy(req, res, next))
      const host = express()
      host.get('/host/:id', send('host'))
      app.use((req, res, next) => (req.url.startsWith('/host') ? host(req, res, next) : next()))
      app.use((req, _res, next) => {
        req.url = req.url.replace('/old/', '/new/')
        next()
      })
      app.get('/new/:id', send('new'))
    },
    {
      '/lazy/x/1': 'GET /lazy/x/:id',
      '/lazy/none': 'GET /lazy/*',
      '/host/1': 'GET /host/:id',
      '/old/1': 'GET /new/:id',
      '/none': 'GET *',
    },
  )

  test(`${name}: a URL that is rewritten to another route’s counts for that`, async (t) => {
    const { atrion, outcomes } = watched()
    const build = (app) => {
      app.use((req, _res, next) => {
        req.url = req.url.replace('/old/', '/new/')
        next()
      })
      app.get('/old/:id', send('old'))
      app.get('/new/:id', send('new'))
    }
    const server = await appOf(build)(atrion)
    await ask(server, '/new/1')
    t.is((await ask(server, '/old/1')).body, 'new')
    await idle(atrion)
    t.deepEqual(outcomes, ['GET /new/:id success', 'GET /old/:id ignored', 'GET /new/:id success'])
    await close(server)
  })

  test(`${name}: two applications at one mount, and one on a router, count for their own routes`, async (t) => {
    const { atrion, outcomes } = watched()
    const app = () => express().set('env', 'test')
    const build = (root) => {
      const [one, two] = [app(), app()]
      one.get('/x/:id', send('x'))
      two.get('/y/:id', send('y'))
      root.use('/admin', one, two)
      const guarded = app()
      guarded.use(atrionExpress(atrion, CALM))
      guarded.get('/z/:id', send('z'))
      const onRouter = express.Router()
      onRouter.use('/sub', guarded)
      root.use('/r/:tenant', onRouter)
    }
    const server = await appOf(build)(atrion)
    const paths = ['/admin/y/1', '/admin/y/2', '/admin/x/1', '/r/1/sub/z/1', '/r/2/sub/z/2']
    for (const path of paths) {
      t.is((await ask(server, path)).status, 200)
      await idle(atrion)
    }
    const settled = outcomes.filter((outcome) => !outcome.endsWith('ignored'))
    const onRouter = 'GET /r/:tenant/sub/z/:id success'
    t.deepEqual(settled, [
      ...['GET /admin/y/:id success', 'GET /admin/y/:id success', 'GET /admin/x/:id success'],
      ...[onRouter, onRouter],
    ])
    await close(server)
  })

  const router = (build) => {
    const inner = express.Router({ mergeParams: true })
    build(inner)
    return inner
  }
  const inner = () => router((r) => r.get(['/x', '/y/:id'], send('x')))
  const mounts = {
    'a part of a segment': ['/v:version', ['/v1/x', '/v2/x', '/V3/X'], '/v:version'],
    'a parameter whose value is also in the path': [
      '/tenants/:id',
      ['/tenants/1/x', '/tenants/tenants/x'],
      '/tenants/:id',
    ],
    'two parameters': ['/o/:org/p/:project', ['/o/1/p/2/x', '/o/p/p/o/x', '/O/%31/P/2/x'], '/o/:org/p/:project'],
    'a regular expression': [/^\/t-\d+/, ['/t-1/x', '/t-2/x', '/t-3/x'], '/^\\/t-\\d+'],
    capitals: ['/api/v1', ['/api/v1/x', '/API/v1/x', '/aPi/V1/x'], '/api/v1'],
    'a list': [['/one', '/two/:id'], ['/one/x', '/two/2/x', '/TWO/3/x'], '/one|/two/:id'],
    'a slash at its end': ['/end/', ['/end/x', '/END/x'], '/end'],
    'a dot': ['/a.b', ['/a.b/x'], '/a.b'],
  }
  for (const [title, [path, urls, mounted]] of Object.entries(mounts)) {
    test(`${name}: a mount with ${title} has one name`, async (t) => {
      const routes = await routesAfter(
        appOf((app) => app.use(path, inner())),
        urls,
      )
      t.is(routes.length, 1, routes.join(' '))
      if (mounted !== undefined) t.deepEqual(routes, [`GET ${mounted}/x|/y/:id`])
    })
  }

  test(`${name}: a mount with a wildcard has one name`, async (t) => {
    const urls = ['/files/a/b', '/files/c/d', '/FILES/e']
    const build = (app) =>
      app.use(
        wild('/files/'),
        router((r) => r.get('/', send('x'))),
      )
    const routes = await routesAfter(appOf(build), urls)
    t.deepEqual(routes, [`GET ${wild('/files/')}`])
  })

  test(`${name}: routers in routers, with a guard at every level, take one permit`, async (t) => {
    const { atrion, outcomes, asked } = watched()
    const build = (app) => {
      const deep = router((r) => {
        r.use(atrionExpress(atrion, CALM))
        r.get('/:id', atrionExpress(atrion, CALM), send('deep'))
      })
      app.use(
        '/a/:tenant',
        atrionExpress(atrion, CALM),
        router((r) => r.use('/b', deep)),
      )
    }
    const server = await appOf(build)(atrion)
    t.is((await ask(server, '/a/1/b/2')).body, 'deep')
    await idle(atrion)
    t.deepEqual(outcomes, ['GET /a/:tenant/b/:id success'])
    t.is(asked.length, 1)
    await close(server)
  })

  test(`${name}: the inner guard’s name wins`, async (t) => {
    const { atrion, outcomes } = watched()
    const build = (app) => {
      app.get('/pay', atrionExpress(atrion, { ...CALM, route: () => 'payments' }), send('paid'))
    }
    const server = await appOf(build)(atrion)
    t.is((await ask(server, '/pay')).body, 'paid')
    await idle(atrion)
    t.deepEqual(outcomes, ['GET /pay ignored', 'payments success'])
    atrion.override('payments', 'open')
    t.is((await ask(server, '/pay')).status, 503)
    t.is(atrion.stats('GET /pay').inFlight, 0)
    await close(server)
  })

  matrix(
    'handlers that hide their parameters',
    (app) => {
      const hidden =
        (fn) =>
        (...args) =>
          fn(...args)
      app.use(hidden((_req, _res, next) => next()))
      app.all(
        wild('/h/'),
        hidden((_req, _res, next) => next()),
      )
      app.get('/h/one', hidden(send('one')))
      app.use('/tools', (_req, res) => res.send('tools'))
      app.use((_req, res) => res.status(404).send('none'))
    },
    { '/h/one': 'GET /h/one', '/tools/x': 'GET /tools/*', '/none': 'GET *' },
  )

  test(`${name}: handlers keep their names, parameters and properties`, async (t) => {
    const { atrion } = watched()
    const seen = []
    const build = (app) => {
      const handler = Object.assign(
        function named(_req, res) {
          res.send('x')
        },
        { tag: 7 },
      )
      app.get('/x', handler)
      seen.push(() => (app._router ?? app.router).stack.find(({ route }) => route).route.stack[0].handle)
    }
    const server = await appOf(build)(atrion)
    await ask(server, '/x')
    t.is((await ask(server, '/x')).body, 'x')
    const { name: handlerName, length, tag } = seen[0]()
    t.deepEqual([handlerName, length, tag], ['named', 2, 7])
    await close(server)
  })
}
