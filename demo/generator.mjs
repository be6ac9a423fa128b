// A load generator as a child process: sends the planned requests when they are due, whatever the others met, and reports what became of
// each.
import { serve, tell } from '../scripts/lib/duties.mjs'
import { nowMs } from './http.mjs'

const REPORT_EVERY_MS = 200

async function play(arrivals, send, startedAt) {
  let fresh = []
  let latestMs = 0
  const report = () => {
    if (fresh.length > 0) tell('records', fresh)
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
  return { latestMs }
}

/**
 * Plays `arrivals` when the parent asks for it; the answer is by how much the latest request was late, ms.
 *
 * @param {{ atMs: number }[]} arrivals rising
 * @param {(arrival: object, startedAt: number) => Promise<object>} send resolves to the record of a request
 * @param {Record<string, (details: object) => unknown>} [duties] others that the generator has
 */
export function generate(arrivals, send, duties = {}) {
  serve({
    ready: () => arrivals.length,
    play: ({ startedAt }) => play(arrivals, send, startedAt),
    ...duties,
  })
}
