// Requests of HTTP/2: through its compatibility API, on its streams themselves, and cancelled at every moment.
import { once } from 'node:events'
import http2 from 'node:http2'
import { atrionHttp } from 'atrion/http'
import ava from 'ava'
import { CALM, close, drained, listen, until, watched } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'
import { FRAMEWORKS, SPEAK_HTTP2 } from '../_frameworks.mjs'

const test = engine === 'ts' ? ava.skip : ava

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

// Node does not close the response of a HEAD whose stream is over before `end()`.
onHttp2('a HEAD that is cancelled is ignored', async (t, { atrion, outcomes, held, client }) => {
  const stream = client.request({ ':path': '/hang', ':method': 'HEAD' }).on('error', () => {})
  await until(() => held.length === 1)
  stream.close(http2.constants.NGHTTP2_CANCEL)
  await drained(atrion, 'HEAD *')
  t.deepEqual(outcomes, ['HEAD * ignored'])
})

onHttp2('a HEAD that is answered with a body gives its permit back', async (t, { atrion, outcomes, held, client }) => {
  const stream = client.request({ ':path': '/hang', ':method': 'HEAD' }).resume()
  await until(() => held.length === 1)
  held[0].stream.on('error', () => {})
  held[0].write('a body that a HEAD has not')
  await once(stream, 'close')
  await drained(atrion, 'HEAD *')
  t.is(outcomes.length, 1)
})

for (const name of SPEAK_HTTP2) {
  for (const method of ['GET', 'HEAD', 'POST']) {
    test(`${name} on HTTP/2: a ${method} that is cancelled while its tier is asked for takes no place`, async (t) => {
      const { atrion, outcomes } = watched({ slo: { maxAcceptableLatencyMs: 10_000 } })
      const asked = []
      const tier = () => new Promise((resolve) => asked.push(resolve))
      const server = await FRAMEWORKS[name](atrion, { ...CALM, tier }, async (path) => path, true)
      const streams = []
      server.on('stream', (stream) => streams.push(stream.on('error', () => {})))
      const client = http2.connect(`http://127.0.0.1:${server.address().port}`)
      const stream = client.request({ ':path': '/a', ':method': method }).on('error', () => {})
      await until(() => asked.length === 1 && streams.length === 1)
      stream.close(http2.constants.NGHTTP2_CANCEL)
      await until(() => streams[0].destroyed)
      asked[0]('normal')
      await until(() => outcomes.length === 1)
      await drained(atrion, `${method} /a`)
      t.deepEqual(outcomes, [`${method} /a ignored`])
      client.destroy()
      await close(server)
    })
  }
}
