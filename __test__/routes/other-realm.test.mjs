// Values of another realm, as a context of node:vm has them (Jest runs tests in one), and of other implementations of web classes: what is
// of a kind by its content counts as that kind, and what only looks so does not.

import { pathToFileURL } from 'node:url'
import { runInNewContext, runInThisContext } from 'node:vm'
import { ConnectionError, FileStateProvider, RedisStateProvider } from 'atrion'
import { guardFetch, withAtrion } from 'atrion/fetch'
import { Fleet } from 'atrion/fleet'
import { swarmFetch } from 'atrion/upstream'
import test from 'ava'
import * as undici from 'undici'
import { create, engine, virtual } from '../_engine.mjs'
import fc from '../_random.mjs'
import { sourceOf } from '../_source.mjs'

const closedLoop = engine === 'ts' ? test.skip : test
const foreign = (code, globals = {}) => runInNewContext(code, globals)
const foreignCells = (cells) => foreign('Float64Array.from(cells)', { cells: [...cells] })
const bytesOf = (text) => foreign('Uint8Array.from(bytes)', { bytes: [...Buffer.from(text)] })
/** A URL of another implementation, as jsdom's. */
class OtherURL {
  #url
  constructor(url) {
    this.#url = new URL(url)
    for (const name of ['href', 'protocol', 'hostname', 'pathname', 'search', 'hash']) this[name] = this.#url[name]
  }
  get [Symbol.toStringTag]() {
    return 'URL'
  }
  toString() {
    return this.href
  }
}

const READING = fc.record({
  latencyMs: fc.double({ min: 0, max: 2000, noNaN: true }),
  errorRate: fc.double({ min: 0, max: 1, noNaN: true }),
  saturation: fc.double({ min: 0, max: 1, noNaN: true }),
})

test('a batch of arrays of another realm is the same batch', (t) => {
  const batch = fc.array(READING, { minLength: 1, maxLength: 80 })
  fc.assert(
    fc.property(fc.array(batch, { minLength: 1, maxLength: 4 }), fc.boolean(), (batches, hasOut) => {
      const [one, other] = [virtual(), virtual()]
      for (const readings of batches) {
        const ids = readings.map((_, i) => `route ${i}`)
        const cells = readings.flatMap(({ latencyMs, errorRate, saturation }) => [latencyMs, errorRate, saturation])
        const out = hasOut ? foreign(`new Float64Array(${ids.length * 2})`) : undefined
        const expected = one.atrion.routeBatch(
          ids,
          Float64Array.from(cells),
          hasOut ? new Float64Array(ids.length * 2) : undefined,
        )
        const got = other.atrion.routeBatch(ids, foreignCells(cells), out)
        if (hasOut) t.is(got, out)
        t.deepEqual([...got], [...expected])
        one.clock.advance(100)
        other.clock.advance(100)
      }
    }),
    { numRuns: 40 },
  )
})

for (const kind of ['native', 'wasm']) {
  test(`a fleet ticks by readings of another realm: ${kind}`, (t) => {
    const cells = [90, 0.1, 0.2, 400, 0.4, 0.9]
    const [one, other] = [new Fleet(2, { engine: kind }), new Fleet(2, { engine: kind })]
    for (let ms = 1000; ms < 20_000; ms += 1000) {
      one.tick(Float64Array.from(cells), ms)
      other.tick(foreignCells(cells), ms)
    }
    t.deepEqual([...other.resistance], [...one.resistance])
    t.deepEqual([...other.mode], [...one.mode])
  })
}

test('a value that resembles an array of floats is refused by its name, of this realm and of another', (t) => {
  const makers = [
    'new Float32Array(6)',
    'new Float64Array(6).buffer',
    'new DataView(new ArrayBuffer(48))',
    'new BigInt64Array(6)',
    '[1, 2, 3, 4, 5, 6]',
    'Object.create(Float64Array.prototype)',
    'new Proxy(new Float64Array(6), {})',
    '({ length: 6, [Symbol.toStringTag]: "Float64Array", __proto__: Float64Array.prototype })',
    'null',
    '5',
    '"Float64Array"',
  ]
  const value = fc.tuple(fc.constantFrom(...makers), fc.boolean())
  const atrion = create()
  const fleet = new Fleet(2)
  fc.assert(
    fc.property(value, ([code, isForeign]) => {
      const given = isForeign ? foreign(code) : runInThisContext(code)
      t.throws(
        () => atrion.routeBatch(['a', 'b'], given),
        { name: 'TypeError', message: /^samples must be a Float64Array, got / },
        code,
      )
      t.throws(
        () => atrion.routeBatch(['a'], new Float64Array(3), given),
        { name: 'TypeError', message: /^out must be a Float64Array, got / },
        code,
      )
      t.throws(() => fleet.tick(given), { name: 'TypeError', message: /^samples must be a Float64Array, got / }, code)
    }),
  )
  t.deepEqual(atrion.getRoutes(), [])
})

test('secrets of another realm are secrets, and too short ones are still refused', (t) => {
  t.notThrows(() => create({ keySecret: bytesOf('a secret of enough bytes') }))
  t.throws(() => create({ keySecret: bytesOf('short') }), {
    name: 'ConfigError',
    message: /^keySecret must be .*, got 5$/,
  })
  t.notThrows(() => new RedisStateProvider({ path: '/nowhere', secret: bytesOf('a secret of enough bytes') }))
  t.throws(() => new RedisStateProvider({ path: '/nowhere', secret: bytesOf('short') }), {
    name: 'ConfigError',
    message: /^secret must be/,
  })
})

test('an error of another realm gives its message to the error that it caused', (t) => {
  for (const cause of [
    foreign('new Error("cut off")'),
    foreign('new RangeError("cut off")'),
    new DOMException('cut off'),
  ]) {
    t.regex(new ConnectionError('Store', { cause }).message, /: cut off$/)
  }
})

test('a file: URL of another implementation names a file', (t) => {
  t.notThrows(() => new FileStateProvider(new OtherURL(pathToFileURL('/tmp/state.json').href)))
  t.throws(() => new FileStateProvider(new OtherURL('https://example.org/x')), {
    name: 'ConfigError',
    message: /^path must be/,
  })
  t.throws(() => new FileStateProvider({ [Symbol.toStringTag]: 'URL' }), {
    name: 'ConfigError',
    message: /^path must be/,
  })
})

test('answers of an upstream are read whatever realm their parts are of', async (t) => {
  const { readerOf } = await sourceOf('upstream/headers.ts')
  const { estimateBody } = await sourceOf('upstream/estimate.ts')
  const { classify } = await sourceOf('upstream/classify.ts')
  t.is(readerOf(foreign('new Map([["Retry-After", "5"]])'))('retry-after'), '5')
  t.is(readerOf([bytesOf('Retry-After'), bytesOf('7')])('retry-after'), '7')
  const body = JSON.stringify({
    model: 'm',
    messages: [{ role: 'user', content: 'a poem about rivers' }],
    max_tokens: 9,
  })
  t.true(estimateBody(body).inputTokens > 0)
  t.deepEqual(estimateBody(bytesOf(body)), estimateBody(body))
  t.deepEqual(estimateBody(foreign('bytes.buffer', { bytes: bytesOf(body) })), estimateBody(body))
  const fault = JSON.stringify({ error: { code: 'insufficient_quota', message: 'no credit' } })
  t.deepEqual(classify(429, {}, bytesOf(fault), 0), classify(429, {}, fault, 0))
})

closedLoop('web classes of another implementation are taken for what they are', async (t) => {
  const atrion = create()
  const own = new undici.Response('come back later', { status: 529 })
  t.false(own instanceof Response)
  atrion.override('GET /', 'open')
  const handler = withAtrion(() => new Response('well'), { atrion, route: () => 'GET /', onShed: () => own })
  t.is(await handler(new Request('http://localhost/')), own)

  const sent = []
  const send = async (input) => {
    sent.push(input)
    return new Response('{}')
  }
  const request = new undici.Request('http://localhost/upstream')
  t.false(request instanceof Request)
  await guardFetch(atrion, { fetch: send })(request)
  const swarm = atrion.createSwarm('agents', { budget: { requests: 10 } })
  const url = new OtherURL('http://localhost/model')
  await swarmFetch(swarm, { fetch: send })(url)
  t.deepEqual(sent, [request, url])
  swarm.close()
})
