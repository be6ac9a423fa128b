// A service with Studio in a process of its own, as the benchmark orders it: so many routes under a light load, changes on call, hostile names.
import { createServer } from 'node:http'
import { Atrion } from 'atrion'
import { atrionStudio } from 'atrion/studio'

const ROUTES = 200
/** Between rounds of the load, ms; a round asks for every tenth route. */
const ROUND_MS = 50
const HOSTILE_BATCH = 10_000

const atrion = new Atrion({ maxRoutes: 10_000 })
const studio = atrionStudio(atrion, { authorize: () => 'read' })
const server = createServer(studio)
const names = Array.from({ length: ROUTES }, (_, i) => `GET /items/${i}`)
let load
let round = 0

const orders = {
  listen: () => new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve({ port: server.address().port }))),
  /** Starts the load, or ends it. */
  load: ({ on }) => {
    clearInterval(load)
    if (!on) return {}
    load = setInterval(() => {
      round += 1
      for (let i = round % 10; i < ROUTES; i += 10) atrion.acquire(names[i]).release()
    }, ROUND_MS)
    return {}
  },
  cpu: () => {
    const { user, system } = process.cpuUsage()
    return { cpuMs: (user + system) / 1_000, nowMs: performance.now() }
  },
  /** A route that was not there appears. */
  appear: ({ name }) => {
    const at = performance.timeOrigin + performance.now()
    atrion.acquire(name).release()
    return { at }
  },
  /** So many names that come once each; then what is left in memory, bytes. */
  async hostile({ from, count }) {
    for (let i = from; i < from + count; i++) {
      atrion.acquire(`GET /${i}/${'x'.repeat(40)}`).release()
      if (i % HOSTILE_BATCH === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    }
    for (let i = 0; i < 4; i++) {
      globalThis.gc()
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    const { heapUsed, external } = process.memoryUsage()
    return { bytes: heapUsed + external }
  },
  /**
   * The cost of a permit of one instance, ns: without Studio, and with Studio at rest; blocks in turn.
   *
   * @returns the median, and the median of the differences of neighbouring blocks
   */
  hotPath: ({ rounds, calls }) => {
    const instance = new Atrion()
    const block = () => {
      const startedMs = performance.now()
      for (let i = 0; i < calls; i++) instance.acquire('GET /hot').release()
      return ((performance.now() - startedMs) * 1e6) / calls
    }
    const withStudio = () => {
      const own = atrionStudio(instance)
      const ns = block()
      own.close()
      return ns
    }
    const bare = []
    const differences = []
    for (let i = 0; i < rounds; i++) {
      const isFirst = i % 2 === 0
      const early = isFirst ? block() : withStudio()
      const late = isFirst ? withStudio() : block()
      // The first rounds compile.
      if (i < rounds / 4) continue
      bare.push(isFirst ? early : late)
      differences.push(isFirst ? late - early : early - late)
    }
    return { bareNs: median(bare), differenceNs: median(differences) }
  },
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1]

process.on('message', async ({ id, name, given }) => {
  process.send({ id, answer: await orders[name](given ?? {}) })
})
process.once('disconnect', () => process.exit())
