/**
 * A permit's way through Node's own request and response, for every framework on them. It is held until the handler and the
 * response are over, and given back once, however that comes about.
 *
 * | what happens | outcome |
 * |---|---|
 * | the answer is handed over (`end()`), below 500 | success |
 * | handed over, 500 and above | failure |
 * | a shed of a guard further in | ignored |
 * | the client goes away first: held until the handler is over, within a bound | ignored |
 * | cut off by us: an error after the headers, a timeout | failure |
 * | long-lived: a feed, an upgrade, ten seconds | ignored, at once; from then on it is one of the route's streams |
 * | the client does not take what is written, a mebibyte is, or its body does not come | ignored, at once; a body that is in counts anew |
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Outcome, Permit, Tier } from '../loop.js'
import { isThenable } from './_ask.js'
import type { Asking, Turnstile } from './_asking.js'
import { isClientsFault } from './_client.js'
import { shedIn } from './_problem.js'
import { ReaderWatch } from './_reader.js'
import { refuse } from './_refusal.js'
import { isBodyPending, waitsForClient, whenBodyEnds } from './_request-body.js'
import { contentTypeIn, isFeed, isUpgrade, openStream } from './_stream.js'
import { after, callOff, nowMs, type Timer } from './_timers.js'
import { watchLong } from './_watch.js'

/** A client's sending holds a slot for this long, ms. */
const SENDING_MS = 20
/** A handler whose client is gone is counted for this long, ms, where its end will be known. */
const HANDLER_HOLD_MS = 5_000
/** The same, where only a response that it still writes would tell. */
const UNKNOWN_HOLD_MS = 1_000

const PASSAGE = Symbol('atrion.passage')

type Marked = IncomingMessage & { [PASSAGE]?: Passage | undefined }

/** The passage of a request through guards of this instance, where one has begun. */
export function passageOf(request: IncomingMessage, turnstile: Turnstile): Passage | undefined {
  let passage = (request as Marked)[PASSAGE]
  while (passage !== undefined && passage.atrion !== turnstile.atrion) passage = passage.outer
  return passage
}

/** The passage that a request began last. */
export const lastPassage = (request: IncomingMessage): Passage | undefined => (request as Marked)[PASSAGE]

export class Passage {
  readonly #turnstile: Turnstile
  #asking: Asking
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  /** Of another instance, passed before. */
  readonly outer: Passage | undefined
  readonly startedMs = nowMs()
  #routeId: string
  #permit: Permit | undefined
  #closeStream: (() => void) | undefined
  /** What the answer came to, once it was handed over. */
  #ended: Outcome | undefined
  /** Promises of the handler under way. */
  #pending = 0
  #wasFollowed = false
  #isClosed = false
  #isSending = false
  #isShed = false
  #timer: Timer | undefined
  #readerWatch: ReaderWatch | undefined
  /** Set by an adapter: answers a refusal of the route that a router has named, as the application wants it. */
  refuse: ((permit: Permit) => void) | undefined
  /** Set by an adapter whose framework ends every response when its handler is over, of a client that is gone, too. */
  isAlwaysEnded = false
  /** Set by an adapter whose router knows only afterwards which handler answered: whether it was the one of this route. */
  answersFor: (() => boolean) | undefined

  constructor(
    turnstile: Turnstile,
    routeId: string,
    permit: Permit,
    asking: Asking,
    request: IncomingMessage,
    response: ServerResponse,
    isStream: boolean,
  ) {
    this.#turnstile = turnstile
    this.#routeId = routeId
    this.#permit = permit
    this.#asking = asking
    this.#request = request
    this.#response = response
    this.outer = (request as Marked)[PASSAGE]
    ;(request as Marked)[PASSAGE] = this
    if (response.destroyed || response.writableEnded) {
      this.#isClosed = true
      this.#release(response.writableEnded ? this.#verdict() : 'ignored')
      return
    }
    if (isStream) this.toStream()
    if (isUpgrade(request)) {
      request.socket.once('close', () => this.#close())
      return
    }
    this.#watchResponse()
    // The response of a broken connection closes; one that waits behind another on its connection does not.
    response.once('close', () => this.#close())
    if (response.socket === null) request.once('close', () => this.#hear())
    if (!isStream) {
      watchLong(this)
      if (isBodyPending(request)) queueMicrotask(this.#awaitBody)
    }
  }

  get atrion(): Turnstile['atrion'] {
    return this.#turnstile.atrion
  }

  get routeId(): string {
    return this.#routeId
  }

  /** Whether the application named the route itself. */
  get isNamed(): boolean {
    return this.#asking.route !== undefined
  }

  /** The tier of the request; undefined when it came with a voltage. */
  get tier(): Tier | undefined {
    const { voltage, tier } = this.#asking
    return voltage === undefined ? (tier ?? 'normal') : undefined
  }

  /** Holds the permit until the handler's promise is settled, too. What is no promise tells nothing. */
  follow(work: unknown): void {
    if (!isThenable(work)) return
    this.#wasFollowed = true
    this.#pending++
    const done = (): void => {
      this.#pending--
      if (this.#pending > 0) return
      if (this.#ended !== undefined) this.#release(this.#ended)
      else if (this.#isClosed) this.#release('ignored')
    }
    work.then(done, (error: unknown) => {
      if (shedIn(error) !== undefined) this.#isShed = true
      done()
    })
  }

  /** The handler failed, or met a guard that shed it; what becomes of the response is the framework's business. */
  fail(error: unknown): void {
    if (shedIn(error) !== undefined) this.noteShed()
    else this.#release(this.#isClosed ? 'ignored' : 'failure')
  }

  /** A guard further in shed the request: what is answered says nothing of this route. */
  noteShed(): void {
    this.#isShed = true
    if (this.#ended !== undefined) this.#ended = 'ignored'
  }

  /**
   * Counts the request for another route from now on: a guard further in, or the router, has named it.
   *
   * @returns undefined, or the refusal of that route
   */
  rename(routeId: string, asking: Asking = this.#asking): Permit | undefined {
    const permit = this.#permit
    if (routeId === this.#routeId || permit === undefined || this.#ended !== undefined) return undefined
    const next = this.#turnstile.again(routeId, asking)
    permit.release('ignored')
    this.#routeId = routeId
    this.#asking = asking
    if (next.allow) {
      this.#permit = next
      return undefined
    }
    this.#permit = undefined
    this.#unwatch()
    return next
  }

  /** The framework has an answer of this type, of which nothing may be sent for a while. */
  noteType(contentType: unknown): void {
    if (isFeed(contentType)) this.toStream()
  }

  /** The answer is long-lived: it leaves the budget of requests. false where that of streams is spent. */
  toStream(): boolean {
    if (this.#closeStream !== undefined || this.#isClosed) return true
    this.#closeStream = openStream(this.atrion, this.#routeId, this.#turnstile.maxStreams)
    if (this.#closeStream === undefined) return false
    this.#release('ignored')
    return true
  }

  #release(outcome: Outcome): void {
    const permit = this.#permit
    if (permit === undefined) return
    this.#permit = undefined
    this.#unwatch()
    permit.release(outcome === 'success' && this.answersFor?.() === false ? 'ignored' : outcome)
  }

  #unwatch(): void {
    callOff(this.#timer)
    this.#readerWatch?.stop()
    watchLong(this, false)
  }

  /** What the answer says of the route. */
  #verdict(): Outcome {
    if (this.#isClosed || this.#isShed) return 'ignored'
    if (this.#response.statusCode < 500) return 'success'
    return this.answersFor?.() === false ? 'ignored' : 'failure'
  }

  /** The answer was handed over; how long its client takes to read it is not the route's time. */
  #end(): void {
    if (this.#ended !== undefined) return
    this.#closeStream?.()
    this.#ended = this.#verdict()
    this.#isSending = false
    if (this.#pending === 0) this.#release(this.#ended)
  }

  #close(): void {
    if (this.#isClosed) return
    const response = this.#response
    this.#closeStream?.()
    this.#isSending = false
    if (this.#ended !== undefined || this.#permit === undefined) {
      this.#isClosed = true
      return
    }
    const isClients = isClientsFault(this.#request, response)
    this.#isClosed = true
    const isOver = this.#wasFollowed && this.#pending === 0
    if (!isClients) this.#release(this.#isShed ? 'ignored' : 'failure')
    else if (isOver) this.#release('ignored')
    else {
      // The handler may work on for a client that is gone, and end a response that is closed.
      callOff(this.#timer)
      const holdMs = this.#pending > 0 || this.isAlwaysEnded ? HANDLER_HOLD_MS : UNKNOWN_HOLD_MS
      this.#timer = after(holdMs, () => this.#release('ignored'))
    }
  }

  /** The request of a response that waits for its turn is over: given up, or merely read to its end. */
  #hear(): void {
    if (this.#request.socket?.destroyed) this.#close()
  }

  /** The handler's own ways to write: what they tell is when its work is done, and when it waits for the client. */
  #watchResponse(): void {
    const response = this.#response
    const { writeHead, write, end } = response
    response.writeHead = ((...args: Parameters<typeof writeHead>) => {
      if (!response.headersSent && this.#isFeed(args[args.length - 1]) && !this.toStream()) {
        return this.#refuseLate(writeHead, end)
      }
      return writeHead.apply(response, args)
    }) as typeof writeHead
    response.write = ((...args: Parameters<typeof write>) => {
      if (!response.headersSent && this.#isFeed(undefined) && !this.toStream()) {
        this.#refuseLate(writeHead, end)
        return true
      }
      const flows = write.apply(response, args)
      if (!flows && this.#permit !== undefined) this.#reader().wrote(args[0])
      return flows
    }) as typeof write
    response.end = ((...args: Parameters<typeof end>) => {
      // An end that is tried on a response that has broken off ends nothing.
      if (response.destroyed) this.#close()
      const result = end.apply(response, args)
      this.#end()
      return result
    }) as typeof end
  }

  /** What is left of an answer that waits for its client is the client's to read. */
  #reader(): ReaderWatch {
    const leave = (): void => this.#release(this.#response.statusCode < 500 ? 'ignored' : this.#verdict())
    this.#readerWatch ??= new ReaderWatch(this.#response, leave)
    return this.#readerWatch
  }

  #isFeed(given: unknown): boolean {
    return this.#closeStream === undefined && isFeed(contentTypeIn(given) ?? this.#response.getHeader('content-type'))
  }

  /** The budget of streams is spent: 503 in place of what the handler begins to write, and nothing after it. */
  #refuseLate(writeHead: ServerResponse['writeHead'], end: ServerResponse['end']): ServerResponse {
    const response = this.#response
    response.writeHead = writeHead
    response.end = end
    this.#isShed = true
    refuse(this.#request, response, { retryAfterMs: undefined })
    this.#end()
    response.write = () => true
    response.end = () => response
    response.writeHead = () => response
    response.setHeader = () => response
    return response
  }

  /** Most bodies come with their heads; the slot of one that does not is lent to others until it is in. */
  readonly #awaitBody = (): void => {
    if (this.#permit === undefined || !isBodyPending(this.#request)) return
    callOff(this.#timer)
    this.#timer = after(SENDING_MS, () => {
      if (this.#permit === undefined || this.#isClosed) return
      if (!waitsForClient(this.#request)) return this.#awaitBody()
      this.#isSending = true
      this.#release('ignored')
      whenBodyEnds(this.#request, () => this.#bodyIsIn())
    })
  }

  #bodyIsIn(): void {
    if (!this.#isSending) return
    this.#isSending = false
    const permit = this.#turnstile.again(this.#routeId, { ...this.#asking, tier: 'critical', voltage: undefined })
    if (!permit.allow) return
    this.#permit = permit
    watchLong(this)
  }
}
