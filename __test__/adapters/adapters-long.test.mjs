// Requests that take very long, in time that the test sets.
import '../_set-time.mjs'

import { once } from 'node:events'
import { createServer } from 'node:http'
import { withAtrion } from 'atrion/fetch'
import { atrionHttp, openStreams } from 'atrion/http'
import ava from 'ava'
import { ask, CALM, close, dial, drained, listen, requestText, until, watched } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'
import { pass, timers } from '../_set-time.mjs'

/** One after the other: time is the process's. */
const test = engine === 'ts' ? ava.skip : ava.serial

const world = async (options = {}) => {
  const { atrion, outcomes } = watched(options)
  const held = []
  const handler = (req, res) => {
    if (req.url === '/soon') return res.end('soon')
    return held.push(res)
  }
  const server = await listen(createServer(atrionHttp(atrion, handler, { ...CALM, route: () => 'poll' })))
  return { atrion, outcomes, held, server }
}

test('a request that takes long counts as a stream from then on, and its answer as no failure', async (t) => {
  const { atrion, held, server } = await world()
  const sockets = []
  for (let i = 0; i < 30; i++) sockets.push(await dial(server, requestText('/')))
  await until(() => held.length === 30)
  pass(9_000)
  t.is(atrion.stats('poll').inFlight, 30)
  pass(1_500)
  t.is(atrion.stats('poll').inFlight, 0)
  t.is(openStreams(atrion, 'poll'), 30)
  for (const response of held) response.end('news')
  await until(() => openStreams(atrion, 'poll') === 0)
  t.like(atrion.stats('poll'), { failures: 0, shed: 0, mode: 'BOOTSTRAP', p50Ms: undefined, abandoned: 0 })
  for (const socket of sockets) socket.destroy()
  await close(server)
})

test('requests leave at the deadline on a route that usually answers late', async (t) => {
  const { atrion, held, server } = await world()
  const poll = async () => {
    const before = held.length
    const socket = await dial(server, requestText('/'))
    await until(() => held.length > before)
    return socket
  }
  for (let i = 0; i < 8; i++) {
    const socket = await poll()
    pass(10_500)
    held.at(-1).end('late')
    await once(socket, 'data')
    socket.destroy()
  }
  timers.length = 0
  const socket = await poll()
  t.is(atrion.stats('poll').inFlight, 1)
  timers.find(({ ms }) => ms === 500).work()
  t.is(atrion.stats('poll').inFlight, 0)
  t.is(openStreams(atrion, 'poll'), 1)
  socket.destroy()
  await until(() => openStreams(atrion, 'poll') === 0)
  t.like(atrion.stats('poll'), { failures: 0, successRatio: 1, abandoned: 1 })
  // Answers that come soon again are the rule again.
  for (let i = 0; i < 12; i++) t.is((await ask(server, '/soon')).body, 'soon')
  timers.length = 0
  const last = await poll()
  t.is(
    timers.find(({ ms }) => ms === 500),
    undefined,
  )
  last.destroy()
  await close(server)
})

test('one late answer of a fresh route is enough; a route that is merely slow has its limit back', async (t) => {
  const { atrion, held, server } = await world()
  /** One request that is answered after so long; whether it left at the deadline. */
  const answerAfter = async (ms) => {
    timers.length = 0
    const before = held.length
    const socket = await dial(server, requestText('/'))
    await until(() => held.length > before)
    const atDeadline = timers.find((timer) => timer.ms === 500)
    atDeadline?.work()
    pass(ms)
    held.at(-1).end('news')
    await once(socket, 'data')
    socket.destroy()
    await until(() => openStreams(atrion, 'poll') === 0 && atrion.stats('poll').inFlight === 0)
    return atDeadline !== undefined
  }
  t.false(await answerAfter(12_000))
  t.true(await answerAfter(12_000))
  const left = []
  for (let i = 0; i < 12; i++) left.push(await answerAfter(2_000))
  t.true(left[0])
  t.deepEqual(left.slice(-3), [false, false, false])
  await close(server)
  const other = await world()
  t.is((await ask(other.server, '/soon')).body, 'soon')
  const socket = await dial(other.server, requestText('/'))
  await until(() => other.held.length === 1)
  pass(12_000)
  other.held[0].end('late')
  await once(socket, 'data')
  timers.length = 0
  await dial(other.server, requestText('/')).then((again) =>
    until(() => other.held.length === 2).then(() => again.destroy()),
  )
  t.is(
    timers.find(({ ms }) => ms === 500),
    undefined,
    'one of many is no rule',
  )
  socket.destroy()
  await close(other.server)
})

test('a request is not long-lived before twice its deadline', async (t) => {
  const { atrion, held, server } = await world({ slo: { maxAcceptableLatencyMs: 60_000 } })
  const socket = await dial(server, requestText('/'))
  await until(() => held.length === 1)
  pass(100_000)
  t.is(atrion.stats('poll').inFlight, 1)
  pass(21_000)
  t.is(atrion.stats('poll').inFlight, 0)
  socket.destroy()
  await close(server)
})

const feed = () =>
  new Response(new ReadableStream({ start: (to) => to.enqueue(new Uint8Array(1)) }), {
    headers: { 'content-type': 'text/event-stream' },
  })

test('a feed that begins after the deadline was answered', async (t) => {
  const slo = { maxAcceptableLatencyMs: 1 }
  const afterDeadline = async () => {
    const sinceMs = performance.now()
    await until(() => performance.now() - sinceMs > 3)
  }
  const { atrion } = watched({ slo })
  const handler = async (_req, res) => {
    await afterDeadline()
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    res.write('data: 1\n\n')
    res.end()
  }
  const server = await listen(createServer(atrionHttp(atrion, handler, CALM)))
  for (let i = 0; i < 40; i++) t.is((await ask(server, '/')).status, 200)
  await drained(atrion, 'GET *')
  t.like(atrion.stats('GET *'), { failures: 0, shed: 0, successRatio: 1 })
  await close(server)
  const other = watched({ slo }).atrion
  const guarded = withAtrion(() => afterDeadline().then(feed), { atrion: other, route: 'feed' })
  for (let i = 0; i < 40; i++) {
    const response = await guarded(new Request('http://localhost/'))
    t.is(response.status, 200)
    await response.body.cancel()
  }
  t.like(other.stats('feed'), { failures: 0, shed: 0, successRatio: 1 })
})

test('a handler that does not end after its answer holds its permit for ten seconds', async (t) => {
  const { atrion, outcomes } = watched()
  let end
  const handler = (_req, res) => {
    res.end('answered')
    return new Promise((resolve) => {
      end = resolve
    })
  }
  const server = await listen(createServer(atrionHttp(atrion, handler, { ...CALM, route: () => 'job' })))
  let closed = false
  server.on('request', (_req, res) => res.once('close', () => (closed = true)))
  t.is((await ask(server, '/')).body, 'answered')
  await until(() => closed)
  pass(9_000)
  t.is(atrion.stats('job').inFlight, 1)
  pass(1_500)
  t.is(atrion.stats('job').inFlight, 0)
  t.is(openStreams(atrion, 'job'), 0)
  end()
  await drained(atrion, 'job')
  t.deepEqual(outcomes, ['job ignored'])
  await close(server)
})

/** Hangs up on a handler, `afterMs` after it was called, and lets it be counted to the end. @returns how long that was, ms */
const hangUp = async ({ held, server }, afterMs) => {
  const before = held.length
  const socket = await dial(server, requestText('/'))
  await until(() => held.length > before)
  pass(afterMs)
  timers.length = 0
  const isGone = once(held.at(-1), 'close')
  socket.destroy()
  await isGone
  const { work, ms } = timers.at(-1)
  pass(ms)
  work()
  return ms
}

test('a client that hangs up at once on a handler that nothing shows the end of is no evidence', async (t) => {
  const it = await world()
  for (let i = 0; i < 20; i++) t.true((await hangUp(it, 5)) <= 495)
  t.like(it.atrion.stats('poll'), { inFlight: 0, limit: 100_000, p99Ms: undefined, abandoned: 20 })
  for (let i = 0; i < 5; i++) await ask(it.server, '/soon')
  const { p99Ms } = it.atrion.stats('poll')
  // The slowest of its answers take that long.
  for (let i = 0; i < 20; i++) t.true((await hangUp(it, 5)) <= Math.max(0, p99Ms - 5))
  t.like(it.atrion.stats('poll'), { inFlight: 0, limit: 100_000, p99Ms, abandoned: 40, shed: 0 })
  await close(it.server)
})

test('one that waited for most of the deadline counts for longer', async (t) => {
  const it = await world()
  t.is(await hangUp(it, 400), 1_000)
  t.like(it.atrion.stats('poll'), { inFlight: 0, abandoned: 1 })
  await close(it.server)
})
