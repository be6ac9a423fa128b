// A client that the application has already: where it connects to is read from it, its own connection is left alone.
import { RedisStateProvider } from 'atrion'
import test from 'ava'
import { Cluster, Redis } from 'ioredis'
import { createClient, createCluster, createSentinel } from 'redis'
import { cluster, sentinel, single, withTls } from '../_redis/servers.mjs'

const VECTOR = Object.freeze({ scar: 12.5, momentumScalar: 0.001, lastTick: 7, resistance: 33 })

const stopped = async (t, starting) => {
  const server = await starting
  t.teardown(() => server.stop())
  return server
}

/** An ioredis client that has not connected, and may never. */
const ioredis = (t, ...args) => {
  const client = new Redis(...args)
  client.on('error', () => {})
  t.teardown(() => client.disconnect())
  return client
}

/** Asserts that a provider made from settings finds what one made from a client writes. */
const reaches = async (t, client, settings) => {
  const [provider, other] = [new RedisStateProvider(client), new RedisStateProvider(settings)]
  t.teardown(() => Promise.all([provider.disconnect(), other.disconnect()]))
  await Promise.all([provider.connect(), other.connect()])
  await provider.updateVector('pay', VECTOR)
  t.deepEqual(await other.getVector('pay'), VECTOR)
}

const USER = ['--user', 'ann', 'on', '>s3cret', '~*', '&*', '+@all']

test('ioredis: host, port, user, password and database', async (t) => {
  const { port } = await stopped(t, single({ args: USER }))
  const settings = { port, host: '127.0.0.1', username: 'ann', password: 's3cret', db: 2 }
  const client = ioredis(t, { ...settings, lazyConnect: true })
  await reaches(t, client, settings)
  t.is(client.status, 'wait')
})

test('ioredis: one by URL, at work', async (t) => {
  const { port } = await stopped(t, single({ args: USER }))
  const client = ioredis(t, `redis://ann:s3cret@127.0.0.1:${port}/4`)
  await client.set('a', '1')
  await reaches(t, client, { port, username: 'ann', password: 's3cret', db: 4 })
  t.is(client.status, 'ready')
  t.is(await client.get('a'), '1')
})

test('ioredis: TLS', async (t) => {
  const { host, port, username, password, ca } = await stopped(t, withTls())
  const settings = { host, port, username, password, tls: { ca } }
  await reaches(t, ioredis(t, { ...settings, lazyConnect: true }), settings)
})

test('ioredis: a cluster', async (t) => {
  const { addresses, servers } = await stopped(t, cluster())
  const client = new Cluster(
    servers.map(({ host, port }) => ({ host, port })),
    { lazyConnect: true },
  )
  t.teardown(() => client.disconnect())
  await reaches(t, client, { cluster: addresses })
})

test('ioredis: Sentinel', async (t) => {
  const { name, watcher, master } = await stopped(t, sentinel({ password: 'sesame' }))
  const client = ioredis(t, {
    name,
    sentinels: [{ host: watcher.host, port: watcher.port }],
    sentinelPassword: 'sesame',
    lazyConnect: true,
  })
  await reaches(t, client, { port: master.port })
})

test('node-redis: by URL and by socket, connected or not', async (t) => {
  const { port } = await stopped(t, single({ args: USER }))
  const settings = { port, username: 'ann', password: 's3cret', db: 1 }
  await reaches(t, createClient({ url: `redis://ann:s3cret@127.0.0.1:${port}/1` }), settings)
  const client = createClient({
    socket: { host: '127.0.0.1', port },
    username: 'ann',
    password: 's3cret',
    database: 1,
  })
  await client.connect()
  t.teardown(() => client.destroy())
  await reaches(t, client, settings)
  t.is(await client.ping(), 'PONG')
})

test('node-redis: TLS', async (t) => {
  const { host, port, username, password, ca } = await stopped(t, withTls())
  const client = createClient({ socket: { host, port, tls: true, ca }, username, password })
  await reaches(t, client, { host, port, username, password, tls: { ca } })
})

test('node-redis: a cluster', async (t) => {
  const { addresses, servers } = await stopped(t, cluster())
  const client = createCluster({ rootNodes: servers.map(({ host, port }) => ({ socket: { host, port } })) })
  await reaches(t, client, { cluster: addresses })
})

test('node-redis: a Sentinel client shows nothing of where it connects to, and is refused with a word on what to do', (t) => {
  const client = createSentinel({ name: 'master', sentinelRootNodes: [{ host: '127.0.0.1', port: 26_379 }] })
  const error = t.throws(() => new RedisStateProvider(client), { code: 'ATRION_CONFIG' })
  t.regex(error.message, /give the options instead/)
})

test('an object that only resembles a client is refused', (t) => {
  for (const client of [{ options: {} }, { options: 'x', connect() {} }, { on() {} }, [], () => {}, null]) {
    t.throws(() => new RedisStateProvider(client), { code: 'ATRION_CONFIG' })
  }
})
