// Answers of real servers that end, break off, are packed, redirected, copied, left alone or given up: how a body ends is the outcome of its call.
import http from 'node:http'
import { gzipSync } from 'node:zlib'
import { guardFetch } from 'atrion/fetch'
import ava from 'ava'
import { close, listen } from '../_adapters.mjs'
import { create, engine } from '../_engine.mjs'
import fc from '../_random.mjs'

const test = engine === 'ts' ? ava.skip : ava

const TEXT = JSON.stringify(Array.from({ length: 4_000 }, (_, i) => `piece ${i}`))
const HALF = TEXT.length / 2

/** Answers of a server, by their names. */
const ANSWERS = {
  whole: (_, response) => response.end(TEXT),
  'in pieces': (_, response) => {
    response.write(TEXT.slice(0, HALF))
    setImmediate(() => response.end(TEXT.slice(HALF)))
  },
  packed: (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(TEXT)),
  redirected: (request, response) =>
    request.url.includes('?') ? response.end(TEXT) : response.writeHead(302, { location: '/redirected?again' }).end(),
  'cut after its head': (_, response) => {
    response.writeHead(200, { 'content-length': TEXT.length }).flushHeaders()
    response.cut = () => response.destroy()
  },
  'cut in the middle': (_, response) => {
    response.writeHead(200, { 'content-length': TEXT.length }).write(TEXT.slice(0, HALF))
    response.cut = () => response.destroy()
  },
  'cut between pieces': (_, response) => {
    response.write(TEXT.slice(0, HALF))
    response.cut = () => response.destroy()
  },
  'packed and cut': (_, response) => {
    const packed = gzipSync(TEXT)
    response.writeHead(200, { 'content-encoding': 'gzip' }).write(packed.subarray(0, packed.length / 2))
    response.cut = () => response.destroy()
  },
  'packed wrongly': (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('no gzip at all'),
}
const isWhole = (name) => !/cut|wrongly/.test(name)

const readAll = async (reader, read) => {
  const pieces = []
  for (;;) {
    const { done, value } = await read(reader)
    if (done) return Buffer.concat(pieces).toString()
    pieces.push(Buffer.from(value))
  }
}

/** Ways to read an answer; its text. */
const READERS = {
  text: (response) => response.text(),
  json: async (response) => JSON.stringify(await response.json()),
  arrayBuffer: async (response) => Buffer.from(await response.arrayBuffer()).toString(),
  blob: async (response) => (await response.blob()).text(),
  'a reader': ({ body }) => readAll(body.getReader(), (reader) => reader.read()),
  'a reader with memory of its own': ({ body }) =>
    readAll(body.getReader({ mode: 'byob' }), (reader) => reader.read(new Uint8Array(1_000))),
  'for await': async ({ body }) => {
    const pieces = []
    for await (const piece of body) pieces.push(Buffer.from(piece))
    return Buffer.concat(pieces).toString()
  },
  'a pipe': async ({ body }) => {
    const pieces = []
    await body.pipeTo(new WritableStream({ write: (piece) => void pieces.push(Buffer.from(piece)) }))
    return Buffer.concat(pieces).toString()
  },
  'a clone and itself': async (response) => {
    const clone = response.clone()
    const again = clone.clone()
    const [first, second, third] = await Promise.all([response.text(), clone.text(), again.text()])
    return first === second && second === third && clone.url === response.url ? first : 'different'
  },
  'another Response': (response) => new Response(response.body).text(),
}

const serve = async (t, answer) => {
  const server = await listen(http.createServer(answer))
  t.teardown(() => close(server))
  return `http://127.0.0.1:${server.address().port}`
}

test('a body that breaks off is a failure, and a whole one arrives unchanged, by any way of reading', async (t) => {
  let open
  const url = await serve(t, (request, response) => {
    open = response
    ANSWERS[decodeURIComponent(request.url.slice(1).split('?')[0])](request, response)
  })
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...Object.keys(ANSWERS)),
      fc.constantFrom(...Object.keys(READERS)),
      async (answer, way) => {
        const atrion = create()
        const guarded = guardFetch(atrion)
        const response = await guarded(`${url}/${encodeURIComponent(answer)}`)
        t.true(response instanceof Response)
        t.is(response.redirected, answer === 'redirected')
        t.is(response.url, `${url}/${encodeURIComponent(answer)}${answer === 'redirected' ? '?again' : ''}`)
        t.is(response.type, 'basic')
        t.false(response.bodyUsed)
        const reading = READERS[way](response)
        open.cut?.()
        const text = await reading.catch((error) => error)
        const { failures, admitted, inFlight } = atrion.stats(url)
        t.is(inFlight, 0)
        t.is(admitted, 1)
        if (isWhole(answer)) t.is(text, TEXT, `${answer} by ${way}`)
        else t.true(text instanceof Error, `${answer} by ${way}`)
        t.is(failures, isWhole(answer) ? 0 : 1, `${answer} by ${way}`)
      },
    ),
    { numRuns: 150 },
  )
})

test('answers without a body count at once: 204, 304, HEAD, an empty one', async (t) => {
  const url = await serve(t, (request, response) => {
    const status = Number(request.url.slice(1))
    if (request.method === 'HEAD') response.writeHead(status, { 'content-length': 10 })
    else response.writeHead(status)
    response.end()
  })
  for (const [status, method, failures] of [
    [204, 'GET', 0],
    [304, 'GET', 0],
    [200, 'HEAD', 0],
    [404, 'HEAD', 0],
    [500, 'HEAD', 1],
    [200, 'GET', 0],
    [502, 'GET', 1],
  ]) {
    const atrion = create()
    t.is((await guardFetch(atrion)(`${url}/${status}`, { method })).status, status)
    await new Promise((resolve) => setImmediate(resolve))
    const { inFlight, failures: counted } = atrion.stats(url)
    t.deepEqual([inFlight, counted], [0, failures], `${method} ${status}`)
  }
})

test('an abort of the caller is no failure: before the head, after it, while it reads, and by cancelling the body', async (t) => {
  let arrived
  const url = await serve(t, (request, response) => {
    arrived?.()
    if (request.url !== '/silent') response.write(TEXT.slice(0, HALF))
  })
  // A time limit that runs out while the loop is blocked is excused, as it may be on a busy machine.
  const atrion = create({ watchdog: false })
  const guarded = guardFetch(atrion)
  const sent = new Promise((resolve) => (arrived = resolve))
  const early = new AbortController()
  const call = guarded(`${url}/silent`, { signal: early.signal })
  await sent
  early.abort()
  t.is((await t.throwsAsync(call, { any: true })).name, 'AbortError')
  for (const [reason, failures] of [
    [undefined, 0],
    [new Error('another page'), 0],
    [new DOMException('too long', 'TimeoutError'), 1],
  ]) {
    const before = atrion.stats(url).failures
    const controller = new AbortController()
    const response = await guarded(url, { signal: controller.signal })
    const reader = response.body.getReader()
    t.false((await reader.read()).done)
    const rest = reader.read()
    controller.abort(reason)
    await t.throwsAsync(rest, { any: true })
    t.is(atrion.stats(url).failures - before, failures, String(reason))
  }
  const { failures } = atrion.stats(url)
  const cancelled = await guarded(url)
  await cancelled.body.cancel()
  const broken = await guarded(url)
  for await (const _ of broken.body) break
  const left = await guarded(url)
  const controller = new AbortController()
  await guarded(url, { signal: controller.signal })
  controller.abort()
  t.is(left.bodyUsed, false)
  await new Promise((resolve) => setImmediate(resolve))
  const stats = atrion.stats(url)
  t.deepEqual([stats.inFlight, stats.failures], [0, failures])
})

test('answers that are left alone hold no permit, however many', async (t) => {
  const url = await serve(t, (_, response) => response.write(TEXT))
  const atrion = create()
  atrion.configure({ limits: { max: 4 } })
  const guarded = guardFetch(atrion)
  const kept = []
  for (let i = 0; i < 40; i++) kept.push(await guarded(url))
  await new Promise((resolve) => setImmediate(resolve))
  t.is(atrion.stats(url).inFlight, 0)
  t.is(atrion.stats(url).admitted, 40)
  for (const response of kept) await response.body.cancel()
})

test('answers of other kinds of fetch are given as they are', async (t) => {
  class Other extends Response {}
  const odd = [
    new Other('text'),
    { status: 200, headers: new Headers(), ok: true },
    { status: 200, headers: new Headers(), body: 'text' },
  ]
  const feed = new Response('data: 1\n\n', { headers: { 'content-type': 'text/event-stream' } })
  const used = new Response('x')
  await used.text()
  for (const answer of [...odd, feed, used, Response.error()]) {
    const atrion = create()
    t.is(await guardFetch(atrion, { route: () => 'r', fetch: async () => answer })('http://a.test/'), answer)
    t.is(atrion.stats('r').inFlight, 0)
    t.is(atrion.stats('r').failures, 0)
  }
})

test('a source of any pieces is passed on', async (t) => {
  const pieces = [new Uint8Array(0), new TextEncoder().encode('a'), new Uint8Array(0), Buffer.from('b')]
  for (const type of [undefined, 'bytes']) {
    let i = 0
    const source = new ReadableStream({
      type,
      pull(controller) {
        const piece = pieces[i++]
        if (piece === undefined) controller.close()
        else if (piece.length > 0 || type === undefined)
          controller.enqueue(type === undefined ? piece : new Uint8Array(piece))
        else return this.pull(controller)
      },
    })
    const guarded = guardFetch(create(), { route: () => 'r', fetch: async () => new Response(source) })
    t.is(await (await guarded('http://a.test/')).text(), 'ab', String(type))
  }
})
