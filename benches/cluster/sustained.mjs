/**
 * 10,000 routes that change in every pulse: what it costs to tell of them, beyond making the changes, which a process of its own
 * does without a provider. One more node listens, and knows all of the routes; what that costs it is told too.
 */
import { Node } from './crew.mjs'
import { sleep } from './telemetry.mjs'

const ROUTES = 10_000
const SECONDS = 10
const MAX_CORE_SHARE = 0.2
const MAX_MB_PER_S = 3

export const id = 'sustained'
export const title = `${ROUTES.toLocaleString('en')} changed routes a pulse`
export const estimate = () => `${3 * SECONDS + 8} s`

const inputBytes = async (redis) => Number(/total_net_input_bytes:(\d+)/.exec(await redis.cli('info', 'stats'))[1])

/** @returns shares of one core and bytes a second */
export async function measure({ redis }) {
  const [alone, teller, listener] = [1, 2, 3].map(() => new Node('./sustained.node.mjs'))
  const changes = await alone.ask('change', { routes: ROUTES, seconds: SECONDS })
  await alone.stop()
  await Promise.all([teller, listener].map((node) => node.ask('join', { url: redis.url, routes: ROUTES })))
  // One more for the listener without anything to hear: what its own pulse costs.
  const idle = await listener.ask('listen', { seconds: SECONDS / 2 })
  const before = await inputBytes(redis)
  const startedAt = performance.now()
  const heard = listener.ask('listen', { seconds: SECONDS })
  const told = await teller.ask('change', { routes: ROUTES, seconds: SECONDS })
  const hearing = await heard
  const serverBytes = ((await inputBytes(redis)) - before) / ((performance.now() - startedAt) / 1000)
  await sleep(0)
  await Promise.all([teller.stop(), listener.stop()])
  return {
    routes: ROUTES,
    seconds: SECONDS,
    routesPerMessage: told.sentRoutes / told.sentMessages,
    messagesPerS: told.sentMessages / SECONDS,
    changesCore: changes.coreShare,
    tellingCore: told.coreShare - changes.coreShare,
    hearingCore: hearing.coreShare - idle.coreShare,
    heardRoutesPerS: hearing.heardRoutes / SECONDS,
    ownBytesPerS: told.bytesPerS,
    serverBytesPerS: serverBytes,
  }
}

export const wanted = (result) => {
  const { routesPerMessage, messagesPerS, tellingCore, serverBytesPerS, ownBytesPerS, hearingCore } = result
  return [
    { row: 'routes told in a pulse', unit: 'routes', measured: routesPerMessage, limit: 0.99 * ROUTES, least: true },
    { row: 'pulses a second', unit: '', measured: messagesPerS, limit: 9.5, least: true },
    { row: 'telling them', unit: '% of one core', measured: tellingCore * 100, limit: MAX_CORE_SHARE * 100 },
    { row: 'sent, as the server counts', unit: 'MB/s', measured: serverBytesPerS / 1e6, limit: MAX_MB_PER_S },
    { row: 'sent, as the provider counts', unit: 'MB/s', measured: ownBytesPerS / 1e6, limit: MAX_MB_PER_S },
    { row: 'another node that hears all of it', unit: '% of one core', measured: hearingCore * 100 },
  ]
}
