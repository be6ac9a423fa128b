// Documents in Redis: on every kind of server, with a secret and without one, while the server is away, and beside what others store.
import { createHmac } from 'node:crypto'
import { RedisStateProvider } from 'atrion'
import test from 'ava'
import { until } from '../_redis/nodes.mjs'
import { cluster, sentinel } from '../_redis/servers.mjs'
import { server, stranger } from '../_redis/stranger.mjs'

const PREFIX = 'atrion:state:'
const SECRET = 'a secret of the service'
const OTHER = 'another secret of it'

const keyOf = (name) => `${PREFIX}document:${name}`

const connected = async (t, redis) => {
  const provider = new RedisStateProvider(redis)
  t.teardown(() => provider.disconnect())
  await provider.connect()
  return provider
}

/** Replaces a document, whatever it is; its new version. */
const put = async (t, provider, name, text, options) => {
  const { version } = await provider.readDocument(name)
  t.true(await provider.writeDocument(name, version, text, options))
  const read = await provider.readDocument(name)
  t.is(read.text, text)
  return read.version
}

/** Resolves once the provider is called for that name. */
const written = (provider, name) =>
  new Promise((resolve) => {
    const stop = provider.watchDocuments((one) => {
      if (one !== name) return
      stop()
      resolve()
    })
  })

const hmac = (key, ...parts) => createHmac('sha256', key).update(Buffer.concat(parts)).digest()

/** The MAC, stated a second time. */
const macOf = (secret, { name, version, ttlMs = 0, text }) => {
  const numbers = Buffer.alloc(24)
  numbers.writeBigUInt64LE(BigInt(Buffer.byteLength(name)), 0)
  numbers.writeBigUInt64LE(BigInt(version), 8)
  numbers.writeBigUInt64LE(BigInt(ttlMs), 16)
  const key = hmac(secret, Buffer.from('atrion document 1\0'), Buffer.from(PREFIX))
  return hmac(key, numbers, Buffer.from(name), Buffer.from(text))
}

test('a document is a hash of its name: no route, not loaded, gone with its time to live', async (t) => {
  const origin = await server(t)
  const provider = await connected(t, origin.url)
  const client = await stranger(t, origin)
  const before = Date.now()
  const version = await put(t, provider, 'swarm:{a} b', 'text')
  t.true(version >= before - 1 && version <= Date.now() + 1, 'the machine is the same, and so is the clock')
  t.deepEqual({ ...(await client.hGetAll(keyOf('swarm:{a} b'))) }, { version: `${version}`, text: 'text' })
  t.is(await client.pTTL(keyOf('swarm:{a} b')), -1)
  await put(t, provider, 'swarm:{a} b', 'short', { ttlMs: 300_000 })
  const leftMs = await client.pTTL(keyOf('swarm:{a} b'))
  t.true(leftMs > 300_000 && leftMs <= 360_000, 'a minute longer, so that its version is known')
  await put(t, provider, 'swarm:{a} b', 'long')
  t.is(await client.pTTL(keyOf('swarm:{a} b')), -1)
  t.deepEqual(await provider.listRoutes(), [])
  const late = await connected(t, origin.url)
  t.like(late.stats(), { loadedRoutes: 0, droppedRecords: 0, droppedUnsigned: 0 })
})

test('before connect() and after disconnect() documents are neither read nor written', async (t) => {
  const origin = await server(t)
  const provider = new RedisStateProvider(origin.url)
  const rejected = async () => {
    await t.throwsAsync(provider.readDocument('a'), { code: 'ATRION_CONNECTION' })
    await t.throwsAsync(provider.writeDocument('a', 0, ''), { code: 'ATRION_CONNECTION' })
  }
  await rejected()
  await provider.connect()
  await put(t, provider, 'a', 'text')
  await provider.disconnect()
  await rejected()
  await t.throwsAsync(provider.writeDocument('a', 0, 7), { code: 'ATRION_CONFIG' })
})

test('while the server is away reads and writes reject, and they work again when it is back', async (t) => {
  const origin = await server(t)
  const provider = await connected(t, { url: origin.url, required: false })
  const version = await put(t, provider, 'a', 'text')
  origin.pause()
  const paused = [provider.readDocument('a'), provider.writeDocument('a', version, 'x')]
  for (const pending of paused) await t.throwsAsync(pending, { code: 'ATRION_CONNECTION' })
  await t.throwsAsync(provider.readDocument('a'), { code: 'ATRION_CONNECTION' })
  origin.resume()
  await until(async () => (await provider.readDocument('a').catch(() => undefined))?.version > 0, 'a read')
  const { text } = await provider.readDocument('a')
  t.true(text === 'text' || text === 'x', 'a write whose answer was lost may have been made')

  await origin.kill()
  await until(() => provider.stats().state === 'degraded', 'that the loss is noticed')
  await t.throwsAsync(provider.readDocument('a'), { code: 'ATRION_CONNECTION' })
  await t.throwsAsync(provider.writeDocument('a', 0, ''), { code: 'ATRION_CONNECTION' })
  await origin.restart()
  await until(() => provider.stats().state === 'healthy', 'a connection')
  t.like(await provider.readDocument('a'), { version: 0, text: null })
  await put(t, provider, 'a', 'again')
})

for (const secret of [undefined, SECRET]) {
  const how = secret === undefined ? 'without a secret' : 'with a secret'
  test(`watchers are called for the writes of other nodes and of their own provider, ${how}`, async (t) => {
    const origin = await server(t)
    const redis = { port: origin.port, ...(secret && { secret }) }
    const [here, there] = [await connected(t, redis), await connected(t, redis)]
    const [own, others] = [written(here, 'a'), written(there, 'a')]
    await put(t, here, 'a', 'text')
    await Promise.all([own, others])
    const names = []
    const stop = there.watchDocuments((name) => names.push(name))
    // One call for each name that JavaScript has not been called with yet.
    const last = written(there, 'last')
    for (let n = 0; n < 50; n++) await put(t, here, 'many', `${n}`)
    await put(t, here, 'last', '')
    await last
    t.true(names.includes('many') && names.length <= 51)
    stop()
    t.is(here.stats().droppedMalformed + there.stats().droppedMalformed, 0)
  })
}

test('documents on a cluster: each is on the server of its slot, and notices reach the nodes on all', async (t) => {
  const servers = await cluster()
  t.teardown(() => servers.stop())
  const here = await connected(t, { cluster: [servers.addresses[0]] })
  const there = await connected(t, { cluster: [servers.addresses[2]] })
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f', '{a}b']) {
    const heard = written(there, name)
    await put(t, here, name, `text of ${name}`)
    await heard
    t.is((await there.readDocument(name)).text, `text of ${name}`)
  }
  const sizes = await Promise.all(servers.servers.map((one) => one.cli('dbsize')))
  t.true(sizes.filter((size) => Number(size) > 0).length > 1, `${sizes}`)
  await servers.reshard(servers.servers[0], servers.servers[1], 2000)
  await until(async () => {
    const read = await here.readDocument('a').catch(() => undefined)
    return read?.text === 'text of a'
  }, 'the document after slots moved')
})

test('documents behind Sentinel: a failover loses no version that the replica had', async (t) => {
  const group = await sentinel()
  t.teardown(() => group.stop())
  const address = `${group.watcher.host}:${group.watcher.port}`
  const provider = await connected(t, { sentinel: { name: group.name, sentinels: [address] }, secret: SECRET })
  const version = await put(t, provider, 'a', 'text')
  await until(async () => (await group.replica.cli('hget', keyOf('a'), 'text')) === 'text', 'a replica in step')
  await group.failOver()
  const read = await until(() => provider.readDocument('a').catch(() => undefined), 'the new master')
  t.is(read.text, 'text')
  t.true(read.version >= version)
  await put(t, provider, 'a', 'after it')
})

test('with a secret a document without the MAC of a node cannot be read', async (t) => {
  const origin = await server(t)
  const client = await stranger(t, origin)
  const [node, plain] = [
    await connected(t, { port: origin.port, secret: SECRET }),
    await connected(t, { port: origin.port }),
  ]
  const version = await put(t, node, 'a', 'text')
  const { mac } = await client.withTypeMapping({ 36: Buffer }).hGetAll(keyOf('a'))
  t.deepEqual(mac, macOf(SECRET, { name: 'a', version, text: 'text' }))
  t.is((await plain.readDocument('a')).text, 'text', 'a node without a secret reads it')
  await plain.disconnect()
  const { droppedUnsigned } = node.stats()

  /** Stores fields in place of a document, and returns the reason for which it cannot be read. */
  const reasonOf = async (name, fields) => {
    await client.del(keyOf(name))
    await client.hSet(keyOf(name), fields)
    const error = await t.throwsAsync(node.readDocument(name), { code: 'ATRION_PARSE' })
    t.true(error.message.includes(`document "${name}"`) && error.message.includes(keyOf(name)), error.message)
    return error.message
  }
  const next = version + 1000
  const right = macOf(SECRET, { name: 'b', version: next, text: 'text' })
  const fields = { version: `${next}`, text: 'text', mac: right }
  await client.hSet(keyOf('b'), fields)
  t.is((await node.readDocument('b')).text, 'text', 'the MAC of the test is one of the nodes')
  t.regex(await reasonOf('c', { version: fields.version, text: 'text' }), /no MAC/)
  t.regex(await reasonOf('c', fields), /by none of the secrets/, 'moved to another name')
  t.regex(await reasonOf('b', { ...fields, text: 'TEXT' }), /by none/)
  t.regex(await reasonOf('b', { ...fields, version: `${next + 1}` }), /by none/)
  t.regex(await reasonOf('b', { ...fields, ttl: '600000' }), /by none/)
  t.regex(await reasonOf('b', { ...fields, mac: right.subarray(1) }), /by none/)
  t.regex(await reasonOf('b', { ...fields, mac: macOf(OTHER, { name: 'b', version: next, text: 'text' }) }), /by none/)
  t.like(node.stats(), { droppedUnsigned: droppedUnsigned + 1, droppedForged: 6, droppedReplayed: 0 })
  t.false(await node.writeDocument('b', next + 7, 'x'))
  t.true(await node.writeDocument('b', 0, 'again'))
  const again = await node.readDocument('b')
  t.is(again.text, 'again')
  t.true(again.version > version)
  // A version that no clock has, without the MAC of a node, does not stay either.
  await client.hSet(keyOf('b'), { version: `${2 ** 53 - 1}`, text: 'x' })
  t.true(await node.writeDocument('b', 0, 'and again'))
  const last = await node.readDocument('b')
  t.is(last.text, 'and again')
  t.true(last.version > again.version && last.version < Date.now() + 3_600_000)
})

test('with a secret an older document gives way to the newest that the node knows', async (t) => {
  const origin = await server(t)
  const client = await stranger(t, origin)
  const node = await connected(t, { port: origin.port, secret: SECRET })
  const binary = client.withTypeMapping({ 36: Buffer })
  const replay = async (name, fields) => {
    await client.del(keyOf(name))
    await client.hSet(keyOf(name), fields)
  }
  await put(t, node, 'a', 'old')
  const old = { ...(await binary.hGetAll(keyOf('a'))) }
  const version = await put(t, node, 'a', 'new')
  await replay('a', old)
  const read = await node.readDocument('a')
  t.is(read.text, 'new')
  t.true(read.version > version)
  t.is(await client.hGet(keyOf('a'), 'text'), 'new')
  t.false(await node.writeDocument('a', Number(old.version), 'x'))
  t.is(node.stats().droppedReplayed, 1)
  // A node that knows only the old one, or nothing, reads the one that was restored.
  t.is((await (await connected(t, { port: origin.port, secret: SECRET })).readDocument('a')).text, 'new')

  await put(t, node, 'short', 'old')
  const lasting = { ...(await binary.hGetAll(keyOf('short'))) }
  await put(t, node, 'short', 'new', { ttlMs: 1000 })
  await until(async () => (await node.readDocument('short')).version === 0, 'that it expires')
  await replay('short', lasting)
  await until(async () => (await node.readDocument('short')).version === 0, 'that the old one is gone as well')
  await put(t, node, 'short', 'again')
})

test('a secret is replaced without a gap', async (t) => {
  const origin = await server(t)
  const nodes = []
  for (const secret of [SECRET, [SECRET, OTHER], [OTHER, SECRET], OTHER]) {
    nodes.push(await connected(t, { port: origin.port, secret }))
  }
  for (let n = 0; n + 1 < nodes.length; n++) {
    const version = await put(t, nodes[n], 'a', `${n}`)
    t.is((await nodes[n + 1].readDocument('a')).version, version)
  }
  await put(t, nodes.at(-1), 'a', 'end')
  await t.throwsAsync(nodes[0].readDocument('a'), { code: 'ATRION_PARSE' })
})

test('a version that is far ahead of the clock goes on from there', async (t) => {
  const origin = await server(t)
  const client = await stranger(t, origin)
  const ahead = Date.now() + 3_600_000
  for (const secret of [undefined, SECRET]) {
    const name = `ahead ${secret}`
    const node = await connected(t, { port: origin.port, ...(secret && { secret }) })
    const mac = secret === undefined ? {} : { mac: macOf(secret, { name, version: ahead, text: 'text' }) }
    await client.hSet(keyOf(name), { version: `${ahead}`, text: 'text', ...mac })
    t.is(await put(t, node, name, 'next'), ahead + 1)
    t.is(await put(t, node, name, 'and next'), ahead + 2)
    // It expires by its own version, and the one after it has a higher one.
    t.true(await node.writeDocument(name, ahead + 2, 'short', { ttlMs: 1 }))
    t.is((await node.readDocument(name)).version, ahead + 3)
    t.true((await client.pTTL(keyOf(name))) > 3_500_000)
  }
})

test('anything else under the key of a document is not read, and the next document takes its place', async (t) => {
  const origin = await server(t)
  const client = await stranger(t, origin)
  const node = await connected(t, origin.url)
  const bad = [
    { version: 'nan', text: '' },
    { version: '-1', text: '' },
    { version: '1e3', text: '' },
    { version: '9007199254740993', text: '' },
    { version: '5' },
    { version: '5', text: 'x'.repeat(2 ** 20 + 1) },
    { version: '5', text: Buffer.from([0xff]) },
    { version: '5', text: '', ttl: 'soon' },
  ]
  const put = [
    ...bad.map((fields) => (key) => client.hSet(key, fields)),
    (key) => client.set(key, 'x'),
    (key) => client.rPush(key, ['x', 'y']),
    (key) => client.zAdd(key, { score: 1, value: 'x' }),
  ]
  for (const [n, damage] of put.entries()) {
    const what = JSON.stringify(bad[n] ?? n).slice(0, 60)
    await damage(keyOf(`${n}`))
    const error = await t.throwsAsync(node.readDocument(`${n}`), { code: 'ATRION_PARSE' }, what)
    t.true(error.message.includes(keyOf(`${n}`)), error.message)
    t.false(await node.writeDocument(`${n}`, 77, 'x'), what)
    const startedMs = Date.now()
    // Of all who replace it one does.
    const written = await Promise.all(['a', 'b', 'c'].map((text) => node.writeDocument(`${n}`, 0, text)))
    t.is(written.filter(Boolean).length, 1, what)
    const { version, text } = await node.readDocument(`${n}`)
    t.is(text, 'abc'[written.indexOf(true)], what)
    t.true(version >= startedMs - 60_000 && version < startedMs + 3_600_000, `${what}: ${version}`)
    t.true(await node.writeDocument(`${n}`, version, 'next', { ttlMs: 60_000 }), what)
    t.true((await client.pTTL(keyOf(`${n}`))) > 60_000)
  }
  t.is(node.stats().droppedRecords, put.length)
  t.is(node.stats().state, 'healthy')
  // A field that no document has is left alone.
  await client.hSet(keyOf('more'), { version: '5', text: 'text', more: 'x' })
  t.is((await node.readDocument('more')).text, 'text')
})

test('a flood of notices and of requests leaves the node as it was', async (t) => {
  const origin = await server(t)
  const client = await stranger(t, origin)
  const node = await connected(t, origin.url)
  const names = new Set()
  node.watchDocuments((name) => names.add(name))
  const notice = (name) => Buffer.concat([Buffer.from('At\x01\x02'), Buffer.alloc(8, 7), Buffer.from(name)])
  const malformed = [notice(''), notice('x'.repeat(257)), Buffer.concat([notice('x'), Buffer.from([0xff])])]
  for (const bytes of [...malformed, Buffer.from('At\x01\x03')]) await client.publish('atrion:sync', bytes)
  const messages = Array.from({ length: 5000 }, (_, n) => notice(`flood ${n}`))
  await Promise.all(messages.map((bytes) => client.publish('atrion:sync', bytes)))
  await client.publish('atrion:sync', notice('end'))
  await until(() => node.stats().droppedMalformed === 4, 'that malformed notices are counted')
  const requests = await Promise.allSettled(Array.from({ length: 3000 }, () => node.readDocument('a')))
  const refused = requests.filter(({ status }) => status === 'rejected')
  for (const { reason } of refused) t.is(reason.code, 'ATRION_SYNC')
  t.true(requests.length - refused.length >= 1000)
  await put(t, node, 'a', 'text')
  await until(() => names.size > 0, 'some of the notices')
})
