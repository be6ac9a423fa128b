// Faults of a server and of the network to it: decisions go on, a fault is reported once, and once that it is over; scars that were
// suffered meanwhile reach the other nodes then.
import test from 'ava'
import { reserve } from '../_redis/guard.mjs'
import { Node, until } from '../_redis/nodes.mjs'
import { proxyTo } from '../_redis/proxy.mjs'
import { Server } from '../_redis/server.mjs'
import { single } from '../_redis/servers.mjs'

/** Two nodes over one server, `near` behind a proxy. */
const pair = async (t, { server, settings = {} } = {}) => {
  const origin = server ?? (await single())
  t.teardown(() => origin.stop())
  const proxy = await proxyTo(origin.port)
  t.teardown(() => proxy.stop())
  const redis = { host: origin.host, connectTimeoutMs: 2000, ...settings }
  const near = await Node.connected(t, { ...redis, port: proxy.port })
  const far = await Node.connected(t, { ...redis, port: origin.port })
  return { server: origin, proxy, near, far }
}

/** Decides on both nodes as long as something takes. */
const deciding = async (nodes, work) => {
  let isOver = false
  let decisions = 0
  const decide = async () => {
    while (!isOver) {
      for (const node of nodes) {
        node.decide('pay')
        node.atrion.acquire('pay').success?.()
        decisions++
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const running = decide()
  try {
    await work()
  } finally {
    isOver = true
    await running
  }
  return decisions
}

/**
 * The turns of a node, without later ones for want of an answer in time: a busy machine answers late as well. The first turn of one
 * that is `ill` is the fault's own, whatever its cause.
 */
const turnsOf = ({ heard }, isIll) => {
  // They alternate, from 'degraded' on.
  const isLate = (i) => (i > 1 || !isIll) && /timed out after \d+ ms/.test(heard[i - (i % 2)].error?.message)
  return heard.filter((_, i) => !isLate(i)).map(({ kind }) => kind)
}

/**
 * One fault: `start` brings it about, `end` ends it. `ill` are the nodes that notice. What is reported meanwhile arrives
 * when it is over.
 */
const suffer = async (t, { near, far }, { start, end, ill = [near, far] }) => {
  await near.hurt('before')
  await far.feels('before')
  const decisions = await deciding([near, far], async () => {
    await start()
    // The store notices when something is written.
    await near.hurt('during')
    await far.hurt('other')
    for (const node of ill) await node.reported('degraded')
    await end()
    for (const node of ill) await node.reported('restored')
    await Promise.all([far.feels('during'), near.feels('other')])
  })
  t.true(decisions > 10)
  for (const node of [near, far]) {
    const isIll = ill.includes(node)
    t.deepEqual(turnsOf(node, isIll), isIll ? ['degraded', 'restored'] : [], node.warnings.join('\n'))
    t.is(node.warnings.length, node.turns.filter((kind) => kind === 'degraded').length, node.warnings.join('\n'))
  }
  for (const { heard } of ill) {
    t.is(heard[0].provider, 'RedisStateProvider')
    t.true(heard[0].error instanceof Error && heard[0].error.message.length > 0)
  }
}

test('the server is killed, and comes back empty', async (t) => {
  const nodes = await pair(t)
  await suffer(t, nodes, { start: () => nodes.server.kill(), end: () => nodes.server.restart() })
  // The store has the earlier scars again: a node that starts now is scarred.
  const late = await Node.connected(t, { port: nodes.server.port })
  t.true(late.scarOf('before') > 1)
})

test('the server is paused, and goes on', async (t) => {
  const nodes = await pair(t)
  await suffer(t, nodes, { start: () => nodes.server.pause(), end: () => nodes.server.resume() })
})

test('the network is cut', async (t) => {
  const nodes = await pair(t)
  await suffer(t, nodes, { start: () => nodes.proxy.cut(), end: () => nodes.proxy.heal(), ill: [nodes.near] })
})

test('the network swallows everything and keeps connections open', async (t) => {
  const nodes = await pair(t)
  await suffer(t, nodes, { start: () => nodes.proxy.halfOpen(), end: () => nodes.proxy.heal(), ill: [nodes.near] })
})

test('the network is slow: reports arrive late, and no node is degraded', async (t) => {
  const { proxy, near, far } = await pair(t)
  await near.hurt('before')
  await far.feels('before')
  proxy.delay(300)
  await deciding([near, far], async () => {
    await near.hurt('during')
    await far.hurt('other')
    await Promise.all([far.feels('during'), near.feels('other')])
  })
  t.deepEqual([...near.turns, ...far.turns], [])
})

test('the network is so slow that it is none', async (t) => {
  const nodes = await pair(t)
  await suffer(t, nodes, {
    start: () => nodes.proxy.delay(60_000),
    end: () => nodes.proxy.cut() || nodes.proxy.heal(),
    ill: [nodes.near],
  })
})

test('another client writes into the stream', async (t) => {
  const nodes = await pair(t)
  const garbage = Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n\0\xff$99999999999\r\n*-7\r\n', 'latin1')
  await suffer(t, nodes, {
    start: () => nodes.proxy.garbage(garbage),
    end: () => {},
    ill: [nodes.near],
  })
})

test('the server is out of memory', async (t) => {
  const nodes = await pair(t)
  await suffer(t, nodes, {
    start: () => nodes.server.cli('config', 'set', 'maxmemory', '1', 'maxmemory-policy', 'noeviction'),
    end: () => nodes.server.cli('config', 'set', 'maxmemory', '0'),
  })
})

test('the server has become a replica, and takes no writes', async (t) => {
  const nodes = await pair(t)
  const { port } = reserve()
  await suffer(t, nodes, {
    start: () => nodes.server.cli('replicaof', nodes.server.host, port),
    end: () => nodes.server.cli('replicaof', 'no', 'one'),
  })
})

const SECRET = { username: 'atrion', password: 'one' }
const secured = () =>
  Server.start({ args: ['--user', 'atrion', 'on', '>one', '~atrion:*', '&atrion:*', '+@all', '-@dangerous'] })

test('the user is deleted, and made again', async (t) => {
  const nodes = await pair(t, { server: await secured(), settings: SECRET })
  await suffer(t, nodes, {
    start: () => nodes.server.cli('acl', 'deluser', 'atrion'),
    end: () =>
      nodes.server.cli('acl', 'setuser', 'atrion', 'on', '>one', '~atrion:*', '&atrion:*', '+@all', '-@dangerous'),
  })
})

test('the user may not write any more, and may again', async (t) => {
  const nodes = await pair(t, { server: await secured(), settings: SECRET })
  await suffer(t, nodes, {
    start: () => nodes.server.cli('acl', 'setuser', 'atrion', '-@write'),
    end: () => nodes.server.cli('acl', 'setuser', 'atrion', '+@write', '-@dangerous'),
  })
})

test('the user loses its rights, and gets them back', async (t) => {
  const nodes = await pair(t, { server: await secured(), settings: SECRET })
  await suffer(t, nodes, {
    start: () => nodes.server.cli('acl', 'setuser', 'atrion', '-publish'),
    end: () => nodes.server.cli('acl', 'setuser', 'atrion', '+publish'),
  })
})

test('one fault after another: each is reported, in order', async (t) => {
  const { server, near } = await pair(t)
  for (let i = 1; i <= 3; i++) {
    await server.kill()
    await near.reported('degraded', i)
    await server.restart()
    await near.reported('restored', i)
  }
  t.deepEqual(near.turns, Array(3).fill(['degraded', 'restored']).flat())
  t.is(near.warnings.length, 3)
})

test('a route that is reset while the server is away is not sent again when it is back', async (t) => {
  const { server, near, far } = await pair(t)
  await near.hurt('pay')
  await far.feels('pay')
  await server.kill()
  await near.reported('degraded')
  await near.atrion.resetRoute('pay')
  await server.restart()
  await Promise.all([near.reported('restored'), far.reported('restored')])
  await near.hurt('after')
  await far.feels('after')
  // Once a newer report is stored, so is everything that was to be sent again.
  const late = await until(async () => {
    const node = await Node.connected(t, { port: server.port })
    return node.scarOf('after') > 1 && node
  }, 'a node that starts scarred')
  t.is(late.scarOf('pay'), 0)
})

// absent from the start

test('connect() on an absent server rejects, and decisions are made all the same', async (t) => {
  const { port } = reserve()
  const node = new Node({ port, connectTimeoutMs: 500 })
  node.decide('pay')
  const error = await t.throwsAsync(node.atrion.connect(), { code: 'ATRION_CONNECTION' })
  t.regex(error.message, /RedisStateProvider could not connect.*refused/)
  t.true(error.cause instanceof Error)
  t.true(node.decide('pay').allow)
  await node.atrion.disconnect()
})

test('connect() on a server that accepts and says nothing rejects in time', async (t) => {
  const server = await single()
  t.teardown(() => server.stop())
  server.pause()
  const node = new Node({ port: server.port, connectTimeoutMs: 200 })
  await t.throwsAsync(node.atrion.connect(), { code: 'ATRION_CONNECTION', message: /200 ms/ })
  // It may be tried again.
  server.resume()
  await node.atrion.connect()
  await node.atrion.disconnect()
})

test('required: false: an absent server is a trouble like any other, and what it knew is taken over once it is there', async (t) => {
  const server = await single()
  t.teardown(() => server.stop())
  await server.kill()
  const node = await Node.connected(t, { port: server.port, required: false, connectTimeoutMs: 500 })
  await node.reported('degraded')
  await node.hurt('pay')
  await server.restart()
  await node.reported('restored')
  const late = await Node.connected(t, { port: server.port })
  await late.feels('pay')
  t.deepEqual(node.turns, ['degraded', 'restored'])
})

test('disconnect() during a fault comes to an end, and nothing is reported after it', async (t) => {
  const { server, near } = await pair(t)
  server.pause()
  await near.hurt('pay')
  await near.reported('degraded')
  await near.atrion.disconnect()
  const { length } = near.heard
  server.resume()
  await server.cli('ping')
  t.is(near.heard.length, length)
  t.true(near.decide('pay').allow)
})
