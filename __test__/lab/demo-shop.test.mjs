// The shop's demo: its traffic, how it counts, and a short run of all of it. How fast anything was is not asserted.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import {
  CALM,
  CAPACITY_PER_S,
  createArrivals,
  createPlan,
  ENDPOINTS,
  GUARDS,
  loadAt,
  PEAK,
  phaseAt,
  phaseOf,
} from '../../demo/shop/plan.mjs'
import { writeReport } from '../../demo/shop/report.mjs'
import { countOutcomes, lossesOf, ROWS, summarise } from '../../demo/shop/summary.mjs'
import { comparison, losses, secondLine } from '../../demo/shop/terminal.mjs'
import { runDemo } from '../_demo.mjs'
import { engine } from '../_engine.mjs'
import { PATIENCE_MS } from '../_patience.mjs'

const onClosedLoop = engine === 'ts' ? test.skip : test

const run = (args) => runDemo('run.mjs', args)

const plan = createPlan({ seconds: 48 })
const record = (atMs, outcome, endpoint = 0, latencyMs = 10) => ({ atMs, outcome, endpoint, latencyMs })

test('the same seed gives the same traffic, another seed another; the rate follows the load', (t) => {
  const arrivals = createArrivals(plan)
  t.deepEqual(createArrivals(plan), arrivals)
  t.notDeepEqual(createArrivals({ ...plan, seed: 2 }), arrivals)
  t.true(arrivals.every(({ atMs }, i) => atMs < plan.runMs && (i === 0 || atMs > arrivals[i - 1].atMs)))
  const rateIn = (name) => {
    const { fromMs, toMs } = phaseOf(plan, name)
    return (arrivals.filter(({ atMs }) => atMs >= fromMs && atMs < toMs).length * 1000) / (toMs - fromMs)
  }
  t.true(Math.abs(rateIn('peak') / (PEAK * CAPACITY_PER_S) - 1) < 0.15, `${rateIn('peak')}`)
  t.true(Math.abs(rateIn('zombie') / (CALM * CAPACITY_PER_S) - 1) < 0.3, `${rateIn('zombie')}`)
  for (const [i, { share }] of ENDPOINTS.entries()) {
    const own = arrivals.filter(({ endpoint }) => endpoint === i).length / arrivals.length
    t.true(Math.abs(own - share) < 0.05, `${own}`)
  }
})

test('phases follow each other without a gap, and the load is continuous where it rises', (t) => {
  t.is(plan.phases[0].fromMs, 0)
  t.is(plan.phases.at(-1).toMs, plan.runMs)
  for (const [i, { fromMs, name }] of plan.phases.entries()) {
    t.is(phaseAt(plan, fromMs).name, name)
    if (i > 0) t.is(plan.phases[i - 1].toMs, fromMs)
  }
  const { fromMs, toMs } = phaseOf(plan, 'rising')
  t.is(loadAt(plan, fromMs), CALM)
  t.true(Math.abs(loadAt(plan, toMs - 1) - PEAK) < 0.01)
  t.is(loadAt(plan, toMs), PEAK)
})

test('a summary counts by phase and endpoint, and leaves out what was not seen', (t) => {
  const peakMs = phaseOf(plan, 'peak').fromMs
  const zombieMs = phaseOf(plan, 'zombie').fromMs
  const records = [
    record(0, 'good'),
    record(10, 'refused', 1),
    record(peakMs, 'good'),
    record(peakMs + 1, 'late', 0, 900),
    record(peakMs + 2, 'refused', 1),
    record(zombieMs, 'failed', 1, 200),
    record(zombieMs + 1, 'hung up', 2, 2000),
  ]
  const summary = summarise({ records, counts: { callsAsZombie: 2 } }, plan)
  t.like(summary, { requests: 7, good: 2 / 7, wasted: 3, refusedInCalm: 1, callsAsZombie: 2, medianMs: 10 })
  t.deepEqual(summary.overload, [0.5, 0, undefined])
  t.deepEqual(summary.zombie, [undefined, 0, 0])
  t.is(countOutcomes(records)['hung up'], 1)
  t.is(summarise({ records: [], counts: { callsAsZombie: 0 } }, plan).good, undefined)
})

test('a loss is a row in which another guard is better; what was not seen loses', (t) => {
  const summaryOf = (over) => ({
    ...summarise({ records: [record(0, 'good')], counts: { callsAsZombie: 1 } }, plan),
    ...over,
  })
  const names = ['other', 'Atrion']
  t.deepEqual(lossesOf([summaryOf({}), summaryOf({})], names), [])
  const [lost, ...more] = lossesOf([summaryOf({ wasted: 1 }), summaryOf({ wasted: 2 })], names)
  t.like(lost, { ours: 2, theirs: 1, by: 'other' })
  t.deepEqual(more, [])
  t.is(lossesOf([summaryOf({ afterZombieMs: 10 }), summaryOf({ afterZombieMs: undefined })], names).length, 1)
  t.is(lossesOf([summaryOf({ good: 0.5 }), summaryOf({ good: 0.6 })], names).length, 0)
})

test('lines, table and page hold no number that does not exist', (t) => {
  const runs = GUARDS.map(({ id }) => ({ guard: id, records: [record(0, 'good')], engine: 'native' }))
  const summaries = runs.map(({ records }) => summarise({ records, counts: { callsAsZombie: 0 } }, plan))
  const rows = comparison(summaries)
  t.is(rows.length, 1 + ROWS.length)
  t.true(rows.every((row) => row.length === 1 + GUARDS.length))
  const line = secondLine(GUARDS[3], 4, plan, countOutcomes([]), { breaker: 'closed', inFlight: 3, limit: 100_000 })
  t.regex(line, /^Atrion +4\/12 s +peak +load 4\.0 × .*limit of the pool none$/)
  const page = writeReport({ plan, settings: [['a', '<b>']], runs, comparison: rows, losses: losses(summaries) })
  t.is(page.match(/<svg /g).length, 1 + ENDPOINTS.length)
  t.notRegex(JSON.stringify(rows) + page, /NaN|undefined|https?:|<script|<b>/)
})

onClosedLoop('the demo runs behind every guard on the same traffic, writes its page, and ends', async (t) => {
  t.timeout(PATIENCE_MS)
  const folder = await mkdtemp(join(tmpdir(), 'atrion-demo-'))
  const report = join(folder, 'report.html')
  try {
    const { code, output } = await run(['--seconds', '12', '--report', report])
    t.is(code, 0, output)
    for (const { name } of GUARDS) t.is(output.match(new RegExp(`^${name} +\\d/3 s`, 'gm'))?.length, 3, name)
    const [, ...sent] = output.match(/requests sent by the clients +(\d+) +(\d+) +(\d+) +(\d+)/)
    t.deepEqual(new Set(sent.map(Number)), new Set([createArrivals(createPlan({ seconds: 12 })).length]))
    t.regex(output, /^Where Atrion loses$/m)
    t.notRegex(output, /NaN|undefined|Warning/)
    t.notRegex(await readFile(report, 'utf8'), /https?:|<script|NaN|undefined/)
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('options out of range are refused by name, and --help helps', async (t) => {
  const wrong = await run(['--seconds', '1'])
  t.is(wrong.code, 2)
  t.regex(wrong.output, /--seconds must be a number in \[12, 600\], got 1/)
  const help = await run(['--help'])
  t.is(help.code, 0)
  t.regex(help.output, /--open-loop/)
})
