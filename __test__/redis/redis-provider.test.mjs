// RedisStateProvider by itself: the port that every provider has, its options, and what it leaves in Redis.
import { RedisClusterProvider, RedisStateProvider } from 'atrion'
import { testProvider } from 'atrion/testing'
import test from 'ava'
import { which } from '../../scripts/lib/packages.mjs'
import { until } from '../_redis/nodes.mjs'
import { proxyTo } from '../_redis/proxy.mjs'
import { single } from '../_redis/servers.mjs'

const servers = {}
test.before(async () => {
  servers.redis = await single()
  if (which('valkey-server') !== undefined) servers.valkey = await single({ command: 'valkey-server' })
})
test.after.always(() => Promise.all(Object.values(servers).map((server) => server.stop())))

testProvider(test, () => new RedisStateProvider(servers.redis.url), { title: 'Redis' })
if (which('valkey-server') !== undefined) {
  testProvider(test, () => new RedisStateProvider(servers.valkey.url), { title: 'Valkey' })
}

const VECTOR = Object.freeze({ scar: 12.5, momentumScalar: 0.001, lastTick: 7, resistance: 33 })

const connected = async (t, ...args) => {
  const provider = new RedisStateProvider(...args)
  t.teardown(() => provider.disconnect())
  await provider.connect()
  return provider
}

const stopped = async (t, starting) => {
  const server = await starting
  t.teardown(() => server.stop())
  return server
}

test('a URL names user, password and database', async (t) => {
  const args = ['--user', 'ann', 'on', '>p@ss:w/rd', '~*', '&*', '+@all']
  const server = await stopped(t, single({ args }))
  const url = `redis://ann:${encodeURIComponent('p@ss:w/rd')}@127.0.0.1:${server.port}/3`
  const provider = await connected(t, url)
  await provider.updateVector('pay', VECTOR)
  t.is(await server.cli('-n', 3, 'dbsize'), '1')
  t.is(await server.cli('-n', 0, 'dbsize'), '0')
  const same = await connected(t, {
    host: '127.0.0.1',
    port: server.port,
    username: 'ann',
    password: 'p@ss:w/rd',
    db: 3,
  })
  t.deepEqual(await same.getVector('pay'), VECTOR)
})

test('nodes of another prefix and channel are other nodes', async (t) => {
  const server = await stopped(t, single())
  const [one, other] = await Promise.all([
    connected(t, { port: server.port, keyPrefix: 'one[*]:', channel: 'one' }),
    connected(t, { port: server.port, keyPrefix: 'one?', channel: 'other' }),
  ])
  await one.updateVector('pay', VECTOR)
  t.is(await other.getVector('pay'), null)
  t.deepEqual(await other.listRoutes(), [])
  const late = await connected(t, { port: server.port, keyPrefix: 'one[*]:', channel: 'one' })
  t.deepEqual(await late.listRoutes(), ['pay'])
  t.true((await server.cli('--scan')).split('\n').every((key) => key.startsWith('one[*]:')))
})

test('records expire, and are listed by SCAN, never by KEYS', async (t) => {
  const server = await stopped(t, single())
  const provider = await connected(t, { port: server.port, expireMs: 60_000 })
  for (let i = 0; i < 100; i++) await provider.updateVector(`route ${i}`, VECTOR)
  const keys = (await server.cli('--scan')).split('\n')
  t.true(keys.length > 1)
  for (const key of keys) {
    const leftMs = Number(await server.cli('pttl', key))
    t.true(leftMs > 0 && leftMs <= 60_000, `${key}: ${leftMs}`)
  }
  t.is((await (await connected(t, server.url)).listRoutes()).length, 100)
  const stats = await server.cli('info', 'commandstats')
  t.regex(stats, /cmdstat_scan:/)
  t.notRegex(stats, /cmdstat_(keys|eval|flush|config|smembers|hgetall):/)
})

test('disconnect() writes what is under way', async (t) => {
  const server = await stopped(t, single())
  const provider = await connected(t, server.url)
  const writing = Array.from({ length: 500 }, (_, i) => provider.updateVector(`route ${i}`, VECTOR))
  await provider.disconnect()
  await Promise.allSettled(writing)
  t.is((await (await connected(t, server.url)).listRoutes()).length, 500)
})

test('before connect() and after disconnect() every call rejects with ConnectionError', async (t) => {
  const server = await stopped(t, single())
  const provider = new RedisStateProvider(server.url)
  const refused = async () => {
    const calls = [
      () => provider.getVector('pay'),
      () => provider.updateVector('pay', VECTOR),
      () => provider.deleteVector('pay'),
      () => provider.listRoutes(),
    ]
    for (const call of calls) await t.throwsAsync(call, { code: 'ATRION_CONNECTION' })
  }
  await refused()
  await provider.connect()
  await provider.updateVector('pay', VECTOR)
  await provider.disconnect()
  await refused()
  await provider.connect()
  t.deepEqual(await provider.getVector('pay'), VECTOR)
  await provider.disconnect()
})

test('calls during trouble reject rather than wait for ever, and work again after it', async (t) => {
  const server = await stopped(t, single())
  const proxy = await stopped(t, proxyTo(server.port))
  const provider = await connected(t, { port: proxy.port, connectTimeoutMs: 1000, required: false })
  const write = () => provider.updateVector('pay', VECTOR)
  // On a busy machine an attempt to connect may miss its limit, and another one follows.
  await until(
    () =>
      write().then(
        () => true,
        () => false,
      ),
    'a write',
  )
  proxy.halfOpen()
  await t.throwsAsync(provider.getVector('pay'))
  await t.throwsAsync(write())
  proxy.heal()
  const again = await until(() => provider.getVector('pay').catch(() => undefined), 'an answer')
  t.deepEqual(again, VECTOR)
})

test('stats() counts what went over the link', async (t) => {
  const server = await stopped(t, single())
  const [one, other] = [await connected(t, server.url), await connected(t, server.url)]
  await one.updateVector('pay', VECTOR)
  await until(() => other.stats().receivedRoutes > 0, 'a word')
  t.true(one.stats().sentMessages >= 1 && one.stats().sentBytes > 20)
  t.is(one.stats().storedRoutes, 1)
  await until(() => other.stats().nodes === 1, 'one other node')
  t.is(other.stats().reconnects, 0)
  const clients = await server.cli('client', 'list')
  // Two nodes with at most two connections each, and the command line.
  t.true(clients.split('\n').length <= 5, clients)
})

test('the provider under the name and with the options of version 2', async (t) => {
  const server = await stopped(t, single())
  const provider = new RedisClusterProvider({
    redis: { url: server.url },
    sync: { interval: 50, channel: 'old' },
    gamma: 0.5,
  })
  t.teardown(() => provider.disconnect())
  t.is(provider.intervalMs, 50)
  t.is(provider.gamma, 0.5)
  await provider.connect()
  t.is(await server.cli('pubsub', 'channels', 'old'), 'old')
  t.true(provider instanceof RedisStateProvider)
})

const WRONG = [
  [7, undefined],
  ['http://localhost', undefined],
  ['redis://localhost:99999', undefined],
  ['redis://localhost/x', undefined],
  [{ port: 0 }, 'port'],
  [{ port: '6379' }, 'port'],
  [{ host: '' }, 'host'],
  [{ db: -1 }, 'db'],
  [{ db: 1.5 }, 'db'],
  [{ gamma: 1.1 }, 'gamma'],
  [{ gamma: Number.NaN }, 'gamma'],
  [{ intervalMs: 0 }, 'intervalMs'],
  [{ intervalMs: '100' }, 'intervalMs'],
  [{ connectTimeoutMs: 0 }, 'connectTimeoutMs'],
  [{ expireMs: -1 }, 'expireMs'],
  [{ required: 'yes' }, 'required'],
  [{ keyPrefix: 7 }, 'keyPrefix'],
  [{ channel: '' }, 'channel'],
  [{ cluster: [] }, 'cluster'],
  [{ cluster: ['a:1'], db: 1 }, 'db'],
  [{ intervall: 100 }, 'intervall'],
  [{ cluster: ['a:1'], sentinel: { name: 'm', sentinels: ['a:1'] } }, 'cluster'],
  [{ tls: { ca: 'no certificate' } }, 'tls.ca'],
  [{ tls: { key: '-----BEGIN ' } }, 'tls.cert'],
]

for (const [options, field] of WRONG) {
  test(`refused at construction: ${JSON.stringify(options)}`, (t) => {
    const error = t.throws(() => new RedisStateProvider(options), { code: 'ATRION_CONFIG' })
    if (field !== undefined) t.is(error.field, field)
    t.truthy(error.message)
  })
}
