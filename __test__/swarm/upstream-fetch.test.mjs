// A fetch whose calls are a swarm's, against a mock provider with true limits: usage, streams, limits, refusals, waits.
import { Atrion, BudgetError, ConfigError } from 'atrion'
import { swarmFetch } from 'atrion/upstream'
import ava from 'ava'
import { MockProvider } from '../../lab/provider/server.mjs'
import { create, engine } from '../_engine.mjs'
import { until } from '../_patience.mjs'

const test = engine === 'ts' ? ava.skip : ava

const MESSAGES = [{ role: 'user', content: 'Write a poem about rivers.' }]

/** An instance, a swarm, a provider and a fetch between them. */
const world = async (
  t,
  { provider = 'openai', mock = {}, budget = { requests: 1e6 }, upstream, options, ...rest } = {},
) => {
  const server = await new MockProvider({ provider, firstMs: 0, tokenMs: 0, ...mock }).listen()
  const atrion = create()
  const swarm = atrion.createSwarm('agents', { budget, upstream: upstream ?? { provider }, ...rest })
  t.teardown(async () => {
    swarm.close()
    await server.close()
    await atrion.disconnect()
  })
  const fetch = swarmFetch(swarm, options)
  const ask = (body, init = {}) =>
    fetch(`${server.url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ model: 'm', messages: MESSAGES, max_tokens: 100, ...body }),
      ...init,
      headers: { 'content-type': 'application/json', ...init.headers },
    })
  return { server, atrion, swarm, ask, fetch }
}

test('a call is settled by what its answer reports', async (t) => {
  const { server, swarm, ask } = await world(t, { budget: { inputTokens: 1e6, outputTokens: 1000 } })
  const response = await ask({}, { headers: { 'x-mock-output-tokens': '40' } })
  t.is((await response.json()).usage.completion_tokens, 40)
  t.true(response.url.endsWith('/v1/chat/completions'))
  await until(() => swarm.stats().inFlight === 0)
  const { units, upstream } = swarm.stats()
  t.like(units.outputTokens, { used: 40, held: 0, left: 960 })
  t.is(units.inputTokens.used, server.counts.inputTokens)
  t.is(upstream.answers.ok, 1)
})

test('while it is under way, the most that it may give is held', async (t) => {
  const { swarm, ask } = await world(t, { budget: { outputTokens: 150 } })
  const first = await ask({ stream: true })
  t.is(swarm.stats().units.outputTokens.held, 100)
  await first.body.cancel()
  await until(() => swarm.stats().inFlight === 0)
  t.is(swarm.stats().units.outputTokens.held, 0)
})

test('a stream is debited as it goes and ended at the limit, at most one piece beyond it', async (t) => {
  const piece = 8
  const { server, swarm } = await world(t, {
    budget: { outputTokens: 200 },
    mock: { pieceTokens: piece, tokenMs: 0.5 },
    provider: 'generic',
  })
  // Ten times what the budget has, from an estimate that fits.
  const response = await swarmFetchOfLowEstimates(swarm)(`${server.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-mock-output-tokens': '2000', 'x-mock-agent': 'a' },
    body: JSON.stringify({ model: 'm', messages: MESSAGES, max_tokens: 2000, stream: true }),
  })
  const error = await t.throwsAsync(response.text())
  t.true(error instanceof BudgetError)
  t.is(error.unit, 'outputTokens')
  await until(() => swarm.stats().inFlight === 0)
  await until(() => server.counts.abandoned === 1)
  const { used } = swarm.stats().units.outputTokens
  const pieceCounted = piece
  t.true(used >= 200 && used <= 200 + pieceCounted, `used ${used}`)
})

/** A fetch whose estimates of the output are a tenth of what comes. */
const swarmFetchOfLowEstimates = (swarm) =>
  swarmFetch({
    run: (estimate, work, options) => swarm.run({ ...estimate, maxTokens: undefined, outputTokens: 20 }, work, options),
  })

test('a budget that is spent refuses before anything is sent', async (t) => {
  const { server, ask } = await world(t, { budget: { outputTokens: 50 } })
  const error = await t.throwsAsync(ask({}))
  t.true(error instanceof BudgetError)
  t.is(error.cause, 'hard')
  t.is(server.counts.calls, 0)
})

test('a 429 of quota waits for its turn again', async (t) => {
  const { server, swarm, ask } = await world(t)
  server.fail('quota')
  const answer = ask({})
  await until(() => server.counts.quota === 1)
  server.fail(undefined)
  const response = await answer
  t.is(response.status, 200)
  await response.text()
  await until(() => swarm.stats().inFlight === 0)
  t.like(swarm.stats().upstream.answers, { quota: 1, ok: 1 })
})

test('a 429 that says that the credit is gone is handed on at once, and not tried again by SDKs either', async (t) => {
  for (const provider of ['openai', 'anthropic']) {
    const { server, swarm, ask } = await world(t, { provider })
    server.fail('exhausted')
    const response = await ask({})
    t.is(response.status, provider === 'openai' ? 429 : 400)
    t.is(response.headers.get('x-should-retry'), 'false')
    t.truthy((await response.json()).error.message)
    t.is(server.counts.calls, 1)
    t.is(swarm.stats().upstream.answers.exhausted, 1)
    swarm.close()
  }
})

test('overload counts against the route, quota and credit do not', async (t) => {
  const { server, atrion, ask } = await world(t, { route: 'llm', options: { maxRetries: 0, maxWaitMs: 0 } })
  const failures = () => atrion.stats('llm').failures
  for (const [fault, more] of [
    ['overload', 1],
    ['broken', 1],
    ['exhausted', 0],
    ['quota', 0],
  ]) {
    const before = failures()
    server.fail(fault)
    const response = await ask({})
    t.true(response.status >= 400)
    await until(() => atrion.stats('llm').inFlight === 0)
    t.is(failures() - before, more, fault)
  }
})

test('the quota that headers state is what paces', async (t) => {
  const limits = { requestsPerMinute: 5, tokensPerMinute: 100_000 }
  const { server, swarm, ask } = await world(t, { mock: { limits }, options: { maxWaitMs: 0 } })
  const results = []
  for (let i = 0; i < 8; i++)
    results.push(
      await ask({}).then(
        (response) => response.text(),
        (error) => error,
      ),
    )
  const refused = results.filter((result) => result instanceof BudgetError)
  t.true(refused.length >= 3, `${refused.length}`)
  for (const { cause } of refused) t.is(cause, 'upstream')
  t.is(server.counts.quota, 0, 'the provider had to refuse none')
  t.is(swarm.stats().upstream.models.m.requests.limit, 5)
})

test('an aborted wait ends, and holds nothing', async (t) => {
  const { server, swarm, ask } = await world(t, { upstream: { provider: 'openai', requestsPerMinute: 1 } })
  await (await ask({})).text()
  const controller = new AbortController()
  const waiting = ask({}, { signal: controller.signal })
  const reason = new Error('changed my mind')
  controller.abort(reason)
  t.is(await t.throwsAsync(waiting), reason)
  t.is(server.counts.calls, 1)
  t.is(swarm.stats().inFlight, 0)
})

test('a call that is aborted while its stream is read ends, and its budget comes back', async (t) => {
  const { server, swarm, ask } = await world(t, { mock: { tokenMs: 5 }, budget: { outputTokens: 1000 } })
  const controller = new AbortController()
  const response = await ask({ stream: true, max_tokens: 900 }, { signal: controller.signal })
  const reader = response.body.getReader()
  await reader.read()
  controller.abort()
  await t.throwsAsync(
    async () => {
      for (;;) if ((await reader.read()).done) return
    },
    { any: true },
  )
  await until(() => server.counts.abandoned === 1)
  await until(() => swarm.stats().inFlight === 0)
  await until(() => swarm.stats().units.outputTokens.used < 900)
  t.is(swarm.stats().units.outputTokens.held, 0)
})

test('a Request and a stream as a body go through', async (t) => {
  const { server, fetch } = await world(t)
  const url = `${server.url}/v1/chat/completions`
  const body = JSON.stringify({ model: 'm', messages: MESSAGES, max_tokens: 10 })
  const headers = { 'content-type': 'application/json' }
  t.is((await fetch(new Request(url, { method: 'POST', headers, body }))).status, 200)
  t.is(
    (await fetch(new URL(url), { method: 'POST', headers, body: new Blob([body]).stream(), duplex: 'half' })).status,
    200,
  )
})

test('a fetch that fails rejects with its error, and holds nothing', async (t) => {
  const { swarm, fetch } = await world(t, { budget: { outputTokens: 1000 } })
  await t.throwsAsync(fetch('http://127.0.0.1:1/', { method: 'POST', body: '{"max_tokens":10}' }))
  t.is(swarm.stats().inFlight, 0)
})

test('swarms that are given the same upstream share its pace', async (t) => {
  const atrion = create()
  t.teardown(() => atrion.disconnect())
  const upstream = { provider: 'openai', requestsPerMinute: 1 }
  const swarms = ['a', 'b'].map((name) => atrion.createSwarm(name, { budget: { requests: 10 }, upstream }))
  await swarms[0].run({}, () => {})
  const error = await t.throwsAsync(swarms[1].run({}, () => {}))
  t.is(error.cause, 'upstream')
})

test('an error of an SDK within run() is judged by its status and its headers', async (t) => {
  const atrion = create()
  t.teardown(() => atrion.disconnect())
  const swarm = atrion.createSwarm('agents', {
    budget: { requests: 10 },
    upstream: { provider: 'openai' },
    route: 'llm',
  })
  const error = Object.assign(new Error('429'), { status: 429, headers: new Headers({ 'retry-after': '30' }) })
  t.is(await t.throwsAsync(swarm.run({}, () => Promise.reject(error))), error)
  t.is(swarm.stats().upstream.answers.quota, 1)
  t.is(atrion.stats('llm').failures, 0)
  const refused = await t.throwsAsync(swarm.run({}, () => {}))
  t.is(refused.cause, 'upstream', 'held for as long as the answer asked')
})

test('the head of an answer that the work reports is taken over', async (t) => {
  const atrion = create()
  t.teardown(() => atrion.disconnect())
  const swarm = atrion.createSwarm('agents', { budget: { requests: 10 }, upstream: { provider: 'openai' } })
  const headers = {
    'x-ratelimit-limit-requests': '60',
    'x-ratelimit-remaining-requests': '0',
    'x-ratelimit-reset-requests': '1m0s',
  }
  const kind = await swarm.run({ model: 'm' }, (lease) => lease.answered(200, headers).kind)
  t.is(kind, 'ok')
  t.like(swarm.stats().upstream.models.m.requests, { limit: 60 })
  t.is((await t.throwsAsync(swarm.run({ model: 'm' }, () => {}))).cause, 'upstream')
  t.is(
    await swarm.run({ model: 'other' }, () => 'another model has a limit of its own'),
    'another model has a limit of its own',
  )
})

test('bad options are named', (t) => {
  const atrion = new Atrion({ engine })
  const swarm = atrion.createSwarm('agents', { budget: { requests: 1 } })
  const upstreamOf = (upstream) => () => atrion.createSwarm('other', { budget: { requests: 1 }, upstream })
  const cases = [
    [upstreamOf({ provider: 'openia' }), 'options.upstream.provider', /did you mean openai/],
    [upstreamOf({}), 'options.upstream.provider', /'openai'/],
    [upstreamOf({ provider: 'openai', requestsPerMinute: 0 }), 'options.upstream.requestsPerMinute', /got 0/],
    [upstreamOf({ provider: 'openai', tokensPerMinute: Number.NaN }), 'options.upstream.tokensPerMinute', /got NaN/],
    [upstreamOf({ provider: 'openai', rpm: 1 }), 'options.upstream.rpm', /one of/],
    [() => swarmFetch({}), 'swarm', /a swarm/],
    [() => swarmFetch(swarm, { tear: 'high' }), 'tear', /tier/],
    [() => swarmFetch(swarm, { maxRetries: -1 }), 'maxRetries', /≥ 0/],
    [() => swarmFetch(swarm, { fetch: 1 }), 'fetch', /function/],
  ]
  for (const [make, field, text] of cases) {
    const error = t.throws(make)
    t.true(error instanceof ConfigError, field)
    t.is(error.field, field)
    t.regex(error.message, text)
  }
})
