// Swarms beside p-queue and bottleneck: `npm run bench:swarm -- --help`.
import { cliOf } from '../../scripts/lib/cli.mjs'
import { say } from '../../scripts/lib/progress.mjs'

const USAGE = `Usage: npm run bench:swarm -- [options]

1000 agents in four processes behind one key of a mock provider with true token buckets (an HTTP server in a process of its own; its
minutes last 6 s): the share of the limit that is used, the share of calls that it refuses, the wait of interactive calls at five times
the load, and fairness between tenants, for Atrion, p-queue and bottleneck. Then how far a hard limit is overspent, the cost of a lease,
and memory over many of them. Exits with 1 when a target is missed.

  --seconds <n>      of each contestant's measurement, 5 to 600 (default 60)
  --leases <n>       by which memory is measured (default 10000000)
  --agents <n>       in all processes, 40 to 4000 (default 1000)
  --only <parts>     some of quota, budget, local, memory, separated by commas
  --memory-seconds <n>  the longest that memory is measured, 1 to 86400 (default 900): it ends with the leases done by then
  --short            a few seconds in all: everything runs, targets are not judged
  --json             the figures as JSON
  --help             this text`

const { values, number, count } = cliOf(USAGE, {
  options: {
    seconds: { type: 'string' },
    leases: { type: 'string' },
    agents: { type: 'string' },
    only: { type: 'string' },
    'memory-seconds': { type: 'string' },
    short: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const isShort = values.short
const seconds = number('seconds', 5, 600) ?? (isShort ? 2 : 60)
const agents = number('agents', 40, 4000) ?? (isShort ? 200 : 1000)
const leases = count('leases', 1000) ?? (isShort ? 20_000 : 10_000_000)
const memorySeconds = number('memory-seconds', 1, 86_400) ?? 900
const PARTS = ['quota', 'budget', 'local', 'memory']
const only = values.only?.split(',') ?? PARTS
const unknown = only.find((part) => !PARTS.includes(part))
if (unknown !== undefined) {
  console.error(`--only must be some of ${PARTS.join(', ')}, got ${unknown}.`)
  process.exit(2)
}
// At most: see `runQuota`.
const warmUpMs = isShort ? 2000 : 60_000

const [
  { LIMIT, MINUTE_MS, PROCESSES, runQuota, SCALE },
  { PIECE_TOKENS, runBudget },
  { runLocal, runMemory },
  { formatTable },
  { stopAll },
] = await Promise.all([
  import('./quota.mjs'),
  import('./budget.mjs'),
  import('./local.mjs'),
  import('../../demo/terminal.mjs'),
  import('../../scripts/lib/worker-pool.mjs'),
])

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, async () => {
    await stopAll()
    process.exit(130)
  })
}

const note = values.json ? () => {} : say
const print = values.json ? () => {} : console.log
const percent = (share) => `${(100 * share).toFixed(2)} %`
const ms = (value) => (value === undefined ? '–' : `${value.toFixed(value < 10 ? 1 : 0)} ms`)

/** Targets: what, its value, and whether it is met. */
const targets = []
const target = (what, value, met) => targets.push({ what, value, met })

/** The limit of an upstream: how much of it is used, and what else becomes of the calls. */
async function measureQuota() {
  const quota = []
  for (const name of ['atrion', 'p-queue', 'bottleneck']) {
    note(
      `${name}: ${agents} agents in ${PROCESSES} processes, at most ${(warmUpMs / 1000).toFixed(0)} s to empty the first bucket, ${seconds} s measured.`,
    )
    quota.push(await runQuota(name, { agents, warmUpMs, seconds }))
  }
  print(
    `\n${LIMIT} calls a minute, a minute of ${MINUTE_MS / 1000} s (time is scaled by ${SCALE}); ${agents} agents in ${PROCESSES} processes, five times what the limit carries and more\n`,
  )
  print(
    formatTable([
      ['', 'limit used', 'refused (429)', 'interactive p95 wait', "Jain's index of 8 tenants", 'calls'],
      ...quota.map(({ name, used, refused, interactiveP95Ms, jain, calls }) => [
        name,
        percent(used),
        percent(refused),
        ms(interactiveP95Ms),
        jain.toFixed(4),
        String(calls),
      ]),
    ]),
  )
  const [own] = quota
  target('at least 97 % of the limit used', percent(own.used), own.used >= 0.97)
  target('at most 0.5 % refused', percent(own.refused), own.refused <= 0.005)
  target('interactive p95 wait at most 2 s', ms(own.interactiveP95Ms), own.interactiveP95Ms <= 2000)
  target("Jain's index at least 0.98", own.jain.toFixed(4), own.jain >= 0.98)
  return quota
}

/** Use beyond a hard limit. */
async function measureBudget() {
  note('Hard limits: estimates that bound the usage, then estimates four times too low, in streams.')
  // Two calls of 200 tokens an agent; or a quarter of that, which all of them come to the end of together.
  const tokens = 400 * agents
  const budgets = []
  for (const isLow of [false, true])
    budgets.push(await runBudget(isLow, { tokens: isLow ? tokens / 4 : tokens, agents }))
  print('')
  print(
    formatTable([
      ['hard limit, tokens', 'used', 'overspent', 'allowed', 'sent by the provider', 'most in flight', 'took'],
      ...budgets.map((one, i) => [
        `${i === 0 ? 'estimates bound usage' : 'estimates 4 × low, streams'}: ${one.limit}`,
        String(one.used),
        String(one.overspent),
        String(one.allowed),
        String(one.sent),
        String(one.inFlight),
        ms(one.tookMs),
      ]),
    ]),
  )
  print(`allowed: a piece of ${PIECE_TOKENS} tokens for each call that is under way`)
  const [bound, low] = budgets
  target(
    'no overspend where estimates bound usage',
    `${bound.overspent} tokens`,
    bound.overspent === 0 && bound.sent <= bound.limit,
  )
  target(
    'else at most a piece a call in flight',
    `${low.overspent} of ${low.allowed} tokens`,
    low.overspent <= low.allowed,
  )
  target('nothing is held when all is over', `${bound.held + low.held}`, bound.held + low.held === 0)
  return budgets
}

/** The cost of a lease in one process. */
async function measureLocal() {
  note('The cost of a lease in one process.')
  const local = await runLocal({ calls: isShort ? 20_000 : 1_000_000 })
  const { reserveAndSettle, map, run, pQueue, bottleneck } = local
  const rowOf = (what, { median, min }) => [
    what,
    median.toFixed(0),
    min.toFixed(0),
    (median / pQueue.median).toFixed(2),
  ]
  print('')
  print(
    formatTable([
      ['ns a call, one process', 'median', 'min', '× p-queue'],
      rowOf('reserve + settle, three levels, three units', reserveAndSettle),
      rowOf('set, get, delete in a Map', map),
      rowOf('swarm.run(), three levels, three units, usage reported', run),
      rowOf('p-queue add()', pQueue),
      rowOf('bottleneck schedule()', bottleneck),
    ]),
  )
  const ratio = reserveAndSettle.median / map.median
  target(
    'reserve + settle at most 300 ns',
    `${reserveAndSettle.median.toFixed(0)} ns, of minima ${reserveAndSettle.min.toFixed(0)}; ${ratio.toFixed(2)} × Map`,
    reserveAndSettle.min <= 300,
  )
  return local
}

/** Memory over many leases. */
async function measureMemory() {
  note(`Memory over ${leases.toLocaleString('en')} leases.`)
  const memory = await runMemory({ leases, mostSeconds: memorySeconds, progress: note })
  print(
    `\nheap ${memory.beforeMib.toFixed(1)} → ${memory.afterMib.toFixed(1)} MiB, ${memory.mostMib.toFixed(1)} at most, over ${memory.leases.toLocaleString('en')} leases, ${((1e6 * memory.cpuMs) / memory.leases).toFixed(0)} ns of CPU each`,
  )
  target('memory flat over the leases (at most 1 MiB)', `${memory.grewMib.toFixed(2)} MiB`, memory.grewMib <= 1)
  return memory
}

const run = (part, measure) => (only.includes(part) ? measure() : undefined)
const quota = await run('quota', measureQuota)
const budgets = await run('budget', measureBudget)
const local = await run('local', measureLocal)
const memory = await run('memory', measureMemory)

if (values.json) console.log(JSON.stringify({ quota, budgets, local, memory, targets }, null, 2))
else {
  print('\ntargets')
  for (const { what, value, met } of targets)
    print(`  ${met ? 'met   ' : isShort ? 'missed' : 'MISSED'}  ${what}: ${value}`)
}
await stopAll()
process.exitCode = !isShort && targets.some(({ met }) => !met) ? 1 : 0
