// The clients, a process of their own: each planned request is sent when it is due, whatever the others met. Arguments: the shop's
// port, the plan.
import { createClient, leaveWithParent, nowMs } from '../http.mjs'
import { createArrivals, DEADLINE_MS, ENDPOINTS, PATIENCE_MS } from './plan.mjs'

const REPORT_EVERY_MS = 200

const [, , port, planText] = process.argv
const plan = JSON.parse(planText)
const client = createClient(Number(port), Number.POSITIVE_INFINITY)

const outcomeOf = (status, latencyMs) => {
  if (status === 200) return latencyMs <= DEADLINE_MS ? 'good' : 'late'
  return status === 503 ? 'refused' : status === undefined ? 'hung up' : 'failed'
}

/** Latency counts from when the request was due, so that a generator that falls behind flatters no guard. */
async function send({ id, atMs, endpoint }, startedAt) {
  const [method, path] = ENDPOINTS[endpoint].route.split(' ')
  let status
  try {
    ;({ status } = await client.call(`${path}?item=${id}`, method === 'POST' ? { id } : undefined, PATIENCE_MS))
  } catch (error) {
    if (error.code !== 'ETIMEDOUT') status = 0
  }
  const latencyMs = nowMs() - startedAt - atMs
  return { endpoint, atMs, latencyMs, outcome: outcomeOf(status, latencyMs) }
}

async function run(startedAt) {
  let fresh = []
  let latestMs = 0
  const report = () => {
    if (fresh.length > 0) process.send({ type: 'records', records: fresh })
    fresh = []
  }
  const reporter = setInterval(report, REPORT_EVERY_MS)
  const pending = []
  for (const arrival of createArrivals(plan)) {
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

process.on('message', ({ type, startedAt }) => {
  if (type === 'start') run(startedAt)
})
leaveWithParent()
process.send({ type: 'ready' })
