// The requirements of every adapter of a server, stated once and run against each real framework on a loopback socket.
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { openStreams } from 'atrion/http'
import { create, turn } from './_engine.mjs'
import { until } from './_patience.mjs'

export { create, turn, until }

/** Without the pressure of the process: tests keep the loop busy, which is not what they are about. */
export const CALM = { pressure: false }

/** Nothing is in flight on the route any more. */
export const drained = (atrion, routeId) => until(() => atrion.stats(routeId).inFlight === 0, `${routeId} is drained`)

export const listen = async (server) => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

export const close = (server) =>
  new Promise((resolve) => {
    server.close(resolve)
    server.closeAllConnections?.()
  })

/** One request by node:http; resolves to { status, headers, body, error }. `error` when the answer did not come whole. */
export const ask = (server, path, { method = 'GET', headers = {}, agent = false, body } = {}) =>
  new Promise((resolve) => {
    const request = http.request({ port: server.address().port, host: '127.0.0.1', path, method, headers, agent })
    request.on('error', (error) => resolve({ error }))
    request.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk) => {
        text += chunk
      })
      const answer = (error) => resolve({ status: response.statusCode, headers: response.headers, body: text, error })
      response.on('end', () => answer())
      response.on('error', answer)
    })
    request.end(body)
  })

/** A client of which only the socket is there. */
export const dial = async (server, text) => {
  const socket = net.connect(server.address().port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.setEncoding('utf8')
  socket.write(text)
  return socket
}

export const requestText = (path, method = 'GET') => `${method} ${path} HTTP/1.1\r\nHost: test\r\n\r\n`

/** The instance, noting how its permits were given back: [routeId, outcome]. */
export const watched = (options) => {
  const atrion = create(options)
  const outcomes = []
  const asked = []
  const acquire = atrion.acquire.bind(atrion)
  atrion.acquire = (routeId, asking) => {
    const permit = acquire(routeId, asking)
    asked.push({ routeId, ...asking })
    const release = permit.release.bind(permit)
    let isOut = permit.allow
    permit.release = (outcome = 'success') => {
      if (isOut) outcomes.push(`${routeId} ${outcome}`)
      isOut = false
      release(outcome)
    }
    return permit
  }
  return { atrion, outcomes, asked }
}

/**
 * The contract of a server's adapter.
 *
 * `start(atrion, options, held)` resolves to a listening server with these routes, the guard before all of them:
 * GET /users/:id answers its id, and 404 to id 404; GET /fail throws; GET /late throws after its head was sent;
 * GET /hang answers never, but adds Node's response to `held`; GET /events sends one server-sent event, stays open and adds
 * itself to `held`; GET /health.
 */
export const contract = (test, name, start, { unmatched = 'GET *', late = true } = {}) => {
  const run = (title, body) =>
    test(`${name}: ${title}`, async (t) => {
      const { atrion, outcomes, asked } = watched()
      const held = []
      const servers = []
      const open = async (options = {}) => {
        const server = await start(atrion, { ...CALM, ...options }, held)
        servers.push(server)
        return server
      }
      try {
        await body(t, { atrion, outcomes, asked, held, open })
      } finally {
        await Promise.all(servers.map(close))
      }
    })

  run('the route is the pattern, and an answer frees the slot', async (t, { atrion, outcomes, open }) => {
    const server = await open()
    t.is((await ask(server, '/users/7?x=1')).body, '7')
    t.is((await ask(server, '/users/8')).body, '8')
    await drained(atrion, 'GET /users/:id')
    t.deepEqual(outcomes, ['GET /users/:id success', 'GET /users/:id success'])
    t.is(atrion.stats('GET /users/:id').admitted, 2)
    t.deepEqual(atrion.getRoutes(), ['GET /users/:id'])
  })

  run('a client error is a success of the route', async (t, { atrion, outcomes, open }) => {
    const server = await open()
    t.is((await ask(server, '/users/404')).status, 404)
    await drained(atrion, 'GET /users/:id')
    t.deepEqual(outcomes, ['GET /users/:id success'])
  })

  if (unmatched !== null) {
    run('URLs that nothing is registered for share a route', async (t, { atrion, open }) => {
      const server = await open()
      for (const path of ['/unknown', '/unknown/1', '/%zz', '/users/1/2/3'])
        t.true((await ask(server, path)).status >= 400)
      await drained(atrion, unmatched)
      t.deepEqual(atrion.getRoutes(), [unmatched])
    })
  }

  run('an error before the head is a failure', async (t, { atrion, outcomes, open }) => {
    const server = await open()
    t.is((await ask(server, '/fail')).status, 500)
    await drained(atrion, 'GET /fail')
    t.deepEqual(outcomes, ['GET /fail failure'])
    t.is(atrion.stats('GET /fail').failures, 1)
  })

  if (late) {
    run('an error after the head is a failure', async (t, { atrion, outcomes, open }) => {
      const server = await open()
      t.truthy((await ask(server, '/late')).error)
      await drained(atrion, 'GET /late')
      t.deepEqual(outcomes, ['GET /late failure'])
    })
  }

  for (const how of ['end', 'resetAndDestroy']) {
    run(`a client that hangs up (${how}) is ignored`, async (t, { atrion, outcomes, held, open }) => {
      const server = await open()
      const socket = await dial(server, requestText('/hang'))
      await until(() => held.length === 1)
      t.is(atrion.stats('GET /hang').inFlight, 1)
      socket[how]()
      await drained(atrion, 'GET /hang')
      t.deepEqual(outcomes, ['GET /hang ignored'])
      t.is(atrion.stats('GET /hang').failures, 0)
    })
  }

  run('a request that we cut off is a failure', async (t, { atrion, outcomes, held, open }) => {
    const server = await open()
    const answer = ask(server, '/hang')
    await until(() => held.length === 1)
    held[0].destroy()
    t.truthy((await answer).error)
    await drained(atrion, 'GET /hang')
    t.deepEqual(outcomes, ['GET /hang failure'])
  })

  run('a connection that is kept alive gives every slot back', async (t, { atrion, outcomes, open }) => {
    const server = await open()
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    for (let i = 0; i < 5; i++) t.is((await ask(server, `/users/${i}`, { agent })).body, String(i))
    agent.destroy()
    await drained(atrion, 'GET /users/:id')
    t.deepEqual(outcomes, Array(5).fill('GET /users/:id success'))
  })

  run(
    'a stream of events leaves the budget of requests, and its length says nothing',
    async (t, { atrion, held, outcomes, open }) => {
      const server = await open()
      const socket = await dial(server, requestText('/events'))
      const [head] = await once(socket, 'data')
      t.regex(head, /^HTTP\/1\.1 200/)
      await until(() => held.length === 1)
      await drained(atrion, 'GET /events')
      t.deepEqual(outcomes, ['GET /events ignored'])
      t.is(openStreams(atrion, 'GET /events'), 1)
      socket.destroy()
      await until(() => openStreams(atrion, 'GET /events') === 0)
      t.deepEqual(outcomes, ['GET /events ignored'])
      t.is(atrion.stats('GET /events').failures, 0)
    },
  )

  run('HEAD and OPTIONS free their slots', async (t, { atrion, open }) => {
    const server = await open()
    for (const method of ['HEAD', 'OPTIONS']) {
      const { status, body, error } = await ask(server, '/users/1', { method })
      t.is(error, undefined)
      t.true(status < 500)
      if (method === 'HEAD') t.is(body, '')
      await until(() => atrion.getRoutes().every((routeId) => atrion.stats(routeId).inFlight === 0))
    }
    t.true(atrion.getRoutes().every((routeId) => /^(HEAD|OPTIONS|GET) /.test(routeId)))
  })

  run('a shed request gets 503 and Retry-After', async (t, { atrion, open }) => {
    const server = await open()
    atrion.override('GET /users/:id', 'open')
    const { status, headers, body } = await ask(server, '/users/1')
    t.is(status, 503)
    t.regex(headers['content-type'], /^application\/problem\+json/)
    t.regex(headers['retry-after'], /^[1-9]\d*$/)
    const problem = JSON.parse(body)
    t.is(problem.status, 503)
    t.is(problem.type, 'about:blank')
    t.is(problem.title, 'Service Unavailable')
    t.is(typeof problem.detail, 'string')
    t.true(problem.retryAfterMs > 0)
    t.true(problem.retryAfterMs <= Number(headers['retry-after']) * 1000)
    t.is(atrion.stats('GET /users/:id').inFlight, 0)
    t.is(atrion.stats('GET /users/:id').shed, 1)
    atrion.override('GET /users/:id', null)
    t.is((await ask(server, '/users/1')).status, 200)
  })

  run('health checks are not asked', async (t, { atrion, open, asked }) => {
    const server = await open({ skip: (request) => (request.path ?? request.url ?? request.req?.path) === '/health' })
    t.is((await ask(server, '/health')).status, 200)
    t.deepEqual(asked, [])
    t.deepEqual(atrion.getRoutes(), [])
  })

  run('headers are believed only behind a gateway', async (t, { open, asked }) => {
    const headers = { 'X-Atrion-Voltage': '1234', 'X-Atrion-Tier': 'critical' }
    const wary = await open()
    await ask(wary, '/users/1', { headers })
    t.is(asked[0].voltage, undefined)
    t.is(asked[0].tier, undefined)
    const trusting = await open({ trustHeaders: true })
    await ask(trusting, '/users/1', { headers })
    t.is(asked[1].voltage, 1234)
    await ask(trusting, '/users/1', { headers: { 'X-Atrion-Tier': 'critical' } })
    t.is(asked[2].tier, 'critical')
    for (const nonsense of ['', '-5', 'NaN', '1e400', 'critical; drop', '1, 2']) {
      const both = { 'X-Atrion-Voltage': nonsense, 'X-Atrion-Tier': nonsense }
      t.is((await ask(trusting, '/users/1', { headers: both })).status, 200)
      t.is(asked.at(-1).voltage, undefined)
      t.is(asked.at(-1).tier, undefined)
    }
  })

  run('tier, key and route are asked of the request', async (t, { open, asked }) => {
    const server = await open({ pressure: {}, tier: () => 'bulk', key: () => 'alice', route: () => 'mine' })
    t.is((await ask(server, '/users/1')).status, 200)
    t.like(asked[0], { routeId: 'mine', tier: 'bulk', key: 'alice' })
    t.true(asked[0].queueAgeMs >= 0)
    t.true(asked[0].saturation >= 0 && asked[0].saturation <= 1)
  })

  run('options that answer nonsense, or throw, harm nothing', async (t, { open, asked }) => {
    const boom = () => {
      throw new Error('a callback of the test')
    }
    const nonsense = await open({ tier: () => 'emperor', key: () => 17, route: () => undefined })
    t.is((await ask(nonsense, '/users/1')).status, 200)
    const throwing = await open({ tier: boom, key: boom, skip: boom, signals: [boom, () => Number.NaN, () => 'x'] })
    t.is((await ask(throwing, '/users/1')).status, 200)
    t.deepEqual(
      asked.map(({ tier, key }) => [tier, key]),
      [
        [undefined, '17'],
        [undefined, undefined],
      ],
    )
  })

  run('a preflight is more important than what it asks for', async (t, { open, asked }) => {
    const server = await open({ route: () => 'any' })
    await ask(server, '/users/1', { method: 'OPTIONS', headers: { 'access-control-request-method': 'PUT' } })
    if (asked.length > 0) t.is(asked[0].tier, 'critical')
    else t.pass('the framework answers no preflights')
  })
}
