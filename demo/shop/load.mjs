// The clients, a process of their own: each planned request is sent when it is due, whatever the others met. Arguments: the shop's
// port, the plan.
import { generate } from '../generator.mjs'
import { createClient, nowMs } from '../http.mjs'
import { createArrivals, DEADLINE_MS, ENDPOINTS, PATIENCE_MS } from './plan.mjs'

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

generate(createArrivals(plan), send)
