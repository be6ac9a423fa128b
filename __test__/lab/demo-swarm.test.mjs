// The demo of a swarm: its plan, its sums, and a short run of all of it. Which queue did better is not asserted, but that no budget is overspent.
import test from 'ava'
import { createPlan, KINDS } from '../../demo/swarm/plan.mjs'
import { lossesOf, summarise } from '../../demo/swarm/summary.mjs'
import { runDemo } from '../_demo.mjs'
import { PATIENCE_MS } from '../_patience.mjs'

const run = (args) => runDemo('swarm/run.mjs', args)

test('the same seed gives the same tasks, another seed others, and both faults are in the run', (t) => {
  const plan = createPlan({ seconds: 50 })
  t.deepEqual(createPlan({ seconds: 50 }).tasks, plan.tasks)
  t.notDeepEqual(createPlan({ seconds: 50, seed: 2 }).tasks, plan.tasks)
  t.true(plan.tasks.every(({ atMs }, i) => atMs < plan.runMs && (i === 0 || atMs >= plan.tasks[i - 1].atMs)))
  t.is(plan.faults.length, 2)
  t.true(plan.faults.every(({ fromMs, toMs }) => fromMs > 0 && toMs > fromMs && toMs < plan.runMs))
  t.is(
    KINDS.reduce((sum, { agents }) => sum + agents, 0),
    200,
  )
})

test('a summary is in the time of the provider, and losses are found', (t) => {
  const plan = createPlan({ seconds: 30 })
  const counts = { outputTokens: plan.budget + 5, quota: 2, overload: 1, broken: 3, ok: 60 }
  const waits = [{ tier: 'high', ms: 100 }]
  const one = summarise({ name: 'one', counts, waits, done: [{ kind: 'chat' }], failed: ['chat'], refused: 0 }, plan)
  t.like(one, { total: 1, failed: 1, overspent: 5, refused429: 2, wasted: 4 })
  t.is(one.waitMs.high, 100 * plan.scale)
  t.is(one.waitMs.low, undefined)
  const other = { ...one, name: 'other', refused429: 1 }
  t.deepEqual(lossesOf([one, other]), [{ what: '429s', unit: undefined, own: 2, better: [['other', 1]] }])
  t.deepEqual(lossesOf([other, one]), [])
})

test('a short run ends by itself, names its scale, and overspends no budget', async (t) => {
  t.timeout(PATIENCE_MS + 10_000)
  const { code, output } = await run(['--seconds', '5', '--json'])
  t.is(code, 0, output)
  const { scale, budget, summaries } = JSON.parse(output.trim().split('\n').at(-1))
  t.is(scale, 60)
  t.true(output.includes('scaled by 60.0'))
  t.true(output.includes('Where Atrion did worse'))
  const [atrion, ...others] = summaries
  t.is(atrion.name, 'atrion')
  t.is(atrion.overspent, 0)
  t.true(atrion.spent <= budget && atrion.total > 0)
  t.deepEqual(
    others.map(({ name }) => name),
    ['p-queue', 'bottleneck'],
  )
})

test('the help names every option', async (t) => {
  const { code, output } = await run(['--help'])
  t.is(code, 0)
  for (const option of ['--seconds', '--seed', '--json']) t.true(output.includes(option))
})
