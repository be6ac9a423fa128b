// The dependency, a process of its own: tells prices until it is killed. Argument: the port to listen on, 0 for any.
import { createServer } from 'node:http'
import { KEEP_ALIVE_MS, leaveWithParent } from '../http.mjs'
import { createRandom } from '../random.mjs'
import { SERVICE_MS } from './plan.mjs'

const [, , wantedPort] = process.argv

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

leaveWithParent()
server.keepAliveTimeout = KEEP_ALIVE_MS
server.listen(Number(wantedPort), '127.0.0.1', () => {
  process.send({ type: 'ready', port: server.address().port, pid: process.pid })
})
