// atrion/fastify in Fastify 5.

import { ConfigError } from 'atrion'
import { atrionFastify, openStreams } from 'atrion/fastify'
import ava from 'ava'
import Fastify from 'fastify'
import { CALM, contract, drained, watched } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'

const test = engine === 'ts' ? ava.skip : ava

const routesOf = (app, held) => {
  app.get('/users/:id', async (request, reply) => {
    if (request.params.id === '404') reply.code(404)
    return request.params.id
  })
  app.get('/fail', async () => {
    throw new Error('before the head')
  })
  app.get('/late', (_request, reply) => {
    reply.hijack()
    reply.raw.write('so far')
    setImmediate(() => reply.raw.destroy(new Error('after the head')))
  })
  app.get('/hang', (_request, reply) => {
    held.push(reply.raw)
  })
  app.get('/events', (_request, reply) => {
    reply.hijack()
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
    reply.raw.write('data: 1\n\n')
    held.push(reply.raw)
  })
  app.get('/health', async () => 'well')
  return app
}

const listening = async (app) => {
  await app.listen({ host: '127.0.0.1', port: 0 })
  return app.server
}

contract(test, 'fastify, registered with options', async (atrion, options, held) => {
  const app = Fastify()
  await app.register(atrionFastify, { atrion, ...options })
  return listening(routesOf(app, held))
})

contract(test, 'fastify, as a plugin of its own', async (atrion, options, held) => {
  const app = Fastify()
  routesOf(app, held)
  await app.register(atrionFastify(atrion, options))
  return listening(app)
})

test('fastify: routes with a prefix, and injected requests', async (t) => {
  const { atrion, outcomes } = watched()
  const app = Fastify()
  await app.register(atrionFastify, { atrion, ...CALM })
  await app.register(
    async (api) => {
      api.get('/orders/:id', async ({ params }) => params.id)
    },
    { prefix: '/api' },
  )
  t.is((await app.inject('/api/orders/5')).body, '5')
  await drained(atrion, 'GET /api/orders/:id')
  t.deepEqual(outcomes, ['GET /api/orders/:id success'])
  await app.close()
})

test('fastify: a shed upload is refused before its body is parsed', async (t) => {
  const { atrion } = watched()
  const app = Fastify()
  let parsed = 0
  app.addHook('preValidation', async () => {
    parsed++
  })
  await app.register(atrionFastify, { atrion, ...CALM })
  app.post('/orders', async () => 'taken')
  t.is((await app.inject({ method: 'POST', url: '/orders', payload: { a: 1 } })).body, 'taken')
  atrion.override('POST /orders', 'open')
  t.is((await app.inject({ method: 'POST', url: '/orders', payload: { a: 1 } })).statusCode, 503)
  t.is(parsed, 1)
  await app.close()
})

test('fastify: onShed answers instead, and wrong options reject the registration', async (t) => {
  const { atrion } = watched()
  const app = Fastify()
  await app.register(atrionFastify, { atrion, ...CALM, onShed: (_request, reply) => reply.code(429).send('later') })
  app.get('/', async () => 'ok')
  await app.inject('/')
  atrion.override('GET /', 'open')
  const { statusCode, body } = await app.inject('/')
  t.deepEqual([statusCode, body], [429, 'later'])
  await app.close()
  const wrong = async (options) => {
    const other = Fastify()
    await other.register(atrionFastify, options)
  }
  await t.throwsAsync(wrong({ atrion, tier: 'high' }), { instanceOf: ConfigError })
  await t.throwsAsync(wrong({}), { instanceOf: ConfigError })
})

test('fastify: registered within a plugin it guards what is within, and no more', async (t) => {
  const { atrion, asked } = watched()
  const app = Fastify()
  app.get('/outside', async (request) => [app.hasDecorator('atrion'), request.atrion === undefined])
  await app.register(async (scope) => {
    await scope.register(atrionFastify, { atrion, ...CALM })
    t.is(scope.atrion, atrion)
    scope.get('/inside', async ({ atrion: { routeId, tier, isStream } }) => ({ routeId, tier, isStream }))
    await scope.register(async (inner) => {
      inner.get('/deeper', async (request) => request.server.atrion === atrion)
    })
  })
  t.deepEqual((await app.inject('/outside')).json(), [false, true])
  t.deepEqual((await app.inject('/inside')).json(), { routeId: 'GET /inside', tier: 'normal', isStream: false })
  t.is((await app.inject('/deeper')).body, 'true')
  t.is((await app.inject('/nowhere')).statusCode, 404)
  t.deepEqual(
    asked.map(({ routeId }) => routeId),
    ['GET /inside', 'GET /deeper'],
  )
  await app.close()
})

test('fastify: a guard of the application and one of a plugin take one permit, and another instance decides besides', async (t) => {
  const { atrion, asked, outcomes } = watched()
  const other = watched()
  const app = Fastify()
  await app.register(atrionFastify, { atrion, ...CALM, tier: () => 'high' })
  await app.register(async (scope) => {
    await scope.register(atrionFastify, { atrion, ...CALM, tier: () => 'bulk' })
    scope.get('/same', async () => 'same')
  })
  await app.register(async (scope) => {
    await scope.register(atrionFastify, { atrion: other.atrion, ...CALM })
    scope.get('/other', async (request) => request.server.atrion === other.atrion)
  })
  t.is((await app.inject('/same')).body, 'same')
  t.deepEqual(
    asked.map(({ tier }) => tier),
    ['high', 'bulk'],
  )
  await drained(atrion, 'GET /same')
  t.deepEqual(outcomes, ['GET /same ignored', 'GET /same success'])
  t.is((await app.inject('/other')).body, 'true')
  t.is(app.atrion, atrion)
  t.is(other.asked.length, 1)
  await app.close()
})

test('fastify: config.atrion is false for what is not guarded, and is seen on routes from before the plugin', async (t) => {
  const { atrion, asked } = watched()
  const app = Fastify()
  app.get('/health', { config: { atrion: false } }, async (request) => request.atrion === null)
  app.get('/wrong', { config: { atrion: { tier: 'hihg' } } }, async () => 'ok')
  await app.register(atrionFastify, { atrion, ...CALM })
  app.get('/late', { config: { atrion: { tier: (request) => (request.query.q ? 'low' : 'high') } } }, async () => 'ok')
  t.is((await app.inject('/health')).body, 'true')
  t.deepEqual(asked, [])
  t.is((await app.inject('/wrong')).body, 'ok')
  await app.inject('/late')
  await app.inject('/late?q=1')
  t.deepEqual(
    asked.map(({ tier }) => tier),
    [undefined, 'high', 'low'],
  )
  await app.close()
})

test('fastify: a handler may call its answer long-lived', async (t) => {
  const { atrion } = watched()
  const app = Fastify()
  await app.register(atrionFastify, { atrion, ...CALM })
  app.get('/poll', async ({ atrion: admission }) => {
    const before = atrion.stats('GET /poll').inFlight
    return [before, admission.toStream(), atrion.stats('GET /poll').inFlight, openStreams(atrion, 'GET /poll')]
  })
  t.deepEqual((await app.inject('/poll')).json(), [1, true, 0, 1])
  t.is(openStreams(atrion, 'GET /poll'), 0)
  await app.close()
})
