// The shop, a process of its own: node:http, three endpoints, one guard. Arguments: the guard, the dependency's port, rounds of hashing in
// a millisecond of this machine.
import { hash } from '../../lab/real/work.mjs'
import { serve, tell } from '../../scripts/lib/duties.mjs'
import { createClient, listen, nowMs, sealOf } from '../http.mjs'
import { createGuard, routeOf } from './guards.mjs'
import { ENDPOINTS } from './plan.mjs'

const SAMPLE_EVERY_MS = 100
/** The dependency's client gives up in the end, so that a run ends; every guard acts long before. */
const CALL_TIMEOUT_MS = 10_000

const [, , id, dependencyPort, roundsPerMs] = process.argv
const dependency = createClient(Number(dependencyPort), Number.POSITIVE_INFINITY)
const endpoints = new Map(ENDPOINTS.map((endpoint) => [endpoint.route, endpoint]))
const guard = await createGuard(id)

class WrongAnswer extends Error {}

async function stockOf(item) {
  const { json } = await dependency.call(`/stock/${item}`, undefined, CALL_TIMEOUT_MS)
  const { seal, ...content } = json
  if (seal !== sealOf(content)) throw new WrongAnswer('the seal does not match')
  return content
}

function answer(response, status, body) {
  if (response.destroyed || response.headersSent) return
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

const server = guard.before(async (request, response) => {
  const endpoint = endpoints.get(routeOf(request))
  if (endpoint === undefined) return answer(response, 404, { error: 'no such page' })
  request.resume()
  try {
    const item = new URL(request.url, 'http://shop.test').searchParams.get('item')
    const stock = endpoint.needsStock ? await guard.around(() => stockOf(item)) : {}
    hash(Math.round(endpoint.cpuMs * roundsPerMs)) // the page is rendered
    answer(response, 200, { item, ...stock })
  } catch (error) {
    answer(response, guard.statusOf(error) ?? (error instanceof WrongAnswer ? 502 : 500), { error: error.message })
  }
})

const sampler = setInterval(() => tell('sample', { at: nowMs(), ...guard.sample() }), SAMPLE_EVERY_MS)

serve({
  listen: async () => ({ port: await listen(server, { backlog: 4096 }), engine: guard.engine }),
  close: async () => {
    clearInterval(sampler)
    await guard.close()
  },
})
