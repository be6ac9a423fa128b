// Long-lived answers: known by upgrade, content type and option, budgeted apart, always given back.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Readable } from 'node:stream'
import fastifyWebsocket from '@fastify/websocket'
import { serve } from '@hono/node-server'
import { atrionExpress, openStreams } from 'atrion/express'
import { atrionFastify } from 'atrion/fastify'
import { withAtrion } from 'atrion/fetch'
import { atrionHono } from 'atrion/hono'
import { atrionHttp } from 'atrion/http'
import { atrionKoa } from 'atrion/koa'
import ava from 'ava'
import expressWs from 'express-ws'
import express4 from 'express4'
import express5 from 'express5'
import Fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { WebSocket } from 'ws'
import { ask, CALM, close, dial, drained, listen, requestText, until, watched } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'
import { FRAMEWORKS } from '../_frameworks.mjs'

const test = engine === 'ts' ? ava.skip : ava

const MANY = 60

/** Sockets that were answered with this status. */
const openMany = async (server, path, count = MANY) => {
  const sockets = await Promise.all(Array.from({ length: count }, () => dial(server, requestText(path))))
  const heads = await Promise.all(sockets.map((socket) => once(socket, 'data').then(([text]) => text.slice(9, 12))))
  return { sockets, statuses: [...new Set(heads)] }
}

const feeds = {
  'server-sent events': { 'content-type': 'text/event-stream; charset=utf-8' },
  NDJSON: { 'Content-Type': 'application/x-ndjson' },
  'a JSON sequence': ['Content-Type', 'application/json-seq'],
  'pictures that replace each other': { 'content-type': 'multipart/x-mixed-replace;boundary=x' },
}

for (const [title, headers] of Object.entries(feeds)) {
  test(`feeds: ${title} leave their route’s limit as it was, and hold nothing`, async (t) => {
    const { atrion, outcomes } = watched()
    atrion.configure({ limits: { max: 50 } })
    const handler = (req, res) => {
      if (req.url === '/plain') return res.end('plain')
      res.writeHead(200, headers)
      return res.write('one\n')
    }
    const server = await listen(createServer(atrionHttp(atrion, handler, CALM)))
    t.is((await ask(server, '/plain')).body, 'plain')
    const { limit } = atrion.stats('GET *')
    const profile = atrion.getRouteProfile('GET *')
    const { sockets, statuses } = await openMany(server, '/feed')
    t.deepEqual(statuses, ['200'])
    t.is(openStreams(atrion, 'GET *'), MANY)
    const { inFlight, shed, limit: after } = atrion.stats('GET *')
    t.deepEqual({ inFlight, shed, limit: after }, { inFlight: 0, shed: 0, limit })
    t.deepEqual(atrion.getRouteProfile('GET *'), profile)
    t.is((await ask(server, '/plain')).body, 'plain')
    for (const socket of sockets) socket.destroy()
    await until(() => openStreams(atrion, 'GET *') === 0)
    t.is(outcomes.filter((outcome) => outcome.endsWith('ignored')).length, MANY)
    await close(server)
  })
}

test('feeds: the budget of streams is a route’s, and one more is refused before its first byte', async (t) => {
  const { atrion } = watched()
  const errors = []
  const handler = async (req, res) => {
    res.on('error', (error) => errors.push(error))
    if (req.url === '/plain') return res.end('plain')
    res.setHeader('content-type', 'text/event-stream')
    res.flushHeaders()
    for (let i = 0; i < 3; i++) res.write(`data: ${i}\n\n`)
    return undefined
  }
  const server = await listen(createServer(atrionHttp(atrion, handler, { ...CALM, maxStreams: 2 })))
  const { sockets, statuses } = await openMany(server, '/feed', 2)
  t.deepEqual(statuses, ['200'])
  const refused = await ask(server, '/feed')
  t.is(refused.status, 503)
  t.regex(refused.headers['retry-after'], /^\d+$/)
  t.is(JSON.parse(refused.body).status, 503)
  t.is((await ask(server, '/plain')).body, 'plain', 'requests are not starved by streams')
  sockets[0].destroy()
  await until(() => openStreams(atrion, 'GET *') === 1)
  const again = await openMany(server, '/feed', 1)
  t.deepEqual(again.statuses, ['200'])
  t.deepEqual(errors, [])
  for (const socket of [...sockets, ...again.sockets]) socket.destroy()
  await until(() => openStreams(atrion, 'GET *') === 0)
  await close(server)
})

for (const [name, start] of Object.entries(FRAMEWORKS)) {
  test(`${name}: a long poll that is called one holds no slot, and is given back however it ends`, async (t) => {
    const { atrion, outcomes } = watched()
    const waiting = []
    const work = () => new Promise((resolve) => waiting.push(resolve))
    const seen = []
    // Half of them say so at once, half by a promise.
    const stream = (request) => (seen.push(request) % 2 === 0 ? true : Promise.resolve(true))
    const server = await start(atrion, { ...CALM, stream, maxStreams: 40 }, work)
    const sockets = []
    for (let i = 0; i < 40; i++) sockets.push(await dial(server, requestText('/a')))
    await until(() => waiting.length === 40)
    t.is(openStreams(atrion, 'GET /a'), 40)
    t.is(atrion.stats('GET /a').inFlight, 0)
    t.is((await ask(server, '/a')).status, 503, 'the budget is spent')
    sockets[0].destroy()
    await until(() => openStreams(atrion, 'GET /a') === 39)
    for (const resolve of waiting) resolve('news')
    const [text] = await once(sockets[1], 'data')
    t.regex(text, /^HTTP\/1\.1 200/)
    await until(() => openStreams(atrion, 'GET /a') === 0)
    t.deepEqual([...new Set(outcomes)], ['GET /a ignored'])
    t.is(seen.length, 41)
    for (const socket of sockets) socket.destroy()
    await close(server)
  })
}

const openSocket = async (server, path) => {
  const socket = new WebSocket(`ws://127.0.0.1:${server.address().port}${path}`)
  await once(socket, 'open')
  return socket
}

const upgrades = {
  '@fastify/websocket': async (atrion) => {
    const app = Fastify()
    await app.register(fastifyWebsocket)
    await app.register(atrionFastify, { atrion, ...CALM })
    await app.register(async (inner) => {
      inner.get('/socket/:id', { websocket: true }, (socket) => socket.send('hello'))
    })
    await app.listen({ host: '127.0.0.1', port: 0 })
    return { server: app.server, route: 'GET /socket/:id' }
  },
  'express-ws 4': (atrion) => startWs(atrion, express4),
  'express-ws 5': (atrion) => startWs(atrion, express5),
}

async function startWs(atrion, express) {
  const app = express().set('env', 'test')
  const server = createServer(app)
  expressWs(app, server)
  app.use(atrionExpress(atrion, CALM))
  app.ws('/socket/:id', (socket) => socket.send('hello'))
  return { server: await listen(server), route: 'GET /socket/:id/.websocket' }
}

for (const [name, start] of Object.entries(upgrades)) {
  test(`${name}: sockets are streams from the upgrade to their close`, async (t) => {
    const { atrion, outcomes } = watched()
    const { server, route } = await start(atrion)
    const sockets = await Promise.all(Array.from({ length: MANY }, (_, i) => openSocket(server, `/socket/${i}`)))
    t.deepEqual(atrion.getRoutes(), [route])
    t.is(openStreams(atrion, route), MANY)
    t.is(atrion.stats(route).inFlight, 0)
    for (const socket of sockets) socket.terminate()
    await until(() => openStreams(atrion, route) === 0)
    t.is(atrion.stats(route).shed, 0)
    t.deepEqual([...new Set(outcomes)], [`${route} ignored`])
    await close(server)
  })
}

const silent = {
  fastify: async (atrion) => {
    const app = Fastify()
    await app.register(atrionFastify, { atrion, ...CALM })
    app.get('/feed', (_request, reply) => reply.type('text/event-stream').send(new Readable({ read() {} })))
    await app.listen({ host: '127.0.0.1', port: 0 })
    return app.server
  },
  koa: (atrion) => {
    const app = new Koa()
    app.silent = true
    app.use(atrionKoa(atrion, { ...CALM, route: () => 'GET /feed' }))
    app.use((ctx) => {
      ctx.type = 'text/event-stream'
      ctx.body = new Readable({ read() {} })
    })
    return listen(createServer(app.callback()))
  },
  hono: async (atrion) => {
    const app = new Hono()
    app.use(atrionHono(atrion, CALM))
    app.get('/feed', () => new Response(new ReadableStream(), { headers: { 'content-type': 'text/event-stream' } }))
    const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 })
    if (!server.listening) await once(server, 'listening')
    return server
  },
}

for (const [name, start] of Object.entries(silent)) {
  test(`${name}: a feed that has nothing to say yet is one already`, async (t) => {
    const { atrion, outcomes } = watched()
    const server = await start(atrion)
    const sockets = await Promise.all(Array.from({ length: MANY }, () => dial(server, requestText('/feed'))))
    await until(() => openStreams(atrion, 'GET /feed') === MANY)
    t.is(atrion.stats('GET /feed').inFlight, 0)
    t.is(atrion.stats('GET /feed').shed, 0)
    for (const socket of sockets) socket.destroy()
    await until(() => openStreams(atrion, 'GET /feed') === 0)
    t.deepEqual([...new Set(outcomes)], ['GET /feed ignored'])
    await close(server)
  })
}

test('a client that only claims an upgrade stays in the budget of requests', async (t) => {
  const { atrion } = watched()
  const held = []
  const server = await listen(createServer(atrionHttp(atrion, (_req, res) => held.push(res), CALM)))
  const socket = await dial(server, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  await until(() => held.length === 1)
  t.is(atrion.stats('GET *').inFlight, 1)
  t.is(openStreams(atrion, 'GET *'), 0)
  held[0].end()
  await drained(atrion, 'GET *')
  socket.destroy()
  await close(server)
})

const feed = () => {
  let controller
  const body = new ReadableStream({
    start(given) {
      controller = given
      controller.enqueue(new TextEncoder().encode('data: 1\n\n'))
    },
  })
  const response = new Response(body, { headers: { 'content-type': 'text/event-stream' } })
  return { response, close: () => controller.close() }
}

for (const [name, guard] of Object.entries({
  fetch: (atrion, make) => {
    const handler = withAtrion(make, { atrion, route: 'GET /feed', maxStreams: 1 })
    return () => handler(new Request('http://test/feed'))
  },
  'hono without Node': (atrion, make) => {
    const app = new Hono()
    app.use(atrionHono(atrion, { ...CALM, maxStreams: 1 }))
    app.get('/feed', () => make())
    return () => app.request('/feed')
  },
})) {
  test(`${name}: a feed is budgeted apart, to its end`, async (t) => {
    const { atrion, outcomes } = watched()
    const made = []
    const ask = guard(atrion, () => {
      made.push(feed())
      return made.at(-1).response
    })
    const first = await ask()
    t.is(first.status, 200)
    t.is(openStreams(atrion, 'GET /feed'), 1)
    t.is(atrion.stats('GET /feed').inFlight, 0)
    t.is((await ask()).status, 503)
    made[0].close()
    t.is(await first.text(), 'data: 1\n\n')
    await until(() => openStreams(atrion, 'GET /feed') === 0)
    t.is((await ask()).status, 200)
    t.deepEqual([...new Set(outcomes)], ['GET /feed ignored'])
  })

  test(`${name}: a reader that takes nothing holds no slot`, async (t) => {
    const { atrion, outcomes } = watched()
    const source = { pull: (controller) => controller.enqueue(new Uint8Array(1024)) }
    const ask = guard(atrion, () => new Response(new ReadableStream(source)))
    const response = await ask()
    t.is(atrion.stats('GET /feed').inFlight, 1)
    await until(() => atrion.stats('GET /feed').inFlight === 0)
    t.deepEqual(outcomes, ['GET /feed ignored'])
    await response.body.cancel()
  })
}
