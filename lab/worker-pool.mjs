import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'

/** How far down the list a thread looks for a scenario that it knows. */
const LOOK_AHEAD = 60

/**
 * Plays tasks on as many threads as the machine has cores.
 * @param {{ scenario?: string, cell?: object, contestant: string, seed: number }[]} tasks the longest first
 * @param {(done: number, total: number, task: object) => void} onProgress
 * @param {string[]} [guests] modules with further contestants
 * @returns {Promise<{ task: object, result?: object, error?: string }[]>} in order of completion
 */
export async function playAll(tasks, onProgress, guests = []) {
  const waiting = [...tasks]
  const answers = []
  const threads = Math.min(availableParallelism(), tasks.length)
  const shift = () =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL('./worker.mjs', import.meta.url), { workerData: { guests } })
      /** Scenarios that the thread has played: it keeps the references of their ceilings. */
      const known = new Set()
      const next = () => {
        const near = waiting.slice(0, LOOK_AHEAD).findIndex(({ scenario }) => known.has(scenario))
        const [task] = waiting.splice(Math.max(0, near), 1)
        known.add(task?.scenario)
        if (task === undefined) worker.terminate().then(resolve, reject)
        else worker.postMessage(task)
      }
      worker.on('message', (answer) => {
        answers.push(answer)
        onProgress(answers.length, tasks.length, answer.task)
        next()
      })
      worker.on('error', reject)
      next()
    })
  await Promise.all(Array.from({ length: threads }, shift))
  return answers
}
