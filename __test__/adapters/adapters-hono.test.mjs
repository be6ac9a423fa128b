// atrion/hono in Hono, on Node and by requests without a server.

import { once } from 'node:events'
import { serve } from '@hono/node-server'
import { atrionHono } from 'atrion/hono'
import ava from 'ava'
import { Hono } from 'hono'
import { CALM, contract, drained, watched } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'

const test = engine === 'ts' ? ava.skip : ava

const appOf = (atrion, options, held) => {
  const app = new Hono()
  app.onError((_error, context) => context.text('failed', 500))
  app.use(atrionHono(atrion, options))
  app.get('/users/:id', (context) => {
    const id = context.req.param('id')
    return id === '404' ? context.text('none', 404) : context.text(id)
  })
  app.get('/fail', () => {
    throw new Error('before the head')
  })
  app.get('/hang', (context) => {
    held.push(context.env.outgoing)
    return new Promise(() => {})
  })
  app.get('/events', (context) => {
    held.push(context.env.outgoing)
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode('data: 1\n\n')),
    })
    return context.body(body, 200, { 'content-type': 'text/event-stream' })
  })
  app.get('/late', () => {
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode('so far')),
      pull: (controller) => setImmediate(() => controller.error(new Error('after the head'))),
    })
    return new Response(body)
  })
  app.get('/health', (context) => context.text('well'))
  return app
}

contract(test, 'hono', async (atrion, options, held) => {
  const server = serve({ fetch: appOf(atrion, options, held).fetch, hostname: '127.0.0.1', port: 0 })
  if (!server.listening) await once(server, 'listening')
  return server
})

test('hono: sub-applications, and requests without a server', async (t) => {
  const { atrion, outcomes } = watched()
  const app = new Hono()
  const orders = new Hono()
  orders.get('/:id', (context) => context.text(context.req.param('id')))
  orders.post('/', (context) => context.text('no', 500))
  app.use(atrionHono(atrion, CALM))
  app.route('/orders', orders)
  t.is(await (await app.request('/orders/5')).text(), '5')
  const failure = await app.request('/orders', { method: 'POST' })
  t.is(failure.status, 500)
  t.is(atrion.stats('POST /orders').inFlight, 1, 'until its body has been read')
  await failure.text()
  await drained(atrion, 'POST /orders')
  await drained(atrion, 'GET /orders/:id')
  t.deepEqual(outcomes, ['GET /orders/:id success', 'POST /orders failure'])
  atrion.override('GET /orders/:id', 'open')
  const refused = await app.request('/orders/5')
  t.is(refused.status, 503)
  t.is(refused.headers.get('content-type'), 'application/problem+json')
})

test('hono: onShed returns the response', async (t) => {
  const { atrion } = watched()
  const app = new Hono()
  app.use(atrionHono(atrion, { ...CALM, onShed: (context) => context.text('later', 429) }))
  app.get('/', (context) => context.text('ok'))
  t.is((await app.request('/')).status, 200)
  atrion.override('GET /', 'open')
  t.is((await app.request('/')).status, 429)
})
