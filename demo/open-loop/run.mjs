// `npm run demo -- --open-loop`: the same real traffic twice against a dependency that turns zombie.
import { writeFileSync } from 'node:fs'
import { cliOf } from '../../scripts/lib/cli.mjs'
import { stopAll } from '../../scripts/lib/worker-pool.mjs'
import { bold, formatTable } from '../terminal.mjs'
import {
  ARRIVALS_PER_SECOND,
  ATRION,
  CALL_TIMEOUT_MS,
  CLASSES,
  CLASSIC,
  createPlan,
  DEADLINE_MS,
  DEFAULT_SECONDS,
  DEPENDENCY,
  LEAST_SECONDS,
} from './plan.mjs'
import { writeReport } from './report.mjs'
import { countOutcomes, summarise } from './summary.mjs'
import * as terminal from './terminal.mjs'
import { runTrial } from './trial.mjs'

const USAGE = `Usage: npm run demo -- --open-loop [options]

The same traffic twice: first behind a static health check and opossum, then behind Atrion. The dependency turns zombie
(alive, slow, wrong) and heals. Everything runs in processes of its own on 127.0.0.1 and ends by itself.

  --seconds N       length of both runs together, ${LEAST_SECONDS} to 600; default ${DEFAULT_SECONDS}
  --seed N          another sequence of arrivals; default 1
  --timeout MS      opossum's timeout; default ${CLASSIC.breaker.timeout}, as in its README
  --threshold PCT   opossum's errorThresholdPercentage; default ${CLASSIC.breaker.errorThresholdPercentage}, as in its README
  --reset MS        opossum's resetTimeout; default ${CLASSIC.breaker.resetTimeout} (its README has 30000)
  --report FILE     where the HTML report goes; default demo-report.html
  --help            this text
`

function readOptions(args) {
  const { values, number } = cliOf(
    USAGE,
    {
      options: {
        seconds: { type: 'string' },
        seed: { type: 'string' },
        timeout: { type: 'string' },
        threshold: { type: 'string' },
        reset: { type: 'string' },
        report: { type: 'string', default: 'demo-report.html' },
      },
    },
    args,
  )
  const breaker = {
    timeout: number('timeout', 1, 60_000),
    errorThresholdPercentage: number('threshold', 1, 100),
    resetTimeout: number('reset', 1, 600_000),
  }
  return {
    report: values.report,
    seconds: number('seconds', LEAST_SECONDS, 600),
    seed: number('seed', 0, 2 ** 31),
    breaker: Object.fromEntries(Object.entries(breaker).filter(([, value]) => value !== undefined)),
  }
}

const list = (settings) =>
  Object.entries(settings)
    .map(([name, value]) => `${name} ${typeof value === 'object' ? `{ ${list(value)} }` : value}`)
    .join(', ')

/** The text before a run: its course, and every setting that matters. */
function describe(plan) {
  const { zombie, healthy } = DEPENDENCY
  const kind = ({ workers, fastestMs, slowestMs, wrongShare }) =>
    `${workers} workers of ${fastestMs}–${slowestMs} ms, ${wrongShare * 100} % wrong`
  return [
    [
      'traffic',
      `${ARRIVALS_PER_SECOND} requests/s, Poisson, seed ${plan.seed}: ${CLASSES.map(({ name, share }) => `${name} ${share * 100} %`).join(', ')}`,
    ],
    ['good', `a right answer within ${DEADLINE_MS} ms, counted from when the request was due`],
    [
      'dependency',
      `${kind(healthy)}; from ${plan.illAtMs / 1000} s to ${plan.healedAtMs / 1000} s: ${kind(zombie)}, its health check passes`,
    ],
    ['classic', `health check ${list(CLASSIC.healthCheck)}; opossum ${list(plan.breaker)}`],
    [
      'Atrion',
      `route() a request, ${list(ATRION)}; ${CLASSES.map(({ name, voltage }) => `${name} ${voltage} V`).join(', ')}`,
    ],
    ['both', `a call is given up after ${CALL_TIMEOUT_MS} ms; clients do not retry`],
  ]
}

/** @param {string[]} args the command line, without `--open-loop` */
export async function main(args) {
  const options = readOptions(args)
  const plan = createPlan(options)
  const settings = describe(plan)
  for (const [what, text] of settings) console.log(`${bold(what.padEnd(10))} ${text}`)

  const trial = async (guard) => {
    console.log()
    let seen = 0
    return await runTrial(guard, plan, (second, { records, samples }) => {
      const counts = countOutcomes(records.slice(seen))
      seen = records.length
      console.log(terminal.secondLine(guard, second, plan, counts, samples.at(-1)))
    })
  }
  try {
    const classic = await trial('classic')
    const atrion = await trial('atrion')
    const summaries = [classic, atrion].map((notes) => summarise(notes, plan))
    const comparison = terminal.comparison(...summaries)
    const order = terminal.classOrder(summaries[1])
    const width = Math.min(120, Math.max(60, process.stdout.columns ?? 100))
    console.log(`\n${formatTable(comparison)}`)
    console.log(`\n${formatTable(order)}`)
    for (const { guard, transitions } of [classic, atrion]) {
      const list = transitions.map(({ atMs, from, to }) => `${(atMs / 1000).toFixed(2)} s ${from} → ${to}`)
      console.log(`\nTransitions, ${guard}: ${list.join('; ') || 'none'}`)
    }
    console.log(`\n${bold(`R over time, Atrion (engine ${atrion.engine})`)}`)
    console.log(terminal.plotResistance(atrion.samples, plan, width))
    writeFileSync(options.report, writeReport({ plan, settings, classic, atrion, comparison, order }))
    console.log(`\nThe same as a page: ${options.report}`)
  } finally {
    await stopAll()
  }
}
