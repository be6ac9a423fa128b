// The kinds of servers: behind TLS and an ACL, a cluster whose slots move, a master that Sentinel replaces, Valkey.
import { RedisStateProvider } from 'atrion'
import { testProvider } from 'atrion/testing'
import test from 'ava'
import { which } from '../../scripts/lib/packages.mjs'
import { Node, until } from '../_redis/nodes.mjs'
import { cluster, sentinel, single, withTls } from '../_redis/servers.mjs'

const stopped = async (t, starting) => {
  const servers = await starting
  t.teardown(() => servers.stop())
  return servers
}

/** Scars fade so slowly that no test is too slow to see them. */
const LASTING = { config: { decayRate: 0.001 } }

const connected = (t, redis) => Node.connected(t, redis, LASTING)

/** Two nodes receive each other's reports, and a third one finds their records. */
const share = async (t, redis) => {
  const [one, other] = await Promise.all([connected(t, redis), connected(t, redis)])
  await one.hurt('pay')
  await other.hurt('ship')
  await Promise.all([other.feels('pay'), one.feels('ship')])
  const late = await connected(t, redis)
  await Promise.all([late.feels('pay'), late.feels('ship')])
  t.deepEqual([...one.turns, ...other.turns, ...late.turns], [])
  return [one, other, late]
}

const rejected = async (t, redis, message) => {
  const provider = new RedisStateProvider({ connectTimeoutMs: 2000, ...redis })
  const error = await t.throwsAsync(provider.connect(), { code: 'ATRION_CONNECTION' })
  t.regex(String(error.cause), message)
}

// TLS, and a user with few rights

test('TLS with a private authority, as a user who may do little', async (t) => {
  const { host, port, username, password, ca, secureUrl } = await stopped(t, withTls())
  await share(t, { host, port, username, password, tls: { ca } })
  await share(t, { url: secureUrl, tls: { ca }, channel: 'atrion:url', keyPrefix: 'atrion:url:' })
})

/** The commands that a node sends, and no others: what docs/reference/wire-format.md recommends for an ACL. */
const LEAST =
  '-@all ~atrion:* &atrion:* +hello +ping +select +subscribe +publish +scan +hscan +hset +hget +hdel +pexpire ' +
  '+eval +time +hmget +persist'

test('a user who may do nothing but what a node does', async (t) => {
  const { host, port, username, password, ca } = await stopped(t, withTls({ rights: LEAST.split(' ') }))
  const [one, ...others] = await share(t, { host, port, username, password, tls: { ca } })
  // They have used the route as well, and what they report of it after the reset is stored: all of it is stored before.
  for (const { atrion } of others) await atrion.disconnect()
  await one.atrion.resetRoute('pay')
  // A report that was under way is written and removed once more.
  await until(async () => String(await one.provider.listRoutes()) === 'ship', "that 'pay' is forgotten")
  for (const options of [{ ttlMs: 60_000 }, undefined]) {
    const { version } = await one.provider.readDocument('a')
    t.true(await one.provider.writeDocument('a', version, 'text', options))
  }
  t.is((await one.provider.readDocument('a')).text, 'text')
  t.is(one.heard.length, 0)
})

test('TLS: a server of another authority, a wrong name, password or protocol is refused', async (t) => {
  const { host, port, username, password, ca, otherCa } = await stopped(t, withTls())
  const user = { host, port, username, password }
  await rejected(t, { ...user, tls: { ca: otherCa } }, /certificate|UnknownIssuer/i)
  await rejected(t, { ...user, tls: {} }, /certificate|UnknownIssuer/i)
  await rejected(t, { ...user, tls: { ca, servername: 'elsewhere.test' } }, /certificate|NotValidForName/i)
  await rejected(t, { ...user, password: 'wrong', tls: { ca } }, /WRONGPASS|password|auth/i)
  await rejected(t, { host, port, tls: { ca } }, /NOAUTH|auth/i)
  await rejected(t, user, /./)
  const lax = new RedisStateProvider({ ...user, tls: { rejectUnauthorized: false } })
  await lax.connect()
  await lax.disconnect()
})

test('TLS on both sides: the server wants to know who we are', async (t) => {
  const { host, port, username, password, ca, client } = await stopped(t, withTls({ mutual: true }))
  await rejected(t, { host, port, username, password, tls: { ca } }, /./)
  await share(t, { host, port, username, password, tls: { ca, ...client } })
})

// a cluster

test('a cluster: reports reach the nodes on every server, whichever server they started with', async (t) => {
  const { addresses } = await stopped(t, cluster())
  const [one, other] = await Promise.all([
    connected(t, { cluster: [addresses[0]] }),
    connected(t, { cluster: [addresses[2]] }),
  ])
  const routes = Array.from({ length: 50 }, (_, i) => `route ${i}`)
  for (const route of routes) await one.hurt(route, 20)
  await Promise.all(routes.map((route) => other.feels(route)))
  // A report is published first and stored after it: all of it is stored once its node has left.
  await one.atrion.disconnect()
  const late = await connected(t, { cluster: addresses })
  t.true(routes.every((route) => late.scarOf(route) > 1))
  t.deepEqual((await late.provider.listRoutes()).sort(), [...routes].sort())
})

/** So many slots move at once, those with the lowest numbers, which are the first server's. */
const MOVED = 400

/** A channel in one of the slots that move first. */
const movingChannel = async ([server]) => {
  for (let i = 0; ; i++) {
    const channel = `atrion:sync:${i}`
    if (Number(await server.cli('cluster', 'keyslot', channel)) < MOVED) return channel
  }
}

/** Slots move while two nodes report, first the channel's own and then others; none is lost. */
const moving = async (t, { servers, addresses, reshard }) => {
  const redis = { cluster: addresses, channel: await movingChannel(servers) }
  const [one, other] = await share(t, redis)
  for (const [from, to] of [
    [0, 1],
    [2, 0],
  ]) {
    await reshard(servers[from], servers[to], MOVED)
    for (let i = 0; i < 20; i++) {
      await one.hurt(`${from} ${i}`, 20)
      await other.hurt(`answer ${from} ${i}`, 20)
    }
    const heard = Array.from({ length: 20 }, (_, i) => [other.feels(`${from} ${i}`), one.feels(`answer ${from} ${i}`)])
    await Promise.all(heard.flat())
  }
  // A node that starts now finds the records from before and after.
  const late = await connected(t, redis)
  for (const route of ['pay', 'ship', '0 7', 'answer 2 7']) t.true(late.scarOf(route) > 1, route)
  for (const node of [one, other]) t.true(node.turns.length % 2 === 0, node.turns.join())
}

test('a cluster: slots move to another server, the channel among them', async (t) => {
  await moving(t, await stopped(t, cluster()))
})

test('a cluster: a server gives all it has to another one', async (t) => {
  const { servers, addresses, reshard } = await stopped(t, cluster())
  const [one, other] = await share(t, { cluster: addresses })
  await reshard(servers[0], servers[1], 5461)
  await one.hurt('after')
  await other.feels('after')
  const late = await connected(t, { cluster: addresses })
  for (const route of ['pay', 'ship']) await late.feels(route)
})

test('a cluster: a server dies and comes back', async (t) => {
  const { servers, addresses, isWhole } = await stopped(t, cluster())
  const [one, other] = await Promise.all([
    connected(t, { cluster: addresses, connectTimeoutMs: 1000 }),
    connected(t, { cluster: addresses, connectTimeoutMs: 1000 }),
  ])
  await servers[1].kill()
  for (let i = 0; i < 64; i++) await one.hurt(`route ${i}`, 5)
  await one.reported('degraded')
  t.true(one.decide('pay').allow)
  await servers[1].restart()
  await isWhole()
  await one.reported('restored')
  await one.hurt('after')
  await other.feels('after')
  await until(() => other.turns.length % 2 === 0, 'well again')
  t.deepEqual(one.turns, ['degraded', 'restored'])
})

let common
test.before(async () => {
  common = await cluster()
})
test.after.always(() => common.stop())

testProvider(test.serial, () => new RedisStateProvider({ cluster: common.addresses }), { title: 'a cluster' })

// Sentinel

for (const password of [undefined, 'sesame']) {
  const how = password === undefined ? '' : ', which wants a password'
  test(`Sentinel${how}: a dead master is replaced, and the nodes go where the new one is`, async (t) => {
    const { name, watcher, replica, failOver } = await stopped(t, sentinel({ password }))
    const redis = {
      sentinel: { name, sentinels: [watcher.address], ...(password && { password }) },
      connectTimeoutMs: 2000,
    }
    const [one, other] = await share(t, redis)
    await failOver()
    await one.hurt('after')
    await other.feels('after')
    // On the new master all works again: what was reported before is there, too.
    await until(() => one.turns.at(-1) === 'restored' && other.turns.at(-1) === 'restored', 'well again')
    t.deepEqual(one.turns, ['degraded', 'restored'])
    t.deepEqual(other.turns, ['degraded', 'restored'])
    const late = await connected(t, { host: replica.host, port: replica.port })
    t.true(late.scarOf('pay') > 1)
  })
}

// Valkey

if (which('valkey-server') !== undefined) {
  const command = 'valkey-server'

  test('Valkey', async (t) => {
    const { port } = await stopped(t, single({ command }))
    await share(t, { port })
  })

  test('Valkey: a cluster whose slots move', async (t) => {
    await moving(t, await stopped(t, cluster({ command })))
  })

  test('Valkey: Sentinel', async (t) => {
    const { name, watcher, failOver } = await stopped(t, sentinel({ command }))
    const [one, other] = await share(t, { sentinel: { name, sentinels: [watcher.address] }, connectTimeoutMs: 2000 })
    await failOver()
    await one.hurt('after')
    await other.feels('after')
  })
}
