// Files that several recordings want, or that are removed, renamed, protected or cut off while they are written: each file is of one recording, and whole.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync, existsSync, linkSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, unlinkSync, writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import ava from 'ava'
import { runCode } from '../_child.mjs'
import { create, engine } from '../_engine.mjs'
import fc from '../_random.mjs'
import { replayed } from './_drive.mjs'

const test = engine === 'ts' || process.platform === 'win32' ? ava.skip : ava

const scratch = (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'atrion-shared-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return (name) => join(folder, name)
}

/** Records some requests of a route, so that what is written is known. */
const some = (atrion, route, calls) => {
  for (let i = 0; i < calls; i++) atrion.acquire(route).release()
}

/** The file is a recording of these requests of this route alone. */
const holds = async (t, path, route, calls) => {
  const { report, stderr } = await replayed(path)
  t.truthy(report, stderr)
  t.is(report.coverage.damage, undefined)
  t.deepEqual(Object.keys(report.recorded.routes), [route])
  t.is(report.coverage.decisions, calls)
  t.is(report.replay.equal, report.coverage.certain)
}

test('a second recording of a thread to one file throws, by any name of it, and harms the first in nothing', async (t) => {
  const at = scratch(t)
  const first = create()
  const recording = first.record(at('a.rec'))
  some(first, 'a', 10)
  symlinkSync(at('a.rec'), at('link.rec'))
  linkSync(at('a.rec'), at('hard.rec'))
  for (const name of ['a.rec', './a.rec', 'link.rec', 'hard.rec']) {
    const error = t.throws(() => create().record(at(name)), undefined, name)
    t.regex(error.message, /another recording writes to .*a?\.rec/)
  }
  some(first, 'a', 5)
  await recording.stop()
  await holds(t, at('a.rec'), 'a', 15)
  const second = create()
  const again = second.record(at('hard.rec'))
  some(second, 'b', 3)
  await again.stop()
  await holds(t, at('hard.rec'), 'b', 3)
})

const CHILD = `import { Atrion } from 'atrion'
  const [path, route, bursts] = process.argv.slice(-3)
  const atrion = new Atrion({ engine: process.env.ATRION_ENGINE })
  const recording = atrion.record(path)
  for (let i = 0; i < Number(bursts); i++) {
    for (let k = 0; k < 500; k++) atrion.acquire(route).release()
    recording.read()
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await recording.stop()
  const { decisions, dropped, error } = recording.stats
  console.log(JSON.stringify({ route, decisions, dropped, error: error?.message }))`

const childOf = async (path, route, bursts) => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', CHILD, path, route, String(bursts)], {
    env: { ...process.env, ATRION_ENGINE: engine },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (text) => (stdout += text))
  child.stderr.on('data', (text) => (stderr += text))
  await once(child, 'close')
  return stdout === '' ? { stderr } : JSON.parse(stdout)
}

test('of processes that record to one path the last has it, whole; the others say what became of theirs', async (t) => {
  const at = scratch(t)
  for (const isThere of [false, true]) {
    const path = at(`all-${isThere}.rec`)
    if (isThere) writeFileSync(path, 'of another time')
    const all = await Promise.all([80, 60, 40, 20].map((bursts, i) => childOf(path, `r${i}`, bursts)))
    for (const { decisions, dropped, error, stderr } of all) {
      t.is(stderr, undefined)
      if (dropped > 0) t.regex(error, /was removed, or another/)
      t.true(decisions >= 0)
    }
    const { report } = await replayed(path)
    t.is(report.coverage.damage, undefined)
    const [route, ...others] = Object.keys(report.recorded.routes)
    t.deepEqual(others, [])
    t.is(report.coverage.decisions, all.find((one) => one.route === route).decisions)
  }
})

test('threads that record to one path do not mix', async (t) => {
  const at = scratch(t)
  const path = at('threads.rec')
  const code = `const { workerData, parentPort } = require('node:worker_threads')
    const { Atrion } = require('atrion')
    const atrion = new Atrion({ engine: workerData.engine })
    const recording = atrion.record(workerData.path)
    for (let i = 0; i < 3000; i++) atrion.acquire(workerData.route).release()
    recording.stop().then(() => { const { decisions, error } = recording.stats; parentPort.postMessage({ route: workerData.route, decisions, error }) })`
  const all = await Promise.all(
    [0, 1, 2].map(async (i) => {
      const worker = new Worker(code, { eval: true, workerData: { engine, path, route: `r${i}` } })
      // A thread that ends at once has both in one turn.
      const ended = once(worker, 'exit')
      const [message] = await once(worker, 'message')
      await ended
      return message
    }),
  )
  const { report } = await replayed(path)
  const [route, ...others] = Object.keys(report.recorded.routes)
  t.deepEqual(others, [])
  t.is(report.coverage.decisions, all.find((one) => one.route === route).decisions)
})

test('a file that is removed takes nothing more, and that is said; one that is renamed is written on', async (t) => {
  const at = scratch(t)
  for (const [name, change] of [
    ['removed', () => unlinkSync(at('removed'))],
    ['replaced', () => { writeFileSync(at('other'), 'x'); renameSync(at('other'), at('replaced')) }],
    ['renamed', () => renameSync(at('renamed'), at('renamed.1'))],
  ]) {
    const atrion = create()
    const recording = atrion.record(at(name))
    some(atrion, 'a', 10)
    change()
    await recording.stop()
    const { decisions, dropped, error } = recording.stats
    t.is(decisions + dropped, 10)
    if (name === 'renamed') {
      t.is(error, undefined)
      await holds(t, at('renamed.1'), 'a', 10)
    } else {
      t.is(dropped, 10)
      t.regex(error.message, /was removed/)
    }
  }
  t.deepEqual(readdirSync(at('.')).sort(), ['renamed.1', 'replaced'])
})

test('the mode of a file stays, links are followed, and one that may not be written to is left as it is', async (t) => {
  const at = scratch(t)
  writeFileSync(at('private'), 'old', { mode: 0o600 })
  writeFileSync(at('target'), 'old')
  symlinkSync(at('target'), at('link'))
  symlinkSync(at('made'), at('dangling'))
  for (const name of ['private', 'link', 'dangling']) {
    const atrion = create()
    const recording = atrion.record(at(name))
    some(atrion, name, 4)
    await recording.stop()
    await holds(t, at(name), name, 4)
  }
  t.is(statSync(at('private')).mode & 0o777, 0o600)
  t.true(existsSync(at('made')))
  writeFileSync(at('protected'), 'old')
  chmodSync(at('protected'), 0o400)
  if (process.getuid() !== 0) {
    t.throws(() => create().record(at('protected')), { code: 'EACCES' })
    t.is(statSync(at('protected')).size, 3)
  }
  for (const name of ['absent/a.rec', '.', '']) t.throws(() => create().record(name === '' ? '' : at(name)), undefined, name)
})

test('a process that is killed while it writes leaves a whole beginning', async (t) => {
  const at = scratch(t)
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 12 }), async (bursts) => {
      const path = at('killed.rec')
      const code = `import { Atrion } from 'atrion'
        const atrion = new Atrion({ engine: process.env.ATRION_ENGINE })
        const recording = atrion.record(${JSON.stringify(path)})
        for (let i = 0; ; i++) {
          for (let k = 0; k < 3000; k++) atrion.acquire('a', { key: 'k' + k }).release()
          await new Promise((resolve) => setImmediate(resolve))
          if (i === ${bursts}) process.kill(process.pid, 'SIGKILL')
        }`
      const { signal } = await runCode(code)
      t.is(signal, 'SIGKILL')
      const { report, stderr } = await replayed(path)
      if (report === undefined) t.regex(stderr, /nothing of the recording can be read|no decision|is empty/)
      else {
        t.true(report.coverage.decisions <= 3000 * (bursts + 1))
        t.is(report.replay.equal, report.coverage.certain)
      }
    }),
    { numRuns: 5 },
  )
})

test('a process that ends in the middle of stop() loses nothing', async (t) => {
  const at = scratch(t)
  for (const end of ['recording.stop(); process.exit()', 'recording.stop().then(() => process.exit())', 'process.exit()']) {
    const path = at('ended.rec')
    await runCode(`import { Atrion } from 'atrion'
      const atrion = new Atrion({ engine: process.env.ATRION_ENGINE })
      const recording = atrion.record(${JSON.stringify(path)})
      for (let i = 0; i < 20_000; i++) atrion.acquire('a').release()
      ${end}`)
    await holds(t, path, 'a', 20_000)
  }
})
