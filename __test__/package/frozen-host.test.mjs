// Hosts that froze what every object inherits from, as SES does, or `node --frozen-intrinsics`: nothing that is inherited can be assigned to
// there. The package loads, decides, warns and guards a server.
import ava from 'ava'
import { endedWell, runCode } from '../_child.mjs'
import { engine } from '../_engine.mjs'

const test = engine === 'ts' ? ava.skip : ava

const FREEZE = `
  const classes = [Error, TypeError, RangeError, Object, Function, Array, Promise, Map, Set, WeakMap, Date, RegExp, String, Number, Uint8Array]
  for (const { prototype } of classes) Object.freeze(prototype)`

const ENTRIES = [
  '',
  '/core',
  '/fleet',
  '/simulation',
  '/testing',
  '/studio',
  '/devtools',
  '/hooks',
  '/wasm',
  '/wasm/inline',
]
const ADAPTERS = [
  '/http',
  '/express',
  '/koa',
  '/hono',
  '/fastify',
  '/fetch',
  '/undici',
  '/upstream',
  '/channels',
  '/otel',
  '/prometheus',
]

const CALLS = `
  const assert = require('node:assert')
  const { Atrion, ShedError, ConfigError, isShedError } = require('atrion')
  const atrion = new Atrion({ engine: process.env.ATRION_ENGINE })
  assert.equal(atrion.route('constructor', { latencyMs: 5 }).allow, true)
  assert.equal(atrion.routeBatch(['toString', 'name'], new Float64Array(6)).length, 2)
  for (const routeId of ['constructor', 'toString', 'valueOf', 'name', 'then', '__proto__']) {
    const permit = atrion.acquire(routeId)
    assert.equal(permit.allow, true)
    permit.release('success')
    assert.ok(atrion.stats(routeId))
  }
  const later = []
  later.push(atrion.run('run', async () => 5).then((five) => assert.equal(five, 5)))
  later.push(atrion.enter('enter', { maxWaitMs: 10 }).then((permit) => permit.release('failure')))
  later.push(atrion.startTask('lease', { timeout: 1e6 }).then((lease) => lease.release()))
  atrion.override('shed', 'open')
  later.push(assert.rejects(atrion.run('shed', () => 1), (error) => error instanceof ShedError && error.name === 'ShedError' && error.status === 503))
  assert.throws(() => new Atrion({ defaultVoltage: -1 }), ({ name, stack }) => name === 'ConfigError' && stack.startsWith('ConfigError: '))
  assert.throws(() => require('atrion/hooks').vueComposable(undefined), { name: 'ConfigError' })
  atrion.configure('constructor', { slo: { maxAcceptableLatencyMs: 900 } })
  assert.ok([...atrion.metrics()].length > 5)
  const swarm = atrion.createSwarm('agents', { budget: { requests: 1 } })
  later.push(swarm.run({}, () => 1).then(() => swarm.close()))
  new (require('atrion/fleet').Fleet)(3).tick()`

/** A framework may itself not load in such a host: it is there first. */
const SERVE = `
  const express = require('express'), Koa = require('koa'), { Hono } = require('hono'), fastify = require('fastify')(), http = require('node:http')
  const undici = require('undici')
  ${FREEZE}
  ${CALLS}
  const { once } = require('node:events')
  const options = { route: () => 'constructor', tier: () => 'emperor', key: () => { throw new Error('no key') } }
  const ask = async (listener) => {
    const server = http.createServer(listener).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const text = await new Promise((resolve, reject) =>
      http.get({ port: server.address().port, agent: false, headers: { connection: 'close' } }, (answer) => {
        let text = ''
        answer.on('data', (part) => { text += part }).on('end', () => resolve(text))
      }).on('error', reject))
    server.close()
    return text
  }
  const main = async () => {
    await Promise.all(later)
    assert.equal(await ask(require('atrion/http').atrionHttp(atrion, (request, response) => response.end('http'), options)), 'http')
    const app = express()
    app.use(require('atrion/express').atrionExpress(atrion, options)).get('/', (request, response) => response.end('express'))
    assert.equal(await ask(app), 'express')
    const koa = new Koa()
    koa.use(require('atrion/koa').atrionKoa(atrion, options)).use((context) => { context.body = 'koa' })
    assert.equal(await ask(koa.callback()), 'koa')
    const hono = new Hono()
    hono.use(require('atrion/hono').atrionHono(atrion, options)).get('/', (context) => context.text('hono'))
    assert.equal(await (await hono.request('/')).text(), 'hono')
    const handler = require('atrion/fetch').withAtrion(() => new Response('fetch'), { atrion, ...options })
    assert.equal(await (await handler(new Request('http://localhost/'))).text(), 'fetch')
    fastify.register(require('atrion/fastify').atrionFastify(atrion, options)).get('/', async () => 'fastify')
    assert.equal((await fastify.inject('/')).body, 'fastify')
    await fastify.close()
    await atrion.disconnect()
    console.log('served')
  }
  main()`

const commonJS = (code) =>
  `import { createRequire } from 'node:module'; const require = createRequire(process.cwd() + '/x.cjs');${code}`
const LOAD = [...ENTRIES, ...ADAPTERS].map((entry) => `require('atrion${entry}')`).join(';')

for (const [name, nodeOptions, before] of [
  ['frozen prototypes', [], FREEZE],
  ['--frozen-intrinsics', ['--frozen-intrinsics'], ''],
]) {
  test(`every entry loads, and the calls work: ${name}`, async (t) => {
    const code = `${before};${LOAD};${CALLS};Promise.all(later).then(() => atrion.disconnect()).then(() => console.log('done'))`
    const ended = await runCode(commonJS(code), { nodeOptions })
    endedWell(t, ended)
    t.is(ended.stdout.trim(), 'done')
  })
}

test('adapters guard servers whose host froze the prototypes, and warn of their callbacks', async (t) => {
  const ended = await runCode(commonJS(SERVE))
  endedWell(t, ended)
  t.is(ended.stdout.trim(), 'served')
  t.regex(ended.stderr, /AtrionWarning: the adapter's option 'tier' answered 'emperor'/)
  t.regex(ended.stderr, /AtrionWarning: the adapter's option 'key' threw: Error: no key/)
})
