// What the adapters see of the process: how long requests wait for its event loop, and before it is asked to accept them.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import net from 'node:net'
import { atrionHttp } from 'atrion/http'
import ava from 'ava'
import { close, dial, listen, requestText, turn, until, watched } from './_adapters.mjs'
import { engine } from './_engine.mjs'

// One after the other: they share an event loop, and that is what is measured.
const test = engine === 'ts' ? ava.serial.skip : ava.serial
const onLinux = engine === 'native' && process.platform === 'linux' ? ava.serial : ava.serial.skip

const BUSY_MS = 20

const spin = (ms) => {
  const end = performance.now() + ms
  while (performance.now() < end);
}

/** A server whose handler keeps the loop busy, and what was asked with each request. */
const busyServer = async (options, busyMs = BUSY_MS) => {
  const { atrion, asked } = watched()
  const handler = (_req, res) => {
    spin(busyMs)
    res.end('ok')
  }
  const server = await listen(createServer(atrionHttp(atrion, handler, options)))
  return { atrion, asked, server, ages: () => asked.map(({ queueAgeMs }) => queueAgeMs) }
}

/** Sockets that are open and quiet. */
const openSockets = async (server, count) => {
  const sockets = []
  for (let i = 0; i < count; i++) sockets.push(await dial(server, ''))
  const connected = () => new Promise((resolve) => server.getConnections((_error, n) => resolve(n)))
  while ((await connected()) < count) await turn()
  return sockets
}

test('who is handled later in an iteration has waited for those before', async (t) => {
  const { asked, ages, server } = await busyServer({ pressure: { acceptQueue: false } })
  const sockets = await openSockets(server, 4)
  for (const socket of sockets) socket.write(requestText('/'))
  await until(() => asked.length === 4)
  const waits = ages()
  t.true(waits.every((age) => age >= 0))
  t.deepEqual(waits, waits.toSorted?.((a, b) => a - b) ?? waits)
  t.true(waits[3] >= 2 * BUSY_MS, `the last of four waited for ${waits[3]} ms`)
  for (const socket of sockets) socket.destroy()
  await close(server)
})

test('where the loop had slept, nobody has waited', async (t) => {
  const { asked, ages, server } = await busyServer({ pressure: { acceptQueue: false } }, 0)
  const [socket] = await openSockets(server, 1)
  for (let i = 1; i <= 10; i++) {
    // A timer lets the loop sleep.
    await new Promise((resolve) => setTimeout(resolve, 30))
    socket.write(requestText('/'))
    await until(() => asked.length === i)
  }
  // On a busy machine the loop may be held up in any one of them.
  const waits = ages().slice(1)
  t.true(waits.filter((age) => age === 0).length > waits.length / 2, `${waits}`)
  socket.destroy()
  await close(server)
})

test('a queue that is not looked at has no age', async (t) => {
  const { asked, ages, server } = await busyServer({ pressure: { queueAge: false } })
  const sockets = await openSockets(server, 3)
  for (const socket of sockets) socket.write(requestText('/'))
  await until(() => asked.length === 3)
  t.deepEqual(ages(), [0, 0, 0])
  for (const socket of sockets) socket.destroy()
  await close(server)
})

onLinux('the kernel tells how many wait to be accepted', async (t) => {
  const { acceptQueueLength } = createRequire(import.meta.url)('../binding.js')
  const server = await listen(net.createServer())
  const { fd } = server._handle
  t.is(acceptQueueLength(fd), 0)
  const clients = [1, 2, 3].map(() => net.connect(server.address().port, '127.0.0.1'))
  // They connect in the next tick; the loop comes to accepting them later.
  await new Promise((resolve) => process.nextTick(resolve))
  t.is(acceptQueueLength(fd), 3)
  await Promise.all(clients.map((client) => once(client, 'connect')))
  await until(() => acceptQueueLength(fd) === 0)
  t.is(acceptQueueLength(-1), -1)
  t.is(acceptQueueLength(clients[0]._handle.fd), -1)
  for (const client of clients) client.destroy()
  await close(server)
})

onLinux('who comes with a new connection has waited for those before it, too', async (t) => {
  const { asked, ages, server } = await busyServer({ pressure: { queueAge: false, acceptQueue: true } })
  const sockets = Array.from({ length: 12 }, () => net.connect(server.address().port, '127.0.0.1'))
  for (const socket of sockets) {
    socket.on('error', () => {})
    socket.write(requestText('/'))
  }
  await until(() => asked.length === 12)
  t.true(Math.max(...ages()) >= BUSY_MS, `ages: ${ages().map(Math.round)}`)
  t.is(ages().at(-1), 0, 'behind the last nobody waits')
  for (const socket of sockets) socket.destroy()
  await close(server)
})
