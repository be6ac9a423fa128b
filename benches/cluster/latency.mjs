/**
 * Measures the cost of a decision while Redis is well, paused and dead, beside no provider at all. Each state has a process and a server of
 * its own, so that they can take turns, a short block each, round after round; and one more node keeps the network's threads at
 * work and reports the same routes, so that the reports of others have their part in every decision.
 *
 * Where a process happens to have its memory makes a few percent for as long as it lives. So all are started anew a few times,
 * and a second process without a provider shows how far two that are alike lie apart.
 */

import { WorkerProcess } from '../../scripts/lib/worker-pool.mjs'
import { summaryOf } from '../lib/statistics.mjs'
import { sleep } from './telemetry.mjs'

const NODE = new URL('./latency.node.mjs', import.meta.url)

const STATES = ['none', 'control', 'healthy', 'paused', 'dead']
const CALLS = ['route', 'permit']
const NAMES = { route: 'route()', permit: 'acquire() + release()' }
const TITLES = {
  control: 'no provider again',
  healthy: 'Redis healthy',
  paused: 'Redis paused',
  dead: 'Redis dead',
}
const GENERATIONS = 5
/** The changes of the other node in a round. */
const CHATTER_ROUTES = 1000
/** Until a node has noticed what became of its server. */
const NOTICED_MS = 4000
const MOST = 1.1

export const id = 'latency'
export const title = 'decisions with Redis healthy, paused, dead'
export const estimate = ({ rounds }) => `${rounds} rounds, ${Math.round(rounds * 1.0) + GENERATIONS * 7} s`

/** @returns ns, and ratios to no provider, by call and state */
export async function measure({ single, rounds }) {
  const turns = []
  for (let i = 0; i < GENERATIONS; i++) {
    turns.push(...(await measureGeneration(single, Math.ceil(rounds / GENERATIONS))))
  }
  return { rounds: turns.length, calls: Object.fromEntries(CALLS.map((call) => [call, resultOf(call, turns)])) }
}

async function measureGeneration(single, rounds) {
  const [healthy, paused, dead] = await Promise.all([single(), single(), single()])
  const servers = { healthy, paused, dead }
  const nodes = Object.fromEntries(STATES.map((state) => [state, new WorkerProcess(NODE)]))
  const chatter = new WorkerProcess(NODE)
  try {
    await chatter.ask('chat', { url: healthy.url, routes: CHATTER_ROUTES })
    await Promise.all(STATES.map((state) => nodes[state].ask('join', { url: servers[state]?.url })))
    paused.pause()
    await dead.kill()
    await sleep(NOTICED_MS)
    const links = await Promise.all(['healthy', 'paused', 'dead'].map((state) => nodes[state].ask('link')))
    if (links.join() !== 'healthy,degraded,degraded') throw new Error(`the links are not what they should be: ${links}`)
    const turns = []
    for (let round = 0; round < rounds; round++) {
      const turn = {}
      // Not always in the same order: the one that comes first after a pause has cold caches.
      for (let i = 0; i < STATES.length; i++) {
        const state = STATES[(i + round) % STATES.length]
        turn[state] = await nodes[state].ask('turn', { calls: CALLS })
      }
      turns.push(turn)
    }
    return turns
  } finally {
    paused.resume()
    await Promise.all([...Object.values(nodes), chatter].map((node) => node.stop()))
    await Promise.all([healthy.stop(), paused.stop(), dead.stop()])
  }
}

/** Medians over the rounds; a ratio is taken within a round, so that what else the machine does hits both alike. */
const resultOf = (call, turns) =>
  Object.fromEntries(
    STATES.map((state) => {
      const of = (key) => summaryOf(turns.map((turn) => turn[state][call][key])).median
      const ratio = (key) => summaryOf(turns.map((turn) => turn[state][call][key] / turn.none[call][key])).median
      return [state, { medianNs: of('median'), p99Ns: of('p99'), medianRatio: ratio('median'), p99Ratio: ratio('p99') }]
    }),
  )

export const targets = ({ calls }) =>
  CALLS.flatMap((call) =>
    STATES.slice(1).flatMap((state) => {
      const { medianNs, p99Ns, medianRatio, p99Ratio } = calls[call][state]
      const base = calls[call].none
      const row = (what, ratio, ns, baseNs) => ({
        row: `${NAMES[call]}, ${what}, ${TITLES[state]}`,
        unit: `× no provider (${Math.round(ns)} to ${Math.round(baseNs)} ns)`,
        measured: ratio,
        ...(state !== 'control' && { limit: MOST }),
      })
      return [row('median', medianRatio, medianNs, base.medianNs), row('99th percentile', p99Ratio, p99Ns, base.p99Ns)]
    }),
  )
