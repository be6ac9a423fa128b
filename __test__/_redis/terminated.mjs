// Ends many threads in the middle of their work with Redis. This thread never loads the addon: with the last of the others it
// would be unloaded, while threads of its own still run.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

const AT_ONCE = 3

const work = async () => {
  const { Atrion, RedisStateProvider } = await import('atrion')
  const provider = new RedisStateProvider({ ...workerData, intervalMs: 1 })
  const atrion = new Atrion({ engine: 'native', provider })
  await atrion.connect()
  const tick = () => {
    for (let i = 0; i < 50; i++) atrion.route(`route ${i}`, { latencyMs: 10_000, errorRate: 1, saturation: 1 })
    atrion.acquire('route 1')
    provider.listRoutes().catch(() => {})
    setImmediate(tick)
  }
  tick()
  provider.subscribe('route 1', () => {})
  parentPort.postMessage('at work')
}

const main = async () => {
  const [count, redis] = [Number(process.argv[2]), JSON.parse(process.argv[3])]
  let started = 0
  let ended = 0
  const lane = async () => {
    while (started < count) {
      const isEarly = started++ % 4 === 3
      const worker = new Worker(new URL(import.meta.url), { workerData: redis })
      await new Promise((resolve, reject) => {
        worker.once(isEarly ? 'online' : 'message', resolve).once('error', reject)
      })
      await worker.terminate()
      ended += 1
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
  console.log(JSON.stringify({ ended }))
}

await (isMainThread ? main() : work())
