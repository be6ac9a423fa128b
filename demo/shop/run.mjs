// The demo of the closed loop: a shop under four times its capacity, then with a zombie dependency, behind four guards in turn.
import { writeFileSync } from 'node:fs'
import { roundsFor } from '../../lab/real/work.mjs'
import { cliOf } from '../../scripts/lib/cli.mjs'
import { stopAll } from '../../scripts/lib/worker-pool.mjs'
import { bold, formatTable } from '../terminal.mjs'
import {
  ATRION,
  CALM,
  CAPACITY_PER_S,
  COCKATIEL,
  createPlan,
  DEADLINE_MS,
  DEFAULT_SECONDS,
  DEPENDENCY,
  ENDPOINTS,
  GUARDS,
  LEAST_SECONDS,
  OPOSSUM,
  PATIENCE_MS,
  PEAK,
  phaseOf,
} from './plan.mjs'
import { writeReport } from './report.mjs'
import { countOutcomes, summarise } from './summary.mjs'
import * as terminal from './terminal.mjs'
import { runTrial } from './trial.mjs'

const USAGE = `Usage: npm run demo -- [options]

A small shop on node:http: three endpoints, work of its own, a bounded dependency. Traffic rises to ${PEAK} times its capacity and falls;
later the dependency turns zombie (slow and wrong) and heals. The same requests run four times: unprotected, behind opossum, behind
cockatiel, and behind Atrion, of which the deadline is the only number set. Everything runs in processes of its own on 127.0.0.1.

  --seconds N       length of the four runs together, ${LEAST_SECONDS} to 600; default ${DEFAULT_SECONDS}
  --seed N          another sequence of arrivals; default 1
  --report FILE     where the HTML report goes; default demo-report.html
  --open-loop       the demo of route() instead; --open-loop --help lists its options
  --no-install      name what is missing and how to install it, and install nothing
  --help            this text
`

function readOptions(args) {
  const { values, number } = cliOf(
    USAGE,
    {
      options: {
        seconds: { type: 'string' },
        seed: { type: 'string' },
        report: { type: 'string', default: 'demo-report.html' },
      },
    },
    args,
  )
  return { ...values, seconds: number('seconds', LEAST_SECONDS, 600), seed: number('seed', 0, 2 ** 31) }
}

/** A client that sends a request so late says that the machine does other work as well, ms. */
const BUSY_MS = 50

const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`

/** The text before a run: its course, and every setting that matters. */
function describe(plan) {
  const kind = ({ workers, fastestMs, slowestMs, wrongShare }) =>
    `${workers} workers of ${fastestMs}–${slowestMs} ms, ${wrongShare * 100} % wrong`
  const zombie = phaseOf(plan, 'zombie')
  return [
    [
      'shop',
      ENDPOINTS.map(
        ({ route, tier, share, cpuMs, needsStock }) =>
          `${route} (${tier}, ${share * 100} %): ${needsStock ? 'asks the dependency, then ' : ''}${cpuMs} ms of CPU`,
      ).join('; '),
    ],
    [
      'traffic',
      `${(CALM * CAPACITY_PER_S).toFixed(0)} requests/s, ${seconds(phaseOf(plan, 'rising').fromMs)} to ${seconds(phaseOf(plan, 'peak').fromMs)} rising to ` +
        `${PEAK} × the capacity (${(PEAK * CAPACITY_PER_S).toFixed(0)}/s), which ends at ${seconds(phaseOf(plan, 'calm again').fromMs)}; Poisson, seed ${plan.seed}; ` +
        `a client hangs up after ${PATIENCE_MS} ms and does not retry`,
    ],
    ['good', `a right answer within ${DEADLINE_MS} ms, counted from when the request was due`],
    [
      'dependency',
      `${kind(DEPENDENCY.healthy)}; from ${seconds(zombie.fromMs)} to ${seconds(zombie.toMs)}: ${kind(DEPENDENCY.zombie)}`,
    ],
    [
      'opossum',
      `around the dependency: ${JSON.stringify(OPOSSUM)} (its documentation: resetTimeout 30000, longer than the rest of a run)`,
    ],
    [
      'cockatiel',
      `around the dependency: breaker and timeout, ${JSON.stringify(COCKATIEL)} (its documentation: 10000)`,
    ],
    [
      'Atrion',
      `before the shop (atrion/http) and around the dependency (run): ${JSON.stringify(ATRION)}, the route and the tier`,
    ],
  ]
}

/** @param {string[]} args the command line */
export async function main(args) {
  const options = readOptions(args)
  const plan = createPlan(options)
  const settings = describe(plan)
  for (const [what, text] of settings) console.log(`${bold(what.padEnd(10))} ${text}`)
  const roundsPerMs = roundsFor(1)

  const runs = []
  try {
    for (const guard of GUARDS) {
      console.log()
      let seen = 0
      runs.push(
        await runTrial(guard.id, plan, roundsPerMs, (second, { records, samples }) => {
          const counts = countOutcomes(records.slice(seen))
          seen = records.length
          console.log(terminal.secondLine(guard, second, plan, counts, samples.at(-1)))
        }),
      )
    }
  } finally {
    await stopAll()
  }
  const summaries = runs.map((notes) => summarise(notes, plan))
  const comparison = terminal.comparison(summaries)
  const losses = terminal.losses(summaries)
  console.log(`\n${formatTable(comparison)}`)
  console.log(
    `\n${bold('Where Atrion loses')}\n${losses.map((loss) => `  ${loss}`).join('\n') || '  nowhere in this run'}`,
  )
  const latestMs = Math.round(Math.max(...runs.map((notes) => notes.latestMs)))
  console.log(`\nEngine ${runs.at(-1).engine}; the clients were at most ${latestMs} ms late.`)
  if (latestMs > BUSY_MS)
    console.log('The machine was busy with other work: run it again on an idle machine before you rely on a figure.')
  writeFileSync(options.report, writeReport({ plan, settings, runs, comparison, losses }))
  console.log(`The same as a page: ${options.report}`)
}
