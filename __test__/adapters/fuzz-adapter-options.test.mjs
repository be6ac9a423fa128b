// Random options of an adapter: they make an adapter, or an error of the package that names the field.
import { Atrion } from 'atrion'
import { atrionExpress } from 'atrion/express'
import { atrionFastify } from 'atrion/fastify'
import { withAtrion } from 'atrion/fetch'
import { atrionHono } from 'atrion/hono'
import { atrionHttp } from 'atrion/http'
import { atrionKoa } from 'atrion/koa'
import { atrionNest } from 'atrion/nest'
import { atrionUndici } from 'atrion/undici'
import ava from 'ava'
import { engine } from '../_engine.mjs'
import fc from '../_random.mjs'

const test = engine === 'ts' ? ava.skip : ava
const RUNS = Number(process.env.FUZZ_RUNS ?? 300)

const handler = () => {}
const MADE = {
  express: (atrion, options) => atrionExpress(atrion, options),
  fastify: (atrion, options) => atrionFastify(atrion, options),
  fetch: (atrion, options) => withAtrion(handler, { ...Object(options), atrion }),
  hono: (atrion, options) => atrionHono(atrion, options),
  http: (atrion, options) => atrionHttp(atrion, handler, options),
  koa: (atrion, options) => atrionKoa(atrion, options),
  nest: (atrion, options) => atrionNest(atrion, options),
  undici: (atrion, options) => atrionUndici(atrion, options),
}
const NAMES = [
  'route',
  'tier',
  'key',
  'skip',
  'stream',
  'maxStreams',
  'maxWaitMs',
  'trustHeaders',
  'onShed',
  'pressure',
]

const odd = fc.oneof(
  fc.anything({ withBigInt: true, withDate: true, withNullPrototype: true, withTypedArray: true, maxDepth: 2 }),
  fc.constantFrom(Symbol('odd'), handler, Number.NaN, Infinity, -0, 5e-324, 2 ** 53, '', '__proto__', new Array(3)),
)
const value = fc.oneof(odd, fc.boolean(), fc.constant(handler), fc.integer({ min: -1, max: 100 }))
const pressure = fc.dictionary(
  fc.constantFrom('queueAge', 'acceptQueue', 'eventLoop', 'heap', 'cgroup', 'constructor'),
  value,
  {
    maxKeys: 2,
  },
)
const names = fc.constantFrom(...NAMES, 'signals', 'propagate', 'teir', '__proto__', 'constructor', 'then')
const options = fc.oneof(
  { weight: 6, arbitrary: fc.dictionary(names, value, { maxKeys: 3 }) },
  fc.record({ pressure }),
  fc.record({ signals: fc.array(value, { maxLength: 2 }) }),
  odd,
)

for (const [name, make] of Object.entries(MADE)) {
  test(`${name}: an adapter is made of any options, or refused by an error that names the field`, (t) => {
    const atrion = new Atrion({ engine })
    let made = 0
    let refused = 0
    fc.assert(
      fc.property(options, (given) => {
        try {
          make(atrion, given)
          made += 1
        } catch (error) {
          const isOurs =
            error.code === 'ATRION_CONFIG' || (error instanceof TypeError && / must be /.test(error.message))
          if (!isOurs) throw new Error('not an error of ours', { cause: error })
          refused += 1
        }
        return true
      }),
      { numRuns: RUNS },
    )
    // Fastify's is a plugin: its options are looked at when it is registered.
    t.true(made > 0 && (refused > 0 || name === 'fastify'), `${made} made, ${refused} refused`)
  })
}

test('values of the wrong shape get an error that says the right one, and the instance in place of options is none', (t) => {
  const atrion = new Atrion()
  const messages = [
    [() => atrionExpress(atrion, { signals: () => 1 }), 'signals must be an array of functions, got a function'],
    [() => atrionExpress(atrion, { signals: [1] }), 'signals must be an array of functions, got an array of 1'],
    [() => atrionExpress(atrion, { pressure: 5 }), 'pressure must be an object or boolean, got 5'],
    [() => atrionHttp(atrion), 'handler must be a function, got undefined'],
    [() => atrionHttp(handler, atrion), 'handler must be a function, got an object'],
    [
      () => withAtrion(handler, atrion),
      'options must be an object such as { atrion }, and not the instance itself, got an object',
    ],
    [
      () => new Atrion({ watchdog: { stall: 1 } }),
      'watchdog.stall must be one of stallMs, stack, got "stall"; did you mean stallMs?',
    ],
  ]
  for (const [call, message] of messages) t.throws(call, { message })
})
