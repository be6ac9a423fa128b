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

/** An hour, which no machine is so busy for. */
const HELD_MS = 3_600_000
/** A date has no milliseconds. */
const DATE_MS = 1000
const AFTER = {
  seconds: () => String(HELD_MS / 1000),
  'a date': () => new Date(Date.now() + HELD_MS).toUTCString(),
}

for (const status of [429, 503]) {
  for (const [kind, retryAfter] of Object.entries(AFTER)) {
    it(`Retry-After holds the calls of its tier and of less important ones: ${status}, ${kind}`, async (t) => {
      const { seen, url } = await serve(t, (_, response) =>
        response.writeHead(status, { 'retry-after': retryAfter() }).end(),
      )
      const atrion = create()
      const guarded = guardFetch(atrion, { maxRetryAfterMs: HELD_MS })
      const startMs = performance.now()
      t.is((await guarded(`${url}/1`)).status, status)
      const { retryAfterMs, routeId, tier, cause } = await shedOf(t, () => guarded(`${url}/2`))
      const leastMs = HELD_MS - DATE_MS - (performance.now() - startMs)
      t.true(retryAfterMs >= leastMs && retryAfterMs <= HELD_MS, String(retryAfterMs))
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
  const MOST_MS = 200
  const bounded = guardFetch(create(), { maxRetryAfterMs: MOST_MS })
  const sheds = []
  // On a busy machine a wait may be over before the next call: that one is sent, and is what the next ones wait after.
  for (let isOver = false; !isOver; ) {
    const sentMs = performance.now()
    await bounded(url)
    const { length } = seen
    let isHeld = false
    for (;;) {
      const error = await bounded(url).then(
        () => undefined,
        (thrown) => thrown,
      )
      if (error === undefined) break
      t.true(isShedError(error), String(error))
      t.is(seen.length, length, 'nothing of it is sent')
      sheds.push(error.retryAfterMs)
      isHeld = true
    }
    t.is(seen.length, length + 1)
    t.true(performance.now() - sentMs >= MOST_MS, 'none is sent earlier')
    isOver = isHeld
  }
  t.true(
    sheds.every((ms) => ms > 0 && ms <= MOST_MS),
    String(sheds),
  )
  const deaf = guardFetch(create(), { maxRetryAfterMs: 0 })
  const before = seen.length
  for (let i = 0; i < 3; i++) await deaf(url)
  t.is(seen.length, before + 3)
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
