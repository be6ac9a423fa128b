// atrion/undici on undici 6, 7 and 8, under each one's clients and under Node's own fetch.
import { createServer } from 'node:http'
import { Writable } from 'node:stream'
import { atrionUndici } from 'atrion/undici'
import ava from 'ava'
import * as undici7 from 'undici'
import undici6 from 'undici6'
import { close, drained, listen, until, watched } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'

const test = engine === 'ts' ? ava.skip : ava

/** Undici 8 needs Node 22. */
const undici8 = await import('undici8').catch(() => undefined)
const VERSIONS = { 'undici 6': undici6, 'undici 7': undici7, ...(undici8 && { 'undici 8': undici8 }) }

const originOf = (server) => `http://127.0.0.1:${server.address().port}`

const echo = () =>
  listen(
    createServer((req, res) => {
      if (req.url === '/reset') return req.socket.resetAndDestroy()
      if (req.url === '/hang') return undefined
      if (req.url === '/echo') return req.pipe(res)
      if (req.url === '/cookies') {
        res.writeHead(200, { 'content-type': 'text/plain', 'set-cookie': ['a=1', 'b=2'] })
        return res.end('x'.repeat(300_000))
      }
      res.statusCode = Number(req.url.slice(1)) || 200
      return res.end('ok')
    }),
  )

for (const [version, undici] of Object.entries(VERSIONS)) {
  const run = (title, body) =>
    test(`${version}: ${title}`, async (t) => {
      const server = await echo()
      const { atrion, outcomes } = watched()
      const agent = new undici.Agent()
      const dispatcher = agent.compose(atrionUndici(atrion))
      try {
        await body(t, { server, atrion, outcomes, dispatcher, origin: originOf(server) })
      } finally {
        await agent.destroy()
        await close(server)
      }
    })

  const clients = {
    request: async (url, dispatcher, options) => {
      const { statusCode, headers, body } = await undici.request(url, { dispatcher, ...options })
      return {
        status: statusCode,
        type: headers['content-type'],
        cookies: headers['set-cookie'],
        text: await body.text(),
      }
    },
    'its fetch': (url, dispatcher, options) => viaFetch(undici.fetch, url, dispatcher, options),
    'Node’s own fetch': (url, dispatcher, options) => viaFetch(globalThis.fetch, url, dispatcher, options),
    stream: async (url, dispatcher, options) => {
      let text = ''
      let head
      const sink = (given) => {
        head = given
        return new Writable({
          write(chunk, _encoding, done) {
            text += chunk
            done()
          },
        })
      }
      await undici.stream(url, { dispatcher, method: 'GET', ...options }, sink)
      return { status: head.statusCode, type: head.headers['content-type'], cookies: head.headers['set-cookie'], text }
    },
  }

  for (const [client, get] of Object.entries(clients)) {
    run(`${client} gets its answers, sheds and errors`, async (t, { atrion, outcomes, dispatcher, origin }) => {
      const { status, type, cookies, text } = await get(`${origin}/cookies`, dispatcher, {})
      t.is(status, 200)
      t.is(type, 'text/plain')
      t.deepEqual([cookies].flat(), ['a=1', 'b=2'])
      t.is(text.length, 300_000)
      t.is((await get(`${origin}/502`, dispatcher, {})).status, 502)
      await t.throwsAsync(get(`${origin}/reset`, dispatcher, {}), { any: true })
      await drained(atrion, origin)
      t.deepEqual(outcomes, [`${origin} success`, `${origin} failure`, `${origin} failure`])
      const controller = new AbortController()
      const hang = get(`${origin}/hang`, dispatcher, { signal: controller.signal })
      await until(() => atrion.stats(origin).inFlight === 1)
      controller.abort()
      await t.throwsAsync(hang, { any: true })
      await drained(atrion, origin)
      t.is(outcomes.at(-1), `${origin} ignored`)
      atrion.override(origin, 'open')
      const error = await t.throwsAsync(get(origin, dispatcher, {}), { any: true })
      t.is((error.cause ?? error).code, 'ATRION_SHED')
    })
  }

  run('a body is sent, and callbacks that answer later are awaited', async (t, { atrion, origin }) => {
    const agent = new undici.Agent()
    const options = {
      tier: async () => 'high',
      key: async () => 7,
      route: async () => 'named',
      skip: async () => false,
    }
    const dispatcher = agent.compose(atrionUndici(atrion, options))
    const { body } = await undici.request(`${origin}/echo`, { dispatcher, method: 'POST', body: 'sent' })
    t.is(await body.text(), 'sent')
    t.deepEqual(atrion.getRoutes(), ['named'])
    await agent.destroy()
  })
}

/** Node's own fetch takes a dispatcher of any version, by undici's interface of its own. */
async function viaFetch(fetch, url, dispatcher, options) {
  const answer = await fetch(url, { dispatcher, ...options })
  const { status, headers } = answer
  return { status, type: headers.get('content-type'), cookies: headers.getSetCookie(), text: await answer.text() }
}
