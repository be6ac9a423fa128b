/** The answer to a shed request on Node: by the application where it does, else with a problem document. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { textOfAny } from '../base/host-calls.js'
import { ownOptions } from '../base/own.js'
import { warnOnce } from '../base/warn-once.js'
import type { Permit } from '../limiter/types.js'
import { isClosed } from './_closed.js'
import { PROBLEM_TYPE, rawHeadersOf, refusalHeaders, refusalOf, type Shed } from './_problem.js'
import { leaveBody } from './_request-body.js'
import { isThenable } from './_resolve.js'
import { after, callOff } from './_timers.js'

const OF_ANOTHER_BODY: ReadonlySet<string> = new Set(['content-encoding', 'etag', 'last-modified'])
/** An application's own refusal must have begun to answer by then, ms. */
const ANSWERED_WITHIN_MS = 5_000

/** Answers on Node's own response. One that has its head already is cut off. */
export function refuse(request: IncomingMessage, response: ServerResponse, shed: Shed): void {
  if (response.writableEnded || isClosed(response)) return
  if (response.headersSent) {
    response.destroy()
    return
  }
  const refusal = refusalOf(shed)
  const { body } = refusal
  leaveBody(request, response)
  // Headers that a handler further in had prepared describe another body.
  for (const name of response.getHeaderNames()) {
    if (OF_ANOTHER_BODY.has(name)) response.removeHeader(name)
  }
  if (request.httpVersionMajor === 1 && isUnchanged(response)) {
    response.writeHead(503, rawHeadersOf(refusal))
    if (request.method !== 'HEAD') writeAtOnce(response, body)
    response.end()
    return
  }
  response.writeHead(503, {
    'Content-Type': PROBLEM_TYPE,
    'Content-Length': body.length,
    ...refusalHeaders(refusal),
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

/** Returns whether a response's own methods are what answers: middleware that puts others in their place may not know all their forms. */
const isUnchanged = (response: ServerResponse): boolean =>
  typeof response.uncork === 'function' &&
  !Object.hasOwn(response, 'writeHead') &&
  !Object.hasOwn(response, 'write') &&
  !Object.hasOwn(response, 'end')

/**
 * Writes the head and a short body of ASCII. `end(body)` would hand the socket two parts, the second of them empty, and a vectored write of
 * both costs as much more as the rest of the adapter.
 */
function writeAtOnce(response: ServerResponse, body: string): void {
  response.cork()
  response.write(body, 'latin1')
  response.uncork()
}

const ANSWER_NAMES = ['status', 'statusCode', 'getStatus', 'getResponse', 'code']

/** Returns whether an error is a framework's own way to answer: http-errors, an HTTPException. */
export function isHttpError(error: unknown): boolean {
  try {
    const { status, statusCode, getStatus, getResponse, code } = ownOptions(
      (error ?? {}) as Record<string, unknown>,
      ANSWER_NAMES,
    )
    if (code === 'ATRION_SHED') return false
    if (typeof getStatus === 'function' || typeof getResponse === 'function') return true
    const answer = status ?? statusCode
    return typeof answer === 'number' && answer >= 400 && answer <= 599
  } catch {
    // Anything may be thrown, a proxy whose traps throw among it.
    return false
  }
}

const warnOf = (what: string): void => warnOnce('callback onShed', `the adapter's option 'onShed' ${what}`)

/** An application's own answer to a shed request, and what answers where it does not. */
export interface OwnRefusal {
  /** The call of `onShed`. */
  readonly answer: () => unknown
  /** Answers with the adapter's 503. */
  readonly refuse: () => void
  /** Hands an error of the framework's own to it; absent where there is no way to. */
  readonly raise?: ((error: unknown) => void) | undefined
  /** Returns whether an answer has begun. */
  readonly isAnswered: () => boolean
}

/** Lets the application answer. Never throws, and the request is answered within a bound. */
export function refuseOwn({ answer, refuse: fallBack, raise, isAnswered }: OwnRefusal): void {
  let timer: ReturnType<typeof after> | undefined
  const failed = (how: string, error: unknown): void => {
    callOff(timer)
    if (raise !== undefined && isHttpError(error)) {
      raise(error)
      return
    }
    warnOf(`${how}: ${textOfAny(error)}`)
    fallBack()
  }
  try {
    const result = answer()
    if (isThenable(result))
      result.then(
        () => {},
        (error: unknown) => failed('rejected', error),
      )
  } catch (error) {
    failed('threw', error)
    return
  }
  if (isAnswered()) return
  timer = after(ANSWERED_WITHIN_MS, () => {
    if (isAnswered()) return
    warnOf(`did not answer within ${ANSWERED_WITHIN_MS} ms`)
    fallBack()
  })
}

/** Refuses on Node's own response: as the application answers, where it does. */
export function refuseOnNode(
  request: IncomingMessage,
  response: ServerResponse,
  permit: Permit,
  onShed?: () => unknown,
  raise?: (error: unknown) => void,
): void {
  if (onShed === undefined) {
    refuse(request, response, permit)
    return
  }
  leaveBody(request, response)
  refuseOwn({
    answer: onShed,
    refuse: () => refuse(request, response, permit),
    raise,
    isAnswered: () => response.headersSent || response.writableEnded || isClosed(response),
  })
}
