// Connections that leave HTTP on a guarded server of Node’s own count as streams, also where a listener of the application’s takes them.
import { once } from 'node:events'
import { createServer } from 'node:http'
import http2 from 'node:http2'
import { atrionHttp, openStreams } from 'atrion/http'
import ava from 'ava'
import { WebSocket, WebSocketServer } from 'ws'
import { ask, CALM, close, dial, listen, until, watched } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'

const test = engine === 'ts' ? ava.skip : ava

const upgradeText = (path) =>
  `GET ${path} HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'

const answer = (_req, res) => res.end('plain')
const route = ({ method, url }) => `${method} /${url.split('/')[1]}`

const open = async (server, path) => {
  const socket = new WebSocket(`ws://127.0.0.1:${server.address().port}${path}`)
  await once(socket, 'open')
  return socket
}

test('ws: sockets are streams from the upgrade to their close, and no requests', async (t) => {
  const { atrion, outcomes } = watched()
  const server = await listen(createServer(atrionHttp(atrion, answer, { ...CALM, route })))
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => socket.on('message', (text) => socket.send(text)))
  const clients = await Promise.all(Array.from({ length: 40 }, (_, i) => open(server, `/socket/${i}`)))
  t.is(openStreams(atrion, 'GET /socket'), 40)
  t.deepEqual(atrion.getRoutes(), [])
  t.deepEqual(outcomes, [])
  clients[0].send('echo')
  t.is(String((await once(clients[0], 'message'))[0]), 'echo')
  t.is((await ask(server, '/plain')).body, 'plain')
  for (const [i, client] of clients.entries()) client[i % 2 === 0 ? 'close' : 'terminate']()
  await until(() => openStreams(atrion, 'GET /socket') === 0)
  await close(server)
})

test('one more than the budget is refused before the application’s listener', async (t) => {
  const { atrion } = watched()
  const server = await listen(createServer(atrionHttp(atrion, answer, { ...CALM, route, maxStreams: 2 })))
  const seen = []
  server.on('upgrade', (request, socket) => {
    seen.push(request.url)
    socket.resume().on('end', () => socket.end())
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  })
  const clients = [await dial(server, upgradeText('/s/1')), await dial(server, upgradeText('/s/2'))]
  for (const client of clients) t.regex((await once(client, 'data'))[0], /^HTTP\/1\.1 101/)
  const refused = await dial(server, upgradeText('/s/3'))
  const closed = once(refused, 'close')
  const [text] = await once(refused, 'data')
  t.regex(text, /^HTTP\/1\.1 503 /)
  t.regex(text, /\r\nRetry-After: [1-9]\d*\r\n/)
  await closed
  t.deepEqual(seen, ['/s/1', '/s/2'])
  clients[0].destroy()
  await until(() => openStreams(atrion, 'GET /s') === 1)
  const again = await dial(server, upgradeText('/s/4'))
  t.regex((await once(again, 'data'))[0], /^HTTP\/1\.1 101/)
  for (const socket of [...clients, again]) socket.destroy()
  await until(() => openStreams(atrion, 'GET /s') === 0)
  await close(server)
})

test('a guard that another listener calls sees the upgrades of its server from its first request on', async (t) => {
  const { atrion } = watched()
  const guarded = atrionHttp(atrion, answer, CALM)
  const server = await listen(createServer((req, res) => guarded(req, res)))
  const sockets = new WebSocketServer({ server })
  t.is((await ask(server, '/plain')).body, 'plain')
  const client = await open(server, '/socket')
  t.is(openStreams(atrion, 'GET *'), 1)
  client.terminate()
  await until(() => openStreams(atrion, 'GET *') === 0)
  sockets.close()
  await close(server)
})

test('a server without upgrades gets none from the adapter', async (t) => {
  const { atrion } = watched()
  const server = await listen(createServer(atrionHttp(atrion, answer, CALM)))
  const socket = await dial(server, upgradeText('/'))
  t.regex((await once(socket, 'data'))[0], /^HTTP\/1\.1 200/)
  t.is(server.listenerCount('upgrade'), 0)
  t.is(openStreams(atrion, 'GET *'), 0)
  socket.destroy()
  await close(server)
})

test('callbacks that answer by promises, and what is skipped', async (t) => {
  const { atrion } = watched()
  const options = { ...CALM, maxStreams: 1, route: async () => 'later', skip: async ({ url }) => url === '/skipped' }
  const server = await listen(createServer(atrionHttp(atrion, answer, options)))
  const taken = []
  server.on('upgrade', (request, socket) => taken.push({ url: request.url, socket }))
  const clients = [await dial(server, upgradeText('/skipped')), await dial(server, upgradeText('/1'))]
  await until(() => taken.length === 2 && openStreams(atrion, 'later') === 1)
  const over = await dial(server, upgradeText('/2'))
  await once(over, 'close')
  t.is(openStreams(atrion, 'later'), 1)
  for (const { socket } of taken) socket.destroy()
  await until(() => openStreams(atrion, 'later') === 0)
  for (const client of clients) client.destroy()
  await close(server)
})

test('HTTP/2: an extended CONNECT is a stream', async (t) => {
  const { atrion } = watched()
  const settings = { enableConnectProtocol: true }
  const server = await listen(http2.createServer({ settings }, atrionHttp(atrion, answer, { ...CALM, maxStreams: 1 })))
  server.on('connect', (_request, response) => response.stream.respond({ ':status': 200 }))
  const client = http2.connect(`http://127.0.0.1:${server.address().port}`)
  await once(client, 'remoteSettings')
  const connect = () => {
    const head = {
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':path': '/s',
      ':scheme': 'http',
      ':authority': 'test',
    }
    return client.request(head, { endStream: false })
  }
  const first = connect()
  t.is((await once(first, 'response'))[0][':status'], 200)
  t.is(openStreams(atrion, 'CONNECT *'), 1)
  const second = connect()
  t.is((await once(second, 'response'))[0][':status'], 503)
  second.close()
  first.close()
  await until(() => openStreams(atrion, 'CONNECT *') === 0)
  t.deepEqual(atrion.getRoutes(), [])
  client.destroy()
  await close(server)
})

test.serial('HTTP/2: the very first upload that is refused is not asked for', async (t) => {
  const { atrion } = watched()
  atrion.override('POST *', 'open')
  const server = await listen(http2.createServer(atrionHttp(atrion, answer, CALM)))
  const client = http2.connect(`http://127.0.0.1:${server.address().port}`)
  const upload = () => {
    const stream = client.request({ ':method': 'POST', ':path': '/', expect: '100-continue' }, { endStream: false })
    const asked = []
    stream.on('continue', () => asked.push('continue'))
    return { stream, asked }
  }
  const first = upload()
  const [head] = await once(first.stream, 'response')
  t.is(head[':status'], 503)
  t.deepEqual(first.asked, [])
  first.stream.close()
  client.destroy()
  await close(server)
})
