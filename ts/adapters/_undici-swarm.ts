/** Calls of undici as a swarm's: see `atrion/upstream`, which is the same for fetch. */

import type { Dispatcher } from 'undici'
import { ConfigError } from '../base/errors.js'
import { copyOf } from '../base/own.js'
import { isBytes } from '../base/realm.js'
import { onAbort } from '../base/signals.js'
import type { Tier } from '../limiter/types.js'
import type { Swarm, SwarmLease } from '../swarm/types.js'
import { AnswerEnd } from '../upstream/answer.js'
import { classifyStreamError } from '../upstream/classify.js'
import { estimateBody } from '../upstream/estimate.js'
import { readerOf } from '../upstream/headers.js'
import { TokenLengths, UsageReader } from '../upstream/usage.js'
import { type ContentDecoder, contentDecoder } from './_content-decoder.js'
import { type OptionTypes, validateTypes } from './_options.js'
import { endOf, report } from './_swarm-usage.js'
import { type Handler, type ResponseWatch, refuseHandler, wasAborted, withWatch } from './_undici-handler.js'

export interface SwarmUndiciOptions {
  /** Default 'normal'. */
  readonly tier?: Tier
  /** The tenant, for the fair order of those that wait. Default: that of the swarm. */
  readonly key?: string | number | bigint
  /** The kind of agent, by which the length of answers is learnt where the call does not bound it. */
  readonly agent?: string
  /**
   * Time that a call may wait for budget, quota and a permit, ms, ≥ 0; Infinity, the default: for as long as it takes. A call that is
   * aborted while it waits ends when it would have been sent.
   */
  readonly maxWaitMs?: number
}

const TYPES: OptionTypes = {
  tier: ['string'],
  key: ['string', 'number', 'bigint'],
  agent: ['string'],
  maxWaitMs: ['number'],
}
/** Most bytes of an error's body that are kept to judge it. */
const LONGEST_ERROR = 65_536

/** Longest body that is read before it is sent, bytes. */
const LONGEST_BODY = 4_194_304

/**
 * Returns whether a body has to be read before its call can be estimated, and may be: fetch hands on what was a text as something that is
 * iterated over once. A stream is left alone, and so is a body of unknown length.
 */
function isReadable({ body, headers }: Dispatcher.DispatchOptions): boolean {
  const given: unknown = body
  if (typeof given !== 'object' || given === null || !(Symbol.asyncIterator in given) || 'pipe' in given) return false
  if (Symbol.iterator in given) return false
  const read = readerOf(headers)
  const bytes = read('content-length')
  return /json|^text\//i.test(read('content-type') ?? '') && bytes !== undefined && Number(bytes) <= LONGEST_BODY
}

async function bytesOf(body: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(isBytes(chunk) ? chunk : Buffer.from(String(chunk)))
  return Buffer.concat(chunks)
}

/** The events of one call, on their way to its lease. */
class CallWatch implements ResponseWatch {
  readonly #lease: SwarmLease
  readonly #lengths: TokenLengths
  readonly #model: string | undefined
  readonly #settle: (error?: unknown) => void
  #reader: UsageReader | undefined
  #decoder: ContentDecoder | undefined
  /** The end of the answer, once all of it is decoded. */
  #finish: (() => void) | undefined
  #forget: (() => void) | undefined
  #status = 0
  #headers: object = {}
  #error: Uint8Array[] = []
  #errorBytes = 0

  constructor(lease: SwarmLease, lengths: TokenLengths, model: string | undefined, settle: (error?: unknown) => void) {
    this.#lease = lease
    this.#lengths = lengths
    this.#model = model
    this.#settle = settle
  }

  start(abort: (reason?: Error) => void): void {
    const { signal } = this.#lease
    if (signal.aborted) abort(signal.reason as Error)
    else this.#forget ??= onAbort(signal, () => abort(signal.reason as Error))
  }

  head(status: number, contentType: unknown, headers: object): void {
    if (status < 200) return
    this.#status = status
    this.#headers = headers
    this.#decoder = contentDecoder(
      readerOf(headers)('content-encoding'),
      (chunk) => this.#read(chunk),
      () => this.#finish?.(),
    )
    if (status >= 400) return
    this.#lease.answered(status, headers)
    this.#reader = new UsageReader(String(contentType ?? ''), this.#lengths, this.#model)
  }

  data(chunk: unknown): void {
    if (!isBytes(chunk)) return
    if (this.#decoder === undefined) this.#read(chunk)
    else this.#decoder.push(chunk)
  }

  #read(chunk: Uint8Array): void {
    if (this.#reader === undefined) {
      this.#errorBytes += chunk.byteLength
      if (this.#errorBytes <= LONGEST_ERROR) this.#error.push(chunk)
    } else if (this.#reader.push(chunk)) report(this.#lease, this.#reader)
  }

  end(): void {
    this.#forget?.()
    this.#whenRead(() => this.#ended())
  }

  /** Calls back when all that came of the body is decoded. */
  #whenRead(then: () => void): void {
    if (this.#decoder === undefined) then()
    else {
      this.#finish = then
      this.#decoder.end()
    }
  }

  #ended(): void {
    const reader = this.#reader
    if (reader === undefined) {
      const classified = this.#lease.answered(this.#status, this.#headers, Buffer.concat(this.#error))
      // Nothing was made, so that nothing was used.
      this.#lease.refund()
      this.#settle(new AnswerEnd(classified))
      return
    }
    reader.end()
    report(this.#lease, reader)
    this.#settle(reader.error === undefined ? undefined : new AnswerEnd(endOf(classifyStreamError(reader.error))))
  }

  upgrade(): void {
    this.#forget?.()
    this.#settle()
  }

  error(error: unknown): void {
    this.#forget?.()
    const isOwn = wasAborted(error) && this.#lease.exhausted === undefined
    this.#whenRead(() => {
      if (this.#reader !== undefined) report(this.#lease, this.#reader, true)
      this.#settle(isOwn ? new AnswerEnd({ ...endOf('rejected'), outcome: 'ignored' }) : error)
    })
  }
}

/**
 * Makes calls a swarm's: `new Agent().compose(swarmUndici(swarm, options))`, also as the `dispatcher` of fetch. Each waits for its turn,
 * its budget and the provider's quota, and is settled by what its answer reports; a stream that reaches the limit is aborted with a
 * BudgetError. One that may not begin rejects with a BudgetError or ShedError, and nothing is sent. It is not sent again by itself.
 *
 * @throws ConfigError for an option that is unknown or of the wrong type
 */
export function swarmUndici(swarm: Swarm, options: SwarmUndiciOptions = {}): Dispatcher.DispatcherComposeInterceptor {
  if (typeof swarm?.run !== 'function') throw new ConfigError('swarm', 'a swarm', swarm)
  const given = copyOf(options, Object.keys(TYPES))
  validateTypes(given, TYPES)
  const { tier, key, agent, maxWaitMs = Number.POSITIVE_INFINITY } = given
  const lengths = new TokenLengths()
  return (dispatch) => {
    const begin = (request: Dispatcher.DispatchOptions, handler: Handler): void => {
      const hasBody = request.body !== undefined && request.body !== null
      const { model, inputTokens, maxTokens } = estimateBody(request.body)
      const estimate = hasBody ? { model, inputTokens, maxTokens } : { inputTokens: 0, outputTokens: 0 }
      let isSent = false
      const work = (lease: SwarmLease): Promise<void> =>
        new Promise((resolve, reject) => {
          isSent = true
          const settle = (error?: unknown): void => (error === undefined ? resolve() : reject(error))
          const watch = new CallWatch(lease, lengths, model, settle)
          dispatch(request, withWatch(handler, watch) as Dispatcher.DispatchHandler)
        })
      swarm.run({ ...estimate, agent }, work, { tier, key, maxWaitMs }).catch((error: unknown) => {
        if (!isSent) refuseHandler(handler, error as Error)
      })
    }
    return (request, given) => {
      const handler = given as Handler
      if (!isReadable(request)) begin(request, handler)
      else {
        bytesOf(request.body as unknown as AsyncIterable<unknown>).then(
          (body) => begin({ ...request, body }, handler),
          (error: unknown) => refuseHandler(handler, error as Error),
        )
      }
      return true
    }
  }
}
