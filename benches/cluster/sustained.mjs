/**
 * 10,000 routes that change in every round: what it costs to report them, beyond making the changes, which a process of its own
 * does without a provider. One more node listens, and knows all of the routes; what that costs it is measured too.
 */

import { sleep } from './telemetry.mjs'
import { Node } from './worker-pool.mjs'

const ROUTES = 10_000
const SECONDS = 10
const MAX_CORE_SHARE = 0.2
const MAX_MB_PER_S = 3

export const id = 'sustained'
export const title = `${ROUTES.toLocaleString('en')} changed routes a round`
export const estimate = () => `${3 * SECONDS + 8} s`

const inputBytes = async (redis) => Number(/total_net_input_bytes:(\d+)/.exec(await redis.cli('info', 'stats'))[1])

/** @returns shares of one core and bytes a second */
export async function measure({ redis }) {
  const [alone, sender, listener] = [1, 2, 3].map(() => new Node('./sustained.node.mjs'))
  const changes = await alone.ask('change', { routes: ROUTES, seconds: SECONDS })
  await alone.stop()
  await Promise.all([sender, listener].map((node) => node.ask('join', { url: redis.url, routes: ROUTES })))
  // One more for the listener without reports to read: what its own sync loop costs.
  const idle = await listener.ask('listen', { seconds: SECONDS / 2 })
  const before = await inputBytes(redis)
  const startedAt = performance.now()
  const listening = listener.ask('listen', { seconds: SECONDS })
  const sent = await sender.ask('change', { routes: ROUTES, seconds: SECONDS })
  const reading = await listening
  const serverBytes = ((await inputBytes(redis)) - before) / ((performance.now() - startedAt) / 1000)
  await sleep(0)
  await Promise.all([sender.stop(), listener.stop()])
  return {
    routes: ROUTES,
    seconds: SECONDS,
    routesPerMessage: sent.sentRoutes / sent.sentMessages,
    messagesPerS: sent.sentMessages / SECONDS,
    changesCore: changes.coreShare,
    sendingCore: sent.coreShare - changes.coreShare,
    readingCore: reading.coreShare - idle.coreShare,
    readRoutesPerS: reading.readRoutes / SECONDS,
    ownBytesPerS: sent.bytesPerS,
    serverBytesPerS: serverBytes,
  }
}

export const targets = (result) => {
  const { routesPerMessage, messagesPerS, sendingCore, serverBytesPerS, ownBytesPerS, readingCore } = result
  return [
    {
      row: 'routes reported in a round',
      unit: 'routes',
      measured: routesPerMessage,
      limit: 0.99 * ROUTES,
      least: true,
    },
    { row: 'rounds a second', unit: '', measured: messagesPerS, limit: 9.5, least: true },
    { row: 'sending them', unit: '% of one core', measured: sendingCore * 100, limit: MAX_CORE_SHARE * 100 },
    { row: 'sent, as the server counts', unit: 'MB/s', measured: serverBytesPerS / 1e6, limit: MAX_MB_PER_S },
    { row: 'sent, as the provider counts', unit: 'MB/s', measured: ownBytesPerS / 1e6, limit: MAX_MB_PER_S },
    { row: 'another node that reads all of it', unit: '% of one core', measured: readingCore * 100 },
  ]
}
