// Estimates that learn: percentiles by model and agent, their bounds, and how far off they were.
import test from 'ava'
import { randomOf, virtual } from '../_engine.mjs'
import fc from '../_random.mjs'
import { sourceOf } from '../_source.mjs'

const { Estimates, SizeQuantile, EstimateError } = await sourceOf('swarm/estimates.ts')

test('a percentile is never below the true one, and at most 6 % above', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 200_000 }), { minLength: 8, maxLength: 900 }),
      fc.constantFrom(0.5, 0.9, 0.99),
      (list, share) => {
        const sizes = new SizeQuantile()
        for (const tokens of list) sizes.add(tokens)
        const sorted = [...list].sort((a, b) => a - b)
        const truth = sorted[Math.ceil(share * list.length) - 1]
        const got = sizes.at(share)
        t.true(got >= truth && got <= truth * 1.06 + 1, `${got} for ${truth}`)
      },
    ),
  )
})

test('a model’s new habits show within some hundred calls', (t) => {
  const sizes = new SizeQuantile()
  for (let i = 0; i < 100_000; i++) sizes.add(100)
  for (let i = 0; i < 200; i++) sizes.add(1000)
  t.true(sizes.at(0.9) >= 1000)
})

test('an agent is estimated by its own calls, else by those of its model, else not at all', (t) => {
  const estimates = new Estimates()
  const random = randomOf(1)
  for (let i = 0; i < 200; i++) {
    estimates.learn('m', 'critic', 50, 80 + Math.floor(40 * random()))
    estimates.learn('m', 'writer', 500, 800 + Math.floor(400 * random()))
  }
  const isNear = (got, wanted) => t.true(got >= wanted * 0.98 && got <= wanted * 1.08, `${got} for ${wanted}`)
  isNear(estimates.output('m', 'critic'), 116)
  isNear(estimates.output('m', 'writer'), 1160)
  isNear(estimates.output('m', 'new'), 1120)
  isNear(estimates.input('m', 'writer'), 500)
  t.is(estimates.output('other', 'critic'), undefined)
  t.is(estimates.output(undefined, undefined), undefined)
})

test('1,024 models and agents are remembered, the latest', (t) => {
  const estimates = new Estimates()
  for (let i = 0; i < 3000; i++) for (let call = 0; call < 8; call++) estimates.learn(`m${i}`, undefined, 1, 10)
  t.is(estimates.output('m0', undefined), undefined)
  t.true([10, 11].includes(estimates.output('m2999', undefined)))
})

test('the error of estimates is a mean of ratios', (t) => {
  const error = new EstimateError()
  t.deepEqual(error.read(), { count: 0, learnt: 0, low: 0, meanRatio: undefined, meanError: undefined })
  error.add(100, 50, false)
  error.add(100, 200, true)
  t.deepEqual(error.read(), { count: 2, learnt: 1, low: 1, meanRatio: 1.25, meanError: 0.75 })
})

test('a call without an estimate reserves what is learnt, at most maxTokens, and at first what there is', async (t) => {
  const { atrion } = virtual()
  const swarm = atrion.createSwarm('root', { budget: { outputTokens: 1_000_000 } })
  const held = async (estimate, used) => {
    let reserved
    await swarm.run(estimate, async (lease) => {
      reserved = swarm.stats().units.outputTokens.held
      if (used !== undefined) lease.used({ outputTokens: used })
    })
    return reserved
  }
  const small = atrion.createSwarm('small', { budget: { outputTokens: 1000, usd: 1 } })
  t.is(await small.run({ usd: 0.1 }, async () => small.stats().units.outputTokens.held), 1000)
  t.is((await t.throwsAsync(small.run({ usd: 0.1 }, async () => {}))).unit, 'outputTokens')
  t.is(await held(undefined, 0), 4096)
  t.is(await held({ model: 'm', agent: 'a', maxTokens: 700 }, 100), 700)
  for (let call = 0; call < 20; call++) await held({ model: 'm', agent: 'a', maxTokens: 700 }, 100)
  const learnt = await held({ model: 'm', agent: 'a', maxTokens: 700 }, 100)
  t.true(learnt >= 100 && learnt <= 106, `${learnt}`)
  t.is(await held({ model: 'm', agent: 'a', maxTokens: 50 }, 50), 50)
  t.is(await held({ model: 'm', agent: 'a', outputTokens: 333 }, 100), 333)
  const { count, learnt: byLearning, low, meanError } = swarm.stats().estimates
  t.is(count, 25)
  t.true(byLearning >= 14 && low === 0 && meanError > 0)
})

test('an answer that a limit cut short is not learnt', async (t) => {
  const { atrion } = virtual()
  for (let i = 0; i < 20; i++) {
    const swarm = atrion.createSwarm('cut', { budget: { outputTokens: 10 } })
    await swarm.run({ model: 'm', outputTokens: 10 }, async (lease) => lease.used({ outputTokens: 11 }))
    swarm.close()
  }
  const swarm = atrion.createSwarm('root', { budget: { outputTokens: 10_000 } })
  t.is(await swarm.run({ model: 'm' }, async () => swarm.stats().units.outputTokens.held), 4096)
})
