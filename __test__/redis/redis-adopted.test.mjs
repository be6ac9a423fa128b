// Routes that a store brings take the places of others: what is set for, or asked of, a route that had to go is not that of the one which came.
import { RedisStateProvider } from 'atrion'
import ava from 'ava'
import { CALM, create, engine } from '../_engine.mjs'
import { Node, until } from '../_redis/nodes.mjs'
import { server } from '../_redis/stranger.mjs'

const test = engine === 'native' ? ava : ava.skip

test('an order, a profile and a tick of a route that gave way to one of the store reach no other route', async (t) => {
  const { port } = await server(t)
  const peer = await Node.connected(t, { port })
  const brought = ['one', 'two', 'three', 'four']
  for (const routeId of brought) await peer.hurt(routeId, 20)
  await peer.atrion.disconnect()

  const provider = new RedisStateProvider({ port })
  const atrion = create({ engine: 'native', provider, maxRoutes: 4 })
  t.teardown(() => atrion.disconnect())
  for (const routeId of ['a', 'b', 'c', 'd']) atrion.route(routeId, CALM)
  await atrion.connect()
  const own = ['a', 'b', 'c', 'd']
  await until(() => own.some((routeId) => !atrion.getRoutes().includes(routeId)))
  const gone = own.filter((routeId) => !atrion.getRoutes().includes(routeId))
  const came = atrion.getRoutes().filter((routeId) => brought.includes(routeId))
  t.true(came.length > 0)

  for (const routeId of gone) {
    t.is(atrion.getState(routeId), undefined, routeId)
    t.is(atrion.stats(routeId).mode, 'BOOTSTRAP')
    atrion.override(routeId, 'open')
    atrion.setRouteProfile(routeId, { profile: 'HEAVY', baseResistance: 77 })
  }
  // They are asked first, which makes no route new.
  for (const routeId of came) {
    t.true(atrion.getState(routeId).resistance < 77, routeId)
    t.true(atrion.route(routeId, CALM, 1e9).allow, routeId)
    t.is(atrion.getState(routeId).tickCount, 1, routeId)
  }
  for (const routeId of gone) {
    t.false(atrion.route(routeId, CALM, 1e9).allow, routeId)
    t.is(atrion.getState(routeId).tickCount, 1, routeId)
    t.true(atrion.getState(routeId).resistance >= 77, routeId)
  }
})
