// `atrion studio`: checks that Studio is there, and serves it on this machine under a secret path, with the caller's authorisation.
import { spawn, spawnSync } from 'node:child_process'
import http from 'node:http'
import { fileURLToPath } from 'node:url'
import { atrionStudio } from 'atrion/studio'
import test from 'ava'
import { close, listen } from '../_adapters.mjs'
import { CALM, create } from '../_engine.mjs'
import { eventReader, serve } from './_studio.mjs'

const CLI = fileURLToPath(new URL('../../dist/cli.cjs', import.meta.url))
const TOKEN = 'hunter2-token'

const service = async (t) => {
  const atrion = create()
  atrion.route('GET /a', CALM)
  const seen = []
  const studio = atrionStudio(atrion, {
    authorize: ({ headers }) => {
      seen.push(headers)
      return headers.authorization === `Bearer ${TOKEN}` ? { role: 'write', name: 'kim' } : false
    },
  })
  const server = await serve(t, studio)
  return { atrion, seen, url: `http://127.0.0.1:${server.address().port}/atrion` }
}

/** Runs the command; resolves to its code and what it printed. The event loop stays free: the service is in this process. */
const run = (args, env = {}) =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [CLI, 'studio', ...args], { env: { ...process.env, ...env } })
    let output = ''
    child.stdout.on('data', (more) => {
      output += more
    })
    child.stderr.on('data', (more) => {
      output += more
    })
    child.on('close', (code) => resolve({ code, output }))
  })

const ask = (url, { method = 'GET', headers = {}, body } = {}) =>
  new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (more) => {
        text += more
      })
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: text }))
    })
    request.on('error', reject)
    request.end(body)
  })

test('an address is checked: there, refused, not Studio, not reached', async (t) => {
  const { url } = await service(t)
  const there = await run(['--url', url, '--check'], { ATRION_STUDIO_TOKEN: TOKEN })
  t.deepEqual(there, { code: 0, output: `Atrion Studio answers at ${url}.\n` })
  const refused = await run(['--url', url, '--check'])
  t.is(refused.code, 1)
  t.regex(refused.output, /refuses \(403\): Refused by `authorize`\. Give --token/)
  const wrong = await run(['--url', url, '--token=hunter3', '--check'])
  t.is(wrong.code, 1)
  t.notRegex(wrong.output, /hunter3/)
  const other = await listen(http.createServer((_, response) => response.end('<title>Shop</title>')))
  t.teardown(() => close(other))
  t.regex((await run(['--url', `http://127.0.0.1:${other.address().port}`])).output, /not as Atrion Studio/)
  const moved = await listen(http.createServer((_, response) => response.writeHead(302, { location: '/login' }).end()))
  t.teardown(() => close(moved))
  t.regex((await run(['--url', `http://127.0.0.1:${moved.address().port}/atrion`])).output, /sends elsewhere \(302\)/)
  const gone = await listen(http.createServer())
  const { port } = gone.address()
  await close(gone)
  t.regex((await run(['--url', `http://127.0.0.1:${port}/atrion`])).output, /cannot be reached: ECONNREFUSED/)
})

test('a wrong command line is refused by its option, and shows no secret', (t) => {
  for (const [args, pattern] of [
    [[], /--url is missing/],
    [['--url', 'shop'], /--url is the http or https address/],
    [['--url', 'ftp://shop/atrion'], /--url is the http/],
    [['--url', 'http://user:hunter2@shop/atrion'], /--url is the http/],
    [['--url', 'http://shop/atrion', '--port', '70000'], /--port is a number/],
    [['--url', 'http://shop/atrion', '--token', 'hunter2\nx: y'], /--token has characters/],
    [['--url', 'http://shop/atrion', '--header', 'hunter2'], /--header is 'Name: value'/],
    [['--url', 'http://shop/atrion', '--header', 'a: b\r\nc: hunter2'], /--header is/],
  ]) {
    const { status, stderr, stdout } = spawnSync(process.execPath, [CLI, 'studio', ...args], { encoding: 'utf8' })
    t.is(status, 2, args.join(' '))
    t.regex(stderr, pattern)
    t.notRegex(stderr + stdout, /hunter2/)
  }
})

test('the page, the stream and changes go through, for the browser of this machine alone', async (t) => {
  const { atrion, seen, url } = await service(t)
  const child = spawn(process.execPath, [CLI, 'studio', '--url', url, '--token', TOKEN])
  const ended = new Promise((resolve) => child.once('close', (code, signal) => resolve(signal ?? code)))
  t.teardown(() => child.kill('SIGKILL'))
  let output = ''
  const address = await new Promise((resolve, reject) => {
    child.stdout.on('data', (more) => {
      output += more
      const found = /(http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32})\/ until you press Ctrl\+C/.exec(output)
      if (found) resolve(found[1])
    })
    child.once('close', () => reject(new Error(output)))
  })
  const { origin, host } = new URL(address)
  const page = await ask(address)
  t.is(page.status, 200)
  t.true(page.body.includes(`data-base="${new URL(address).pathname}"`))
  t.regex(page.headers['content-security-policy'], /script-src 'nonce-/)
  t.false(page.body.includes(TOKEN))

  const reader = eventReader()
  const stream = http.get(`${address}/events?sort=name`, { agent: false }, (response) =>
    response.setEncoding('utf8').on('data', (more) => reader.chunk(more)),
  )
  stream.on('error', () => {})
  t.teardown(() => stream.destroy())
  const { data: hello } = await reader.next(({ event }) => event === 'hello')
  t.deepEqual([hello.role, hello.name], ['write', 'kim'])
  const { list } = await reader.until((state) => state.list?.total === 1)
  const order = JSON.stringify({ kind: 'override', key: list.keys[0], order: 'open', forS: 60 })
  const headers = { 'content-type': 'application/json', 'x-atrion-token': hello.token, origin }
  const post = (more = {}) => ask(`${address}/act`, { method: 'POST', headers: { ...headers, ...more }, body: order })
  t.is((await post({ origin: 'http://evil.test' })).status, 403)
  t.is((await post({ host: 'evil.test' })).status, 403)
  t.is((await post({ 'sec-fetch-site': 'cross-site' })).status, 403)
  t.is((await ask(address, { headers: { host: `evil.test:${new URL(address).port}` } })).status, 403)
  t.is((await ask(`${origin}/atrion`)).status, 404)
  t.is((await ask(`${address}/../atrion`)).status, 404)
  t.is((await ask(`${address}/other`)).status, 404)
  t.is(atrion.metrics().at(0).order, undefined)
  t.is((await post({ host, cookie: 'private=1' })).status, 200)
  t.is(atrion.metrics().at(0).order, 'open')
  t.true(
    seen.every(({ cookie }) => cookie === undefined),
    'cookies of this machine stay here',
  )
  await reader.until(({ audit }) => audit.some(({ by }) => by === 'kim'))
  if (process.platform === 'win32') return
  child.kill('SIGTERM')
  t.is(await ended, 0)
})
