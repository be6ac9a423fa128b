/**
 * Measures the cost of Atrion, beside its peers, in one run: `npm run bench -- --help`.
 *
 * Every contestant has a process of its own. They take turns, one short block each, round after round, so that whatever
 * else the machine does hits all alike; medians, minima and spreads are over the rounds.
 */
import { cliOf } from '../scripts/lib/cli.mjs'
import { stopAll, WorkerProcess } from '../scripts/lib/worker-pool.mjs'
import { measureMemory } from './lib/memory.mjs'
import { machineOf, save } from './lib/record.mjs'
import { disturbance, memoryTable, timeTable, verdictLine } from './lib/report.mjs'
import { summaryOf } from './lib/statistics.mjs'
import { judge } from './lib/targets.mjs'

const CHILD = new URL('./lib/child.mjs', import.meta.url)
const FILES = ['floor', 'peers', 'open-loop', 'closed-loop', 'wasm', 'http']
const LEAST_REPEATS = 5

const USAGE = `Usage: npm run bench -- [options]

Measures the time that a call takes, of Atrion on each engine and of other guards, in short blocks by turns, and the memory of a million routes.

  --only <text>     only contestants whose id or title contains it (may be repeated); the units always run
  --repeats <n>     rounds, at least ${LEAST_REPEATS} (default 41)
  --block-ms <n>    length of a block (default 10)
  --no-memory       leave out the memory of a million routes (needs cargo) and of ten million requests
  --save            write benches/record/<machine>.json
  --list            list the contestants
  --help            this text

A verdict needs what it compares with: after --only it may be missing.`

const { values: options, count } = cliOf(USAGE, {
  allowNegative: true,
  options: {
    only: { type: 'string', multiple: true },
    repeats: { type: 'string', default: '41' },
    'block-ms': { type: 'string', default: '10' },
    memory: { type: 'boolean', default: true },
    save: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
})
const repeats = count('repeats', LEAST_REPEATS)
const blockMs = count('block-ms', 1)

const all = []
for (const file of FILES) {
  const { contestants } = await import(`./contestants/${file}.mjs`)
  for (const one of contestants) all.push({ ...one, file })
}
if (options.list) {
  for (const { id, title } of all) console.log(`${id.padEnd(20)} ${title}`)
  process.exit(0)
}
const ALWAYS = new Set(['unit', 'cockatiel'])
const matches = ({ id, title }) =>
  !options.only || options.only.some((text) => id.includes(text) || title.includes(text))
const chosen = all.filter((one) => ALWAYS.has(one.id) || matches(one))

/** Can it be loaded? A subpath may not have been built, or its peer not installed. */
const isThere = (specifier) =>
  import(specifier).then(
    () => true,
    () => false,
  )

const running = []
for (const contestant of chosen) {
  if (contestant.needs && !(await isThere(contestant.needs))) {
    console.log(`${contestant.id} is left out: ${contestant.needs} cannot be loaded`)
    continue
  }
  console.log(`warming up ${contestant.id} …`)
  try {
    const { file, id, nodeOptions } = contestant
    const worker = new WorkerProcess(CHILD, { nodeOptions })
    await worker.ask('prepare', { file, id })
    running.push({ ...contestant, worker, results: [] })
  } catch (error) {
    console.error(`${contestant.id} is left out: ${error.message}`)
    process.exitCode = 1
  }
}
for (let round = 1; round <= repeats; round++) {
  if (round % 10 === 1) console.log(`round ${round} of ${repeats} …`)
  for (const { worker, results } of running) results.push(await worker.ask('turn', { blockMs }))
}
await stopAll()

const times = Object.fromEntries(
  running.map(({ id, title, results }) => {
    const also = Object.fromEntries(
      ['p50', 'p999']
        .filter((key) => key in results[0])
        .map((key) => [key, summaryOf(results.map((r) => r[key])).median]),
    )
    return [id, { title, ...summaryOf(results.map(({ ns }) => ns)), ...also }]
  }),
)
const memory = options.memory && !options.only ? await measureMemory() : {}
const verdicts = judge(times, memory)

console.log(`\n${timeTable(times, verdicts, { repeats, blockMs })}`)
const warning = disturbance(times)
if (warning) console.log(`\n${warning}`)
if (Object.keys(memory).length > 0) console.log(`\n${memoryTable(memory, verdicts)}`)
console.log(`\n${verdictLine(verdicts)}`)
if (options.save) console.log(`written: ${save({ machine: machineOf(), repeats, blockMs, times, memory, verdicts })}`)
