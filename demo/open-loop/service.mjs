// The service under test, a process of its own: a node:http server whose handler parses, hashes, asks the dependency
// for a price, checks the seal of what it answered, and replies. Arguments: the guard's name, the dependency's port,
// the plan.
import { createServer } from 'node:http'
import { serve, tell } from '../../scripts/lib/duties.mjs'
import { createClient, listen, nowMs, readJson, sealOf } from '../http.mjs'
import { AtrionGuard, ClassicGuard, Refusal } from './guards.mjs'
import { CALL_TIMEOUT_MS, POOL_SIZE } from './plan.mjs'

const SAMPLE_EVERY_MS = 100

const [, , guardName, dependencyPort, planText] = process.argv
const dependency = createClient(Number(dependencyPort), POOL_SIZE)
const checks = createClient(Number(dependencyPort), 1)

class WrongAnswer extends Error {}

async function price(order) {
  const { json } = await dependency.call('/price', order, CALL_TIMEOUT_MS)
  const { seal, ...content } = json
  if (seal !== sealOf(content)) throw new WrongAnswer('the seal does not match')
  return content
}

const Guard = { classic: ClassicGuard, atrion: AtrionGuard }[guardName]
const guard = new Guard({
  plan: JSON.parse(planText),
  call: price,
  checkHealth: async (timeoutMs) => {
    const { status } = await checks.call('/health', undefined, timeoutMs)
    if (status !== 200) throw new Error(`health check: ${status}`)
  },
  onTransition: ({ from, to }) => tell('transition', { at: nowMs(), from, to }),
})

function fail(response, error) {
  if (error instanceof Refusal) {
    response.statusCode = 503
    response.setHeader('retry-after', Math.max(1, Math.ceil((error.retryAfterMs ?? 1000) / 1000)))
  } else if (error instanceof WrongAnswer) response.statusCode = 502
  else if (error.code === 'ETIMEDOUT') response.statusCode = 504
  else response.statusCode = error instanceof SyntaxError ? 400 : 500
  response.end(JSON.stringify({ error: error.message }))
}

const server = createServer(async (request, response) => {
  response.setHeader('content-type', 'application/json')
  try {
    const order = await readJson(request)
    const fingerprint = sealOf(order)
    const { totalCents } = await guard.run(order)
    response.end(
      JSON.stringify({ id: order.id, fingerprint, totalCents, receipt: sealOf({ fingerprint, totalCents }) }),
    )
  } catch (error) {
    fail(response, error)
  }
})

const sampler = setInterval(() => tell('sample', { at: nowMs(), ...guard.sample() }), SAMPLE_EVERY_MS)

serve({
  listen: async () => ({ port: await listen(server), engine: guard.engine }),
  close: async () => {
    clearInterval(sampler)
    await guard.close()
  },
})
