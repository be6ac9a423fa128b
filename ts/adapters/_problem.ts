/** The answer to a shed client: RFC 9457's problem document, and when to come back. */

import { isShedError } from '../base/errors.js'
import { peek } from '../base/own.js'
import { isError } from '../base/realm.js'
import type { LimitedBy, Permit } from '../limiter/types.js'
import { type AnswerStyle, styleOf } from './_answer-style.js'

export const PROBLEM_TYPE = 'application/problem+json'

/** The detail is the same for all: what limited the request is the service's own affair. */
const DETAIL = '"status":503,"detail":"The service is at its capacity. Please try again later."'
const PLAIN_TYPE = '"type":"about:blank","title":"Service Unavailable"'
/** The type of IANA's registry of HTTP problem types, by the draft of the RateLimit fields. */
const IETF_TYPE =
  '"type":"https://iana.org/assignments/http-problem-types#temporary-reduced-capacity",' +
  '"title":"Temporary Reduced Capacity"'
/** The name of the policy that a limit is of. */
const POLICY = 'route'

/** A document up to the time: of most refusals that alone is another one. */
const PLAIN_START = `{${PLAIN_TYPE},${DETAIL},"retryAfterMs":`
const IETF_START = `{${IETF_TYPE},${DETAIL},"violated-policies":["${POLICY}"],"retryAfterMs":`

/** When nothing better is known, ms. */
const DEFAULT_RETRY_MS = 1_000

/** Obstacles that stay for as long as an operator wants them to. */
const LASTING: ReadonlySet<unknown> = new Set<LimitedBy>(['ban', 'override'])

/** The source of a written refusal: a permit, or a ShedError of a guard further in. */
export type Shed = Pick<Permit, 'retryAfterMs' | 'limitedBy'>

export interface Refusal {
  /** For `Retry-After`, whole seconds, ≥ 1 */
  readonly retryAfterS: string
  readonly body: string
  /** All headers but the type and the length of the body; names in lower case. */
  readonly headers: Readonly<Record<string, string>>
}

function make(ms: number, isLasting: boolean, { isIetf, hasMs, limit }: AnswerStyle): Refusal {
  const retryAfterS = String(Math.ceil(ms / 1_000))
  const headers: Record<string, string> = { 'retry-after': retryAfterS, 'cache-control': 'no-store' }
  if (hasMs) headers['retry-after-ms'] = String(ms)
  // Waiting does not help: clients that know the header do not try again by themselves.
  if (isLasting) headers['x-should-retry'] = 'false'
  if (!isIetf) return { retryAfterS, body: `${PLAIN_START}${ms}}`, headers }
  if (limit !== undefined) headers['ratelimit-policy'] = `"${POLICY}";q=${limit};qu="concurrent-requests"`
  headers.ratelimit = `"${POLICY}";r=0;t=${retryAfterS}`
  return { retryAfterS, body: `${IETF_START}${ms}}`, headers }
}

/** The answer to a refusal, in the style of its guard. */
export function refusalOf(shed: Shed): Refusal {
  const retryAfterMs = peek(shed, 'retryAfterMs')
  const limitedBy = peek(shed, 'limitedBy')
  const style = styleOf(shed)
  const wanted = typeof retryAfterMs === 'number' && retryAfterMs >= 0 ? retryAfterMs : DEFAULT_RETRY_MS
  const ms = Math.ceil(Math.min(Math.max(wanted, 1), style.maxRetryAfterMs))
  return make(ms, LASTING.has(limitedBy), style)
}

/** Headers of a refusal, apart from its type and length. */
export const refusalHeaders = ({ headers }: Refusal): Readonly<Record<string, string>> => headers

/** All headers of a refusal as `writeHead` takes them fastest: each name before its value. */
export function rawHeadersOf({ body, headers }: Refusal): string[] {
  const raw = ['Content-Type', PROBLEM_TYPE, 'Content-Length', String(body.length)]
  for (const name of Object.keys(headers)) raw.push(name, headers[name]!)
  return raw
}

/** Causes that are looked through for a shed. */
const MAX_CAUSES = 5

/**
 * The shed of a guard further in that an error is, or comes of: clients of HTTP wrap the errors of their dispatchers. Never throws, whatever
 * was thrown. Data is no shed: an application that throws what another service answered does not let that choose the answer.
 */
export function shedIn(error: unknown): (Shed & object) | undefined {
  let cause = error
  for (let i = 0; i < MAX_CAUSES && typeof cause === 'object' && cause !== null; i++) {
    if (isShedError(cause) && isError(cause)) return cause
    cause = peek(cause, 'cause')
  }
  return undefined
}

/** Gives an error that comes of a shed what error handlers look for, where it does not have it. @returns that shed */
export function describeShed(error: unknown): (Shed & object) | undefined {
  const shed = shedIn(error)
  if (shed === undefined) return undefined
  const { headers: all } = refusalOf(shed)
  const { 'cache-control': _, ...headers } = all
  const fields = { status: 503, statusCode: 503, headers }
  try {
    for (const [name, value] of Object.entries(fields)) {
      if ((error as Record<string, unknown>)[name] === undefined) {
        Reflect.defineProperty(error as object, name, { value, configurable: true, writable: true })
      }
    }
  } catch {} // it stays as it was thrown
  return shed
}
