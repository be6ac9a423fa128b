// The 503 of the adapters on node:http as a client gets it: whole, whatever middleware has put in place of the response's methods.
import { createServer } from 'node:http'
import { atrionHttp } from 'atrion/http'
import ava from 'ava'
import { ask, CALM, close, dial, listen, requestText, watched } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'
import fc from '../_random.mjs'

const test = engine === 'ts' ? ava.skip : ava

const METHODS = ['writeHead', 'write', 'end']
/** Puts a method of a response's own in place of each; returns what is written through them. */
const patch = (response, names) => {
  const written = []
  for (const name of names) {
    const own = response[name]
    response[name] = function patched(...args) {
      if (name !== 'writeHead' && args[0] !== undefined) written.push(String(args[0]))
      // As on-headers does: a list of headers is read as one of pairs.
      if (name === 'writeHead' && Array.isArray(args[1]) && !Array.isArray(args[1][0])) throw new Error('no pairs')
      return own.apply(this, args)
    }
  }
  return written
}

const refusing = () => {
  const { atrion } = watched()
  for (const method of ['GET', 'HEAD', 'POST']) atrion.override(`${method} *`, 'open')
  return atrionHttp(atrion, (_request, response) => response.end('admitted'), CALM)
}

test('a refusal is whole, with headers that were set before, whichever methods of the response are an application’s own', async (t) => {
  const guarded = refusing()
  let given = []
  let before = {}
  let written = []
  const server = await listen(
    createServer((request, response) => {
      for (const [name, value] of Object.entries(before)) response.setHeader(name, value)
      written = patch(response, given)
      return guarded(request, response)
    }),
  )
  const inputs = fc.record({
    names: fc.subarray(METHODS),
    headers: fc.dictionary(fc.stringMatching(/^x-[a-z]{1,8}$/), fc.stringMatching(/^[a-z]{1,8}$/), { maxKeys: 3 }),
    etag: fc.boolean(),
    method: fc.constantFrom('GET', 'HEAD', 'POST'),
  })
  await fc.assert(
    fc.asyncProperty(inputs, async ({ names, headers, etag, method }) => {
      given = names
      before = etag ? { ...headers, etag: '"of another body"' } : headers
      const answer = await ask(server, '/', { method })
      t.is(answer.error, undefined)
      t.is(answer.status, 503)
      t.is(answer.headers['content-type'], 'application/problem+json')
      t.is(answer.headers['cache-control'], 'no-store')
      t.is(answer.headers.etag, undefined)
      for (const [name, value] of Object.entries(headers)) t.is(answer.headers[name], value)
      if (method === 'HEAD') return t.is(answer.body, '')
      t.is(Number(answer.headers['content-length']), Buffer.byteLength(answer.body))
      const problem = JSON.parse(answer.body)
      t.is(problem.status, 503)
      t.is(Number(answer.headers['retry-after']), Math.ceil(problem.retryAfterMs / 1000))
      // Middleware that reads bodies by `end` alone sees it there.
      if (names.includes('end')) t.is(written.join(''), answer.body)
    }),
    { numRuns: 60 },
  )
  await close(server)
})

test('refusals of requests that come at once on one connection follow each other', async (t) => {
  const server = await listen(createServer(refusing()))
  const count = 20
  const socket = await dial(server, requestText('/').repeat(count - 1) + requestText('/', 'HEAD'))
  let text = ''
  for await (const chunk of socket) {
    text += chunk
    const heads = text.match(/HTTP\/1\.1 503 /g)?.length ?? 0
    if (heads === count && text.endsWith('\r\n\r\n')) break
  }
  const answers = text.split('HTTP/1.1 503 Service Unavailable\r\n').slice(1)
  t.is(answers.length, count)
  for (const answer of answers.slice(0, -1)) {
    const [head, body] = answer.split('\r\n\r\n')
    t.is(body.length, Number(/content-length: (\d+)/i.exec(head)[1]))
    t.is(JSON.parse(body).status, 503)
  }
  await close(server)
})
