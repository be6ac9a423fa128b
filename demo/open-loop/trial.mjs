// One run: a dependency, a service behind one of the guards, and the planned traffic. Everything noted, nothing judged.
import { Part, play } from '../processes.mjs'

/**
 * @param onSecond called once a second with the second and everything noted so far
 * @returns records of requests, samples of the guard, its transitions, what the dependency counted; times in ms from
 *   the start of the run
 */
export async function runTrial(guard, plan, onSecond) {
  const notes = { guard, records: [], samples: [], transitions: [], engine: undefined, counts: undefined }
  let startedAt = Number.POSITIVE_INFINITY
  const timed = ({ type: _, at, ...rest }) => ({ atMs: at - startedAt, ...rest })

  const dependency = new Part('./open-loop/dependency.mjs', [])
  const { port: dependencyPort } = await dependency.when('ready')
  const service = new Part('./open-loop/service.mjs', [guard, String(dependencyPort), JSON.stringify(plan)], {
    sample: (message) => message.at >= startedAt && notes.samples.push(timed(message)),
    transition: (message) => notes.transitions.push(timed(message)),
  })
  const { port, engine } = await service.when('ready')
  notes.engine = engine
  const load = new Part('./open-loop/load.mjs', [String(port), JSON.stringify(plan)], {
    records: ({ records }) => notes.records.push(...records),
  })
  await load.when('ready')

  await play({
    load,
    runMs: plan.runMs,
    script: [
      { atMs: plan.illAtMs, do: () => dependency.send({ type: 'state', state: 'zombie' }) },
      { atMs: plan.healedAtMs, do: () => dependency.send({ type: 'state', state: 'healthy' }) },
    ],
    onSecond: (second) => onSecond(second, notes),
    onStart: (at) => {
      startedAt = at
    },
  })

  const stopped = service.last('stopped')
  service.send({ type: 'stop' })
  await stopped
  const counted = dependency.last('counts')
  dependency.send({ type: 'stop' })
  const { type: _, ...counts } = await counted
  notes.counts = counts
  notes.records.sort((a, b) => a.atMs - b.atMs)
  return notes
}
