/**
 * A permit's way through a Request and a Response of fetch: until the handler is over and the body has been read, or its reader
 * keeps it waiting. Nothing here is Node's.
 */

import type { Atrion } from '../atrion.js'
import type { Outcome, Permit } from '../loop.js'
import type { Asking, Turnstile } from './_asking.js'
import { type BodyEnd, watchBody } from './_body.js'
import { shedIn } from './_problem.js'
import { isFeed, openStream } from './_stream.js'
import { after, callOff, LONG_MS, type Timer } from './_timers.js'

/** Passages under way, by the request that they are for. */
const passages = new WeakMap<object, WebPassage>()

/** The passage of a request through guards of this instance, where one has begun. */
export function webPassageOf(request: object, atrion: Atrion): WebPassage | undefined {
  let passage = passages.get(request)
  while (passage !== undefined && passage.turnstile.atrion !== atrion) passage = passage.outer
  return passage
}

export class WebPassage {
  readonly turnstile: Turnstile
  readonly outer: WebPassage | undefined
  #routeId: string
  #permit: Permit | undefined
  #asking: Asking
  #closeStream: (() => void) | undefined
  #isShed = false
  #timer: Timer | undefined

  constructor(
    turnstile: Turnstile,
    routeId: string,
    permit: Permit,
    asking: Asking,
    request: object,
    isStream: boolean,
  ) {
    this.turnstile = turnstile
    this.#routeId = routeId
    this.#permit = permit
    this.#asking = asking
    this.outer = passages.get(request)
    passages.set(request, this)
    if (isStream) this.toStream()
    else this.#timer = after(LONG_MS, () => this.toStream())
  }

  get routeId(): string {
    return this.#routeId
  }

  /** Counts the request for another route from now on. Returns undefined, or the refusal of that route. */
  rename(routeId: string, asking: Asking = this.#asking): Permit | undefined {
    const permit = this.#permit
    if (permit === undefined || routeId === this.#routeId) return undefined
    const next = this.turnstile.again(routeId, asking)
    permit.release('ignored')
    this.#routeId = routeId
    this.#asking = asking
    this.#permit = next.allow ? next : undefined
    return next.allow ? undefined : next
  }

  /** The answer is long-lived: it leaves the budget of requests. false where that of streams is spent. */
  toStream(): boolean {
    if (this.#closeStream !== undefined) return true
    this.#closeStream = openStream(this.turnstile.atrion, this.#routeId, this.turnstile.maxStreams)
    if (this.#closeStream === undefined) return false
    this.#release('ignored')
    return true
  }

  /** A guard further in shed the request: what is answered says nothing of this route. */
  noteShed(): void {
    this.#isShed = true
  }

  /** There will be no answer of the handler's. */
  fail(error: unknown, isGone: boolean): void {
    if (shedIn(error) !== undefined) this.#isShed = true
    this.end(isGone ? 'ignored' : 'failure')
  }

  end(outcome: Outcome): void {
    callOff(this.#timer)
    this.#closeStream?.()
    this.#release(outcome)
  }

  /** Hands an answer over; `refused` is what is answered where it is a feed and the budget of streams is spent. */
  give(response: Response, hasBody: boolean, isGone: () => boolean, refused: () => Response): Response {
    if (isFeed(response.headers.get('content-type')) && !this.toStream()) {
      response.body?.cancel().catch(() => {})
      this.end('ignored')
      return refused()
    }
    const outcomeOf = (end: BodyEnd): Outcome => {
      if (isGone() || end === 'cancelled' || response.status === 101) return 'ignored'
      return end === 'failed' || response.status >= 500 ? 'failure' : 'success'
    }
    // To a HEAD no server sends a body, and not every one cancels it.
    if (!hasBody) {
      this.end(outcomeOf('read'))
      return response
    }
    return watchBody(
      response,
      (end) => this.end(outcomeOf(end)),
      this.#closeStream === undefined ? () => this.#release(response.status >= 500 ? 'failure' : 'ignored') : undefined,
    )
  }

  #release(outcome: Outcome): void {
    const permit = this.#permit
    this.#permit = undefined
    permit?.release(this.#isShed ? 'ignored' : outcome)
  }
}
