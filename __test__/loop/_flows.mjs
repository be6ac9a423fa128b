// Flows of requests to servers with one queue, in virtual time.
import { randomOf } from '../_engine.mjs'

/**
 * Servers with one queue, stepped by the ms: `flows` are { perMs, route, options(i), fails? }. What became of each flow's requests.
 */
export const play = (
  { atrion, clock },
  { servers = 10, serviceMs = 20, untilMs, countFromMs = 0, flows, seed = 1 },
) => {
  const random = randomOf(seed)
  const results = flows.map(() => ({ asked: 0, served: 0, refused: 0 }))
  const queue = []
  let busy = []
  let asked = 0
  for (let ms = 0; ms < untilMs; ms++) {
    clock.advance(1)
    busy = busy.filter((work) => {
      if (work.endMs > ms) return true
      work.permit.release(work.fails ? 'failure' : 'success')
      if (work.counts && !work.fails) results[work.flow].served++
      return false
    })
    while (busy.length < servers && queue.length > 0) {
      const work = queue.shift()
      busy.push({ ...work, endMs: ms + serviceMs * (0.5 + random()) })
    }
    flows.forEach(({ perMs, route = 'route', options, fails }, flow) => {
      const rate = typeof perMs === 'function' ? perMs(ms) : perMs
      for (let n = Math.floor(rate) + (random() < rate % 1 ? 1 : 0); n > 0; n--) {
        const permit = atrion.acquire(route, options(asked++))
        const counts = ms >= countFromMs
        if (counts) results[flow].asked++
        if (permit.allow) queue.push({ permit, flow, counts, fails: fails?.(ms) ?? false })
        else if (counts) results[flow].refused++
      }
    })
  }
  return results
}
