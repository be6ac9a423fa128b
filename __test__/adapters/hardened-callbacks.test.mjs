// Callbacks of an adapter that answer with, or throw, what no application means to: every request is answered, by the application or, when
// it is shed, as shed; nothing is left behind, and nothing is unhandled.
import ava from 'ava'
import { ask, CALM, close, create, until } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'
import { FRAMEWORKS } from '../_frameworks.mjs'

const test = engine === 'ts' ? ava.skip : ava.serial

const unhandled = []
process.on('unhandledRejection', (error) => unhandled.push(error))
process.on('uncaughtException', (error) => unhandled.push(error))
ava.after.always((t) => t.deepEqual(unhandled, []))

const fail = () => {
  throw new Error('a trap')
}
/** Made anew for each use: some change by being looked at. */
const ODD = {
  'an object without a prototype': () => Object.create(null),
  'a proxy that throws': () => new Proxy({}, { get: fail, getPrototypeOf: fail, has: fail, ownKeys: fail }),
  'an object whose toString throws': () => ({ toString: fail, valueOf: fail, [Symbol.toPrimitive]: fail }),
  'a thenable whose then throws': () => Object.defineProperty({}, 'then', { get: fail }),
  'a thenable that answers twice': () =>
    Object.defineProperty({}, 'then', { value: (done, failed) => [done('high'), failed(1), done(2)] }),
  'a symbol': () => Symbol('odd'),
  'a bigint': () => 5n,
  'not a number': () => Number.NaN,
  'a function': () => fail,
  'a name of Object.prototype': () => '__proto__',
  constructor: () => 'constructor',
  'nothing in it': () => '',
  'a long text': () => 'x'.repeat(5 << 20),
  'control characters': () => '\u0000\r\nx-evil: 1\u202e\ud800',
}
const CALLBACKS = ['route', 'tier', 'key', 'skip']

for (const [name, start] of Object.entries(FRAMEWORKS)) {
  test(`${name}: whatever a callback answers, throws or rejects with, the request is answered`, async (t) => {
    const atrion = create()
    let act = () => undefined
    const callbacks = Object.fromEntries(CALLBACKS.map((callback) => [callback, () => act(callback)]))
    const server = await start(atrion, { ...CALM, ...callbacks }, async () => 'good')
    t.teardown(() => close(server))
    for (const [what, make] of Object.entries(ODD)) {
      for (const way of ['answers', 'throws', 'rejects']) {
        for (const callback of CALLBACKS) {
          act = (asked) => {
            if (asked !== callback) return undefined
            if (way === 'answers') return make()
            if (way === 'throws') throw make()
            return Promise.reject(make())
          }
          const { status } = await ask(server, '/a')
          t.is(status, 200, `${callback} ${way} ${what}`)
        }
      }
    }
    await until(() => atrion.getRoutes().every((routeId) => atrion.stats(routeId).inFlight === 0))
  })

  test(`${name}: whatever onShed throws or rejects with, the client gets a 503`, async (t) => {
    const atrion = create()
    let act = fail
    const server = await start(atrion, { ...CALM, onShed: () => act() }, async () => 'good')
    t.teardown(() => close(server))
    atrion.override('GET /a', 'open')
    for (const [what, make] of Object.entries(ODD)) {
      act = () => {
        throw make()
      }
      t.is((await ask(server, '/a')).status, 503, `throws ${what}`)
      act = () => Promise.reject(make())
      t.is((await ask(server, '/a')).status, 503, `rejects with ${what}`)
    }
  })
}
