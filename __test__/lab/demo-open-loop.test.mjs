// The open loop's demo: what it measures with, how it counts, and a short run of all of it. How fast anything was is not asserted.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { recoveryOf } from '../../demo/figures.mjs'
import { CLASSES, createArrivals, createPlan, phaseAt } from '../../demo/open-loop/plan.mjs'
import { countOutcomes, summarise } from '../../demo/open-loop/summary.mjs'
import { CallTelemetry } from '../../demo/open-loop/telemetry.mjs'
import { plotResistance } from '../../demo/open-loop/terminal.mjs'
import { formatTable } from '../../demo/terminal.mjs'
import { runDemo } from '../_demo.mjs'

const run = (args) => runDemo('run.mjs', ['--open-loop', ...args])

const plan = createPlan({ seconds: 40 }) // each run 20 s, ill from 4 s to 12 s
const record = (atMs, outcome, name = 'browse', latencyMs = 10) => ({ atMs, outcome, class: name, latencyMs })

test('the same seed gives the same traffic, another seed another', (t) => {
  const arrivals = createArrivals(plan)
  t.deepEqual(createArrivals(plan), arrivals)
  t.notDeepEqual(createArrivals({ ...plan, seed: 2 }), arrivals)
  t.true(arrivals.every(({ atMs }, i) => atMs < plan.runMs && (i === 0 || atMs > arrivals[i - 1].atMs)))
  for (const { name, share } of CLASSES) {
    const own = arrivals.filter((arrival) => arrival.class === name).length / arrivals.length
    t.true(Math.abs(own - share) < 0.05, `${name}: ${own}`)
  }
})

test('phases follow each other', (t) => {
  const phases = [0, plan.illAtMs - 1, plan.illAtMs, plan.healedAtMs - 1, plan.healedAtMs].map((at) =>
    phaseAt(plan, at),
  )
  t.deepEqual(phases, ['healthy', 'healthy', 'zombie', 'zombie', 'healed'])
})

test('telemetry: a window of calls, their failures, and those under way', async (t) => {
  let now = 10_000
  const telemetry = new CallTelemetry({ windowMs: 500, poolSize: 10, expectedMs: 50, now: () => now })
  t.deepEqual(telemetry.read(), { latencyMs: 50, errorRate: 0, saturation: 0 })

  const call = async (latencyMs, fails = false) => {
    let finish
    const outcome = telemetry.measure(() => new Promise((resolve, reject) => (finish = fails ? reject : resolve)))
    now += latencyMs
    finish(new Error('it failed'))
    await (fails ? t.throwsAsync(outcome) : outcome)
  }
  await call(20)
  await call(40)
  await call(30, true)
  t.deepEqual(telemetry.read(), { latencyMs: 40, errorRate: 1 / 3, saturation: 0 })

  let answer
  const hanging = telemetry.measure(() => new Promise((resolve) => (answer = resolve)))
  now += 200
  t.is(telemetry.inFlight, 1)
  t.deepEqual(telemetry.read(), { latencyMs: 200, errorRate: 1 / 3, saturation: 0.1 })
  answer()
  await hanging
  now += 600
  t.deepEqual(telemetry.read(), { latencyMs: 50, errorRate: 0, saturation: 0 }, 'an empty window says nothing')
})

test('recovery is from where answers stay good, and unknown when that was not seen', (t) => {
  const outcomes = (isGood) =>
    Array.from({ length: 200 }, (_, i) => record(i * 100, isGood(i * 100) ? 'good' : 'refused'))
  t.is(
    recoveryOf(
      outcomes(() => true),
      plan,
    ),
    0,
  )
  t.is(
    recoveryOf(
      outcomes((atMs) => atMs < plan.illAtMs || atMs >= 15_000),
      plan,
    ),
    3000,
  )
  // A relapse starts the count anew.
  const relapse = (atMs) => (atMs >= 13_000 && atMs < 14_000) || atMs >= 16_000
  t.is(recoveryOf(outcomes(relapse), plan), 4000)
  t.is(
    recoveryOf(
      outcomes((atMs) => atMs < 19_500),
      plan,
    ),
    undefined,
  )
})

test('a summary counts what was noted, and leaves out what was not seen', (t) => {
  const records = [
    record(1000, 'good', 'checkout'),
    record(2000, 'refused'),
    record(5000, 'late', 'checkout', 900),
    record(5500, 'wrong', 'browse', 400),
    record(6000, 'refused', 'export', 1),
    record(7000, 'timeout', 'browse', 3000),
    record(13_000, 'refused'),
  ]
  const counts = { calls: 4, callsAsZombie: 3, healthChecks: 20 }
  const summary = summarise({ records, transitions: [{}, {}], counts }, plan)
  t.like(summary, {
    requests: 7,
    detectionMs: 2000,
    wasted: 3,
    wastedMs: 4300,
    callsAsZombie: 3,
    refusedWhileWell: 1,
    refusedOnceHealed: 1,
    transitions: 2,
  })
  t.deepEqual(summary.outcomes, { good: 1, late: 1, wrong: 1, timeout: 1, refused: 3 })
  t.is(summary.classes[0].run, 0.5)
  t.is(summary.classes[0].zombie, 0)
  t.is(summary.classes[0].firstRefusedMs, undefined)
  t.is(summary.classes[2].firstRefusedMs, 2000)
  t.is(summarise({ records: [record(1000, 'good')], transitions: [], counts }, plan).detectionMs, undefined)
})

test('the plot and the tables keep their shape', (t) => {
  const samples = Array.from({ length: 200 }, (_, i) => ({ atMs: i * 100, resistance: i < 100 ? 10 : 200 }))
  const lines = plotResistance(samples, plan, 80).split('\n')
  t.is(lines.length, 15)
  t.true(lines.every((line) => line.length <= 80 + 5))
  t.regex(lines.join('\n'), /150 V checkout/)
  const column = lines[1].slice(6)
  t.is(column.trimEnd().length, 62, 'the right half is full')
  t.is(column.search(/\S/), 31, 'the left half is empty')
  const table = formatTable([
    ['name', 'value'],
    ['a', '1'],
  ]).split('\n')
  t.is(table.at(-1), 'a          1')
})

test('the demo runs, measures both on the same traffic, writes its page, and ends', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'atrion-demo-'))
  const report = join(folder, 'report.html')
  try {
    const { code, output } = await run(['--seconds', '6', '--report', report])
    t.is(code, 0, output)
    t.is(output.match(/^classic +\d\/3 s/gm)?.length, 3)
    t.is(output.match(/^Atrion +\d\/3 s/gm)?.length, 3)
    const [, classic, atrion] = output.match(/requests sent by the clients +(\d+) +(\d+)/)
    t.is(classic, atrion)
    t.is(Number(classic), createArrivals(createPlan({ seconds: 6 })).length)
    t.regex(output, /R over time, Atrion/)
    const page = await readFile(report, 'utf8')
    t.is(page.match(/<svg /g).length, 3)
    t.notRegex(page, /https?:|<script|NaN|undefined/)
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('options out of range are refused by name, and --help helps', async (t) => {
  const wrong = await run(['--seconds', '1'])
  t.is(wrong.code, 2)
  t.regex(wrong.output, /--seconds must be a number in \[6, 600\], got 1/)
  const help = await run(['--help'])
  t.is(help.code, 0)
  t.regex(help.output, /--seed N/)
})

test('outcomes are counted by name', (t) => {
  t.deepEqual(countOutcomes([]), { good: 0, late: 0, wrong: 0, timeout: 0, refused: 0 })
})
