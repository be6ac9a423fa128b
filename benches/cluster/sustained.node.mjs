/** A node that changes many routes every round, or only listens; what its whole process used, all threads of it. */
import { Atrion, RedisStateProvider } from 'atrion'
import { serve } from '../../scripts/lib/duties.mjs'
import { BAD, CALM, machineMs, sleep } from './telemetry.mjs'

const PULSE_MS = 100
const MAX_ROUTES = 16_384

let atrion
let provider
let names

const open = (routes, more) => {
  names = Array.from({ length: routes }, (_, i) => `GET /orders/:id/items/${i}`)
  atrion = new Atrion({ engine: 'native', maxRoutes: MAX_ROUTES, ...more })
}

/** One reading for all routes, as `routeBatch` takes it. */
const readings = (routes, { latencyMs, errorRate, saturation }) => {
  const samples = new Float64Array(routes * 3)
  for (let i = 0; i < routes; i++) samples.set([latencyMs, errorRate, saturation], i * 3)
  return samples
}

/** Runs `work` and returns what the process used meanwhile. */
async function accounted(work) {
  const before = process.cpuUsage()
  const startedAt = machineMs()
  const result = await work()
  const { user, system } = process.cpuUsage(before)
  return { ...result, coreShare: (user + system) / 1000 / (machineMs() - startedAt) }
}

async function join({ url, routes, options }) {
  provider = new RedisStateProvider(url, options)
  open(routes, { provider })
  await atrion.connect()
  atrion.routeBatch(names, readings(routes, CALM))
  // Until what is new has been sent and written once: the cost of a beginning is not that of going on.
  await sleep(1000)
}

/** A trauma for every route every round, so that every scar is another one each time. */
async function change({ routes, seconds }) {
  if (atrion === undefined) open(routes, {})
  const bad = readings(routes, BAD)
  const out = new Float64Array(routes)
  const round = () => atrion.routeBatch(names, bad, out)
  for (let i = 0; i < 10; i++) {
    round()
    await sleep(PULSE_MS)
  }
  const before = provider?.stats()
  const startedAt = machineMs()
  return accounted(async () => {
    let rounds = 0
    while (machineMs() - startedAt < seconds * 1000) {
      round()
      rounds += 1
      await sleep(Math.max(0, startedAt + rounds * PULSE_MS - machineMs()))
    }
    if (provider === undefined) return { rounds }
    const after = provider.stats()
    const bytes = after.sentBytes + after.storedBytes - before.sentBytes - before.storedBytes
    const elapsedS = (machineMs() - startedAt) / 1000
    const sentMessages = after.sentMessages - before.sentMessages
    const sentRoutes = after.sentRoutes - before.sentRoutes
    return { rounds, sentMessages, sentRoutes, bytesPerS: bytes / elapsedS }
  })
}

async function listen({ seconds }) {
  const before = provider.stats().receivedRoutes
  return accounted(async () => {
    await sleep(seconds * 1000)
    return { readRoutes: provider.stats().receivedRoutes - before }
  })
}

serve({ join, change, listen })
