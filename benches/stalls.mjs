/**
 * Stalls of the event loop beside calls of a healthy service: breakers that a block opens with the watchdog and without, and the stall that is
 * reported of a process that was suspended: `npm run bench:stalls -- --help`.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { Atrion } from 'atrion'
import { cliOf } from '../scripts/lib/cli.mjs'
import { ROOT } from '../scripts/lib/process.mjs'

const USAGE = `Usage: npm run bench:stalls -- [options]

Blocks the event loop while calls of a service in another thread are open, whose time limit runs out meanwhile, in turn with the watchdog and
without; then suspends a process by SIGSTOP, idle and within a block, and prints the stalls that it reports.

  --runs <n>        blocks of each kind (default 100)
  --block-ms <n>    length of a block (default 500)
  --suspend-s <n>   time for which a process is suspended (default 20)
  --json            one line of JSON instead of the table
  --help            this text`

const CALLS = 80
const LIMIT_MS = 100

const { values, count } = cliOf(USAGE, {
  options: {
    runs: { type: 'string', default: '100' },
    'block-ms': { type: 'string', default: '500' },
    'suspend-s': { type: 'string', default: '20' },
    json: { type: 'boolean', default: false },
  },
})
const runs = count('runs', 1)
const blockMs = count('block-ms', 200)
const suspendS = count('suspend-s', 1)

/** A service that answers in 10 ms, also while the thread that calls it is blocked. */
const service = new Worker(
  `const { parentPort } = require('node:worker_threads')
  parentPort.on('message', (id) => setTimeout(() => parentPort.postMessage(id), 10))`,
  { eval: true },
)
const open = new Map()
let ids = 0
service.on('message', (id) => {
  open.get(id)()
  open.delete(id)
})
const call = () =>
  new Promise((resolve) => {
    open.set(++ids, resolve)
    service.postMessage(ids)
  })

const block = (ms) => {
  const endMs = performance.now() + ms
  while (performance.now() < endMs);
}

/** Returns whether a block opened the breaker of the service's route, and how many of the calls ended by their time limit. */
const blockedRun = async (watchdog) => {
  const atrion = new Atrion({ watchdog })
  const ends = Array.from({ length: CALLS }, () =>
    atrion.run('service', call, { timeoutMs: LIMIT_MS }).then(
      () => 0,
      () => 1,
    ),
  )
  await new Promise(setImmediate)
  block(blockMs)
  const lost = (await Promise.all(ends)).reduce((sum, one) => sum + one, 0)
  const isOpen = atrion.stats('service').mode === 'CIRCUIT_BREAKER'
  // Answers to calls that were given up are no part of the next run.
  while (open.size > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  return { isOpen, lost }
}

/** A process that says when it may be suspended and, after that, the stalls that it saw. */
const SUSPENDED = `
import { Atrion } from 'atrion'
const atrion = new Atrion({ watchdog: true })
const stalls = []
atrion.on('stall', (stall) => stalls.push(stall))
process.stdin.once('data', () => setTimeout(() => process.stdout.write(JSON.stringify(stalls), () => process.exit()), 300))
setTimeout(() => {
  process.stdout.write('ready')
  const endMs = performance.now() + Number(process.argv[1])
  while (performance.now() < endMs);
}, 1000)`

/** Suspends a process that is blocked for so long, or idle. @returns the stalls that it reports */
const suspendedRun = async (busyMs) => {
  const args = ['--input-type=module', '-e', SUSPENDED, String(busyMs)]
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['pipe', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  await new Promise((resolve) => setTimeout(resolve, 200))
  child.kill('SIGSTOP')
  await new Promise((resolve) => setTimeout(resolve, suspendS * 1000))
  child.kill('SIGCONT')
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += chunk
  })
  child.stdin.write('report')
  await once(child, 'close')
  return JSON.parse(text)
}

const result = { runs, blockMs, calls: CALLS, limitMs: LIMIT_MS, breakers: {}, lost: {}, suspendS, stalls: {} }
const KINDS = { watchdog: true, control: false }
for (const kind of Object.keys(KINDS)) result.breakers[kind] = result.lost[kind] = 0
for (let i = 0; i < runs; i++) {
  for (const [kind, watchdog] of Object.entries(KINDS)) {
    const { isOpen, lost } = await blockedRun(watchdog)
    result.breakers[kind] += isOpen ? 1 : 0
    result.lost[kind] += lost
  }
}
await service.terminate()
// No signal suspends a process on Windows.
if (process.platform !== 'win32') {
  // The process is still in its block when it goes on, by the wall clock: the block's end lies after the suspension.
  for (const [kind, busyMs] of [
    ['idle', 0],
    ['within a block', suspendS * 1000 + 500],
  ]) {
    result.stalls[kind] = await suspendedRun(busyMs)
  }
}
if (values.json) console.log(JSON.stringify(result))
else {
  console.log(`${runs} blocks of ${blockMs} ms, ${CALLS} calls with a time limit of ${LIMIT_MS} ms open in each:`)
  for (const kind of Object.keys(KINDS)) {
    console.log(
      `  ${kind.padEnd(16)}${result.breakers[kind]} opened the breaker, ${result.lost[kind]} of ${runs * CALLS} calls were given up`,
    )
  }
  for (const [kind, stalls] of Object.entries(result.stalls)) {
    const each = stalls.map(
      ({ durationMs, suspendedMs }) => `${Math.round(durationMs)} ms, and suspended for ${Math.round(suspendedMs)} ms`,
    )
    console.log(`Suspended for ${suspendS} s, ${kind}: ${each.length === 0 ? 'no stall' : each.join('; ')}`)
  }
}
