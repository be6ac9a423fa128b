// Handlers that return what merely has a `then`: adapters do not call it, since a query runs, or throws, each time.
import { createServer } from 'node:http'
import { atrionExpress } from 'atrion/express'
import { atrionHttp } from 'atrion/http'
import ava from 'ava'
import express4 from 'express4'
import { ask, close, create, listen, until } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'

const test = engine === 'ts' ? ava.skip : ava

const HOSTS = {
  http: [(atrion, handler) => createServer(atrionHttp(atrion, handler, { route: () => 'GET /' })), 'GET /'],
  'express 4': [
    (atrion, handler) => {
      const app = express4().set('env', 'test')
      app.use(atrionExpress(atrion))
      app.get('/', handler)
      return createServer(app)
    },
    'GET /',
  ],
}

for (const [name, [make, routeId]] of Object.entries(HOSTS)) {
  test(`${name}: a query with a callback, returned by an arrow function, is left alone`, async (t) => {
    const atrion = create()
    const query = (callback) => {
      setImmediate(callback)
      return {
        // biome-ignore lint/suspicious/noThenProperty: mysql2's queries throw so
        then() {
          t.fail('its then was called')
          throw new Error('You have tried to call .then() on a query that is not a promise')
        },
      }
    }
    const server = await listen(make(atrion, (_request, response) => query(() => response.end('row'))))
    t.is((await ask(server, '/')).status, 200)
    await until(() => atrion.stats(routeId).inFlight === 0)
    t.like(atrion.stats(routeId), { admitted: 1, failures: 0 })
    await close(server)
  })

  test(`${name}: a promise of another library is followed to its end`, async (t) => {
    const atrion = create()
    let settle
    const work = new Promise((resolve) => {
      settle = resolve
    })
    const foreign = {
      // biome-ignore lint/suspicious/noThenProperty: a promise as Bluebird's
      then: (...callbacks) => work.then(...callbacks),
      isFulfilled: () => false,
    }
    const server = await listen(
      make(atrion, (_request, response) => {
        response.end('at once')
        return foreign
      }),
    )
    t.is((await ask(server, '/')).status, 200)
    t.is(atrion.stats(routeId).inFlight, 1, 'the handler works on')
    settle()
    await until(() => atrion.stats(routeId).inFlight === 0)
    await close(server)
    t.pass()
  })
}
