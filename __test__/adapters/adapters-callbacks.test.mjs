// Callbacks that answer later, wrongly or not at all; options that are misspelt; sheds of guards further in.
import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import FakeTimers from '@sinonjs/fake-timers'
import { ConfigError } from 'atrion'
import { atrionExpress } from 'atrion/express'
import { withAtrion } from 'atrion/fetch'
import { atrionHono } from 'atrion/hono'
import { atrionHttp } from 'atrion/http'
import { atrionKoa } from 'atrion/koa'
import { atrionNest } from 'atrion/nest'
import { atrionUndici } from 'atrion/undici'
import ava from 'ava'
import { Hono } from 'hono'
import { Agent, fetch, Response as UndiciResponse } from 'undici'
import { Response as Undici6Response } from 'undici6'
import { ask, CALM, close, create, dial, drained, requestText, until, watched } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'
import { FRAMEWORKS } from '../_frameworks.mjs'

const test = engine === 'ts' ? ava.skip : ava

const unhandled = []
process.on('unhandledRejection', (error) => unhandled.push(error))
process.on('uncaughtException', (error) => unhandled.push(error))
ava.after.always((t) => t.deepEqual(unhandled, []))

const later = (value) => async () => {
  await sleep(1)
  return value
}
const rejects = async () => {
  await sleep(1)
  throw new Error('a callback of the test')
}
const throws = () => {
  throw new Error('a callback of the test')
}

const shedWithin = async (t, { atrion, outcomes, server }) => {
  for (let i = 0; i < 3; i++) {
    const { status, headers } = await ask(server, '/a')
    t.is(status, 503)
    t.regex(headers['retry-after'], /^[1-9]\d*$/)
  }
  await drained(atrion, 'GET /a')
  t.deepEqual(outcomes, Array(3).fill('GET /a ignored'))
  t.is(atrion.stats('GET /a').failures, 0)
}

for (const [name, start] of Object.entries(FRAMEWORKS)) {
  const run = (title, options, body, work = async (path) => path) =>
    test(`${name}: ${title}`, async (t) => {
      const { atrion, outcomes, asked } = watched()
      const server = await start(atrion, { ...CALM, ...options }, work)
      try {
        await body(t, { atrion, outcomes, asked, server })
      } finally {
        await close(server)
      }
    })

  const promised = { tier: later('high'), key: later(42), route: later('named'), skip: later(false) }
  run('callbacks may answer by promises', promised, async (t, { server, asked, atrion }) => {
    t.is((await ask(server, '/a')).body, '/a')
    t.is(
      (await ask(server, '/a', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' })).body,
      '/a',
    )
    t.like(asked[0], { routeId: 'named', tier: 'high', key: '42' })
    await drained(atrion, 'named')
  })

  run('an asynchronous skip skips', { skip: later(true) }, async (t, { atrion, server, asked }) => {
    atrion.override('GET /a', 'open')
    t.is((await ask(server, '/a')).status, 200)
    t.deepEqual(asked, [])
  })

  for (const [how, callback] of Object.entries({ rejects, throws })) {
    const bad = { tier: callback, key: callback, route: callback, skip: callback, stream: throws }
    run(`callbacks that ${how} harm no request`, bad, async (t, { server, atrion }) => {
      t.is((await ask(server, '/a')).body, '/a')
      t.is((await ask(server, '/b')).body, '/b')
      await until(() => atrion.getRoutes().every((id) => atrion.stats(id).inFlight === 0))
    })

    run(`onShed that ${how} is answered for`, { onShed: callback }, async (t, { atrion, server }) => {
      atrion.override('GET /a', 'open')
      const { status, headers, body } = await ask(server, '/a')
      t.is(status, 503)
      t.regex(headers['retry-after'], /^\d+$/)
      t.is(JSON.parse(body).status, 503)
    })
  }

  run('onShed may answer later', {}, async (t, { atrion, server }) => {
    atrion.override('GET /a', 'open')
    t.is((await ask(server, '/a')).status, 503)
  })

  const closed = engine === 'ts' ? undefined : create()
  const dispatcher = closed && new Agent().compose(atrionUndici(closed, { route: () => 'inner' }))
  closed?.override('inner', 'open')
  const sheds = {
    run: () => closed.run('inner', async () => 'never'),
    'a fetch by atrion/undici': () => fetch('http://127.0.0.1:8081/', { dispatcher }),
  }
  for (const [guard, work] of Object.entries(sheds)) {
    run(`a shed of ${guard} further in is answered as one, and ignored`, {}, shedWithin, work)
  }

  run('a request under faked timers delays no later request', {}, async (t, { server, atrion }) => {
    t.is((await ask(server, '/a')).status, 200)
    const clock = FakeTimers.install({ toFake: ['setImmediate', 'setTimeout', 'setInterval'] })
    const socket = await dial(server, requestText('/a'))
    const text = new Promise((resolve) => socket.once('data', resolve))
    const answered = await text
    clock.uninstall()
    socket.destroy()
    t.regex(answered, /^HTTP\/1\.1 200/)
    for (let i = 0; i < 5; i++) t.is((await ask(server, '/b')).status, 200)
    await drained(atrion, 'GET /a')
  })
}

test('fetch: callbacks may answer by promises, reject and throw; sheds within are answered', async (t) => {
  const { atrion, asked, outcomes } = watched()
  const request = () => new Request('http://test/a')
  const promised = { atrion, tier: later('high'), key: later(42), route: later('named'), skip: later(false) }
  t.is((await withAtrion(() => new Response('in'), promised)(request())).status, 200)
  t.like(asked[0], { routeId: 'named', tier: 'high', key: '42' })
  for (const callback of [rejects, throws]) {
    const bad = { atrion, tier: callback, key: callback, route: callback, skip: callback }
    t.is((await withAtrion(() => new Response('in'), bad)(request())).status, 200)
    atrion.override('closed', 'open')
    const shed = await withAtrion(() => t.fail(), { atrion, route: 'closed', onShed: callback })(request())
    t.is(shed.status, 503)
  }
  outcomes.length = 0
  const within = withAtrion(() => atrion.run('closed', () => new Response('in')), { atrion, route: 'outer' })
  const answer = await within(request())
  t.is(answer.status, 503)
  t.regex(answer.headers.get('retry-after'), /^[1-9]\d*$/)
  t.deepEqual(outcomes, ['outer ignored'])
})

test('fetch around Hono: one permit, under the inner name', async (t) => {
  const { atrion, asked, outcomes } = watched()
  const app = new Hono()
  app.use(atrionHono(atrion, CALM))
  app.get('/users/:id', (context) => context.text('in'))
  const handler = withAtrion(app.fetch, { atrion })
  t.is(await (await handler(new Request('http://test/users/1'))).text(), 'in')
  await until(() => outcomes.length === 2)
  t.deepEqual(outcomes, ['GET * ignored', 'GET /users/:id success'])
  t.is(atrion.stats('GET *').inFlight, 0)
  t.is(asked.length, 2)
})

test('unknown options, and numbers out of their range, are errors where they are given', (t) => {
  const atrion = create()
  const makers = {
    http: (options) => atrionHttp(atrion, () => {}, options),
    express: (options) => atrionExpress(atrion, options),
    koa: (options) => atrionKoa(atrion, options),
    hono: (options) => atrionHono(atrion, options),
    nest: (options) => atrionNest(atrion, options),
    fetch: (options) => withAtrion(() => new Response(), { atrion, ...options }),
  }
  for (const [name, make] of Object.entries(makers)) {
    const wrong = [
      [{ teir: () => 'high' }, 'teir', 'did you mean tier?'],
      [{ onshed: () => {} }, 'onshed', 'did you mean onShed?'],
      [{ maxStream: 5 }, 'maxStream', 'did you mean maxStreams?'],
      [{ maxStreams: 0 }, 'maxStreams', '≥ 1'],
      [{ maxStreams: Number.NaN }, 'maxStreams', '≥ 1'],
      [{ maxWaitMs: -1 }, 'maxWaitMs', '≥ 0'],
      [{ maxWaitMs: Number.POSITIVE_INFINITY }, 'maxWaitMs', '≥ 0'],
      [{ stream: 'yes' }, 'stream', 'boolean'],
    ]
    for (const [options, field, text] of wrong) {
      const error = t.throws(() => make(options), { instanceOf: ConfigError }, `${name} ${field}`)
      t.is(error.field, field)
      t.true(error.message.includes(text), error.message)
    }
    if (name === 'fetch') continue
    const error = t.throws(() => make({ pressure: { queueage: false } }), { instanceOf: ConfigError }, name)
    t.like(error, { field: 'pressure.queueage', nearest: 'queueAge' })
  }
  t.throws(() => atrionUndici(atrion, { teir: () => 'high' }), {
    instanceOf: ConfigError,
    message: /did you mean tier\?/,
  })
})

test('an unknown tier is one warning, with the name that was probably meant', async (t) => {
  const script = `
    import { createServer } from 'node:http'
    import { Atrion } from 'atrion'
    import { atrionHttp } from 'atrion/http'
    const server = createServer(atrionHttp(new Atrion(), (req, res) => res.end('ok'), { pressure: false, tier: () => 'criticl' }))
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
    for (let i = 0; i < 3; i++) await (await fetch('http://127.0.0.1:' + server.address().port)).text()
    server.closeAllConnections()
    server.close()`
  const { stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
  t.is(stderr.match(/AtrionWarning/g)?.length, 1, stderr)
  t.regex(stderr, /did you mean 'critical'/)
})

test('fetch: onShed may answer with a response of any fetch, at once or later; what is no response is answered for', async (t) => {
  const own = { status: 429, headers: { 'x-own': '1' } }
  const answers = {
    'the global one': [() => new Response('later', own), 429],
    'undici’s': [() => new UndiciResponse('later', own), 429],
    'undici 6’s, later': [async () => new Undici6Response('later', own), 429],
    nothing: [() => undefined, 503],
    'a text': [() => 'later', 503],
    'an object without a status': [async () => ({ headers: {} }), 503],
  }
  for (const [of, [onShed, status]] of Object.entries(answers)) {
    const { atrion } = watched()
    atrion.override('GET *', 'open')
    const answer = await withAtrion(() => new Response('in'), { atrion, onShed })(new Request('http://test/'))
    t.is(answer.status, status, of)
    if (status === 429) t.deepEqual([answer.headers.get('x-own'), await answer.text()], ['1', 'later'], of)
    else t.is(answer.headers.get('content-type'), 'application/problem+json', of)
  }
})
