// Recordings of random traffic on random instances: each is decided again bit for bit, or says from where on it cannot be; and can be tuned.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { endedWell, runCode } from '../_child.mjs'
import { engine as engineOfRun } from '../_engine.mjs'
import { PATIENCE_MS } from '../_patience.mjs'
import { cli, replayed } from './_drive.mjs'
import { randomWorld } from './_random-drive.mjs'

let folder
test.before(() => {
  folder = mkdtempSync(join(tmpdir(), 'atrion-random-'))
})
test.after.always(() => rmSync(folder, { recursive: true, force: true }))

const ENGINES = engineOfRun === 'native' ? ['native', 'wasm'] : ['wasm']

/** Every decision is in the replay, and each that follows from the recording comes out the same. */
const isReplayed = async (t, path, { decisions }, { isWhole = true, says }) => {
  const { code, report, stderr } = await replayed(path)
  t.is(code, 0, `${says}: ${stderr}`)
  const { coverage, replay } = report
  t.is(coverage.decisions, decisions, says)
  t.is(replay.equal, coverage.certain, `${says}: ${replay.firstDifference}`)
  if (coverage.certain < decisions) t.true(coverage.doubts.length > 0, says)
  if (isWhole) t.is(coverage.certain, decisions, `${says}: ${coverage.doubts}`)
  return report
}

for (const engine of ENGINES) {
  test(`random traffic on engine '${engine}' is decided again bit for bit`, async (t) => {
    t.timeout(PATIENCE_MS)
    let refused = 0
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      const path = join(folder, `${engine}-${seed}.rec`)
      const world = randomWorld(seed, engine, seed % 4 === 0)
      const recording = world.atrion.record(path)
      await world.drive(800)
      // Some end with requests under way.
      if (seed % 2 === 0) await world.end()
      await recording.stop()
      const report = await isReplayed(t, path, recording.stats, { says: `seed ${seed}` })
      refused += report.recorded.total.refused
      // Cut off anywhere, what is left is decided again.
      const whole = readFileSync(path)
      writeFileSync(path, whole.subarray(0, Math.floor((whole.length * (0.3 + seed)) / 7)))
      const { code, report: cut } = await replayed(path)
      if (cut === undefined) t.is(code, 1)
      else t.is(cut.replay.equal, cut.coverage.decisions)
    }
    t.true(refused > 100, `${refused}`)
  })

  test(`recordings that begin and end in the midst of random traffic on engine '${engine}'`, async (t) => {
    t.timeout(PATIENCE_MS)
    for (const seed of [21, 22, 23]) {
      const world = randomWorld(seed, engine)
      for (const part of ['first', 'second', 'third']) {
        const path = join(folder, `${engine}-${seed}-${part}.rec`)
        const recording = world.atrion.record(path)
        const all = world.drive(300)
        if (part === 'second') await recording.stop()
        await all
        await recording.stop()
        await isReplayed(t, path, recording.stats, { isWhole: engine === 'native', says: `seed ${seed}, ${part}` })
      }
      await world.end()
    }
  })

  test(`rings of random traffic on engine '${engine}'`, async (t) => {
    t.timeout(PATIENCE_MS)
    for (const seed of [31, 32]) {
      const path = join(folder, `${engine}-${seed}-ring.rec`)
      const world = randomWorld(seed, engine)
      const recording = world.atrion.record({ ringBytes: 2 ** 19 })
      await world.drive(5000)
      writeFileSync(path, recording.read())
      const { stats } = recording
      await isReplayed(t, path, stats, { isWhole: engine === 'native', says: `seed ${seed}` })
      await recording.stop()
      await world.end()
    }
  })
}

test('a process that is killed in the midst of random traffic leaves what is decided again', async (t) => {
  t.timeout(PATIENCE_MS)
  const path = join(folder, 'killed.rec')
  const code = `
    import { randomWorld } from ${JSON.stringify(new URL('./_random-drive.mjs', import.meta.url).href)}
    const world = randomWorld(41, '${ENGINES[0]}')
    world.atrion.record(${JSON.stringify(path)})
    await world.drive(6000)
    await new Promise((resolve) => setTimeout(resolve, 50))
    process.kill(process.pid, 'SIGKILL')`
  const child = await runCode(code)
  t.false(child.hung)
  t.is(child.stdout, '')
  const { report } = await replayed(path)
  t.true(report.coverage.decisions > 1000, `${report.coverage.decisions}`)
  t.is(report.replay.equal, report.coverage.decisions)
  const ended = await runCode(code.replace("process.kill(process.pid, 'SIGKILL')", 'process.exit(0)'))
  endedWell(t, ended)
  const { report: all } = await replayed(path)
  t.true(all.coverage.decisions >= report.coverage.decisions)
  t.is(all.replay.equal, all.coverage.decisions)
})

test('a candidate that does not go with the recorded settings is named, with the route', async (t) => {
  const path = join(folder, 'least.rec')
  const { atrion } = randomWorld(61, ENGINES[0])
  const recording = atrion.record(path)
  atrion.setRouteProfile('GET /a', { limits: { min: 4 } })
  for (let i = 0; i < 50; i++) atrion.acquire('GET /a').release()
  await recording.stop()
  const candidate = join(folder, 'candidate.json')
  for (const settings of [{ routes: { 'GET /a': { limits: { max: 2, initial: 2 } } } }, { limits: { min: 1, max: 2, initial: 2 } }]) {
    writeFileSync(candidate, JSON.stringify(settings))
    const { code, stderr } = await cli('replay', path, '--config', candidate)
    t.is(code, 1)
    t.regex(stderr, /candidate\.json, route GET \/a, beside the recorded settings: limits\.max must be at least limits\.min \(4\), got 2/)
    t.is(stderr.trim().split('\n').length, 1, stderr)
  }
})

test('settings are proposed for random traffic, whatever its own settings were', async (t) => {
  t.timeout(PATIENCE_MS)
  // The least limits of some are above what their plants can serve, and one has a deadline of a millisecond.
  for (const seed of [120, 126, 150, 51]) {
    const path = join(folder, `tuned-${seed}.rec`)
    const world = randomWorld(seed, ENGINES[0], false)
    if (seed === 51) world.atrion.configure({ slo: { maxAcceptableLatencyMs: 1 } })
    const recording = world.atrion.record(path)
    await world.drive(1500)
    await world.end()
    await recording.stop()
    const { code, stdout, stderr } = await cli('tune', path, '--seeds', '1', '--json')
    t.is(code, 0, stderr)
    t.true(JSON.parse(stdout).tried.length >= 5)
  }
})
