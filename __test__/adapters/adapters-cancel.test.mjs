// A request that holds what others wait for is cancelled by its signal, in every framework.
import { Agent } from 'node:http'
import { Atrion } from 'atrion'
import { cancelSignal as ofExpress } from 'atrion/express'
import { cancelSignal as ofFastify } from 'atrion/fastify'
import { withAtrion } from 'atrion/fetch'
import { cancelSignal as ofHono } from 'atrion/hono'
import { atrionHttp, cancelSignal as ofHttp } from 'atrion/http'
import { cancelSignal as ofKoa } from 'atrion/koa'
import { cancelSignal as ofNest } from 'atrion/nest'
import test from 'ava'
import { ask, until } from '../_adapters.mjs'
import { FRAMEWORKS } from '../_frameworks.mjs'
import { PATIENCE_MS } from '../_patience.mjs'

const SIGNALS = {
  http: ofHttp,
  'express 4': ofExpress,
  'express 5': ofExpress,
  fastify: ofFastify,
  koa: ofKoa,
  hono: ofHono,
  'nest on express': ofNest,
  'nest on fastify': ofNest,
}

/**
 * Requests that are answered before one is stuck, of which one may be cancelled. They come first: one that is held for 10 s is long-lived, and holds
 * no place any more.
 */
const USUAL = 1000

for (const [name, start] of Object.entries(FRAMEWORKS)) {
  test.serial(`${name}: one that holds the only place is cancelled, and says nothing of its route`, async (t) => {
    t.timeout(PATIENCE_MS)
    const atrion = new Atrion()
    const requests = new Map()
    let isStuck = false
    const work = async (path) => {
      if (path !== '/b' || !isStuck) return 'done'
      const signal = SIGNALS[name](requests.get('/b'))
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }
    const tier = (request) => {
      requests.set(request.req?.path ?? request.path ?? request.url, request)
      return 'normal'
    }
    const server = await start(atrion, { tier, cancellable: true }, work)
    t.teardown(() => server.close())
    t.teardown(() => server.closeAllConnections?.())
    const agent = new Agent({ keepAlive: true })
    t.teardown(() => agent.destroy())
    const statusOf = async (path) => {
      const { status, error } = await ask(server, path, { agent })
      if (error !== undefined) throw error
      return status
    }
    for (const path of ['/a', '/b']) t.is(await statusOf(path), 200)
    for (const id of atrion.getRoutes()) {
      atrion.setRouteProfile(id, { pool: 'db', limits: { min: 1, initial: 1, max: 1 } })
    }
    const isHeld = () => atrion.getRoutes().some((id) => atrion.stats(id).inFlight > 0)
    // A busy machine sheds some, and an answer may be read before the server has seen its end.
    for (let served = 0; served < USUAL; ) if ((await statusOf('/a')) === 200) served += 1
    const cancelled = []
    atrion.on('cancelled', (event) => cancelled.push(event))
    isStuck = true
    let stuck
    const settle = (result) => {
      stuck = result
    }
    statusOf('/b').then(settle, settle)
    await until(isHeld)
    while (isHeld()) await statusOf('/a')
    t.is(cancelled.length, 1, 'it holds its place until it is cancelled')
    await until(() => stuck !== undefined)
    t.is(stuck, 503)
    t.true(cancelled[0].routeId.includes('/b'), cancelled[0].routeId)
    for (const id of atrion.getRoutes()) t.is(atrion.stats(id).failures, 0, id)
    // Its place is free.
    while ((await statusOf('/a')) !== 200);
  })
}

test('the option is checked, and a request that is none is named', (t) => {
  const atrion = new Atrion()
  for (const make of [
    (cancellable) => atrionHttp(atrion, () => {}, { cancellable }),
    (cancellable) => withAtrion(() => new Response(), { atrion, cancellable }),
  ]) {
    for (const wrong of ['yes', 1, {}])
      t.is(t.throws(() => make(wrong), { code: 'ATRION_CONFIG' }).field, 'cancellable')
    t.notThrows(() => make(true))
    t.notThrows(() => make(() => 1))
  }
  for (const wrong of [undefined, null, 'GET']) t.throws(() => ofHttp(wrong), { instanceOf: TypeError })
})
