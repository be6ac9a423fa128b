/**
 * The quota that a provider of language models states in the headers of an answer: limits, what remains of them, and when they are
 * whole again.
 *
 * | provider | headers | time |
 * |---|---|---|
 * | OpenAI, and those like it | `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` | `6m0s`, `1s`, `12ms`, seconds |
 * | Azure OpenAI | the same; −1 and 0 are unknown | seconds |
 * | Anthropic | `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}` | RFC 3339 |
 * | all | `retry-after-ms`, `retry-after` | ms; seconds or an HTTP date |
 *
 * Values that make no sense are left out, and every number is bounded: an upstream that errs, or means harm, states at most a day.
 */

import { type HeaderReader, readerOf } from './headers.js'

/** A provider's dialect. */
export type UpstreamProvider = 'openai' | 'anthropic' | 'azure-openai' | 'generic'

export const PROVIDERS: readonly UpstreamProvider[] = ['openai', 'anthropic', 'azure-openai', 'generic']

/** Amounts that a provider limits. */
export type Dimension = 'requests' | 'tokens' | 'inputTokens' | 'outputTokens'

export const DIMENSIONS: readonly Dimension[] = ['requests', 'tokens', 'inputTokens', 'outputTokens']

/** A limit as an answer states it. */
export interface QuotaState {
  /** The most that can remain, > 0; undefined where the answer does not state it. */
  readonly limit: number | undefined
  /** ≥ 0, at most `limit`; undefined where the answer does not state it. */
  readonly remaining: number | undefined
  /** The time until all of it is there again, ms, 0 to a day. */
  readonly resetMs: number | undefined
  /** The error that `resetMs` may have for being rounded, ms. */
  readonly resolutionMs: number
}

/** All that an answer states of quota. */
export interface Quota {
  readonly states: Readonly<Partial<Record<Dimension, QuotaState>>>
  /** The time after which to come back, ms, 0 to a day. */
  readonly retryAfterMs: number | undefined
}

/** Longest time that is believed, ms: a day. */
const LONGEST_RESET_MS = 86_400_000
/** Largest limit that is believed. */
const LARGEST = 1e12

interface Span {
  readonly ms: number
  readonly resolutionMs: number
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

const PLAIN = /^\d{1,15}(?:\.\d{0,9})?$/
const COMPOUND = /^(?:\d{1,12}(?:\.\d{0,9})?(?:ns|us|µs|ms|[smhd]))+$/
const PART = /(\d+(?:\.\d*)?)(ns|us|µs|ms|[smhd])/g
const RFC_3339 = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})$/
const HTTP_DATE = /^[A-Z][a-z]{2,8},? [\w\s:-]{15,30}(?: GMT)?$/

/** Unix ms of an HTTP date, which is in GMT even where it does not say so, as that of `asctime()`. NaN for what is none. */
const httpDateMs = (text: string): number => Date.parse(/\d$/.test(text) ? `${text} GMT` : text)

/** A plain number from here on is a Unix time in seconds: as a duration it would be 30 years. */
const UNIX_TIME_S = 1e9

const bounded = (ms: number, resolutionMs: number): Span | undefined =>
  Number.isFinite(ms) ? { ms: Math.min(Math.max(ms, 0), LONGEST_RESET_MS), resolutionMs } : undefined

/**
 * A time until something: `6m0s`, `1h2m3.5s`, `12ms`, plain seconds, RFC 3339, an HTTP date, or a Unix time. undefined for anything else.
 *
 * @param wallMs the upstream's wall clock, Unix ms
 */
export function parseSpan(text: string | undefined, wallMs: number): Span | undefined {
  if (text === undefined || text.length > 64) return undefined
  if (PLAIN.test(text)) {
    const seconds = Number(text)
    if (seconds >= UNIX_TIME_S * 1000) return bounded(seconds - wallMs, 1)
    if (seconds >= UNIX_TIME_S) return bounded(seconds * 1000 - wallMs, 1000)
    return bounded(seconds * 1000, text.includes('.') ? 1 : 1000)
  }
  if (COMPOUND.test(text)) {
    let ms = 0
    for (const [, number, unit] of text.matchAll(PART)) ms += Number(number) * UNIT_MS[unit!]!
    return bounded(ms, /ms|us|µs|ns|\./.test(text) ? 1 : 1000)
  }
  if (RFC_3339.test(text)) return bounded(Date.parse(text) - wallMs, text.includes('.') ? 1 : 1000)
  return HTTP_DATE.test(text) ? bounded(httpDateMs(text) - wallMs, 1000) : undefined
}

/** A clock that differs from the upstream's by less is the better one: a `date` has whole seconds. */
const SKEW_MS = 2000

/** The upstream's wall clock, as its answer's `date` has it, where that is not the own. */
function upstreamWallMs(read: HeaderReader, wallMs: number): number {
  const text = read('date')
  const date = text !== undefined && HTTP_DATE.test(text) ? httpDateMs(text) : Number.NaN
  return Number.isFinite(date) && Math.abs(date - wallMs) > SKEW_MS ? date : wallMs
}

function numberOf(text: string | undefined): number | undefined {
  if (text === undefined || !PLAIN.test(text)) return undefined
  const number = Number(text)
  return number <= LARGEST ? number : undefined
}

/** A state of what was read; undefined where nothing of it is known. */
function stateOf(
  limitText: string | undefined,
  remainingText: string | undefined,
  reset: Span | undefined,
  zeroIsUnknown: boolean,
): QuotaState | undefined {
  const limitGiven = numberOf(limitText)
  const limit = limitGiven === 0 ? undefined : limitGiven
  // A limit of 0 or −1 says that the numbers beside it are none.
  const isVoid = limitText !== undefined && limit === undefined
  const remainingGiven = isVoid ? undefined : numberOf(remainingText)
  const isUnknown = remainingGiven === undefined || (remainingGiven === 0 && zeroIsUnknown)
  const remaining = isUnknown ? undefined : Math.min(remainingGiven, limit ?? LARGEST)
  const resetMs = isVoid || (reset?.ms === 0 && (zeroIsUnknown || remaining === 0)) ? undefined : reset?.ms
  if (limit === undefined && remaining === undefined && resetMs === undefined) return undefined
  return { limit, remaining, resetMs, resolutionMs: reset?.resolutionMs ?? 0 }
}

const OPENAI: readonly (readonly [Dimension, string])[] = [
  ['requests', 'requests'],
  ['tokens', 'tokens'],
]
const ANTHROPIC: readonly (readonly [Dimension, string])[] = [
  ['requests', 'requests'],
  ['tokens', 'tokens'],
  ['inputTokens', 'input-tokens'],
  ['outputTokens', 'output-tokens'],
]

/** The time that an answer asks to wait, ms. The finer header goes first. */
export function retryAfterOf(read: HeaderReader, wallMs: number): number | undefined {
  const ms = numberOf(read('retry-after-ms'))
  if (ms !== undefined) return Math.min(ms, LONGEST_RESET_MS)
  return parseSpan(read('retry-after'), wallMs)?.ms
}

/**
 * Reads what an answer states of quota. Never throws.
 *
 * @param headers in any form
 * @param provider the dialect. 'generic' reads all of them.
 * @param ownWallMs the own wall clock, Unix ms
 */
export function readQuota(headers: unknown, provider: UpstreamProvider, ownWallMs: number): Quota {
  const read = readerOf(headers)
  const wallMs = upstreamWallMs(read, ownWallMs)
  const states: Partial<Record<Dimension, QuotaState>> = {}
  const zeroIsUnknown = provider === 'azure-openai'
  if (provider !== 'anthropic') {
    for (const [dimension, name] of OPENAI) {
      const reset = read(`x-ratelimit-reset-${name}`) ?? read(`x-rate-limit-reset-${name}`)
      const state = stateOf(
        read(`x-ratelimit-limit-${name}`),
        read(`x-ratelimit-remaining-${name}`),
        parseSpan(reset, wallMs),
        zeroIsUnknown,
      )
      if (state !== undefined) states[dimension] = state
    }
  }
  if (provider === 'anthropic' || provider === 'generic') {
    for (const [dimension, name] of ANTHROPIC) {
      const header = (field: string): string | undefined => read(`anthropic-ratelimit-${name}-${field}`)
      const state = stateOf(header('limit'), header('remaining'), parseSpan(header('reset'), wallMs), zeroIsUnknown)
      if (state !== undefined) states[dimension] = state
    }
  }
  return { states, retryAfterMs: retryAfterOf(read, wallMs) }
}
