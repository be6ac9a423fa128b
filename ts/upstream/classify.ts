/**
 * Kinds of answers of a provider, and what follows of each: for the breaker, for the pace, and for a second attempt.
 *
 * | kind | answers | breaker | again |
 * |---|---|---|---|
 * | `ok` | below 400 | success | – |
 * | `quota` | 429 | says nothing of the route | when the pace allows it |
 * | `exhausted` | 402, and 400, 403 or 429 that say that the credit is gone | says nothing of the route | no |
 * | `overload` | 503, 529, and any that says that the provider is overloaded | failure | later |
 * | `failure` | other 5xx, 408 | failure | later |
 * | `rejected` | other 4xx: the request's own fault | success | no |
 */

import { isBytes } from '../base/realm.js'
import type { Outcome } from '../limiter/types.js'
import { type HeaderReader, readerOf } from './headers.js'
import { retryAfterOf } from './quota.js'

export type AnswerKind = 'ok' | 'quota' | 'exhausted' | 'overload' | 'failure' | 'rejected'

/** An answer judged. */
export interface Classified {
  readonly kind: AnswerKind
  /** The outcome of the route's permit. */
  readonly outcome: Outcome
  /** True where the same request may succeed later. */
  readonly mayRetry: boolean
  /** The time that the answer asks to wait, ms, at most a day. */
  readonly retryAfterMs: number | undefined
}

/** Longest body of an error that is read, characters. */
const LONGEST_BODY = 65_536

/** Codes and types of errors that mean that the credit is used up. */
const EXHAUSTED_CODES = new Set([
  'insufficient_quota',
  'billing_hard_limit_reached',
  'billing_not_active',
  'billing_error',
  'access_terminated',
  'insufficient_balance',
  'credit_balance_too_low',
  'exceeded_current_quota_error',
])
const EXHAUSTED_TEXT =
  /credit balance is too low|exceeded your current quota|billing hard limit|billing (?:is )?not active|insufficient (?:balance|credits?|funds)|out of credits?|(?:monthly|spend(?:ing)?|usage) limit (?:has been |was )?reached/i

const OVERLOADED_CODES = new Set(['overloaded_error', 'engine_overloaded', 'overloaded', 'no_capacity'])
const OVERLOADED_TEXT = /\boverloaded\b|high demand|no capacity/i

const KINDS: Readonly<Record<AnswerKind, { outcome: Outcome; mayRetry: boolean }>> = {
  ok: { outcome: 'success', mayRetry: false },
  quota: { outcome: 'ignored', mayRetry: true },
  exhausted: { outcome: 'ignored', mayRetry: false },
  overload: { outcome: 'failure', mayRetry: true },
  failure: { outcome: 'failure', mayRetry: true },
  rejected: { outcome: 'success', mayRetry: false },
}

interface Fault {
  readonly codes: readonly string[]
  readonly text: string
}

const NO_FAULT: Fault = { codes: [], text: '' }

const stringOf = (value: unknown): string => (typeof value === 'string' ? value.slice(0, 4096) : '')

const fieldOf = (holder: unknown, name: string): unknown =>
  typeof holder === 'object' && holder !== null && Object.hasOwn(holder, name)
    ? (holder as Record<string, unknown>)[name]
    : undefined

/** The codes and the message of a body: `{ error: { type, code, message } }`, or the same without `error`. */
function faultIn(parsed: unknown): Fault {
  const error = fieldOf(parsed, 'error') ?? parsed
  if (typeof error === 'string') return { codes: [], text: stringOf(error) }
  const codes = [fieldOf(error, 'code'), fieldOf(error, 'type'), fieldOf(error, 'status')].map(stringOf)
  return { codes, text: stringOf(fieldOf(error, 'message')) }
}

function faultOf(body: unknown): Fault {
  try {
    if (body === undefined || body === null) return NO_FAULT
    if (typeof body === 'object' && !isBytes(body)) return faultIn(body)
    const raw = isBytes(body) ? new TextDecoder().decode(body.subarray(0, LONGEST_BODY)) : body
    const text = typeof raw === 'string' ? raw.slice(0, LONGEST_BODY) : ''
    try {
      return faultIn(JSON.parse(text))
    } catch {
      return { codes: [], text }
    }
  } catch {
    return NO_FAULT
  }
}

const says = ({ codes, text }: Fault, known: ReadonlySet<string>, pattern: RegExp): boolean =>
  codes.some((code) => known.has(code.toLowerCase())) || pattern.test(text)

function kindOf(status: number, fault: Fault): AnswerKind {
  if (status < 400) return 'ok'
  if (status === 402) return 'exhausted'
  if (status === 503 || status === 529) return 'overload'
  const isExhausted = says(fault, EXHAUSTED_CODES, EXHAUSTED_TEXT)
  if (status === 429) {
    if (isExhausted) return 'exhausted'
    return says(fault, OVERLOADED_CODES, OVERLOADED_TEXT) ? 'overload' : 'quota'
  }
  if (status >= 500) return says(fault, OVERLOADED_CODES, OVERLOADED_TEXT) ? 'overload' : 'failure'
  if (status === 408) return 'failure'
  return (status === 400 || status === 403) && isExhausted ? 'exhausted' : 'rejected'
}

/**
 * Judges an answer. Never throws.
 *
 * @param headers in any form
 * @param body the body of an error, if it is there: text, bytes or parsed. Without it a 429 is quota.
 * @param wallMs the own wall clock, Unix ms, for a `retry-after` that is a date
 */
export function classify(status: number, headers: unknown, body?: unknown, wallMs = Date.now()): Classified {
  const read: HeaderReader = readerOf(headers)
  const kind = kindOf(Number(status), faultOf(body))
  const { outcome, mayRetry } = KINDS[kind]
  const isFinal = read('x-should-retry')?.toLowerCase() === 'false'
  return { kind, outcome, mayRetry: mayRetry && !isFinal, retryAfterMs: retryAfterOf(read, wallMs) }
}

/** Judges an error that a stream brings after its answer began with 200. */
export function classifyStreamError(error: unknown): AnswerKind {
  const fault = faultOf(error)
  if (says(fault, EXHAUSTED_CODES, EXHAUSTED_TEXT)) return 'exhausted'
  if (says(fault, OVERLOADED_CODES, OVERLOADED_TEXT)) return 'overload'
  return fault.codes.some((code) => /rate_?limit/i.test(code)) ? 'quota' : 'failure'
}
