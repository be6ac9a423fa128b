// Ends 200 threads in the middle of decisions, of recordings and of stalls that the watchdog looks at, while this one does the same. The process
// ends by itself.
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isMainThread, parentPort, threadId, Worker } from 'node:worker_threads'
import { Atrion } from 'atrion'

const WORKERS = 200
const AT_ONCE = 4

/** One round of everything that has a native part; the recording goes to memory, or to a file. */
function round(atrion, i) {
  const permits = Array.from({ length: 20 }, (_, n) =>
    atrion.acquire(`r${(i + n) % 9}`, { key: `k${n}`, tier: 'high' }),
  )
  atrion.route('open', { latencyMs: i % 50, errorRate: 0.1 })
  atrion.metrics()
  for (const [n, permit] of permits.entries()) permit.release(n % 5 === 0 ? 'failure' : 'success')
}

function begin(target) {
  const atrion = new Atrion({ watchdog: { stallMs: 50 }, bans: { share: 0.9 }, maxRoutes: 16 })
  const recording = atrion.record(target)
  atrion.on('stall', () => {})
  return { atrion, recording }
}

if (isMainThread) {
  const { atrion, recording } = begin({ ringBytes: 2 ** 20 })
  let started = 0
  let ended = 0
  const lane = async () => {
    while (started < WORKERS) {
      started += 1
      const worker = new Worker(new URL(import.meta.url))
      // Every other one at once, the others in the middle of a decision.
      await new Promise((resolve) => worker.once(started % 2 === 0 ? 'online' : 'message', resolve))
      await worker.terminate()
      ended += 1
      round(atrion, ended)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
  await recording.stop()
  console.log(
    `ended ${ended}, admitted ${[...atrion.metrics()].reduce((sum, row) => sum + row.admittedByTier.high, 0) > 0}`,
  )
} else {
  const path = join(tmpdir(), `atrion-terminated-${process.pid}-${threadId}`)
  const { atrion } = begin(threadId % 3 === 0 ? path : { ringBytes: 2 ** 20 })
  if (threadId % 3 === 0) rmSync(path)
  for (let i = 0; ; i++) {
    round(atrion, i)
    if (i === 3) parentPort.postMessage('deciding')
    // A stall that the watchdog's thread is looking at when this one is ended.
    if (i % 7 === 0) for (const startMs = performance.now(); performance.now() - startMs < 60; );
  }
}
