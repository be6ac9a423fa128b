// A process, a worker of node:cluster or a thread that shares over the machine, or over Redis, and does as it is asked by messages.
import { parentPort, workerData } from 'node:worker_threads'
import { Atrion, MachineStateProvider, RedisStateProvider } from 'atrion'
import { until } from '../_patience.mjs'

const { aheadMs = 0, redis, ...settings } = workerData ?? JSON.parse(process.env.ATRION_TEST_MACHINE)
const wallMs = Date.now
/** The system's clock is set. */
const set = (ms) => {
  Date.now = () => wallMs() + ms
}
set(aheadMs)
const port = parentPort ?? process
const answer = (message) => (parentPort ? parentPort.postMessage(message) : process.send(message))

const BAD = { latencyMs: 10_000, errorRate: 1, saturation: 1 }
const CALM = { latencyMs: 100, errorRate: 0.01, saturation: 0.5 }

const provider = redis ? new RedisStateProvider(redis) : new MachineStateProvider({ intervalMs: 20, ...settings })
const atrion = new Atrion({ provider })
const isBanned = (key) => {
  const permit = atrion.acquire('banned', { key })
  permit.release()
  return permit.limitedBy === 'ban'
}

const isPatched = (reason) => atrion.config.current().changes.routes?.[reason] !== undefined

const TASKS = {
  connect: () => atrion.connect(),
  disconnect: () => atrion.disconnect(),
  hurt: ({ route }) => {
    for (let n = 0; n < 30; n++) atrion.route(route, BAD)
  },
  /** Resolves to the time until the route is hurt by what others report, ms. */
  feel: async ({ route }) => {
    for (let n = 0; n < 30; n++) atrion.route(route, CALM)
    const before = atrion.getState(route).resistance
    const startedMs = performance.now()
    await until(() => atrion.getState(route).resistance > before + 1, `${route} to be hurt by reports`)
    return performance.now() - startedMs
  },
  stats: () => provider.stats(),
  update: ({ route, vector }) => provider.updateVector(route, vector),
  get: ({ route }) => provider.getVector(route),
  list: () => provider.listRoutes(),
  read: ({ name }) => provider.readDocument(name),
  /** Adds one to a number by compare-and-set, `times` times; those whose end is not known are not counted. */
  count: async ({ name, times }) => {
    let done = 0
    while (done < times) {
      try {
        const { version, text } = await provider.readDocument(name)
        if (await provider.writeDocument(name, version, String(Number(text ?? 0) + 1))) done += 1
      } catch {
        return { done, isKnown: false }
      }
    }
    return { done, isKnown: true }
  },
  set: ({ ms }) => set(ms),
  patch: async ({ ttlMs, reason }) => {
    const changes = { routes: { [reason]: { baseResistance: 7 } } }
    return (await atrion.patch({ base: atrion.config.current().version, ttlMs, author: 'ops', reason, changes })).status
  },
  /** Tries a limit on this node and a share of the others. */
  try: async ({ max, ...canary }) => {
    const { version } = atrion.config
    return (await atrion.patch({ base: version, changes: { limits: { max } }, author: 'ops', canary })).status
  },
  limit: () => {
    const [last] = atrion.config.audit()
    return { version: atrion.config.version, max: atrion.config.explain('limits.max').value, state: last?.state }
  },
  ban: ({ key, ttlMs }) => atrion.ban(key, { ttlMs, reason: 'test' }).id,
  /** Resolves when a patch is known, and a key is banned. */
  knows: ({ reason, key }) =>
    until(() => atrion.config.audit().some((entry) => entry.reason === reason) && isBanned(key)),
  isBanned: ({ key }) => isBanned(key),
  isPatched: ({ reason }) => isPatched(reason),
  /** Resolves when the patch is over, and the key is not banned any more. */
  ends: ({ reason, key }) => until(() => !isPatched(reason) && !isBanned(key)),
  write: ({ name, version, text }) => provider.writeDocument(name, version, text),
  block: ({ ms }) => {
    const endMs = performance.now() + ms
    while (performance.now() < endMs);
  },
}

// Nothing of a test outlives it.
process.on('disconnect', () => process.exit())

port.on('message', async ({ id, task, ...given }) => {
  try {
    answer({ id, result: await TASKS[task](given) })
  } catch (error) {
    answer({ id, error: String(error) })
  }
})
answer({ id: 'ready' })
