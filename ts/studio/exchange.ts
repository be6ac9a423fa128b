/** The exchange with a client, whatever the framework: a request as Studio reads it, an answer, and a sink for a stream. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Asked } from './access.js'

/** The most that the body of a request may have, bytes. */
const MOST_BYTES = 16_384
/** The time in which a body has to be there, ms. */
const BODY_MS = 10_000

/** A request to Studio. */
export interface StudioRequest extends Asked {
  /** The path that Studio is served under, as the client sees it. */
  readonly base: string
  /** The path behind that of Studio: '', '/events', … */
  readonly path: string
  readonly query: URLSearchParams
  /** The body as JSON. Rejects for one that is none, is too long, or does not come. */
  json(): Promise<unknown>
}

/** A stream of events to one client. */
export interface Sink {
  /** Sends text. @returns false while the client does not take what was sent before */
  write(text: string): boolean
  /** Calls back when the client takes more again. */
  onDrain(callback: () => void): void
  end(): void
  /** Ends the response at once: what the client has not taken is lost. */
  drop(): void
}

/** An answer: a whole body, or what takes over a sink; it returns what is called when the client has gone. */
export interface StudioAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | undefined
  readonly stream?: ((sink: Sink) => () => void) | undefined
}

export class BodyError extends Error {}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new BodyError('the body is not JSON')
  }
}

/** Reads the body of a request of Node's; one that a parser of the framework's has read is taken over. */
export function jsonOfNode(request: IncomingMessage, parsed: unknown): Promise<unknown> {
  if (typeof parsed === 'object' && parsed !== null) return Promise.resolve(parsed)
  if (typeof parsed === 'string') return Promise.resolve().then(() => parse(parsed))
  return new Promise((resolve, reject) => {
    const decoder = new TextDecoder()
    let text = ''
    let bytes = 0
    const timer = setTimeout(() => fail('the body does not come'), BODY_MS)
    timer.unref?.()
    const end = (): void => {
      clearTimeout(timer)
      request.removeListener('data', onData).removeListener('end', onEnd)
      request.removeListener('error', onGone).removeListener('close', onGone)
    }
    const fail = (problem: string): void => {
      end()
      request.resume()
      // An error after that is no exception of the process.
      request.on('error', () => {})
      reject(new BodyError(problem))
    }
    const onGone = (): void => fail('the body did not come')
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length
      if (bytes > MOST_BYTES) fail(`the body has more than ${MOST_BYTES} bytes`)
      else text += decoder.decode(chunk, { stream: true })
    }
    const onEnd = (): void => {
      end()
      try {
        resolve(parse(text))
      } catch (error) {
        reject(error)
      }
    }
    request.on('data', onData).once('end', onEnd).once('error', onGone).once('close', onGone)
  })
}

const CONNECTION_HEADERS = new Set(['connection', 'keep-alive', 'transfer-encoding'])

/** Answers by a response of Node's. */
export function answerNode(response: ServerResponse, answer: StudioAnswer, isHead: boolean): void {
  if (response.headersSent || response.destroyed) return
  const headers: Record<string, string | number> = {}
  for (const [name, value] of Object.entries(answer.headers)) if (!CONNECTION_HEADERS.has(name)) headers[name] = value
  if (answer.stream === undefined || isHead) {
    const body = answer.body ?? ''
    response.writeHead(answer.status, { ...headers, 'content-length': Buffer.byteLength(body) })
    response.end(isHead ? undefined : body)
    return
  }
  response.writeHead(answer.status, headers)
  response.flushHeaders?.()
  // A viewer keeps no process alive. HTTP/2 shares its socket, and lets nothing be done to it.
  const socket = response.req?.httpVersionMajor === 1 ? response.socket : undefined
  socket?.unref?.()
  const gone = answer.stream({
    write: (text) => response.write(text),
    onDrain: (callback) => {
      response.once('drain', callback)
    },
    end: () => {
      socket?.ref?.()
      response.end()
    },
    drop: () => response.destroy(),
  })
  response.once('close', gone)
  response.once('error', gone)
}

/** A request of the fetch API, as far as it is used. */
export interface FetchRequest {
  readonly method: string
  readonly url: string
  readonly headers: { get(name: string): string | null }
  readonly body?: ReadableStream<Uint8Array> | null
  readonly signal?: AbortSignal | null
}

/** Reads the body of a request of the fetch API. */
export async function jsonOfFetch(request: FetchRequest): Promise<unknown> {
  const reader = request.body?.getReader()
  if (reader === undefined) throw new BodyError('there is no body')
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  const timer = setTimeout(() => void reader.cancel().catch(() => {}), BODY_MS)
  ;(timer as { unref?: () => void }).unref?.()
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      bytes += part.value.length
      if (bytes > MOST_BYTES) {
        void reader.cancel().catch(() => {})
        throw new BodyError(`the body has more than ${MOST_BYTES} bytes`)
      }
      text += decoder.decode(part.value, { stream: true })
    }
  } finally {
    clearTimeout(timer)
  }
  return parse(text)
}

/** Answers by a response of the fetch API. */
export function answerFetch(answer: StudioAnswer, isHead: boolean, signal: AbortSignal | null | undefined): Response {
  const { status, headers } = answer
  if (answer.stream === undefined || isHead)
    return new Response(isHead ? null : (answer.body ?? ''), { status, headers })
  const encoder = new TextEncoder()
  const open = answer.stream
  let drained: (() => void) | undefined
  let gone: () => void = () => {}
  let isOpen = true
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const end = (): void => {
          if (!isOpen) return
          isOpen = false
          try {
            controller.close()
          } catch {
            // The client was faster.
          }
        }
        gone = open({
          write: (text) => {
            if (!isOpen) return false
            controller.enqueue(encoder.encode(text))
            return (controller.desiredSize ?? 0) > 0
          },
          onDrain: (callback) => {
            drained = callback
          },
          end,
          drop: () => {
            isOpen = false
            try {
              controller.error(new Error('the client does not read'))
            } catch {
              // The client was faster.
            }
          },
        })
        signal?.addEventListener('abort', () => {
          end()
          gone()
        })
      },
      pull() {
        const callback = drained
        drained = undefined
        callback?.()
      },
      cancel() {
        isOpen = false
        gone()
      },
    },
    { highWaterMark: 65_536, size: (chunk) => chunk?.byteLength ?? 1 },
  )
  return new Response(body, { status, headers })
}
