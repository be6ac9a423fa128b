// The delays that the adapters measure: requests that wait for the event loop, and before the process accepts them.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { atrionHttp } from 'atrion/http'
import ava from 'ava'
import { close, dial, listen, requestText, turn, until, watched } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'

// One after the other: they share an event loop, and that is what is measured.
const test = engine === 'ts' ? ava.serial.skip : ava.serial
const onLinux = engine === 'native' && process.platform === 'linux' ? ava.serial : ava.serial.skip

const BUSY_MS = 20

const spin = (ms) => {
  const end = performance.now() + ms
  while (performance.now() < end);
}

/** A server whose handler keeps the loop busy, and what was asked with each request. */
const busyServer = async (t, options, busyMs = BUSY_MS) => {
  const { atrion, asked } = watched()
  const handler = (_req, res) => {
    spin(busyMs)
    res.end('ok')
  }
  const server = await listen(createServer(atrionHttp(atrion, handler, options)))
  // A test that fails leaves nothing open, which would keep the run from ending.
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
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

/** The ages of the requests of a worker of node:cluster, which its primary sent all at once, ms. */
const askWorker = async () => {
  const script = fileURLToPath(new URL('../_pressure-cluster.cjs', import.meta.url))
  const child = spawn(process.execPath, [script, String(BUSY_MS)], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (part) => {
    text += part
  })
  await once(child, 'close')
  return JSON.parse(text)
}

test('a request handled later in an iteration has waited for those before it', async (t) => {
  const { asked, ages, server } = await busyServer(t, { pressure: { acceptQueue: false } })
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

test('no request has waited when the loop had slept', async (t) => {
  const { asked, ages, server } = await busyServer(t, { pressure: { acceptQueue: false } }, 0)
  const { ask, sentMs } = await clientThread(t, server)
  const delaysMs = []
  for (let i = 1; i <= 10; i++) {
    await askAsleep(server, () => ask(BUSY_MS))
    delaysMs.push(performance.now() - sentMs())
  }
  t.is(asked.length, 10)
  // Of the sleep nothing counts; a busy machine may hold up the loop after it, but not before the request was sent.
  for (const [i, age] of ages().entries()) t.true(age < Math.max(1, delaysMs[i]), `${age} ms of ${delaysMs[i]}`)
})

test('a queue that is not looked at has no age', async (t) => {
  const { asked, ages, server } = await busyServer(t, { pressure: { queueAge: false } })
  const sockets = await openSockets(server, 3)
  for (const socket of sockets) socket.write(requestText('/'))
  await until(() => asked.length === 3)
  t.deepEqual(ages(), [0, 0, 0])
  for (const socket of sockets) socket.destroy()
  await close(server)
})

onLinux('the kernel tells how old the last bytes on a connection are', async (t) => {
  const { socketAgeMs } = createRequire(import.meta.url)('../../binding.js')
  const accepted = []
  const server = await listen(net.createServer((socket) => accepted.push(socket)))
  const client = net.connect(server.address().port, '127.0.0.1')
  await once(client, 'connect')
  await new Promise((resolve) => client.write('x', resolve))
  const sentMs = performance.now()
  spin(BUSY_MS * 3)
  await until(() => accepted.length === 1)
  const [socket] = accepted
  const ageMs = socketAgeMs(socket._handle.fd)
  t.true(ageMs >= BUSY_MS * 2, `${ageMs} ms`)
  t.true(ageMs <= performance.now() - sentMs + BUSY_MS, `${ageMs} ms`)
  t.is(socketAgeMs(-1), -1)
  t.is(socketAgeMs(server._handle.fd), -1)
  for (const one of [client, socket]) one.destroy()
  await close(server)
})

onLinux('a new connection has waited to be accepted, too', async (t) => {
  const { asked, ages, server } = await busyServer(t, { pressure: { queueAge: false, acceptQueue: true } })
  const sockets = Array.from({ length: 12 }, () => net.connect(server.address().port, '127.0.0.1'))
  for (const socket of sockets) {
    socket.on('error', () => {})
    socket.write(requestText('/'))
  }
  await until(() => asked.length === 12)
  t.true(ages().at(-1) >= 5 * BUSY_MS, `the last of twelve waited for ${ages().map(Math.round)}`)
  for (const socket of sockets) socket.destroy()
  await close(server)
})

/** A client on a thread of its own: it connects and asks while this thread's loop is busy, or sleeps. */
const clientThread = async (t, server) => {
  const flags = new Int32Array(new SharedArrayBuffer(4))
  const times = new Float64Array(new SharedArrayBuffer(8))
  const workerData = { port: server.address().port, text: requestText('/'), flags, times }
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads')
    const { port, text, flags, times } = workerData
    let socket
    const send = () => {
      socket ??= require('node:net').connect(port, '127.0.0.1').resume()
      times[0] = performance.timeOrigin + performance.now()
      socket.write(text, () => Atomics.add(flags, 0, 1))
    }
    parentPort.on('message', (pauseMs) => (pauseMs > 0 ? setTimeout(send, pauseMs) : send()))`,
    { eval: true, workerData },
  )
  t.teardown(() => worker.terminate())
  await once(worker, 'online')
  return {
    ask: (pauseMs = 0) => worker.postMessage(pauseMs),
    sent: () => Atomics.load(flags, 0),
    /** The time at which the last request was sent, by this thread's clock. */
    sentMs: () => times[0] - performance.timeOrigin,
  }
}

/** Asks once, while the loop sleeps: it has nothing to do before the bytes are there. */
const askAsleep = async (server, ask) => {
  const asked = once(server, 'request')
  ask()
  await asked
}

onLinux('a connection that waited has done so once, and its later requests for themselves', async (t) => {
  const { asked, ages, server } = await busyServer(t, {}, 0)
  // From the first request on, a server's connections are looked at.
  const first = await dial(server, requestText('/'))
  await until(() => asked.length === 1)
  const { ask, sent } = await clientThread(t, server)
  ask()
  // The bytes must be there before the connection is accepted; a client on this thread would send them afterwards.
  while (sent() === 0);
  spin(BUSY_MS * 10)
  await until(() => asked.length === 2)
  const waited = ages()[1]
  t.true(waited >= BUSY_MS * 9, `${ages()}`)
  for (let i = 3; i <= 9; i++) await askAsleep(server, ask)
  t.is(asked.length, 9)
  const later = ages().slice(2)
  t.true(later.filter((age) => age < waited / 2).length > later.length / 2, `${later}`)
  first.destroy()
})

onLinux('bytes that a client adds to look young make no request younger than its iteration', async (t) => {
  const { asked, ages, server } = await busyServer(t, {})
  const sockets = await openSockets(server, 4)
  for (const socket of sockets) socket.write(requestText('/'))
  const adding = setInterval(() => sockets.at(-1).write('GET'), 1)
  await until(() => asked.length >= 4)
  clearInterval(adding)
  t.true(Math.max(...ages()) >= 2 * BUSY_MS, `${ages()}`)
  for (const socket of sockets) socket.destroy()
  await close(server)
})

onLinux('in a worker of node:cluster, what waited in the primary counts', async (t) => {
  const ages = await askWorker()
  t.true(ages.every((age) => Number.isFinite(age) && age >= 0))
  t.true(ages.at(-1) >= 5 * BUSY_MS, `the last of twelve waited for ${ages.map(Math.round)}`)
})
