// Corners of the adapters: refusals of a route that a router names, errors that stay an application's, clients half as fast.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { promisify } from 'node:util'
import KoaRouter from '@koa/router'
import { atrionExpress, currentTier } from 'atrion/express'
import { atrionHttp } from 'atrion/http'
import { atrionKoa } from 'atrion/koa'
import ava from 'ava'
import express4 from 'express4'
import express5 from 'express5'
import Koa from 'koa'
import mount from 'koa-mount'
import { ask, CALM, close, create, dial, drained, listen, requestText, until, watched } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'
import { FRAMEWORKS } from '../_frameworks.mjs'

const test = engine === 'ts' ? ava.skip : ava

for (const [name, express] of Object.entries({ 'express 4': express4, 'express 5': express5 })) {
  test(`${name}: onShed answers where a router names a route that refuses`, async (t) => {
    const { atrion } = watched()
    const app = express().set('env', 'test')
    app.use(atrionExpress(atrion, { ...CALM, onShed: (_req, res) => res.status(429).send('later') }))
    app.get('/a/:kind', (_req, _res, next) => next())
    app.get('/a/:other', (_req, res) => res.send('other'))
    const server = await listen(createServer(app))
    t.is((await ask(server, '/a/1')).body, 'other')
    atrion.override('GET /a/:other', 'open')
    const { status, body } = await ask(server, '/a/1')
    t.deepEqual([status, body], [429, 'later'])
    await drained(atrion, 'GET /a/:other')
    await close(server)
  })

  test(`${name}: an application around an application, guarded both, takes one permit under the inner name`, async (t) => {
    const { atrion, outcomes } = watched()
    const app = express().set('env', 'test')
    app.use(atrionExpress(atrion, { ...CALM, tier: () => 'low', propagate: true }))
    app.get('/u/:id', (_req, res) => res.send(String(currentTier())))
    const server = await listen(createServer(atrionHttp(atrion, app, CALM)))
    t.is((await ask(server, '/u/1')).body, 'low')
    await drained(atrion, 'GET /u/:id')
    t.deepEqual(outcomes, ['GET * ignored', 'GET /u/:id success'])
    await close(server)
  })

  test(`${name}: of twenty requests at once through two guards none is refused`, async (t) => {
    const { atrion } = watched()
    const waiting = []
    const app = express().set('env', 'test')
    const router = express.Router()
    router.get('/x', atrionExpress(atrion, CALM), (_req, res) => waiting.push(res))
    app.use(atrionExpress(atrion, CALM))
    app.use('/r', atrionExpress(atrion, CALM), router)
    const server = await listen(createServer(app))
    const answers = Array.from({ length: 20 }, () => ask(server, '/r/x'))
    await until(() => waiting.length === 20)
    t.is(atrion.stats('GET /r/x').inFlight, 20)
    for (const res of waiting) res.send('x')
    const statuses = (await Promise.all(answers)).map(({ status }) => status)
    t.deepEqual([...new Set(statuses)], [200])
    await close(server)
  })
}

const rejecting = (express) => `
  import { createServer } from 'node:http'
  import express from '${express}'
  import { Atrion } from 'atrion'
  import { atrionExpress } from 'atrion/express'
  const app = express().set('env', 'test')
  app.use(atrionExpress(new Atrion()))
  app.get('/x', async () => { throw new Error('the application’s own') })
  process.on('unhandledRejection', (error) => { console.log('unhandled:', error.message); process.exit(0) })
  const server = createServer(app).listen(0, '127.0.0.1', async () => {
    const { status } = await fetch('http://127.0.0.1:' + server.address().port + '/x')
    console.log(status)
    process.exit(0)
  })`

test('express: what a handler rejects with is the application’s business, as it is without a guard', async (t) => {
  for (const [express, expected] of [
    ['express4', 'unhandled: the application’s own'],
    ['express5', '500'],
  ]) {
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', rejecting(express)])
    t.is(stdout.trim(), expected, express)
  }
})

test('express 4: a shed of a guard within an asynchronous handler without a catch is answered', async (t) => {
  const { atrion, outcomes } = watched()
  const inner = create()
  inner.override('inner', 'open')
  const app = express4().set('env', 'test')
  app.use(atrionExpress(atrion, CALM))
  app.get('/x', async (_req, res) => res.send(await inner.run('inner', () => 'never')))
  const server = await listen(createServer(app))
  const { status, headers } = await ask(server, '/x')
  t.is(status, 503)
  t.regex(headers['retry-after'], /^[1-9]\d*$/)
  await drained(atrion, 'GET /x')
  t.deepEqual(outcomes, ['GET /x ignored'])
  await close(server)
})

test('koa: onShed answers where a router out of sight names a route that refuses', async (t) => {
  const { atrion } = watched()
  const app = new Koa()
  app.silent = true
  const onShed = (ctx) => {
    ctx.status = 429
    ctx.body = 'later'
  }
  app.use(atrionKoa(atrion, { ...CALM, onShed }))
  const sub = new Koa()
  sub.use(new KoaRouter().get('/x', (ctx) => (ctx.body = 'x')).routes())
  app.use(mount('/sub', sub))
  const server = await listen(createServer(app.callback()))
  t.is((await ask(server, '/sub/x')).body, 'x')
  atrion.override('GET /sub/x', 'open')
  const { status, body } = await ask(server, '/sub/x')
  t.deepEqual([status, body], [429, 'later'])
  await close(server)
})

test('a reader that is always a little behind holds no slot for its whole download', async (t) => {
  const { atrion, outcomes } = watched()
  const piece = Buffer.alloc(1 << 20)
  let written = 0
  const handler = async (_req, res) => {
    while (!res.destroyed) {
      written++
      if (!res.write(piece)) await Promise.race([once(res, 'drain'), once(res, 'close')]).catch(() => {})
    }
  }
  const server = await listen(createServer(atrionHttp(atrion, handler, CALM)))
  const socket = await dial(server, requestText('/'))
  // It reads a mouthful at every turn, and goes on until the slot is free.
  socket.pause()
  await until(() => {
    socket.read(1 << 16)
    return written > 0 && atrion.stats('GET *').inFlight === 0
  })
  t.deepEqual(outcomes, ['GET * ignored'])
  socket.destroy()
  await close(server)
})

test('a handler that says 100 itself says it once', async (t) => {
  const { atrion } = watched()
  const handler = async (req, res) => {
    res.writeContinue()
    for await (const _ of req);
    res.end('in')
  }
  const server = await listen(createServer(atrionHttp(atrion, handler, CALM)))
  const socket = await dial(server, 'POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n')
  let text = ''
  socket.on('data', (data) => {
    text += data
  })
  await until(() => text.includes('100 Continue'))
  socket.write('ok')
  await until(() => text.includes('200 OK'))
  t.is(text.match(/100 Continue/g).length, 1)
  socket.destroy()
  await close(server)
})

test('a server that looks at Expect itself is left alone', async (t) => {
  const { atrion } = watched()
  const server = createServer(atrionHttp(atrion, (_req, res) => res.end('in'), CALM))
  server.on('checkContinue', (_req, res) => res.writeHead(417).end())
  await listen(server)
  const socket = await dial(server, 'POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n')
  const [text] = await once(socket, 'data')
  t.regex(text, /^HTTP\/1\.1 417/)
  socket.destroy()
  await close(server)
})

const canWait = typeof create().enter === 'function'
for (const [name, start] of Object.entries(FRAMEWORKS)) {
  ;(canWait ? test : ava.skip)(
    `${name}: a request waits for its turn, and a client that goes away gives it up`,
    async (t) => {
      const { atrion } = watched()
      atrion.configure('GET /a', { limits: { min: 1, max: 1, initial: 1 } })
      const waiting = []
      const work = () => new Promise((resolve) => waiting.push(resolve))
      const server = await start(atrion, { ...CALM, maxWaitMs: 20_000 }, work)
      const first = ask(server, '/a')
      await until(() => waiting.length === 1)
      const second = ask(server, '/a')
      waiting[0]('one')
      t.is((await first).body, 'one')
      await until(() => waiting.length === 2)
      waiting[1]('two')
      t.is((await second).body, 'two')
      await close(server)
    },
  )
}
