/** The answer to a shed client: RFC 9457's problem document, and when to come back. */

import { isShedError } from '../base/errors.js'
import { own } from '../base/own.js'
import type { Permit } from '../limiter/types.js'

export const PROBLEM_TYPE = 'application/problem+json'

const BODY =
  '{"type":"about:blank","title":"Service Unavailable","status":503,' +
  '"detail":"The service is at its capacity. Please try again later.","retryAfterMs":'

/** When nothing better is known, ms. */
const DEFAULT_RETRY_MS = 1_000
/** No client is sent away for longer than a day, ms. */
const MAX_RETRY_MS = 86_400_000

/** The source of a written refusal: a permit, or a ShedError of a guard further in. */
export type Shed = Pick<Permit, 'retryAfterMs'>

export interface Refusal {
  /** For `Retry-After`, whole seconds, ≥ 1 */
  readonly retryAfterS: string
  readonly body: string
}

/** The last one is kept: under overload, waits repeat. */
let lastMs = -1
let last: Refusal = { retryAfterS: '1', body: '' }

export function refusalOf(shed: Shed): Refusal {
  const retryAfterMs = own(shed, 'retryAfterMs')
  const wanted = typeof retryAfterMs === 'number' && retryAfterMs >= 0 ? retryAfterMs : DEFAULT_RETRY_MS
  const ms = Math.min(Math.max(wanted, 1), MAX_RETRY_MS)
  if (ms !== lastMs) {
    lastMs = ms
    last = { retryAfterS: String(Math.ceil(ms / 1_000)), body: `${BODY}${ms}}` }
  }
  return last
}

/** Headers of a refusal, apart from its type and length. */
export const refusalHeaders = ({ retryAfterS }: Refusal): Record<'retry-after' | 'cache-control', string> => ({
  'retry-after': retryAfterS,
  'cache-control': 'no-store',
})

/** Causes that are looked through for a shed. */
const MAX_CAUSES = 5

/** The shed of a guard further in that an error is, or comes of: clients of HTTP wrap the errors of their dispatchers. */
export function shedIn(error: unknown): (Shed & object) | undefined {
  let cause = error
  for (let i = 0; i < MAX_CAUSES && typeof cause === 'object' && cause !== null; i++) {
    if (isShedError(cause)) return cause
    cause = own(cause as { cause?: unknown }, 'cause')
  }
  return undefined
}

/** Gives an error that comes of a shed what error handlers look for, where it does not have it. @returns that shed */
export function describeShed(error: unknown): (Shed & object) | undefined {
  const shed = shedIn(error)
  if (shed === undefined) return undefined
  const { retryAfterS } = refusalOf(shed)
  const fields = { status: 503, statusCode: 503, headers: { 'retry-after': retryAfterS } }
  for (const [name, value] of Object.entries(fields)) {
    if ((error as Record<string, unknown>)[name] === undefined) {
      Reflect.defineProperty(error as object, name, { value, configurable: true, writable: true })
    }
  }
  return shed
}
