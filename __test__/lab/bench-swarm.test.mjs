// The benchmark of swarms in its short mode: everything in it runs, and what must hold on any machine, however busy, holds.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import anyTest from 'ava'
import { jainOf } from '../../benches/swarm/quota.mjs'
import { engine } from '../_engine.mjs'
import { PATIENCE_MS } from '../_patience.mjs'

const test = engine === 'native' ? anyTest.serial : anyTest.skip
const RUN = fileURLToPath(new URL('../../benches/swarm/run.mjs', import.meta.url))

const run = (args) =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [RUN, ...args], { timeout: PATIENCE_MS })
    const printed = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr']) {
      child[name].on('data', (data) => {
        printed[name] += data
      })
    }
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, ...printed }))
  })

test('the short mode runs through, and no hard limit is overspent', async (t) => {
  t.timeout(PATIENCE_MS + 10_000)
  const { code, stdout, stderr } = await run(['--short', '--json', '--agents', '80', '--leases', '5000'])
  t.is(code, 0, `${stdout}${stderr}`)
  const { quota, budgets, local, memory, targets } = JSON.parse(stdout)
  t.deepEqual(
    quota.map(({ name }) => name),
    ['atrion', 'p-queue', 'bottleneck'],
  )
  // On a busy machine a contestant may come to no call in the seconds that count.
  for (const { calls, name } of quota) t.true(Number.isInteger(calls) && calls >= 0, name)
  t.true(quota[0].calls > 0)
  t.true(quota[0].refused <= 0.02, `${quota[0].refused} refused`)
  const [bound, low] = budgets
  t.is(bound.overspent, 0)
  t.true(bound.sent <= bound.limit)
  t.true(low.used >= low.limit, 'the budget was used up')
  // Pieces that a busy machine reads together count together.
  t.true(low.overspent <= 4 * low.allowed, `${low.overspent} of ${low.allowed}`)
  t.is(bound.held + low.held, 0)
  for (const { median } of Object.values(local)) t.true(median > 0)
  t.is(memory.held, 0)
  t.is(memory.used, 5 * (memory.leases + memory.leases / 10))
  t.is(targets.length, 9)
})

test('the help names every option, and a wrong one is refused', async (t) => {
  const { code, stdout } = await run(['--help'])
  t.is(code, 0)
  for (const option of ['--seconds', '--leases', '--agents', '--short', '--json']) t.true(stdout.includes(option))
  t.is((await run(['--shrt'])).code, 2)
})

test("Jain's index", (t) => {
  t.is(jainOf([1, 1, 1, 1]), 1)
  t.is(jainOf([4, 0, 0, 0]), 0.25)
})
