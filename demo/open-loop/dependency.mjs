// The dependency, a process of its own: prices orders and seals the answer. On command it turns zombie, and heals.
import { createServer } from 'node:http'
import { serve } from '../../scripts/lib/duties.mjs'
import { listen, readJson, sealOf } from '../http.mjs'
import { createRandom } from '../random.mjs'
import { DEPENDENCY } from './plan.mjs'

let state = DEPENDENCY.healthy
let busy = 0
let calls = 0
let callsAsZombie = 0
let healthChecks = 0
const waiting = []

/** Works off the queue as far as there are workers, also for callers that have left. */
function work() {
  while (busy < state.workers && waiting.length > 0) {
    busy += 1
    const { order, response } = waiting.shift()
    const { fastestMs, slowestMs, wrongShare } = state
    // Drawn by the order's id, so that the same order meets the same fate in both runs.
    const random = createRandom(order.id + 1)
    const isWrong = random() < wrongShare
    setTimeout(
      () => {
        busy -= 1
        const totalCents = order.items.reduce((sum, { cents, count }) => sum + cents * count, 0)
        const answer = { id: order.id, totalCents: isWrong ? 0 : totalCents }
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ ...answer, seal: sealOf({ id: order.id, totalCents }) }))
        work()
      },
      fastestMs + random() * (slowestMs - fastestMs),
    )
  }
}

const server = createServer(async (request, response) => {
  if (request.url === '/health') {
    healthChecks += 1
    response.end('{"status":"ok"}')
    return
  }
  calls += 1
  if (state === DEPENDENCY.zombie) callsAsZombie += 1
  try {
    waiting.push({ order: await readJson(request), response })
    work()
  } catch {
    response.writeHead(400).end()
  }
})

serve({
  listen: () => listen(server),
  become: (name) => {
    state = DEPENDENCY[name]
    work()
  },
  counts: () => ({ calls, callsAsZombie, healthChecks }),
})
