/**
 * `100 Continue`, no sooner than somebody reads the body: Node sends it before a request reaches its handler, and a client
 * whose upload is refused would send it all the same. A response whose head is sent first needs none.
 */

import { subscribe } from 'node:diagnostics_channel'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'

interface Started {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly server: Server
}

function defer(message: unknown): void {
  const { request, response, server } = message as Started
  if (request.headers.expect === undefined || server.listenerCount('checkContinue') > 0) return
  const { writeContinue } = response
  const { _read: read } = request
  let isSent = false
  const send = (): void => {
    if (isSent || response.headersSent || response.socket?.writable !== true) return
    isSent = true
    response.writeContinue = writeContinue
    response.writeContinue()
  }
  response.writeContinue = () => {
    // Node's own call comes first; one that a handler makes is meant.
    response.writeContinue = send
    request._read = function reading(size) {
      request._read = read
      send()
      read.call(this, size)
    }
  }
}

let isDeferred = false

/** From here on, servers of this thread that do not look at `Expect` themselves wait with their answer to it. */
export function deferContinue(): void {
  if (isDeferred) return
  isDeferred = true
  subscribe('http.server.request.start', defer)
}
