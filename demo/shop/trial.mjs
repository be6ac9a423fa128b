// One run: the dependency, the shop behind one guard, and the planned traffic. Everything is noted, nothing judged.
import { WorkerProcess } from '../../scripts/lib/worker-pool.mjs'
import { play } from '../play.mjs'
import { phaseOf } from './plan.mjs'

const moduleOf = (name) => new URL(`./${name}.mjs`, import.meta.url)

/**
 * @param {string} guard id of the guard
 * @param {object} plan
 * @param {number} roundsPerMs rounds of hashing in a millisecond of this machine
 * @param {(second: number, notes: object) => void} onSecond called once a second with everything noted so far
 */
export async function runTrial(guard, plan, roundsPerMs, onSecond) {
  const notes = { guard, records: [], samples: [], engine: undefined, counts: undefined, latestMs: undefined }
  let startedAt = Number.POSITIVE_INFINITY

  const dependency = new WorkerProcess(moduleOf('dependency'))
  const dependencyPort = await dependency.ask('listen')
  const shop = new WorkerProcess(moduleOf('service'), {
    args: [guard, String(dependencyPort), String(roundsPerMs)],
    on: { sample: ({ at, ...sample }) => at >= startedAt && notes.samples.push({ atMs: at - startedAt, ...sample }) },
  })
  const { port, engine } = await shop.ask('listen')
  notes.engine = engine
  const load = new WorkerProcess(moduleOf('load'), {
    args: [String(port), JSON.stringify(plan)],
    on: { records: (records) => notes.records.push(...records) },
  })

  const { fromMs, toMs } = phaseOf(plan, 'zombie')
  const { latestMs } = await play({
    load,
    runMs: plan.runMs,
    scripts: [
      [
        { atMs: fromMs, do: () => dependency.ask('become', 'zombie') },
        { atMs: toMs, do: () => dependency.ask('become', 'healthy') },
      ],
    ],
    onSecond: (second) => onSecond(second, notes),
    onStart: (at) => {
      startedAt = at
    },
  })
  notes.latestMs = latestMs

  await shop.ask('close')
  notes.counts = await dependency.ask('counts')
  await Promise.all([load, shop, dependency].map((worker) => worker.end()))
  notes.records.sort((a, b) => a.atMs - b.atMs)
  return notes
}
