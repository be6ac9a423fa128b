// A store with records of any content and size: every start succeeds, in bounded memory.
import test from 'ava'
import { endedWell, runScript } from '../_child.mjs'
import { Node, until } from '../_redis/nodes.mjs'
import { server, stranger } from '../_redis/stranger.mjs'

const PREFIX = 'atrion:state:'
const MIB = 1 << 20

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

/** Runs a provider in a process of its own and returns its report and growth: other tests run beside it in this one. */
const weighed = async (t, what, { port }) => {
  const ended = await runScript('_redis/weighed.mjs', { args: [what, String(port)] })
  endedWell(t, ended)
  return JSON.parse(ended.stdout)
}

test('one stored value of 34 MB refuses no start, and what nodes wrote is loaded', async (t) => {
  const origin = await server(t)
  const client = await stranger(t, origin)
  const well = await Node.connected(t, { port: origin.port })
  await well.hurt('pay', 20)
  await well.atrion.disconnect()
  await client.hSet(hashOf(1), 'big', Buffer.alloc(34 * MIB, 1))
  const { scar, droppedRecords, state, grownMiB, problems } = await weighed(t, 'connect', origin)
  t.true(scar > 1)
  t.true(droppedRecords >= 1)
  t.is(state, 'healthy')
  t.true(grownMiB < 30, `${grownMiB} MiB more`)
  t.deepEqual(problems, [])
})

test('16 hashes of 1000 names of 60 kB refuse no start, and are not read', async (t) => {
  const origin = await server(t)
  const client = await stranger(t, origin)
  const record = recordOf({ scar: 5 })
  for (let shard = 0; shard < 16; shard++) {
    const fields = Object.fromEntries(
      Array.from({ length: 1000 }, (_, i) => [`${i}`.padEnd(60_000, `${shard} `), record]),
    )
    await client.hSet(hashOf(2, shard), fields)
  }
  const { state, loadedRoutes, grownMiB, problems } = await weighed(t, 'connect', origin)
  t.is(state, 'healthy')
  t.is(loadedRoutes, 0)
  t.true(grownMiB < 60, `${grownMiB} MiB more`)
  t.deepEqual(problems, [])
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

test('a flood on a watched route: one look-up at a time, the newest arrives, memory stays flat', async (t) => {
  const { grownMiB, messages, heard, lookUps } = await weighed(t, 'flood', await server(t))
  t.true(heard >= 2 && lookUps < messages, `${lookUps} look-ups, ${heard} calls for ${messages} messages`)
  t.true(grownMiB < 60, `${grownMiB} MiB more`)
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
