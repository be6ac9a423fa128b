// Hostile messages on the channel and records in the store: they are counted and dropped, and affect no node.

import test from 'ava'
import { randomOf } from '../_engine.mjs'
import { Node, until } from '../_redis/nodes.mjs'
import { server, stranger } from '../_redis/stranger.mjs'

const HEADER_BYTES = 20
const VERSION = 2
const WORDS = 12
const SCAR = HEADER_BYTES + 8
const RESISTANCE = SCAR + 4

/** A message in which a node says one word on a route, as it was sent. */
const overheard = async (t, origin, speaker, routeId) => {
  const listener = await stranger(t, origin)
  let stop
  const message = new Promise((resolve) => {
    stop = (bytes) => bytes.length > HEADER_BYTES && bytes.readUInt32LE(WORDS) === 1 && resolve(Buffer.from(bytes))
  })
  await listener.subscribe('atrion:sync', (bytes) => stop(bytes), true)
  await speaker.hurt(routeId, 5)
  return message
}

/** A copy with something else in it. */
const changed = (message, change) => {
  const copy = Buffer.from(message)
  return change(copy) ?? copy
}

/** As another node, which is unknown. */
const byNobody = (message, id = 0x1234_5678n) =>
  changed(message, (copy) => {
    copy.writeBigUInt64LE(id, 4)
  })

const dropped = ({ provider }) => {
  const { droppedMalformed, droppedOversized, droppedFuture } = provider.stats()
  return { malformed: droppedMalformed, oversized: droppedOversized, future: droppedFuture }
}

test('messages that are none are counted, each under its name, and no node is degraded', async (t) => {
  const origin = await server(t)
  const [speaker, node] = [
    await Node.connected(t, { port: origin.port }),
    await Node.connected(t, { port: origin.port }),
  ]
  const good = await overheard(t, origin, speaker, 'pay')
  const speak = await stranger(t, origin)
  const send = (bytes) => speak.publish('atrion:sync', bytes)
  const foreign = byNobody(good)

  const malformed = [
    Buffer.alloc(0),
    Buffer.from('{"json":true}'),
    Buffer.from('At'),
    Buffer.alloc(1 << 16, 0xff),
    foreign.subarray(0, foreign.length - 1),
    foreign.subarray(0, HEADER_BYTES),
    Buffer.concat([foreign, Buffer.from([0])]),
    changed(foreign, (copy) => void copy.writeUInt32LE(0xffff_ffff, WORDS)),
    changed(foreign, (copy) => void copy.writeFloatLE(Number.NaN, SCAR)),
    changed(foreign, (copy) => void copy.writeFloatLE(Number.POSITIVE_INFINITY, SCAR)),
    changed(foreign, (copy) => void copy.writeFloatLE(-1, SCAR)),
    changed(foreign, (copy) => void copy.writeFloatLE(Number.NaN, RESISTANCE)),
  ]
  for (const bytes of malformed) await send(bytes)
  await until(() => dropped(node).malformed === malformed.length, `${malformed.length} malformed messages`)

  for (const version of [2, 3, 255]) await send(changed(foreign, (copy) => void copy.writeUInt8(version, VERSION)))
  await until(() => dropped(node).future === 3, 'three messages of a later version')

  await send(Buffer.concat([foreign, Buffer.alloc(5 << 20)]))
  await until(() => dropped(node).oversized === 1, 'one oversized message')
  t.deepEqual(dropped(node), { malformed: malformed.length, oversized: 1, future: 3 })

  await speaker.hurt('after')
  await node.feels('after')
  t.deepEqual([...node.turns, ...node.warnings], [])
})

test('any bit of a message may flip: R stays finite, and no node fails', async (t) => {
  const origin = await server(t)
  const [speaker, node] = [
    await Node.connected(t, { port: origin.port }),
    await Node.connected(t, { port: origin.port }),
  ]
  const good = byNobody(await overheard(t, origin, speaker, 'pay'))
  const speak = await stranger(t, origin)
  const random = randomOf(7)
  for (let bit = 0; bit < good.length * 8; bit++) {
    const flipped = changed(good, (copy) => void copy.writeUInt8(copy[bit >> 3] ^ (1 << (bit & 7)), bit >> 3))
    await speak.publish('atrion:sync', flipped)
    if (bit % 16 === 0) t.true(Number.isFinite(node.decide('pay').resistance))
  }
  for (let i = 0; i < 500; i++) {
    const noise = Buffer.from(Array.from({ length: Math.floor(random() * 100) }, () => Math.floor(random() * 256)))
    await speak.publish('atrion:sync', i % 2 ? noise : Buffer.concat([good.subarray(0, HEADER_BYTES), noise]))
  }
  await speaker.hurt('after')
  await node.feels('after')
  t.true(Number.isFinite(node.resistanceOf('pay')))
  t.deepEqual([...node.turns, ...node.warnings], [])
})

test('one node that cries as loud as it can closes no route for the others', async (t) => {
  const origin = await server(t)
  const [speaker, node] = [
    await Node.connected(t, { port: origin.port }),
    await Node.connected(t, { port: origin.port }),
  ]
  const good = byNobody(await overheard(t, origin, speaker, 'pay'))
  await speaker.atrion.disconnect()
  const speak = await stranger(t, origin)
  const loud = changed(good, (copy) => {
    copy.writeFloatLE(3e38, SCAR)
    copy.writeFloatLE(3e38, RESISTANCE)
    copy[copy.length - 1] = 255
  })
  await speak.publish('atrion:sync', loud)
  await node.feels('pay')
  const { resistance, mode } = node.decide('pay')
  t.true(resistance < 100, `R = ${resistance}`)
  t.not(mode, 'CIRCUIT_BREAKER')
})

test('a flood of unknown routes makes no table grow', async (t) => {
  const origin = await server(t)
  const maxRoutes = 1000
  const node = await Node.connected(t, { port: origin.port }, { maxRoutes })
  const speaker = await Node.connected(t, { port: origin.port })
  const good = byNobody(await overheard(t, origin, speaker, 'pay'))
  const speak = await stranger(t, origin)
  const word = good.subarray(HEADER_BYTES)
  const random = randomOf(11)
  for (let message = 0; message < 20; message++) {
    const words = Array.from({ length: 2000 }, () =>
      changed(word, (copy) => {
        copy.writeUInt32LE(Math.floor(random() * 2 ** 32), 0)
        copy.writeUInt32LE(Math.floor(random() * 2 ** 32), 4)
        copy.writeFloatLE(50, 8)
      }),
    )
    const header = changed(good.subarray(0, HEADER_BYTES), (copy) => void copy.writeUInt32LE(words.length, WORDS))
    await speak.publish('atrion:sync', byNobody(Buffer.concat([header, ...words]), BigInt(message)))
  }
  await speaker.hurt('after')
  await node.feels('after')
  t.true(node.atrion.getRoutes().length <= 3, node.atrion.getRoutes().join())
  t.is(dropped(node).malformed, 0)
  t.deepEqual(node.turns, [])
})

test('more nodes than there can be: a crowd of strangers displaces no node for long', async (t) => {
  const origin = await server(t)
  const [speaker, node] = [
    await Node.connected(t, { port: origin.port }),
    await Node.connected(t, { port: origin.port }),
  ]
  const good = await overheard(t, origin, speaker, 'pay')
  const speak = await stranger(t, origin)
  for (let id = 1n; id <= 5000n; id++) await speak.publish('atrion:sync', byNobody(good, id))
  t.true(Number.isFinite(node.resistanceOf('pay')))
  await speaker.hurt('after')
  await node.feels('after')
  t.deepEqual(node.turns, [])
})

test('a store full of other things: what a node wrote is found, the rest is skipped and left alone', async (t) => {
  const origin = await server(t)
  const { port } = origin
  const first = await Node.connected(t, { port })
  await first.hurt('pay')
  await first.atrion.disconnect()
  const client = await stranger(t, origin)
  const [key] = await client.keys('atrion:state:*')
  const id = key.slice('atrion:state:'.length)
  // Not a hash; a hash of a name that is none; fields of which none is a record.
  await client.set('atrion:state:text', 'x')
  await client.set(`atrion:state:${'0'.repeat(16)}:${id.slice(-2)}`, 'x')
  await client.hSet('atrion:state:', 'pay', 'x')
  await client.hSet(key, { a: 'x', b: '', c: 'x'.repeat(1000), ['d'.repeat(100_000)]: 'x' })
  await client.hSet(`atrion:state:ffffffffffffffff:${id.slice(-2)}`, { pay: Buffer.alloc(64, 0xff) })
  await client.sAdd('atrion:state:set', ['a', 'b'])
  const before = (await client.dbSize()) > 0 && (await client.keys('*')).sort()

  const late = await Node.connected(t, { port })
  t.true(late.scarOf('pay') > 1)
  t.true(late.provider.stats().droppedRecords >= 4)
  t.deepEqual(late.atrion.getRoutes(), ['pay'])
  t.deepEqual((await client.keys('*')).sort(), before)
  t.deepEqual([...late.turns, ...late.warnings], [])
})
