// The load generator, a process of its own: sends the planned requests at the planned moments, whatever comes back
// (open loop), and reports the outcome of each. It ends with the plan. Arguments: the service's port, the plan.
import { generate } from '../generator.mjs'
import { createClient, nowMs } from '../http.mjs'
import { createRandom } from '../random.mjs'
import { CALL_TIMEOUT_MS, createArrivals, DEADLINE_MS } from './plan.mjs'

/** Longer than the service may take, so that its own verdict is seen. */
const CLIENT_TIMEOUT_MS = CALL_TIMEOUT_MS + 1000
const OUTCOME_OF_STATUS = { 502: 'wrong', 503: 'refused', 504: 'timeout' }

const [, , port, planText] = process.argv
const plan = JSON.parse(planText)
const client = createClient(Number(port), 2048)

function orderOf({ id, class: name, items }) {
  const random = createRandom(plan.seed * 1_000_003 + id)
  return {
    id,
    class: name,
    items: Array.from({ length: items }, (_, i) => ({
      sku: `sku-${i}-${Math.floor(random() * 1e9).toString(36)}`,
      cents: 100 + Math.floor(random() * 9900),
      count: 1 + Math.floor(random() * 5),
    })),
  }
}

/** Latency counts from when the request was due, so that a generator that falls behind cannot flatter any guard. */
async function send(arrival, startedAt) {
  const dueAt = startedAt + arrival.atMs
  let status = 504
  try {
    ;({ status } = await client.call('/order', orderOf(arrival), CLIENT_TIMEOUT_MS))
  } catch (error) {
    if (error.code !== 'ETIMEDOUT') throw error
  }
  const latencyMs = nowMs() - dueAt
  const outcome = status === 200 ? (latencyMs <= DEADLINE_MS ? 'good' : 'late') : OUTCOME_OF_STATUS[status]
  if (outcome === undefined) throw new Error(`the service answered ${status}`)
  return { class: arrival.class, atMs: arrival.atMs, latencyMs, outcome }
}

generate(createArrivals(plan), send)
