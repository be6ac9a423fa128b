// A permit follows the work, not the connection: in every framework, over real sockets.
import { once } from 'node:events'
import { createServer } from 'node:http'
import http2 from 'node:http2'
import { atrionExpress } from 'atrion/express'
import { atrionHttp } from 'atrion/http'
import ava from 'ava'
import express4 from 'express4'
import express5 from 'express5'
import { ask, CALM, close, dial, drained, listen, requestText, turn, until, watched } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'
import { FRAMEWORKS, readsFirst } from '../_frameworks.mjs'

const test = engine === 'ts' ? ava.skip : ava

/** Work that goes on until it is let go; `under` counts what is under way. */
const gate = () => {
  const waiting = []
  const state = { under: 0, done: 0 }
  const work = async (path) => {
    state.under++
    await new Promise((resolve, reject) => waiting.push({ resolve, reject }))
    state.under--
    state.done++
    return path
  }
  const settle = (how) => {
    for (const promise of waiting.splice(0)) promise[how](new Error('failed late'))
  }
  return { state, work, open: () => settle('resolve'), fail: () => settle('reject') }
}

for (const [name, start] of Object.entries(FRAMEWORKS)) {
  const run = (title, work, body) =>
    test(`${name}: ${title}`, async (t) => {
      // Work of a client that is gone is counted for ten deadlines: longer than a busy machine takes.
      const { atrion, outcomes, asked } = watched({ slo: { maxAcceptableLatencyMs: 10_000 } })
      const server = await start(atrion, CALM, work)
      try {
        await body(t, { atrion, outcomes, asked, server })
      } finally {
        await close(server)
      }
    })

  for (const how of ['open', 'fail']) {
    const room = gate()
    run(`work for a client that is gone holds its permit until it is over (${how})`, room.work, async (t, world) => {
      const { atrion, outcomes, server } = world
      // The first answer lets a framework's routes be seen; what counts is the one after it.
      const first = ask(server, '/a')
      await until(() => room.state.under === 1)
      room.open()
      t.is((await first).body, '/a')
      await drained(atrion, 'GET /a')
      outcomes.length = 0
      for (let i = 1; i <= 3; i++) {
        const socket = await dial(server, requestText('/a'))
        await until(() => room.state.under === i)
        const closed = new Promise((resolve) => server.once('connection', (s) => s.once('close', resolve)))
        socket.destroy()
        // Another connection comes and goes after it: by then the server has heard of both ends.
        const last = await dial(server, '')
        last.destroy()
        await closed
        t.is(atrion.stats('GET /a').inFlight, i)
      }
      room[how]()
      await drained(atrion, 'GET /a')
      t.deepEqual(outcomes, Array(3).fill('GET /a ignored'))
      t.like(atrion.stats('GET /a'), { failures: 0, abandoned: 3 })
    })
  }

  if (readsFirst(name)) continue

  run(
    'bodies that are never sent whole hold no slot',
    async () => 'in',
    async (t, { atrion, server }) => {
      const head = (length) =>
        `POST /a HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`
      const { limit } = atrion.stats('POST /a')
      const slow = await Promise.all(Array.from({ length: 12 }, () => dial(server, `${head(7)}{"a"`)))
      const isIn = () => atrion.stats('POST /a').admitted >= 12
      await until(() => isIn() && atrion.stats('POST /a').inFlight === 0, 'all slots are free again')
      const { status, body } = await ask(server, '/a', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"a":1}',
      })
      t.is(status, 200)
      t.is(body, 'in')
      // One that is completed after all is answered, and counts from then on.
      const before = atrion.stats('POST /a').admitted
      slow[0].write(':1}')
      const [answer] = await once(slow[0], 'data')
      t.regex(answer, /^HTTP\/1\.1 200/)
      await drained(atrion, 'POST /a')
      t.is(atrion.stats('POST /a').admitted, before + 1)
      t.true(atrion.stats('POST /a').limit >= limit)
      for (const socket of slow) socket.destroy()
    },
  )

  run(
    'a refused upload is not read',
    async () => 'in',
    async (t, { atrion, server }) => {
      atrion.override('POST /a', 'open')
      let connection
      server.once('connection', (socket) => {
        connection = socket
      })
      const length = 8 << 20
      const answer = ask(server, '/a', {
        method: 'POST',
        headers: { 'content-length': length, 'content-type': 'application/octet-stream' },
        body: Buffer.alloc(length),
      })
      const { status, headers } = await answer
      t.is(status, 503)
      t.is(headers.connection, 'close')
      t.regex(headers['retry-after'], /^\d+$/)
      t.true(connection.bytesRead < 1 << 20, `${connection.bytesRead} bytes were read`)
      if (!connection.destroyed) await once(connection, 'close')
      t.true(connection.bytesRead < 1 << 20, `${connection.bytesRead} bytes were read`)
    },
  )

  run(
    'a client that asks before it sends is refused without being asked to send',
    async () => 'in',
    async (t, { atrion, server }) => {
      const head =
        'POST /a HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n'
      const welcome = await dial(server, head)
      const [first] = await once(welcome, 'data')
      t.regex(first, /^HTTP\/1\.1 100 /)
      welcome.write('{}')
      let text = ''
      welcome.on('data', (data) => {
        text += data
      })
      await until(() => text.includes('HTTP/1.1 200'))
      welcome.destroy()
      atrion.override('POST /a', 'open')
      const refused = await dial(server, head)
      const [second] = await once(refused, 'data')
      t.regex(second, /^HTTP\/1\.1 503 /)
      refused.destroy()
    },
  )
}

for (const [name, express] of Object.entries({ 'express 4': express4, 'express 5': express5 })) {
  test(`${name}: a handler without a promise is followed to the end of its answer`, async (t) => {
    const { atrion, outcomes } = watched()
    const held = []
    const app = express().set('env', 'test')
    app.use(atrionExpress(atrion, CALM))
    app.get('/a', (_req, res) => held.push(res))
    const server = await listen(createServer(app))
    const socket = await dial(server, requestText('/a'))
    await until(() => held.length === 1)
    const gone = once(held[0], 'close')
    socket.destroy()
    await gone
    t.is(atrion.stats('GET /a').inFlight, 1)
    held[0].send('for a client that is gone')
    t.is(atrion.stats('GET /a').inFlight, 0)
    t.deepEqual(outcomes, ['GET /a ignored'])
    await close(server)
  })
}

test('slow readers hold no slot, whether the answer is one piece or many', async (t) => {
  const { atrion } = watched()
  const piece = Buffer.alloc(1 << 20, 'x')
  const handler = async (req, res) => {
    if (req.url === '/small') return res.end('small')
    if (req.url === '/whole') return res.end(Buffer.alloc(32 << 20, 'x'))
    for (let i = 0; i < 32 && !res.destroyed; i++) {
      if (!res.write(piece)) await Promise.race([once(res, 'drain'), once(res, 'close')]).catch(() => {})
    }
    return res.end()
  }
  const server = await listen(createServer(atrionHttp(atrion, handler, CALM)))
  const slow = []
  for (const path of ['/whole', '/pieces']) {
    for (let i = 0; i < 10; i++) {
      const socket = await dial(server, requestText(path))
      socket.pause()
      slow.push(socket)
    }
  }
  await until(() => atrion.stats('GET *').admitted === 20 && atrion.stats('GET *').inFlight === 0)
  for (let i = 0; i < 40; i++) t.is((await ask(server, '/small')).body, 'small')
  t.is(atrion.stats('GET *').shed, 0)
  for (const socket of slow) socket.destroy()
  await close(server)
})

test('a request that the server gives up waiting for is the client’s fault', async (t) => {
  const { atrion, outcomes } = watched()
  const handler = async (req, res) => {
    for await (const _ of req);
    res.end()
  }
  const guarded = atrionHttp(atrion, handler, CALM)
  const server = createServer(
    { connectionsCheckingInterval: 50, requestTimeout: 900, headersTimeout: 800 },
    (req, res) => guarded(req, res)?.catch?.(() => {}),
  )
  await listen(server)
  const socket = await dial(server, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab')
  let text = ''
  socket.on('data', (data) => {
    text += data
  })
  await once(socket, 'close')
  t.regex(text, /^HTTP\/1\.1 408/)
  await drained(atrion, 'POST *')
  t.deepEqual(outcomes, ['POST * ignored'])
  t.is(atrion.stats('POST *').failures, 0)
  await close(server)
})

const onHttp2 = (title, body) =>
  test(`HTTP/2: ${title}`, async (t) => {
    const { atrion, outcomes } = watched()
    const held = []
    const handler = (req, res) => {
      if (req.url === '/ok') return res.end('ok')
      return held.push(res)
    }
    const server = await listen(http2.createServer(atrionHttp(atrion, handler, CALM)))
    const sessions = []
    server.on('session', (session) => sessions.push(session))
    const client = http2.connect(`http://127.0.0.1:${server.address().port}`)
    client.on('error', () => {})
    const request = (path) => client.request({ ':path': path }).on('error', () => {})
    await body(t, { atrion, outcomes, held, client, request })
    client.destroy()
    for (const session of sessions) session.destroy()
    await new Promise((resolve) => server.close(resolve))
  })

onHttp2('an answer is a success', async (t, { atrion, outcomes, request }) => {
  const stream = request('/ok').resume()
  await once(stream, 'close')
  await drained(atrion, 'GET *')
  t.deepEqual(outcomes, ['GET * success'])
})

onHttp2('a refused upload is not asked for', async (t, { atrion, held, client }) => {
  const upload = () => {
    const heard = []
    const stream = client.request({ ':method': 'POST', ':path': '/in', expect: '100-continue' })
    for (const name of ['continue', 'response']) stream.on(name, () => heard.push(name))
    return { heard, stream: stream.on('error', () => {}) }
  }
  const first = upload()
  await until(() => held.length === 1)
  held[0].end()
  await once(first.stream.resume().end(), 'close')
  // This body is not read yet.
  const second = upload()
  await until(() => held.length === 2)
  t.deepEqual(second.heard, [])
  held[1].req.resume()
  await once(second.stream, 'continue')
  second.stream.end('body')
  await once(held[1].req, 'end')
  held[1].end('got it')
  await once(second.stream.resume(), 'close')
  t.deepEqual(second.heard, ['continue', 'response'])
  atrion.override('POST *', 'open')
  const third = upload()
  const [headers] = await once(third.stream, 'response')
  t.is(headers[':status'], 503)
  t.deepEqual(third.heard, ['response'])
})

for (const [status, outcome] of [
  [200, 'success'],
  [500, 'failure'],
]) {
  onHttp2(
    `an answer of ${status} on the stream itself is a ${outcome}`,
    async (t, { atrion, outcomes, held, request }) => {
      const stream = request('/hang').resume()
      await until(() => held.length === 1)
      held[0].stream.respond({ ':status': status })
      held[0].stream.end('raw')
      await once(stream, 'close')
      await drained(atrion, 'GET *')
      t.deepEqual(outcomes, [`GET * ${outcome}`])
    },
  )
}

onHttp2(
  'an answer on the stream itself that we break off is a failure',
  async (t, { atrion, outcomes, held, request }) => {
    request('/hang').resume()
    await until(() => held.length === 1)
    held[0].stream.respond({ ':status': 200 })
    held[0].stream.write('half')
    held[0].stream.destroy()
    await drained(atrion, 'GET *')
    t.deepEqual(outcomes, ['GET * failure'])
  },
)

onHttp2('a cancelled stream is ignored', async (t, { atrion, outcomes, held, request }) => {
  const stream = request('/hang')
  await until(() => held.length === 1)
  stream.close(http2.constants.NGHTTP2_CANCEL)
  await drained(atrion, 'GET *')
  t.deepEqual(outcomes, ['GET * ignored'])
})

onHttp2('a connection that breaks is ignored', async (t, { atrion, outcomes, held, client, request }) => {
  request('/hang')
  await until(() => held.length === 1)
  client.destroy()
  await drained(atrion, 'GET *')
  t.deepEqual(outcomes, ['GET * ignored'])
})

for (const [how, destroy] of Object.entries({
  'its stream': (res) => res.stream.destroy(),
  'its stream with an error': (res) => res.stream.destroy(new Error('ours')),
  'its response': (res) => res.destroy(),
})) {
  onHttp2(`a request of which we destroy ${how} is a failure`, async (t, { atrion, outcomes, held, request }) => {
    request('/hang')
    await until(() => held.length === 1)
    held[0].on('error', () => {})
    held[0].stream.on('error', () => {})
    destroy(held[0])
    await drained(atrion, 'GET *')
    t.deepEqual(outcomes, ['GET * failure'])
  })
}

test('a client that hangs up on a response which waits for another one is noticed', async (t) => {
  const { atrion, outcomes } = watched()
  const held = []
  const server = await listen(createServer(atrionHttp(atrion, (_req, res) => held.push(res), CALM)))
  const socket = await dial(server, requestText('/a') + requestText('/b'))
  await until(() => held.length === 2)
  held[1].end('early')
  t.is(atrion.stats('GET *').inFlight, 1)
  socket.destroy()
  await drained(atrion, 'GET *')
  await turn()
  t.deepEqual(outcomes, ['GET * success', 'GET * ignored'])
  await close(server)
})
