// Nodes that share their scars through Redis: what one suffers, the others know, and so does the one that comes later.
import test from 'ava'
import { endedWell, runScript } from '../_child.mjs'
import { engine, HOSTILE_NAMES } from '../_engine.mjs'
import { Node, until } from '../_redis/nodes.mjs'
import { proxyTo } from '../_redis/proxy.mjs'
import { single } from '../_redis/servers.mjs'

test.before(async (t) => {
  t.context.server = await single()
})
test.after.always((t) => t.context.server.stop())

let spaces = 0
/** Settings for nodes on a channel of their own. */
const space = ({ context: { server } }, options = {}) => {
  const name = `atrion:${spaces++}`
  return { host: server.host, port: server.port, keyPrefix: `${name}:`, channel: name, ...options }
}

/**
 * Hurts a route on one node until the other one feels it.
 */
const infect = (from, to, routeId) =>
  until(async () => {
    await from.hurt(routeId, 5)
    to.decide(routeId)
    return to.scarOf(routeId) > 1
  }, `'${routeId}' is felt`)

test('a route hurt on one node resists on the others, in proportion to γ', async (t) => {
  const redis = space(t)
  const [sick, well, deaf] = await Promise.all([
    Node.connected(t, redis),
    Node.connected(t, redis),
    Node.connected(t, { ...redis, gamma: 0 }),
  ])
  const before = well.resistanceOf('pay')
  deaf.decide('pay')
  await infect(sick, well, 'pay')
  t.true(well.resistanceOf('pay') > before)
  // A little more: both fade on their way here. Its own, without what the well ones calm it.
  const bound = 0.3 * sick.ownScarOf('pay') + 1
  t.true(well.scarOf('pay') <= bound, `${well.scarOf('pay')} Ω of at most ${bound}`)
  t.is(deaf.scarOf('pay'), 0)
  t.is(sick.heard.length + well.heard.length + deaf.heard.length, 0)
  t.deepEqual([...sick.warnings, ...well.warnings], [])
})

test('a node that comes later starts scarred, whether the others are still there or not', async (t) => {
  const redis = space(t)
  const first = await Node.connected(t, redis)
  await first.hurt('pay', 60)
  await first.atrion.disconnect()
  const second = await Node.connected(t, redis)
  // The record of one node counts up to γ·baseResistance·breakMultiplier.
  t.true(second.scarOf('pay') > 29 && second.scarOf('pay') <= 30, `${second.scarOf('pay')} right after connect()`)
  const third = await Node.connected(t, redis)
  t.true(third.scarOf('pay') > 10, `${third.scarOf('pay')} while another one is there`)
})

if (engine === 'native') {
  test('a route that is first used here resists by what was reported of it before', async (t) => {
    const redis = space(t)
    const [one, other] = await Promise.all([Node.connected(t, redis), Node.connected(t, redis)])
    await one.hurt('pay', 60)
    // Another route's report comes after it: by then it has arrived.
    other.decide('ship')
    await infect(one, other, 'ship')
    await other.feels('pay')
    t.true(other.scarOf('pay') > 10)
  })
}

test('a route that one node resets loses its scar on the others', async (t) => {
  const redis = space(t)
  const [one, other] = await Promise.all([Node.connected(t, redis), Node.connected(t, redis)])
  await infect(one, other, 'pay')
  await one.atrion.resetRoute('pay')
  await until(() => other.scarOf('pay') < 1e-6, 'no scar left')
  const late = await Node.connected(t, redis)
  t.true(late.scarOf('pay') < 1e-6)
})

test('any name is a name', async (t) => {
  const redis = space(t)
  const [one, other] = await Promise.all([Node.connected(t, redis), Node.connected(t, redis)])
  const names = HOSTILE_NAMES.filter(({ length }) => length <= 10_000)
  const untouched = '\ud801'
  other.decide(untouched)
  await Promise.all(names.map((name) => infect(one, other, name)))
  t.is(other.scarOf(untouched), 0)
})

test('a node with nothing to say sends next to nothing', async (t) => {
  const { server } = t.context
  const proxy = await proxyTo(server.port)
  t.teardown(() => proxy.stop())
  const node = await Node.connected(t, { ...space(t), port: proxy.port })
  for (let i = 0; i < 1000; i++) node.decide(`route ${i}`)
  const quiet = await until(async () => {
    const before = proxy.bytes.sent
    // Heartbeats come once a second: two of them are enough to see what is between.
    await until(() => proxy.bytes.sent > before, 'a heartbeat')
    const first = proxy.bytes.sent
    await until(() => proxy.bytes.sent > first, 'another one')
    return proxy.bytes.sent - before < 1000 && { bytes: proxy.bytes.sent - before }
  }, 'two heartbeats with less than 1000 bytes')
  t.true(quiet.bytes > 0)
})

test('a process with a connected provider ends by itself', async (t) => {
  const { host, port } = t.context.server
  for (const how of ['forget', 'disconnect', 'pending', 'worker']) {
    const end = await runScript('_redis/leaver.mjs', { args: [how, JSON.stringify({ host, port, channel: how })] })
    endedWell(t, end)
    t.is(end.stderr, '')
    t.is(end.stdout.trim(), 'connected')
  }
})

test('a report of a route that a node comes to use only later reaches it', async (t) => {
  const settings = space(t)
  const [early, late] = [await Node.connected(t, settings), await Node.connected(t, settings)]
  await early.hurt('pay', 20)
  await until(() => late.provider.stats().receivedRoutes > 0, 'the report')
  t.is(late.scarOf('pay'), 0)
  await late.feels('pay')
  t.is(late.ownScarOf('pay'), 0)
})
