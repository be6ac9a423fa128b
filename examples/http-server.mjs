// The open loop in a node:http server: latency and errors are measured where they happen, and a refusal says when to
// come back. The handler turns slow on the way.
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { Atrion } from 'atrion'

// A custom objective: 20 ms is normal here. A scar that fades within a second suits a short example.
const atrion = new Atrion({ slo: { baselineLatencyMs: 20 }, config: { decayRate: 2 } })
/** By what is asked for, which the server knows; a header would be the client's word. */
const VOLTAGES = { checkout: 150, export: 40 }

/** The telemetry of the last requests: an exponential average, a tenth of which is the newest. */
const measured = { latencyMs: 20, errorRate: 0 }
function note(latencyMs, failed) {
  measured.latencyMs += 0.1 * (latencyMs - measured.latencyMs)
  measured.errorRate += 0.1 * (Number(failed) - measured.errorRate)
}

let workMs = 5
const server = createServer(async (request, response) => {
  const voltage = VOLTAGES[request.url.slice(1)] ?? 100
  const decision = atrion.route('the handler', measured, { voltage })
  if (!decision.allow) {
    // A request that was not let through measures nothing: let the reading relax, so that another is tried.
    note(20, false)
    response.writeHead(503, { 'retry-after': Math.ceil((decision.retryAfterMs ?? 1000) / 1000) })
    response.end(decision.reason)
    return
  }
  const startedAt = performance.now()
  await sleep(workMs)
  note(performance.now() - startedAt, false)
  response.end('done')
})

await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
const url = `http://127.0.0.1:${server.address().port}/`

async function volley(what) {
  for (const name of Object.keys(VOLTAGES)) {
    const replies = await Promise.all(Array.from({ length: 20 }, () => fetch(new URL(name, url))))
    const served = replies.filter(({ status }) => status === 200).length
    console.log(`${what}: ${name} ${served} of 20 served`)
    await Promise.all(replies.map((reply) => reply.text()))
  }
}

await volley('fast')
workMs = 150
await volley('slow')
await volley('slow')
workMs = 5
await sleep(700)
await volley('fast again')
server.close()
server.closeAllConnections()
