import { performAll } from '../scripts/lib/worker-pool.mjs'

const WORKER = new URL('./worker.mjs', import.meta.url)
/** The distance down the list at which a thread looks for a scenario that it knows. */
const LOOK_AHEAD = 60

/**
 * Plays tasks on as many threads as the machine has cores.
 * @param {{ scenario?: string, cell?: object, contestant: string, seed: number }[]} tasks the longest first
 * @param {(done: number, total: number, task: object) => void} onProgress
 * @param {string[]} [guests] modules with further contestants
 * @returns {Promise<{ task: object, result?: object, error?: string }[]>} in order of completion
 */
export const playAll = (tasks, onProgress, guests = []) =>
  performAll(WORKER, tasks, { data: { guests }, next: nearOf, onDone: onProgress })

/** The next task whose scenario the thread has played: it keeps the references of their ceilings. */
function nearOf(waiting, known) {
  const near = waiting.slice(0, LOOK_AHEAD).findIndex(({ scenario }) => known.has(scenario))
  const index = Math.max(0, near)
  known.add(waiting[index].scenario)
  return index
}
