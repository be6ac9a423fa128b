// The stock service, a process of its own: so many workers, a queue before them that nothing bounds, and a seal on every answer. A message turns
// it into a zombie, and heals it.
import { createServer } from 'node:http'
import { serve } from '../../scripts/lib/duties.mjs'
import { listen, sealOf } from '../http.mjs'
import { createRandom } from '../random.mjs'
import { DEPENDENCY } from './plan.mjs'

let state = DEPENDENCY.healthy
let busy = 0
const counts = { calls: 0, callsAsZombie: 0 }
const waiting = []

/** Works off the queue as far as there are workers, also for callers that have left. */
function work() {
  while (busy < state.workers && waiting.length > 0) {
    busy += 1
    const { id, response } = waiting.shift()
    // Drawn by the request, so that the same request meets the same fate behind every guard.
    const random = createRandom(id + 1)
    const isWrong = random() < state.wrongShare
    setTimeout(
      () => {
        busy -= 1
        const left = id % 100
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ left, seal: sealOf(isWrong ? { left: -1 } : { left }) }))
        work()
      },
      state.fastestMs + random() * (state.slowestMs - state.fastestMs),
    )
  }
}

const server = createServer((request, response) => {
  counts.calls += 1
  if (state === DEPENDENCY.zombie) counts.callsAsZombie += 1
  waiting.push({ id: Number(request.url.slice('/stock/'.length)), response })
  work()
})

serve({
  listen: () => listen(server),
  become: (name) => {
    state = DEPENDENCY[name]
    work()
  },
  counts: () => counts,
})
