// Handlers, and calls of other services, that throw what cannot be read, or data that poses as a refusal: each counts as any other failure, its
// permit comes back, and nothing is unhandled that would not be without a guard.
import { guardFetch } from 'atrion/fetch'
import { atrionUndici } from 'atrion/undici'
import ava from 'ava'
import { ask, CALM, close, create, until } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'
import { FRAMEWORKS } from '../_frameworks.mjs'
import { POSING, UNREADABLE, UNTOUCHABLE } from '../_thrown.mjs'

const test = engine === 'ts' ? ava.skip : ava.serial

const unhandled = []
process.on('unhandledRejection', (error) => unhandled.push(error))
process.on('uncaughtException', (error) => unhandled.push(error))
ava.after.always((t) => t.is(unhandled.length, 0))

const isIdle = (atrion) => atrion.getRoutes().every((routeId) => atrion.stats(routeId).inFlight === 0)

/** Express 4 leaves what a promise rejects with to the application, and prints it where that hands it on, as this one does. */
const quietly = async (work) => {
  const { error } = console
  console.error = () => {}
  try {
    await work()
  } finally {
    console.error = error
  }
}

for (const [name, start] of Object.entries(FRAMEWORKS)) {
  test(`${name}: whatever a handler throws, the answer is a 500 and the permit comes back`, async (t) => {
    const atrion = create()
    let make
    const work = async () => {
      throw make()
    }
    const server = await start(atrion, CALM, work)
    t.teardown(() => close(server))
    await quietly(async () => {
      for (const [what, thrown] of Object.entries({ ...UNREADABLE, ...POSING })) {
        make = thrown
        t.is((await ask(server, '/a')).status, 500, what)
        await until(() => isIdle(atrion), `${what}: its permit is back`)
      }
    })
  })
}

test('fetch: whatever is thrown, or given as the reason of an abort, is passed on, and the permit comes back', async (t) => {
  const atrion = create()
  for (const [what, make] of Object.entries(UNTOUCHABLE)) {
    const thrown = make()
    for (const way of ['throws', 'aborts']) {
      const controller = new AbortController()
      const fetch = guardFetch(atrion, {
        fetch: async () => {
          if (way === 'aborts') controller.abort(thrown)
          throw thrown
        },
      })
      const error = await fetch('http://127.0.0.1/', { signal: controller.signal }).then(
        () => 'resolved',
        (reason) => ({ reason }),
      )
      t.true(Object.is(error.reason, thrown), `${way}: ${what}`)
      t.true(isIdle(atrion), `${way}: ${what}: its permit is back`)
    }
  }
})

test('undici: whatever a call ends with reaches its handler, and the permit comes back', (t) => {
  const atrion = create()
  const routeId = 'GET http://127.0.0.1'
  for (const [what, make] of Object.entries(UNTOUCHABLE)) {
    for (const method of ['onError', 'onResponseError']) {
      const thrown = make()
      const dispatch = (_request, handler) => {
        if (method === 'onError') handler.onError(thrown)
        else handler.onResponseError({}, thrown)
        return true
      }
      let got = 'nothing'
      const take = (error) => {
        got = error
      }
      const handler =
        method === 'onError' ? { onHeaders() {}, onError: take } : { onResponseError: (_, error) => take(error) }
      atrionUndici(atrion, { route: () => routeId })(dispatch)(
        { origin: 'http://127.0.0.1', path: '/', method: 'GET' },
        handler,
      )
      t.true(Object.is(got, thrown), `${method}: ${what}`)
      t.true(isIdle(atrion), `${method}: ${what}: its permit is back`)
    }
  }
})
