// What lies in the store may be anything, and of any size: no start is refused, and no memory eaten by it.
import { RedisStateProvider } from 'atrion'
import test from 'ava'
import { createClient } from 'redis'
import { Node, until } from '../_redis/nodes.mjs'
import { single } from '../_redis/servers.mjs'

const PREFIX = 'atrion:state:'
const MIB = 1 << 20

const server = async (t, options) => {
  const started = await single(options)
  t.teardown(() => started.stop())
  return started
}

const stranger = async (t, { port }) => {
  const client = createClient({ socket: { host: '127.0.0.1', port } })
  await client.connect()
  t.teardown(() => client.destroy())
  return client
}

const hashOf = (node, shard = 0) =>
  `${PREFIX}${node.toString(16).padStart(16, '0')}:${shard.toString(16).padStart(2, '0')}`

/** A record as a node stores it. */
const recordOf = ({ scar, atUnixMs = Date.now(), requests = 9 }) => {
  const bytes = Buffer.alloc(45)
  bytes.writeUInt8(1, 0)
  for (const [i, value] of [scar, 10 + scar, 0, 99].entries()) bytes.writeDoubleLE(value, 1 + 8 * i)
  bytes.writeFloatLE(requests, 33)
  bytes.writeDoubleLE(atUnixMs, 37)
  return bytes
}

const rssMiB = () => process.memoryUsage().rss / MIB

test.serial('one stored value of 34 MB refuses no start, and what nodes wrote is loaded', async (t) => {
  const origin = await server(t)
  const client = await stranger(t, origin)
  const well = await Node.connected(t, { port: origin.port })
  await well.hurt('pay', 20)
  await well.atrion.disconnect()
  await client.hSet(hashOf(1), 'big', Buffer.alloc(34 * MIB, 1))
  const before = rssMiB()
  const node = await Node.connected(t, { port: origin.port })
  t.true(node.scarOf('pay') > 1)
  t.true(node.provider.stats().droppedRecords >= 1)
  t.is(node.provider.stats().state, 'healthy')
  t.true(rssMiB() - before < 30, `${rssMiB() - before} MiB more`)
  t.deepEqual([...node.turns, ...node.warnings], [])
})

test.serial('16 hashes of 1000 names of 60 kB refuse no start, and are not read', async (t) => {
  const origin = await server(t)
  const client = await stranger(t, origin)
  const record = recordOf({ scar: 5 })
  for (let shard = 0; shard < 16; shard++) {
    const fields = Object.fromEntries(
      Array.from({ length: 1000 }, (_, i) => [`${i}`.padEnd(60_000, `${shard} `), record]),
    )
    await client.hSet(hashOf(2, shard), fields)
  }
  const before = rssMiB()
  const node = await Node.connected(t, { port: origin.port })
  t.is(node.provider.stats().state, 'healthy')
  t.is(node.provider.stats().loadedRoutes, 0)
  t.true(rssMiB() - before < 60, `${rssMiB() - before} MiB more`)
  t.deepEqual([...node.turns, ...node.warnings], [])
})

test('a load that fails is a late load: connect() resolves, and the scars come when they can be read', async (t) => {
  const args = ['--user', 'node', 'on', '>pw', '~*', '&*', '+@all', '-scan']
  const origin = await server(t, { args })
  const url = `redis://node:pw@127.0.0.1:${origin.port}`
  const first = await Node.connected(t, url)
  await first.hurt('pay', 20)
  await first.atrion.disconnect()
  const late = await Node.connected(t, url)
  t.is(late.scarOf('pay'), 0)
  t.is(late.provider.stats().state, 'healthy')
  await origin.cli('acl', 'setuser', 'node', '+scan')
  await until(() => late.scarOf('pay') > 1, 'what was stored')
  t.deepEqual([...late.turns, ...late.warnings], [])
})

for (const scar of [135, 1000, 1e6]) {
  test(`one node that stored ${scar} Ω does not make a fresh node refuse a request`, async (t) => {
    const origin = await server(t)
    const client = await stranger(t, origin)
    await client.hSet(hashOf(3, 5), 'pay', recordOf({ scar, requests: 1e9 }))
    const shards = Array.from({ length: 64 }, (_, shard) => hashOf(3, shard))
    for (const key of shards) await client.hSet(key, 'pay', recordOf({ scar, requests: 1e9 }))
    const node = await Node.connected(t, { port: origin.port })
    for (let i = 0; i < 30; i++) {
      const { allow, resistance, mode } = node.decide('pay')
      t.true(allow && mode !== 'CIRCUIT_BREAKER', `R = ${resistance}`)
      // R_base, what pressure adds by itself, and γ·R_base·breakMultiplier.
      t.true(resistance <= 10 + 6 + 30, `R = ${resistance}`)
    }
  })
}

test('a record from a clock that is ahead fades as one of now', async (t) => {
  const origin = await server(t)
  const client = await stranger(t, origin)
  for (let shard = 0; shard < 64; shard++) {
    await client.hSet(hashOf(4, shard), 'pay', recordOf({ scar: 20, atUnixMs: Date.now() + 3_600_000 }))
  }
  const node = await Node.connected(t, { port: origin.port })
  const before = node.scarOf('pay')
  t.true(before > 15 && before <= 30)
  await until(() => {
    node.decide('pay')
    return node.scarOf('pay') < before - 1
  }, 'a scar that fades')
})

// subscribe

// By itself, since it weighs the process.
test.serial('a flood on a watched route: one look-up at a time, the newest arrives, memory stays flat', async (t) => {
  const origin = await server(t)
  const provider = new RedisStateProvider({ port: origin.port })
  await provider.connect()
  t.teardown(() => provider.disconnect())
  let heard = 0
  let last
  t.teardown(
    provider.subscribe('pay', (vector) => {
      heard += 1
      last = vector
    }),
  )
  const speaker = new RedisStateProvider({ port: origin.port })
  await speaker.connect()
  t.teardown(() => speaker.disconnect())
  const client = await stranger(t, origin)
  const listener = await stranger(t, origin)
  let stop
  const published = new Promise((resolve) => {
    stop = (bytes) => bytes.length > 20 && bytes.readUInt32LE(12) === 1 && resolve(Buffer.from(bytes))
  })
  await listener.subscribe('atrion:sync', (bytes) => stop(bytes), true)
  await speaker.updateVector('pay', { scar: 1, momentumScalar: 0, lastTick: 1, resistance: 11 })
  const message = await published
  await until(() => last !== undefined, 'the first word')
  const lookUpsBefore = Number(/cmdstat_hget:calls=(\d+)/.exec(await origin.cli('info', 'commandstats'))[1])
  const before = rssMiB()
  const COUNT = 20_000
  for (let i = 0; i < COUNT; i += 100) {
    await Promise.all(
      Array.from({ length: 100 }, (_, n) => {
        const word = Buffer.from(message)
        word.writeBigUInt64LE(0x77n, 4)
        word.writeFloatLE((i + n) / COUNT, 28)
        return client.publish('atrion:sync', word)
      }),
    )
  }
  await until(() => last.scar > (COUNT - 2) / COUNT && last.scar < 1, 'the newest word')
  const lookUps = Number(/cmdstat_hget:calls=(\d+)/.exec(await origin.cli('info', 'commandstats'))[1]) - lookUpsBefore
  t.true(heard >= 2 && lookUps < COUNT, `${lookUps} look-ups, ${heard} calls for ${COUNT} messages`)
  t.true(rssMiB() - before < 60, `${rssMiB() - before} MiB more`)
})

// atrion 2.0 beside this one

const legacyOf = (scar) => JSON.stringify({ scar, momentumScalar: 0.01, lastTick: 40, resistance: 10 + scar })

test('scars that atrion 2.0 stored are taken over at connect(), and its keys stay as they are', async (t) => {
  const origin = await server(t)
  const client = await stranger(t, origin)
  await client.set(`${PREFIX}pay`, legacyOf(25))
  await client.set(`${PREFIX}loud`, legacyOf(5000))
  await client.set(`${PREFIX}geh\u00e9🟢`, legacyOf(8))
  const others = {
    broken: '{"scar":',
    text: 'hello',
    negative: JSON.stringify({ scar: -1, momentumScalar: 0, lastTick: 1, resistance: 1 }),
    long: legacyOf(9).replace('}', `,"pad":"${'x'.repeat(2000)}"}`),
  }
  for (const [name, value] of Object.entries(others)) await client.set(PREFIX + name, value)
  await client.lPush(`${PREFIX}list`, '1')
  const keys = (await client.keys('*')).sort()
  const values = await Promise.all(Object.keys(others).map((name) => client.get(PREFIX + name)))
  const node = await Node.connected(t, { port: origin.port })
  t.true(node.scarOf('pay') > 20 && node.scarOf('pay') <= 25)
  t.is(node.scarOf('loud'), 30, 'one node’s word')
  t.true(node.scarOf('geh\u00e9🟢') > 6)
  for (const name of [...Object.keys(others), 'list']) t.is(node.scarOf(name), 0, name)
  t.deepEqual((await client.keys('*')).sort(), keys, 'nothing was written over, nothing removed')
  await node.hurt('pay', 3)
  await node.atrion.disconnect()
  t.is(await client.get(`${PREFIX}pay`), legacyOf(25))
  t.deepEqual(await Promise.all(Object.keys(others).map((name) => client.get(PREFIX + name))), values)
  t.true((await client.keys('*')).length > keys.length, 'ours lie beside them')
})

test('a node of 2.0 goes on writing and publishing: it is counted, not believed, and disturbs nothing', async (t) => {
  const origin = await server(t)
  const client = await stranger(t, origin)
  const [one, other] = [await Node.connected(t, { port: origin.port }), await Node.connected(t, { port: origin.port })]
  for (let i = 0; i < 50; i++) {
    await client.set(`${PREFIX}pay`, legacyOf(i))
    await client.publish('atrion:sync', JSON.stringify({ routeId: 'pay', vector: JSON.parse(legacyOf(i)) }))
  }
  await until(() => one.provider.stats().droppedMalformed === 50, '50 messages of 2.0')
  await one.hurt('ship')
  await other.feels('ship')
  t.is(one.scarOf('pay'), 0, 'its keys are read once')
  t.deepEqual([...one.turns, ...one.warnings, ...other.turns, ...other.warnings], [])
})
