// The server's process: one contestant before one plant. Started by `fork`, it answers with its port.
import cluster from 'node:cluster'
import { fileURLToPath } from 'node:url'
import { realById } from './guards.mjs'
import { everydayHandler } from './plants.mjs'
import { workOf } from './work.mjs'

async function serve({ contestant, plant, capacityPerS }) {
  const { work, drawn } = workOf(plant)
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
  const listen =
    app === undefined
      ? (ready) => server.listen(0, '127.0.0.1', ready)
      : (ready) => app.listen({ host: '127.0.0.1', port: 0 }, ready)
  listen(() => process.send({ port: server.address().port, name, settings }))
  process.on('message', () => process.send(drawn))
}

/** The primary of a cluster only passes on what its one worker and the lab have to say to each other. */
function standBefore(task) {
  cluster.setupPrimary({ exec: fileURLToPath(import.meta.url), serialization: 'advanced' })
  const worker = cluster.fork()
  // Until it listens, what it is sent is lost.
  worker.once('message', () => {
    worker.on('message', (message) => process.send(message))
    process.on('message', (message) => worker.send(message))
    worker.send(task)
  })
}

process.once('message', (task) => (task.cluster && cluster.isPrimary ? standBefore(task) : serve(task)))
if (cluster.isWorker) process.send('ready')

process.once('disconnect', () => process.exit(0))
