// A load generator as a child process: sends the planned requests when they are due, whatever the others met, and reports what became of
// each.
import { leaveWithParent, nowMs } from './http.mjs'

const REPORT_EVERY_MS = 200

async function play(arrivals, send, startedAt) {
  let fresh = []
  let latestMs = 0
  const report = () => {
    if (fresh.length > 0) process.send({ type: 'records', records: fresh })
    fresh = []
  }
  const reporter = setInterval(report, REPORT_EVERY_MS)
  const pending = []
  for (const arrival of arrivals) {
    const waitMs = startedAt + arrival.atMs - nowMs()
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
    latestMs = Math.max(latestMs, nowMs() - startedAt - arrival.atMs)
    pending.push(send(arrival, startedAt).then((record) => fresh.push(record)))
  }
  await Promise.all(pending)
  clearInterval(reporter)
  report()
  process.send({ type: 'done', latestMs }, () => process.exit(0))
}

/**
 * Plays `arrivals` at the parent's signal. Ends with the last answer, having reported by how much the latest request was late, or with the
 * parent.
 *
 * @param {{ atMs: number }[]} arrivals rising
 * @param {(arrival: object, startedAt: number) => Promise<object>} send resolves to the record of a request
 */
export function generate(arrivals, send) {
  process.on('message', ({ type, startedAt }) => type === 'start' && play(arrivals, send, startedAt))
  leaveWithParent()
  process.send({ type: 'ready' })
}
