// One run: the dependency, the shop behind one guard, and the planned traffic. Everything is noted, nothing judged.
import { Part, play } from '../processes.mjs'
import { phaseOf } from './plan.mjs'

/**
 * @param {string} guard id of the guard
 * @param {object} plan
 * @param {number} roundsPerMs rounds of hashing in a millisecond of this machine
 * @param {(second: number, notes: object) => void} onSecond called once a second with everything noted so far
 */
export async function runTrial(guard, plan, roundsPerMs, onSecond) {
  const notes = { guard, records: [], samples: [], engine: undefined, counts: undefined, latestMs: undefined }
  let startedAt = Number.POSITIVE_INFINITY

  const dependency = new Part('./shop/dependency.mjs', [])
  const { port: dependencyPort } = await dependency.when('ready')
  const shop = new Part('./shop/service.mjs', [guard, String(dependencyPort), String(roundsPerMs)], {
    sample: ({ type: _, at, ...sample }) => at >= startedAt && notes.samples.push({ atMs: at - startedAt, ...sample }),
  })
  const { port, engine } = await shop.when('ready')
  notes.engine = engine
  const load = new Part('./shop/load.mjs', [String(port), JSON.stringify(plan)], {
    records: ({ records }) => notes.records.push(...records),
  })
  await load.when('ready')

  const { fromMs, toMs } = phaseOf(plan, 'zombie')
  const { latestMs } = await play({
    load,
    runMs: plan.runMs,
    script: [
      { atMs: fromMs, do: () => dependency.send({ type: 'state', state: 'zombie' }) },
      { atMs: toMs, do: () => dependency.send({ type: 'state', state: 'healthy' }) },
    ],
    onSecond: (second) => onSecond(second, notes),
    onStart: (at) => {
      startedAt = at
    },
  })
  notes.latestMs = latestMs

  const stopped = shop.last('stopped')
  shop.send({ type: 'stop' })
  await stopped
  const counted = dependency.last('counts')
  dependency.send({ type: 'stop' })
  const { type: _, ...counts } = await counted
  notes.counts = counts
  notes.records.sort((a, b) => a.atMs - b.atMs)
  return notes
}
