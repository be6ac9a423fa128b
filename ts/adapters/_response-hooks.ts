/** Hooks on the handler's own ways to write: they show when its work is done, and when it waits for the client. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { refuse } from './_refusal.js'

/** The listeners of the hooks. */
export interface ResponseListener {
  /** Returns whether an answer with these headers is one stream more than its route may have open. */
  isStreamTooMany(headers: unknown): boolean
  /** Called before the head is written. */
  beforeHead(status: unknown): void
  /** Called when the head was written. */
  answered(): void
  /** The client does not take what is written. */
  blocked(chunk: unknown): void
  /** Called before the response is ended. */
  beforeEnd(): void
  /** Called when the response was handed over. */
  ended(): void
  /** Called when the response is refused in place of what the handler began to write. */
  refused(): void
}

/** Calls the listener from now on at every step of a response. */
export function hookResponse(request: IncomingMessage, response: ServerResponse, listener: ResponseListener): void {
  const { writeHead, write, end } = response
  /** The budget of streams is spent: 503 in place of what the handler begins to write, and nothing after it. */
  const refuseLate = (): ServerResponse => {
    response.writeHead = writeHead
    response.end = end
    listener.refused()
    refuse(request, response, { retryAfterMs: undefined })
    listener.ended()
    response.write = () => true
    response.end = () => response
    response.writeHead = () => response
    response.setHeader = () => response
    return response
  }
  response.writeHead = ((...args: Parameters<typeof writeHead>) => {
    if (!response.headersSent && listener.isStreamTooMany(args[args.length - 1])) return refuseLate()
    listener.beforeHead(args[0])
    const result = writeHead.apply(response, args)
    listener.answered()
    return result
  }) as typeof writeHead
  response.write = ((...args: Parameters<typeof write>) => {
    if (!response.headersSent && listener.isStreamTooMany(undefined)) {
      refuseLate()
      return true
    }
    const flows = write.apply(response, args)
    if (!flows) listener.blocked(args[0])
    return flows
  }) as typeof write
  response.end = ((...args: Parameters<typeof end>) => {
    listener.beforeEnd()
    const result = end.apply(response, args)
    listener.ended()
    return result
  }) as typeof end
}
