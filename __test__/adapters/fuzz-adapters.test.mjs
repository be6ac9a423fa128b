// Requests as no client sends them, over raw sockets, against every framework: the server answers good requests afterwards,
// nothing stays in flight, and the names of routes stay few.
import { once } from 'node:events'
import net from 'node:net'
import { setImmediate as turnOf } from 'node:timers/promises'
import test from 'ava'
import { ask, CALM, close, create, until } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'
import { FRAMEWORKS } from '../_frameworks.mjs'
import { PATIENCE_MS } from '../_patience.mjs'
import fc, { SEED } from '../_random.mjs'

const serial = engine === 'ts' ? test.skip : test.serial

/** Requests a framework is sent, and those that are under way at once. */
const REQUESTS = Number(process.env.FUZZ_REQUESTS ?? 160)
const AT_ONCE = 8
/** The names that GET, POST and the odd methods of /a, /b and of what is no route make. */
const MOST_ROUTES = 64

const token = fc.string({ unit: fc.constantFrom(...'abzAZ019-_%$.~'), minLength: 1, maxLength: 12 })
const junk = fc.string({ unit: 'binary', maxLength: 40 })
const path = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom('/a', '/b', '/A', '/a/', '//a', '/a?x=1', '/%61', '/a%', '/a;b', '/../a', '*', '/c'),
  },
  fc.array(token, { maxLength: 4 }).map((parts) => `/${parts.join('/')}`),
  fc.integer({ min: 1, max: 5 }).map((n) => `/${'x'.repeat(10 ** n)}`),
  junk.map((text) => `/${text.replace(/[\r\n ]/g, '')}`),
)
const header = fc.oneof(
  fc.tuple(
    fc.constantFrom('x-atrion-tier', 'x-tier', 'x-key'),
    fc.oneof(junk, fc.constantFrom('critical', 'bulk', '__proto__')),
  ),
  fc.tuple(fc.constant('x-atrion-voltage'), fc.constantFrom('1e309', '-1', 'NaN', '0x10', '99999', '')),
  fc.constantFrom(
    ['content-length', '5'],
    ['content-length', '-1'],
    ['content-length', '99999999'],
    ['transfer-encoding', 'chunked'],
    ['expect', '100-continue'],
    ['connection', 'upgrade'],
    ['upgrade', 'websocket'],
    ['accept', 'text/event-stream'],
    ['content-type', 'application/json'],
    ['priority', 'u=9, i'],
  ),
  fc.tuple(token, junk),
)
const request = fc.record({
  method: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('GET', 'POST') },
    fc.constantFrom('HEAD', 'OPTIONS', 'PUT', 'DELETE', 'CONNECT', 'TRACE', 'PROPFIND', 'get', 'X'),
  ),
  path,
  version: fc.constantFrom('1.1', '1.1', '1.1', '1.0', '2.0', '0.9'),
  headers: fc.array(header, { maxLength: 6 }),
  body: fc.oneof(fc.constant(''), fc.constantFrom('{"a":1}', '5\r\nhello\r\n0\r\n\r\n', 'zz\r\n', 'hello'), junk),
  /** The places where the text is cut, and the client's action there. */
  cut: fc.double({ min: 0, max: 1, noNaN: true }),
  end: fc.constantFrom('whole', 'whole', 'half-close', 'reset', 'split'),
})

const textOf = ({ method, path: target, version, headers, body }) =>
  `${method} ${target} HTTP/${version}\r\nHost: test\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`

/** Each framework hands over a request of its own. */
const headerOf = (it, name) => it.req?.header?.(name) ?? it.headers?.[name]

/** Sends a request the way it says, and goes as soon as anything was answered, or the server hung up. */
const send = async (server, it) => {
  const socket = net.connect(server.address().port, '127.0.0.1')
  socket.on('error', () => {})
  const closed = new Promise((resolve) => socket.once('close', resolve))
  await Promise.race([once(socket, 'connect').catch(() => {}), closed])
  const bytes = Buffer.from(textOf(it), 'latin1')
  const cut = Math.floor(bytes.length * it.cut)
  const answered = new Promise((resolve) => socket.once('data', resolve))
  if (it.end === 'reset' || it.end === 'half-close') {
    socket.write(bytes.subarray(0, cut))
    await turnOf()
    if (it.end === 'reset') socket.resetAndDestroy()
    else socket.end()
  } else {
    socket.write(it.end === 'split' ? bytes.subarray(0, cut) : bytes)
    await turnOf()
    if (it.end === 'split') socket.write(bytes.subarray(cut))
    // A request that waits for the rest of itself is left, which is what its client does as well.
    const left = setTimeout(() => socket.destroy(), 25)
    await Promise.race([answered, closed])
    clearTimeout(left)
    socket.destroy()
  }
  await closed
}

for (const [name, start] of Object.entries(FRAMEWORKS)) {
  serial(`${name}: hostile requests leave nothing behind`, async (t) => {
    t.timeout(PATIENCE_MS)
    const atrion = create()
    const uncaught = []
    const note = (error) => uncaught.push(error)
    process.on('unhandledRejection', note)
    t.teardown(() => process.off('unhandledRejection', note))
    const options = {
      ...CALM,
      tier: (it) => headerOf(it, 'x-tier'),
      key: (it) => headerOf(it, 'x-key'),
      trustHeaders: true,
      ...(name === 'http' && { route: ({ method }) => method }),
    }
    const server = await start(atrion, options, async () => 'good')
    t.teardown(() => close(server))
    t.log(`seed ${SEED}`)
    const requests = fc.sample(request, { numRuns: REQUESTS, seed: SEED })
    const lane = async () => {
      for (let it = requests.pop(); it !== undefined; it = requests.pop()) await send(server, it)
    }
    await Promise.all(Array.from({ length: AT_ONCE }, lane))
    for (const asked of ['/a', '/b']) {
      const { status, body } = await ask(server, asked)
      t.is(status, 200)
      t.is(body, 'good')
    }
    const routes = atrion.getRoutes()
    t.true(routes.length <= MOST_ROUTES, `${routes.length} routes: ${routes.slice(0, 20)}`)
    for (const routeId of routes) {
      await until(() => atrion.stats(routeId).inFlight === 0, `${JSON.stringify(routeId)} is drained`)
    }
    t.deepEqual(uncaught, [])
  })
}
