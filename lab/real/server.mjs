// The server's process: one contestant before one plant. Told by `fork`, it answers with its port.
import { realById } from './guards.mjs'
import { workOf } from './work.mjs'

process.once('message', async ({ contestant, plant, capacityPerS }) => {
  const { work, drawn } = workOf(plant)
  const handler = async (_req, res) => {
    await work()
    res.writeHead(200, { 'content-length': '2' })
    res.end('ok')
  }
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
})

process.once('disconnect', () => process.exit(0))
