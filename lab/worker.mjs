// One thread of the arena: performs tasks, answers with figures. A thread plays one run at a time, since a run may
// replace the thread's own timers.
import { workerData } from 'node:worker_threads'
import { serve } from '../scripts/lib/duties.mjs'
import { CEILINGS } from './contestants/ceiling.mjs'
import { entrantById, invite } from './contestants/index.mjs'
import { none } from './contestants/none.mjs'
import { nominalInFlightOf } from './driver/plants.mjs'
import { run } from './driver/run.mjs'
import { keyOf } from './grid/cells.mjs'
import { figuresOf, referenceOf } from './grid/play.mjs'
import { judge, METRICS, summarize, windowOf } from './metrics/metrics.mjs'
import { seriesOf } from './metrics/series.mjs'
import { Reference, RunView } from './metrics/window.mjs'
import { scenarioByName } from './scenarios/index.mjs'

// Refusals by exception are the rule in an overload; their stack traces would be most of the work.
Error.stackTraceLimit = 0

await invite(workerData.guests)

serve({
  /** The figures of a run, or the problem that broke it. */
  perform: async (task) => {
    try {
      return { result: await figuresOfRun(task) }
    } catch (error) {
      return { error: `${error.message} (${task.contestant} in ${task.scenario ?? keyOf(task.cell)})` }
    }
  },
})

async function figuresOfRun({ scenario: name, cell, contestant: id, seed }) {
  if (cell !== undefined) {
    return { reference: await referenceOf(cell, seed), figures: await figuresOf(cell, entrantById(id), seed) }
  }
  const scenario = scenarioByName(name)
  const entrant = entrantById(id)
  const best = await (entrant.variants === undefined ? play : search)(scenario, entrant, seed)
  const { view, settings, title, state } = best
  // Plots are of those that compete.
  const series = entrant.control === true || entrant.reference === true ? undefined : seriesOf(view)
  return { name: title, settings, state, figures: summarize(view), targets: judge(view, id), series }
}

async function play(scenario, entrant, seed) {
  const references = scenario.byReference === true ? await referencesOf(scenario, seed) : []
  const { log, settings, name, state } = await run(scenario, entrant, seed)
  return { view: new RunView(scenario, log, references), settings, title: name, state }
}

/** The runs that this thread has made of the ceiling's contestants, by scenario. */
const played = new Map()

/** The references: the waiting rooms that know the servers, and no guard at all. */
async function referencesOf(scenario, seed) {
  if (!played.has(scenario.name)) {
    const views = []
    for (const entrant of [none, ...CEILINGS]) {
      views.push(new Reference(new RunView(scenario, (await run(scenario, entrant, seed)).log)))
    }
    played.set(scenario.name, views)
  }
  return played.get(scenario.name)
}

/** The variant with the highest goodput in the scenario; of equals, the one with the shortest p99. */
async function search(scenario, entrant, seed) {
  const window = windowOf(scenario, scenario.score?.window)
  const tried = []
  let best = null
  for (const variant of entrant.variants(nominalInFlightOf(scenario.plant))) {
    const played = await play(scenario, variant, seed)
    tried.push(played.settings)
    const goodput = METRICS.goodput(played.view, window)
    const p99Ms = METRICS.p99Ms(played.view, window, {})
    if (best === null || goodput > best.goodput + 0.002 || (goodput > best.goodput - 0.002 && p99Ms < best.p99Ms)) {
      best = { ...played, goodput, p99Ms }
    }
  }
  best.settings = { ...best.settings, tried: tried.length }
  return best
}
