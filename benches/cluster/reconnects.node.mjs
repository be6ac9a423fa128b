/** Nodes in one process, whose connections are cut again and again while they go on reporting. */
import { readdirSync } from 'node:fs'
import { Atrion, RedisStateProvider } from 'atrion'
import { serve } from '../../scripts/lib/duties.mjs'
import { BAD, sleep, until } from './telemetry.mjs'

const ROUTES = 20

const names = Array.from({ length: ROUTES }, (_, i) => `GET /route/${i}`)
let providers = []

async function join({ url, links }) {
  providers = Array.from({ length: links }, () => new RedisStateProvider(url))
  const nodes = providers.map((provider) => new Atrion({ engine: 'native', maxRoutes: 64, provider }))
  await Promise.all(nodes.map((atrion) => atrion.connect()))
  setInterval(() => {
    for (const atrion of nodes) for (const name of names) atrion.route(name, BAD)
  }, 100)
}

/** The number of reconnections of all links. */
const reconnects = () => providers.reduce((sum, provider) => sum + provider.stats().reconnects, 0)

/** Waits until all links are well. */
const settle = () =>
  until(() => providers.every((provider) => provider.stats().state === 'healthy'), 'all links are back')

/** Entries of a folder of Linux' /proc; undefined elsewhere. */
const countOf = (folder) => {
  try {
    return readdirSync(folder).length
  } catch {
    return undefined
  }
}

async function weigh() {
  // Objects that finalizers held are collected only the second time.
  for (let i = 0; i < 4; i++) {
    globalThis.gc()
    await sleep(50)
  }
  const { heapUsed, rss } = process.memoryUsage()
  return {
    heapMib: heapUsed / 2 ** 20,
    rssMib: rss / 2 ** 20,
    descriptors: countOf('/proc/self/fd'),
    threads: countOf('/proc/self/task'),
  }
}

serve({ join, reconnects, settle, weigh })
