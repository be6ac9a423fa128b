/** Measures the time from the tick that made a scar until the others' resistance reflects it. */

import { WorkerProcess } from '../../scripts/lib/worker-pool.mjs'
import { quantileOf } from '../lib/statistics.mjs'
import { sleep } from './telemetry.mjs'

const NODE = new URL('./propagation.node.mjs', import.meta.url)

const INTERVAL_MS = 100
/** From one trial to the next: any phase of a node's sync loop is as likely as another. */
const gapMs = () => 40 + 100 * Math.random()

export const id = 'propagation'
export const title = 'from a scar on A to R on B and C'
export const estimate = ({ trials }) => `${trials} trials, ${Math.round(trials * 0.09) + 8} s`

/** One trial: the intervals from the scar to the others, which look before it is there. */
async function intervalsOf(first, others, trial) {
  await Promise.all(others.map((node) => node.ask('watch', { trial })))
  const at = await first.ask('scar', { trial })
  const times = await Promise.all(others.map((node) => node.ask('seen', { trial })))
  return times.map((time) => (time - at) / INTERVAL_MS)
}

/** @returns intervals, for each trial on each of the two others */
export async function measure({ redis, trials }) {
  const nodes = ['A', 'B', 'C'].map(() => new WorkerProcess(NODE))
  const [first, ...others] = nodes
  await Promise.all(nodes.map((node) => node.ask('join', { url: redis.url, trials })))
  // Until every node has sent everything, and nodes without news are silent.
  await Promise.all(nodes.map((node) => node.ask('settle', { others: others.length })))
  const pending = []
  for (let trial = 0; trial < trials; trial++) {
    pending.push(intervalsOf(first, others, trial))
    await sleep(gapMs())
  }
  const intervals = (await Promise.all(pending)).flat().sort((a, b) => a - b)
  await Promise.all(nodes.map((node) => node.stop()))
  return {
    trials,
    samples: intervals.length,
    median: quantileOf(intervals, 0.5),
    p99: quantileOf(intervals, 0.99),
    longest: intervals.at(-1),
  }
}

export const targets = ({ median, p99 }) => [
  { row: 'propagation, median', unit: 'intervals', measured: median, limit: 2 },
  { row: 'propagation, 99th percentile', unit: 'intervals', measured: p99, limit: 4 },
]
