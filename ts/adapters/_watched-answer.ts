/**
 * Answers of fetch whose bodies tell how they ended. Nothing is read ahead, and the source is locked when the first piece is read: an answer that
 * is dropped unread is collected as it would be, and with it its connection.
 */

/** 'read' to its end, 'cancelled' by its reader, or 'failed' at its source. */
export type AnswerEnd = 'read' | 'cancelled' | 'failed'

/** Learns of an answer's body. */
export interface AnswerWatch {
  /** Called when the reader has asked for a piece. */
  asked(): void
  /** Called when the reader has a piece, and has asked for no other yet. */
  given(): void
  /** Called once, when the answer is over. */
  end(how: AnswerEnd, error?: unknown): void
}

/** The fields that a Response made anew does not have. */
const FIELDS = ['url', 'redirected', 'type'] as const

/** Returns whether the answer has a body that nothing reads yet, and is what fetch itself makes, so that another one can stand for it. */
export function isWatchable(response: Response): boolean {
  const { body } = response
  return (
    typeof body?.getReader === 'function' &&
    !response.bodyUsed &&
    !body.locked &&
    response.headers.get('content-length') !== '0' &&
    Object.getPrototypeOf(response) === globalThis.Response.prototype
  )
}

/** Returns whether a stream is one of bytes, whose reader may bring its own memory. */
function isOfBytes(body: ReadableStream<Uint8Array>): boolean {
  try {
    body.getReader({ mode: 'byob' }).releaseLock()
    return true
  } catch {
    return false
  }
}

/** The answer again, as fetch would have given it; so are its clones. */
function as(given: Response, made: Response): Response {
  for (const name of FIELDS) Object.defineProperty(made, name, { value: given[name], configurable: true })
  const clone = (): Response => as(given, Response.prototype.clone.call(made))
  return Object.defineProperty(made, 'clone', { value: clone, configurable: true, writable: true })
}

/**
 * The same answer, whose body tells `watch` of itself.
 *
 * @param response one that {@link isWatchable}
 */
export function watchedAnswer(response: Response, watch: AnswerWatch): Response {
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  // The answer itself is kept for as long as its copy: runtimes end the body of one that is collected.
  const readerOf = (): ReadableStreamDefaultReader<Uint8Array> => {
    reader ??= response.body!.getReader()
    return reader
  }
  const pull = async (controller: ReadableStreamDefaultController | ReadableByteStreamController): Promise<void> => {
    watch.asked()
    try {
      for (;;) {
        const { done, value } = await readerOf().read()
        if (done) {
          watch.end('read')
          controller.close()
          if ('byobRequest' in controller) controller.byobRequest?.respond(0)
          return
        }
        // A stream of bytes takes no empty piece.
        if ((value as Uint8Array | undefined)?.byteLength === 0) continue
        controller.enqueue(value as Uint8Array<ArrayBuffer>)
        watch.given()
        return
      }
    } catch (error) {
      watch.end('failed', error)
      throw error
    }
  }
  const cancel = (reason: unknown): Promise<void> => {
    watch.end('cancelled')
    return reader === undefined ? response.body!.cancel(reason) : reader.cancel(reason)
  }
  const body = isOfBytes(response.body!)
    ? new ReadableStream({ type: 'bytes', pull, cancel })
    : new ReadableStream({ pull, cancel }, { highWaterMark: 0 })
  return as(response, new Response(body, response))
}
