// atrion/undici: outgoing requests, one route an origin.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { ConfigError, ShedError } from 'atrion'
import { atrionUndici, withTier } from 'atrion/undici'
import ava from 'ava'
import { Agent, fetch, interceptors, request } from 'undici'
import { close, create, drained, listen, until, watched } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'

const test = engine === 'ts' ? ava.skip : ava

const originOf = (server) => `http://127.0.0.1:${server.address().port}`

/** A server that answers its path as a status, and its headers. */
const echo = () =>
  listen(
    createServer((req, res) => {
      const what = req.url.slice(1)
      if (what === 'reset') return req.socket.resetAndDestroy()
      if (what === 'hang') return undefined
      if (what === 'half') {
        res.write('half')
        return setImmediate(() => req.socket.destroy())
      }
      if (what === 'events') {
        res.writeHead(200, { 'content-type': 'text/event-stream' })
        return res.end('data: 1\n\n')
      }
      res.statusCode = Number(what) || 200
      return res.end(JSON.stringify(req.headers))
    }),
  )

const withServer = (title, body, options = {}) =>
  test(`undici: ${title}`, async (t) => {
    const server = await echo()
    const { atrion, outcomes, asked } = watched()
    const agent = new Agent()
    const dispatcher = agent.compose(atrionUndici(atrion, options))
    try {
      await body(t, { server, atrion, outcomes, asked, dispatcher, origin: originOf(server) })
    } finally {
      await agent.destroy()
      await close(server)
    }
  })

withServer('an origin is a route, and the answer decides', async (t, { atrion, outcomes, dispatcher, origin }) => {
  const other = await echo()
  for (const url of [`${origin}/200`, `${origin}/404?x=1`, `${originOf(other)}/200`]) {
    const { body } = await request(url, { dispatcher })
    await body.dump()
  }
  await drained(atrion, origin)
  t.deepEqual(outcomes, [`${origin} success`, `${origin} success`, `${originOf(other)} success`])
  t.deepEqual(atrion.getRoutes().sort(), [origin, originOf(other)].sort())
  await close(other)
})

withServer('an answer of 500 and above is a failure', async (t, { outcomes, dispatcher, origin }) => {
  const { statusCode, body } = await request(`${origin}/502`, { dispatcher })
  await body.dump()
  t.is(statusCode, 502)
  t.deepEqual(outcomes, [`${origin} failure`])
})

withServer('a broken connection is a failure, whenever it breaks', async (t, { outcomes, dispatcher, origin }) => {
  await t.throwsAsync(request(`${origin}/reset`, { dispatcher }))
  t.deepEqual(outcomes, [`${origin} failure`])
})

withServer('an answer that breaks off is a failure', async (t, { outcomes, dispatcher, origin }) => {
  await t.throwsAsync(async () => (await request(`${origin}/half`, { dispatcher })).body.text())
  t.deepEqual(outcomes, [`${origin} failure`])
})

withServer("the caller's abort is ignored", async (t, { atrion, outcomes, dispatcher, origin, server }) => {
  const controller = new AbortController()
  const answer = request(`${origin}/hang`, { dispatcher, signal: controller.signal })
  await once(server, 'request')
  t.is(atrion.stats(origin).inFlight, 1)
  controller.abort()
  await t.throwsAsync(answer, { any: true })
  await drained(atrion, origin)
  t.deepEqual(outcomes, [`${origin} ignored`])
})

withServer('a stream of events tells nothing by its length', async (t, { outcomes, dispatcher, origin }) => {
  const { body } = await request(`${origin}/events`, { dispatcher })
  t.is(await body.text(), 'data: 1\n\n')
  t.deepEqual(outcomes, [`${origin} ignored`])
})

withServer(
  'a shed request rejects with a ShedError and is not sent',
  async (t, { atrion, dispatcher, origin, server }) => {
    await (await request(origin, { dispatcher })).body.dump()
    atrion.override(origin, 'open')
    let sent = 0
    server.on('request', () => sent++)
    const error = await t.throwsAsync(request(origin, { dispatcher }), { instanceOf: ShedError, code: 'ATRION_SHED' })
    t.is(error.routeId, origin)
    t.true(error.retryAfterMs > 0)
    const { cause } = await t.throwsAsync(fetch(origin, { dispatcher }))
    t.true(cause instanceof ShedError)
    t.is(sent, 0)
    t.is(atrion.stats(origin).inFlight, 0)
  },
)

withServer('works with fetch, and with other interceptors around it', async (t, { atrion, dispatcher, origin }) => {
  const answer = await fetch(`${origin}/200`, { dispatcher: dispatcher.compose(interceptors.redirect()) })
  t.true('host' in (await answer.json()))
  await drained(atrion, origin)
  t.is(atrion.stats(origin).admitted, 1)
})

const tiered = { propagate: true, tier: ({ path }) => (path === '/200' ? 'high' : undefined) }
withServer(
  'the tier is sent on, in every form of headers, and what the caller set stays',
  async (t, { dispatcher, origin, asked }) => {
    const seen = async (path, headers) => {
      const { body } = await request(`${origin}${path}`, { dispatcher, headers })
      const { 'x-atrion-tier': tier, 'x-mine': mine } = await body.json()
      return [tier, mine]
    }
    t.deepEqual(await seen('/200', undefined), ['high', undefined])
    t.deepEqual(await seen('/200', { 'x-mine': '1' }), ['high', '1'])
    t.deepEqual(await seen('/200', ['x-mine', '1']), ['high', '1'])
    t.deepEqual(await seen('/200', new Map([['x-mine', '1']])), ['high', '1'])
    t.deepEqual(await seen('/200', { 'X-Atrion-Tier': 'low' }), ['low', undefined])
    t.deepEqual(await seen('/200', ['X-Atrion-Tier', 'low']), ['low', undefined])
    t.deepEqual(await seen('/201', undefined), ['normal', undefined])
    t.deepEqual(await withTier('bulk', () => seen('/201', undefined)), ['bulk', undefined])
    t.is(asked.at(-1).tier, 'bulk')
    const answer = await fetch(`${origin}/200`, { dispatcher, headers: { 'x-mine': '2' } })
    t.like(await answer.json(), { 'x-atrion-tier': 'high', 'x-mine': '2' })
  },
  tiered,
)

withServer(
  'route, key and skip are asked of the request',
  async (t, { dispatcher, origin, asked }) => {
    await (await request(`${origin}/200`, { dispatcher })).body.dump()
    await (await request(`${origin}/health`, { dispatcher })).body.dump()
    t.deepEqual(asked, [{ routeId: 'payments', key: 'acme' }])
  },
  { route: () => 'payments', key: () => 'acme', skip: ({ path }) => path === '/health' },
)

withServer('a tunnel that was opened is no longer the route’s', async (t, { outcomes, dispatcher, origin, server }) => {
  server.on('upgrade', (_req, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n')
    socket
      .on('error', () => {})
      .on('end', () => socket.destroy())
      .resume()
  })
  const { socket } = await dispatcher.upgrade({ origin, path: '/', protocol: 'chat' }).catch(() => ({}))
  socket?.destroy()
  await until(() => outcomes.length === 1 || socket === undefined)
  t.true(outcomes.length <= 1)
})

ava('undici: options of the wrong type are refused at once', (t) => {
  const atrion = create()
  for (const options of [{ tier: 'high' }, { propagate: 'yes' }, { route: 1 }, null]) {
    t.throws(() => atrionUndici(atrion, options), { instanceOf: ConfigError })
  }
  t.throws(() => atrionUndici({}), { instanceOf: ConfigError })
})
