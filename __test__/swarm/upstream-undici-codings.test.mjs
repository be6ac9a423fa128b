// Answers as fetch and undici bring them: compressed in every coding that Node knows, and bodies that fetch hands on as iterables.
import { once } from 'node:events'
import { createServer } from 'node:http'
import * as zlib from 'node:zlib'
import { swarmUndici } from 'atrion/undici'
import ava from 'ava'
import * as undici7 from 'undici'
import * as undici6 from 'undici6'
import { create, engine } from '../_engine.mjs'
import { until } from '../_patience.mjs'

const test = engine === 'ts' ? ava.skip : ava
const isNew = Number(process.versions.node.split('.')[0]) >= 22
const VERSIONS = { 6: undici6, 7: undici7, ...(isNew ? { 8: await import('undici8') } : {}) }

const CODINGS = {
  identity: (bytes) => bytes,
  gzip: zlib.gzipSync,
  'x-gzip': zlib.gzipSync,
  deflate: zlib.deflateSync,
  'DEFLATE, Gzip': (bytes) => zlib.gzipSync(zlib.deflateSync(bytes)),
  br: zlib.brotliCompressSync,
  ...(zlib.zstdCompressSync && { zstd: zlib.zstdCompressSync }),
}
const ANSWERS = {
  json: ['application/json', JSON.stringify({ usage: { prompt_tokens: 7, completion_tokens: 11 } })],
  stream: [
    'text/event-stream',
    [
      { choices: [{ delta: { content: 'a text' } }] },
      { choices: [], usage: { prompt_tokens: 7, completion_tokens: 11 } },
    ]
      .map((event) => `data: ${JSON.stringify(event)}\n\n`)
      .join(''),
  ],
  refusal: ['application/json', JSON.stringify({ error: { code: 'insufficient_quota' } })],
}

/** A server whose answer is what the path asks for, in two parts, or cut off after the first. */
async function serve(t) {
  const server = createServer((asked, answer) => {
    asked.resume().on('end', () => {
      const query = new URL(asked.url, 'http://localhost').searchParams
      const [type, text] = ANSWERS[query.get('kind')]
      const coding = query.get('coding')
      const bytes = query.get('bytes') === 'raw' ? zlib.deflateRawSync(text) : CODINGS[coding](Buffer.from(text))
      const headers = { 'content-type': type, 'content-encoding': coding, 'content-length': bytes.length }
      answer.writeHead(query.get('kind') === 'refusal' ? 429 : 200, headers)
      const at = Number(query.get('at') ?? 0) % bytes.length
      answer.write(bytes.subarray(0, at), () => {
        if (query.get('bytes') === 'cut') answer.destroy()
        else answer.end(query.get('bytes') === 'noise' ? bytes.subarray(at).fill(7) : bytes.subarray(at))
      })
    })
  }).listen(0)
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (query) => `http://localhost:${server.address().port}/?${new URLSearchParams(query)}`
}

const body = JSON.stringify({ model: 'm', max_tokens: 500, messages: [{ role: 'user', content: 'Hello' }] })

for (const [version, { Agent, fetch, request }] of Object.entries(VERSIONS)) {
  const world = async (t) => {
    const url = await serve(t)
    const atrion = create()
    const agent = new Agent()
    t.teardown(async () => {
      await agent.destroy()
      await atrion.disconnect()
    })
    let swarms = 0
    const begin = () => {
      const upstream = { provider: 'openai' }
      const budget = { inputTokens: 1e6, outputTokens: 1e6 }
      const swarm = atrion.createSwarm(`agents ${swarms++}`, { budget, upstream })
      const init = { method: 'POST', body, dispatcher: agent.compose(swarmUndici(swarm)) }
      return { swarm, init: { ...init, headers: { 'content-type': 'application/json' } } }
    }
    return { url, begin }
  }

  test(`undici ${version}: usage and refusals are read in every coding`, async (t) => {
    const { url, begin } = await world(t)
    for (const coding of Object.keys(CODINGS)) {
      for (const kind of Object.keys(ANSWERS)) {
        const { swarm, init } = begin()
        // Undici's request() hands on what was sent; its fetch decodes it where it can.
        const { body: sent } = await request(url({ coding, kind, at: Math.trunc(Math.random() * 1000) }), init)
        await sent.arrayBuffer()
        await until(() => swarm.stats().inFlight === 0)
        const { units, upstream } = swarm.stats()
        const isUsed = kind !== 'refusal'
        t.is(units.outputTokens.used, isUsed ? 11 : 0, `${coding} ${kind}`)
        t.is(units.inputTokens.used, isUsed ? 7 : 0, `${coding} ${kind}`)
        t.like(upstream.answers, { ok: isUsed ? 1 : 0, exhausted: isUsed ? 0 : 1 }, `${coding} ${kind}`)
        swarm.close()
      }
    }
  })

  test(`undici ${version}: a fetch's body is estimated, and its compressed answer read`, async (t) => {
    const { url, begin } = await world(t)
    for (const coding of ['identity', 'gzip', 'deflate', 'br']) {
      const { swarm, init } = begin()
      const answer = await fetch(url({ coding, kind: 'json' }), init)
      t.is((await answer.json()).usage.completion_tokens, 11)
      await until(() => swarm.stats().inFlight === 0)
      t.is(swarm.stats().units.outputTokens.used, 11, coding)
      t.deepEqual(Object.keys(swarm.stats().upstream.models), ['m'], 'the model of the body')
      swarm.close()
    }
  })

  test(`undici ${version}: a body that is damaged, cut off or of no known coding ends the call, with what was reserved`, async (t) => {
    const { url, begin } = await world(t)
    for (const query of [
      { coding: 'gzip', bytes: 'noise', at: 12 },
      { coding: 'br', bytes: 'noise', at: 3 },
      { coding: 'gzip', bytes: 'cut', at: 15 },
    ]) {
      const { swarm, init } = begin()
      const sent = request(url({ kind: 'json', ...query }), init).then((answer) => answer.body.arrayBuffer())
      await sent.catch((error) => t.true(query.bytes === 'cut', error.message))
      await until(() => swarm.stats().runs === 1 && swarm.stats().inFlight === 0)
      t.is(swarm.stats().units.outputTokens.used, 500, JSON.stringify(query))
      t.is(swarm.stats().units.outputTokens.held, 0)
      swarm.close()
    }
    const { swarm, init } = begin()
    await (await request(url({ kind: 'json', coding: 'deflate', bytes: 'raw' }), init)).body.arrayBuffer()
    await until(() => swarm.stats().inFlight === 0)
    t.is(swarm.stats().units.outputTokens.used, 11, 'deflate without a header, as some servers send it')
  })
}
