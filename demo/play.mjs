// A run of a load generator, and what happens meanwhile.
import { setTimeout as sleep } from 'node:timers/promises'
import { nowMs } from './http.mjs'

/** Time for the processes to get to their first timer, ms. */
const LEAD_MS = 300

/**
 * Starts a load generator's run, and does the planned things meanwhile. Resolves to the generator's answer.
 *
 * @param {object} options
 * @param {import('../scripts/lib/worker-pool.mjs').WorkerProcess} options.load
 * @param {number} options.runMs
 * @param {{ atMs: number, do: () => unknown }[][]} options.scripts what happens when; each goes on by itself, one step after the other
 * @param {(second: number) => void} options.onSecond called once a second
 * @param {(startedAt: number) => void} options.onStart called with the start of the run, ms since the epoch
 */
export async function play({ load, runMs, scripts, onSecond, onStart }) {
  await load.ask('ready')
  const startedAt = nowMs() + LEAD_MS
  onStart(startedAt)
  const until = (atMs) => sleep(Math.max(0, startedAt + atMs - nowMs()))
  const act = async (script) => {
    for (const { atMs, do: perform } of script) {
      await until(atMs)
      await perform()
    }
  }
  const watch = async () => {
    for (let second = 1; second * 1000 <= runMs; second += 1) {
      await until(second * 1000)
      onSecond(second)
    }
  }
  const [answer] = await Promise.all([load.ask('play', { startedAt }), ...scripts.map(act), watch()])
  return answer
}
