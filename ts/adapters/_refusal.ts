/** What a shed client is told: RFC 9457's problem document, and when to come back. */

import type { ServerResponse } from 'node:http'
import type { Permit } from '../loop.js'

export const PROBLEM_TYPE = 'application/problem+json'

const BODY =
  '{"type":"about:blank","title":"Service Unavailable","status":503,' +
  '"detail":"The service is at its capacity. Please try again later.","retryAfterMs":'

/** When nothing better is known, ms. */
const DEFAULT_RETRY_MS = 1_000
/** Nobody is sent away for longer than a day, ms. */
const MAX_RETRY_MS = 86_400_000

export interface Refusal {
  /** For `Retry-After`, whole seconds, ≥ 1 */
  readonly retryAfterS: string
  readonly body: string
}

/** The last one is kept: under overload, waits repeat. */
let lastMs = -1
let last: Refusal = { retryAfterS: '1', body: '' }

export function refusalOf(permit: Permit): Refusal {
  const ms = Math.min(Math.max(permit.retryAfterMs ?? DEFAULT_RETRY_MS, 1), MAX_RETRY_MS)
  if (ms !== lastMs) {
    lastMs = ms
    last = { retryAfterS: String(Math.ceil(ms / 1_000)), body: `${BODY}${ms}}` }
  }
  return last
}

/** Answers on Node's own response. */
export function refuse(response: ServerResponse, permit: Permit): void {
  const { retryAfterS, body } = refusalOf(permit)
  response.writeHead(503, {
    'Content-Type': PROBLEM_TYPE,
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
    'Retry-After': retryAfterS,
  })
  response.end(body)
}
