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
 * | long-lived: a feed, an upgrade, ten seconds | it leaves the work in flight at once, and is one of the route's streams |
 * | the client does not take what is written, a mebibyte is, or its body does not come | it leaves at once; a body that is in counts anew |
 *
 * What has left is no sample of its route's latency; that it was answered, or cut off by us, still counts for its breaker.
 *
 * Longer than other files, because a permit has one owner: every step of a response may move it or end it.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { soon } from '../base/soon.js'
import type { Outcome, Permit, Tier } from '../limiter/types.js'
import type { AcquireParams, TrackerHost } from './_acquire-params.js'
import type { RequestAdmission } from './_admission.js'
import { mayCancel } from './_cancel.js'
import { isClientsFault, statusOnStream } from './_client.js'
import { isClosed, whenClosed } from './_closed.js'
import { Departure, depart } from './_departure.js'
import { InnerShed } from './_inner-shed.js'
import { holdMs, isLateAsARule, isSoon, longMs, noteAbandoned, noteSooner, restMs } from './_long.js'
import { refusalOf, type Shed, shedIn } from './_problem.js'
import { ReaderWatch } from './_reader.js'
import { isBodyPending, waitsForClient, whenBodyEnds } from './_request-body.js'
import { isPromise } from './_resolve.js'
import { hookResponse } from './_response-hooks.js'
import { type AdapterRouteOptions, isAskedAgain, refined } from './_route-options.js'
import { contentTypeIn, isFeed, isUpgrade, openStream } from './_stream.js'
import { after, callOff, nowMs, type Timer } from './_timers.js'
import { watchLong } from './_watch.js'

/** A client's sending holds a slot for this long, ms. */
const SENDING_MS = 20

/** An answer that would be one stream more than its route may have open. */
const NO_ROOM: Shed = { retryAfterMs: undefined }

const TRACKER = Symbol('atrion.response-tracker')

type Marked = IncomingMessage & { [TRACKER]?: ResponseTracker | undefined }

/** The tracker of a request through guards of this instance, where one has begun. */
export function trackerOf(request: IncomingMessage, host: TrackerHost): ResponseTracker | undefined {
  let tracker = (request as Marked)[TRACKER]
  while (tracker !== undefined && tracker.atrion !== host.atrion) tracker = tracker.outer
  return tracker
}

/** The tracker that a request began last. */
export const lastTracker = (request: IncomingMessage): ResponseTracker | undefined => (request as Marked)[TRACKER]

/** A guard of another instance refuses the request: to those that let it in, that is a shed further in. */
export function noteRefused(request: IncomingMessage, refusal: Shed & object): void {
  for (let tracker = lastTracker(request); tracker !== undefined; tracker = tracker.outer) tracker.noteShed(refusal)
}

export class ResponseTracker implements RequestAdmission {
  readonly #host: TrackerHost
  #params: AcquireParams
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  /** Of another instance, passed before. */
  readonly outer: ResponseTracker | undefined
  #routeId: string
  #permit: Permit | undefined
  #closeStream: (() => void) | undefined
  readonly #departure: Departure
  /** The outcome of the answer, once it was handed over. */
  #ended: Outcome | undefined
  /** Promises of the handler under way. */
  #pending = 0
  #wasFollowed = false
  #isClosed = false
  #isSending = false
  #hasAnswer = false
  readonly #innerShed = new InnerShed()
  #timer: Timer | undefined
  #longTimer: Timer | undefined
  /** Takes the request out of those that may be cancelled. */
  #keep: (() => void) | undefined
  #readerWatch: ReaderWatch | undefined
  /** Set by an adapter: answers a refusal of the route that a router has named, as the application wants it. */
  refuse: ((permit: Permit) => unknown) | undefined
  /** Options of the route that counted when it was admitted. */
  foreseen: AdapterRouteOptions<unknown> | undefined
  /** Set by an adapter whose framework ends every response when its handler is over, of a client that is gone, too. */
  isAlwaysEnded = false
  /** Set by an adapter whose router knows only afterwards which handler answered: whether it was the one of this route. */
  answersFor: (() => boolean) | undefined

  constructor(
    host: TrackerHost,
    routeId: string,
    permit: Permit,
    params: AcquireParams,
    request: IncomingMessage,
    response: ServerResponse,
    isStream: boolean,
  ) {
    this.#host = host
    this.#routeId = routeId
    this.#permit = permit
    this.#params = params
    this.#request = request
    this.#response = response
    this.#departure = new Departure(host.atrion)
    this.outer = (request as Marked)[TRACKER]
    ;(request as Marked)[TRACKER] = this
    if (isClosed(response) || response.writableEnded) {
      this.#isClosed = true
      this.#release(response.writableEnded ? this.#verdict() : 'ignored')
      return
    }
    if (isStream) this.toStream()
    if (isUpgrade(request)) {
      this.#departure.drop()
      request.socket.once('close', () => this.#close())
      return
    }
    this.#hookResponse()
    // The response of a broken connection closes; one that waits behind another on its connection does not.
    whenClosed(response, () => this.#close())
    if (response.socket === null) request.once('close', () => this.#requestClosed())
    if (!isStream) {
      this.#watch()
      if (isBodyPending(request)) soon(this.#awaitBody)
    }
  }

  get atrion(): TrackerHost['atrion'] {
    return this.#host.atrion
  }

  get ageMs(): number {
    return this.#departure.ageMs
  }

  get routeId(): string {
    return this.#routeId
  }

  get isStream(): boolean {
    return this.#closeStream !== undefined
  }

  /** True when the application named the route itself. */
  get isNamed(): boolean {
    return this.#params.route !== undefined
  }

  /** The tier of the request; undefined when it came with a voltage. */
  get tier(): Tier | undefined {
    const { voltage, tier } = this.#params
    return voltage === undefined ? (tier ?? 'normal') : undefined
  }

  /** Runs a handler. It is not over before the promise that it returns is settled, though it may have answered before it returned. */
  running<T>(handler: () => T): T {
    this.#pending++
    try {
      const result = handler()
      this.follow(result)
      return result
    } finally {
      this.#settled()
    }
  }

  /** Holds the permit until the handler's promise is settled, too. What is no promise shows nothing. */
  follow(work: unknown): void {
    if (!isPromise(work)) return
    this.#wasFollowed = true
    this.#pending++
    work.then(
      () => this.#settled(),
      (error: unknown) => {
        const shed = shedIn(error)
        if (shed !== undefined) this.noteShed(shed)
        this.#settled()
      },
    )
  }

  #settled(): void {
    this.#pending--
    if (this.#pending > 0) return
    if (this.#ended !== undefined) this.#release(this.#ended)
    else if (this.#isClosed) this.#release('ignored')
  }

  /** The handler failed, or met a guard that shed it; what becomes of the response is the framework's business. */
  fail(error: unknown): void {
    const shed = shedIn(error)
    if (shed !== undefined) this.noteShed(shed)
    else this.#release(this.#isClosed ? 'ignored' : 'failure')
  }

  /** A guard further in shed the request: what is answered says nothing of this route. */
  noteShed(shed: Shed & object): void {
    this.#innerShed.note(shed)
    if (this.#ended !== undefined) this.#ended = 'ignored'
  }

  /**
   * Counts the request for another route from now on: a guard further in, or the router, has named it.
   *
   * @returns undefined, or the refusal of that route
   */
  rename(routeId: string, params: AcquireParams = this.#params): Permit | undefined {
    const permit = this.#permit
    if (routeId === this.#routeId || this.#ended !== undefined) return undefined
    if (permit === undefined) {
      this.#renameAside(routeId, params)
      return undefined
    }
    const next = this.#host.again(routeId, params)
    depart(permit)
    return this.#take(next, routeId, params)
  }

  /**
   * Options of a guard or a route further in count from now on.
   *
   * @param known the route's name as it has it; undefined: it names none
   * @returns undefined, or the refusal of that route, or of a priority that is lower than the one it was admitted with
   */
  refine(known: string | undefined, given: Partial<AcquireParams>): Permit | undefined {
    const params = refined(this.#params, known, given)
    const refusal =
      known === undefined || known === this.#routeId ? this.#reconsider(params) : this.rename(known, params)
    if (refusal !== undefined) return refusal
    return given.isStream === true && !this.toStream() ? this.#host.spent(this.#routeId, params) : undefined
  }

  #reconsider(params: AcquireParams): Permit | undefined {
    const permit = this.#permit
    const isFinal = permit === undefined || this.#ended !== undefined || !isAskedAgain(this.#params, params)
    if (isFinal) {
      this.#params = params
      return undefined
    }
    // It is not to be refused for its own place.
    depart(permit)
    return this.#take(this.#host.again(this.#routeId, params), this.#routeId, params)
  }

  #take(next: Permit, routeId: string, params: AcquireParams): Permit | undefined {
    this.#routeId = routeId
    this.#params = params
    if (next.allow) {
      this.#permit = next
      this.#watch()
      return undefined
    }
    this.#permit = undefined
    this.#unwatch()
    return next
  }

  /** The request turns out not to be guarded: nothing of it counts. */
  dismiss(): void {
    if (this.#isClosed) return
    this.#drop()
    this.#closeStream?.()
    this.#departure.drop()
    this.#isSending = false
    this.#isClosed = true
  }

  /** The same for a request that holds no permit: a stream, or one whose body is still to come. */
  #renameAside(routeId: string, params: AcquireParams): void {
    if (this.#isSending) {
      this.#routeId = routeId
      this.#params = params
    } else if (this.#closeStream !== undefined && !this.#isClosed) {
      const close = openStream(this.atrion, routeId, this.#host.maxStreams)
      if (close === undefined) return
      this.#closeStream()
      this.#closeStream = close
      this.#routeId = routeId
    }
  }

  /** The framework has an answer of this type, of which nothing may be sent for a while. */
  noteType(contentType: unknown): void {
    if (isFeed(contentType)) this.toStream()
  }

  /** The answer is long-lived: it leaves the budget of requests. false where that of streams is spent. */
  toStream(): boolean {
    if (this.#closeStream !== undefined || this.#isClosed) return true
    this.#closeStream = openStream(this.atrion, this.#routeId, this.#host.maxStreams)
    if (this.#closeStream === undefined) return false
    this.#leave()
    return true
  }

  /** Called while the request is watched: returns whether it has taken so long that it is long-lived. */
  outlasts(ageMs: number): boolean {
    if (ageMs < longMs(this.atrion, this.#routeId)) return false
    this.#departure.isOutlasting = !this.#isClosed
    // A handler that works on after its answer has no stream to be counted for.
    if (this.#isClosed && this.#ended !== undefined) this.#leave()
    else this.toStream()
    return true
  }

  /** Leaves the work in flight, for good. */
  #leave(): void {
    const permit = this.#permit
    if (permit === undefined) return
    this.#permit = undefined
    this.#unwatch()
    this.#departure.leave(permit)
    if (this.#response.headersSent) this.#departure.answered(this.#routeId, this.#verdict(), false)
  }

  #release(outcome: Outcome): void {
    const permit = this.#permit
    if (permit === undefined) return
    this.#permit = undefined
    this.#unwatch()
    if (outcome === 'success') noteSooner(this.atrion, this.#routeId)
    permit.release(outcome)
  }

  #watch(): void {
    watchLong(this)
    this.#keep?.()
    const permit = this.#permit
    this.#keep = permit && mayCancel(this.atrion, this.#routeId, permit, this.#params, this.#request, this.#cancelled)
    callOff(this.#longTimer)
    if (!isLateAsARule(this.atrion, this.#routeId)) return
    const ms = longMs(this.atrion, this.#routeId)
    this.#longTimer = after(ms, () => this.outlasts(Number.POSITIVE_INFINITY))
  }

  #unwatch(): void {
    callOff(this.#timer)
    callOff(this.#longTimer)
    this.#keep?.()
    this.#keep = undefined
    this.#readerWatch?.stop()
    watchLong(this, false)
  }

  /** The evidence of the answer on the route. */
  #verdict(status = this.#response.statusCode): Outcome {
    if (this.#isClosed || this.#innerShed.isNoted || this.answersFor?.() === false) return 'ignored'
    return status < 500 ? 'success' : 'failure'
  }

  /** The answer was handed over; how long its client takes to read it is not the route's time. */
  #end(status?: number): void {
    if (this.#ended !== undefined) return
    this.#closeStream?.()
    this.#ended = this.#verdict(status)
    this.#isSending = false
    this.#departure.answered(this.#routeId, this.#ended)
    if (this.#pending === 0) this.#release(this.#ended)
  }

  #close(): void {
    if (this.#isClosed) return
    const response = this.#response
    const status = this.#ended === undefined ? statusOnStream(response) : undefined
    if (status !== undefined) this.#end(status)
    this.#closeStream?.()
    this.#isSending = false
    const departure = this.#departure
    const isHeld = this.#permit !== undefined
    const isClients =
      this.#ended === undefined && (isHeld || departure.isOpen) && isClientsFault(this.#request, response)
    this.#isClosed = true
    if (this.#ended !== undefined) return
    if (isClients && (isHeld || departure.isOutlasting)) noteAbandoned(this.atrion, this.#routeId)
    if (isClients) departure.abandoned(this.#routeId)
    else departure.answered(this.#routeId, this.#innerShed.isNoted ? 'ignored' : 'failure')
    if (!isHeld) return
    const isOver = this.#wasFollowed && this.#pending === 0
    if (!isClients) this.#release(this.#innerShed.isNoted ? 'ignored' : 'failure')
    else if (isOver) this.#release('ignored')
    else {
      this.#holdOn()
    }
  }

  /**
   * The handler may work on for a client that is gone, and end a response that is closed. One that is not seen to end is no evidence
   * of a slow route where the client left before an answer was due: clients that hang up at once would close the route for others.
   */
  #holdOn(): void {
    const { ageMs } = this.#departure
    // A handler may as well wait for the end of an answer that it has begun.
    const isEndKnown = (this.#pending > 0 || this.isAlwaysEnded) && !this.#isProduced
    const ms = isEndKnown ? holdMs(this.atrion, this.#routeId) : restMs(this.atrion, this.#routeId, ageMs)
    callOff(this.#timer)
    this.#timer = after(ms, () => {
      const isAtWork = this.#pending > 0 && !this.#isProduced
      if (!isAtWork && isSoon(this.atrion, this.#routeId, ageMs)) this.#drop()
      else this.#release('ignored')
    })
  }

  /** The handler has its answer: what comes after is its framework's, or its client's. */
  get #isProduced(): boolean {
    return this.#hasAnswer || this.#response.headersSent
  }

  /** The handler has begun to answer; of most frameworks that is its end. */
  noteAnswer(): void {
    if (this.#hasAnswer) return
    this.#hasAnswer = true
    if (!this.#isClosed || this.#permit === undefined) return
    if (this.isAlwaysEnded && this.#pending === 0) this.#release('ignored')
    else this.#holdOn()
  }

  /** Cancels the request for what it holds. What is answered says nothing of the route. */
  readonly #cancelled = (reason: Shed & object): void => {
    this.noteShed(reason)
    this.#release('ignored')
  }

  /** Gives the permit back, and says nothing of the route. */
  #drop(): void {
    const permit = this.#permit
    this.#permit = undefined
    this.#unwatch()
    if (permit !== undefined) depart(permit)
  }

  /** The request of a response that waits for its turn is over: given up, or merely read to its end. */
  #requestClosed(): void {
    if (this.#request.socket?.destroyed) this.#close()
  }

  #hookResponse(): void {
    const response = this.#response
    hookResponse(this.#request, response, {
      isStreamTooMany: (headers) => this.#isFeed(headers) && !this.toStream(),
      beforeHead: (status) => {
        if (status === 503) this.#noteShedAnswered()
        // A handler that answers a client that is gone may wait for ever for it to take the answer.
        this.noteAnswer()
      },
      answered: () => {
        if (this.#departure.isOpen) this.#departure.answered(this.#routeId, this.#verdict())
      },
      blocked: (chunk) => {
        if (this.#isClosed) this.noteAnswer()
        else if (this.#permit !== undefined) this.#reader().wrote(chunk)
      },
      beforeEnd: () => {
        // An end that is tried on a response that has broken off ends nothing.
        if (isClosed(response)) this.#close()
      },
      ended: () => this.#end(),
      refused: () => {
        this.#innerShed.note(NO_ROOM)
      },
    })
  }

  /** An error handler answers the shed of a guard further in. */
  #noteShedAnswered(): void {
    const shed = this.#innerShed.answered()
    if (shed === undefined) return
    this.noteShed(shed)
    const response = this.#response
    if (!response.headersSent && !response.hasHeader('retry-after')) {
      response.setHeader('retry-after', refusalOf(shed).retryAfterS)
    }
  }

  /** Leaves the rest of an answer that waits for its client to the client. */
  #reader(): ReaderWatch {
    this.#readerWatch ??= new ReaderWatch(this.#response, () => this.#leave())
    return this.#readerWatch
  }

  #isFeed(given: unknown): boolean {
    return this.#closeStream === undefined && isFeed(contentTypeIn(given) ?? this.#response.getHeader('content-type'))
  }

  /** Most bodies come with their heads; the slot of one that does not is lent to others until it is in. */
  readonly #awaitBody = (): void => {
    if (this.#permit === undefined || !isBodyPending(this.#request)) return
    callOff(this.#timer)
    this.#timer = after(SENDING_MS, () => {
      if (this.#permit === undefined || this.#isClosed) return
      if (!waitsForClient(this.#request)) return this.#awaitBody()
      this.#isSending = true
      const permit = this.#permit
      this.#permit = undefined
      this.#unwatch()
      depart(permit)
      whenBodyEnds(this.#request, () => this.#bodyIsIn())
    })
  }

  #bodyIsIn(): void {
    if (!this.#isSending) return
    this.#isSending = false
    const permit = this.#host.again(this.#routeId, { ...this.#params, tier: 'critical', voltage: undefined })
    if (!permit.allow) return
    this.#permit = permit
    this.#departure.startedMs = nowMs()
    this.#watch()
  }
}
