// Slow uploads, slow readers, slowloris on HTTP/1.1 and HTTP/2, and upgrades: whatever they hold, it is none of the others' places.
import { once } from 'node:events'
import http2 from 'node:http2'
import ava from 'ava'
import { slowloris, slowReaders, slowStreams, slowUploads, upgrades } from '../../lab/attacks/attackers.mjs'
import { ask, CALM, close, until, watched } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'
import { FRAMEWORKS, readsFirst, SPEAK_HTTP2 } from '../_frameworks.mjs'

// Each holds many sockets.
const test = engine === 'ts' ? ava.skip : ava.serial

const UPLOADS = 45
const READERS = 27
const SOCKETS = 60
const SESSIONS = 6
const STREAMS = 10
const HONEST = 60
/** More than a socket's buffers hold on loopback. */
const LARGE = 'x'.repeat(8 << 20)
/** More than the window of a client that opens none; a session of Node's holds ten of these. */
const OF_STREAM = 'x'.repeat(256 << 10)
const UPLOAD = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"a":1}' }

/** The outcomes of the work; the answers of /b are large. */
const counting = (large) => {
  const under = { '/a': 0, '/b': 0 }
  const work = async (path) => {
    under[path]++
    return path === '/b' ? large : path
  }
  return { under, work }
}

const run = (name, title, body) =>
  test(`${name}: ${title}`, async (t) => {
    const { atrion, outcomes } = watched()
    const { under, work } = counting(LARGE)
    const server = await FRAMEWORKS[name](atrion, CALM, work)
    let connections = 0
    server.on('connection', () => connections++)
    const world = { atrion, outcomes, server, under, areIn: (count) => until(() => connections >= count) }
    // The first answer lets a framework's routes be seen.
    t.is((await ask(server, '/a')).body, '/a')
    try {
      await body(t, { ...world, before: atrion.stats('GET /a').limit })
    } finally {
      await close(server)
    }
  })

/** Requests of others: all answered, and nothing was refused or is held. */
const othersAreServed = async (t, { atrion, server, before }, path = '/a') => {
  const answers = await Promise.all(
    Array.from({ length: HONEST }, (_, i) => ask(server, path, i % 2 === 0 ? {} : UPLOAD)),
  )
  t.deepEqual([...new Set(answers.map(({ status, error }) => status ?? error))], [200])
  const held = () => atrion.getRoutes().reduce((sum, id) => sum + atrion.stats(id).inFlight, 0)
  await until(() => held() === 0, 'all places are free again')
  for (const id of atrion.getRoutes()) t.is(atrion.stats(id).shed, 0)
  const { limit, failures, mode } = atrion.stats('GET /a')
  t.true(limit >= before, `${limit} of ${before}`)
  t.is(failures, 0)
  t.not(mode, 'CIRCUIT_BREAKER')
}

for (const name of Object.keys(FRAMEWORKS)) {
  run(name, `${UPLOADS} uploads that send a byte`, async (t, world) => {
    const { end } = await slowUploads(world.server, UPLOADS)
    await world.areIn(UPLOADS)
    // Nest has read a body before its guards are asked: such an upload never comes to them.
    if (!readsFirst(name)) {
      const { stats } = world.atrion
      const upload = () => stats.call(world.atrion, 'POST /a') ?? { admitted: 0, inFlight: 1 }
      await until(() => upload().admitted >= UPLOADS && upload().inFlight === 0, 'no upload holds a place')
    }
    await othersAreServed(t, world)
    t.is(world.under['/a'], 1 + HONEST, 'no work was begun for them')
    await end()
    await othersAreServed(t, world)
  })

  run(name, `${READERS} readers that take nothing`, async (t, world) => {
    const { end } = await slowReaders(world.server, READERS)
    const reading = () => world.atrion.stats('GET /b') ?? { inFlight: 1 }
    await until(() => world.under['/b'] === READERS && reading().inFlight === 0, 'no reader holds a place')
    await othersAreServed(t, world)
    await end()
    await othersAreServed(t, world)
  })

  run(name, `slowloris: ${SOCKETS} heads that never end`, async (t, world) => {
    const { end } = await slowloris(world.server, SOCKETS)
    await world.areIn(SOCKETS)
    await othersAreServed(t, world)
    t.is(world.under['/a'], 1 + HONEST, 'no work was begun for them')
    await end()
    await othersAreServed(t, world)
  })

  run(name, `${SOCKETS} sockets that ask for an upgrade that there is not`, async (t, world) => {
    const { end } = await upgrades(world.server, SOCKETS)
    await until(() => world.under['/a'] === 1 + SOCKETS, 'they are requests like others')
    await othersAreServed(t, world)
    await end()
    await othersAreServed(t, world)
  })
}

/** One request of HTTP/2; resolves to its status. */
const askHttp2 = async (client, { method = 'GET', body } = {}) => {
  const headers = body ? { 'content-type': 'application/json' } : {}
  const stream = client.request({ ':method': method, ':path': '/a', ...headers })
  stream.end(body)
  const [answer] = await once(stream, 'response')
  await once(stream.resume(), 'close')
  return answer[':status']
}

for (const name of SPEAK_HTTP2) {
  for (const how of ['heads', 'bodies', 'windows']) {
    if (how === 'bodies' && readsFirst(name)) continue
    test(`${name}: slowloris on HTTP/2, ${how} that never come`, async (t) => {
      const { atrion } = watched()
      const { under, work } = counting(OF_STREAM)
      const server = await FRAMEWORKS[name](atrion, CALM, work, true)
      const sessions = []
      server.on('session', (session) => sessions.push(session.on('error', () => {})))
      const client = http2.connect(`http://127.0.0.1:${server.address().port}`).on('error', () => {})
      t.is(await askHttp2(client), 200)
      const { limit } = atrion.stats('GET /a')
      const path = how === 'windows' ? '/b' : '/a'
      const { end } = await slowStreams(server, SESSIONS, how, { path, streams: STREAMS })
      const held = () => atrion.getRoutes().reduce((sum, id) => sum + atrion.stats(id).inFlight, 0)
      if (how === 'heads') await until(() => sessions.length === 1 + SESSIONS)
      if (how === 'bodies') await until(() => (atrion.stats('POST /a')?.admitted ?? 0) >= SESSIONS * STREAMS)
      if (how === 'windows') await until(() => under['/b'] === SESSIONS * STREAMS)
      await until(() => held() === 0, 'none of them holds a place')
      const asked = Array.from({ length: HONEST }, (_, i) => askHttp2(client, i % 2 === 0 ? {} : UPLOAD))
      t.deepEqual([...new Set(await Promise.all(asked))], [200])
      t.is(under['/a'], 1 + HONEST, 'no work was begun for what has not come')
      await end()
      t.is(await askHttp2(client), 200)
      await until(() => held() === 0)
      for (const id of atrion.getRoutes()) t.like(atrion.stats(id), { shed: 0, failures: 0 })
      t.true(atrion.stats('GET /a').limit >= limit)
      client.destroy()
      for (const session of sessions) session.destroy()
      await new Promise((resolve) => server.close(resolve))
    })
  }
}
