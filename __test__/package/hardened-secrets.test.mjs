// No secret shows in an error, in what inspect() makes of it, or in a log; no name can forge a line of one.
import { inspect } from 'node:util'
import { Atrion, consoleLogger, consoleObserver, RedisClusterProvider, RedisStateProvider, SyncError } from 'atrion'
import anyTest from 'ava'
import { engine } from '../_engine.mjs'

// Some of these replace the console.
const test = anyTest.serial

const SECRET = 's3cret'
const URL_WITH = `redis://user:${SECRET}@127.0.0.1:1`

const REFUSED = {
  'a cluster beside sentinel': () =>
    new RedisStateProvider({ cluster: [URL_WITH], sentinel: { name: 'm', sentinels: ['h:1'] } }),
  'a cluster that is a string': () => new RedisStateProvider({ cluster: URL_WITH }),
  'a cluster of no seeds': () => new RedisStateProvider({ cluster: [`user:${SECRET}@:h:1:2`] }),
  'a cluster of objects': () => new RedisStateProvider({ cluster: [{ url: URL_WITH }] }),
  'a sentinel that is a string': () => new RedisStateProvider({ sentinel: URL_WITH }),
  'sentinels that are a string': () => new RedisStateProvider({ sentinel: { name: 'm', sentinels: URL_WITH } }),
  'sentinels that are URLs with a path': () =>
    new RedisStateProvider({ sentinel: { name: 'm', sentinels: [`${URL_WITH}/x`] } }),
  'a name of a sentinel that is none': () =>
    new RedisStateProvider({ sentinel: { name: [SECRET], sentinels: ['h:1'] } }),
  'a password that is an object': () => new RedisStateProvider({ password: { value: SECRET } }),
  'a user that is an array': () => new RedisStateProvider({ username: [SECRET] }),
  'a URL object': () => new RedisStateProvider({ url: new URL(URL_WITH) }),
  'a URL with a path': () => new RedisStateProvider(`${URL_WITH}/x`),
  'a URL with a slash in its password': () => new RedisStateProvider(`redis://u:${SECRET}/x@h:1`),
  'a URL without a scheme': () => new RedisStateProvider(`u:${SECRET}@h:1`),
  'a URL without slashes': () => new RedisStateProvider(`redis:u:${SECRET}`),
  'a URL of another scheme': () => new RedisStateProvider(`http://u:${SECRET}@h:1`),
  'a URL with parameters': () => new RedisStateProvider(`redis://h:1?password=${SECRET}`),
  'a URL with a fragment': () => new RedisStateProvider(`redis://h:1#${SECRET}`),
  'a URL as host': () => new RedisStateProvider({ host: URL_WITH }),
  'a host with a user': () => new RedisStateProvider({ host: `${SECRET}@h` }),
  'a list of hosts': () => new RedisStateProvider({ host: [URL_WITH] }),
  'a list of paths': () => new RedisStateProvider({ path: [URL_WITH] }),
  'a port with a URL': () => new RedisStateProvider({ port: URL_WITH }),
  'a database with a URL': () => new RedisStateProvider({ db: URL_WITH }),
  'a key for tls': () => new RedisStateProvider({ tls: `-----BEGIN PRIVATE KEY-----${SECRET}` }),
  'a key that is none': () => new RedisStateProvider({ tls: { key: SECRET, cert: 'x' } }),
  'a key that is an object': () => new RedisStateProvider({ tls: { key: { pem: SECRET } } }),
  'a servername in a cluster': () => new RedisStateProvider({ cluster: ['h:1'], tls: { servername: SECRET } }),
  'an array in place of options': () => new RedisStateProvider([URL_WITH]),
  'an array in place of a cluster provider’s options': () => new RedisClusterProvider({ redis: [URL_WITH] }),
  'a client that shows no options': () => new RedisStateProvider({ on() {}, options: URL_WITH, secret: SECRET }),
  'a URL as provider': () => new Atrion({ engine, provider: URL_WITH }),
  'options as provider': () => new Atrion({ engine, provider: { url: URL_WITH, password: SECRET } }),
  'a URL in place of options': () => new Atrion(URL_WITH),
  'a URL as logger': () => new Atrion({ engine, logger: URL_WITH }),
  'a URL as clock': () => new Atrion({ engine, clock: URL_WITH }),
}

for (const [what, make] of Object.entries(REFUSED)) {
  test(`refused without showing a secret: ${what}`, (t) => {
    const error = t.throws(make, { code: 'ATRION_CONFIG' })
    const shown = [error.message, inspect(error, { depth: 10, showHidden: true }), JSON.stringify(error), error.stack]
    for (const text of shown) t.false(text.includes(SECRET), text)
    t.truthy(error.field && error.range)
  })
}

test('options that are no secret still show', (t) => {
  const { message } = t.throws(() => new RedisStateProvider({ port: 99_999 }))
  t.is(message, 'port must be a number in [1, 65535], got 99999')
  t.throws(() => new Atrion({ engine: 'steam' }), { message: /got "steam"/ })
  t.throws(() => new RedisStateProvider({ host: 'localhost:6379' }), { message: /host .* without a port/ })
})

test('hosts of every kind are still taken', (t) => {
  for (const host of ['localhost', 'redis.internal', '10.0.0.1', '::1', 'fe80::1%eth0', 'my_host', 'höst.example']) {
    t.notThrows(() => new RedisStateProvider({ host }), host)
  }
  t.notThrows(() => new RedisStateProvider('redis://[::1]:6379/0'))
})

test('neither a provider nor its troubles show a password', async (t) => {
  const provider = new RedisStateProvider(URL_WITH)
  t.false(inspect(provider, { depth: 10, showHidden: true }).includes(SECRET))
  t.false((JSON.stringify(provider) ?? '').includes(SECRET))
  t.false(JSON.stringify(provider.stats()).includes(SECRET))
  const error = await t.throwsAsync(provider.connect(), { code: 'ATRION_CONNECTION' })
  t.false(inspect(error, { depth: 10, showHidden: true }).includes(SECRET))
})

// logs

const HOSTILE = 'GET /\n✅ forged OPERATIONAL\r\x1b[2J\x9b31m\u2028\u202egnp\u0000'

/** Returns the text that a call writes to the console. */
const written = (call) => {
  const lines = []
  const methods = ['debug', 'info', 'warn', 'error', 'log']
  const own = methods.map((name) => console[name])
  for (const name of methods) console[name] = (...args) => lines.push(args.map(String).join(' '))
  try {
    call()
  } finally {
    for (const [i, name] of methods.entries()) console[name] = own[i]
  }
  return lines
}

const event = {
  mode: 'OPERATIONAL',
  resistance: 10,
  momentum: 0,
  scarTissue: 0,
  decision: 'FLOW',
  deltaT: 0,
  timestamp: 0,
  pressureMagnitude: 0,
  tickCount: 1,
}

const HARMLESS = /^[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]*$/u

test('an observer on the console writes one line a tick, whatever the route is called', (t) => {
  for (const routeId of [HOSTILE, '\ud800', 'x'.repeat(1 << 20)]) {
    const lines = written(() => consoleObserver.onUpdate({ ...event, routeId }))
    t.is(lines.length, 1)
    t.regex(lines[0], HARMLESS)
    t.true(lines[0].length < 1000)
  }
  t.true(written(() => consoleObserver.onUpdate({ ...event, routeId: 'GET /users/:id' }))[0].includes('GET /users/:id'))
})

test('a logger on the console writes one line an entry, whatever the message holds', (t) => {
  for (const level of ['debug', 'info', 'warn', 'error']) {
    const [line, ...more] = written(() => consoleLogger[level](HOSTILE))
    t.deepEqual(more, [])
    t.regex(line, HARMLESS)
  }
})

test('texts and errors in a context are one line each, and what cannot be read is no error', (t) => {
  const unreadable = {
    get field() {
      throw new Error('a getter')
    },
  }
  for (const context of [{ text: HOSTILE }, { error: new Error(HOSTILE) }, { [HOSTILE]: 1 }, unreadable]) {
    const shown = []
    const { warn } = console
    console.warn = (...entry) => shown.push(entry)
    try {
      consoleLogger.warn('message', context)
    } finally {
      console.warn = warn
    }
    t.is(shown.length, 1)
    for (const [name, value] of Object.entries(shown[0][1])) t.regex(`${name} ${value}`, HARMLESS)
  }
})

test('an error that names a route is one line', (t) => {
  t.regex(new SyncError(HOSTILE).message, HARMLESS)
  t.regex(t.throws(() => new Atrion({ engine }).route('r', HOSTILE)).message, HARMLESS)
})
