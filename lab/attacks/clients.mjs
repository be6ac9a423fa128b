/** Hostile clients on loopback: the good answers of others, beside those of the same server without the attack. */
import { once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'
import http2 from 'node:http2'
import { Readable } from 'node:stream'
import { atrionExpress } from 'atrion/express'
import { atrionHttp } from 'atrion/http'
import expressWs from 'express-ws'
import express4 from 'express4'
import express5 from 'express5'
import { WebSocket } from 'ws'
import { ask, CALM, close, create, listen } from '../../__test__/_adapters.mjs'
import { FRAMEWORKS, readsFirst, SPEAK_HTTP2 } from '../../__test__/_frameworks.mjs'
import { hangUps, rapidReset, slowloris, slowReaders, slowStreams, slowUploads, upgrades } from './attackers.mjs'

const DEADLINE_MS = 500
/** Others: so many at a time, and so many requests of each. */
const OTHERS = 8
const REQUESTS = 25
const SERVICE_MS = 5
const LARGE = 'x'.repeat(4 << 20)
const OF_STREAM = 'x'.repeat(256 << 10)
const UPLOAD = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"a":1}' }
const AT_LEAST = 0.95

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** The share of others' requests that are answered well and in time. */
const goodShare = async (askOne) => {
  let good = 0
  const other = async () => {
    for (let i = 0; i < REQUESTS; i++) {
      const startedMs = performance.now()
      const { status } = await askOne(i % 2 === 0 ? {} : UPLOAD)
      if (status === 200 && performance.now() - startedMs <= DEADLINE_MS) good++
    }
  }
  await Promise.all(Array.from({ length: OTHERS }, other))
  return good / (OTHERS * REQUESTS)
}

const workOf = (large) => async (path) => {
  if (path === '/b') return large
  await pause(SERVICE_MS)
  return path
}

/** The share with and without `attack`, on a server of its own each, of the framework that fares worst. */
const onEach = async (names, measure) => {
  let worst
  for (const name of names) {
    const shares = { without: await measure(name, false), under: await measure(name, true) }
    if (worst === undefined || shares.under / shares.without < worst.under / worst.without) worst = { ...shares, name }
  }
  return {
    ...worst,
    unit: 'good answers',
    note: names.length > 1 ? `the worst of ${names.length} adapters: ${worst.name}` : '',
  }
}

/** `attack(server)` resolves to what ends it, once it is under way. */
const overHttp1 = (id, title, attack) => ({
  id,
  title,
  atLeast: AT_LEAST,
  run: () =>
    onEach(Object.keys(FRAMEWORKS), async (name, isAttacked) => {
      const atrion = create()
      const server = await FRAMEWORKS[name](atrion, CALM, workOf(LARGE))
      await ask(server, '/a')
      const { end } = isAttacked ? await attack(server) : {}
      // The server has handled the attack's first bytes by then.
      for (let i = 0; i < 3; i++) await ask(server, '/a')
      const share = await goodShare((options) => ask(server, '/a', options))
      await end?.()
      await close(server)
      return share
    }),
})

const overHttp2 = (how, title) => ({
  id: `http2-${how}`,
  title,
  atLeast: AT_LEAST,
  run: () =>
    onEach(
      SPEAK_HTTP2.filter((name) => how !== 'bodies' || !readsFirst(name)),
      async (name, isAttacked) => {
        const server = await FRAMEWORKS[name](create(), CALM, workOf(OF_STREAM), true)
        const sessions = []
        server.on('session', (session) => sessions.push(session.on('error', () => {})))
        const client = http2.connect(`http://127.0.0.1:${server.address().port}`).on('error', () => {})
        const askOne = async ({ method = 'GET', headers, body }) => {
          const stream = client.request({ ':method': method, ':path': '/a', ...headers })
          stream.end(body)
          const [answer] = await once(stream, 'response')
          await once(stream.resume(), 'close')
          return { status: answer[':status'] }
        }
        await askOne({})
        const path = how === 'windows' ? '/b' : '/a'
        const attack = () =>
          how === 'resets' ? rapidReset(server, 3) : slowStreams(server, 6, how, { path, streams: 10 })
        const { end } = isAttacked ? await attack() : {}
        await askOne({})
        const share = await goodShare(askOne)
        await end?.()
        client.destroy()
        for (const session of sessions) session.destroy()
        await new Promise((resolve) => server.close(resolve))
        return share
      },
    ),
})

const withWs = async (express) => {
  const app = express().set('env', 'test')
  const server = createServer(app)
  expressWs(app, server)
  app.use(atrionExpress(create(), CALM))
  app.ws('/socket', (socket) => socket.send('hello'))
  app.get('/a', (_req, res) => setTimeout(() => res.send('a'), SERVICE_MS))
  app.post('/a', (_req, res) => setTimeout(() => res.send('a'), SERVICE_MS))
  return listen(server)
}

const webSockets = {
  id: 'websockets',
  title: '60 WebSockets that stay open',
  atLeast: AT_LEAST,
  run: () =>
    onEach(['express 4', 'express 5'], async (name, isAttacked) => {
      const server = await withWs(name === 'express 4' ? express4 : express5)
      const sockets = []
      for (let i = 0; isAttacked && i < 60; i++) {
        const socket = new WebSocket(`ws://127.0.0.1:${server.address().port}/socket`)
        sockets.push(socket)
        await once(socket, 'open')
      }
      const share = await goodShare((options) => ask(server, '/a', options))
      for (const socket of sockets) socket.terminate()
      await close(server)
      return share
    }),
}

/** Handlers of node:http that end no response of a client that is gone: nothing shows that they are over. */
const UNSEEN = {
  'looks whether the client is there': (_req, res) => {
    setTimeout(() => {
      if (!res.destroyed) res.end('a')
    }, SERVICE_MS)
  },
  'pipes a stream': (_req, res) => {
    setTimeout(() => Readable.from([LARGE.slice(0, 400_000)], { objectMode: false }).pipe(res), SERVICE_MS)
  },
  'waits for the end of its answer': async (_req, res) => {
    await pause(SERVICE_MS)
    Readable.from([LARGE.slice(0, 400_000)], { objectMode: false }).pipe(res)
    await new Promise((resolve) => res.on('finish', resolve))
  },
}

const unseenHangUps = {
  id: 'hang-ups-unseen',
  title: '30 clients that hang up at once and ask again, on handlers that do not end then',
  // Beside a busy machine the process stalls, and what was given up before its answer then lowers the limit.
  atLeast: 0.85,
  run: () =>
    onEach(Object.keys(UNSEEN), async (name, isAttacked) => {
      const server = await listen(createServer(atrionHttp(create(), UNSEEN[name], CALM)))
      const { end } = isAttacked ? await hangUps(server, 30) : {}
      const askOne = async () => {
        await pause(100)
        return ask(server, '/a')
      }
      const share = await goodShare(askOne)
      await end?.()
      await close(server)
      return share
    }),
}

/** The effect of long answers on the route that they share, where the operator has bounded the limit. */
const feed = (count) => ({
  id: `feeds-${count}`,
  title: count === 1 ? 'one SSE answer on the route of others' : `${count} SSE answers on the route of others`,
  atLeast: AT_LEAST,
  run: () =>
    onEach(['http'], async (_name, isAttacked) => {
      const atrion = create()
      atrion.configure({ limits: { max: 20 } })
      const handler = (req, res) => {
        if (req.url !== '/events') return setTimeout(() => res.end('a'), SERVICE_MS)
        res.writeHead(200, { 'content-type': 'text/event-stream' })
        return res.write('data: 1\n\n')
      }
      const server = await listen(createServer(atrionHttp(atrion, handler, CALM)))
      await ask(server, '/a')
      const open = []
      for (let i = 0; isAttacked && i < count; i++) {
        const request = httpRequest({ port: server.address().port, host: '127.0.0.1', path: '/events', agent: false })
        open.push(request.on('error', () => {}))
        request.end()
        const [response] = await once(request, 'response')
        response.on('error', () => {}).resume()
      }
      const share = await goodShare((options) => ask(server, '/a', options))
      for (const request of open) request.destroy()
      await close(server)
      return share
    }),
})

export const attacks = [
  feed(1),
  feed(60),
  overHttp1('uploads', '45 uploads that send a byte', (server) => slowUploads(server, 45)),
  overHttp1('readers', '27 readers that take nothing', (server) => slowReaders(server, 27)),
  overHttp1('slowloris', 'slowloris on HTTP/1.1: 60 heads', (server) => slowloris(server, 60)),
  overHttp2('heads', 'slowloris on HTTP/2: heads'),
  overHttp2('bodies', 'slowloris on HTTP/2: 60 bodies'),
  overHttp2('windows', 'slowloris on HTTP/2: 60 closed windows'),
  overHttp2('resets', 'rapid reset on HTTP/2: 200 streams a second'),
  overHttp1('upgrades', '60 upgrades that there are not', (server) => upgrades(server, 60)),
  overHttp1('hang-ups', '30 clients that hang up at once and ask again', (server) => hangUps(server, 30)),
  unseenHangUps,
  webSockets,
]
