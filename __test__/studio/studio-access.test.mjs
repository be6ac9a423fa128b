// Access to Studio over real sockets: without `authorize` this machine alone, and reading only; with it as it says; changes by their token.
import http from 'node:http'
import { networkInterfaces } from 'node:os'
import { isConfigError, RedisStateProvider } from 'atrion'
import { atrionStudio } from 'atrion/studio'
import test from 'ava'
import { ask, close } from '../_adapters.mjs'
import { create, HOSTILE_NAMES } from '../_engine.mjs'
import { act, keyOf, serve, view, writerOf } from './_studio.mjs'

const PATHS = ['/atrion', '/atrion/', '/atrion/events', '/atrion/history']

test('without authorize a request of this machine reads: the page, the stream, the history', async (t) => {
  const server = await serve(t, atrionStudio(create()))
  const page = await ask(server, '/atrion')
  t.is(page.status, 200)
  t.regex(page.body, /<title>Atrion Studio<\/title>/)
  const viewer = await view(server)
  t.teardown(viewer.close)
  const { data } = await viewer.next(({ event }) => event === 'hello')
  t.is(data.role, 'read')
  t.is(data.token, null)
  t.is((await ask(server, '/atrion/history?minutes=5')).status, 200)
  t.is((await ask(server, '/atrion/nothing')).status, 404)
  t.is((await ask(server, '/elsewhere')).status, 404)
})

test('without authorize a foreign Host, another site and a forwarded request are refused on every path', async (t) => {
  const server = await serve(t, atrionStudio(create()))
  const { port } = server.address()
  for (const path of PATHS) {
    for (const headers of [
      { host: 'evil.test' },
      { host: `evil.test:${port}` },
      { host: 'localhost.evil.test' },
      { host: '127.0.0.1.evil.test' },
      { host: '127.0.0.1@evil.test' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' },
      { 'x-forwarded-for': '127.0.0.1' },
      { forwarded: 'for=127.0.0.1' },
      { via: '1.1 proxy' },
    ]) {
      t.is((await ask(server, path, { headers })).status, 403, `${path} ${JSON.stringify(headers)}`)
    }
  }
  for (const host of [`localhost:${port}`, '127.0.0.1', '[::1]', 'LOCALHOST']) {
    t.is((await ask(server, '/atrion', { headers: { host, 'sec-fetch-site': 'none' } })).status, 200, host)
  }
})

test('without authorize the address of the socket decides, whatever headers claim', async (t) => {
  const studio = atrionStudio(create())
  t.teardown(() => studio.close())
  const request = (headers = {}) => new Request('http://127.0.0.1/atrion', { headers })
  t.is((await studio.fetch(request())).status, 403, 'an address that is not known')
  for (const remoteAddress of ['10.0.0.1', '127.0.0.1.evil', '::ffff:10.0.0.1', '1.127.0.0', '::', '']) {
    t.is((await studio.fetch(request({ 'x-real-ip': '127.0.0.1' }), { remoteAddress })).status, 403, remoteAddress)
  }
  for (const remoteAddress of ['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1']) {
    t.is((await studio.fetch(request(), { remoteAddress })).status, 200, remoteAddress)
  }
  const outer = Object.values(networkInterfaces())
    .flat()
    .find(({ internal, family }) => !internal && family === 'IPv4')
  if (outer === undefined) return t.log('this machine has no other address')
  const server = http.createServer(studio).listen(0, '0.0.0.0')
  await new Promise((resolve) => server.once('listening', resolve))
  t.teardown(() => close(server))
  const status = await new Promise((resolve, reject) => {
    const headers = { host: 'localhost', 'x-client-ip': '127.0.0.1' }
    http
      .get({ host: outer.address, port: server.address().port, path: '/atrion', headers, agent: false }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
      .on('error', reject)
  })
  t.is(status, 403)
})

test('authorize decides: a role, a role with a name, or a refusal; what fails refuses', async (t) => {
  const answers = {
    read: () => 'read',
    write: async () => 'write',
    named: () => ({ role: 'write', name: 'dana\u202e\n<b>' }),
    true: () => true,
    false: () => false,
    nothing: () => undefined,
    number: () => 1,
    admin: () => 'admin',
    object: () => ({ role: 'admin' }),
    throws: () => {
      throw new Error('secret of the host')
    },
    rejects: async () => {
      throw new Error('secret of the host')
    },
  }
  const asked = []
  const server = await serve(
    t,
    atrionStudio(create(), {
      authorize: (request) => {
        asked.push(request.url)
        return answers[request.headers['x-test']]()
      },
    }),
  )
  const statusOf = async (name, path) => {
    const { status, body } = await ask(server, path, { headers: { 'x-test': name, host: 'ops.example.com' } })
    t.notRegex(body, /secret/)
    return status
  }
  for (const path of ['/atrion', '/atrion/history']) {
    for (const name of ['read', 'write', 'named', 'true']) t.is(await statusOf(name, path), 200, `${name} ${path}`)
    for (const name of ['false', 'nothing', 'number', 'admin', 'object', 'throws', 'rejects']) {
      t.is(await statusOf(name, path), 403, `${name} ${path}`)
    }
  }
  t.is((await ask(server, '/atrion/events', { headers: { 'x-test': 'false' } })).status, 403)
  const roles = {}
  for (const name of ['read', 'write', 'named', 'true']) {
    const viewer = await view(server, '/atrion/events', { 'x-test': name })
    const { data } = await viewer.next(({ event }) => event === 'hello')
    roles[name] = [data.role, data.name, data.token !== null]
    viewer.close()
  }
  t.deepEqual(roles, {
    read: ['read', 'reader', false],
    write: ['write', 'operator', true],
    named: ['write', 'dana\\u202e\\u000a<b>', true],
    true: ['read', 'reader', false],
  })
  t.true(asked.includes('/atrion/events'), 'a stream is asked for, too')
})

test('with authorize another site may open the page by a link, and read nothing', async (t) => {
  const server = await serve(t, atrionStudio(create(), { authorize: () => 'write' }))
  const link = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }
  t.is((await ask(server, '/atrion', { headers: link })).status, 200)
  t.is(
    (await ask(server, '/atrion', { headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' } })).status,
    403,
  )
  for (const path of ['/atrion/events', '/atrion/history'])
    t.is((await ask(server, path, { headers: link })).status, 403, path)
})

test('a change needs the role, JSON, the Origin of the page and the token of the process', async (t) => {
  const atrion = create()
  atrion.route('GET /a', { latencyMs: 1 })
  const roles = { writer: 'write', reader: 'read' }
  const server = await serve(
    t,
    atrionStudio(atrion, { authorize: ({ headers }) => roles[headers['x-test'] ?? 'writer'] }),
  )
  const { viewer, token } = await writerOf(t, server)
  const key = await keyOf(viewer, 'GET /a')
  const order = { kind: 'override', key, order: 'open', forS: 60 }
  const { port } = server.address()
  const isOrdered = () => atrion.metrics().at(0).order !== undefined
  for (const [why, status, headers] of [
    ['a reader', 403, { 'x-test': 'reader' }],
    ['an unknown role', 403, { 'x-test': 'unknown' }],
    ['no token', 403, { 'x-atrion-token': undefined }],
    ['a wrong token', 403, { 'x-atrion-token': token.replace(/^./, (first) => (first === '0' ? '1' : '0')) }],
    ['a longer token', 403, { 'x-atrion-token': `${token}0` }],
    ['no Origin', 403, { origin: undefined }],
    ['another Origin', 403, { origin: 'http://evil.test' }],
    ['another port', 403, { origin: `http://127.0.0.1:${port + 1}` }],
    ['an opaque Origin', 403, { origin: 'null' }],
    ['no http Origin', 403, { origin: `ftp://127.0.0.1:${port}` }],
    ['another site', 403, { 'sec-fetch-site': 'same-site' }],
    ['a form', 415, { 'content-type': 'application/x-www-form-urlencoded' }],
    ['text', 415, { 'content-type': 'text/plain' }],
  ]) {
    for (const path of ['/atrion/act', '/atrion/preview']) {
      t.is((await act(server, token, order, { path, headers })).status, status, `${why} ${path}`)
    }
    t.false(isOrdered(), why)
  }
  t.is((await ask(server, '/atrion/act')).status, 405)
  t.is((await ask(server, '/atrion', { method: 'POST' })).status, 405)
  const huge = await act(server, token, `{"kind":"note","text":"${'x'.repeat(20_000)}"}`)
  t.is(huge.status, 400)
  for (const body of ['', '{', '[]', '1', 'null', '"x"', '{}', '{"kind":"__proto__"}', '{"kind":"override"}']) {
    t.is((await act(server, token, body)).status, 400, body)
  }
  t.false(isOrdered())
  t.is((await act(server, token, order)).status, 200)
  t.true(isOrdered())
})

test('an Origin that is named is one of the page: behind a proxy that changes the Host', async (t) => {
  const server = await serve(
    t,
    atrionStudio(create(), { authorize: () => 'write', origins: ['https://ops.example.com'] }),
  )
  const { token } = await writerOf(t, server)
  const note = { kind: 'note', text: 'a' }
  t.is((await act(server, token, note, { headers: { origin: 'https://ops.example.com' } })).status, 200)
  t.is((await act(server, token, note, { headers: { origin: 'https://ops.example.com.evil.test' } })).status, 403)
})

test('every answer has a policy, and is kept, framed and sniffed nowhere', async (t) => {
  const server = await serve(
    t,
    atrionStudio(create(), { authorize: ({ headers }) => (headers['x-no'] ? false : 'read') }),
  )
  const nonces = new Set()
  for (const [path, headers] of [...PATHS.slice(0, 2), '/atrion/history', '/atrion/none'].flatMap((path) => [
    [path, {}],
    [path, { 'x-no': '1' }],
  ])) {
    const answer = await ask(server, path, { headers })
    const policy = answer.headers['content-security-policy']
    t.regex(policy, /^default-src 'none'/, path)
    t.regex(policy, /frame-ancestors 'none'/, path)
    t.notRegex(policy, /unsafe|\*/, path)
    t.is(answer.headers['x-content-type-options'], 'nosniff')
    t.is(answer.headers['referrer-policy'], 'no-referrer')
    t.is(answer.headers['cache-control'], 'no-store')
    const [, nonce] = /script-src 'nonce-([0-9a-f]{32})'/.exec(policy) ?? []
    if (nonce === undefined) continue
    t.is(answer.body.split(`nonce="${nonce}"`).length, 3, 'one style, one script')
    t.false(/<(?:script|style)(?! nonce)/.test(answer.body))
    nonces.add(nonce)
  }
  t.is(nonces.size, 2, 'a nonce is used once')
  const viewer = await view(server)
  viewer.close()
  t.is(viewer.headers['x-content-type-options'], 'nosniff')
  t.regex(viewer.headers['cache-control'], /no-store/)
})

test('hostile names are data: one row each, on one line, and found again by their keys', async (t) => {
  const atrion = create()
  const names = [
    ...HOSTILE_NAMES,
    '</script><script>alert(1)</script>',
    '\n\ndata: x\n\n',
    '<img src=x onerror=alert(1)>',
  ]
  for (const name of names) atrion.route(name, { latencyMs: 1 })
  const server = await serve(t, atrionStudio(atrion, { authorize: () => 'write' }))
  const seen = new Map()
  for (let page = 0; page * 25 < names.length; page++) {
    const viewer = await view(server, `/atrion/events?sort=name&page=${page}`)
    const { data } = await viewer.next(({ event }) => event === 'snapshot')
    viewer.close()
    for (const key of data.list.keys) seen.set(key, data[`row.${key}`].name)
  }
  t.is(seen.size, new Set(names).size)
  for (const name of seen.values()) t.notRegex(name, /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u, name)
  const { token } = await writerOf(t, server)
  for (const key of seen.keys()) {
    t.is((await act(server, token, { kind: 'override', key, order: 'open', forS: 60 })).status, 200, seen.get(key))
  }
  t.is([...atrion.metrics()].filter(({ order }) => order === 'open').length, seen.size)
  t.is((await act(server, token, { kind: 'override', key: '0.x', order: 'open', forS: 60 })).status, 400)
})

test('no secret leaves: of a store, of keys, of an error', async (t) => {
  const provider = new RedisStateProvider({
    url: 'redis://user:hunter2-password@127.0.0.1:1',
    secret: 'hunter2-secret-of-sixteen',
    required: false,
    connectTimeoutMs: 200,
  })
  const atrion = create({ provider, keySecret: 'hunter2-keys-of-sixteen' })
  await atrion.connect()
  t.teardown(() => atrion.disconnect())
  if (atrion.engine !== 'ts') atrion.acquire('GET /a', { key: 'hunter2-tenant' }).release('failure')
  const server = await serve(t, atrionStudio(atrion, { authorize: () => 'write' }))
  const viewer = await view(server)
  t.teardown(viewer.close)
  await viewer.next(({ event }) => event === 'delta')
  const texts = [JSON.stringify(viewer.events), JSON.stringify(viewer.headers)]
  for (const path of ['/atrion', '/atrion/history']) texts.push((await ask(server, path)).body)
  for (const text of texts) t.notRegex(text, /hunter2|redis:\/\//)
  t.true(texts[0].includes('RedisStateProvider'))
})

test.serial('no role and no option comes from Object.prototype', async (t) => {
  const studio = atrionStudio(create(), { authorize: () => ({}) })
  t.teardown(() => studio.close())
  const given = { role: 'write', authorize: () => 'write', name: 'x', remoteAddress: '127.0.0.1' }
  Object.assign(Object.prototype, given)
  try {
    const other = atrionStudio(create(), {})
    t.teardown(() => other.close())
    const request = new Request('http://127.0.0.1/atrion')
    t.is((await studio.fetch(request)).status, 403)
    t.is((await other.fetch(request)).status, 403)
  } finally {
    for (const name of Object.keys(given)) delete Object.prototype[name]
  }
})

test('an option that is none is refused, by name', (t) => {
  const atrion = create()
  for (const [options, field] of [
    [{ paths: '/x' }, 'paths'],
    [{ path: 'x' }, 'path'],
    [{ path: '/' }, 'path'],
    [{ path: '/a/' }, 'path'],
    [{ path: '/a?b' }, 'path'],
    [{ authorize: 'write' }, 'authorize'],
    [{ origins: 'https://a' }, 'origins'],
    [{ origins: ['a'] }, 'origins'],
    [{ maxViewers: 0 }, 'maxViewers'],
    [{ historyRoutes: 1.5 }, 'historyRoutes'],
    [{ record: 1 }, 'record'],
    [{ onAction: 1 }, 'onAction'],
    [null, 'options'],
  ]) {
    const error = t.throws(() => atrionStudio(atrion, options), undefined, field)
    t.true(isConfigError(error))
    t.is(error.field, field)
  }
  t.is(t.throws(() => atrionStudio({})).field, 'atrion')
  t.throws(() => atrionStudio(atrion).annotate(1), { instanceOf: TypeError })
})
