/** The side, client's or server's, that kept a response from being given whole. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { own, ownOptions } from '../base/own.js'

/** The codes of a socket's error when the other side went away, or did not send its request in time. */
const CLIENTS: ReadonlySet<unknown> = new Set([
  'ECONNRESET',
  'EPIPE',
  'ECONNABORTED',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ERR_HTTP_REQUEST_TIMEOUT',
  'ERR_HTTP2_STREAM_CANCEL',
])

/** HTTP/2's NO_ERROR, INTERNAL_ERROR: how a stream ends that this side destroys. */
const OURS_ON_HTTP2: ReadonlySet<number> = new Set([0, 2])

interface Http2Stream {
  readonly rstCode?: number
  readonly writableFinished?: boolean
  readonly sentHeaders?: Readonly<Record<string, unknown>>
  readonly session?: { readonly socket?: Socket } | undefined
}

/** Node's errors of malformed requests all begin like this. */
const isParseError = (code: unknown): boolean => typeof code === 'string' && code.startsWith('HPE_')

/** The status of an answer that was written whole on HTTP/2's stream itself, past its response; undefined where none was. */
export function statusOnStream(response: ServerResponse): number | undefined {
  const stream = own(response as ServerResponse & { stream?: Http2Stream }, 'stream')
  const status = stream?.writableFinished === true ? stream.sentHeaders?.[':status'] : undefined
  return typeof status === 'number' ? status : undefined
}

/** Returns whether the client is the reason that the response broke off, rather than this side. */
export function isClientsFault(request: IncomingMessage, response: ServerResponse): boolean {
  // An error given to `response.destroy()` is ours, whatever its code.
  if ((response as ServerResponse & { errored?: unknown }).errored) return false
  const { stream } = response as ServerResponse & { stream?: Http2Stream }
  if (stream?.rstCode !== undefined) return !OURS_ON_HTTP2.has(stream.rstCode)
  const socket = request.socket as (Socket & { errored?: unknown }) | null | undefined
  if (!socket) return true
  const { code } = ownOptions((socket.errored ?? {}) as { code?: unknown }, ['code'])
  return socket.readableEnded || CLIENTS.has(code) || isParseError(code)
}
