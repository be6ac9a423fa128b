// The cluster demo: how it counts, and a short run of all of it with a real redis-server. How much sharing saved is not asserted.
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { createArrivals, createPlan, OUTCOMES, phaseAt, SERVERS } from '../../demo/cluster/plan.mjs'
import { countOutcomes, savedShare, summarise } from '../../demo/cluster/summary.mjs'
import { comparison, processTable, secondLine } from '../../demo/cluster/terminal.mjs'
import { runDemo } from '../_demo.mjs'
import { PATIENCE_MS } from '../_patience.mjs'

const run = (args, env) => runDemo('cluster/run.mjs', args, env)

const plan = createPlan({ seconds: 48 }) // each run 24 s, dead from 4 s to 16 s
const record = (atMs, outcome, { server = 'A', generation = 1, isProbe = false } = {}) => ({
  atMs,
  outcome,
  server,
  generation,
  isProbe,
})

test('the same seed gives the same traffic, another seed another, and the outage holds the deploy', (t) => {
  const arrivals = createArrivals(plan)
  t.deepEqual(createArrivals(plan), arrivals)
  t.notDeepEqual(createArrivals({ ...plan, seed: 2 }), arrivals)
  t.true(arrivals.every((atMs, i) => atMs < plan.runMs && (i === 0 || atMs > arrivals[i - 1])))
  t.is(plan.replacedAtMs.length, SERVERS.length)
  t.true(plan.replacedAtMs.every((atMs) => phaseAt(plan, atMs) === 'dead'))
  t.deepEqual(
    [0, plan.diesAtMs, plan.healedAtMs].map((atMs) => phaseAt(plan, atMs)),
    ['healthy', 'dead', 'healed'],
  )
})

test('a summary counts by process, and leaves out what was not seen', (t) => {
  const generations = [
    { server: 'A', generation: 1, atMs: 0 },
    { server: 'A', generation: 2, atMs: 7200 },
    { server: 'B', generation: 1, atMs: 0 },
  ]
  const records = [
    record(1000, 'good'),
    record(4100, 'wasted'),
    record(4300, 'wasted', { server: 'B' }),
    record(4600, 'fallback'),
    record(5000, 'wasted', { isProbe: true }),
    record(7300, 'fallback', { generation: 2 }),
    record(7400, 'refused', { generation: 2 }),
    record(17_000, 'good', { generation: 2 }),
  ]
  const summary = summarise({ records, generations, healedAtMs: 16_050 }, plan)
  t.like(summary, { requests: 8, probes: 1, goodShare: 2 / 8 })
  t.deepEqual(summary.counts, { good: 2, fallback: 2, wasted: 3, refused: 1 })
  const [first, second, other] = summary.processes
  t.like(first, { wasted: 2, probes: 1, knewAfterMs: 500 })
  t.like(second, { wasted: 0, probes: 0, knewAfterMs: 0, startedAtMs: 7200 })
  t.like(other, { wasted: 1, knewAfterMs: undefined })
  t.is(savedShare(summary, { counts: { wasted: 1 } }), 1 - 1 / 3)
  t.is(savedShare({ counts: { wasted: 0 } }, summary), undefined)
  t.deepEqual(countOutcomes([]), Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0])))
})

test('a line tells of the newest process of each server; the tables have a row for each', (t) => {
  const generations = [...SERVERS.map((server) => ({ server, generation: 1 })), { server: 'A', generation: 2 }]
  const breakers = [
    { server: 'A', generation: 1, isOpen: true },
    { server: 'B', generation: 1, isOpen: true },
    { server: 'C', generation: 1, isOpen: true },
    { server: 'C', generation: 1, isOpen: false },
  ]
  const line = secondLine('shared', 9, plan, countOutcomes([]), breakers, generations)
  t.regex(line, /^with sharing +9\/24 s +dead +good +0 .*A2 closed B1 open +C1 closed$/)
  const summary = summarise({ records: [], generations: generations.map((one) => ({ ...one, atMs: 0 })) }, plan)
  t.true(comparison(summary, summary).every((row) => row.length === 3))
  const rows = processTable(summary, summary, plan)
  t.is(rows.length, 1 + generations.length)
  t.is(rows.at(-1)[0], 'A, new since 7.2 s')
  t.notRegex(JSON.stringify([...comparison(summary, summary), ...rows]), /NaN|undefined/)
})

test('the demo runs twice on the same traffic, replaces every server, measures, and ends', async (t) => {
  t.timeout(PATIENCE_MS)
  const { code, output } = await run(['--seconds', '12'])
  t.is(code, 0, output)
  t.is(output.match(/^without sharing +\d\/6 s/gm)?.length, 6)
  t.is(output.match(/^with sharing +\d\/6 s/gm)?.length, 6)
  const [, alone, shared] = output.match(/requests sent by the client +(\d+) +(\d+)/)
  t.is(alone, shared)
  t.is(Number(alone), createArrivals(createPlan({ seconds: 12 })).length)
  const [, wastedAlone] = output.match(/sent to the dead dependency +(\d+) +(\d+)/)
  t.true(Number(wastedAlone) > 0, output)
  for (const server of SERVERS) t.regex(output, new RegExp(`^${server}, new since .*\\(\\d+\\), .*\\(\\d+\\), `, 'm'))
  t.regex(output, /Requests wasted with sharing: .* % fewer/)
  t.notRegex(output, /NaN|undefined/)
})

test('options out of range are refused by name, and --help helps', async (t) => {
  const wrong = await run(['--seconds', '1'])
  t.is(wrong.code, 2)
  t.regex(wrong.output, /--seconds must be a number in \[12, 600\], got 1/)
  const help = await run(['--help'])
  t.is(help.code, 0)
  t.regex(help.output, /--seed N/)
})

test('without a redis-server it says what to install', async (t) => {
  // A machine that has a shell and nothing else.
  const folder = await mkdtemp(join(tmpdir(), 'atrion-demo-'))
  try {
    for (const command of ['sh', 'cat', 'rm']) await symlink(`/bin/${command}`, join(folder, command))
    const { code, output } = await run([], { PATH: folder })
    t.is(code, 1)
    t.regex(output, /redis-server.*[Ii]nstall/)
  } finally {
    await rm(folder, { recursive: true })
  }
})
