// `npm run demo:swarm`: 200 agents, a budget, and a provider with a limit that fails twice; the same with p-queue and bottleneck.
import { cliOf } from '../../scripts/lib/cli.mjs'
import { createPlan, DEFAULT_SECONDS, KINDS, LEAST_SECONDS, LIMITS } from './plan.mjs'

const USAGE = `Usage: npm run demo:swarm -- [options]

An orchestrator hands tasks to 200 agents of three kinds, which share a budget of output tokens and a provider of language models of
${LIMITS.requestsPerMinute} requests and ${LIMITS.tokensPerMinute} tokens a minute (a mock with true token buckets, in a process of its own) that fails twice: once it is
overloaded (503), once it is broken (500). The same tasks go through a swarm of Atrion, through p-queue, and through bottleneck, side by
side, each to a provider of its own. Time is scaled: the output says by how much. Ends by itself.

  --seconds N   length of the three runs, which go side by side, ${LEAST_SECONDS} to 600; default ${DEFAULT_SECONDS}
  --seed N      another sequence of tasks; default 1
  --json        the figures at the end as JSON
  --help        this text
`

const { values, number } = cliOf(USAGE, {
  options: { seconds: { type: 'string' }, seed: { type: 'string' }, json: { type: 'boolean', default: false } },
})
const plan = createPlan({ seconds: number('seconds', LEAST_SECONDS, 600), seed: number('seed', 0, 2 ** 31) })

const [
  { runTrial },
  { lossesOf, quantileOf, ROWS, summarise },
  { bold, dim, formatMs, formatShare, formatTable },
  { stopAll },
] = await Promise.all([
  import('./trial.mjs'),
  import('./summary.mjs'),
  import('../terminal.mjs'),
  import('../../scripts/lib/worker-pool.mjs'),
])

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, async () => {
    await stopAll()
    process.exit(130)
  })
}

const TITLES = {
  atrion: 'a swarm with a budget and an upstream; nothing of the limits is configured',
  'p-queue': `${LIMITS.requestsPerMinute} calls a minute, priorities, a 429 tried again after its retry-after; spending counted by the caller`,
  bottleneck: `calls ${(60 / LIMITS.requestsPerMinute).toFixed(0)} s apart, priorities; else as p-queue`,
}

console.log(
  `${bold('tasks'.padEnd(10))} ${plan.tasks.length} of ${KINDS.map(({ kind, agents, tier }) => `${agents} ${kind} (${tier})`).join(', ')}; seed ${plan.seed}`,
)
console.log(
  `${bold('provider'.padEnd(10))} ${LIMITS.requestsPerMinute} requests and ${LIMITS.tokensPerMinute} tokens a minute, true token buckets; overloaded, then broken for a while`,
)
console.log(`${bold('budget'.padEnd(10))} ${plan.budget} output tokens`)
console.log(
  `${bold('time'.padEnd(10))} scaled by ${plan.scale.toFixed(1)}: a minute of the provider takes ${(plan.minuteMs / 1000).toFixed(1)} s here; every time below is the provider's`,
)

const COLUMNS = ['time', 'spent', 'answered', 'waiting', ...KINDS.map(({ tier }) => `p95 wait ${tier}`), '429', '5xx']
const WIDTHS = [10, 7, 15, 8, 7, ...KINDS.map(() => 15), 5, 5]
const lineOf = (cells) => cells.map((cell, i) => cell.padStart(WIDTHS[i])).join('  ')

const faultAt = (atMs) => plan.faults.find(({ fromMs, toMs }) => atMs >= fromMs && atMs < toMs + plan.minuteMs / 3)

const NAMES = ['atrion', 'p-queue', 'bottleneck']
for (const name of NAMES) console.log(`${bold(name.padEnd(10))} ${TITLES[name]}`)
console.log(`\n${lineOf(['', ...COLUMNS])}`)

const printTick = (name, { atMs, notes, counts }) => {
  const waitOf = (tier) => {
    const ms = quantileOf(
      notes.waits.filter((wait) => wait.tier === tier).map((wait) => wait.ms),
      0.95,
    )
    return ms === undefined ? '–' : formatMs(ms * plan.scale)
  }
  const fault = faultAt(atMs)
  const line = lineOf([
    name,
    formatMs(atMs * plan.scale),
    `${notes.spent} ${formatShare(notes.spent / plan.budget)}`,
    String(notes.done.length),
    String(notes.waiting.size),
    ...KINDS.map(({ tier }) => waitOf(tier)),
    String(counts.quota),
    String(counts.overload + counts.broken),
  ])
  console.log(fault === undefined ? line : `${line}  ${dim(fault.kind)}`)
}
const results = await Promise.all(NAMES.map((name) => runTrial(name, plan, (tick) => printTick(name, tick))))
const summaries = results.map((result) => summarise(result, plan))

const shown = (value, unit) => (value === undefined ? '–' : unit === 'ms' ? formatMs(value) : String(value))
console.log(
  `\n${formatTable([
    ['', ...summaries.map(({ name }) => name)],
    ...ROWS.map(([what, value, , unit]) => [what, ...summaries.map((one) => shown(value(one), unit))]),
    ['share of the request limit used', ...summaries.map(({ used }) => formatShare(used))],
    ['output tokens used', ...summaries.map(({ spent }) => String(spent))],
  ])}`,
)
const losses = lossesOf(summaries)
console.log(bold(`\nWhere Atrion did worse: ${losses.length === 0 ? 'in none of these rows' : ''}`))
for (const { what, unit, own, better } of losses) {
  console.log(
    `  ${what}: ${shown(own, unit)}, ${better.map(([name, value]) => `${name} ${shown(value, unit)}`).join(', ')}`,
  )
}
if (values.json) console.log(JSON.stringify({ scale: plan.scale, budget: plan.budget, summaries }))
await stopAll()
