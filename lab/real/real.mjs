// The arena on a real plant: a node:http server in its own process, its clients in another, over loopback.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { steps } from '../driver/curve.mjs'
import { judge, summarize } from '../metrics/metrics.mjs'
import { seriesOf } from '../metrics/series.mjs'
import { RunView } from '../metrics/window.mjs'
import * as want from '../scenarios/wanted.mjs'
import { REAL_CONTESTANTS, realById } from './guards.mjs'
import { roundsFor } from './work.mjs'

const LOADS = [
  [0, 0.5],
  [1.5, 3],
]
const DURATION_S = 8.5
const OVERLOAD_S = [2.5, 8.5]

const PLANTS = {
  cpu: { kind: 'cpu', serviceMs: 2, deadlineMs: 200 },
  pool: { kind: 'pool', serviceMs: 16, workers: 8, deadlineMs: 200 },
}

const scenario = (plant, pooled) => ({
  name: `real-${plant}-${pooled ? 'pooled' : 'connect'}`,
  shows: `node:http ${plant === 'cpu' ? 'hashing for 2 ms' : 'before a pool of 8 workers of 16 ms'}, at three times its capacity, ${pooled ? 'over 400 open connections' : 'with a new connection for every request'}`,
  overload: true,
  pooled,
  plant: PLANTS[plant],
  traffic: [{ load: steps(...LOADS) }],
  durationS: DURATION_S,
  windows: { overload: OVERLOAD_S },
  score: { window: 'overload' },
  wanted: [want.goodput(pooled ? 0.95 : 0.85, 'overload'), want.success('critical', 0.99, 'overload')],
})

export const REAL_SCENARIOS = [
  scenario('cpu', true),
  scenario('cpu', false),
  scenario('pool', true),
  scenario('pool', false),
]

/** A run's log, whose ceiling is what the plant was measured to do, less what refusing the rest costs. */
export class RealView extends RunView {
  #measured

  /** @param {{ capacityPerS: number, rejectCost: number }} measured */
  constructor(scenarioPlayed, log, measured) {
    super(scenarioPlayed, log)
    this.#measured = measured
  }

  ceilingIn(fromMs, toMs) {
    const { capacityPerS, rejectCost } = this.#measured
    const capacity = (capacityPerS * (toMs - fromMs)) / 1000
    const offered = this.requestsIn(fromMs, toMs)
    if (offered <= capacity) return offered
    return Math.max(0, (capacity - rejectCost * offered) / (1 - rejectCost))
  }
}

/** A child process that answers one message with one message. */
export function child(module) {
  const process = fork(new URL(module, import.meta.url), {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  return {
    async ask(message) {
      process.send(message)
      const controller = new AbortController()
      const died = once(process, 'exit', { signal: controller.signal }).then(([code]) => {
        throw new Error(`${module} ended with ${code}`)
      })
      died.catch(() => {})
      try {
        const [answer] = await Promise.race([once(process, 'message', { signal: controller.signal }), died])
        return answer
      } finally {
        controller.abort()
      }
    },
    async end() {
      if (process.exitCode !== null) return
      const gone = once(process, 'exit')
      if (process.connected) process.disconnect()
      await gone
    },
  }
}

/** One contestant before one plant, and one task for its clients. */
async function meet(contestant, plant, capacityPerS, task) {
  const server = child('./server.mjs')
  const clients = child('./generator.mjs')
  try {
    const { port, name, settings } = await server.ask({ contestant, plant, capacityPerS })
    const answer = await clients.ask({ ...task, port })
    return { name, settings, ...answer, drawn: await server.ask('drawn') }
  } finally {
    await Promise.all([clients.end(), server.end()])
  }
}

/** More than this between the capacity before a scenario and after it, and something else was at work on the machine. */
const DISTURBED = 0.15

/** What the plant does alone, and what a refusal costs as a share of a service; the best of some tries each. */
async function measure(plant, pooled, tries) {
  // A pool's work leaves the loop idle: its capacity is known, and refusing takes nothing from it.
  if (plant.kind === 'pool') return { capacityPerS: (plant.workers * 1000) / plant.serviceMs, rejectCost: 0 }
  const best = async (id) => {
    let perS = 0
    for (let i = 0; i < tries; i += 1) {
      perS = Math.max(perS, (await meet(id, plant, 1, { kind: 'closed', pooled, seconds: 1 })).perS)
    }
    return perS
  }
  const capacityPerS = await best('none')
  return { capacityPerS, rejectCost: capacityPerS / (await best('always-refuses')) }
}

/** The capacity that a run had: a pool's by the service times that it drew, so that luck is nobody's merit. */
function capacityThen(plant, measured, drawn) {
  if (plant.kind === 'cpu') return measured
  return { ...measured, capacityPerS: (plant.workers * 1000 * drawn.count) / drawn.sumMs }
}

function viewOf(played, { length, columns }, measured) {
  const NEVER = new Float64Array(length).fill(Number.NaN)
  const log = {
    ...columns,
    length,
    startedMs: NEVER,
    attempt: new Uint8Array(length),
    root: Uint32Array.from({ length }, (_, i) => i),
    work: new Float32Array(length),
  }
  return new RealView(played, log, measured)
}

/**
 * Plays real scenarios, one run at a time: two processes share the machine as it is.
 * @param {{ scenarios: object[], ids: string[], seed: number, onProgress: (done: number, total: number, task: object) => void }} options
 * @returns {Promise<{ rows: object[], broken: { error: string }[], disturbed: string[] }>} rows as the virtual
 *   arena's; `disturbed`: scenarios during which the machine was not the same throughout
 */
export async function playReal({ scenarios, ids, seed, onProgress }) {
  const rounds = roundsFor(PLANTS.cpu.serviceMs)
  const rows = []
  const broken = []
  const disturbed = []
  const total = scenarios.length * ids.length
  let done = 0
  for (const played of scenarios) {
    const plant = { ...played.plant, rounds }
    const { pooled } = played
    const measured = await measure(plant, pooled, 2)
    const results = {}
    for (const id of ids) {
      const task = { kind: 'open', pooled, loads: LOADS, durationS: DURATION_S, deadlineMs: plant.deadlineMs, seed }
      const { capacityPerS } = measured
      try {
        const answer = await meet(id, plant, capacityPerS, { ...task, capacityPerS })
        const view = viewOf(played, answer, capacityThen(plant, measured, answer.drawn))
        const figures = { ...summarize(view), generatorLagMs: answer.latestMs }
        results[id] = {
          name: answer.name,
          settings: answer.settings,
          figures,
          wanted: judge(view),
          series: seriesOf(view),
        }
      } catch (error) {
        broken.push({ error: `${played.name} × ${id}: ${error.stack}` })
      }
      done += 1
      onProgress(done, total, { scenario: played.name, contestant: id })
    }
    const after = await measure(plant, pooled, 1)
    const drift = Math.abs(after.capacityPerS / measured.capacityPerS - 1)
    if (drift > DISTURBED) disturbed.push(`${played.name}: ${describe(measured)} before, ${describe(after)} after`)
    const { name, shows, overload, durationS, windows } = played
    rows.push({
      scenario: name,
      shows: `${shows}; measured: ${describe(measured)}`,
      overload,
      durationS,
      windows,
      measured,
      results,
    })
  }
  return { rows, broken, disturbed }
}

const describe = ({ capacityPerS, rejectCost }) =>
  `${capacityPerS.toFixed(0)} answers a second, a refusal costs ${(100 * rejectCost).toFixed(1)} % of a service`

export { REAL_CONTESTANTS, realById }
