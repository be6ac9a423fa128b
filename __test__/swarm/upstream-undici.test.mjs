// Calls of undici as a swarm's, in each of its versions: usage, limits, refusals.
import { BudgetError, ConfigError } from 'atrion'
import { swarmUndici } from 'atrion/undici'
import ava from 'ava'
import * as undici7 from 'undici'
import * as undici6 from 'undici6'
import { MockProvider } from '../../lab/provider/server.mjs'
import { create, engine } from '../_engine.mjs'
import { until } from '../_patience.mjs'

const test = engine === 'ts' ? ava.skip : ava
// Undici 8 needs what Node 20 has not.
const isNew = Number(process.versions.node.split('.')[0]) >= 22
const VERSIONS = { 6: undici6, 7: undici7, ...(isNew ? { 8: await import('undici8') } : {}) }

for (const [version, { Agent, fetch, request }] of Object.entries(VERSIONS)) {
  const world = async (t, { budget = { outputTokens: 10_000 }, mock = {}, ...options } = {}) => {
    const server = await new MockProvider({ firstMs: 0, tokenMs: 0, ...mock }).listen()
    const atrion = create()
    const swarm = atrion.createSwarm('agents', { budget, upstream: { provider: 'openai' }, ...options })
    const agent = new Agent()
    t.teardown(async () => {
      await agent.destroy()
      await server.close()
      await atrion.disconnect()
    })
    const init = (body) => ({
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'm', messages: [], max_tokens: 100, ...body }),
      dispatcher: agent.compose(swarmUndici(swarm)),
    })
    return { server, atrion, swarm, init, url: `${server.url}/v1/chat/completions` }
  }

  test(`undici ${version}: calls are settled by what their answers report`, async (t) => {
    const { server, swarm, url, init } = await world(t)
    const { body } = await request(url, init())
    t.is((await body.json()).usage.completion_tokens, 60)
    t.is((await (await fetch(url, init({ stream: true }))).text()).includes('[DONE]'), true)
    await until(() => swarm.stats().inFlight === 0)
    t.is(swarm.stats().units.outputTokens.used, server.counts.outputTokens)
    t.is(swarm.stats().upstream.answers.ok, 2)
  })

  test(`undici ${version}: a spent budget sends nothing`, async (t) => {
    const { server, swarm, url, init } = await world(t, { budget: { outputTokens: 150 }, mock: { tokenMs: 1 } })
    await swarm.run({ outputTokens: 120 }, async (lease) => {
      lease.used({ outputTokens: 120 })
    })
    const refused = await t.throwsAsync(request(url, init()), { instanceOf: BudgetError })
    t.is(refused.cause, 'hard')
    t.is(server.counts.calls, 0)
  })

  test(`undici ${version}: overload counts against the route, quota does not`, async (t) => {
    const { server, atrion, swarm, url, init } = await world(t, { route: 'llm' })
    server.fail('overload')
    t.is(await request(url, init()).then(({ statusCode, body }) => body.text().then(() => statusCode)), 503)
    await until(() => atrion.stats('llm').inFlight === 0)
    t.is(atrion.stats('llm').failures, 1)
    server.fail('quota')
    t.is(await request(url, init()).then(({ statusCode, body }) => body.text().then(() => statusCode)), 429)
    await until(() => atrion.stats('llm').inFlight === 0)
    t.is(atrion.stats('llm').failures, 1)
    t.like(swarm.stats().upstream.answers, { overload: 1, quota: 1 })
    t.is(swarm.stats().units.outputTokens.used, 0)
  })
}

test('bad options are named', (t) => {
  t.throws(() => swarmUndici({}), { instanceOf: ConfigError })
  const swarm = create().createSwarm('agents', { budget: { requests: 1 } })
  t.is(t.throws(() => swarmUndici(swarm, { tear: 'high' })).field, 'tear')
})
