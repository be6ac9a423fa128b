/**
 * 10,000 routes that change in every round: what it costs to report them, beyond making the changes, which a process of its own
 * does without a provider. One more node listens, and knows all of the routes; what that costs it is measured too. Then two such
 * pairs at the same time, one of them with a secret: it signs and checks every message and every stored record.
 */

import { WorkerProcess } from '../../scripts/lib/worker-pool.mjs'
import { sleep } from './telemetry.mjs'

const NODE = new URL('./sustained.node.mjs', import.meta.url)

const ROUTES = 10_000
const SECONDS = 10
const MAX_CORE_SHARE = 0.2
const MAX_MB_PER_S = 3

export const id = 'sustained'
export const title = `${ROUTES.toLocaleString('en')} changed routes a round`
export const estimate = () => `${5 * SECONDS + 14} s`
const SECRET = 'a secret of all nodes of the benchmark'

const inputBytes = async (redis) => Number(/total_net_input_bytes:(\d+)/.exec(await redis.cli('info', 'stats'))[1])

/** One node sends, another one listens. */
async function exchange(redis, options) {
  const [sender, listener] = [1, 2].map(() => new WorkerProcess(NODE))
  await Promise.all([sender, listener].map((node) => node.ask('join', { url: redis.url, routes: ROUTES, options })))
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
  return { sent, readRoutes: reading.readRoutes, readingCore: reading.coreShare - idle.coreShare, serverBytes }
}

/** @returns shares of one core and bytes a second */
export async function measure({ redis }) {
  const alone = new WorkerProcess(NODE)
  const changes = await alone.ask('change', { routes: ROUTES, seconds: SECONDS })
  await alone.stop()
  const { sent, readRoutes, readingCore, serverBytes } = await exchange(redis)
  const [plain, signed] = await Promise.all(
    [{ channel: 'plain' }, { channel: 'signed', secret: SECRET }].map((options) =>
      exchange(redis, { ...options, keyPrefix: `${options.channel}:` }),
    ),
  )
  return {
    routes: ROUTES,
    seconds: SECONDS,
    routesPerMessage: sent.sentRoutes / sent.sentMessages,
    messagesPerS: sent.sentMessages / SECONDS,
    changesCore: changes.coreShare,
    sendingCore: sent.coreShare - changes.coreShare,
    readingCore,
    readRoutesPerS: readRoutes / SECONDS,
    signedSendingRatio: (signed.sent.coreShare - changes.coreShare) / (plain.sent.coreShare - changes.coreShare),
    signedReadingRatio: signed.readingCore / plain.readingCore,
    signedReadShare: signed.readRoutes / plain.readRoutes,
    ownBytesPerS: sent.bytesPerS,
    serverBytesPerS: serverBytes,
  }
}

export const targets = (result) => {
  const { routesPerMessage, messagesPerS, sendingCore, serverBytesPerS, ownBytesPerS, readingCore } = result
  const { signedSendingRatio, signedReadingRatio } = result
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
    { row: 'sending, signed by a secret', unit: '× unsigned', measured: signedSendingRatio },
    { row: 'reading, signed by a secret', unit: '× unsigned', measured: signedReadingRatio },
  ]
}
