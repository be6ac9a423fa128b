/**
 * When a response has really been given: its body may be a stream that outlives the handler by minutes.
 *
 * The body is piped through a stream that holds nothing back; how the pipe ends is how the body ended. A stream of our own
 * with a reader inside would tell the same, but would take each chunk through JavaScript where a runtime (workerd, Bun) pipes
 * without.
 */

/** 'read' to its end, 'cancelled' by whoever read it, or 'failed' at its source. */
export type BodyEnd = 'read' | 'cancelled' | 'failed'

/** Is there anything to wait for? A body that somebody has taken already is theirs. */
const isPending = ({ body }: Response): boolean => typeof body?.pipeTo === 'function' && !body.locked

/**
 * The same response, whose body tells `onEnd` how it ended, once. Without a body it has ended already.
 *
 * Status, headers and what a runtime adds of its own (a WebSocket) are kept; `url` and `redirected`, which a server does not
 * send, are not.
 */
export function watchBody(response: Response, onEnd: (end: BodyEnd) => void): Response {
  const { body } = response
  if (!body || !isPending(response)) {
    onEnd('read')
    return response
  }
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const watched = new Response(readable, response)
  // Left open at its source, a body can still be asked who gave up: only one that failed refuses to be cancelled.
  body.pipeTo(writable, { preventCancel: true }).then(
    () => onEnd('read'),
    (reason) =>
      body.cancel(reason).then(
        () => onEnd('cancelled'),
        () => onEnd('failed'),
      ),
  )
  return watched
}
