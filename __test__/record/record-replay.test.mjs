// A recording is decided again bit for bit, on each engine; what it does not cover it says.
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { Atrion } from 'atrion'
import { cli, drive, replayed, virtual } from './_drive.mjs'

let folder
test.before(() => {
  folder = mkdtempSync(join(tmpdir(), 'atrion-record-'))
})
test.after.always(() => rmSync(folder, { recursive: true, force: true }))

for (const engine of ['native', 'wasm']) {
  test(`everything that is asked of engine '${engine}' is decided again bit for bit`, async (t) => {
    const path = join(folder, `all-${engine}.rec`)
    const world = virtual({ engine })
    const recording = world.atrion.record(path)
    await drive(world, 4000)
    await recording.stop()
    const { decisions, dropped, bytes, error } = recording.stats
    t.is(dropped, 0)
    t.is(error, undefined)
    t.is(statSync(path).size, bytes + 16)
    const { code, report } = await replayed(path)
    t.is(code, 0)
    t.is(report.coverage.decisions, decisions)
    t.true(decisions > 4500, `${decisions}`)
    t.is(report.coverage.share, 1)
    t.is(report.replay.equal, decisions)
    const { total, routes, keys } = report.recorded
    t.true(total.refused > 200, 'it refuses')
    t.true(total.admitted > 1000, 'and admits')
    t.true(report.coverage.asks > 0, 'and makes wait')
    t.truthy(routes['GET /b'].tiers.critical)
    t.true(keys['no key'].decisions > 0)
  })

  test(`while settings are tried on a share of keys on engine '${engine}' as well`, async (t) => {
    const path = join(folder, `tried-${engine}.rec`)
    const world = virtual({ engine })
    const recording = world.atrion.record(path)
    await world.atrion.patch({
      base: 0,
      changes: { limits: { max: 8 }, reserve: { high: 0.2 } },
      canary: { keyShare: 0.4, forMs: 3_600_000 },
    })
    await drive(world, 4000)
    await recording.stop()
    const { report } = await replayed(path)
    t.is(report.coverage.share, 1)
    t.is(report.replay.equal, recording.stats.decisions)
  })

  test(`on the clock of engine '${engine}' as well`, async (t) => {
    const path = join(folder, `clock-${engine}.rec`)
    const atrion = new Atrion({ engine, slo: { maxAcceptableLatencyMs: 5 } })
    const recording = atrion.record(path)
    const open = []
    for (let i = 0; i < 3000; i++) {
      const permit = atrion.acquire(`r${i % 3}`, { tier: 'normal', key: `k${i % 7}` })
      if (permit.allow) open.push(permit)
      if (open.length > 30) open.shift().release(i % 5 === 0 ? 'failure' : 'success')
      if (i % 50 === 0) atrion.route('open', { latencyMs: i })
      if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    for (const permit of open) permit.release()
    await recording.stop()
    const { report } = await replayed(path)
    t.is(report.coverage.certain, 3060)
    t.is(report.replay.equal, 3060)
  })
}

test('one engine decides what another recorded', async (t) => {
  const path = join(folder, 'cross.rec')
  const world = virtual({ engine: 'native' })
  const recording = world.atrion.record(path)
  await drive(world, 1500)
  await recording.stop()
  const { report } = await replayed(path, '--engine', 'wasm')
  t.is(report.replay.equal, report.coverage.decisions)
})

test("engine 'ts' is recorded in its open loop", async (t) => {
  const path = join(folder, 'ts.rec')
  const { atrion, clock } = virtual({ engine: 'ts' })
  const recording = atrion.record(path)
  for (let i = 0; i < 500; i++) {
    clock.advance(100)
    atrion.route(`r${i % 2}`, { latencyMs: (i * 37) % 900, errorRate: (i % 10) / 10 })
  }
  await recording.stop()
  const { report } = await replayed(path)
  t.is(report.coverage.decisions, 500)
  t.is(report.replay.equal, 500)
})

test('routes that are evicted go in the replay as well', async (t) => {
  const path = join(folder, 'evicted.rec')
  const { atrion, clock } = virtual({ maxRoutes: 8 })
  const recording = atrion.record(path)
  for (let i = 0; i < 2000; i++) {
    clock.advance(1.3)
    const permit = atrion.acquire(`r${(i * i) % 23}`)
    if (i % 3 > 0) permit.release()
  }
  await recording.stop()
  const { report } = await replayed(path)
  t.is(report.replay.equal, 2000)
})

test('an instance that stops recording goes on as before, and may be recorded again', async (t) => {
  const { atrion, clock } = virtual({ engine: 'native' })
  const first = atrion.record({ ringBytes: 2 ** 20 })
  t.throws(() => atrion.record({ ringBytes: 2 ** 20 }), { message: /recorded already/ })
  const held = atrion.acquire('GET /a')
  await first.stop()
  await first.stop()
  t.true(first.isStopped)
  const { decisions } = first.stats
  clock.advance(10)
  held.release()
  atrion.acquire('GET /a').release()
  t.is(first.stats.decisions, decisions)
  const path = join(folder, 'late.rec')
  const second = atrion.record(path)
  for (let i = 0; i < 300; i++) {
    clock.advance(5)
    atrion.acquire('GET /a').release()
    atrion.route('open', { latencyMs: i })
  }
  await second.stop()
  const { code, report } = await replayed(path)
  t.is(code, 0)
  t.deepEqual(report.coverage.doubts, [])
  t.is(report.replay.equal, 600)
  t.is(report.coverage.decisions, 600)
})

test('other settings: who would have been refused, and who admitted, within bounds', async (t) => {
  const path = join(folder, 'candidate.rec')
  const world = virtual({ slo: { maxAcceptableLatencyMs: 200 } })
  const recording = world.atrion.record(path)
  await drive(world, 3000)
  await recording.stop()
  const [same, tight] = [join(folder, 'same.json'), join(folder, 'tight.json')]
  writeFileSync(same, '{}')
  writeFileSync(tight, JSON.stringify({ routes: { 'GET /a': { limits: { max: 2, initial: 2 } } } }))
  const { report } = await replayed(path, '--config', same, '--config', tight)
  t.is(report.replay.equal, report.coverage.decisions)
  const [{ best: a, worst: b }, { best: c, worst: d }] = report.candidates
  for (const one of [a, b]) {
    t.is(one.routes.open.admittedToRefused + one.routes.open.refusedToAdmitted, 0)
    t.is(one.routes['GET /a'].admittedToRefused, 0)
  }
  for (const one of [c, d]) {
    t.true(one.routes['GET /a'].admittedToRefused > 20)
    t.is(one.routes['GET /a'].decisions, report.recorded.routes['GET /a'].decisions)
  }
  const text = (await cli('replay', path, '--config', tight)).stdout
  t.regex(text, /^coverage/)
  t.regex(text, /admitted→refused/)
})

test("a recording of engine 'wasm' that begins late says so: that engine has no image", async (t) => {
  const path = join(folder, 'late-wasm.rec')
  const { atrion, clock } = virtual({ engine: 'wasm' })
  for (let i = 0; i < 300; i++) atrion.acquire('GET /a').release()
  const recording = atrion.record(path)
  for (let i = 0; i < 300; i++) {
    clock.advance(5)
    atrion.acquire('GET /a').release()
  }
  await recording.stop()
  const { code, report } = await replayed(path)
  t.is(code, 0)
  t.deepEqual(report.coverage.doubts, ['began late'])
  t.is(report.coverage.share, 0)
})
