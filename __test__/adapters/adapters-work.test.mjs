// A permit follows the work, not the connection: in every framework, over real sockets.
import { once } from 'node:events'
import { createServer } from 'node:http'
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
