/** Measures the cost and the speed of sharing scars over Redis and PostgreSQL, with real servers: `npm run bench:cluster -- --help`. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { single } from '../../__test__/_redis/servers.mjs'
import { cliOf } from '../../scripts/lib/cli.mjs'
import { stopAll } from '../../scripts/lib/worker-pool.mjs'
import { machineOf } from '../lib/record.mjs'
import * as coldStart from './cold-start.mjs'
import * as control from './control.mjs'
import * as latency from './latency.mjs'
import * as postgres from './postgres.mjs'
import * as propagation from './propagation.mjs'
import * as reconnects from './reconnects.mjs'
import { judge, verdictTable } from './report.mjs'
import * as sustained from './sustained.mjs'

const PARTS = [propagation, latency, sustained, coldStart, reconnects, postgres, control]
const IDS = PARTS.map(({ id }) => id)

const USAGE = `Usage: npm run bench:cluster -- [options]

  --only <parts>    some of ${IDS.join(', ')}, separated by commas
  --trials <n>      of propagation, at least 200 (default 300)
  --rounds <n>      of latency, at least 5 (default 40)
  --cycles <n>      of reconnects, at least ${reconnects.A_DAY} (default 600)
  --save            write benches/record/cluster-<machine>.json
  --help            this text

Exits with 1 when a target is missed, or could not be measured.`

const {
  values: options,
  count,
  known,
} = cliOf(USAGE, {
  options: {
    only: { type: 'string' },
    trials: { type: 'string', default: '300' },
    rounds: { type: 'string', default: '40' },
    cycles: { type: 'string', default: '600' },
    save: { type: 'boolean', default: false },
  },
})
const counts = {
  trials: count('trials', 200),
  rounds: count('rounds', 5),
  cycles: count('cycles', reconnects.A_DAY),
}
const only = options.only && known('--only', options.only.split(','), IDS)
const chosen = only ? PARTS.filter(({ id }) => only.includes(id)) : PARTS

const results = {}
const verdicts = []
for (const { id, title, estimate, measure, targets } of chosen) {
  console.log(`${title}: ${estimate(counts)} …`)
  try {
    // A server of its own: what other runs have left behind is not measured.
    const redis = await single()
    try {
      results[id] = await measure({ single, redis, ...counts })
    } finally {
      await redis.stop()
    }
    verdicts.push(...targets(results[id]).map((wish) => judge(id, wish)))
  } catch (error) {
    console.error(`${id} could not be measured: ${error.message}`)
    process.exitCode = 1
  } finally {
    await stopAll()
  }
}

console.log(`\n${verdictTable(verdicts)}`)
if (verdicts.some(({ met }) => met === false)) process.exitCode = 1
if (options.save) {
  const machine = machineOf()
  const words = `cluster ${machine.platform} ${machine.arch} ${machine.cpu} ${machine.cpus}cpu node${machine.node.split('.')[0]}`
  const folder = new URL('../record/', import.meta.url)
  mkdirSync(folder, { recursive: true })
  const file = new URL(`${words.toLowerCase().replace(/[^a-z0-9]+/g, '-')}.json`, folder)
  writeFileSync(
    file,
    `${JSON.stringify({ at: new Date().toISOString(), machine, ...counts, results, verdicts }, null, 2)}\n`,
  )
  console.log(`written: ${file.pathname}`)
}
