// The quota in a provider's headers, and the kinds of its answers: every form that is known, and anything else.
import test from 'ava'
import fc from '../_random.mjs'
import { sourceOf } from '../_source.mjs'

const { classify, classifyStreamError, parseSpan, readQuota } = await sourceOf('upstream/index.ts')

const NOW = Date.UTC(2026, 0, 1)
const OPENAI = {
  'x-ratelimit-limit-requests': '60',
  'x-ratelimit-limit-tokens': '150000',
  'x-ratelimit-remaining-requests': '59',
  'x-ratelimit-remaining-tokens': '149984',
  'x-ratelimit-reset-requests': '1s',
  'x-ratelimit-reset-tokens': '6m0s',
}

test('spans of every form', (t) => {
  const cases = {
    '6m0s': 360_000,
    '1s': 1000,
    '12ms': 12,
    '1h2m3.5s': 3_723_500,
    '0s': 0,
    '7m12s': 432_000,
    '1d2h': 86_400_000, // a day at most
    59.7: 59_700,
    60: 60_000,
    0: 0,
    '2026-01-01T00:00:30Z': 30_000,
    '2026-01-01T01:00:30+01:00': 30_000,
    '2026-01-01T00:00:00.250Z': 250,
    '2025-12-31T23:59:00Z': 0,
    'Thu, 01 Jan 2026 00:01:00 GMT': 60_000,
    1767225660: 60_000, // Unix time
    1767225660000: 60_000,
    '1500us': 1.5,
  }
  for (const [text, ms] of Object.entries(cases)) t.is(parseSpan(text, NOW)?.ms, ms, text)
})

test.serial('an HTTP date without a zone is in GMT, wherever the process runs', (t) => {
  const { TZ } = process.env
  t.teardown(() => {
    if (TZ === undefined) delete process.env.TZ
    else process.env.TZ = TZ
  })
  const dates = [
    'Thu Jan  1 00:01:00 2026',
    'Thu, 01 Jan 2026 00:01:00',
    'Thu, 01 Jan 2026 00:01:00 GMT',
    'Thursday, 01-Jan-26 00:01:00 GMT',
  ]
  for (const zone of ['America/New_York', 'Asia/Kolkata', 'Pacific/Apia', 'UTC']) {
    process.env.TZ = zone
    for (const date of dates) {
      t.is(parseSpan(date, NOW)?.ms, 60_000, `${zone}: ${date}`)
      t.is(
        readQuota({ date, 'x-ratelimit-limit-requests': '60', 'x-ratelimit-reset-requests': date }, 'openai', 0).states
          .requests.resetMs,
        0,
        date,
      )
    }
  }
})

test('spans that are none', (t) => {
  for (const text of [
    '',
    ' ',
    '-1',
    '-1s',
    'soon',
    '1x',
    's',
    '1s!',
    'NaN',
    'Infinity',
    '1e9',
    '0x10',
    '2026-13-45',
    '1s'.repeat(40),
  ]) {
    t.is(parseSpan(text, NOW), undefined, text)
  }
  t.is(parseSpan(undefined, NOW), undefined)
})

test('headers of OpenAI', (t) => {
  const { states, retryAfterMs } = readQuota(OPENAI, 'openai', NOW)
  t.like(states.requests, { limit: 60, remaining: 59, resetMs: 1000 })
  t.like(states.tokens, { limit: 150_000, remaining: 149_984, resetMs: 360_000 })
  t.is(retryAfterMs, undefined)
})

test('headers of Anthropic', (t) => {
  const headers = {}
  for (const name of ['requests', 'tokens', 'input-tokens', 'output-tokens']) {
    headers[`anthropic-ratelimit-${name}-limit`] = '1000'
    headers[`anthropic-ratelimit-${name}-remaining`] = '990'
    headers[`anthropic-ratelimit-${name}-reset`] = '2026-01-01T00:00:06Z'
  }
  const { states } = readQuota(headers, 'anthropic', NOW)
  t.deepEqual(Object.keys(states).sort(), ['inputTokens', 'outputTokens', 'requests', 'tokens'])
  for (const state of Object.values(states)) t.like(state, { limit: 1000, remaining: 990, resetMs: 6000 })
})

test('a wall clock that is off by more than two seconds is not believed: the date of the answer is', (t) => {
  const headers = {
    date: 'Thu, 01 Jan 2026 00:00:00 GMT',
    'anthropic-ratelimit-requests-limit': '50',
    'anthropic-ratelimit-requests-remaining': '40',
    'anthropic-ratelimit-requests-reset': '2026-01-01T00:00:12Z',
  }
  t.is(readQuota(headers, 'anthropic', NOW + 3_600_000).states.requests.resetMs, 12_000)
  t.is(readQuota(headers, 'anthropic', NOW + 500).states.requests.resetMs, 11_500)
})

test('−1 and 0 of Azure are unknown', (t) => {
  const unknown = {
    'x-ratelimit-limit-tokens': '-1',
    'x-ratelimit-remaining-tokens': '-1',
    'x-ratelimit-reset-tokens': '0',
    'x-ratelimit-remaining-requests': '0',
  }
  t.deepEqual(readQuota(unknown, 'azure-openai', NOW).states, {})
  const some = { 'x-ratelimit-limit-requests': '10', 'x-ratelimit-remaining-requests': '0' }
  t.like(readQuota(some, 'azure-openai', NOW).states.requests, { limit: 10, remaining: undefined })
  t.like(readQuota(some, 'openai', NOW).states.requests, { limit: 10, remaining: 0 })
})

test('retry-after-ms goes before retry-after, which may be a date', (t) => {
  const of = (headers) => readQuota(headers, 'generic', NOW).retryAfterMs
  t.is(of({ 'retry-after-ms': '150', 'retry-after': '2' }), 150)
  t.is(of({ 'retry-after-ms': 'soon', 'retry-after': '2' }), 2000)
  t.is(of({ 'Retry-After': 'Thu, 01 Jan 2026 00:00:05 GMT' }), 5000)
  t.is(of({ 'retry-after': 'Wed, 31 Dec 2025 00:00:05 GMT' }), 0)
  t.is(of({ 'retry-after': '999999999' }), 86_400_000, 'a day at most')
  t.is(of({ 'retry-after': '-3' }), undefined)
})

test('headers in every form that clients hand them on', (t) => {
  const entries = Object.entries(OPENAI)
  const forms = {
    Headers: new Headers(OPENAI),
    'names in capitals': Object.fromEntries(entries.map(([name, value]) => [name.toUpperCase(), value])),
    lists: Object.fromEntries(entries.map(([name, value]) => [name, [value, 'other']])),
    numbers: {
      'x-ratelimit-limit-requests': 60,
      'x-ratelimit-remaining-requests': 59,
      'x-ratelimit-reset-requests': 1,
    },
    Map: new Map(entries),
    pairs: entries,
    'raw strings': entries.flat(),
    'raw buffers': entries.flat().map((text) => Buffer.from(text)),
    'no prototype': Object.assign(Object.create(null), OPENAI),
  }
  for (const [form, headers] of Object.entries(forms)) {
    t.like(readQuota(headers, 'openai', NOW).states.requests, { limit: 60, remaining: 59, resetMs: 1000 }, form)
  }
  for (const none of [undefined, null, 1, 'text', Symbol('x'), () => {}])
    t.deepEqual(readQuota(none, 'openai', NOW).states, {})
})

test('a remaining amount above its limit is the limit', (t) => {
  const headers = { 'x-ratelimit-limit-requests': '10', 'x-ratelimit-remaining-requests': '11' }
  t.like(readQuota(headers, 'openai', NOW).states.requests, { limit: 10, remaining: 10 })
})

const NAMES = [
  ...Object.keys(OPENAI),
  'anthropic-ratelimit-requests-limit',
  'anthropic-ratelimit-requests-remaining',
  'anthropic-ratelimit-requests-reset',
  'retry-after',
  'retry-after-ms',
  'date',
  'x-should-retry',
]
const anyText = fc.oneof(
  fc.string({ maxLength: 300 }),
  fc.constantFrom(
    '6m0s',
    '-1',
    '0',
    '1e308',
    '9'.repeat(40),
    'NaN',
    '2026-01-01T00:00:30Z',
    '1s'.repeat(100),
    '\u0000',
  ),
  fc.integer().map(String),
  fc.double().map(String),
)
const anyValue = fc.oneof(anyText, fc.array(anyText, { maxLength: 3 }), fc.anything(), fc.uint8Array({ maxLength: 40 }))

test('an upstream may send anything: nothing throws, and every number is bounded', (t) => {
  const headers = fc.oneof(fc.dictionary(fc.constantFrom(...NAMES), anyValue), fc.anything(), fc.array(anyValue))
  const provider = fc.constantFrom('openai', 'anthropic', 'azure-openai', 'generic')
  fc.assert(
    fc.property(headers, provider, fc.anything(), fc.integer({ min: -1, max: 700 }), (given, kind, body, status) => {
      const { states, retryAfterMs } = readQuota(given, kind, NOW)
      for (const { limit, remaining, resetMs } of Object.values(states)) {
        if (limit !== undefined && !(limit > 0 && limit <= 1e12)) return false
        if (remaining !== undefined && !(remaining >= 0 && remaining <= (limit ?? 1e12))) return false
        if (resetMs !== undefined && !(resetMs >= 0 && resetMs <= 86_400_000)) return false
      }
      if (retryAfterMs !== undefined && !(retryAfterMs >= 0 && retryAfterMs <= 86_400_000)) return false
      const { kind: answer } = classify(status, given, body, NOW)
      return ['ok', 'quota', 'exhausted', 'overload', 'failure', 'rejected'].includes(answer)
    }),
    { numRuns: 3000 },
  )
  t.pass()
})

test('a duration that is written is read again', (t) => {
  const part = (unit) => fc.integer({ min: 0, max: 59 }).map((number) => [number, unit])
  const units = { h: 3_600_000, m: 60_000, s: 1000 }
  fc.assert(
    fc.property(part('h'), part('m'), part('s'), (...parts) => {
      const ms = parts.reduce((sum, [number, unit]) => sum + number * units[unit], 0)
      return parseSpan(parts.map(([number, unit]) => `${number}${unit}`).join(''), NOW).ms === Math.min(ms, 86_400_000)
    }),
  )
  t.pass()
})

const openaiError = (type, code, message = 'message') => ({ error: { message, type, code } })

test('kinds of answers', (t) => {
  const cases = [
    [200, undefined, 'ok', 'success', false],
    [304, undefined, 'ok', 'success', false],
    [400, openaiError('invalid_request_error', null), 'rejected', 'success', false],
    [401, undefined, 'rejected', 'success', false],
    [404, undefined, 'rejected', 'success', false],
    [408, undefined, 'failure', 'failure', true],
    [429, undefined, 'quota', 'ignored', true],
    [429, openaiError('requests', 'rate_limit_exceeded'), 'quota', 'ignored', true],
    [429, openaiError('insufficient_quota', 'insufficient_quota'), 'exhausted', 'ignored', false],
    [429, openaiError('x', 'billing_hard_limit_reached'), 'exhausted', 'ignored', false],
    [429, openaiError('x', null, 'You exceeded your current quota, please check'), 'exhausted', 'ignored', false],
    [429, openaiError('server_error', null, 'The engine is currently overloaded'), 'overload', 'failure', true],
    [429, { type: 'error', error: { type: 'rate_limit_error', message: 'limit' } }, 'quota', 'ignored', true],
    [
      400,
      { type: 'error', error: { type: 'invalid_request_error', message: 'Your credit balance is too low to access' } },
      'exhausted',
      'ignored',
      false,
    ],
    [402, undefined, 'exhausted', 'ignored', false],
    [403, { type: 'error', error: { type: 'billing_error', message: '' } }, 'exhausted', 'ignored', false],
    [500, undefined, 'failure', 'failure', true],
    [502, undefined, 'failure', 'failure', true],
    [503, undefined, 'overload', 'failure', true],
    [529, undefined, 'overload', 'failure', true],
    [529, { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }, 'overload', 'failure', true],
  ]
  for (const [status, body, kind, outcome, mayRetry] of cases) {
    const bytes = body && Buffer.from(JSON.stringify(body))
    for (const form of body === undefined ? [undefined] : [body, JSON.stringify(body), bytes]) {
      t.like(classify(status, {}, form, NOW), { kind, outcome, mayRetry }, `${status} ${JSON.stringify(body)}`)
    }
  }
})

test('an answer that says that it should not be tried again is not', (t) => {
  t.false(classify(429, { 'x-should-retry': 'false' }, undefined, NOW).mayRetry)
  t.is(classify(429, { 'retry-after-ms': '1500' }, undefined, NOW).retryAfterMs, 1500)
})

test('errors that a stream brings', (t) => {
  t.is(classifyStreamError({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }), 'overload')
  t.is(classifyStreamError({ error: { type: 'insufficient_quota' } }), 'exhausted')
  t.is(classifyStreamError({ error: { code: 'rate_limit_exceeded' } }), 'quota')
  t.is(classifyStreamError({ error: { type: 'api_error' } }), 'failure')
  t.is(classifyStreamError('anything'), 'failure')
})
