// Studio's stream: a snapshot and then what differs, taken up again where it was lost; search and pages of many routes; what changed.
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import http2 from 'node:http2'
import { fileURLToPath } from 'node:url'
import { atrionStudio } from 'atrion/studio'
import test from 'ava'
import { ask, close, dial, listen } from '../_adapters.mjs'
import { BAD, CALM, create, engine, virtual } from '../_engine.mjs'
import { eventReader, serve, view } from './_studio.mjs'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const closed = engine === 'ts' ? test.skip : test
const start = async (t, atrion, options = {}) => {
  const studio = atrionStudio(atrion, options)
  const server = await serve(t, studio)
  const open = async (query = '', headers = {}) => {
    const viewer = await view(server, `/atrion/events${query}`, headers)
    t.teardown(viewer.close)
    return viewer
  }
  return { studio, server, open }
}

test('a stream begins with how to come back and a snapshot, and goes on with what differs', async (t) => {
  const atrion = create()
  atrion.route('GET /a', CALM)
  const { open } = await start(t, atrion)
  const viewer = await open()
  await viewer.next(({ event }) => event === 'delta')
  const [hello, snapshot] = viewer.events
  t.is(hello.event, 'hello')
  t.is(hello.retry, '2000')
  t.is(snapshot.event, 'snapshot')
  t.regex(snapshot.id, /^[0-9a-f]{8}-\d+$/)
  const names = Object.keys(snapshot.data)
  for (const name of ['findings', 'process', 'tiers', 'causes', 'changes', 'audit', 'orders', 'cluster', 'list']) {
    t.true(names.includes(name), name)
  }
  t.is(snapshot.data.process.engine, engine)
  t.is(snapshot.data.process.hasClosedLoop, engine !== 'ts', 'what an engine lacks is stated')
  atrion.route('GET /new', CALM)
  await viewer.until(({ list }) => list.total === 2)
  const deltas = viewer.events.filter(({ event }) => event === 'delta')
  t.true(
    deltas.every(({ data }) => data.cluster === undefined),
    'sections that are the same are not sent again',
  )
  const ids = deltas.map(({ id }) => Number(id.split('-')[1]))
  t.deepEqual(
    ids,
    [...ids].sort((a, b) => a - b),
  )
})

test('a client that comes back gets what it missed, or a snapshot where that is not known', async (t) => {
  const atrion = create()
  const { open } = await start(t, atrion)
  const steady = await open()
  const first = await open()
  const { id } = await first.next(({ event }) => event === 'delta')
  first.close()
  atrion.route('GET /missed', CALM)
  await steady.until(({ list }) => list.total === 1)
  const again = await open('', { 'last-event-id': id })
  const { data } = await again.next(({ event }) => event === 'delta' || event === 'snapshot')
  t.is(again.events[1].event, 'delta')
  t.true(Number(again.events[1].id.split('-')[1]) === Number(id.split('-')[1]) + 1, 'nothing is left out')
  t.truthy(data)
  await again.until((sections) => sections.list?.total === 1)
  for (const lost of ['00000000-1', `${id}9999`, 'x', '__proto__-1', `${id.split('-')[0]}-99999999999999999999`]) {
    const other = await open('', { 'last-event-id': lost })
    await other.next(({ event }) => event === 'snapshot', lost)
    t.is(other.events[1].event, 'snapshot', lost)
  }
})

test('there are at most so many viewers; one that leaves makes room', async (t) => {
  const { open, server } = await start(t, create(), { maxViewers: 2 })
  const viewers = [await open(), await open()]
  const refused = await ask(server, '/atrion/events')
  t.is(refused.status, 503)
  t.is(refused.headers['retry-after'], '5')
  t.is((await ask(server, '/atrion')).status, 200)
  viewers[0].close()
  for (let status = 503; status !== 200; ) {
    const viewer = await open()
    status = viewer.status
    if (status !== 200) viewer.close()
  }
  const full = await ask(server, '/atrion/events')
  t.is(full.status, 503, 'the room of one takes one')
})

test('ten thousand routes are searched, sorted and paged by the server', async (t) => {
  const atrion = create()
  for (let i = 0; i < 10_000; i++) atrion.route(`GET /item/${String(i).padStart(5, '0')}`, CALM)
  atrion.override('GET /item/09999', 'closed')
  const { open } = await start(t, atrion)
  const snapshotOf = async (query) => {
    const viewer = await open(query)
    const { data } = await viewer.next(({ event }) => event === 'snapshot')
    viewer.close()
    return data
  }
  const nameIn = (data, i) => data[`row.${data.list.keys[i]}`].name
  const first = await snapshotOf('?sort=name')
  t.deepEqual(
    [first.list.total, first.list.matched, first.list.page, first.list.pages, first.list.keys.length],
    [10_000, 10_000, 0, 400, 25],
  )
  t.is(nameIn(first, 0), 'GET /item/00000')
  const last = await snapshotOf('?sort=name&page=399')
  t.is(nameIn(last, 24), 'GET /item/09999')
  t.is((await snapshotOf('?page=9999')).list.page, 399)
  const found = await snapshotOf('?q=M%2F0999&sort=name')
  t.deepEqual([found.list.matched, nameIn(found, 9)], [10, 'GET /item/09999'])
  t.is((await snapshotOf('?q=nothing')).list.matched, 0)
  const worst = await snapshotOf('')
  t.is(nameIn(worst, 0), 'GET /item/09999', 'the route that needs an eye is first')
  for (const query of ['?page=-1', '?page=x', '?sort=__proto__', '?route=__proto__', `?q=${'x'.repeat(5_000)}`]) {
    t.truthy((await snapshotOf(query)).list, query)
  }
})

closed('a lasting regression of a route that learns is listed', async (t) => {
  const { atrion, clock } = virtual()
  atrion.setRouteProfile('GET /learns', 'AUTO')
  const requests = (count, durationMs, gapMs) => {
    for (let i = 0; i < count; i++) {
      const permit = atrion.acquire('GET /learns')
      clock.advance(durationMs)
      permit.release()
      clock.advance(gapMs)
    }
  }
  requests(500, 20, 0)
  const { open } = await start(t, atrion)
  const viewer = await open()
  await viewer.next(({ event }) => event === 'snapshot')
  requests(600, 50, 2000)
  const { changes } = await viewer.until((sections) => sections.changes?.some(({ kind }) => kind === 'regression'))
  t.regex(
    changes.find(({ kind }) => kind === 'regression').text,
    /^GET \/learns: slower for \d+ min, median [\d.]+ → [\d.]+ ms$/,
  )
})

test('changes of any origin are listed: a mode with its evidence, orders, settings, dry run, notes', async (t) => {
  const atrion = create()
  for (let i = 0; i < 12; i++) atrion.route('GET /bad', CALM)
  const { studio, open } = await start(t, atrion)
  const viewer = await open()
  await viewer.next(({ event }) => event === 'snapshot')
  atrion.override('GET /bad', 'closed')
  atrion.configure({ slo: { maxAcceptableLatencyMs: 250 }, dryRun: true })
  studio.annotate('deployed 3.1\n<b>')
  const { changes } = await viewer.until((sections) => sections.changes?.length >= 4)
  const texts = changes.map(({ text }) => text).join('\n')
  t.regex(texts, /GET \/bad: admit everything/)
  t.regex(texts, /slo\.maxAcceptableLatencyMs 500 → 250/)
  t.regex(texts, /Dry run on/)
  t.regex(texts, /deployed 3\.1\\u000a<b>/)
  atrion.override('GET /bad', null)
  atrion.configure({ dryRun: false })
  await viewer.until((sections) => sections.changes.some(({ text }) => text === 'Dry run off'))
  const worsen = setInterval(() => atrion.route('GET /bad', BAD), 5)
  t.teardown(() => clearInterval(worsen))
  const { changes: after } = await viewer.until(({ changes: all }) =>
    all.some(({ evidence }) => evidence !== undefined),
  )
  const transition = after.find(({ kind }) => kind === 'transition')
  t.regex(transition.text, /GET \/bad: closed → breaker open at \d+ Ω/)
  t.regex(transition.evidence, /success \d+ %/)
  const { findings } = await viewer.until((sections) => sections.findings.length > 0)
  t.is(findings[0].route, 'GET /bad')
  t.is(findings[0].cause, 'dependency')
})

closed('the view of a route: terms that sum to R, causes, limits', async (t) => {
  const atrion = create()
  atrion.configure('GET /a', { limits: { min: 1, max: 1, initial: 1 } })
  const held = atrion.acquire('GET /a', { tier: 'critical' })
  t.teardown(() => held.release())
  const { open } = await start(t, atrion)
  const board = await open()
  const { list } = await board.until((sections) => sections.list?.total === 1)
  const viewer = await open(`?route=${list.keys[0]}`)
  const refuse = setInterval(() => atrion.acquire('GET /a', { tier: 'bulk' }), 5)
  t.teardown(() => clearInterval(refuse))
  const { detail } = await viewer.until((sections) => sections.detail?.causes.occupancy > 0)
  const sum = Object.values(detail.terms).reduce((a, b) => a + b, 0)
  t.true(Math.abs(sum - detail.resistance) <= 0.01 * detail.resistance, `${sum} and ${detail.resistance}`)
  t.true(detail.terms.occupancy > 0)
  t.deepEqual([detail.limitMin, detail.limitMax, detail.deadlineMs], [1, 1, 500])
  const { causes, tiers } = await viewer.until((sections) => sections.causes?.occupancy > 0)
  t.true(causes.occupancy > 0)
  t.true(tiers.find(({ tier }) => tier === 'bulk').success < 0.5)
})

test('a record is there after a reload; with `record` before the first viewer, too', async (t) => {
  const atrion = create()
  atrion.route('GET /a', CALM)
  const { server, open } = await start(t, atrion, { record: true })
  const points = async () => JSON.parse((await ask(server, '/atrion/history?minutes=60')).body).points.length
  t.true((await points()) > 0)
  const viewer = await open()
  await viewer.next(({ event }) => event === 'delta')
  viewer.close()
  t.true((await points()) > 0)
  for (const minutes of ['0', '-1', '61', 'x', '1e9']) {
    t.is((await ask(server, `/atrion/history?minutes=${minutes}`)).status, 400, minutes)
  }
  t.is((await ask(server, '/atrion/history?minutes=5&route=0.none')).status, 404)
})

test('nothing is recorded and no route is read before the first viewer, and nothing keeps a process alive', (t) => {
  const script = `
    const { Atrion } = require('atrion')
    const { atrionStudio } = require('atrion/studio')
    const atrion = new Atrion({ engine: ${JSON.stringify(engine)} })
    let reads = 0
    const metrics = atrion.metrics.bind(atrion)
    atrion.metrics = (previous) => { reads++; return metrics(previous) }
    atrionStudio(atrion)
    atrion.route('a', { latencyMs: 1 })
    setTimeout(() => {
      console.log(reads)
      atrionStudio(atrion, { path: '/other', record: true })
      console.log(reads)
    }, 300)`
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', script], {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: 60_000,
  })
  t.is(stdout, '0\n1\n', stderr)
  t.is(status, 0)
})

test('a viewer that takes nothing is dropped, and little waits for it', async (t) => {
  const atrion = create()
  for (let i = 0; i < 25; i++) atrion.route(`${'\u0001'.repeat(200)}${i}`, CALM)
  const { server } = await start(t, atrion)
  const worsen = setInterval(() => {
    for (const routeId of atrion.getRoutes()) {
      atrion.route(routeId, { latencyMs: Math.random() * 1e4, errorRate: Math.random() })
    }
  }, 20)
  t.teardown(() => clearInterval(worsen))
  const [socket] = await Promise.all([
    once(server, 'connection').then(([one]) => one),
    dial(server, 'GET /atrion/events HTTP/1.1\r\nHost: localhost\r\n\r\n').then((client) => client.pause()),
  ])
  let most = 0
  const look = setInterval(() => {
    most = Math.max(most, socket.writableLength)
  }, 10)
  t.teardown(() => clearInterval(look))
  await once(socket, 'close')
  t.true(most > 0 && most < 200_000, `${most} bytes waited at once`)
})

test('HTTP/2: the page and the stream, by the authority; a foreign one is refused', async (t) => {
  const studio = atrionStudio(create())
  const server = await listen(http2.createServer(studio))
  const session = http2.connect(`http://127.0.0.1:${server.address().port}`)
  t.teardown(async () => {
    studio.close()
    session.destroy()
    await close(server)
  })
  const open = (path, headers = {}) =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ':path': path, ...headers })
      stream.setEncoding('utf8').on('error', reject)
      stream.once('response', (head) => resolve({ status: head[':status'], stream }))
    })
  t.is((await open('/atrion')).status, 200)
  t.is((await open('/atrion', { ':authority': 'evil.test' })).status, 403)
  const { status, stream } = await open('/atrion/events')
  t.is(status, 200)
  const reader = eventReader()
  stream.on('data', (more) => reader.chunk(more)).once('close', () => reader.end())
  await reader.next(({ event }) => event === 'snapshot')
  studio.close()
  await reader.next(() => reader.ended).catch(() => {})
  t.true(reader.ended)
})

test('viewers that are still there keep no process alive', (t) => {
  const script = `
    const http = require('node:http')
    const { Atrion } = require('atrion')
    const { atrionStudio } = require('atrion/studio')
    const server = http.createServer(atrionStudio(new Atrion({ engine: ${JSON.stringify(engine)} })))
    server.listen(0, '127.0.0.1', () => {
      const client = require('node:net').connect(server.address().port, '127.0.0.1')
      client.unref()
      client.write('GET /atrion/events HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n')
      client.on('data', (text) => {
        if (!String(text).includes('event: snapshot')) return
        console.log('seen')
        server.close()
      })
    })`
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', script], {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: 60_000,
  })
  t.is(stdout, 'seen\n', stderr)
  t.is(status, 0)
})
