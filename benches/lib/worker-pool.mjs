/** The contestants' processes: all alive at once, one at work at a time. */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const CHILD = fileURLToPath(new URL('./child.mjs', import.meta.url))
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** The next message of a child; rejects when it says that it failed, or ends. */
const answerOf = (child, what) =>
  new Promise((resolve, reject) => {
    const settle = (act) => (value) => {
      child.off('message', onMessage)
      child.off('exit', onExit)
      act(value)
    }
    const onMessage = settle((message) => {
      if (message.failure) reject(new Error(`${what}: ${message.failure}`))
      else resolve(message)
    })
    const onExit = settle((code) => reject(new Error(`${what} ended with code ${code}`)))
    child.once('message', onMessage)
    child.once('exit', onExit)
  })

/** Starts a contestant's process and waits until it is warm. */
export const startContestant = async ({ file, id, nodeOptions = [] }) => {
  const child = fork(CHILD, [file, id], { cwd: ROOT, execArgv: nodeOptions })
  await answerOf(child, id)
  return {
    turn: async (blockMs) => {
      const answer = answerOf(child, id)
      child.send({ turn: blockMs })
      return (await answer).result
    },
    stop: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null) return resolve()
        child.once('exit', resolve)
        child.kill()
      }),
  }
}
