/**
 * The way out, for every framework on Node's own request and response: a permit is given back once, when the response is
 * over, however that comes about.
 *
 * | the response | outcome |
 * |---|---|
 * | finished, below 500 | success |
 * | finished, 500 and above | failure |
 * | finished, but was a stream of events: how long it took is the client's choice | ignored |
 * | cut off by the client | ignored |
 * | cut off by us: an error after the headers, a timeout | failure |
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Atrion } from '../atrion.js'
import type { Outcome, Permit } from '../loop.js'

/** What a socket's error says when it was the other side that went away. */
const GONE: ReadonlySet<unknown> = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'ETIMEDOUT', 'EHOSTUNREACH'])
/** HTTP/2's CANCEL: the client has changed its mind. */
const HTTP2_CANCEL = 8
/** Streams of events mostly wait: how many are open is not for a limit of work in flight to say. */
const STREAM_LIMITS = { min: 100_000, initial: 100_000 }

/** Has the client hung up, rather than we? */
function clientIsGone(socket: (Socket & { errored?: unknown }) | null | undefined, response: ServerResponse): boolean {
  const { stream } = response as ServerResponse & { stream?: { rstCode?: number; aborted?: boolean } }
  if (stream?.rstCode !== undefined) return stream.aborted === true && stream.rstCode === HTTP2_CANCEL
  if (!socket) return true
  return socket.readableEnded || GONE.has((socket.errored as { code?: unknown } | null | undefined)?.code)
}

const isEventStream = (value: unknown): boolean =>
  typeof value === 'string' && value.slice(0, 17).toLowerCase() === 'text/event-stream'

/** The content type among the headers given to `writeHead`, in any of their forms. */
function contentTypeIn(headers: unknown): unknown {
  if (typeof headers !== 'object' || headers === null) return undefined
  if (Array.isArray(headers)) {
    const flat = headers.flat(1)
    const at = flat.findIndex((name, i) => i % 2 === 0 && String(name).toLowerCase() === 'content-type')
    return at < 0 ? undefined : flat[at + 1]
  }
  for (const name in headers) {
    if (name.length === 12 && name.toLowerCase() === 'content-type') return (headers as Record<string, unknown>)[name]
  }
  return undefined
}

/** A permit and the response it is for. */
export class Passage {
  readonly #atrion: Atrion
  readonly #routeId: string
  #permit: Permit
  readonly #socket: Socket | null
  readonly #response: ServerResponse
  #streams = false

  constructor(atrion: Atrion, routeId: string, permit: Permit, request: IncomingMessage, response: ServerResponse) {
    this.#atrion = atrion
    this.#routeId = routeId
    this.#permit = permit
    this.#socket = request.socket
    this.#response = response
    if (response.writableFinished || response.destroyed) {
      this.#settle(response.writableFinished)
      return
    }
    this.#watchHead()
    response.once('finish', () => this.#settle(true))
    response.once('close', () => this.#settle(response.writableFinished))
    // A response that waits behind another one on its connection does not hear of the connection's end; its request does.
    if (response.socket === null) request.once('close', () => this.#hear())
  }

  /** The handler failed; what becomes of the response is the framework's business. */
  fail(): void {
    this.#permit.release('failure')
  }

  /** The request is over: given up, or merely read to its end. */
  #hear(): void {
    if (this.#socket?.destroyed) this.#permit.release('ignored')
  }

  #settle(isFinished: boolean): void {
    this.#permit.release(this.#outcome(isFinished))
  }

  #outcome(isFinished: boolean): Outcome {
    const response = this.#response
    // An error given to `response.destroy()` is ours, whatever its code, and even if an end was tried before.
    if ((response as ServerResponse & { errored?: unknown }).errored) return 'failure'
    if (!isFinished) return clientIsGone(this.#socket, response) ? 'ignored' : 'failure'
    if (response.statusCode >= 500) return 'failure'
    return this.#streams ? 'ignored' : 'success'
  }

  /** Every way to send headers leads through `writeHead`. */
  #watchHead(): void {
    const response = this.#response
    const { writeHead } = response
    response.writeHead = ((...args: Parameters<typeof writeHead>) => {
      response.writeHead = writeHead
      const result = writeHead.apply(response, args)
      const given = contentTypeIn(args[args.length - 1])
      if (isEventStream(given ?? response.getHeader('content-type'))) this.#isStream()
      return result
    }) as typeof writeHead
  }

  /**
   * The route's connections stay open. Unless somebody has set limits for it, their number is no longer limited. The first one
   * counts as answered with its head, and asks again: a limit moves on an answer.
   */
  #isStream(): void {
    this.#streams = true
    if (this.#atrion.getRouteProfile(this.#routeId) !== 'STANDARD') return
    this.#atrion.configure(this.#routeId, { limits: STREAM_LIMITS })
    const answered = this.#permit
    this.#permit = this.#atrion.acquire(this.#routeId, { tier: 'critical' })
    answered.release('success')
  }
}
