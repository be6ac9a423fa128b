// One thread of the crew: takes tasks, answers with figures. A thread plays one run at a time, since a run may
// replace the thread's own timers.
import { parentPort, workerData } from 'node:worker_threads'
import { entrantById, invite } from './contestants/index.mjs'
import { bestFixed } from './contestants/limit.mjs'
import { run } from './driver/run.mjs'
import { keyOf } from './grid/cells.mjs'
import { figuresOf, referenceOf } from './grid/play.mjs'
import { judge, METRICS, summarize, windowOf } from './metrics/metrics.mjs'
import { seriesOf } from './metrics/series.mjs'
import { RunView } from './metrics/window.mjs'
import { scenarioByName } from './scenarios/index.mjs'

// Refusals by exception are the rule in an overload; their stack traces would be most of the work.
Error.stackTraceLimit = 0

await invite(workerData.guests)

parentPort.on('message', async (task) => {
  try {
    parentPort.postMessage({ task, result: await perform(task) })
  } catch (error) {
    parentPort.postMessage({
      task,
      error: `${error.message} (${task.contestant} in ${task.scenario ?? keyOf(task.cell)})`,
    })
  }
})

async function perform({ scenario: name, cell, contestant: id, seed }) {
  if (cell !== undefined) {
    return { reference: await referenceOf(cell, seed), figures: await figuresOf(cell, entrantById(id), seed) }
  }
  const scenario = scenarioByName(name)
  const best = id === bestFixed.id ? await search(scenario, seed) : await play(scenario, entrantById(id), seed)
  const { view, settings, title, state } = best
  return { name: title, settings, state, figures: summarize(view), wanted: judge(view), series: seriesOf(view) }
}

async function play(scenario, entrant, seed) {
  const { log, settings, name, state } = await run(scenario, entrant, seed)
  return { view: new RunView(scenario, log), settings, title: name, state }
}

/** The limit with the highest goodput in the scenario; of equals, the one with the shortest p99. */
async function search(scenario, seed) {
  const limits = [...new Set(bestFixed.candidates(scenario.plant))]
  const window = windowOf(scenario, scenario.score?.window)
  let best = null
  for (const limit of limits) {
    const played = await play(scenario, bestFixed.withLimit(limit), seed)
    const goodput = METRICS.goodput(played.view, window)
    const p99Ms = METRICS.p99Ms(played.view, window, {})
    if (best === null || goodput > best.goodput + 0.002 || (goodput > best.goodput - 0.002 && p99Ms < best.p99Ms)) {
      best = { ...played, goodput, p99Ms }
    }
  }
  best.settings = { ...best.settings, triedLimits: limits }
  return best
}
