/**
 * What a decision costs while Redis is well, paused and dead, beside no provider at all. Each state has a process and a server of
 * its own, so that they can take turns, a short block each, round after round; and there is always one more node that keeps the
 * network's threads at work.
 */
import { summaryOf } from '../lib/statistics.mjs'
import { Node } from './crew.mjs'
import { sleep } from './telemetry.mjs'

const STATES = ['none', 'healthy', 'paused', 'dead']
const CALLS = ['route', 'permit']
const NAMES = { route: 'route()', permit: 'acquire() + release()' }
/** What the other node changes in a pulse. */
const CHATTER_ROUTES = 1000
/** Until a node has noticed what became of its server. */
const NOTICED_MS = 4000

export const id = 'latency'
export const title = 'decisions with Redis healthy, paused, dead'
export const estimate = ({ rounds }) => `${rounds} rounds, ${Math.round(rounds * 0.72) + 15} s`

/** @returns ns, and ratios to no provider, by call and state */
export async function measure({ single, redis, rounds }) {
  const [paused, dead] = await Promise.all([single(), single()])
  const servers = { healthy: redis, paused, dead }
  const nodes = Object.fromEntries(STATES.map((state) => [state, new Node('./latency.node.mjs')]))
  const chatter = new Node('./latency.node.mjs')
  try {
    await chatter.ask('chat', { url: redis.url, routes: CHATTER_ROUTES })
    await Promise.all(STATES.map((state) => nodes[state].ask('join', { url: servers[state]?.url })))
    paused.pause()
    await dead.kill()
    await sleep(NOTICED_MS)
    const links = Object.fromEntries(
      await Promise.all(STATES.map(async (state) => [state, await nodes[state].ask('link')])),
    )
    if (links.healthy !== 'healthy' || links.paused !== 'degraded' || links.dead !== 'degraded') {
      throw new Error(`the links are not what they should be: ${JSON.stringify(links)}`)
    }
    const turns = []
    for (let round = 0; round < rounds; round++) {
      const turn = {}
      // Not always in the same order: whoever comes first after a pause has cold caches.
      for (let i = 0; i < STATES.length; i++) {
        const state = STATES[(i + round) % STATES.length]
        turn[state] = await nodes[state].ask('turn', { calls: CALLS })
      }
      turns.push(turn)
    }
    return { rounds, calls: Object.fromEntries(CALLS.map((call) => [call, resultOf(call, turns)])) }
  } finally {
    paused.resume()
    await Promise.all([...Object.values(nodes), chatter].map((node) => node.stop()))
    await Promise.all([paused.stop(), dead.stop()])
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

export const wanted = ({ calls }) =>
  CALLS.flatMap((call) =>
    STATES.slice(1).flatMap((state) => {
      const { medianNs, p99Ns, medianRatio, p99Ratio } = calls[call][state]
      const base = calls[call].none
      const row = (what, ratio, ns, baseNs) => ({
        row: `${NAMES[call]}, ${what}, Redis ${state}`,
        unit: `× no provider (${Math.round(ns)} ÷ ${Math.round(baseNs)} ns)`,
        measured: ratio,
        limit: 1.1,
      })
      return [row('median', medianRatio, medianNs, base.medianNs), row('99th percentile', p99Ratio, p99Ns, base.p99Ns)]
    }),
  )
