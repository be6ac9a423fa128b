// A budget that four processes share through Redis; one of them is killed.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Atrion, BudgetError, RedisStateProvider } from 'atrion'
import test from 'ava'
import { engine } from '../_engine.mjs'
import { until } from '../_redis/nodes.mjs'
import { server } from '../_redis/stranger.mjs'

const SHARER = fileURLToPath(new URL('../swarm/_sharer.mjs', import.meta.url))

/** A process that shares; `runs` counts the calls that have begun there. */
const sharer = (t, settings) => {
  const child = spawn(process.execPath, [SHARER, JSON.stringify(settings)], {
    env: { ...process.env, ATRION_ENGINE: engine },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const sharing = { child, runs: 0, ended: once(child, 'close') }
  child.stdout.on('data', (chunk) => {
    for (const byte of chunk) if (byte === 114 /* r */) sharing.runs += 1
  })
  return sharing
}

/** Calls of a command that the server has executed. */
const callsOf = async (origin, command) => {
  const stats = await origin.cli('info', 'commandstats')
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0)
}

test('four processes use up one budget, one of them is killed: nothing is overspent, and little is left over', async (t) => {
  const origin = await server(t)
  const limit = 16_000
  const settings = {
    redis: { port: origin.port, secret: 'a secret of the service' },
    budget: { tokens: limit * 10 },
    agents: 25,
    estimate: { tokens: 10 },
  }
  const sharers = Array.from({ length: 4 }, () => sharer(t, settings))
  const [victim, ...others] = sharers
  await until(() => sharers.every(({ runs }) => runs > 300), 'that all four work')
  victim.child.kill('SIGKILL')
  await victim.ended
  t.true(sharers.reduce((sum, { runs }) => sum + runs, 0) < limit, 'some of the budget is left then')
  for (const { ended } of others) t.deepEqual(await ended, [0, null])
  const runs = sharers.map((one) => one.runs)
  const sum = runs.reduce((a, b) => a + b)
  t.log(`${runs} runs of ${limit}; ${await callsOf(origin, 'eval')} scripts`)
  t.true(sum <= limit, `${sum}`)
  // A slice has at most a 64th of the limit beside what is reserved.
  t.true(sum >= limit - limit / 64 - 2 * settings.agents, `${sum}`)
  t.true(Math.min(...runs.slice(1)) > limit / 16, `${runs}`)
  t.true((await callsOf(origin, 'eval')) < sum / 4, 'one script a slice and not one a call')
})

test('without Redis a process goes on with its slice, refuses then, and goes on when Redis is back', async (t) => {
  const origin = await server(t)
  const provider = new RedisStateProvider({ port: origin.port, required: false })
  const atrion = new Atrion({ engine, provider })
  t.teardown(() => atrion.disconnect())
  await atrion.connect()
  const swarm = atrion.createSwarm('crew', { budget: { requests: 6400 } })
  const run = (maxWaitMs) => swarm.run({ requests: 1 }, () => {}, { maxWaitMs })
  for (let i = 0; i < 300; i++) await run(60_000)
  origin.pause()
  let ran = 0
  const error = await t.throwsAsync(
    async () => {
      for (;;) {
        await run(1)
        ran += 1
      }
    },
    { instanceOf: BudgetError },
  )
  t.true(ran <= 200, `${ran} of a slice`)
  t.true(['wait_timeout', 'hard'].includes(error.cause), error.cause)
  origin.resume()
  await until(
    async () =>
      run(100).then(
        () => true,
        () => false,
      ),
    'a slice',
  )
  t.is(swarm.stats().units.requests.used, 300 + ran + 1)
})
