// One of the nodes, a process of its own: an instance of Atrion with Studio beside it, and requests of its own, some each 10 ms. Arguments: the
// kind of store, and its URL.
import { createServer } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { Atrion, PostgresStateProvider, RedisStateProvider } from 'atrion'
import { atrionStudio } from 'atrion/studio'
import { serve, tell } from '../../scripts/lib/duties.mjs'
import { listen } from '../http.mjs'
import { EVENTS, REQUEST_EACH_MS, ROUTE, USERS } from './plan.mjs'

const [, , kind, url] = process.argv

async function providerOf() {
  if (kind === 'redis') return new RedisStateProvider(url)
  const { default: pg } = await import('pg')
  const pool = new pg.Pool({ connectionString: url, max: 2, connectionTimeoutMillis: 1_000 })
  // The pool's connections end with the server; the provider reports that, too.
  pool.on('error', () => {})
  return new PostgresStateProvider(pool)
}

const atrion = new Atrion({ provider: await providerOf() })
for (const name of EVENTS) {
  atrion.on(name, ({ error, ...event }) => tell('event', { name, at: Date.now(), ...event, error: error?.message }))
}
const studio = atrionStudio(atrion, { record: true })
const server = createServer(studio)
const counts = { good: 0, shed: 0, banned: 0 }
let decisionsNs = []
let requests

async function request(i) {
  const key = `user ${i % USERS}`
  const from = process.hrtime.bigint()
  const permit = atrion.acquire(ROUTE, { tier: 'critical', key })
  decisionsNs.push(Number(process.hrtime.bigint() - from))
  if (!permit.allow) {
    counts[permit.limitedBy === 'ban' ? 'banned' : 'shed'] += 1
    return
  }
  await pause(3)
  permit.release()
  counts.good += 1
}

serve({
  listen: async () => {
    await atrion.connect()
    let i = 0
    requests = setInterval(() => void request(i++), REQUEST_EACH_MS)
    return { port: await listen(server), engine: atrion.engine }
  },
  patch: async ({ base = atrion.config.version, ...patch }) => {
    try {
      const { settled, ...result } = await atrion.patch({ base, ...patch })
      return { ...result, outcome: patch.canary ? await settled() : result.status }
    } catch (error) {
      return { status: 'failed', error: error.message }
    }
  },
  ban: ({ key, ...options }) => atrion.ban(key, options),
  asks: ({ key }) => {
    const permit = atrion.acquire(ROUTE, { key })
    permit.release('ignored')
    return permit.limitedBy
  },
  state: ({ path }) => ({ version: atrion.config.version, explained: atrion.config.explain(path) }),
  /** Counts and decisions since the last time. */
  take: () => {
    const sorted = decisionsNs.sort((a, b) => a - b)
    const taken = {
      ...counts,
      decisions: sorted.length,
      p99Us: (sorted[Math.floor(sorted.length * 0.99)] ?? 0) / 1_000,
    }
    Object.assign(counts, { good: 0, shed: 0, banned: 0 })
    decisionsNs = []
    return taken
  },
  close: async () => {
    clearInterval(requests)
    studio.close()
    server.close()
    server.closeAllConnections()
    await atrion.disconnect()
  },
})
