// The four ways to guard the shop: what stands before its handlers, and what stands before its dependency.
import { setMaxListeners } from 'node:events'
import { createServer } from 'node:http'
import { Atrion } from 'atrion'
import { atrionHttp } from 'atrion/http'
import { createOpossum } from '../../lab/contestants/opossum.mjs'
import { ATRION, COCKATIEL, ENDPOINTS, OPOSSUM } from './plan.mjs'

/**
 * @typedef {object} Guard
 * @property {(handler: Function) => import('node:http').Server} before puts the guard before the shop's handler
 * @property {(call: () => Promise<unknown>) => Promise<unknown>} around runs a call to the dependency, or refuses it
 * @property {(error: Error) => number | undefined} statusOf the status of an error that the guard raised
 * @property {() => object} sample what a monitoring page would show
 * @property {() => void} close
 */

const tiers = new Map(ENDPOINTS.map(({ route, tier }) => [route, tier]))
export const routeOf = (request) => `${request.method} ${request.url.split('?')[0]}`

/** @returns {Guard} */
const none = () => ({
  before: (handler) => createServer(handler),
  around: (call) => call(),
  statusOf: () => undefined,
  sample: () => ({}),
  close: () => {},
})

/** @returns {Guard} */
const opossum = () => {
  const breaker = createOpossum(OPOSSUM)
  return {
    ...none(),
    around: (call) => breaker.fire(call),
    statusOf: ({ code }) => ({ EOPENBREAKER: 503, ETIMEDOUT: 504 })[code],
    sample: () => ({ breaker: breaker.opened ? 'open' : breaker.halfOpen ? 'half-open' : 'closed' }),
    close: () => breaker.shutdown(),
  }
}

/** @returns {Promise<Guard>} */
const cockatiel = async () => {
  // All its calls listen to one signal, which it makes when it is loaded, and of which Node would warn.
  setMaxListeners(0)
  const { createCockatielBreaker } = await import('../../lab/contestants/cockatiel.mjs')
  const lib = await import('cockatiel')
  const breaker = createCockatielBreaker(COCKATIEL)
  const policy = lib.wrap(breaker, lib.timeout(COCKATIEL.timeoutMs, lib.TimeoutStrategy.Aggressive))
  return {
    ...none(),
    around: (call) => policy.execute(call),
    statusOf: (error) => (lib.isBrokenCircuitError(error) ? 503 : lib.isTaskCancelledError(error) ? 504 : undefined),
    sample: () => ({ breaker: ['closed', 'open', 'half-open', 'isolated'][breaker.state] }),
  }
}

/**
 * The adapter before the handlers. The deadline is the only number that it is given; the rest are facts of the shop: which endpoints
 * share the dependency, and how important each is.
 *
 * @returns {Guard}
 */
const atrion = () => {
  const guard = new Atrion(ATRION)
  // `npm run demo:replay` has the shop recorded.
  const recording = process.env.ATRION_DEMO_RECORDING && guard.record(process.env.ATRION_DEMO_RECORDING)
  for (const { route, needsStock } of ENDPOINTS) if (needsStock) guard.setRouteProfile(route, { pool: 'stock' })
  const shown = ENDPOINTS[0].route
  return {
    ...none(),
    engine: guard.engine,
    before: (handler) =>
      createServer(atrionHttp(guard, handler, { route: routeOf, tier: (request) => tiers.get(routeOf(request)) })),
    sample: () => {
      const inFlight = ENDPOINTS.reduce((sum, { route }) => sum + (guard.stats(route)?.inFlight ?? 0), 0)
      const { mode, limit } = guard.stats(shown) ?? {}
      return { breaker: mode === 'CIRCUIT_BREAKER' ? 'open' : 'closed', inFlight, limit }
    },
    close: async () => {
      await recording?.stop?.()
      await guard.disconnect()
    },
  }
}

/** @returns {Promise<Guard>} */
export const createGuard = async (id) => ({ none, opossum, cockatiel, atrion })[id]()
