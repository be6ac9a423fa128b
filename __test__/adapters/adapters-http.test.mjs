// atrion/http before a node:http server.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { ConfigError } from 'atrion'
import { atrionHttp, currentTier, openStreams } from 'atrion/http'
import ava from 'ava'
import {
  ask,
  CALM,
  close,
  contract,
  create,
  dial,
  drained,
  listen,
  requestText,
  until,
  watched,
} from '../_adapters.mjs'
import { engine } from '../_engine.mjs'

const test = engine === 'ts' ? ava.skip : ava

/** A handler of node:http answers errors itself; this one with 500, or by closing the connection. */
const handlerOf = (held) => async (req, res) => {
  const path = req.url.split('?')[0]
  if (path === '/fail') return res.writeHead(500).end()
  if (path === '/late') {
    res.write('so far')
    return setImmediate(() => res.destroy(new Error('after the head')))
  }
  if (path === '/hang') return held.push(res)
  if (path === '/events') {
    res.writeHead(200, { 'Content-Type': 'text/event-stream' })
    res.write('data: 1\n\n')
    return held.push(res)
  }
  if (path === '/users/404') return res.writeHead(404).end()
  const user = /^\/users\/([^/]+)$/.exec(path)
  if (user) return res.end(req.method === 'OPTIONS' ? '' : user[1])
  return res.writeHead(path === '/health' ? 200 : 404).end()
}

const routeOf = (req) => {
  const path = req.url.split('?')[0]
  if (/^\/users\/[^/]+$/.test(path)) return `${req.method} /users/:id`
  return ['/fail', '/late', '/hang', '/events'].includes(path) ? `${req.method} ${path}` : ''
}

contract(test, 'http', (atrion, options, held) =>
  listen(createServer(atrionHttp(atrion, handlerOf(held), { route: routeOf, ...options }))),
)

test('http: without a name, the requests of a method share a route', async (t) => {
  const { atrion } = watched()
  const server = await listen(createServer(atrionHttp(atrion, (_req, res) => res.end('ok'), CALM)))
  for (const path of ['/', '/a', `/${Math.random()}`]) t.is((await ask(server, path)).body, 'ok')
  await ask(server, '/', { method: 'POST', body: 'x' })
  t.deepEqual(atrion.getRoutes().sort(), ['GET *', 'POST *'])
  await close(server)
})

test('http: what the handler throws is a failure, and still thrown', async (t) => {
  const { atrion, outcomes } = watched()
  const route = (req) => req.url
  const sync = atrionHttp(
    atrion,
    () => {
      throw new RangeError('sync')
    },
    { ...CALM, route },
  )
  const later = atrionHttp(
    atrion,
    async () => {
      throw new RangeError('async')
    },
    { ...CALM, route },
  )
  const server = await listen(
    createServer(async (req, res) => {
      try {
        await (req.url === '/sync' ? sync : later)(req, res)
      } catch (error) {
        res.end(error.message)
      }
    }),
  )
  t.is((await ask(server, '/sync')).body, 'sync')
  t.is((await ask(server, '/async')).body, 'async')
  t.deepEqual(outcomes, ['/sync failure', '/async failure'])
  t.is(atrion.stats('/async').inFlight, 0)
  await close(server)
})

test('http: pipelined requests of a client that hangs up are all given back', async (t) => {
  const { atrion, outcomes } = watched()
  const held = []
  const server = await listen(createServer(atrionHttp(atrion, (_req, res) => held.push(res), CALM)))
  const socket = await dial(server, requestText('/a') + requestText('/b') + requestText('/c'))
  await until(() => held.length === 3)
  t.is(atrion.stats('GET *').inFlight, 3)
  socket.destroy()
  await drained(atrion, 'GET *')
  t.deepEqual(outcomes, Array(3).fill('GET * ignored'))
  await close(server)
})

test('http: pipelined requests that are answered succeed, in their order', async (t) => {
  const { atrion, outcomes } = watched()
  const held = []
  const server = await listen(createServer(atrionHttp(atrion, (_req, res) => held.push(res), CALM)))
  const socket = await dial(server, requestText('/a') + requestText('/b'))
  await until(() => held.length === 2)
  held[1].end('second')
  held[0].end('first')
  await drained(atrion, 'GET *')
  t.deepEqual(outcomes, Array(2).fill('GET * success'))
  socket.destroy()
  await close(server)
})

test('http: a server that closes its connections has cut them off', async (t) => {
  const { atrion, outcomes } = watched()
  const held = []
  const server = await listen(createServer(atrionHttp(atrion, (_req, res) => held.push(res), CALM)))
  const answer = ask(server, '/')
  await until(() => held.length === 1)
  server.closeAllConnections()
  t.truthy((await answer).error)
  await drained(atrion, 'GET *')
  t.deepEqual(outcomes, ['GET * failure'])
  await close(server)
})

test('http: an upload that the client breaks off is ignored', async (t) => {
  const { atrion, outcomes } = watched()
  const guarded = atrionHttp(
    atrion,
    async (req, res) => {
      for await (const _ of req);
      res.end()
    },
    CALM,
  )
  const errors = []
  const server = await listen(createServer((req, res) => guarded(req, res).catch((error) => errors.push(error.code))))
  const socket = await dial(server, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nfive.')
  await until(() => atrion.stats('POST *').inFlight === 1)
  socket.destroy()
  await drained(atrion, 'POST *')
  t.deepEqual(outcomes, ['POST * ignored'])
  await until(() => errors.length > 0)
  t.deepEqual(errors, ['ECONNRESET'])
  await close(server)
})

test('http: many streams of events stay open at once', async (t) => {
  const { atrion } = watched()
  const server = await listen(createServer(atrionHttp(atrion, handlerOf([]), { route: routeOf, pressure: false })))
  const sockets = []
  let streaming = 0
  const join = async () => {
    const socket = await dial(server, requestText('/events'))
    socket.once('data', (text) => {
      streaming += Number(text.startsWith('HTTP/1.1 200'))
    })
    await once(socket, 'data')
    sockets.push(socket)
  }
  await Promise.all(Array.from({ length: 120 }, join))
  t.is(streaming, 120)
  t.is(openStreams(atrion, 'GET /events'), 120)
  t.is(atrion.stats('GET /events').inFlight, 0)
  t.is(atrion.stats('GET /events').limit, 100_000, 'streams are no evidence of a queue')
  for (const socket of sockets) socket.destroy()
  await until(() => openStreams(atrion, 'GET /events') === 0)
  await close(server)
})

test('http: onShed answers instead', async (t) => {
  const { atrion } = watched()
  const onShed = (_req, res, decision) => res.writeHead(429).end(`R=${decision.resistance > 0} ${decision.allow}`)
  const server = await listen(createServer(atrionHttp(atrion, (_req, res) => res.end(), { ...CALM, onShed })))
  await ask(server, '/')
  atrion.override('GET *', 'open')
  const { status, body } = await ask(server, '/')
  t.is(status, 429)
  t.is(body, 'R=true false')
  await close(server)
})

test('http: a shed upload is refused before its body, and the connection stays usable', async (t) => {
  const { atrion } = watched()
  let handled = 0
  const server = await listen(createServer(atrionHttp(atrion, (_req, res) => res.end(String(++handled)), CALM)))
  await ask(server, '/', { method: 'POST', body: 'x' })
  atrion.override('POST *', 'open')
  const socket = await dial(server, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n')
  const [first] = await once(socket, 'data')
  t.regex(first, /^HTTP\/1\.1 503/)
  atrion.override('POST *', null)
  socket.write(`12345${requestText('/')}`)
  const [second] = await once(socket, 'data')
  t.regex(second, /^HTTP\/1\.1 200/)
  t.is(handled, 2)
  socket.destroy()
  await close(server)
})

test('http: the tier is known to what the request starts, when asked to propagate', async (t) => {
  const { atrion } = watched()
  const handler = async (_req, res) => {
    await sleep(1)
    res.end(String(currentTier()))
  }
  const tier = (req) => req.headers['x-tier']
  const keeping = await listen(createServer(atrionHttp(atrion, handler, { ...CALM, tier, propagate: true })))
  t.is((await ask(keeping, '/', { headers: { 'x-tier': 'high' } })).body, 'high')
  t.is((await ask(keeping, '/')).body, 'normal')
  const plain = await listen(createServer(atrionHttp(atrion, handler, { ...CALM, tier })))
  t.is((await ask(plain, '/', { headers: { 'x-tier': 'high' } })).body, 'undefined')
  await close(keeping)
  await close(plain)
})

test('http: options of the wrong type are refused at once', (t) => {
  const atrion = create()
  const handler = () => {}
  const wrong = [
    { route: 'GET /' },
    { tier: 'high' },
    { key: 5 },
    { skip: ['/health'] },
    { trustHeaders: 'yes' },
    { onShed: true },
    { pressure: true },
    { pressure: null },
    { signals: () => 1 },
    { signals: [1] },
    { propagate: 1 },
    null,
  ]
  for (const options of wrong) t.throws(() => atrionHttp(atrion, handler, options), { instanceOf: ConfigError })
  t.throws(() => atrionHttp({}, handler), { instanceOf: ConfigError })
  t.throws(() => atrionHttp(atrion, undefined), { instanceOf: TypeError })
})

ava('http: the engine of the open loop has no permits to give', (t) => {
  t.throws(() => atrionHttp(create({ engine: 'ts' }), () => {}), { instanceOf: ConfigError, message: /engine/ })
})
