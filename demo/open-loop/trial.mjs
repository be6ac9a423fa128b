// One run: a dependency, a service behind one of the guards, and the planned traffic. Everything noted, nothing judged.
import { WorkerProcess } from '../../scripts/lib/worker-pool.mjs'
import { play } from '../play.mjs'

const moduleOf = (name) => new URL(`./${name}.mjs`, import.meta.url)

/**
 * @param onSecond called once a second with the second and everything noted so far
 * @returns records of requests, samples of the guard, its transitions, what the dependency counted; times in ms from
 *   the start of the run
 */
export async function runTrial(guard, plan, onSecond) {
  const notes = { guard, records: [], samples: [], transitions: [], engine: undefined, counts: undefined }
  let startedAt = Number.POSITIVE_INFINITY
  const timed = ({ at, ...rest }) => ({ atMs: at - startedAt, ...rest })

  const dependency = new WorkerProcess(moduleOf('dependency'))
  const dependencyPort = await dependency.ask('listen')
  const service = new WorkerProcess(moduleOf('service'), {
    args: [guard, String(dependencyPort), JSON.stringify(plan)],
    on: {
      sample: (sample) => sample.at >= startedAt && notes.samples.push(timed(sample)),
      transition: (transition) => notes.transitions.push(timed(transition)),
    },
  })
  const { port, engine } = await service.ask('listen')
  notes.engine = engine
  const load = new WorkerProcess(moduleOf('load'), {
    args: [String(port), JSON.stringify(plan)],
    on: { records: (records) => notes.records.push(...records) },
  })

  await play({
    load,
    runMs: plan.runMs,
    scripts: [
      [
        { atMs: plan.illAtMs, do: () => dependency.ask('become', 'zombie') },
        { atMs: plan.healedAtMs, do: () => dependency.ask('become', 'healthy') },
      ],
    ],
    onSecond: (second) => onSecond(second, notes),
    onStart: (at) => {
      startedAt = at
    },
  })

  await service.ask('close')
  notes.counts = await dependency.ask('counts')
  await Promise.all([load, service, dependency].map((worker) => worker.end()))
  notes.records.sort((a, b) => a.atMs - b.atMs)
  return notes
}
