// `npm run demo:cluster`: three servers, one dependency that dies, a deploy in the middle of it; without sharing, then with.
import { cliOf } from '../../scripts/lib/cli.mjs'
import {
  ARRIVALS_PER_SECOND,
  CALL_TIMEOUT_MS,
  createPlan,
  DEFAULT_SECONDS,
  LEAST_SECONDS,
  SERVERS,
  SERVICE_MS,
} from './plan.mjs'

const TARGET_SHARE = 0.6

const USAGE = `Usage: npm run demo:cluster -- [options]

The same traffic twice, to three servers behind a round-robin client: first each server learns alone, then they share their scars
over a redis-server that the demo starts. The dependency of all three is killed and comes back; meanwhile each server is replaced
by a new process, as in a deploy. Everything runs in processes of its own on 127.0.0.1 and ends by itself. Exits with 1 when
something is missing or failed.

  --seconds N       length of both runs together, ${LEAST_SECONDS} to 600; default ${DEFAULT_SECONDS}
  --seed N          another sequence of arrivals; default 1
  --help            this text
`

function readOptions() {
  const { number } = cliOf(USAGE, { options: { seconds: { type: 'string' }, seed: { type: 'string' } } })
  return { seconds: number('seconds', LEAST_SECONDS, 600), seed: number('seed', 0, 2 ** 31) }
}

const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`

/** The text before a run: its course, and every setting that matters. */
const describe = (plan) => [
  [
    'traffic',
    `${ARRIVALS_PER_SECOND} requests/s, Poisson, seed ${plan.seed}, to ${SERVERS.join(', ')} in turn; clients do not retry`,
  ],
  [
    'servers',
    "node:http behind atrionHttp(); atrion.run() around the call, with the list price as fallback; Atrion's defaults",
  ],
  [
    'dependency',
    `answers in ${SERVICE_MS.fastest}–${SERVICE_MS.slowest} ms; killed (SIGKILL) at ${seconds(plan.diesAtMs)}, so that connections are refused; ` +
      `back at ${seconds(plan.healedAtMs)}; a call is given up after ${CALL_TIMEOUT_MS} ms`,
  ],
  [
    'deploy',
    `each server replaced by a new process, ${plan.replacedAtMs.map((at, i) => `${SERVERS[i]} at ${seconds(at)}`).join(', ')}; the old one leaves when the new one serves`,
  ],
  [
    'sharing',
    'new RedisStateProvider(url) with its defaults: a round every 100 ms, γ = 0.3; a redis-server of our own',
  ],
]

async function main() {
  const options = readOptions()
  const [
    { runTrial },
    { stopAll },
    { countOutcomes, savedShare, summarise },
    { bold, formatShare, formatTable },
    terminal,
    { single },
  ] = await Promise.all([
    import('./trial.mjs'),
    import('../../scripts/lib/worker-pool.mjs'),
    import('./summary.mjs'),
    import('../terminal.mjs'),
    import('./terminal.mjs'),
    import('../../__test__/_redis/servers.mjs'),
  ])
  const plan = createPlan(options)
  const redis = await single()
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, async () => {
      await Promise.all([stopAll(), redis.stop()])
      process.exit(130)
    })
  }
  for (const [what, text] of describe(plan)) console.log(`${bold(what.padEnd(10))} ${text}`)

  const trial = async (run, redisUrl) => {
    console.log()
    let seen = 0
    const notes = await runTrial(plan, redisUrl, (second, { records, breakers, generations }) => {
      const counts = countOutcomes(records.slice(seen))
      seen = records.length
      console.log(terminal.secondLine(run, second, plan, counts, breakers, generations))
    })
    return summarise(notes, plan)
  }
  try {
    const alone = await trial('alone', undefined)
    const shared = await trial('shared', redis.url)
    console.log(`\n${formatTable(terminal.comparison(alone, shared))}`)
    console.log(`\n${formatTable(terminal.processTable(alone, shared, plan))}`)
    const saved = savedShare(alone, shared)
    const verdict = saved >= TARGET_SHARE ? 'met' : 'MISSED'
    const target = `target: ≥ ${TARGET_SHARE * 100} %, ${verdict}`
    console.log(`\nRequests wasted with sharing: ${formatShare(saved)} fewer (${target})`)
  } finally {
    await stopAll()
    await redis.stop()
  }
}

main().catch((error) => {
  console.error(`demo: ${error.message}`)
  // A deploy that was under way may have started more processes, which end with this one.
  process.exit(1)
})
