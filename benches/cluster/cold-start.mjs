/** A node that starts: how long it takes over what 100,000 routes suffered, and how long its event loop is held up by that. */

import { WorkerProcess } from '../../scripts/lib/worker-pool.mjs'
import { summaryOf } from '../lib/statistics.mjs'

const NODE = new URL('./cold-start.node.mjs', import.meta.url)

const ROUTES = 100_000
const STARTS = 5

export const id = 'cold-start'
export const title = `${ROUTES.toLocaleString('en')} routes loaded at start`
export const estimate = () => `${STARTS} starts, 20 s`

export async function measure({ redis }) {
  const writer = new WorkerProcess(NODE)
  await writer.ask('write', { url: redis.url, routes: ROUTES })
  await writer.stop()
  const starts = []
  for (let i = 0; i < STARTS; i++) {
    const starter = new WorkerProcess(NODE)
    starts.push(await starter.ask('start', { url: redis.url, routes: ROUTES }))
    await starter.stop()
  }
  const connects = starts.map(({ connectMs }) => connectMs)
  return {
    routes: ROUTES,
    starts,
    medianMs: summaryOf(connects).median,
    longestMs: Math.max(...connects),
    stallMs: Math.max(...starts.map(({ stallMs }) => stallMs)),
  }
}

export const targets = ({ medianMs, longestMs, stallMs }) => [
  { row: `connect(), median of ${STARTS}`, unit: 'ms', measured: medianMs, limit: 2000 },
  { row: `connect(), longest of ${STARTS}`, unit: 'ms', measured: longestMs, limit: 2000 },
  { row: 'longest stall of the event loop meanwhile', unit: 'ms', measured: stallMs },
]
