// guardFetch before real servers: Retry-After is obeyed by tier, prefetches are shed first, and a change of mind is no failure.
import http from 'node:http'
import { isConfigError, isShedError } from 'atrion'
import { guardFetch } from 'atrion/fetch'
import test from 'ava'
import { close, listen } from '../_adapters.mjs'
import { create, engine } from '../_engine.mjs'

const it = engine === 'ts' ? test.skip : test

/** A server, its URL, and the requests that it got. */
const serve = async (t, handler) => {
  const seen = []
  const server = await listen(
    http.createServer((request, response) => {
      seen.push(request.url)
      handler(request, response)
    }),
  )
  t.teardown(() => close(server))
  return { seen, url: `http://127.0.0.1:${server.address().port}` }
}

const shedOf = async (t, call) => {
  const error = await t.throwsAsync(call)
  t.true(isShedError(error), String(error))
  return error
}

for (const status of [429, 503]) {
  for (const retryAfter of ['30', new Date(Date.now() + 30_000).toUTCString()]) {
    it(`Retry-After holds the calls of its tier and of less important ones: ${status}, ${retryAfter.length > 3 ? 'a date' : 'seconds'}`, async (t) => {
      const { seen, url } = await serve(t, (_, response) =>
        response.writeHead(status, { 'retry-after': retryAfter }).end(),
      )
      const atrion = create()
      const guarded = guardFetch(atrion)
      t.is((await guarded(`${url}/1`)).status, status)
      const { retryAfterMs, routeId, tier, cause } = await shedOf(t, () => guarded(`${url}/2`))
      t.true(retryAfterMs > 20_000 && retryAfterMs <= 30_000, String(retryAfterMs))
      t.is(routeId, url)
      t.is(tier, 'normal')
      t.regex(cause.message, /asked to come back/)
      await shedOf(t, () => guarded(`${url}/3`, { headers: { purpose: 'prefetch' } }))
      await shedOf(t, () => guarded(`${url}/4`, { priority: 'low' }))
      t.is((await guarded(`${url}/5`, { priority: 'high' })).status, status)
      await shedOf(t, () => guarded(`${url}/6`, { priority: 'high' }))
      t.deepEqual(seen, ['/1', '/5'])
      const stats = atrion.stats(url)
      t.is(stats.inFlight, 0)
      t.is(stats.failures, 0, 'a refusal that says when to come back is no failure')
    })
  }
}

it('a refused prefetch holds prefetches alone', async (t) => {
  const { seen, url } = await serve(t, ({ headers }, response) => {
    if (headers.purpose === 'prefetch') response.writeHead(503, { 'retry-after': '30' })
    response.end()
  })
  const guarded = guardFetch(create())
  const prefetch = { headers: { purpose: 'prefetch' } }
  t.is((await guarded(`${url}/1`, prefetch)).status, 503)
  await shedOf(t, () => guarded(`${url}/2`, prefetch))
  t.is((await guarded(`${url}/3`)).status, 200)
  t.is((await guarded(`${url}/4`, { priority: 'low' })).status, 200)
  t.deepEqual(seen, ['/1', '/3', '/4'])
})

it('a wait ends, and is bounded by maxRetryAfterMs', async (t) => {
  const { seen, url } = await serve(t, (_, response) => response.writeHead(503, { 'retry-after': '3600' }).end())
  const bounded = guardFetch(create(), { maxRetryAfterMs: 200 })
  await bounded(url)
  const { retryAfterMs } = await shedOf(t, () => bounded(url))
  t.true(retryAfterMs <= 200)
  await new Promise((resolve) => setTimeout(resolve, retryAfterMs + 5))
  await bounded(url)
  t.is(seen.length, 2)
  const deaf = guardFetch(create(), { maxRetryAfterMs: 0 })
  for (let i = 0; i < 3; i++) await deaf(url)
  t.is(seen.length, 5)
})

it('a Retry-After that is none, and one of an answer that is no refusal, hold nothing', async (t) => {
  let answer
  const { seen, url } = await serve(t, (_, response) => response.writeHead(...answer).end())
  const guarded = guardFetch(create())
  for (const [status, value] of [
    [503, 'soon'],
    [503, '-5'],
    [503, '0'],
    [503, ''],
    [503, '1e9'],
    [429, 'x'.repeat(1_000)],
    [200, '30'],
    [500, '30'],
    [404, '30'],
  ]) {
    answer = [status, { 'retry-after': value }]
    t.is((await guarded(url)).status, status)
  }
  t.is(seen.length, 9)
})

it('under load a call is shed by its tier, and nothing of it is sent', async (t) => {
  const held = []
  const { seen, url } = await serve(t, (_, response) => held.push(response))
  const atrion = create()
  atrion.configure({ limits: { max: 8 } })
  const guarded = guardFetch(atrion)
  const outcomes = { bulk: 0, high: 0 }
  const calls = []
  for (let i = 0; i < 40; i++) {
    calls.push(guarded(`${url}/bulk`, { headers: { purpose: 'prefetch' } }).catch(() => outcomes.bulk++))
  }
  await Promise.all(calls.slice(-1))
  t.true(outcomes.bulk > 0, 'prefetches are shed')
  const { inFlight } = atrion.stats(url)
  t.is(inFlight + outcomes.bulk, 40)
  calls.push(guarded(`${url}/high`, { priority: 'high' }).catch(() => outcomes.high++))
  const served = setInterval(() => {
    for (const response of held.splice(0)) response.end()
  }, 10)
  t.teardown(() => clearInterval(served))
  await Promise.all(calls)
  const { shedByTier } = atrion.stats(url)
  t.deepEqual([shedByTier.bulk, shedByTier.high, shedByTier.normal], [outcomes.bulk, outcomes.high, 0])
  t.true(seen.filter((path) => path === '/bulk').length <= 40 - outcomes.bulk)
  t.is(atrion.stats(url).inFlight, 0)
})

it('an error of the network is a failure, a change of mind is none, and errors are the caller’s', async (t) => {
  const atrion = create()
  const fault = new TypeError('fetch failed')
  const guarded = guardFetch(atrion, {
    route: () => 'api',
    fetch: async (request) => {
      if (request.url.endsWith('/down')) throw fault
      return new Promise((_, reject) => request.signal.addEventListener('abort', () => reject(request.signal.reason)))
    },
  })
  t.is(await t.throwsAsync(() => guarded('http://a.test/down')), fault)
  t.is(atrion.stats('api').failures, 1)
  const controller = new AbortController()
  const reason = new Error('another page')
  const call = guarded('http://a.test/slow', { signal: controller.signal })
  controller.abort(reason)
  t.is(await t.throwsAsync(call), reason)
  t.is(atrion.stats('api').failures, 1)
  t.is(atrion.stats('api').inFlight, 0)
})

it('callbacks name the route and the tier; one that throws harms no call', async (t) => {
  const atrion = create()
  const asked = []
  const guarded = guardFetch(atrion, {
    route: async (request) => `${request.method} ${new URL(request.url).pathname}`,
    tier: () => {
      throw new Error('of the application')
    },
    fetch: async (request) => asked.push(request.url) && new Response('ok'),
  })
  t.is(await (await guarded(new Request('http://a.test/x', { method: 'POST', body: 'b' }))).text(), 'ok')
  t.is(atrion.stats('POST /x').admitted, 1)
  t.deepEqual(asked, ['http://a.test/x'])
})

test('an option that is unknown or out of its range is an error with its field', (t) => {
  const atrion = create()
  if (engine === 'ts') return t.is(t.throws(() => guardFetch(atrion)).field, 'engine')
  for (const [options, field] of [
    [{ routes: () => '' }, 'routes'],
    [{ fetch: 1 }, 'fetch'],
    [{ route: 'x' }, 'route'],
    [{ tier: 'low' }, 'tier'],
    [{ maxRetryAfterMs: -1 }, 'maxRetryAfterMs'],
    [{ maxRetryAfterMs: Number.NaN }, 'maxRetryAfterMs'],
    [{ maxRetryAfterMs: '5' }, 'maxRetryAfterMs'],
    [null, 'options'],
  ]) {
    const error = t.throws(() => guardFetch(atrion, options), undefined, field)
    t.true(isConfigError(error))
    t.is(error.field, field)
  }
  return t.is(t.throws(() => guardFetch({})).field, 'atrion')
})
