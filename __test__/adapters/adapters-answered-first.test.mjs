// Handlers that answer before their promise is settled, in the turn in which they are called: their work counts to its end.
import { createServer } from 'node:http'
import Router from '@koa/router'
import { atrionExpress } from 'atrion/express'
import { atrionHttp } from 'atrion/http'
import { atrionKoa } from 'atrion/koa'
import ava from 'ava'
import express4 from 'express4'
import express5 from 'express5'
import Koa from 'koa'
import { ask, CALM, close, drained, listen, until, watched } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'

const test = engine === 'ts' ? ava.skip : ava

const expressOf = (express) => (atrion, handler, options) => {
  const app = express().set('env', 'test')
  app.use(atrionExpress(atrion, options))
  app.get('/job', handler)
  return createServer(app)
}

const SERVERS = {
  http: (atrion, handler, options) =>
    createServer(atrionHttp(atrion, handler, { ...options, route: () => 'GET /job' })),
  'express 4': expressOf(express4),
  'express 5': expressOf(express5),
  koa: (atrion, handler, options) => {
    const app = new Koa()
    app.use(atrionKoa(atrion, options))
    const router = new Router()
    router.get('/job', (ctx) => {
      ctx.respond = false
      ctx.res.statusCode = 200
      return handler(ctx.req, ctx.res)
    })
    app.use(router.routes())
    return createServer(app.callback())
  },
}

for (const [name, build] of Object.entries(SERVERS)) {
  for (const propagate of [false, true]) {
    test(`${name}: work after the answer holds the permit (propagate: ${propagate})`, async (t) => {
      const { atrion, outcomes } = watched({ slo: { maxAcceptableLatencyMs: 10_000 } })
      let finish
      let isClosed = false
      const handler = (_req, res) => {
        res.once('close', () => {
          isClosed = true
        })
        res.end('accepted')
        return new Promise((resolve) => {
          finish = resolve
        })
      }
      const server = await listen(build(atrion, handler, { ...CALM, propagate }))
      t.is((await ask(server, '/job')).body, 'accepted')
      await until(() => isClosed)
      t.is(atrion.stats('GET /job').inFlight, 1)
      finish()
      await drained(atrion, 'GET /job')
      t.deepEqual(outcomes, ['GET /job success'])
      await close(server)
    })
  }
}
