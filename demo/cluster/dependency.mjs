// The dependency, a process of its own: answers with prices until it is killed.
import { createServer } from 'node:http'
import { serve } from '../../scripts/lib/duties.mjs'
import { listen } from '../http.mjs'
import { createRandom } from '../random.mjs'
import { SERVICE_MS } from './plan.mjs'

const server = createServer((request, response) => {
  const id = Number(request.url.slice(1))
  const random = createRandom(id + 1)
  const { fastest, slowest } = SERVICE_MS
  setTimeout(
    () => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ id, cents: 100 + Math.floor(random() * 9900) }))
    },
    fastest + random() * (slowest - fastest),
  )
})

serve({ listen: ({ port = 0 }) => listen(server, { port }) })
