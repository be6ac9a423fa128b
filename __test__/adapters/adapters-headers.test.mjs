// The headers of answers and of requests, on every adapter: when to come back, whether to, the IETF's fields, and priorities that are trusted.

import { isConfigError, ShedError } from 'atrion'
import { withAtrion } from 'atrion/fetch'
import { atrionHttp } from 'atrion/http'
import test from 'ava'
import { ask, CALM, close, watched } from '../_adapters.mjs'
import { create, engine } from '../_engine.mjs'
import { FRAMEWORKS } from '../_frameworks.mjs'

const HOUR_MS = 3_600_000

/** Servers of each framework as `send(headers)`, which resolves to { status, headers, body }. */
const SENDERS = {
  ...Object.fromEntries(
    Object.entries(FRAMEWORKS).map(([name, start]) => [
      name,
      async (t, atrion, options) => {
        const server = await start(atrion, { ...CALM, ...options }, async () => 'ok')
        t.teardown(() => close(server))
        return (headers) => ask(server, '/a', { headers })
      },
    ]),
  ),
  fetch: (_, atrion, options) => {
    const handler = withAtrion(() => new Response('ok'), { atrion, route: 'GET /a', ...options })
    return async (given) => {
      const response = await handler(new Request('http://host/a', { headers: given }))
      return { status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() }
    }
  },
}

/** The instance as if its refusals were these. */
const refusing = (atrion, changes) => {
  const acquire = atrion.acquire.bind(atrion)
  atrion.acquire = (routeId, options) => {
    const permit = acquire(routeId, options)
    if (!permit.allow)
      for (const [name, value] of Object.entries(changes)) Reflect.defineProperty(permit, name, { value })
    return permit
  }
}

/** A member of a structured list: a string and its parameters. */
const itemOf = (field) => {
  const [, name, rest] = /^"([^"]*)"((?:;[a-z]+=(?:\d+|"[^"]*"))*)$/.exec(field)
  return {
    name,
    ...Object.fromEntries(
      [...rest.matchAll(/;([a-z]+)=(\d+|"[^"]*")/g)].map(([, key, value]) => [key, JSON.parse(value)]),
    ),
  }
}

if (engine !== 'ts') {
  for (const [name, start] of Object.entries(SENDERS)) {
    test(`${name}: Retry-After is at most a minute, or what the application wants`, async (t) => {
      const { atrion } = watched()
      refusing(atrion, { retryAfterMs: HOUR_MS, limitedBy: 'scar' })
      atrion.override('GET /a', 'open')
      const plain = await (await start(t, atrion, {}))({})
      t.deepEqual([plain.status, plain.headers['retry-after'], plain.headers['retry-after-ms']], [503, '60', undefined])
      t.is(JSON.parse(plain.body).retryAfterMs, 60_000)
      t.is(plain.headers['x-should-retry'], undefined)
      t.is(plain.headers.ratelimit, undefined)
      t.is(plain.headers['cache-control'], 'no-store')
      const own = await (await start(t, atrion, { maxRetryAfterMs: 90_000, retryAfterMs: true }))({})
      t.deepEqual([own.headers['retry-after'], own.headers['retry-after-ms']], ['90', '90000'])
    })

    test(`${name}: what is refused for as long as an operator wants says so`, async (t) => {
      const { atrion } = watched()
      atrion.override('GET /a', 'open')
      const { status, headers } = await (await start(t, atrion, {}))({})
      t.deepEqual([status, headers['x-should-retry']], [503, 'false'])
      t.regex(headers['retry-after'], /^[1-9]\d?$/)
    })

    test(`${name}: the IETF's fields and problem type`, async (t) => {
      const { atrion } = watched()
      atrion.configure('GET /a', { limits: { min: 1, max: 7, initial: 7 } })
      atrion.acquire('GET /a').release()
      atrion.override('GET /a', 'open')
      const { headers, body } = await (await start(t, atrion, { headers: 'ietf' }))({})
      t.regex(headers['content-type'], /^application\/problem\+json/)
      const { limit } = atrion.stats('GET /a')
      t.deepEqual(itemOf(headers['ratelimit-policy']), {
        name: 'route',
        q: Math.floor(limit),
        qu: 'concurrent-requests',
      })
      t.deepEqual(itemOf(headers.ratelimit), { name: 'route', r: 0, t: Number(headers['retry-after']) })
      const problem = JSON.parse(body)
      t.is(problem.type, 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity')
      t.deepEqual([problem.status, problem['violated-policies']], [503, ['route']])
    })

    test(`${name}: a prefetch is bulk, whatever else it says`, async (t) => {
      const { atrion, asked } = watched()
      const send = await start(t, atrion, {})
      for (const purpose of ['prefetch', 'prefetch;prerender', 'prefetch;anonymous-client-ip'])
        await send({ 'sec-purpose': purpose })
      await send({ 'sec-purpose': 'prefetching', priority: 'u=0', 'x-atrion-tier': 'critical' })
      await send({ 'sec-purpose': 'prefetch', priority: 'u=0', 'x-atrion-tier': 'critical' })
      t.deepEqual(
        asked.map(({ tier }) => tier),
        ['bulk', 'bulk', 'bulk', undefined, 'bulk'],
      )
    })

    test(`${name}: a priority is believed where headers are trusted alone`, async (t) => {
      const { atrion, asked } = watched()
      const tiers = async (options, all) => {
        const send = await start(t, atrion, options)
        asked.length = 0
        for (const headers of all) await send(headers)
        return asked.map(({ tier, voltage }) => voltage ?? tier)
      }
      const urgencies = Array.from({ length: 8 }, (_, u) => ({ priority: `u=${u}` }))
      t.deepEqual(await tiers({}, urgencies), Array(8).fill(undefined))
      t.deepEqual(await tiers({ tierHeader: 'x-level' }, [{ 'x-level': '0' }]), [undefined])
      t.deepEqual(await tiers({ trustHeaders: true }, urgencies), [
        'critical',
        'high',
        'high',
        'normal',
        'low',
        'low',
        'bulk',
        'bulk',
      ])
      const odd = ['u=9', 'u=-1', 'u=1.5', 'i', '', 'u', 'xu=0', 'u="0"'].map((priority) => ({ priority }))
      t.deepEqual(await tiers({ trustHeaders: true }, odd), Array(odd.length).fill(undefined))
      const fine = ['u=5, i', 'i,u=0', 'u=0;x=1, i', 'u=0, u=6'].map((priority) => ({ priority }))
      t.deepEqual(await tiers({ trustHeaders: true }, fine), ['low', 'critical', 'critical', 'bulk'])
      const levels = ['0', '1', '4', '99', '-1', '1.5', 'high', ''].map((level) => ({ 'x-level': level }))
      t.deepEqual(await tiers({ trustHeaders: true, tierHeader: 'X-Level' }, levels), [
        'critical',
        'high',
        'bulk',
        'bulk',
        ...Array(4).fill(undefined),
      ])
      const own = { name: 'x-level', tiers: ['bulk', 'normal', 'critical'] }
      t.deepEqual(await tiers({ trustHeaders: true, tierHeader: own }, levels.slice(0, 4)), [
        'bulk',
        'normal',
        'critical',
        'critical',
      ])
      t.deepEqual(
        await tiers({ trustHeaders: true, tierHeader: 'x-level' }, [
          { 'x-level': '0', priority: 'u=7' },
          { 'x-level': 'none', priority: 'u=7' },
          { 'x-atrion-tier': 'low', 'x-level': '0' },
          { 'x-atrion-voltage': '33', 'x-atrion-tier': 'low' },
          { 'x-level': '1', 'sec-purpose': 'prefetch' },
        ]),
        ['critical', 'bulk', 'low', 33, 'high'],
      )
      t.deepEqual(
        await tiers({ trustHeaders: true, tier: () => 'normal' }, [{ priority: 'u=0', 'sec-purpose': 'prefetch' }]),
        ['normal'],
      )
    })
  }

  test('options that are none are refused, by name', (t) => {
    const atrion = create()
    const cases = [
      [{ headers: 'IETF' }, 'headers'],
      [{ headers: true }, 'headers'],
      [{ maxRetryAfterMs: 10 }, 'maxRetryAfterMs'],
      [{ maxRetryAfterMs: Number.NaN }, 'maxRetryAfterMs'],
      [{ maxRetryAfterMs: 1e12 }, 'maxRetryAfterMs'],
      [{ retryAfterMs: 1 }, 'retryAfterMs'],
      [{ tierHeader: 'a b' }, 'tierHeader'],
      [{ tierHeader: '' }, 'tierHeader'],
      [{ tierHeader: null }, 'tierHeader'],
      [{ tierHeader: {} }, 'tierHeader.name'],
      [{ tierHeader: { name: 'x', tier: 1 } }, 'tierHeader.tier'],
      [{ tierHeader: { name: 'x', tiers: [] } }, 'tierHeader.tiers'],
      [{ tierHeader: { name: 'x', tiers: ['emperor'] } }, 'tierHeader.tiers'],
    ]
    for (const [options, field] of cases) {
      for (const make of [
        () => atrionHttp(atrion, () => {}, options),
        () => withAtrion(() => new Response(), { atrion, ...options }),
      ]) {
        const error = t.throws(make)
        t.true(isConfigError(error))
        t.is(error.field, field)
      }
    }
  })
}

test('a ShedError has the same headers', (t) => {
  const refusal = { routeId: 'a', resistance: 1, voltage: 0, mode: 'OPERATIONAL' }
  t.deepEqual(new ShedError({ ...refusal, retryAfterMs: HOUR_MS, limitedBy: 'scar' }).headers, { 'retry-after': '60' })
  t.deepEqual(new ShedError({ ...refusal, retryAfterMs: 10, limitedBy: 'ban' }).headers, {
    'retry-after': '1',
    'x-should-retry': 'false',
  })
  t.deepEqual(new ShedError({ ...refusal, limitedBy: 'override' }).headers, { 'x-should-retry': 'false' })
})
