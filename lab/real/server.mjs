// The server's process: one contestant before one plant.
import cluster from 'node:cluster'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { serve } from '../../scripts/lib/duties.mjs'
import { realById } from './guards.mjs'
import { everydayHandler } from './plants.mjs'
import { workOf } from './work.mjs'

let drawn

async function listen({ contestant, plant, capacityPerS }) {
  const { work, drawn: times } = workOf(plant)
  drawn = times
  const handler =
    everydayHandler(plant) ??
    (async (_req, res) => {
      await work()
      res.writeHead(200, { 'content-length': '2' })
      res.end('ok')
    })
  const { server, app, name, settings } = await realById(contestant).listen({ handler, plant, capacityPerS })
  // Connections are opened before the measurement by requests that no guard is to see.
  if (app === undefined) {
    const [guarded] = server.listeners('request')
    server.removeAllListeners('request')
    server.on('request', (req, res) => (req.url === '/warm' ? res.writeHead(204).end() : guarded(req, res)))
  }
  server.keepAliveTimeout = 60_000
  if (app === undefined) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  } else await app.listen({ host: '127.0.0.1', port: 0 })
  return { port: server.address().port, name, settings }
}

/** The one worker of a cluster, where the server is one. */
let worker

async function listenInCluster(task) {
  cluster.setupPrimary({ exec: fileURLToPath(import.meta.url), serialization: 'advanced' })
  worker = cluster.fork()
  // Until it listens, what it is sent is lost.
  await once(worker, 'message')
  return askWorker('listen', task)
}

async function askWorker(duty, details) {
  const answered = once(worker, 'message')
  worker.send({ id: 0, duty, details })
  const [{ result, failure }] = await answered
  if (failure !== undefined) throw new Error(failure)
  return result
}

serve({
  listen: (task) => (task.cluster && cluster.isPrimary ? listenInCluster(task) : listen(task)),
  /** The service times that the plant drew. */
  drawn: () => (worker === undefined ? drawn : askWorker('drawn', {})),
})
if (cluster.isWorker) process.send('ready')
