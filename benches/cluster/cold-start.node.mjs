/** A node that leaves many scarred routes behind, or one that starts and finds them. */
import { Atrion, RedisStateProvider } from 'atrion'
import { serve } from '../../scripts/lib/duties.mjs'
import { BAD, CALM, machineMs, until, WARM_UP_TICKS } from './telemetry.mjs'

const MAX_ROUTES = 131_072

const routeOf = (i) => `GET /tenants/:tenant/orders/${i}`

async function write({ url, routes }) {
  const provider = new RedisStateProvider({ url, maxRoutes: MAX_ROUTES })
  const atrion = new Atrion({ engine: 'native', maxRoutes: MAX_ROUTES, provider })
  await atrion.connect()
  for (let i = 0; i < routes; i++) {
    for (let tick = 0; tick < WARM_UP_TICKS; tick++) atrion.route(routeOf(i), CALM)
    atrion.route(routeOf(i), BAD)
  }
  await until(() => provider.stats().storedRoutes >= routes, 'all routes are written')
  await atrion.disconnect()
}

async function start({ url, routes }) {
  const provider = new RedisStateProvider({ url, maxRoutes: MAX_ROUTES })
  const atrion = new Atrion({ engine: 'native', maxRoutes: MAX_ROUTES, provider })
  let stallMs = 0
  let last = machineMs()
  let isWatching = true
  const watch = () => {
    const now = machineMs()
    stallMs = Math.max(stallMs, now - last)
    last = now
    if (isWatching) setImmediate(watch)
  }
  setImmediate(watch)
  const startedAt = machineMs()
  await atrion.connect()
  const connectMs = machineMs() - startedAt
  isWatching = false
  const known = atrion.getRoutes().length
  const { scarTissue } = atrion.getState(routeOf(routes - 1)) ?? {}
  if (known !== routes || !(scarTissue > 0))
    throw new Error(`${known} routes were loaded, the last with ${scarTissue} Ω`)
  return { connectMs, stallMs }
}

serve({ write, start })
