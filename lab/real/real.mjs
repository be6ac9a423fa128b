// The arena on a real plant: a node:http server in its own process, its clients in another, over loopback.
import { WorkerProcess } from '../../scripts/lib/worker-pool.mjs'
import { OUTCOME } from '../driver/log.mjs'
import { judge, summarize } from '../metrics/metrics.mjs'
import { seriesOf } from '../metrics/series.mjs'
import { RunView } from '../metrics/window.mjs'
import * as want from '../scenarios/targets.mjs'
import { EVERYDAY_SCENARIOS } from './everyday.mjs'
import { REAL_CONTESTANTS } from './guards.mjs'
import { startPostgres } from './postgres.mjs'
import { roundsFor } from './work.mjs'

/** The module of a server's process. */
export const SERVER = new URL('./server.mjs', import.meta.url)
const CLIENTS = new URL('./generator.mjs', import.meta.url)

const LOADS = [
  [0, 0.5],
  [1.5, 3],
]
const DURATION_S = 7
const OVERLOAD_S = [2.5, 7]

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
  flows: [{ loads: LOADS }],
  durationS: DURATION_S,
  windows: { overload: OVERLOAD_S },
  score: { window: 'overload' },
  targets: [want.goodput(pooled ? 0.95 : 0.85, 'overload'), want.success('critical', 0.99, 'overload')],
})

export const REAL_SCENARIOS = [
  scenario('cpu', true),
  scenario('cpu', false),
  scenario('pool', true),
  scenario('pool', false),
  ...EVERYDAY_SCENARIOS,
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

/** One contestant before one plant, and one task for its clients. */
async function meet(contestant, { plant, cluster, servers = 1 }, capacityPerS, { kind, ...task }) {
  const processes = Array.from({ length: servers }, () => new WorkerProcess(SERVER))
  const clients = new WorkerProcess(CLIENTS)
  try {
    const share = { contestant, plant, capacityPerS: capacityPerS / servers, cluster }
    const listening = await Promise.all(processes.map((server) => server.ask('listen', share)))
    const answer = await clients.ask(kind, { ...task, ports: listening.map(({ port }) => port) })
    const [{ name, settings }] = listening
    return { name, settings, ...answer, drawn: await processes[0].ask('drawn') }
  } finally {
    await Promise.all([clients, ...processes].map((process) => process.end()))
  }
}

/** More than this between the capacity before a scenario and after it, and something else was at work on the machine. */
const DISTURBED = 0.15

/** Clients that were later than this share of the deadline with a request did not play what was asked of them. */
const BELATED = 0.5

/** Measures the throughput of the plant alone, and the cost of a refusal as a share of a service; the best of some tries each. */
async function measure(played, tries) {
  const { plant, pooled } = played
  // Arrivals a second are given where nothing is scarce.
  if (played.perS !== undefined) return { capacityPerS: Number.POSITIVE_INFINITY, rejectCost: 0 }
  // Work of timers leaves the loop idle: its capacity is known, and refusing takes nothing from it.
  if (plant.workers !== undefined && plant.connection === undefined) {
    return { capacityPerS: (plant.workers * 1000) / plant.serviceMs + (plant.quietPerS ?? 0), rejectCost: 0 }
  }
  const best = async (id) => {
    let perS = 0
    for (let i = 0; i < tries; i += 1) {
      perS = Math.max(perS, (await meet(id, played, 1, { kind: 'closed', pooled, seconds: 1 })).perS)
    }
    return perS
  }
  const capacityPerS = await best('none')
  if (plant.kind !== 'cpu') return { capacityPerS, rejectCost: 0 }
  return { capacityPerS, rejectCost: capacityPerS / (await best('always-refuses')) }
}

/** The capacity that a run had: a pool's by the service times that it drew, so that luck does not count. */
function capacityThen(plant, measured, drawn) {
  if (plant.kind !== 'pool') return measured
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
  const partners = ({ contestants }) => ids.filter((id) => contestants?.includes(id) ?? true)
  const total = scenarios.reduce((sum, played) => sum + partners(played).length, 0)
  const answer = { rows: [], broken: [], disturbed: [] }
  let done = 0
  const progress = (played, id) => {
    done += 1
    onProgress(done, total, { scenario: played.name, contestant: id })
  }
  const database = scenarios.some(({ plant }) => plant.kind === 'postgres') ? await startPostgres() : undefined
  try {
    for (const scenario of scenarios) {
      const plant = { ...scenario.plant, rounds }
      if (plant.kind === 'postgres') plant.connection = database.connection
      await play({ ...scenario, plant }, partners(scenario), seed, answer, progress)
    }
  } finally {
    await database?.end()
  }
  return answer
}

/** One scenario, against some contestants; what came of it is added to the answer. */
async function play(played, ids, seed, { rows, broken, disturbed }, progress) {
  const { plant, name, shows, overload, durationS, windows, connections } = played
  const before = await measure(played, 2)
  const { capacityPerS } = before
  const results = {}
  let measured = before
  // Clients that do not back off are played in the same minute for all guards: none goes first.
  const inOrder = connections === undefined ? ids : ids.toSorted((a, b) => (b === 'none') - (a === 'none'))
  for (const id of inOrder) {
    try {
      const answer = await meet(id, played, capacityPerS, taskOf(played, played.perS ?? capacityPerS, seed))
      if (connections !== undefined && id === 'none')
        measured = { capacityPerS: answeredPerS(played, answer), rejectCost: 0 }
      const view = viewOf(played, answer, capacityThen(plant, measured, answer.drawn))
      const figures = { ...summarize(view), generatorLagMs: answer.latestMs }
      if (answer.latestMs > BELATED * plant.deadlineMs) {
        disturbed.push(`${name} × ${id}: clients were up to ${answer.latestMs.toFixed(0)} ms late with a request`)
      }
      const { settings } = answer
      results[id] = { name: answer.name, settings, figures, targets: judge(view), series: seriesOf(view) }
    } catch (error) {
      broken.push({ error: `${name} × ${id}: ${error.stack}` })
    }
    progress(played, id)
  }
  const after = await measure(played, 1)
  const drift = after.capacityPerS / capacityPerS - 1
  if (Math.abs(drift) > DISTURBED) disturbed.push(`${name}: ${describe(before)} before, ${describe(after)} after`)
  const measuredText = `${shows}; measured: ${describe(measured)}`
  rows.push({ scenario: name, shows: measuredText, overload, durationS, windows, measured, results })
}

/** Good answers a second in the scored window, however late. */
function answeredPerS(
  {
    windows: {
      scored: [fromS, toS],
    },
  },
  { length, columns: { endedMs, outcome } },
) {
  let count = 0
  for (let i = 0; i < length; i += 1) {
    if (outcome[i] === OUTCOME.success && endedMs[i] >= fromS * 1000 && endedMs[i] < toS * 1000) count += 1
  }
  return count / (toS - fromS)
}

/** The loads that the clients are to make. */
function taskOf({ pooled, flows, connections, paths, durationS, plant: { deadlineMs } }, capacityPerS, seed) {
  if (connections !== undefined) return { kind: 'impatient', connections, durationS, deadlineMs }
  return { kind: 'open', pooled, flows, paths, capacityPerS, durationS, deadlineMs, seed }
}

const describe = ({ capacityPerS, rejectCost }) =>
  Number.isFinite(capacityPerS)
    ? `${capacityPerS.toFixed(0)} answers a second, a refusal costs ${(100 * rejectCost).toFixed(1)} % of a service`
    : 'as many answers as requests'

export { REAL_CONTESTANTS }
