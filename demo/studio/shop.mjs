// The shop that Studio shows: an HTTP server with a stock service behind it, in this process, and incidents that can be started and ended.
import { createServer } from 'node:http'
import { Atrion, RedisStateProvider } from 'atrion'
import { atrionHttp } from 'atrion/http'
import { atrionStudio } from 'atrion/studio'

/** The time that a call of the stock service may take, ms. */
const CALL_MS = 1_000
/** The time that a report computes at once while it blocks, ms. */
const BLOCK_MS = 350
/** The export works on so many at a time, each so long, ms: so it does 80 a second. */
const EXPORT_WORKERS = 4
const EXPORT_MS = 50

export const ROUTES = [
  'GET /home',
  'GET /search',
  'GET /products/:id',
  'GET /export',
  'GET /reports',
  'POST /checkout',
  'GET /orders',
]

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const between = (low, high) => low + Math.random() * (high - low)

/** So many at a time; the others wait. */
const createPool = (workers) => {
  const waiting = []
  let busy = 0
  const next = () => {
    busy -= 1
    waiting.shift()?.()
  }
  return async (work) => {
    if (busy >= workers) await new Promise((resolve) => waiting.push(resolve))
    busy += 1
    try {
      return await work()
    } finally {
      next()
    }
  }
}

function compute(ms) {
  const end = performance.now() + ms
  while (performance.now() < end);
}

class Failed extends Error {}

/**
 * Starts the shop.
 *
 * @param {object} options
 * @param {string} [options.engine]
 * @param {string} [options.redisUrl] where instances share their state
 * @param {object} [options.studio] options of Studio's
 */
export const startShop = async ({ engine = 'auto', redisUrl, port = 0, studio: given = {} } = {}) => {
  const provider =
    redisUrl === undefined ? undefined : new RedisStateProvider({ url: redisUrl, connectTimeoutMs: 1_000 })
  const atrion = new Atrion({ engine, ...(provider && { provider }) })
  await atrion.connect()
  const studio = atrionStudio(atrion, { record: true, ...given })
  const exports = createPool(EXPORT_WORKERS)
  const incidents = { zombie: false, tenant: false, block: false }
  atrion.setRouteProfile('GET /orders', { breakBy: 'key' })

  /** The stock service: as a zombie it accepts every call, and answers late and wrongly, or not at all. */
  const stock = async () => {
    if (!incidents.zombie) return pause(between(10, 30))
    await pause(CALL_MS)
    throw new Failed('the stock service does not answer')
  }

  const handlers = {
    'GET /home': () => pause(between(5, 15)),
    'GET /search': () => pause(between(10, 40)),
    'GET /products/:id': stock,
    'GET /export': () => exports(() => pause(EXPORT_MS)),
    'GET /reports': async () => {
      await pause(10)
      if (incidents.block) compute(BLOCK_MS)
    },
    'POST /checkout': () => pause(between(15, 30)),
    'GET /orders': async (tenant) => {
      await pause(between(5, 20))
      if (incidents.tenant && tenant === 'tenant-3') throw new Failed('the shard of this tenant is gone')
    },
  }

  const routeOf = ({ method, url }) => `${method} ${url.split('?')[0].replace(/^\/products\/.*/, '/products/:id')}`
  const parametersOf = ({ url }) => new URL(url, 'http://shop.test').searchParams
  const shop = atrionHttp(
    atrion,
    async (request, response) => {
      if (request.url.startsWith('/atrion')) return studio(request, response)
      const handler = handlers[routeOf(request)]
      request.resume()
      let status = handler === undefined ? 404 : 200
      try {
        await handler?.(parametersOf(request).get('tenant'))
      } catch {
        status = 502
      }
      if (!response.destroyed) response.writeHead(status, { 'content-type': 'text/plain' }).end(`${status}\n`)
    },
    {
      route: routeOf,
      tier: (request) => parametersOf(request).get('tier') ?? 'normal',
      key: (request) => parametersOf(request).get('tenant') ?? undefined,
    },
  )
  const server = createServer(shop)
  await new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', () => resolve(server.off('error', reject)))
  })
  return {
    atrion,
    studio,
    port: server.address().port,
    /** Starts an incident of the shop's own, or ends it. */
    become: (incident, isOn) => {
      if (incident in incidents) incidents[incident] = isOn
    },
    close: async () => {
      studio.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await atrion.disconnect()
    },
  }
}
