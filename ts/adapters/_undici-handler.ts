/**
 * The handlers of a request in both of undici's interfaces. Undici 6 calls `onConnect`, `onHeaders`, `onData`, `onComplete` and
 * `onError`; undici 8 calls `onRequestStart`, `onResponseStart`, …; undici 7 either, and Node's own fetch brings a handler of the
 * undici within. A watched handler takes both, and passes on in the one that the caller's handler implements.
 */

import { isShedError } from '../base/errors.js'
import { peek } from '../base/own.js'
import { failureOf, releaseCall } from '../limiter/calls.js'
import type { Permit, Tier } from '../limiter/types.js'
import { depart } from './_departure.js'
import { isFeed } from './_stream.js'
import { nowMs } from './_timers.js'

type Method = (...args: never[]) => unknown

/** A handler of either interface, by its methods. */
export interface Handler {
  [name: string]: Method | undefined
  onHeaders?: Method
  onResponseError?: Method
  onError?: Method
}

type Headers = Record<string, string | string[] | undefined>
type RawHeaders = readonly (Buffer | string)[]

interface Controller {
  readonly rawHeaders?: RawHeaders | null
  readonly rawTrailers?: RawHeaders | null
  abort(reason?: Error): void
  pause(): void
  resume(): void
}

const HEADER = 'x-atrion-tier'

/** The request's headers, in whatever form they are, and the tier. What the caller set stays. */
export function withHeader<H>(headers: H, tier: Tier): H {
  if (headers === undefined || headers === null) return { [HEADER]: tier } as H
  if (Array.isArray(headers) && (headers.length === 0 || typeof headers[0] === 'string')) {
    const isSet = headers.some((name, i) => i % 2 === 0 && String(name).toLowerCase() === HEADER)
    return isSet ? headers : ([...headers, HEADER, tier] as H)
  }
  const isIterable = Symbol.iterator in (headers as object)
  const pairs: object = isIterable
    ? Object.fromEntries(headers as unknown as Iterable<[string, string]>)
    : (headers as object)
  return Object.keys(pairs).some((name) => name.toLowerCase() === HEADER)
    ? headers
    : ({ ...pairs, [HEADER]: tier } as H)
}

/** The caller's own change of mind says nothing of the other side. */
export function wasAborted(error: unknown): boolean {
  const code = peek(error, 'code')
  return peek(error, 'name') === 'AbortError' || code === 'UND_ERR_ABORTED' || code === 'ABORT_ERR'
}

const textOf = (value: Buffer | string): string => (typeof value === 'string' ? value : value.toString('latin1'))

/** Names and values in turn as an object; a name that comes again has a list of values. */
function parsed(raw: RawHeaders): Headers {
  const headers: Headers = Object.create(null) as Headers
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = textOf(raw[i]!).toLowerCase()
    const value = textOf(raw[i + 1]!)
    const before = headers[name]
    headers[name] = before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value]
  }
  return headers
}

/** An object of headers as names and values in turn. */
function unparsed(headers: Headers = {}): Buffer[] {
  const raw: Buffer[] = []
  for (const [name, value] of Object.entries(headers)) {
    for (const one of Array.isArray(value) ? value : [value ?? '']) {
      raw.push(Buffer.from(name, 'latin1'), Buffer.from(String(one), 'latin1'))
    }
  }
  return raw
}

/** For a handler of the new interface under a dispatcher of the old one. */
class BridgedController implements Controller {
  rawHeaders: RawHeaders | null = null
  rawTrailers: RawHeaders | null = null
  readonly #abort: (reason?: Error) => void
  resumed: (() => void) | undefined
  #reason: Error | null = null
  #isAborted = false
  #isPaused = false

  constructor(abort: (reason?: Error) => void) {
    this.#abort = abort
  }

  get aborted(): boolean {
    return this.#isAborted
  }

  get reason(): Error | null {
    return this.#reason
  }

  get paused(): boolean {
    return this.#isPaused
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.resumed?.()
  }

  abort(reason?: Error): void {
    if (this.#isAborted) return
    this.#isAborted = true
    this.#reason = reason ?? null
    this.#abort(reason)
  }
}

/** Returns whether a handler implements the new interface only. One with both hands on what comes raw without loss in the old one. */
const isNew = (handler: Handler): boolean =>
  typeof handler.onHeaders !== 'function' && typeof handler.onError !== 'function'

function call(handler: Handler, name: string, ...args: unknown[]): unknown {
  return handler[name]?.(...(args as never[]))
}

/** The events of a request as they pass. */
export interface ResponseWatch {
  /** Called before the request is sent. @param abort ends it */
  start?(abort: (reason?: Error) => void): void
  head(status: number, contentType: unknown, headers: Headers): void
  data?(chunk: unknown): void
  end(): void
  upgrade(): void
  error(error: unknown): void
}

/** The events of a request that a permit learns of. */
class PermitWatch implements ResponseWatch {
  readonly #permit: Permit
  readonly #startedMs = nowMs()
  #failed = false

  constructor(permit: Permit) {
    this.#permit = permit
  }

  head(status: number, contentType: unknown): void {
    // An informational head comes before the one that counts.
    if (status < 200) return
    this.#failed = status >= 500
    // A feed lasts for as long as the caller listens: it holds no slot.
    if (!isFeed(contentType)) return
    if (this.#failed) this.#permit.release('failure')
    else this.#depart()
  }

  end(): void {
    releaseCall(this.#permit, this.#failed ? 'failure' : 'success')
  }

  upgrade(): void {
    this.#depart()
  }

  /** The other side has answered, and what comes of it lasts. */
  #depart(): void {
    depart(this.#permit)('success', nowMs() - this.#startedMs)
  }

  error(error: unknown): void {
    const saysNothing = wasAborted(error) || isShedError(error)
    releaseCall(this.#permit, saysNothing ? 'ignored' : failureOf(this.#permit, error))
  }
}

/** Calls of the new interface, for a handler of either. */
function newInterface(handler: Handler, watch: ResponseWatch): Handler {
  const speaksNew = isNew(handler)
  const pauseOn = (controller: Controller, flows: unknown): void => {
    if (flows === false) controller.pause()
  }
  return {
    onRequestStart: (controller: Controller, context: unknown) => {
      watch.start?.((reason) => controller.abort(reason))
      return speaksNew
        ? call(handler, 'onRequestStart', controller, context)
        : call(handler, 'onConnect', (reason?: Error) => controller.abort(reason), context)
    },
    onRequestUpgrade: (controller: Controller, status: number, headers: Headers, socket: unknown) => {
      watch.upgrade()
      if (speaksNew) return call(handler, 'onRequestUpgrade', controller, status, headers, socket)
      return call(handler, 'onUpgrade', status, controller?.rawHeaders ?? unparsed(headers), socket)
    },
    onResponseStart: (controller: Controller, status: number, headers: Headers, message: unknown) => {
      watch.head(status, headers?.['content-type'], headers ?? {})
      if (speaksNew) return call(handler, 'onResponseStart', controller, status, headers, message)
      const raw = controller?.rawHeaders ?? unparsed(headers)
      pauseOn(
        controller,
        call(handler, 'onHeaders', status, raw, () => controller.resume(), message),
      )
      return undefined
    },
    onResponseData: (controller: Controller, chunk: unknown) => {
      watch.data?.(chunk)
      if (speaksNew) return call(handler, 'onResponseData', controller, chunk)
      pauseOn(controller, call(handler, 'onData', chunk))
      return undefined
    },
    onResponseEnd: (controller: Controller, trailers: Headers) => {
      watch.end()
      if (speaksNew) return call(handler, 'onResponseEnd', controller, trailers)
      return call(handler, 'onComplete', controller?.rawTrailers ?? unparsed(trailers))
    },
    onResponseError: (controller: Controller, error: unknown) => {
      watch.error(error)
      return speaksNew ? call(handler, 'onResponseError', controller, error) : call(handler, 'onError', error)
    },
  } as Handler
}

/** Calls of the old interface, for a handler of either. */
function oldInterface(handler: Handler, watch: ResponseWatch): Handler {
  const speaksNew = isNew(handler)
  let controller = new BridgedController(() => {})
  return {
    onConnect: (abort: (reason?: Error) => void, context: unknown) => {
      watch.start?.(abort)
      if (!speaksNew) return call(handler, 'onConnect', abort, context)
      controller = new BridgedController(abort)
      return call(handler, 'onRequestStart', controller, context)
    },
    onUpgrade: (status: number, raw: RawHeaders, socket: unknown) => {
      watch.upgrade()
      if (!speaksNew) return call(handler, 'onUpgrade', status, raw, socket)
      controller.rawHeaders = raw
      return call(handler, 'onRequestUpgrade', controller, status, parsed(raw ?? []), socket)
    },
    onHeaders: (status: number, raw: RawHeaders, resume: () => void, message: unknown) => {
      const headers = parsed(raw ?? [])
      watch.head(status, headers['content-type'], headers)
      if (!speaksNew) return call(handler, 'onHeaders', status, raw, resume, message)
      controller.rawHeaders = raw
      controller.resumed = resume
      call(handler, 'onResponseStart', controller, status, headers, message)
      return !controller.paused
    },
    onData: (chunk: unknown) => {
      watch.data?.(chunk)
      if (!speaksNew) return call(handler, 'onData', chunk)
      call(handler, 'onResponseData', controller, chunk)
      return !controller.paused
    },
    onComplete: (raw: RawHeaders) => {
      watch.end()
      if (!speaksNew) return call(handler, 'onComplete', raw)
      controller.rawTrailers = raw
      return call(handler, 'onResponseEnd', controller, parsed(raw ?? []))
    },
    onError: (error: unknown) => {
      watch.error(error)
      return speaksNew ? call(handler, 'onResponseError', controller, error) : call(handler, 'onError', error)
    },
  } as Handler
}

/** The calls that both interfaces have alike. */
const ALIKE = ['onResponseStarted', 'onBodySent', 'onRequestSent'] as const

/** Passes everything on, and gives the permit back when the answer is complete, or will not be. */
export const watchHandler = (handler: Handler, permit: Permit): Handler => withWatch(handler, new PermitWatch(permit))

/** Passes everything on, and shows it to a watch. */
export function withWatch(handler: Handler, watch: ResponseWatch): Handler {
  const watched = { ...newInterface(handler, watch), ...oldInterface(handler, watch) }
  for (const name of ALIKE) {
    if (typeof handler[name] === 'function') watched[name] = (...args: unknown[]) => call(handler, name, ...args)
  }
  return watched
}

/** Tells the caller's handler that nothing was sent, in its own interface. */
export function refuseHandler(handler: Handler, error: Error): void {
  if (typeof handler.onResponseError === 'function') {
    call(handler, 'onResponseError', new BridgedController(() => {}), error)
  } else if (typeof handler.onError === 'function') call(handler, 'onError', error)
  else throw error
}
