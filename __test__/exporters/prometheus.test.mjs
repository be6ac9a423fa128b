// atrion/prometheus: what it says is what happened, promtool takes it, its labels are bounded, and every framework serves it unguarded.
// One file, because its tests read the same exposition of the same driven instance.
import { once } from 'node:events'
import http from 'node:http'
import { isConfigError } from 'atrion'
import { withAtrion } from 'atrion/fetch'
import { atrionHttp } from 'atrion/http'
import { atrionPrometheus } from 'atrion/prometheus'
import test from 'ava'
import { ask, close, listen } from '../_adapters.mjs'
import { CALM, create, drive, engine, HOSTILE_NAMES, virtual } from '../_engine.mjs'
import { numberOf, samplesOf } from './_exposition.mjs'
import { missing, promtool } from './_promtool.mjs'

const TEXT = 'text/plain; version=0.0.4; charset=utf-8'
const OPEN = 'application/openmetrics-text; version=1.0.0; charset=utf-8'
const closed = engine === 'ts' ? test.skip : test
const checked = missing === undefined ? test : test.skip
const shedAll = (atrion) => atrion.override('GET *', 'open')

closed('the closed loop: requests by tier, result and obstacle, durations, what is in flight', (t) => {
  const { atrion, clock } = virtual()
  const metrics = atrionPrometheus(atrion)
  for (const ms of [3, 7, 7, 12_000]) {
    const permit = atrion.acquire('a', { tier: 'high' })
    clock.advance(ms)
    permit.release(ms === 3 ? 'failure' : 'success')
  }
  const held = atrion.acquire('a')
  const { limitedBy } = atrion.acquire('a', { tier: 'bulk', saturation: 9 })
  atrion.override('ordered', 'open')
  atrion.acquire('ordered', { tier: 'critical' })
  const { body } = metrics.scrape()
  const of = (name, labels) => numberOf(body, name, labels)
  t.is(limitedBy, 'process')
  t.is(of('atrion_requests_total', { atrion_route: 'a', atrion_tier: 'high', atrion_result: 'admitted' }), 4)
  t.is(of('atrion_requests_total', { atrion_route: 'a', atrion_tier: 'bulk', atrion_limited_by: 'process' }), 1)
  t.is(
    of('atrion_requests_total', { atrion_route: 'ordered', atrion_result: 'shed', atrion_limited_by: 'override' }),
    1,
  )
  t.is(of('atrion_request_failures_total', { atrion_route: 'a' }), 1)
  t.is(of('atrion_request_active', { atrion_route: 'a' }), 1)
  const buckets = samplesOf(body).filter(
    ({ name, labels }) => name === 'atrion_request_duration_seconds_bucket' && labels.atrion_route === 'a',
  )
  t.deepEqual(
    buckets.map(({ labels }) => labels.le),
    ['0.005', '0.01', '0.025', '0.05', '0.075', '0.1', '0.25', '0.5', '0.75', '1', '2.5', '5', '7.5', '10', '+Inf'],
  )
  t.deepEqual(
    buckets.map(({ value }) => value),
    [1, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4],
  )
  t.true(Math.abs(of('atrion_request_duration_seconds_sum', { atrion_route: 'a' }) - 12.017) < 1e-9)
  t.is(of('atrion_request_duration_seconds_count', { atrion_route: 'a' }), 4)
  t.is(of('atrion_route_override', { atrion_route: 'ordered', atrion_order: 'open' }), 1)
  const { limit, resistance } = atrion.stats('a')
  t.is(of('atrion_request_limit', { atrion_route: 'a' }), limit)
  t.is(of('atrion_request_utilization_ratio', { atrion_route: 'a' }), 1 / limit)
  t.is(of('atrion_route_resistance_ohms', { atrion_route: 'a' }), resistance)
  held.release()
})

test('the open loop: R, scar, mode, transitions', (t) => {
  const world = virtual()
  const metrics = atrionPrometheus(world.atrion)
  drive(world, 'calm', CALM, 12)
  const { body } = metrics.scrape()
  const mode = (name) => numberOf(body, 'atrion_route_mode', { atrion_route: 'calm', atrion_mode: name })
  t.deepEqual(['BOOTSTRAP', 'OPERATIONAL', 'CIRCUIT_BREAKER'].map(mode), [0, 1, 0])
  t.is(numberOf(body, 'atrion_transitions_total', { atrion_route: 'calm', atrion_mode: 'OPERATIONAL' }), 1)
  t.is(
    numberOf(body, 'atrion_route_resistance_ohms', { atrion_route: 'calm' }),
    world.atrion.getState('calm').resistance,
  )
  t.is(numberOf(body, 'atrion_cluster_degraded'), 0)
})

closed('200 routes have a label, all others are `other`, whose totals never fall when routes go', async (t) => {
  const atrion = create()
  const metrics = atrionPrometheus(atrion)
  for (let i = 0; i < 300; i++) for (let n = 0; n <= i % 7; n++) atrion.acquire(`r${i}`).release()
  const labels = () =>
    new Set(
      samplesOf(metrics.scrape().body)
        .map((one) => one.labels.atrion_route)
        .filter(Boolean),
    )
  const first = labels()
  t.is(first.size, 201)
  t.true(first.has('other'))
  const of = (labels) =>
    numberOf(metrics.scrape().body, 'atrion_requests_total', { atrion_result: 'admitted', ...labels })
  const all = () =>
    samplesOf(metrics.scrape().body)
      .filter(({ name }) => name === 'atrion_requests_total')
      .reduce((sum, { value }) => sum + value, 0)
  const total = Array.from({ length: 300 }, (_, i) => (i % 7) + 1).reduce((sum, n) => sum + n, 0)
  t.is(all(), total)
  const before = of({ atrion_route: 'other' })
  const others = Array.from({ length: 300 }, (_, i) => `r${i}`).filter((name) => !first.has(name))
  for (const name of others.slice(0, 50)) await atrion.resetRoute(name)
  t.is(of({ atrion_route: 'other' }), before)
  for (let i = 0; i < 5; i++) atrion.acquire(others[60]).release()
  t.is(of({ atrion_route: 'other' }), before + 5)
  t.deepEqual([...labels()].sort(), [...first].sort(), 'a label stays with its route')
})

test('names of any kind: distinct series, one line each, and promtool takes them', async (t) => {
  const atrion = create()
  const metrics = atrionPrometheus(atrion)
  const names = [...new Set([...HOSTILE_NAMES, 'other', 'a"b\\c\nd', 'x\ud800', 'x\udc00', '{le="1"} 5'])]
  for (const name of names) atrion.route(name, CALM)
  const { body } = metrics.scrape()
  t.true(body.length < 400_000)
  t.true(body.isWellFormed?.() ?? true)
  const labels = samplesOf(body)
    .filter(({ name }) => name === 'atrion_route_scar_ohms')
    .map((one) => one.labels.atrion_route)
  t.is(labels.length, names.length)
  t.is(new Set(labels).size, names.length)
  t.false(labels.includes('other'), 'a route of that name has another label')
  if (missing !== undefined) return t.log(missing)
  const { code, output } = await promtool(['check', 'metrics'], body)
  t.is(code, 0, output)
})

checked('promtool check metrics is clean on everything that there is', async (t) => {
  const { atrion, clock } = virtual()
  const metrics = atrionPrometheus(atrion)
  drive({ atrion, clock }, 'open loop', CALM, 12)
  if (engine !== 'ts') {
    atrion.configure('a', { limits: { min: 1, max: 1, initial: 1 } })
    const held = await atrion.enter('a', { tier: 'critical' })
    const waits = atrion.enter('a', { maxWaitMs: 50 })
    clock.advance(30)
    held.release()
    ;(await waits).release()
    atrion.acquire('a', { saturation: 9 })
    t.regex(metrics.scrape().body, /^atrion_request_time_in_queue_seconds_bucket\{atrion_route="a",le="0\.05"\} 1$/m)
  }
  const { code, output } = await promtool(['check', 'metrics'], metrics.scrape().body)
  t.is(output.trim(), '')
  t.is(code, 0)
})

test('OpenMetrics where the client prefers it: units, the end, exemplars', (t) => {
  const { atrion, clock } = virtual()
  let trace = 'aaaa'
  const metrics = atrionPrometheus(atrion, { traceId: () => trace })
  atrion.route('a', CALM)
  const PROMETHEUS =
    'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1'
  for (const [accept, type] of [
    [undefined, TEXT],
    ['*/*', TEXT],
    ['text/plain', TEXT],
    ['text/plain;q=1, application/openmetrics-text;q=0.5', TEXT],
    ['application/openmetrics-text;version=0.0.1', TEXT],
    ['application/openmetrics-text;q=0', TEXT],
    ['x'.repeat(10_000), TEXT],
    [PROMETHEUS, OPEN],
    ['application/openmetrics-text', OPEN],
    ['application/openmetrics-text; version="1.0.0"; q=0.8', OPEN],
  ])
    t.is(metrics.scrape(accept).contentType, type, accept)
  if (engine !== 'ts') {
    for (const ms of [7, 600]) {
      const permit = atrion.acquire('a')
      clock.advance(ms)
      permit.release()
      trace = 'bbbb'
    }
    trace = ''
    atrion.acquire('a').release()
  }
  const { body } = metrics.scrape(PROMETHEUS)
  t.true(body.endsWith('\n# EOF\n'))
  t.regex(body, /^# TYPE atrion_route_scar_ohms gauge\n# UNIT atrion_route_scar_ohms ohms$/m)
  t.notRegex(body, /_total counter$/m)
  if (engine === 'ts') return
  t.regex(
    body,
    /^atrion_request_duration_seconds_bucket\{atrion_route="a",le="0\.01"\} 2 # \{trace_id="aaaa"\} 0\.007 \d+\.\d{3}$/m,
  )
  t.regex(body, /^atrion_request_duration_seconds_bucket\{atrion_route="a",le="0\.75"\} 3 # \{trace_id="bbbb"\} 0\.6 /m)
  t.is(samplesOf(body).filter(({ exemplar }) => exemplar !== undefined).length, 2)
  t.notRegex(metrics.scrape().body, /trace_id/)
})

closed('keys never are labels', (t) => {
  const atrion = create()
  const metrics = atrionPrometheus(atrion)
  for (let i = 0; i < 50; i++) atrion.acquire('a', { key: `tenant-${i}` }).release()
  t.notRegex(metrics.scrape().body, /tenant/)
})

test('an option that is none is refused, by name', (t) => {
  const atrion = create()
  for (const [options, field] of [
    [{ paths: '/' }, 'paths'],
    [{ path: 'metrics' }, 'path'],
    [{ path: '/a?b' }, 'path'],
    [{ traceId: 1 }, 'traceId'],
    [null, 'options'],
  ]) {
    t.true(isConfigError(t.throws(() => atrionPrometheus(atrion, options))), field)
    t.is(t.throws(() => atrionPrometheus(atrion, options)).field, field)
  }
  t.is(t.throws(() => atrionPrometheus({})).field, 'atrion')
})

closed('an error of a trace reaches no caller, and closed it watches no longer', (t) => {
  const atrion = create()
  let calls = 0
  const metrics = atrionPrometheus(atrion, {
    traceId() {
      calls += 1
      throw new Error('no trace')
    },
  })
  atrion.acquire('a').release()
  t.is(calls, 1)
  metrics.close()
  metrics.close()
  atrion.acquire('a').release()
  t.is(calls, 1)
  t.is(numberOf(metrics.scrape().body, 'atrion_requests_total', { atrion_route: 'a' }), 2)
})

/** Servers of each framework whose every guarded request is shed, with the metrics registered behind the guard. */
const SERVERS = {
  async http(atrion, metrics) {
    const guarded = atrionHttp(atrion, (request, response) =>
      request.url.startsWith('/metrics') ? metrics(request, response) : response.end('ok'),
    )
    const server = await listen(http.createServer(guarded))
    return { server, end: () => close(server) }
  },
  async express(atrion, metrics, version = 'express5') {
    const { atrionExpress } = await import('atrion/express')
    const { default: express } = await import(version)
    const app = express()
    app.use(atrionExpress(atrion))
    app.get('/metrics', metrics)
    app.post('/metrics', metrics)
    app.get('/x', (_, response) => response.send('ok'))
    const server = await listen(http.createServer(app))
    return { server, end: () => close(server) }
  },
  express4: (atrion, metrics) => SERVERS.express(atrion, metrics, 'express4'),
  async mounted(atrion, metrics) {
    const { atrionExpress } = await import('atrion/express')
    const { default: express } = await import('express5')
    const app = express()
    app.use(atrionExpress(atrion))
    app.use(metrics)
    app.get('/x', (_, response) => response.send('ok'))
    const server = await listen(http.createServer(app))
    return { server, end: () => close(server) }
  },
  async fastify(atrion, metrics) {
    const { atrionFastify } = await import('atrion/fastify')
    const { default: fastify } = await import('fastify')
    const app = fastify()
    await app.register(atrionFastify, { atrion })
    app.get('/metrics', metrics.fastify)
    app.get('/x', async () => 'ok')
    await app.listen({ port: 0, host: '127.0.0.1' })
    return { server: app.server, end: () => app.close() }
  },
  async koa(atrion, metrics) {
    const { atrionKoa } = await import('atrion/koa')
    const { default: Koa } = await import('koa')
    const app = new Koa()
    app.use(atrionKoa(atrion))
    app.use(metrics.koa)
    app.use((context) => {
      context.body = 'ok'
    })
    const server = await listen(http.createServer(app.callback()))
    return { server, end: () => close(server) }
  },
  async hono(atrion, metrics) {
    const { atrionHono } = await import('atrion/hono')
    const { Hono } = await import('hono')
    const { createAdaptorServer } = await import('@hono/node-server')
    const app = new Hono()
    app.use(atrionHono(atrion))
    app.get('/metrics', metrics.hono)
    app.get('/x', (context) => context.text('ok'))
    const server = await listen(createAdaptorServer(app))
    return { server, end: () => close(server) }
  },
}

for (const [name, serve] of Object.entries(SERVERS)) {
  closed(`${name}: the metrics are served while everything else is shed`, async (t) => {
    const atrion = create()
    for (const route of ['GET *', 'GET /x', 'GET /metrics', 'POST *']) atrion.override(route, 'open')
    shedAll(atrion)
    const metrics = atrionPrometheus(atrion)
    const { server, end } = await serve(atrion, metrics)
    t.teardown(end)
    t.is((await ask(server, '/x')).status, 503)
    const answer = await ask(server, '/metrics?from=prometheus', {
      headers: { accept: 'application/openmetrics-text;version=1.0.0' },
    })
    t.is(answer.status, 200)
    t.is(answer.headers['content-type'].replace(/; /g, ';'), OPEN.replace(/; /g, ';'))
    t.is(answer.headers['cache-control'], 'no-store')
    t.true(samplesOf(answer.body).length > 5)
    t.is(
      samplesOf(answer.body)
        .filter(({ labels }) => labels.atrion_limited_by === 'override')
        .reduce((sum, { value }) => sum + value, 0),
      1,
    )
    const head = await ask(server, '/metrics', { method: 'HEAD' })
    t.deepEqual([head.status, head.body], [200, ''])
    t.is(atrion.getRoutes().includes('GET /metrics'), false, 'it is no route of the instance')
    metrics.close()
    t.is((await ask(server, '/metrics')).status, 503, 'once closed its path is guarded as any other')
  })
}

closed('a spent budget of streams is an obstacle like any other: in the event, the metrics and the text', async (t) => {
  const atrion = create()
  const metrics = atrionPrometheus(atrion)
  const events = []
  atrion.on('shed', (event) => events.push(event))
  const open = []
  const handler = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
    open.push(response)
  }
  const server = await listen(
    http.createServer(atrionHttp(atrion, handler, { stream: true, maxStreams: 1, tier: () => 'low' })),
  )
  t.teardown(() => close(server))
  const first = http.get({ port: server.address().port, host: '127.0.0.1', path: '/' })
  first.on('error', () => {})
  const [response] = await once(first, 'response')
  response.on('error', () => {})
  const refused = await ask(server, '/')
  t.is(refused.status, 503)
  first.destroy()
  t.like(events[0], { routeId: 'GET *', limitedBy: 'budget', tier: 'low' })
  const [row] = atrion.metrics()
  t.deepEqual(row.shedByTier.low, { budget: 1 })
  t.is(numberOf(metrics.scrape().body, 'atrion_requests_total', { atrion_tier: 'low', atrion_limited_by: 'budget' }), 1)
})

closed('fetch: the metrics are served while everything else is shed', async (t) => {
  const atrion = create()
  shedAll(atrion)
  const metrics = atrionPrometheus(atrion)
  const handler = withAtrion(
    (request) => (new URL(request.url).pathname === '/metrics' ? metrics.fetch(request) : new Response('ok')),
    { atrion },
  )
  t.is((await handler(new Request('http://host/x'))).status, 503)
  const answer = await handler(new Request('http://host/metrics?a=b'))
  t.is(answer.status, 200)
  t.is(answer.headers.get('content-type'), TEXT)
  t.is(numberOf(await answer.text(), 'atrion_requests_total', { atrion_limited_by: 'override' }), 1)
  t.is(metrics.fetch(new Request('http://host/metrics', { method: 'POST' })).status, 405)
})

closed('a method that is neither GET nor HEAD is answered with 405', async (t) => {
  const atrion = create()
  const { server, end } = await SERVERS.express(atrion, atrionPrometheus(atrion))
  t.teardown(end)
  const answer = await ask(server, '/metrics', { method: 'POST' })
  t.deepEqual([answer.status, answer.headers.allow], [405, 'GET, HEAD'])
})
