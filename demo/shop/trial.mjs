// One run: the dependency, the shop behind one guard, and the planned traffic. Everything is noted, nothing judged.
import { setTimeout as sleep } from 'node:timers/promises'
import { nowMs } from '../http.mjs'
import { Part } from '../processes.mjs'
import { phaseOf } from './plan.mjs'

/** Time for the processes to get to their first timer, ms. */
const LEAD_MS = 300

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

  startedAt = nowMs() + LEAD_MS
  const done = load.last('done')
  load.send({ type: 'start', startedAt })
  const until = (atMs) => sleep(Math.max(0, startedAt + atMs - nowMs()))
  const script = async () => {
    const { fromMs, toMs } = phaseOf(plan, 'zombie')
    await until(fromMs)
    dependency.send({ type: 'state', state: 'zombie' })
    await until(toMs)
    dependency.send({ type: 'state', state: 'healthy' })
  }
  const watch = async () => {
    for (let second = 1; second * 1000 <= plan.runMs; second += 1) {
      await until(second * 1000)
      onSecond(second, notes)
    }
  }
  const [{ latestMs }] = await Promise.all([done, script(), watch()])
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
