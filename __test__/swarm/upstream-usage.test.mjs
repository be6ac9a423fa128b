// Usage and estimates from what goes to a provider and comes from it: JSON and streams of every interface, in pieces of any size.
import test from 'ava'
import { MockProvider } from '../../lab/provider/server.mjs'
import fc from '../_random.mjs'
import { sourceOf } from '../_source.mjs'

const { estimateBody, TokenLengths, UsageReader, usageIn } = await sourceOf('upstream/index.ts')

const MESSAGES = [{ role: 'user', content: 'Write a poem.' }]
const INTERFACES = {
  '/v1/chat/completions': { provider: 'openai', body: { model: 'm', messages: MESSAGES, max_completion_tokens: 100 } },
  '/v1/responses': { provider: 'openai', body: { model: 'm', input: MESSAGES, max_output_tokens: 100 } },
  '/v1/messages': { provider: 'anthropic', body: { model: 'm', messages: MESSAGES, max_tokens: 100 } },
}

/** The bytes of an answer of the mock provider. */
const answerOf = async (t, path, provider, body, tokens) => {
  const mock = await new MockProvider({ provider, firstMs: 0, tokenMs: 0 }).listen()
  t.teardown(() => mock.close())
  const headers = { 'content-type': 'application/json', 'x-mock-output-tokens': String(tokens) }
  const response = await fetch(`${mock.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  t.is(response.status, 200)
  return {
    type: response.headers.get('content-type'),
    bytes: new Uint8Array(await response.arrayBuffer()),
    counts: mock.counts,
  }
}

for (const [path, { provider, body }] of Object.entries(INTERFACES)) {
  test(`${path}: usage of an answer as a whole and of a stream`, async (t) => {
    for (const stream of [false, true]) {
      const options = stream && path.endsWith('completions') ? { stream_options: { include_usage: true } } : {}
      const { type, bytes, counts } = await answerOf(t, path, provider, { ...body, stream, ...options }, 77)
      const reader = new UsageReader(type)
      t.is(reader.isStream, stream)
      for (let at = 0; at < bytes.length; at += 13) reader.push(bytes.subarray(at, at + 13))
      t.like(reader.end(), { inputTokens: counts.inputTokens, outputTokens: 77 })
      t.is(reader.error, undefined)
    }
  })

  test(`${path}: a stream is counted as it goes, and never by more than a piece behind`, async (t) => {
    const { type, bytes } = await answerOf(t, path, provider, { ...body, stream: true }, 100)
    const reader = new UsageReader(type)
    const text = new TextDecoder().decode(bytes)
    const pieces = text.split('\n\n').map((event) => `${event}\n\n`)
    let last = 0
    for (const piece of pieces) {
      reader.push(new TextEncoder().encode(piece))
      const { outputTokens = 0 } = reader.usage
      if (piece.includes('wordword'))
        t.true(outputTokens >= last + 7 || outputTokens >= 100, `${last} → ${outputTokens}`)
      last = Math.max(last, outputTokens)
    }
    t.true(last >= 100)
  })
}

test('pieces that are no bytes are passed over', (t) => {
  for (const type of ['application/json', 'text/event-stream']) {
    const reader = new UsageReader(type)
    for (const piece of ['{"usage":', undefined, null, 7, {}, new ArrayBuffer(8)]) t.false(reader.push(piece))
    reader.push(
      new TextEncoder().encode(
        type.endsWith('json') ? '{"usage":{"completion_tokens":7}}' : 'data: {"usage":{"completion_tokens":7}}\n\n',
      ),
    )
    t.is(reader.end().outputTokens, 7)
  }
})

test('a stream without usage at its end is counted by its text', async (t) => {
  const { provider, body } = INTERFACES['/v1/chat/completions']
  const { type, bytes } = await answerOf(t, '/v1/chat/completions', provider, { ...body, stream: true }, 70)
  const reader = new UsageReader(type)
  reader.push(bytes)
  t.is(reader.end().outputTokens, 70)
})

test('the length of a token is learnt by model', (t) => {
  const lengths = new TokenLengths()
  const stream = (model, tokens) => {
    const reader = new UsageReader('text/event-stream', lengths, model)
    const event = { choices: [{ delta: { content: 'x'.repeat(100) } }] }
    reader.push(new TextEncoder().encode(`data: ${JSON.stringify(event)}\n\n`))
    const before = reader.usage.outputTokens
    reader.push(new TextEncoder().encode(`data: {"usage":{"prompt_tokens":1,"completion_tokens":${tokens}}}\n\n`))
    t.is(reader.end().outputTokens, tokens)
    return before
  }
  t.is(stream('short', 50), 25)
  t.is(stream('short', 50), 50)
  t.is(stream('other', 20), 25)
  for (let i = 0; i < 1000; i++) lengths.learn(`model ${i}`, 100, 50)
  t.is(lengths.of('short'), 4, 'of 64 models')
})

test('the estimate of a body', (t) => {
  const of = (body) => estimateBody(JSON.stringify(body))
  t.like(of({ model: 'm', messages: MESSAGES, max_tokens: 50, stream: true }), {
    model: 'm',
    maxTokens: 50,
    isStream: true,
  })
  t.is(of({ messages: MESSAGES, max_tokens: 50, max_completion_tokens: 60, n: 3 }).maxTokens, 180)
  t.is(of({ input: 'x'.repeat(350), model: 'text-embedding-3-small' }).inputTokens, 100)
  t.is(of({ input: 'x', model: 'text-embedding-3-small' }).maxTokens, 0)
  t.is(of({ messages: MESSAGES }).maxTokens, undefined)
  const picture = { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(1_000_000)}` } }
  t.true(of({ messages: [{ role: 'user', content: [picture] }] }).inputTokens < 2000, 'a picture is no text')
  const near = of({ messages: [{ role: 'user', content: 'word '.repeat(700) }] }).inputTokens
  t.true(near >= 1000 && near <= 1010, `${near}`)
  const asBytes = new TextEncoder().encode(JSON.stringify({ model: 'm', max_tokens: 5 }))
  t.like(estimateBody(asBytes), { model: 'm', maxTokens: 5 })
  for (const none of [undefined, null, '', '{', '[]', '1', new ReadableStream(), new FormData()]) {
    t.deepEqual(estimateBody(none), { model: undefined, inputTokens: undefined, maxTokens: undefined, isStream: false })
  }
})

test('the usage of a cache: Anthropic counts it beside the rest, OpenAI within', (t) => {
  const anthropic = { input_tokens: 10, cache_creation_input_tokens: 20, cache_read_input_tokens: 70, output_tokens: 5 }
  t.deepEqual(usageIn(anthropic), { inputTokens: 100, outputTokens: 5, cachedInputTokens: 70 })
  const openai = { prompt_tokens: 100, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 70 } }
  t.deepEqual(usageIn(openai), { inputTokens: 100, outputTokens: 5, cachedInputTokens: 70 })
})

test('an error within a stream is kept', (t) => {
  const reader = new UsageReader('text/event-stream; charset=utf-8')
  const error = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }
  reader.push(new TextEncoder().encode(`event: error\r\ndata: ${JSON.stringify(error)}\r\n\r\n`))
  t.deepEqual(reader.error, error)
})

test('a line without end takes no memory, and what comes after it is read', (t) => {
  const reader = new UsageReader('text/event-stream')
  const filler = new Uint8Array(65_536).fill(65)
  for (let i = 0; i < 64; i++) reader.push(filler)
  reader.push(new TextEncoder().encode('\n\ndata: {"usage":{"input_tokens":3,"output_tokens":4}}\n\n'))
  t.like(reader.usage, { inputTokens: 3, outputTokens: 4 })
})

test('a body may be anything: nothing throws, and counts are finite', (t) => {
  const json = fc.oneof(
    fc.json(),
    fc.string(),
    fc
      .dictionary(
        fc.constantFrom('usage', 'delta', 'choices', 'response', 'message', 'model', 'n', 'max_tokens', 'messages'),
        fc.anything(),
      )
      .map((value) => {
        try {
          return JSON.stringify(value) ?? ''
        } catch {
          return ''
        }
      }),
  )
  const isCount = (value) => value === undefined || (Number.isFinite(value) && value >= 0)
  fc.assert(
    fc.property(
      fc.array(json, { maxLength: 6 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 40 }),
      (parts, isStream, size) => {
        const text = isStream ? parts.map((part) => `data: ${part}\n\n`).join('') : parts.join('')
        const bytes = new TextEncoder().encode(text)
        const reader = new UsageReader(isStream ? 'text/event-stream' : 'application/json')
        for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size))
        const { inputTokens, outputTokens, cachedInputTokens } = reader.end()
        const estimate = estimateBody(text)
        return [inputTokens, outputTokens, cachedInputTokens, estimate.inputTokens, estimate.maxTokens].every(isCount)
      },
    ),
    { numRuns: 2000 },
  )
  t.pass()
})
