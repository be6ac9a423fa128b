/**
 * `atrion/upstream`: a fetch whose calls are a swarm's. Each waits for its turn, its budget and the provider's quota, its usage is read
 * from the answer, and a stream that reaches the limit is ended there. For the official SDKs, and all that take a `fetch`.
 */

import { ConfigError } from '../base/errors.js'
import { copyOf } from '../base/own.js'
import { isBytes, isOfKind } from '../base/realm.js'
import type { Tier } from '../limiter/types.js'
import type { Swarm, SwarmLease } from '../swarm/types.js'
import { AnswerEnd } from '../upstream/answer.js'
import { type Classified, classifyStreamError } from '../upstream/classify.js'
import { estimateBody } from '../upstream/estimate.js'
import { TokenLengths, UsageReader } from '../upstream/usage.js'
import { type OptionTypes, validateTypes } from './_options.js'
import { endOf, report } from './_swarm-usage.js'

/** The part of fetch that is used: a runtime's own, undici's, or a custom one. */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>

export interface SwarmFetchOptions {
  /** Default 'normal'. */
  readonly tier?: Tier
  /** The tenant, for the fair order of those that wait. Default: that of the swarm. */
  readonly key?: string | number | bigint
  /** The kind of agent, by which the length of answers is learnt where the call does not bound it. */
  readonly agent?: string
  /** Time that a call may wait for budget, quota and a permit, ms, ≥ 0; Infinity, the default: until its own signal is aborted. */
  readonly maxWaitMs?: number
  /** Times that a call which was refused for quota (429) waits for its turn again, a whole number ≥ 0. Default 2. */
  readonly maxRetries?: number
  /** The fetch that sends. Default: the global one at the time of the call. */
  readonly fetch?: Fetch
}

const TYPES: OptionTypes = {
  tier: ['string'],
  key: ['string', 'number', 'bigint'],
  agent: ['string'],
  maxWaitMs: ['number'],
  maxRetries: ['number'],
  fetch: ['function'],
}
const DEFAULT_RETRIES = 2
/** Most bytes of an error's body that are read to judge it. */
const LONGEST_ERROR = 65_536

/** An answer, and whether it is worth another attempt. */
interface Attempt {
  readonly response: Response
  readonly classified: Classified | undefined
}

const isURL = (input: URL | Request): input is URL => isOfKind(input, 'URL')

/** The body as far as it can be read before it is sent. Of a `Request` a copy is read. */
async function bodyOf(input: string | URL | Request, init: RequestInit | undefined): Promise<unknown> {
  if (init?.body !== undefined && init.body !== null) return init.body
  if (typeof input !== 'object' || isURL(input) || input.body === null) return undefined
  const isJson = /json/i.test(input.headers.get('content-type') ?? '')
  return isJson ? input.clone().text() : input.body
}

/** Returns whether a body can be sent again. */
const isRepeatable = (body: unknown): boolean =>
  body === undefined || typeof body === 'string' || isBytes(body) || isOfKind(body, 'ArrayBuffer')

/** An answer with another body. What fetch alone can set stays readable. */
function withBody(response: Response, body: BodyInit | null): Response {
  const { status, statusText, headers, url, redirected } = response
  const copy = new Response(body, { status, statusText, headers })
  return Object.defineProperties(copy, { url: { value: url }, redirected: { value: redirected } })
}

/** The body of a success as it is read on, with its usage counted. `done` settles when it is over. */
function metered(body: ReadableStream<Uint8Array>, lease: SwarmLease, reader: UsageReader) {
  const source = body.getReader()
  let finish!: (error?: unknown) => void
  const done = new Promise<void>((resolve, reject) => {
    finish = (error) => (error === undefined ? resolve() : reject(error))
  })
  done.catch(() => {})
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { value, done: isOver } = await source.read()
          if (isOver) {
            reader.end()
            const fits = report(lease, reader)
            controller.close()
            const kind = reader.error === undefined ? undefined : classifyStreamError(reader.error)
            finish(kind === undefined || !fits ? undefined : new AnswerEnd(endOf(kind)))
            return
          }
          const changed = reader.push(value)
          controller.enqueue(value)
          if (changed && !report(lease, reader)) throw lease.exhausted ?? new Error('the budget is spent')
        } catch (error) {
          const reason = lease.exhausted ?? error
          report(lease, reader, true)
          controller.error(reason)
          await source.cancel(reason).catch(() => {})
          finish(reason)
        }
      },
      async cancel(reason) {
        report(lease, reader, true)
        finish()
        await source.cancel(reason)
      },
    },
    { highWaterMark: 0 },
  )
  return { stream, done }
}

/** Takes over an error's answer: judged by its body, which stays readable. */
async function refused(response: Response, lease: SwarmLease): Promise<Attempt> {
  const text = await response.text().catch(() => '')
  const classified = lease.answered(response.status, response.headers, text.slice(0, LONGEST_ERROR))
  // Nothing was made, so that nothing was used.
  lease.refund()
  const copy = withBody(response, text)
  if (classified.kind === 'exhausted') copy.headers.set('x-should-retry', 'false')
  return { response: copy, classified }
}

/**
 * A fetch for clients of language models: `new OpenAI({ fetch: swarmFetch(swarm), maxRetries: 0 })`. A call is estimated by its body,
 * begins when budget, quota and permit are there, and is settled by what its answer reports. Rejects with a BudgetError or ShedError
 * where it may not begin, and so does the body of a stream that a limit ends. A 429 of quota waits for its turn again; one of credit that
 * is gone is handed on, marked as not to be tried again.
 *
 * @throws ConfigError for an option that is unknown or of the wrong type
 */
export function swarmFetch(swarm: Swarm, options: SwarmFetchOptions = {}): Fetch {
  if (typeof swarm?.run !== 'function') throw new ConfigError('swarm', 'a swarm', swarm)
  const given = copyOf(options, Object.keys(TYPES))
  validateTypes(given, TYPES)
  const { tier, key, agent, maxWaitMs = Number.POSITIVE_INFINITY, maxRetries = DEFAULT_RETRIES } = given
  if (!Number.isInteger(maxRetries) || maxRetries < 0) {
    throw new ConfigError('maxRetries', 'a whole number ≥ 0', maxRetries)
  }
  const lengths = new TokenLengths()
  const send: Fetch = given.fetch ?? ((input, init) => globalThis.fetch(input, init))

  const attempt = (
    input: string | URL | Request,
    init: RequestInit | undefined,
    body: unknown,
    signal: AbortSignal | undefined,
  ) =>
    new Promise<Attempt>((resolve, reject) => {
      const { model, inputTokens, maxTokens } = estimateBody(body)
      const estimate = body === undefined ? { inputTokens: 0, outputTokens: 0 } : { model, inputTokens, maxTokens }
      const work = async (lease: SwarmLease, ends: AbortSignal): Promise<void> => {
        const response = await send(input, { ...init, signal: ends })
        if (response.status >= 400) {
          const answer = await refused(response, lease)
          resolve(answer)
          throw new AnswerEnd(answer.classified!)
        }
        lease.answered(response.status, response.headers)
        if (response.body === null) {
          resolve({ response, classified: undefined })
          return
        }
        const reader = new UsageReader(response.headers.get('content-type'), lengths, model)
        const { stream, done } = metered(response.body, lease, reader)
        resolve({ response: withBody(response, stream), classified: undefined })
        await done
      }
      swarm.run({ ...estimate, agent }, work, { tier, key, maxWaitMs, signal }).then(
        () => {},
        (error: unknown) => reject(error),
      )
    })

  return async (input, init) => {
    const body = await bodyOf(input, init)
    const signal = init?.signal ?? (typeof input === 'object' && 'signal' in input ? input.signal : undefined)
    const mayRepeat = isRepeatable(body) && !(typeof input === 'object' && 'body' in input && input.body !== null)
    for (let tries = 0; ; tries++) {
      const { response, classified } = await attempt(input, init, body, signal ?? undefined)
      const isQuota = classified?.kind === 'quota' && classified.mayRetry
      if (!isQuota || !mayRepeat || tries >= maxRetries) return response
    }
  }
}
