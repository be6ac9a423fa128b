// A secret of the nodes: what does not carry its proof is counted and dropped, on the channel and in the store. Without one, nodes
// that are invented are let in slowly and outvote no real node.
import { createHmac, randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { RedisClusterProvider, RedisStateProvider } from 'atrion'
import test from 'ava'
import { forged, HEADER_BYTES, WORDS_AT } from '../../lab/attacks/wire.mjs'
import { engine } from '../_engine.mjs'
import { Node, until } from '../_redis/nodes.mjs'
import { server, stranger } from '../_redis/stranger.mjs'

/** The other engines get a route's reports from the provider, one by one and only from their first use of it on. */
const onNative = engine === 'native' ? test : test.skip

const CHANNEL = 'atrion:sync'
const PREFIX = 'atrion:state:'
const SECRET = 'a secret of the service'
const SEALED_HEADER_BYTES = 28

/** All that is published from now on. */
const recorded = async (t, origin) => {
  const messages = []
  const listener = await stranger(t, origin)
  await listener.subscribe(CHANNEL, (bytes) => messages.push(Buffer.from(bytes)), true)
  return messages
}

const hmac = (key, ...parts) => createHmac('sha256', key).update(Buffer.concat(parts)).digest()

/** The format, stated a second time: a client with the secret may publish. */
const sealed = (secret, { node, counter, sentAtMs, inner, channel = CHANNEL }) => {
  const header = Buffer.alloc(SEALED_HEADER_BYTES)
  header.write('At')
  header.writeUInt8(2, 2)
  header.writeBigUInt64LE(node, 4)
  header.writeBigUInt64LE(counter, 12)
  header.writeBigUInt64LE(BigInt(sentAtMs), 20)
  const key = hmac(secret, Buffer.from('atrion message 2\0'), Buffer.from(channel))
  return Buffer.concat([header, inner, hmac(key, header, inner)])
}

/** The key on the wire of a route that a node reports. */
const keyOf = async (t, origin, speaker, routeId) => {
  const messages = await recorded(t, origin)
  await speaker.hurt(routeId, 5)
  const saysOne = (bytes, at) => bytes.length > at + HEADER_BYTES && bytes.readUInt32LE(at + WORDS_AT) === 1
  return until(() => {
    for (const bytes of messages) {
      const at = bytes[2] === 2 ? SEALED_HEADER_BYTES : 0
      if (saysOne(bytes, at)) return Buffer.from(bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + 8))
    }
    return undefined
  }, 'a message with one word')
}

const dropped = ({ provider }) => {
  const { droppedUnsigned, droppedForged, droppedReplayed, droppedStrangers, droppedMalformed, droppedFuture } =
    provider.stats()
  return { droppedUnsigned, droppedForged, droppedReplayed, droppedStrangers, droppedMalformed, droppedFuture }
}

const NOTHING = {
  droppedUnsigned: 0,
  droppedForged: 0,
  droppedReplayed: 0,
  droppedStrangers: 0,
  droppedMalformed: 0,
  droppedFuture: 0,
}

onNative(
  'nodes that share a secret accept each other’s reports and records, and show the secret nowhere',
  async (t) => {
    const origin = await server(t)
    const messages = await recorded(t, origin)
    const redis = { port: origin.port, secret: SECRET }
    const [a, b] = [await Node.connected(t, redis), await Node.connected(t, redis)]
    await a.hurt('pay')
    await b.feels('pay')
    await a.provider.updateVector('kept', { scar: 3, momentumScalar: 0, lastTick: 4, resistance: 13 })
    t.deepEqual(await b.provider.getVector('kept'), { scar: 3, momentumScalar: 0, lastTick: 4, resistance: 13 })
    await a.atrion.disconnect()
    const late = await Node.connected(t, redis)
    t.true(late.scarOf('pay') > 1)
    for (const node of [a, b, late]) t.deepEqual(dropped(node), NOTHING)

    const client = await stranger(t, origin)
    const seen = [
      inspect([a.provider, a.atrion, a.provider.stats()], { depth: 20, showHidden: true }),
      JSON.stringify([a.provider, a.provider.stats(), a.logger.entries]),
      ...messages.map((bytes) => bytes.toString('latin1')),
    ]
    for (const key of await client.keys('*')) seen.push(JSON.stringify(await client.hGetAll(key)))
    t.true(messages.length > 3 && seen.length > messages.length + 2)
    for (const text of seen) t.false(text.includes(SECRET))
  },
)

test('bad secrets are refused by name, and are not shown', (t) => {
  const bad = ['short', '', 16, {}, [], [SECRET, 'short'], [SECRET, undefined], new Uint8Array(15), [[SECRET]], true]
  for (const secret of [...bad, Array.from({ length: 9 }, () => SECRET)]) {
    const error = t.throws(() => new RedisStateProvider({ secret }), { code: 'ATRION_CONFIG' })
    t.is(error.field, 'secret')
    const shown = inspect(error, { depth: 10, showHidden: true })
    t.false(shown.includes(SECRET) || shown.includes("'short'"), shown)
  }
  for (const secret of [SECRET, randomBytes(16), new Uint8Array(32), [SECRET, randomBytes(64)], 'é'.repeat(8)]) {
    t.notThrows(() => new RedisStateProvider({ secret }))
    t.notThrows(() => new RedisClusterProvider({ redis: { secret } }))
  }
})

onNative(
  'forged ids, unsigned messages and repetitions are counted under their names, and none is believed',
  async (t) => {
    const origin = await server(t)
    const redis = { port: origin.port, secret: SECRET }
    const [speaker, node] = [await Node.connected(t, redis), await Node.connected(t, redis)]
    const messages = await recorded(t, origin)
    const key = await keyOf(t, origin, speaker, 'pay')
    await node.feels('pay')
    const before = node.resistanceOf('pay')
    const speak = await stranger(t, origin)

    const COUNT = 200
    for (let id = 1n; id <= COUNT; id++) {
      const inner = forged({ node: id, key, scar: 1e6 })
      await speak.publish(CHANNEL, inner)
      const message = { node: id, counter: id, sentAtMs: Date.now(), inner }
      await speak.publish(CHANNEL, sealed('another secret of 16 bytes', message))
      // Right for another channel, or around another node's words.
      await speak.publish(CHANNEL, sealed(SECRET, { ...message, channel: 'atrion:other' }))
      await speak.publish(CHANNEL, sealed(SECRET, { ...message, node: id + 1000n }))
    }
    await until(() => node.provider.stats().droppedForged >= 3 * COUNT, 'forged messages')
    t.like(dropped(node), { droppedUnsigned: COUNT, droppedForged: 3 * COUNT, droppedMalformed: 0 })
    t.is(node.provider.stats().nodes, 1)

    const repeated = messages.filter(
      (bytes) => bytes[2] === 2 && bytes.readUInt32LE(SEALED_HEADER_BYTES + WORDS_AT) === 1,
    )
    t.true(repeated.length > 0)
    const replayedBefore = node.provider.stats().droppedReplayed
    for (const bytes of repeated) await speak.publish(CHANNEL, bytes)
    await until(() => node.provider.stats().droppedReplayed > replayedBefore, 'a repetition')

    // A client with the secret is believed, but not with what was recorded more than a minute ago, and not twice.
    const report = { node: 77n, counter: 1n, inner: forged({ node: 77n, key, scar: 20 }) }
    const late = node.provider.stats().droppedReplayed
    await speak.publish(CHANNEL, sealed(SECRET, { ...report, sentAtMs: Date.now() - 61_000 }))
    await speak.publish(CHANNEL, sealed(SECRET, { ...report, sentAtMs: Date.now() + 120_000 }))
    await until(() => node.provider.stats().droppedReplayed === late + 2, 'two that are not of now')
    t.is(node.provider.stats().nodes, 1)
    await speak.publish(CHANNEL, sealed(SECRET, { ...report, sentAtMs: Date.now() }))
    await until(() => node.provider.stats().nodes === 2, 'another node')
    t.true(node.resistanceOf('pay') < before + 30 + 1e-6)
    t.deepEqual([...node.turns, ...node.warnings], [])
  },
)

onNative('a store that proves nothing is left out and refuses no start', async (t) => {
  const origin = await server(t)
  const redis = { port: origin.port, secret: SECRET }
  const first = await Node.connected(t, redis)
  for (const route of ['pay', 'ship']) {
    await first.provider.updateVector(route, { scar: 40, momentumScalar: 0, lastTick: 4, resistance: 50 })
  }
  await first.atrion.disconnect()
  const unsigned = await Node.connected(t, { port: origin.port })
  await unsigned.provider.updateVector('plain', { scar: 40, momentumScalar: 0, lastTick: 4, resistance: 50 })
  await unsigned.atrion.disconnect()

  const client = await stranger(t, origin)
  const raw = client.withTypeMapping({ 36: Buffer })
  const written = []
  for (const key of await client.keys(`${PREFIX}*`)) {
    for (const [name, value] of Object.entries(await raw.hGetAll(key))) written.push({ key, name: String(name), value })
  }
  const pay = written.find(({ name }) => name === 'pay')
  const ship = written.find(({ name }) => name === 'ship')
  t.is(pay.value.length, 85)
  // Moved to another route, to another node, with a bit flipped; and what atrion 2.0 stored.
  await client.hSet(ship.key, 'ship', pay.value)
  await client.hSet(pay.key.replace(/[\da-f]{16}/, '00000000000000aa'), 'pay', pay.value)
  const flipped = Buffer.from(pay.value)
  flipped[5] ^= 1
  await client.hSet(pay.key, 'bit', flipped)
  await client.set(`${PREFIX}old`, '{"scar":41.5,"momentumScalar":1e-3,"lastTick":99,"resistance":52}')

  const late = await Node.connected(t, redis)
  t.deepEqual(late.atrion.getRoutes(), ['pay'])
  t.like(dropped(late), { droppedForged: 3, droppedUnsigned: 2 })
  t.deepEqual([...late.turns, ...late.warnings], [])

  // A record that was read is not replaced by an older one.
  const reader = await Node.connected(t, redis)
  const writer = await Node.connected(t, redis)
  const vector = (scar) => ({ scar, momentumScalar: 0, lastTick: scar, resistance: 10 + scar })
  await writer.provider.updateVector('back', vector(1))
  const stored = async () => {
    for (const key of await client.keys(`${PREFIX}*`)) {
      if ((await client.type(key)) !== 'hash') continue
      const value = (await raw.hGetAll(key)).back
      if (value) return { key, value }
    }
    return undefined
  }
  const old = await stored()
  await writer.provider.updateVector('back', vector(2))
  t.is((await reader.provider.getVector('back')).scar, 2)
  await client.hSet(old.key, 'back', old.value)
  t.is(await reader.provider.getVector('back'), null)
  t.true(reader.provider.stats().droppedReplayed >= 1)
})

onNative(
  'a fleet in which some have the secret: these accept each other’s reports, the others all of them',
  async (t) => {
    const origin = await server(t)
    const signed = { port: origin.port, secret: SECRET }
    const [a, b] = [await Node.connected(t, signed), await Node.connected(t, signed)]
    const open = await Node.connected(t, { port: origin.port })
    await a.hurt('pay')
    await b.feels('pay')
    await open.feels('pay')
    await open.hurt('open')
    await until(() => a.provider.stats().droppedUnsigned > 0, 'an unsigned message')
    await a.hurt('after')
    await b.feels('after')
    t.is(b.scarOf('open'), 0)
    t.deepEqual(dropped(open), NOTHING)
    t.like(dropped(b), { ...NOTHING, droppedUnsigned: b.provider.stats().droppedUnsigned })
    t.deepEqual([...a.turns, ...b.turns, ...open.turns], [])
  },
)

onNative('a secret is replaced without a gap', async (t) => {
  const origin = await server(t)
  const [old, next] = [randomBytes(32), randomBytes(32)]
  const node = (secret) => Node.connected(t, { port: origin.port, secret })
  const [before, accepting, signing] = [await node(old), await node([old, next]), await node([next, old])]
  const after = await node(next)
  const pairs = [
    [before, accepting, 'one'],
    [accepting, before, 'two'],
    [accepting, signing, 'three'],
    [signing, accepting, 'four'],
    [signing, after, 'five'],
    [after, signing, 'six'],
  ]
  for (const [speaker, listener, route] of pairs) {
    await speaker.hurt(route)
    await t.notThrowsAsync(listener.feels(route), route)
  }
  await until(() => before.provider.stats().droppedForged > 0, 'a message by the new secret only')
  t.is(accepting.provider.stats().droppedForged, 0)
  t.is(signing.provider.stats().droppedForged, 0)
})

onNative('without a secret a burst of invented nodes at a lone one closes nothing, and counts as one', async (t) => {
  const origin = await server(t)
  const speaker = await Node.connected(t, { port: origin.port })
  speaker.decide('calm')
  const calm = await keyOf(t, origin, speaker, 'calm')
  await speaker.atrion.disconnect()
  // A node that has just begun, and one that has listened for as long as its reports take.
  for (const reports of [0, 2]) {
    const lone = await Node.connected(t, { port: origin.port, keyPrefix: `alone ${reports}:` })
    const before = lone.resistanceOf('calm')
    const speak = await stranger(t, origin)
    await until(() => lone.provider.stats().sentMessages >= reports, 'reports of its own')
    const burst = speak.multi()
    for (let id = 1n; id <= 64n; id++) burst.publish(CHANNEL, forged({ node: id, key: calm, scar: 1e6 }))
    await burst.exec()
    await until(() => lone.scarOf('calm') > 1, 'the burst')
    for (let i = 0; i < 20; i++) {
      for (let id = 1n; id <= 64n; id += 7n) await speak.publish(CHANNEL, forged({ node: id, key: calm, scar: 1e6 }))
      const { resistance, mode } = lone.decide('calm')
      t.true(resistance <= before + 30 + 1e-6, `R = ${resistance}, ${before} before`)
      t.not(mode, 'CIRCUIT_BREAKER')
    }
    if (engine !== 'ts') {
      for (let i = 0; i < 40; i++) lone.atrion.acquire('calm', { tier: 'high' }).release(i % 2 ? 'failure' : 'success')
      t.not(lone.atrion.stats('calm').mode, 'CIRCUIT_BREAKER')
    }
    await lone.atrion.disconnect()
  }
})

test('without a secret thousands of invented nodes are let in slowly and outvote no real node', async (t) => {
  const origin = await server(t)
  const [speaker, node] = [
    await Node.connected(t, { port: origin.port }),
    await Node.connected(t, { port: origin.port }),
  ]
  node.decide('calm')
  const calm = await keyOf(t, origin, speaker, 'calm')
  await node.feels('calm')
  const before = node.resistanceOf('calm')
  const speak = await stranger(t, origin)
  const startedAt = performance.now()
  const COUNT = 3000
  for (let id = 1n; id <= COUNT; id++) await speak.publish(CHANNEL, forged({ node: id, key: calm, scar: 1e6 }))
  await until(() => node.provider.stats().receivedMessages >= COUNT, 'all of them')
  const letIn = 64 + (16 * (performance.now() - startedAt)) / 1000
  await until(() => node.provider.stats().droppedStrangers >= COUNT - letIn - 1, 'those that were not let in')
  t.true(node.provider.stats().nodes <= letIn + 2, `${node.provider.stats().nodes}`)
  const { resistance, mode } = node.decide('calm')
  t.true(resistance <= before + 30 + 1e-6, `R = ${resistance}, ${before} before`)
  t.not(mode, 'CIRCUIT_BREAKER')
})
