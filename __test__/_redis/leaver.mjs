// A process that leaves with a provider connected, in one of several ways; nothing of it may keep it from ending.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { Atrion, RedisStateProvider } from 'atrion'

const [how, redis] = isMainThread ? [process.argv[2], JSON.parse(process.argv[3])] : workerData

const connect = async () => {
  const provider = new RedisStateProvider(redis)
  const atrion = new Atrion({ engine: process.env.ATRION_ENGINE, provider })
  await atrion.connect()
  atrion.on('degraded', () => {})
  atrion.route('leaving', { latencyMs: 10_000, errorRate: 1, saturation: 1 })
  return { provider, atrion }
}

if (!isMainThread) {
  await connect()
  parentPort.postMessage('connected')
} else if (how === 'worker') {
  // One ends by itself and one in the middle of it.
  for (const terminate of [false, true]) {
    const worker = new Worker(new URL(import.meta.url), { workerData: [how, redis] })
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
    if (terminate) await worker.terminate()
    else await new Promise((resolve) => worker.once('exit', resolve))
  }
  console.log('connected')
} else {
  const { provider, atrion } = await connect()
  if (how === 'disconnect') await atrion.disconnect()
  // Answered or not: it must neither crash nor hang.
  if (how === 'pending') provider.listRoutes().catch(() => {})
  console.log('connected')
}
