// Where a recording goes: rings, streams and files, their sizes, what they drop, and what is never written.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import test from 'ava'
import { fileURLToPath } from 'node:url'
import { sourceOf } from '../_source.mjs'
import { replayed, slowStream, virtual } from './_drive.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const { RingSink } = await sourceOf('recording/sinks.ts')

let folder
test.before(() => {
  folder = mkdtempSync(join(tmpdir(), 'atrion-record-'))
})
test.after.always(() => rmSync(folder, { recursive: true, force: true }))

test('a ring keeps the newest, and can be read at any time', async (t) => {
  const { atrion, clock } = virtual()
  const recording = atrion.record({ ringBytes: 2 ** 19 })
  for (let i = 0; i < 60_000; i++) {
    clock.advance(1)
    atrion.acquire(`r${i % 5}`, { key: `k${i % 100}` }).release()
  }
  const path = join(folder, 'ring.rec')
  const bytes = recording.read()
  writeFileSync(path, bytes)
  const { decisions, dropped } = recording.stats
  t.is(decisions + dropped, 60_000)
  t.true(bytes.length <= 2 ** 19 + 2 ** 17, `${bytes.length}`)
  t.true(decisions > 10_000, `${decisions}`)
  const { report } = await replayed(path)
  t.is(report.coverage.decisions, decisions)
  t.is(report.replay.equal, report.coverage.certain)
  t.deepEqual(Object.keys(report.recorded.routes).sort(), ['r0', 'r1', 'r2', 'r3', 'r4'])
})

test('a ring fills the arrays of its oldest blocks again', (t) => {
  const sink = new RingSink(2 ** 20)
  const arrays = new Set()
  let inUse = sink.buffer() ?? new Uint8Array(2 ** 16)
  const lengthOf = (i) => (i % 50 === 7 ? 4_000 : 65_000)
  for (let i = 0; i < 400; i++) {
    sink.beginsAnew()
    arrays.add(inUse)
    inUse.fill(i % 251)
    t.true(sink.take(inUse, lengthOf(i), 1))
    inUse = sink.buffer() ?? new Uint8Array(2 ** 16)
    inUse.fill(255)
    const bytes = sink.read()
    t.true(bytes.length <= 2 ** 20 + 16, `${bytes.length}`)
    // Every block that is kept is as it was taken.
    let end = bytes.length
    for (let block = i; end > 16; block--) {
      const begin = end - lengthOf(block)
      t.is(bytes[begin], block % 251)
      t.is(bytes[end - 1], block % 251)
      end = begin
    }
    t.is(end, 16)
  }
  t.true(arrays.size <= 24, `${arrays.size} arrays for a ring of 16`)
  t.true(sink.lost > 300)
})

test('a decision with a key takes at most 24 bytes', async (t) => {
  const { atrion } = virtual({ clock: undefined })
  const recording = atrion.record(join(folder, 'size.rec'))
  for (let i = 0; i < 20_000; i++) atrion.acquire('GET /orders', { tier: 'high', key: `user ${i % 1000}` }).release()
  await recording.stop()
  const { bytes, decisions } = recording.stats
  t.true(bytes / decisions <= 24, `${bytes / decisions}`)
})

test('keys are never written, nor what looks like data in names', async (t) => {
  const path = join(folder, 'redacted.rec')
  for (const [redact, wanted, unwanted] of [
    [undefined, /GET \/users\/\*/, /ada@example|123456|secret-key|token=/],
    ['routes', /route 1/, /GET|ada@example|123456|secret-key|token=/],
    [false, /GET \/users\/ada@example\.org\?token=x/, /secret-key/],
  ]) {
    const { atrion } = virtual()
    const recording = atrion.record(path, redact === undefined ? {} : { redact })
    for (const route of ['GET /users/ada@example.org?token=x', 'GET /orders/123456']) {
      for (let i = 0; i < 5; i++) atrion.acquire(route, { key: 'secret-key' }).release()
    }
    await recording.stop()
    const text = readFileSync(path, 'latin1')
    t.regex(text, wanted)
    t.notRegex(text, unwanted)
    const { report } = await replayed(path)
    t.is(report.replay.equal, 10)
  }
})

test('a sample says that it is one', async (t) => {
  const path = join(folder, 'sample.rec')
  const { atrion, clock } = virtual()
  const recording = atrion.record(path, { sample: 0.1 })
  for (let i = 0; i < 5000; i++) {
    clock.advance(1)
    atrion.acquire('GET /a').release()
  }
  await recording.stop()
  const { decisions, skipped } = recording.stats
  t.is(decisions + skipped, 5000)
  t.true(decisions > 250 && decisions < 1000, `${decisions}`)
  const { report } = await replayed(path)
  t.deepEqual(report.coverage.doubts, ['sampled'])
  t.is(report.recorded.routes['GET /a'].completed, decisions)
})

test('a stream that is slow never holds up a decision: what finds no room is dropped, and said', async (t) => {
  const path = join(folder, 'slow.rec')
  const { stream, pieces, release } = slowStream()
  const { atrion, clock } = virtual()
  const recording = atrion.record(stream)
  const some = async (count) => {
    for (let i = 0; i < count; i++) {
      clock.advance(1)
      atrion.acquire(`r${i % 3}`, { key: `k${i}` }).release()
      if (i % 1000 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
  }
  await some(400_000)
  const { dropped } = recording.stats
  t.true(dropped > 50_000, `${dropped}`)
  release()
  await some(20_000)
  await recording.stop()
  t.false(stream.writableEnded, 'the stream is the caller’s')
  t.is(recording.stats.decisions + recording.stats.dropped, 420_000)
  writeFileSync(path, Buffer.concat(pieces))
  const { code, report } = await replayed(path)
  t.is(code, 0)
  t.is(report.coverage.damage, undefined)
  t.is(report.coverage.decisions, recording.stats.decisions)
  t.is(report.coverage.dropped, dropped)
  t.true(report.coverage.certain > 100_000)
  t.is(report.replay.equal, report.coverage.certain)
})

test('a stream that fails ends nothing but the recording', async (t) => {
  const stream = new Writable({ write: (_, __, done) => done(new Error('the disk is full')) })
  stream.on('error', () => {})
  const { atrion } = virtual()
  const recording = atrion.record(stream)
  for (let i = 0; i < 50_000; i++) atrion.acquire('GET /a').release()
  await new Promise((resolve) => setImmediate(resolve))
  for (let i = 0; i < 50_000; i++) atrion.acquire('GET /a').release()
  await recording.stop()
  t.regex(recording.stats.error.message, /disk is full/)
  t.is(recording.stats.decisions + recording.stats.dropped, 100_000)
  t.true(recording.stats.dropped > 90_000)
})

const onLinux = process.platform === 'linux' ? test : test.skip

onLinux('a disk that is full costs decisions, and what was written stays whole', async (t) => {
  t.throws(() => virtual().atrion.record('/dev/full'), { code: 'ENOSPC' })
  const path = join(folder, 'full.rec')
  const script = `const { Atrion } = require('atrion'); const atrion = new Atrion()
    const recording = atrion.record(${JSON.stringify(path)})
    const some = async (rounds) => {
      for (let i = 0; i < rounds; i++) {
        for (let k = 0; k < 2000; k++) atrion.acquire('GET /a', { key: 'k' + k }).release()
        await new Promise((resolve) => setTimeout(resolve))
      }
    }
    some(40).then(() => recording.stop()).then(() => {
      const { error, ...stats } = recording.stats
      console.log(JSON.stringify({ ...stats, code: error.code }))
    })`
  const limited = `trap '' XFSZ; ulimit -f 400; exec "$0" -e "$1"`
  const { stdout } = spawnSync('sh', ['-c', limited, process.execPath, script], { cwd: ROOT, encoding: 'utf8' })
  const { decisions, dropped, code } = JSON.parse(stdout)
  t.is(code, 'EFBIG')
  t.is(decisions + dropped, 80_000)
  t.true(dropped > 10_000, `${dropped}`)
  const { report } = await replayed(path)
  t.is(report.coverage.damage, undefined)
  t.is(report.coverage.decisions, decisions)
  t.is(report.replay.equal, report.coverage.certain)
})

test('a file grows no further than it may', async (t) => {
  const path = join(folder, 'bounded.rec')
  const { atrion, clock } = virtual()
  const recording = atrion.record(path, { maxBytes: 200_000 })
  for (let i = 0; i < 60_000; i++) {
    clock.advance(1)
    atrion.acquire('GET /a', { key: `k${i}` }).release()
    if (i % 1000 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await recording.stop()
  t.true(statSync(path).size <= 200_000)
  t.is(recording.stats.decisions + recording.stats.dropped, 60_000)
  const { report } = await replayed(path)
  t.is(report.coverage.decisions, recording.stats.decisions)
  t.is(report.replay.equal, recording.stats.decisions)
})

test('what cannot be honoured is named', (t) => {
  const { atrion } = virtual()
  t.throws(() => atrion.record(''), { instanceOf: TypeError, message: /target must be/ })
  t.throws(() => atrion.record(7), { instanceOf: TypeError, message: /target must be .*, got 7/ })
  t.throws(() => atrion.record({}), { instanceOf: TypeError })
  t.throws(() => atrion.record({ ringBytes: 1 }), { message: /target\.ringBytes must be .*, got 1/ })
  t.throws(() => atrion.record('x', { sample: 0 }), { message: /sample must be a number in \(0, 1\], got 0/ })
  t.throws(() => atrion.record('x', { redact: 'all' }), { message: /redact must be/ })
  t.throws(() => atrion.record('x', { maxBytes: 5 }), { message: /maxBytes must be/ })
  t.throws(() => atrion.record('x', { sampel: 1 }), { message: /did you mean sample/ })
  t.throws(() => atrion.record(join(folder, 'no', 'such', 'folder')), { code: 'ENOENT' })
})

test('a process that ends without stopping its recording loses nothing', async (t) => {
  const path = join(folder, 'exit.rec')
  const script = `const { Atrion } = require('atrion'); const atrion = new Atrion(); atrion.record(${JSON.stringify(path)})
    for (let i = 0; i < 10_000; i++) atrion.acquire('GET /a').release()`
  const { status } = spawnSync(process.execPath, ['-e', script], { cwd: ROOT })
  t.is(status, 0)
  const { report } = await replayed(path)
  t.is(report.replay.equal, 10_000)
})
