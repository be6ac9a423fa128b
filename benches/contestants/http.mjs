/** Requests refused over HTTP: Atrion's adapter beside a server that answers 503 and does nothing else. */
import { createServer } from 'node:http'
import { WorkerProcess } from '../../scripts/lib/worker-pool.mjs'

const CLIENT = new URL('../lib/client.mjs', import.meta.url)
const REQUESTS_A_TURN = 2000
const WARM_TURNS = 5

/**
 * CPU time of the server's process, ns a request: wall time would include the client's, and depend on how busy the machine is.
 */
const serving = async (handler) => {
  const server = createServer(handler)
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  const client = new WorkerProcess(CLIENT)
  const turn = async () => {
    const before = process.cpuUsage()
    await client.ask('send', { port, count: REQUESTS_A_TURN })
    const { user, system } = process.cpuUsage(before)
    return { ns: ((user + system) * 1000) / REQUESTS_A_TURN }
  }
  for (let i = 0; i < WARM_TURNS; i++) await turn()
  return { turn }
}

const bare = (_request, response) => {
  response.writeHead(503)
  response.end()
}

export const contestants = [
  { id: 'http-bare', title: 'node:http: a bare 503, CPU of the server', kind: 'own', prepare: () => serving(bare) },
  {
    id: 'http-shed',
    title: 'Atrion: the 503 of atrion/http, CPU of the server',
    kind: 'own',
    needs: 'atrion/http',
    prepare: async () => {
      const { Atrion } = await import('atrion')
      const { atrionHttp } = await import('atrion/http')
      const atrion = new Atrion({ engine: 'native' })
      atrion.override('GET *', 'open')
      return serving(atrionHttp(atrion, (_request, response) => response.end('admitted')))
    },
  },
]
