/**
 * The end of a response's connection, on HTTP/1.1 and HTTP/2. A response of HTTP/2 does not know that it is destroyed, and Node
 * closes that of a HEAD only where `end()` was called before the stream ended. Its stream shows both.
 */

import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { own } from '../base/own.js'

interface Http2Stream extends Duplex {
  readonly rstCode: number
}

function streamOf(response: ServerResponse): Http2Stream | undefined {
  const stream = own(response as ServerResponse & { stream?: Http2Stream }, 'stream')
  return typeof stream?.rstCode === 'number' ? stream : undefined
}

/** Returns whether nothing of a response can reach its client any more. */
export const isClosed = (response: ServerResponse): boolean =>
  response.destroyed === true || streamOf(response)?.destroyed === true

/** Calls back, once or twice, when a response is closed. @returns what stops that */
export function whenClosed(response: ServerResponse, callback: () => void): () => void {
  const stream = streamOf(response)
  response.once('close', callback)
  stream?.once('close', callback)
  return () => {
    response.removeListener('close', callback)
    stream?.removeListener('close', callback)
  }
}
