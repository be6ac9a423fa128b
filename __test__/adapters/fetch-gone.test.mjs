// Clients of fetch handlers that go away, on servers that do not cancel the body then, and handlers of Hono that answer with no response.
import { getEventListeners } from 'node:events'
import { openStreams, withAtrion } from 'atrion/fetch'
import { atrionHono } from 'atrion/hono'
import ava from 'ava'
import { Hono } from 'hono'
import { CALM, drained, until, watched } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'

const test = engine === 'ts' ? ava.skip : ava

const endless = (headers) => new Response(new ReadableStream({ pull: () => new Promise(() => {}) }), { headers })

const HANDLERS = {
  fetch: (atrion, handler) => withAtrion(handler, { atrion, route: 'GET /a' }),
  hono: (atrion, handler) => {
    const app = new Hono()
    app.use(atrionHono(atrion, CALM))
    app.onError((_error, context) => context.text('failed', 500))
    app.get('/a', handler)
    return (request) => app.fetch(request)
  },
}

for (const [name, build] of Object.entries(HANDLERS)) {
  test(`${name}: an answer whose client is gone gives its permit back, read or not`, async (t) => {
    const { atrion, outcomes } = watched()
    const handle = build(atrion, () => endless())
    for (const isRead of [false, true]) {
      const controller = new AbortController()
      const request = new Request('http://x/a', { signal: controller.signal })
      const response = await handle(request)
      if (isRead) response.text().catch(() => {})
      t.is(atrion.stats('GET /a').inFlight, 1)
      controller.abort()
      await drained(atrion, 'GET /a')
      t.is(getEventListeners(request.signal, 'abort').length, 0)
    }
    t.deepEqual(outcomes, ['GET /a ignored', 'GET /a ignored'])
    t.is(atrion.stats('GET /a').abandoned, 2)
  })

  test(`${name}: a feed whose client is gone is no stream any more`, async (t) => {
    const { atrion } = watched()
    const handle = build(atrion, () => endless({ 'content-type': 'text/event-stream' }))
    const controller = new AbortController()
    await handle(new Request('http://x/a', { signal: controller.signal }))
    t.is(openStreams(atrion, 'GET /a'), 1)
    controller.abort()
    await until(() => openStreams(atrion, 'GET /a') === 0)
  })

  test(`${name}: an answer that was read leaves no listener behind`, async (t) => {
    const { atrion, outcomes } = watched()
    const handle = build(atrion, () => new Response('a'))
    const { signal } = new AbortController()
    const request = new Request('http://x/a', { signal })
    t.is(await (await handle(request)).text(), 'a')
    await drained(atrion, 'GET /a')
    t.is(getEventListeners(request.signal, 'abort').length, 0)
    t.deepEqual(outcomes, ['GET /a success'])
  })
}

test('hono: a handler that answers with no response is a failure', async (t) => {
  const { atrion, outcomes } = watched()
  const handle = HANDLERS.hono(atrion, () => 'no response')
  await Promise.resolve(handle(new Request('http://x/a'))).catch(() => {})
  await drained(atrion, 'GET /a')
  t.deepEqual(outcomes, ['GET /a failure'])
})
