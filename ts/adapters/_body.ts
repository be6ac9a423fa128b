/**
 * When a response has really been given: its body may be a stream that outlives the handler by minutes.
 *
 * The body is piped through a stream that holds one chunk back; how the pipe ends is how the body ended. A stream of our own
 * with a reader inside would tell the same, but would take each chunk through JavaScript where a runtime (workerd, Bun) pipes
 * without.
 */

import { after, callOff, type Timer } from './_timers.js'

/** 'read' to its end, 'cancelled' by its reader, or 'failed' at its source. */
export type BodyEnd = 'read' | 'cancelled' | 'failed'

/** A reader that takes nothing for this long is waited for, ms. */
const STALLED_MS = 25

/** Returns whether there is anything to wait for. A body that has been taken already is its reader's. */
const isPending = ({ body }: Response): boolean => typeof body?.pipeTo === 'function' && !body.locked

/**
 * The same response, whose body tells `onEnd` how it ended, once, and `onStall` that its reader keeps it waiting. Without a body
 * it has ended already.
 *
 * Status, headers and what a runtime adds of its own (a WebSocket) are kept; `url` and `redirected`, which a server does not
 * send, are not.
 */
export function watchBody(response: Response, onEnd: (end: BodyEnd) => void, onStall?: () => void): Response {
  const { body } = response
  if (!body || !isPending(response)) {
    onEnd('read')
    return response
  }
  let source: TransformStreamDefaultController<Uint8Array> | undefined
  // Room for one chunk: where there is none, the reader has not taken it.
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>(
    {
      start(controller) {
        source = controller
      },
    },
    undefined,
    { highWaterMark: 1 },
  )
  const watched = new Response(readable, response)
  let timer: Timer | undefined
  /** Looks in a row at which a chunk waited to be read. */
  let waited = 0
  const look = (): void => {
    waited = (source?.desiredSize ?? 1) <= 0 ? waited + 1 : 0
    if (waited < 2) timer = after(STALLED_MS, look)
    else onStall?.()
  }
  if (onStall !== undefined) timer = after(STALLED_MS, look)
  const end = (how: BodyEnd): void => {
    callOff(timer)
    onEnd(how)
  }
  // Left open at its source, a body can still be asked who gave up: only one that failed refuses to be cancelled.
  body.pipeTo(writable, { preventCancel: true }).then(
    () => end('read'),
    (reason) =>
      body.cancel(reason).then(
        () => end('cancelled'),
        () => end('failed'),
      ),
  )
  return watched
}
