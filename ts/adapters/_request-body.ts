/** Bodies of requests: whether one is still to come, when it is in, and how the rest of a refused one is left unread. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { own } from '../base/own.js'
import { after, callOff } from './_timers.js'

/** A body this short is read to keep the connection, bytes. */
const CHEAP_BYTES = 16_384
/** A connection that is closed before its client has sent all stays half open for this long, ms: it lets the answer arrive. */
const LINGER_MS = 1_000

/** Returns whether the client has announced a body that has not come whole yet. */
export function isBodyPending(request: IncomingMessage): boolean {
  // A request that was injected has no `complete`; all of it is there.
  if (request.complete !== false) return false
  const { headers } = request
  if (own(headers, 'transfer-encoding') !== undefined) return true
  const length = own(headers, 'content-length')
  if (length !== undefined) return length !== '0'
  const stream = own(request as IncomingMessage & { stream?: { endAfterHeaders?: boolean } }, 'stream')
  return stream !== undefined && stream.endAfterHeaders !== true
}

/** Returns whether it is the client that is waited for, rather than the handler, which has not taken what has come. */
export const waitsForClient = (request: IncomingMessage): boolean =>
  isBodyPending(request) && request.readableLength < request.readableHighWaterMark

/** Calls `onEnd` when the body is in, whether it is read or not. */
export function whenBodyEnds(request: IncomingMessage, onEnd: () => void): void {
  const { push } = request
  request.push = function pushed(chunk, encoding): boolean {
    const result = push.call(this, chunk, encoding)
    if (chunk === null) {
      request.push = push
      onEnd()
    }
    return result
  }
}

/** Returns whether the rest of a refused request's body would have to be read to keep the connection. */
function isRestCostly(request: IncomingMessage): boolean {
  if (request.httpVersionMajor !== 1 || !isBodyPending(request)) return false
  const length = Number(request.headers['content-length'])
  return !(length <= CHEAP_BYTES)
}

/**
 * Leaves the rest of a refused request's body unread where it is long: the answer says `Connection: close`, and the connection
 * is ended when it is out. Closed at once, with bytes of the client unread, it would be reset, and the answer lost with it.
 */
export function leaveBody(request: IncomingMessage, response: ServerResponse): void {
  if (response.headersSent || !isRestCostly(request)) return
  response.setHeader('Connection', 'close')
  const socket = request.socket as (Socket & { destroySoon?: () => void }) | null | undefined
  if (typeof socket?.destroySoon !== 'function') return
  // Node reads the rest of a body that was not asked for as soon as the response is over, and drops what it reads.
  request._read = () => {}
  const { _handle: handle } = socket as { _handle?: { readStop?: () => void } | null }
  handle?.readStop?.()
  socket.destroySoon = () => {
    if (socket.writable) socket.end()
    const timer = after(LINGER_MS, () => socket.destroy())
    socket.once('close', () => callOff(timer))
  }
}
