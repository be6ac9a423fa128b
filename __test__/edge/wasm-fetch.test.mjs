// withAtrion and the store behind it, with the Request and Response that Node itself has.
import { createRequire } from 'node:module'
import { Atrion, ConfigError, VirtualClock } from 'atrion'
import { KVStateProvider, withAtrion } from 'atrion/fetch'
import test from 'ava'
import { engine } from '../_engine.mjs'

// The functional model has no closed loop.
const closed = engine === 'ts' ? test.skip : test
const world = (options = {}) => {
  const clock = new VirtualClock(1_000_000)
  return { clock, atrion: new Atrion({ engine, clock, ...options }) }
}
const request = (init) => new Request('https://example.test/users/7', init)

/** The least that a store is: what Workers KV and a Durable Object's storage have in common. */
class MapStore {
  entries = new Map()
  puts = 0
  async get(key) {
    return this.entries.get(key) ?? null
  }
  async put(key, value) {
    this.puts++
    this.entries.set(key, value)
  }
}

closed('a request runs under a permit of the route that it names', async (t) => {
  const { atrion } = world()
  const inFlight = []
  const handler = withAtrion(
    (_, env) => {
      inFlight.push(atrion.stats('GET /users/:id').inFlight)
      return new Response(env.greeting)
    },
    { atrion, route: 'GET /users/:id' },
  )
  const response = await handler(request(), { greeting: 'hello' })
  t.is(await response.text(), 'hello')
  t.deepEqual(inFlight, [1])
  const { admitted, failures } = atrion.stats('GET /users/:id')
  t.deepEqual({ admitted, failures }, { admitted: 1, failures: 0 })
})

closed('without a route all requests of a method share one, whatever their URLs and methods are', async (t) => {
  const { atrion } = world()
  const handler = withAtrion(() => new Response(), { atrion })
  for (const method of ['GET', 'POST', 'PROPFIND', 'X1', 'X2']) await handler(request({ method }))
  t.deepEqual(atrion.getRoutes().sort(), ['GET *', 'OTHER *', 'POST *'])
})

closed('a refusal is a problem document with Retry-After, and the handler is not called', async (t) => {
  const { atrion } = world()
  atrion.override('GET *', 'open')
  const handler = withAtrion(() => t.fail(), { atrion })
  const response = await handler(request())
  t.is(response.status, 503)
  t.is(response.headers.get('content-type'), 'application/problem+json')
  t.true(/^[1-9]\d*$/.test(response.headers.get('retry-after')))
  const problem = await response.json()
  t.is(problem.status, 503)
  t.true(problem.retryAfterMs > 0)
})

closed('onShed answers instead, and is given the decision', async (t) => {
  const { atrion } = world()
  atrion.override('GET *', 'open')
  const onShed = (_, { allow, reason }) => new Response(`${allow} ${reason}`, { status: 429 })
  const response = await withAtrion(() => t.fail(), { atrion, onShed })(request())
  t.is(response.status, 429)
  t.regex(await response.text(), /^false ./)
})

closed('5xx and what is thrown are failures, 4xx is not, and who gave up is not counted', async (t) => {
  const { atrion } = world()
  const answer = (status) => withAtrion(() => new Response(null, { status }), { atrion, route: 'r' })
  await answer(404)(request())
  t.is(atrion.stats('r').failures, 0)
  await answer(500)(request())
  t.is(atrion.stats('r').failures, 1)
  const broken = withAtrion(() => Promise.reject(new RangeError('broken')), { atrion, route: 'r' })
  await t.throwsAsync(broken(request()), { instanceOf: RangeError })
  t.is(atrion.stats('r').failures, 2)
  const controller = new AbortController()
  controller.abort()
  await t.throwsAsync(broken(request({ signal: controller.signal })))
  const { failures, inFlight } = atrion.stats('r')
  t.deepEqual({ failures, inFlight }, { failures: 2, inFlight: 0 })
})

closed('an answer for a client that is gone holds nothing, though it is not read', async (t) => {
  const { atrion } = world()
  const controller = new AbortController()
  const late = async () => {
    controller.abort()
    return new Response('late')
  }
  await withAtrion(late, { atrion, route: 'r' })(request({ signal: controller.signal }))
  t.like(atrion.stats('r'), { inFlight: 0, failures: 0, abandoned: 1 })
})

/** A handler whose body is this source, and what its route's closed loop says. */
const streaming = (source, init) => {
  const { atrion } = world()
  const handler = withAtrion(() => new Response(new ReadableStream(source), init), { atrion, route: 'r' })
  const tally = () => {
    const { admitted, failures, inFlight } = atrion.stats('r')
    return { admitted, failures, inFlight }
  }
  return { handler, tally }
}
/** Resolves once the tally is as expected: a body's end is reported in a microtask of its own. */
const settled = async (t, tally, expected) => {
  for (let turn = 0; turn < 100 && tally().inFlight !== expected.inFlight; turn++) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.deepEqual(tally(), expected)
}

closed('a permit is held until the body has been read, and the response is what it was', async (t) => {
  const chunks = ['one ', 'two ', 'three']
  const headers = new Headers({ 'x-kind': 'streamed' })
  for (const cookie of ['a=1', 'b=2']) headers.append('set-cookie', cookie)
  const source = {
    pull(controller) {
      const chunk = chunks.shift()
      if (chunk === undefined) controller.close()
      else controller.enqueue(new TextEncoder().encode(chunk))
    },
  }
  const { handler, tally } = streaming(source, { status: 206, statusText: 'Some', headers })
  const response = await handler(request())
  t.is(response.status, 206)
  t.is(response.statusText, 'Some')
  t.is(response.headers.get('x-kind'), 'streamed')
  t.deepEqual(response.headers.getSetCookie(), ['a=1', 'b=2'])
  t.deepEqual(tally(), { admitted: 1, failures: 0, inFlight: 1 })
  const copy = response.clone()
  t.is(await response.text(), 'one two three')
  t.is(await copy.text(), 'one two three')
  await settled(t, tally, { admitted: 1, failures: 0, inFlight: 0 })
})

closed('a body is not read ahead of its reader', async (t) => {
  let pulls = 0
  const source = { pull: (controller) => controller.enqueue(new Uint8Array([++pulls])) }
  const { handler, tally } = streaming(source)
  const reader = (await handler(request())).body.getReader()
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  t.true(pulls <= 3, `${pulls} chunks were fetched in vain`)
  await reader.cancel()
  await settled(t, tally, { admitted: 1, failures: 0, inFlight: 0 })
})

closed('an unwanted body is cancelled at its source, and is no sample of the route', async (t) => {
  const reasons = []
  const source = {
    pull: (controller) => controller.enqueue(new Uint8Array(1)),
    cancel: (reason) => void reasons.push(reason),
  }
  const { handler, tally } = streaming(source, { status: 500 })
  const reader = (await handler(request())).body.getReader()
  await reader.read()
  await reader.cancel('gone')
  await settled(t, tally, { admitted: 1, failures: 0, inFlight: 0 })
  t.is(reasons.length, 1)
})

closed('a body that breaks off is a failure, and its reader gets the reason', async (t) => {
  let pulls = 0
  const source = {
    pull(controller) {
      if (pulls++ === 0) controller.enqueue(new Uint8Array(1))
      else controller.error(new RangeError('broken off'))
    },
  }
  const { handler, tally } = streaming(source)
  const response = await handler(request())
  await t.throwsAsync(response.arrayBuffer(), { message: /broken off/ })
  await settled(t, tally, { admitted: 1, failures: 1, inFlight: 0 })
})

closed('without a body to wait for the permit comes back at once, and the response is the handler’s own', async (t) => {
  const { atrion } = world()
  const taken = new Response('taken')
  const reader = taken.body.getReader()
  for (const own of [new Response(null, { status: 204 }), Response.redirect('https://example.test/'), taken]) {
    t.is(await withAtrion(() => own, { atrion, route: 'r' })(request()), own)
    t.is(atrion.stats('r').inFlight, 0)
  }
  reader.releaseLock()
  const head = new Response('as for GET')
  t.is(await withAtrion(() => head, { atrion, route: 'r' })(request({ method: 'HEAD' })), head)
  t.is(atrion.stats('r').inFlight, 0)
})

closed('tier, key and skip are asked of the request', async (t) => {
  const { atrion } = world()
  atrion.override('r', 'open')
  const handler = withAtrion(() => new Response('skipped'), {
    atrion,
    route: () => 'r',
    tier: ({ headers }) => headers.get('x-plan'),
    key: ({ headers }) => headers.get('x-user') ?? undefined,
    skip: ({ url }) => url.endsWith('/health'),
  })
  for (const plan of ['bulk', 'critical', 'none such']) await handler(request({ headers: { 'x-plan': plan } }))
  const { bulk, normal, critical } = atrion.stats('r').shedByTier
  t.deepEqual([bulk, normal, critical], [1, 1, 1])
  t.is(await (await handler(new Request('https://example.test/health'))).text(), 'skipped')
})

closed('the headers of a gateway count only when they are trusted', async (t) => {
  const { atrion } = world()
  atrion.override('r', 'open')
  const headers = { 'x-atrion-tier': 'critical' }
  await withAtrion(() => t.fail(), { atrion, route: 'r' })(request({ headers }))
  t.is(atrion.stats('r').shedByTier.critical, 0)
  await withAtrion(() => t.fail(), { atrion, route: 'r', trustHeaders: true })(request({ headers }))
  t.is(atrion.stats('r').shedByTier.critical, 1)
})

test('an option of the wrong type is refused by name', (t) => {
  const handler = () => new Response()
  t.throws(() => withAtrion('no'), { instanceOf: ConfigError })
  for (const [name, value] of [
    ['tier', 'urgent'],
    ['key', 'me'],
    ['route', 7],
    ['trustHeaders', 1],
    ['nonsense', 1],
  ]) {
    t.is(t.throws(() => withAtrion(handler, { [name]: value }), { instanceOf: ConfigError }).field, name)
  }
})

closed('an Atrion is made once, of what the runtime hands over', async (t) => {
  const { atrion } = world()
  const seen = []
  const handler = withAtrion(() => new Response(), {
    atrion: (env) => {
      seen.push(env)
      return atrion
    },
  })
  await handler(request(), 'env')
  await handler(request(), 'another')
  t.deepEqual(seen, ['env'])
})

test('an isolate starts from the records of the one before', async (t) => {
  const store = new MapStore()
  const first = new Atrion({ engine, provider: new KVStateProvider(store, { writeEveryMs: 0 }) })
  await first.connect()
  for (let i = 0; i < 12; i++) first.route('GET /a\ud800', { latencyMs: 9000, errorRate: 1, saturation: 1 })
  await first.disconnect()
  const second = new Atrion({ engine, provider: new KVStateProvider(store) })
  await second.connect()
  t.deepEqual(second.getRoutes(), ['GET /a\ud800'])
  t.true(second.getState('GET /a\ud800').scarTissue > 0)
  await second.resetRoute('GET /a\ud800')
  t.deepEqual(await new KVStateProvider(store).getVector('GET /a\ud800'), null)
})

test('a key is written once in a while, however often its route changes', async (t) => {
  const store = new MapStore()
  const provider = new KVStateProvider(store, { writeEveryMs: 3_600_000 })
  const vector = { scar: 1, momentumScalar: 0, lastTick: 1, resistance: 10 }
  for (let scar = 0; scar <= 100; scar++) await provider.updateVector('r', { ...vector, scar })
  t.is(store.puts, 2, 'the route and the index')
  t.is((await provider.getVector('r')).scar, 100)
  await provider.disconnect()
  t.is((await new KVStateProvider(store).getVector('r')).scar, 100, 'what was held back is not lost')
})

test('isolates that share a store do not forget each other’s names', async (t) => {
  const store = new MapStore()
  const vector = { scar: 1, momentumScalar: 0, lastTick: 1, resistance: 10 }
  const [one, other] = [new KVStateProvider(store), new KVStateProvider(store)]
  await one.updateVector('a', vector)
  await other.updateVector('b', vector)
  await one.updateVector('c', vector)
  const third = new KVStateProvider(store)
  await third.connect()
  t.deepEqual((await third.listRoutes()).sort(), ['a', 'b', 'c'])
})

test('routes beyond the bound go, the least recently written first', async (t) => {
  const provider = new KVStateProvider(new MapStore(), { writeEveryMs: 0, maxRoutes: 2 })
  const vector = { scar: 1, momentumScalar: 0, lastTick: 1, resistance: 10 }
  for (const routeId of ['a', 'b', 'a', 'c']) await provider.updateVector(routeId, vector)
  t.deepEqual((await provider.listRoutes()).sort(), ['a', 'c'])
  t.is(await provider.getVector('b'), null)
})

test('the answer of a store is checked to be a vector', async (t) => {
  for (const value of ['', 'not json', '7', '{"scar":-1}', 'null', { scar: 'x' }, undefined]) {
    const provider = new KVStateProvider({ get: () => value, put: () => {} })
    await provider.connect()
    t.is(await provider.getVector('r'), null)
    t.deepEqual(await provider.listRoutes(), [])
  }
  t.throws(() => new KVStateProvider({}), { instanceOf: TypeError })
})

test('atrion/fetch is the package itself, not a second copy', (t) => {
  t.is(createRequire(import.meta.url)('atrion/fetch').withAtrion, withAtrion)
})
