// A node of a cluster is recorded with what its peers report, and with what it took over from the store.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ava from 'ava'
import { BAD, engine } from '../_engine.mjs'
import { Node, until } from '../_redis/nodes.mjs'
import { single } from '../_redis/servers.mjs'
import { replayed } from '../record/_drive.mjs'

const test = engine === 'native' ? ava.serial : ava.skip

let server
let folder
ava.before(async () => {
  server = await single()
  folder = mkdtempSync(join(tmpdir(), 'atrion-record-'))
})
ava.after.always(async () => {
  await server?.stop()
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
})

const redis = () => ({ url: server.url, intervalMs: 20 })

/** Requests of the closed and ticks of the open loop. */
const some = (atrion, count) => {
  for (let i = 0; i < count; i++) {
    atrion.acquire(`r${i % 4}`, { key: `k${i % 9}` }).release(i % 11 === 0 ? 'failure' : 'success')
    atrion.route(`r${i % 4}`, { latencyMs: 100 + i, errorRate: 0.01, saturation: 0.5 })
  }
}

test('reports of peers are in the recording of a node', async (t) => {
  const path = join(folder, 'peers.rec')
  const one = await Node.connected(t, redis())
  const other = await Node.connected(t, redis())
  some(one.atrion, 40)
  const recording = one.atrion.record(path)
  const alone = one.atrion.getState('r1').resistance
  await until(() => {
    for (let i = 0; i < 20; i++) other.atrion.route('r1', BAD)
    some(one.atrion, 5)
    return one.atrion.getState('r1').resistance > alone + 5
  }, 'that the scar of the other node counts')
  some(one.atrion, 200)
  await recording.stop()
  const { report, code } = await replayed(path)
  t.is(code, 0)
  t.deepEqual(report.coverage.doubts, [])
  t.is(report.replay.firstDifference, null)
  t.is(report.replay.equal, recording.stats.decisions)
})

test('routes that a node takes over from the store, and loses when it leaves, are in its recording', async (t) => {
  const path = join(folder, 'adopted.rec')
  const late = new Node(redis())
  t.teardown(() => late.atrion.disconnect())
  const recording = late.atrion.record(path)
  some(late.atrion, 3)
  await late.atrion.connect()
  await until(() => late.atrion.getRoutes().length >= 4, 'routes of the store')
  // The image follows half a second after the last route that was taken over.
  const phase = async () => {
    for (const startedAt = performance.now(); performance.now() - startedAt < 2_500; ) {
      some(late.atrion, 20)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  await phase()
  await late.atrion.disconnect()
  await phase()
  await recording.stop()
  const { report } = await replayed(path)
  t.is(report.replay.firstDifference, null)
  t.is(report.replay.equal, report.coverage.certain)
  const { decisions, certain } = report.coverage
  t.true(certain > 500, `${certain} of ${decisions}`)
})
