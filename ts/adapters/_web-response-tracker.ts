/**
 * A permit's way through a Request and a Response of fetch: until the handler is over and the body has been read, or its reader
 * keeps it waiting. Nothing here is Node's.
 */

import type { Atrion } from '../atrion.js'
import { isOfKind } from '../base/realm.js'
import { onAbort } from '../base/signals.js'
import type { Outcome, Permit, Tier } from '../limiter/types.js'
import type { AcquireParams, TrackerHost } from './_acquire-params.js'
import type { RequestAdmission } from './_admission.js'
import { type BodyEnd, watchBody } from './_body.js'
import { mayCancel } from './_cancel.js'
import { Departure, depart } from './_departure.js'
import { InnerShed } from './_inner-shed.js'
import { longMs, noteAbandoned, noteSooner } from './_long.js'
import { refusalOf, type Shed, shedIn } from './_problem.js'
import { type AdapterRouteOptions, isAskedAgain, refined } from './_route-options.js'
import { isFeed, openStream } from './_stream.js'
import { after, callOff, type Timer } from './_timers.js'

/** Trackers under way, by their requests. */
const trackers = new WeakMap<object, WebResponseTracker>()

/** The tracker of a request through guards of this instance, where one has begun. */
export function webPassageOf(request: object, atrion: Atrion): WebResponseTracker | undefined {
  let tracker = trackers.get(request)
  while (tracker !== undefined && tracker.host.atrion !== atrion) tracker = tracker.outer
  return tracker
}

/** A guard of another instance refuses the request: to those that let it in, that is a shed further in. */
export function noteWebRefused(request: object, refusal: Shed & object): void {
  for (let tracker = trackers.get(request); tracker !== undefined; tracker = tracker.outer) tracker.noteShed(refusal)
}

/** The tracker that a request began last. */
export const lastWebTracker = (request: object): WebResponseTracker | undefined => trackers.get(request)

export class WebResponseTracker implements RequestAdmission {
  readonly host: TrackerHost
  readonly outer: WebResponseTracker | undefined
  /** Set by an adapter: answers a refusal that comes of the options of a route further in. */
  refuse: ((permit: Permit) => unknown) | undefined
  /** Options of the route that counted when it was admitted. */
  foreseen: AdapterRouteOptions<unknown> | undefined
  #routeId: string
  #permit: Permit | undefined
  #params: AcquireParams
  #closeStream: (() => void) | undefined
  readonly #departure: Departure
  readonly #innerShed = new InnerShed()
  #isOthers = false
  #timer: Timer | undefined
  readonly #request: { readonly signal?: unknown }
  #stopListening: (() => void) | undefined
  /** Takes the request out of those that may be cancelled. */
  #keep: (() => void) | undefined

  constructor(
    host: TrackerHost,
    routeId: string,
    permit: Permit,
    params: AcquireParams,
    request: object & { readonly signal?: unknown },
    isStream: boolean,
  ) {
    this.#request = request
    this.host = host
    this.#routeId = routeId
    this.#permit = permit
    this.#params = params
    this.#departure = new Departure(host.atrion)
    this.outer = trackers.get(request)
    trackers.set(request, this)
    if (isStream) this.toStream()
    else this.#watch()
  }

  get routeId(): string {
    return this.#routeId
  }

  /** The tier of the request; undefined when it came with a voltage. */
  get tier(): Tier | undefined {
    const { voltage, tier } = this.#params
    return voltage === undefined ? (tier ?? 'normal') : undefined
  }

  get isStream(): boolean {
    return this.#closeStream !== undefined
  }

  get ageMs(): number {
    return this.#departure.ageMs
  }

  /** True when the application named the route itself. */
  get isNamed(): boolean {
    return this.#params.route !== undefined
  }

  /** Counts the request for another route from now on. Returns undefined, or the refusal of that route. */
  rename(routeId: string, params: AcquireParams = this.#params): Permit | undefined {
    const permit = this.#permit
    if (permit === undefined || routeId === this.#routeId) return undefined
    const next = this.host.again(routeId, params)
    depart(permit)
    return this.#take(next, routeId, params)
  }

  /** Options of a guard or a route further in count from now on. Returns undefined, or the refusal under them. */
  refine(known: string | undefined, given: Partial<AcquireParams>): Permit | undefined {
    const params = refined(this.#params, known, given)
    const permit = this.#permit
    let refusal: Permit | undefined
    if (known !== undefined && known !== this.#routeId) refusal = this.rename(known, params)
    else if (permit === undefined || !isAskedAgain(this.#params, params)) this.#params = params
    else {
      // It is not to be refused for its own place.
      depart(permit)
      refusal = this.#take(this.host.again(this.#routeId, params), this.#routeId, params)
    }
    if (refusal !== undefined) return refusal
    return given.isStream === true && !this.toStream() ? this.host.spent(this.#routeId, params) : undefined
  }

  #take(next: Permit, routeId: string, params: AcquireParams): Permit | undefined {
    this.#routeId = routeId
    this.#params = params
    this.#permit = next.allow ? next : undefined
    if (next.allow) this.#watch()
    return next.allow ? undefined : next
  }

  /** The request turns out not to be guarded: nothing of it counts. */
  dismiss(): void {
    const permit = this.#permit
    this.#permit = undefined
    this.#keep?.()
    callOff(this.#timer)
    if (permit !== undefined) depart(permit)
    this.#closeStream?.()
    // It is no stream, whatever its answer is.
    this.#closeStream = () => {}
    this.#departure.drop()
    this.disown()
  }

  #watch(): void {
    callOff(this.#timer)
    this.#keep?.()
    const permit = this.#permit
    this.#keep =
      permit &&
      mayCancel(this.host.atrion, this.#routeId, permit, this.#params, this.#request, (reason) => {
        this.noteShed(reason)
        this.#release('ignored')
      })
    this.#timer = after(longMs(this.host.atrion, this.#routeId), () => {
      this.#departure.isOutlasting = true
      this.toStream()
    })
  }

  /** The answer is long-lived: it leaves the budget of requests. false where that of streams is spent. */
  toStream(): boolean {
    if (this.#closeStream !== undefined) return true
    this.#closeStream = openStream(this.host.atrion, this.#routeId, this.host.maxStreams)
    if (this.#closeStream === undefined) return false
    this.#leave()
    return true
  }

  /** Leaves the work in flight, for good. */
  #leave(): void {
    this.#keep?.()
    const permit = this.#permit
    this.#permit = undefined
    if (permit !== undefined) this.#departure.leave(permit)
  }

  /** A guard further in shed the request: what is answered says nothing of this route. */
  noteShed(shed: Shed & object): void {
    this.#innerShed.note(shed)
  }

  /** A handler of another route answered the request. */
  disown(): void {
    this.#isOthers = true
  }

  get #isIgnored(): boolean {
    return this.#isOthers || this.#innerShed.isNoted
  }

  /** There will be no answer of the handler's. */
  fail(error: unknown, isGone: boolean): void {
    const shed = shedIn(error)
    if (shed !== undefined) this.noteShed(shed)
    this.end(isGone ? 'ignored' : 'failure', isGone)
  }

  /** The request is over; `isGone`: its client did not wait. */
  end(outcome: Outcome, isGone = false): void {
    callOff(this.#timer)
    this.#stopListening?.()
    this.#closeStream?.()
    const departure = this.#departure
    const isWaitedFor = this.#permit !== undefined || (departure.isOpen && departure.isOutlasting)
    if (isGone && isWaitedFor) noteAbandoned(this.host.atrion, this.#routeId)
    if (isGone) departure.abandoned(this.#routeId)
    else this.#answered(outcome)
    this.#release(outcome)
  }

  /** There is an answer, or will be none, to a request that may have left. */
  #answered(outcome: Outcome): void {
    this.#departure.answered(this.#routeId, this.#isIgnored ? 'ignored' : outcome)
  }

  /** The answer, with when to come back where it is that of an inner guard's shed. */
  #withRetryAfter(response: Response): Response {
    if (response.status !== 503) return response
    const shed = this.#innerShed.answered()
    if (shed === undefined || response.headers.has('retry-after')) return response
    const headers = new Headers(response.headers)
    headers.set('retry-after', refusalOf(shed).retryAfterS)
    return new Response(response.body, { status: response.status, statusText: response.statusText, headers })
  }

  /** Hands an answer over; `refused` is what is answered where it is a feed and the budget of streams is spent. */
  give(given: Response, hasBody: boolean, isGone: () => boolean, refused: () => Response): Response {
    const response = this.#withRetryAfter(given)
    if (isFeed(response.headers.get('content-type')) && !this.toStream()) {
      response.body?.cancel().catch(() => {})
      this.end('ignored')
      return refused()
    }
    if (isGone()) {
      // It will not be read.
      this.end('ignored', true)
      return response
    }
    const verdict = response.status < 500 ? 'success' : 'failure'
    if (response.status === 101) this.#departure.drop()
    else this.#answered(verdict)
    const outcomeOf = (end: BodyEnd): Outcome => {
      if (isGone() || end === 'cancelled' || response.status === 101) return 'ignored'
      return end === 'failed' ? 'failure' : verdict
    }
    // To a HEAD no server sends a body, and not every one cancels it.
    if (!hasBody) {
      this.end(outcomeOf('read'), isGone())
      return response
    }
    const stalls = (): void => {
      this.#leave()
      this.#answered(verdict)
    }
    const watched = watchBody(
      response,
      (end) => this.end(outcomeOf(end), isGone() || end === 'cancelled'),
      this.#closeStream === undefined ? stalls : undefined,
    )
    if (watched !== response) this.#awaitGone()
    return watched
  }

  /** Not every server cancels the body of an answer whose client is gone. */
  #awaitGone(): void {
    const { signal } = this.#request
    if (isOfKind(signal, 'AbortSignal'))
      this.#stopListening = onAbort(signal as AbortSignal, () => this.end('ignored', true))
  }

  #release(given: Outcome): void {
    this.#keep?.()
    const permit = this.#permit
    if (permit === undefined) return
    this.#permit = undefined
    const outcome = this.#isIgnored ? 'ignored' : given
    if (outcome === 'success') noteSooner(this.host.atrion, this.#routeId)
    permit.release(outcome)
  }
}
