/** The worker's half of `./worker-pool.mjs`: answers questions by its duties, reports events meanwhile, and ends with its parent. */
import { isMainThread, parentPort } from 'node:worker_threads'

const port = isMainThread ? process : parentPort
const send = isMainThread ? (message) => process.send(message) : (message) => parentPort.postMessage(message)

/** Answers each question by the duty that it names. @param {Record<string, (details: object) => unknown>} duties */
export const serve = (duties) => {
  port.on('message', async ({ id, duty, details }) => {
    try {
      send({ id, result: await duties[duty](details) })
    } catch (error) {
      send({ id, failure: String(error?.stack ?? error) })
    }
  })
  if (isMainThread) process.on('disconnect', () => process.exit(0))
}

/** Sends the parent an event that it did not request. */
export const tell = (type, details) => send({ type, details })
