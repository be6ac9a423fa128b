// A recording holds the state of its engine at the start, the stalls of the event loop, and the reports of peers.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Atrion } from 'atrion'
import ava from 'ava'
import { engine as present } from '../_engine.mjs'
import { RecordingProvider } from '../_provider.mjs'
import { drive, numbers, replayed, slowStream, virtual } from './_drive.mjs'

const test = present === 'native' ? ava : ava.skip
const serial = present === 'native' ? ava.serial : ava.skip

let folder
ava.before(() => {
  folder = mkdtempSync(join(tmpdir(), 'atrion-record-'))
})
ava.after.always(() => rmSync(folder, { recursive: true, force: true }))

/** All decisions came out as they were recorded, and followed from the recording. */
const isExact = (t, report, decisions) => {
  t.is(report.replay.firstDifference, null)
  t.deepEqual(report.coverage.doubts, [])
  t.is(report.coverage.decisions, decisions)
  t.is(report.coverage.certain, decisions)
  t.is(report.replay.equal, decisions)
}

for (const seed of [1, 2, 3]) {
  test(`a recording that begins late has all that was known before, ${seed}`, async (t) => {
    const path = join(folder, `late-${seed}.rec`)
    const world = virtual({ engine: 'native', maxRoutes: 24 })
    const { atrion, clock } = world
    const random = numbers(seed * 7919)
    const held = []
    const some = (count) => {
      for (let i = 0; i < count; i++) {
        clock.advance(random() * 4)
        const route = `r${Math.floor(random() * 30)}`
        const permit = atrion.acquire(route, { tier: ['bulk', 'high', 'critical'][i % 3], key: `k${i % 40}` })
        if (permit.allow) held.push(permit)
        while (held.length > 60 || (held.length > 0 && random() < 0.45)) {
          const [one] = held.splice(Math.floor(random() * held.length), 1)
          one.release(random() < 0.3 ? 'failure' : 'success')
        }
        if (i % 9 === 0) atrion.route('open', { latencyMs: random() * 400, errorRate: random() * 0.3 })
      }
    }
    atrion.setRouteProfile('r3', { breakBy: 'key', pool: 'db', reserve: { critical: 0.3 } })
    atrion.setRouteProfile('r4', { pool: 'db' })
    atrion.override('r5', 'open')
    some(3000)
    const recording = atrion.record(path)
    some(3000)
    for (const permit of held) permit.release()
    await recording.stop()
    const { code, report } = await replayed(path)
    t.is(code, 0)
    isExact(t, report, recording.stats.decisions)
    t.true(report.recorded.total.refused > 100, `${report.recorded.total.refused}`)
  })
}

test('one that begins late in the midst of everything, too', async (t) => {
  const path = join(folder, 'midst.rec')
  const world = virtual({ engine: 'native' })
  await drive({ ...world, atrion: new Proxy(world.atrion, { get: bound('disconnect') }) }, 1500)
  const recording = world.atrion.record(path)
  await drive(world, 1500)
  await recording.stop()
  const { report } = await replayed(path)
  isExact(t, report, recording.stats.decisions)
})

/** An instance that is not disconnected. */
function bound(left) {
  return (target, name) =>
    name === left ? async () => {} : typeof target[name] === 'function' ? target[name].bind(target) : target[name]
}

test('each stretch of a ring begins with what was known, so that the oldest that is kept is decided again', async (t) => {
  const path = join(folder, 'ring.rec')
  const { atrion, clock } = virtual({ engine: 'native' })
  const random = numbers()
  const held = []
  const recording = atrion.record({ ringBytes: 2 ** 19 })
  for (let i = 0; i < 60_000; i++) {
    clock.advance(random() * 2)
    const permit = atrion.acquire(`r${i % 5}`, { key: `k${i % 100}` })
    if (permit.allow) held.push(permit)
    if (held.length > 50) held.splice(Math.floor(random() * 50), 1)[0].release(random() < 0.2 ? 'failure' : 'success')
  }
  writeFileSync(path, recording.read())
  const { dropped, decisions } = recording.stats
  t.true(dropped > 30_000, `${dropped}`)
  const { report } = await replayed(path)
  isExact(t, report, decisions)
  await recording.stop()
})

test('after decisions that were dropped it is exact again', async (t) => {
  const path = join(folder, 'dropped.rec')
  const { stream, pieces, release } = slowStream()
  const { atrion, clock } = virtual({ engine: 'native' })
  const recording = atrion.record(stream)
  const some = async (count) => {
    for (let i = 0; i < count; i++) {
      clock.advance(1)
      atrion.acquire(`r${i % 3}`, { key: `k${i}` }).release(i % 7 === 0 ? 'failure' : 'success')
      if (i % 1000 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
  }
  await some(300_000)
  t.true(recording.stats.dropped > 20_000)
  release()
  await new Promise((resolve) => setImmediate(resolve))
  await some(20_000)
  await recording.stop()
  writeFileSync(path, Buffer.concat(pieces))
  const { report } = await replayed(path)
  t.is(report.replay.equal, report.coverage.certain)
  t.is(report.replay.firstDifference, null)
  // All but what lies between the gap and the engine's image.
  t.true(report.coverage.certain > report.coverage.decisions - 2_000, `${report.coverage.certain}`)
})

test('an image of another version, or a damaged one, is not taken over, and the replay says so', async (t) => {
  const path = join(folder, 'other.rec')
  const { atrion, clock } = virtual({ engine: 'native' })
  for (let i = 0; i < 50; i++) atrion.acquire('r').release()
  const recording = atrion.record(path)
  for (let i = 0; i < 50; i++) {
    clock.advance(1)
    atrion.acquire('r').release()
  }
  await recording.stop()
  const { report } = await replayed(path, '--engine', 'wasm')
  t.deepEqual(report.coverage.doubts, ['began late'])
  t.is(report.coverage.certain, 0)
  t.is(report.coverage.decisions, 50)
})

/** Does nothing else for so long, ms. */
const block = (ms) => {
  const startMs = performance.now()
  while (performance.now() - startMs < ms);
}

serial('stalls excuse calls while a recording is made, and the replay knows of them', async (t) => {
  const path = join(folder, 'stalls.rec')
  const atrion = new Atrion({ engine: 'native', watchdog: true })
  if (atrion.metrics().loop === undefined) {
    t.pass('the host does not let the loop be watched')
    return
  }
  const recording = atrion.record(path)
  const call = () => atrion.run('api', () => sleep(10))
  for (let i = 0; i < 40; i++) await call()
  for (let round = 0; round < 3; round++) {
    const pending = [call(), call(), call()]
    await new Promise(setImmediate)
    block(150)
    await Promise.all(pending)
    for (let i = 0; i < 60; i++) await call()
  }
  await recording.stop()
  const { excused, excusedMs } = atrion.stats('api')
  t.true(excused >= 3, `${excused}`)
  t.true(excusedMs > 100, `${excusedMs}`)
  const { report } = await replayed(path)
  isExact(t, report, recording.stats.decisions)
  const otherwise = await replayed(path, '--engine', 'wasm')
  t.deepEqual(otherwise.report.coverage.doubts, ['stalls'])
})

/** A provider through which a test speaks as another node. */
class TellingProvider extends RecordingProvider {
  listeners = new Map()

  subscribe(routeId, onChange) {
    this.listeners.set(routeId, onChange)
    return () => this.listeners.delete(routeId)
  }

  say(routeId, scar) {
    this.listeners.get(routeId)?.({ scar, momentumScalar: 0, lastTick: 99, resistance: 10 + scar }, { node: 'other', requests: 50 })
  }
}

test('peers of a store in JavaScript: what they report is in the recording', async (t) => {
  const path = join(folder, 'peers.rec')
  const provider = new TellingProvider()
  const { atrion, clock } = virtual({ engine: 'native', provider, maxRoutes: 6 })
  await atrion.connect()
  t.teardown(() => atrion.disconnect())
  const recording = atrion.record(path)
  const random = numbers(99)
  const some = (count) => {
    for (let i = 0; i < count; i++) {
      clock.advance(5)
      // More routes than there is room for: which one goes depends on which were used since the last round.
      const route = `r${i % 3 === 0 ? 1 : Math.floor(random() * 9)}`
      atrion.route(route, { latencyMs: random() * 30, errorRate: 0, saturation: 0.1 })
      atrion.acquire(route).release(random() < 0.1 ? 'failure' : 'success')
    }
  }
  some(100)
  const { resistance } = atrion.getState('r1')
  while (atrion.getState('r1').resistance < resistance + 10) {
    provider.say('r1', 300)
    some(5)
    await sleep(20)
  }
  some(300)
  await recording.stop()
  const { report } = await replayed(path)
  isExact(t, report, recording.stats.decisions)
})

test('a recording of the version before is read, and a newer one refused', async (t) => {
  const path = join(folder, 'version.rec')
  const { atrion } = virtual({ engine: 'native' })
  const recording = atrion.record(path)
  for (let i = 0; i < 10; i++) atrion.acquire('r').release()
  await recording.stop()
  const bytes = readFileSync(path)
  bytes[12] = 1
  writeFileSync(path, bytes)
  const { report } = await replayed(path)
  isExact(t, report, 10)
  bytes[12] = 4
  writeFileSync(path, bytes)
  const { code, stderr } = await replayed(path)
  t.is(code, 1)
  t.regex(stderr, /format 4, and this version reads 1 to 3: a newer atrion wrote it/)
})
