/**
 * `100 Continue`, no sooner than the body is read: Node sends it before a request reaches its handler, and a client
 * whose upload is refused would send it all the same. A response whose head is sent first needs none.
 */

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { builtin } from '../base/builtin.js'

interface Started {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly server: Server
}

type WriteContinue = ServerResponse['writeContinue']

/** Puts what `writeContinue` sends off until the body is read, or until it is called once more. */
function putOff(request: IncomingMessage, response: ServerResponse, writeContinue: WriteContinue): void {
  const { _read: read } = request
  let isSent = false
  const send = (): void => {
    if (isSent || response.headersSent || response.destroyed || response.socket?.writable !== true) return
    isSent = true
    writeContinue.call(response)
  }
  response.writeContinue = send
  request._read = function reading(size) {
    request._read = read
    send()
    read.call(this, size)
  }
}

function defer(message: unknown): void {
  const { request, response, server } = message as Started
  if (request.headers.expect === undefined || server.listenerCount('checkContinue') > 0) return
  const { writeContinue } = response
  // Node's own call comes first; one that a handler makes is meant.
  response.writeContinue = () => {
    response.writeContinue = writeContinue
    putOff(request, response, writeContinue)
  }
}

let isDeferred = false

/** From here on, servers of this thread that do not look at `Expect` themselves wait with their answer to it. */
export function deferContinue(): void {
  if (isDeferred) return
  isDeferred = true
  const { subscribe } = builtin('node:diagnostics_channel')
  subscribe('http.server.request.start', defer)
  subscribe('net.server.socket', deferAtConnection)
}

let isDeferredOnHttp2 = false

/**
 * The same for HTTP/2, which announces no request before it answers: from its first connection on, by the prototype of its
 * compatibility API's responses.
 */
function deferAtConnection(message: unknown): void {
  if (isDeferredOnHttp2) return
  const { server } = (message as { readonly socket: { readonly server?: { readonly updateSettings?: unknown } } })
    .socket
  if (typeof server?.updateSettings !== 'function') return
  const { getBuiltinModule } = process as { getBuiltinModule?: (id: string) => unknown }
  const http2 = getBuiltinModule?.('node:http2') as typeof import('node:http2') | undefined
  if (http2 !== undefined) deferByPrototype(http2.Http2ServerResponse.prototype as unknown as ServerResponse)
}

/** The way without Node's own modules: from the first response on. */
export function deferContinueOnHttp2(seen: ServerResponse): void {
  if (!isDeferredOnHttp2) deferByPrototype(Object.getPrototypeOf(seen) as ServerResponse | null)
}

function deferByPrototype(given: ServerResponse | null): void {
  isDeferredOnHttp2 = true
  let prototype = given
  while (prototype !== null && !Object.hasOwn(prototype, 'writeContinue')) prototype = Object.getPrototypeOf(prototype)
  if (prototype === null) return
  const { writeContinue } = prototype
  prototype.writeContinue = function written(this: ServerResponse): void {
    putOff(this.req, this, writeContinue)
  }
}
