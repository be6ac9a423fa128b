// One of the servers, a process of its own: Atrion's adapter in front of the handler, `atrion.run()` around the call to the
// dependency. Arguments: the dependency's port, and the URL of Redis, or nothing to share nothing.
import { createServer } from 'node:http'
import { Atrion, RedisStateProvider } from 'atrion'
import { atrionHttp } from 'atrion/http'
import { serve, tell } from '../../scripts/lib/duties.mjs'
import { createClient, listen, nowMs } from '../http.mjs'
import { ATRION, CALL_TIMEOUT_MS, FRONT_ROUTE, ROUTE } from './plan.mjs'

const [, , dependencyPort, redisUrl] = process.argv
const dependency = createClient(Number(dependencyPort), 256)
const atrion = new Atrion({ ...ATRION, ...(redisUrl ? { provider: new RedisStateProvider(redisUrl) } : {}) })

const isOpen = () => atrion.getState(ROUTE)?.mode === 'CIRCUIT_BREAKER'
let wasOpen = false

/** Reports that the breaker has opened or closed. */
function watch() {
  if (isOpen() === wasOpen) return
  wasOpen = !wasOpen
  tell('breaker', { at: nowMs(), isOpen: wasOpen })
}

/** Reports the end of a request, and whether it was a probe of an open breaker. */
async function quote(request, response) {
  let isProbe = false
  let kind = 'good'
  try {
    await atrion.run(
      ROUTE,
      () => {
        isProbe = isOpen()
        return dependency.call(request.url, undefined, CALL_TIMEOUT_MS)
      },
      {
        fallback: () => {
          kind = 'fallback'
        },
      },
    )
  } catch {
    // The list price all the same, so that the dependency's death is not the handler's: only the call was for nothing.
    kind = 'wasted'
  }
  watch()
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({ kind, isProbe }))
}

const server = createServer(atrionHttp(atrion, quote, { route: () => FRONT_ROUTE }))

serve({
  listen: async () => {
    await atrion.connect()
    return { port: await listen(server), engine: atrion.engine }
  },
  close: async () => {
    server.close()
    server.closeIdleConnections()
    await atrion.disconnect()
  },
})
