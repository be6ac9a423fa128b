/**
 * A mock provider of language models: an HTTP server with the paths, headers, errors and streams of each kind of provider, true token
 * buckets as limits, and faults on order. A call's output is as long as `x-mock-output-tokens` asks for, or 60 % of what it may be.
 */
import { createServer } from 'node:http'
import { DIALECTS, PATHS } from './dialects.mjs'
import { KeyLimits } from './limits.mjs'

const CHARACTERS_A_TOKEN = 4
const DEFAULT_MOST_OUTPUT = 256
const SHARE_OF_MOST = 0.6
const MOST_BODY_BYTES = 16_777_216
const WORD = 'word'

/** A text of so many tokens, four characters each. */
const textOf = (tokens) => WORD.repeat(tokens)

const readBody = async (request) => {
  const chunks = []
  let bytes = 0
  for await (const chunk of request) {
    bytes += chunk.length
    if (bytes > MOST_BODY_BYTES) throw new Error('body too large')
    chunks.push(chunk)
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'))
}

const promptTokensOf = ({ messages, input, system, instructions }) =>
  Math.ceil(JSON.stringify([messages, input, system, instructions]).length / CHARACTERS_A_TOKEN)

const emptyCounts = () => ({
  calls: 0,
  ok: 0,
  quota: 0,
  exhausted: 0,
  overload: 0,
  broken: 0,
  inFlight: 0,
  mostInFlight: 0,
  inputTokens: 0,
  /** Tokens that were sent, also of streams that their client broke off. */
  outputTokens: 0,
  abandoned: 0,
})

/**
 * @typedef {object} Settings
 * @property {'openai' | 'azure-openai' | 'anthropic' | 'generic'} [provider] default 'openai'
 * @property {import('./limits.mjs').Limits} [limits] of each key; default: none
 * @property {number} [firstMs] time to the first token, ms; default 20
 * @property {number} [tokenMs] time a token, ms; default 0.2
 * @property {number} [pieceTokens] tokens of a stream's piece; default 8
 * @property {number} [now] the clock, ms
 */
export class MockProvider {
  #settings
  #dialect
  #keys = new Map()
  #counts = emptyCounts()
  #byAgent = new Map()
  #fault
  #ids = 0
  #now
  #server = createServer((request, response) => {
    this.#handle(request, response).catch((error) => {
      if (!response.headersSent) response.writeHead(400, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ error: { message: error.message, type: 'invalid_request_error' } }))
    })
  })

  /** @param {Settings} settings */
  constructor({ provider = 'openai', limits = {}, firstMs = 20, tokenMs = 0.2, pieceTokens = 8, now } = {}) {
    this.#settings = { limits, firstMs, tokenMs, pieceTokens }
    this.#dialect = DIALECTS[provider]
    this.#now = now ?? (() => performance.now())
  }

  /** Listens on a free port of 127.0.0.1. */
  async listen() {
    await new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(0, '127.0.0.1', resolve)
    })
    this.url = `http://127.0.0.1:${this.#server.address().port}`
    return this
  }

  async close() {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  /** The answers since it began, or since the last `reset`. */
  get counts() {
    return { ...this.#counts }
  }

  /** The least share of a limit that remains, of any key. */
  get remaining() {
    const shares = [...this.#keys.values()].flatMap((limits) =>
      [...limits.states(this.#now())].map(({ remaining, limit }) => remaining / limit),
    )
    return Math.min(1, ...shares)
  }

  /** The tokens that each `x-mock-agent` was sent. */
  get byAgent() {
    return Object.fromEntries(this.#byAgent)
  }

  reset() {
    const { inFlight } = this.#counts
    this.#counts = { ...emptyCounts(), inFlight }
    this.#byAgent.clear()
  }

  /** Answers everything from now on by a fault: 'quota', 'exhausted', 'overload' or 'broken' (500); undefined: as usual. */
  fail(kind) {
    this.#fault = kind
  }

  #limitsOf(key) {
    let limits = this.#keys.get(key)
    if (limits !== undefined) return limits
    limits = new KeyLimits(this.#settings.limits, this.#now())
    this.#keys.set(key, limits)
    return limits
  }

  async #handle(request, response) {
    const path = PATHS[new URL(request.url, 'http://mock').pathname]
    const body = await readBody(request)
    if (path === undefined || request.method !== 'POST') throw new Error(`no such path: ${request.url}`)
    this.#counts.calls += 1
    if (this.#fault !== undefined) return this.#refuse(response, this.#fault, 1000, {})
    const inputTokens = promptTokensOf(body)
    const most = body.max_completion_tokens ?? body.max_tokens ?? body.max_output_tokens ?? DEFAULT_MOST_OUTPUT
    const asked = Number(request.headers['x-mock-output-tokens'] ?? Math.ceil(most * SHARE_OF_MOST))
    const key = request.headers.authorization ?? request.headers['x-api-key'] ?? ''
    const limits = this.#limitsOf(key)
    const waitMs = limits.admit({ inputTokens, maxOutputTokens: most }, this.#now())
    const headers = this.#dialect.headers([...limits.states(this.#now())], Date.now())
    if (waitMs > 0) return this.#refuse(response, 'quota', waitMs, headers)
    const call = {
      id: `mock-${++this.#ids}`,
      model: body.model ?? 'mock',
      inputTokens,
      outputTokens: Math.min(asked, most),
      includeUsage: body.stream_options?.include_usage === true,
      agent: request.headers['x-mock-agent'],
    }
    this.#counts.ok += 1
    this.#counts.inputTokens += inputTokens
    this.#counts.inFlight += 1
    this.#counts.mostInFlight = Math.max(this.#counts.mostInFlight, this.#counts.inFlight)
    let isGone = false
    const gone = new Promise((resolve) => {
      response.once('close', () => {
        isGone = true
        resolve()
      })
    })
    const pause = (ms) => (ms > 0 ? Promise.race([new Promise((resolve) => setTimeout(resolve, ms)), gone]) : undefined)
    try {
      const context = { response, limits, call, headers, pause, isGone: () => isGone && !response.writableFinished }
      await (body.stream === true ? this.#stream(path, context) : this.#whole(path, context))
    } finally {
      this.#counts.inFlight -= 1
      if (isGone && !response.writableFinished) this.#counts.abandoned += 1
    }
  }

  async #whole(path, { response, limits, call, headers, pause, isGone }) {
    await pause(this.#settings.firstMs + call.outputTokens * this.#settings.tokenMs)
    this.#made(call, call.outputTokens, limits)
    if (isGone()) return
    response.writeHead(200, { 'content-type': 'application/json', 'x-request-id': call.id, ...headers })
    response.end(JSON.stringify(path.whole({ ...call, text: textOf(call.outputTokens) })))
  }

  async #stream(path, { response, limits, call, headers, pause, isGone }) {
    const { firstMs, tokenMs, pieceTokens } = this.#settings
    const events = path.stream({ ...call, text: textOf(call.outputTokens) })
    await pause(firstMs)
    if (isGone()) return
    response.writeHead(200, { 'content-type': 'text/event-stream', 'x-request-id': call.id, ...headers })
    response.write(events.before)
    for (let left = call.outputTokens; left > 0 && !isGone(); ) {
      const tokens = Math.min(pieceTokens, left)
      await pause(tokens * tokenMs)
      if (isGone()) return
      response.write(events.piece(textOf(tokens)))
      this.#made(call, tokens, limits)
      left -= tokens
    }
    if (!isGone()) response.end(events.after)
  }

  #made(call, tokens, limits) {
    limits.made(tokens, this.#now())
    this.#counts.outputTokens += tokens
    if (call.agent !== undefined) this.#byAgent.set(call.agent, (this.#byAgent.get(call.agent) ?? 0) + tokens)
  }

  #refuse(response, kind, waitMs, headers) {
    this.#counts[kind] += 1
    const broken = [500, { error: { message: 'The server had an error', type: 'server_error' } }]
    const [status, body] = kind === 'broken' ? broken : this.#dialect.errors[kind]
    const retry = kind === 'quota' ? this.#dialect.retry(waitMs) : {}
    response.writeHead(status, { 'content-type': 'application/json', ...headers, ...retry })
    response.end(JSON.stringify(body))
  }
}
