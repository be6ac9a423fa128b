// A thread that decides, in virtual time, and says what it came to. `work` is shared with the thread that starts it.
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { drive, randomOf, virtual } from './_engine.mjs'

/** The same decisions for the same seed, as one number. */
export const work = async (seed, ticks) => {
  const world = virtual({ maxRoutes: 50 })
  const random = randomOf(seed)
  let fingerprint = 0
  for (let i = 0; i < ticks; i++) {
    const telemetry = {
      latencyMs: 800 * random() * random(),
      errorRate: 0.3 * random() * random(),
      saturation: random(),
    }
    const [{ resistance, allow }] = drive(world, `route ${Math.floor(80 * random())}`, telemetry, 1)
    fingerprint = (fingerprint * 31 + resistance + (allow ? 1 : 0)) % 1e9
    world.clock.advance(Math.floor(200 * random()))
    if (i % 500 === 0) await (await world.atrion.startTask('task')).release('failed')
  }
  return fingerprint
}

if (!isMainThread && workerData?.seed !== undefined) {
  const { seed, ticks, ending } = workerData
  parentPort.postMessage({ fingerprint: await work(seed, ticks) })
  if (ending === 'exit') process.exit(0)
  // Until it is terminated.
  if (ending === 'terminate') for (;;) await work(seed, 1000)
}
