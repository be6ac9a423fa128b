/**
 * A day of lost connections in about a minute: the server hangs up on nodes that go on deciding and reporting, and now and then is
 * killed and comes back. A link that was lost again and again waits up to five seconds, so there are many, in one process. What
 * that process holds must be the same afterwards.
 */

import { WorkerProcess } from '../../scripts/lib/worker-pool.mjs'
import { sleep } from './telemetry.mjs'

const NODE = new URL('./reconnects.node.mjs', import.meta.url)

/** A connection lost every five minutes is 288 a day. */
export const A_DAY = 288
const LINKS = 64
/** The server hangs up so often, ms; every so many times it is killed and started anew. */
const EVERY_MS = 400
const KILL_EVERY = 25
/** Reconnects until pools have their size. */
const WARM_UP = 10 * LINKS
/** MiB that a garbage collector and an allocator may leave lying about. */
const HEAP_DRIFT_MIB = 1
const RSS_DRIFT_MIB = 16

export const id = 'reconnects'
export const title = 'a day of reconnects'
export const estimate = ({ cycles }) => `${cycles} of them on ${LINKS} links, about ${50 + Math.round(cycles / 14)} s`

/** The server closes all connections; one after the other, because the client that asks for it is one as well. */
async function hangUp(redis) {
  for (const type of ['normal', 'pubsub']) await redis.cli('client', 'kill', 'type', type)
}

export async function measure({ single, cycles }) {
  const redis = await single()
  const node = new WorkerProcess(NODE, { nodeOptions: ['--expose-gc'] })
  let times = 0
  const until = async (total) => {
    while ((await node.ask('reconnects')) < total) {
      times += 1
      if (times % KILL_EVERY === 0) await redis.restart()
      else await hangUp(redis)
      await sleep(EVERY_MS)
    }
    await node.ask('settle')
    return { reconnects: await node.ask('reconnects'), ...(await node.ask('weigh')) }
  }
  try {
    await node.ask('join', { url: redis.url, links: LINKS })
    const before = await until(WARM_UP)
    const after = await until(before.reconnects + cycles)
    const reconnects = after.reconnects - before.reconnects
    return { links: LINKS, reconnects, days: reconnects / A_DAY, before, after }
  } finally {
    await node.stop()
    await redis.stop()
  }
}

const difference = (after, before) => (after === undefined ? undefined : after - before)

export const targets = ({ days, before, after }) => [
  { row: 'reconnects, at one every five minutes', unit: 'days', measured: days, limit: 1, least: true },
  { row: 'heap kept', unit: 'MiB', measured: after.heapMib - before.heapMib, limit: HEAP_DRIFT_MIB },
  { row: 'resident memory kept', unit: 'MiB', measured: after.rssMib - before.rssMib, limit: RSS_DRIFT_MIB },
  { row: 'file descriptors kept', unit: '', measured: difference(after.descriptors, before.descriptors), limit: 0 },
  { row: 'threads kept', unit: '', measured: difference(after.threads, before.threads), limit: 0 },
]
