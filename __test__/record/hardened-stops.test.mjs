// A recording ends within its time whatever its stream does, counts what was lost, and what a stream keeps stays as it was given.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex, PassThrough, Writable } from 'node:stream'
import { promisify } from 'node:util'
import { isConfigError } from 'atrion'
import ava from 'ava'
import { create, engine, virtual } from '../_engine.mjs'
import fc from '../_random.mjs'
import { replayed } from './_drive.mjs'

const test = engine === 'ts' ? ava.skip : ava

let folder
ava.before(() => {
  folder = mkdtempSync(join(tmpdir(), 'atrion-stops-'))
})
ava.after.always(() => rmSync(folder, { recursive: true, force: true }))

const turn = () => new Promise(setImmediate)

/** Streams that take so many pieces, and then none any more; and the calls back that they owe. */
const HELD = {
  'never calls back': (most) => {
    let pieces = 0
    const owed = []
    const write = (_chunk, _encoding, done) => (pieces++ < most ? done() : owed.push(done))
    return { stream: new Writable({ write }), owed }
  },
  'is never read': () => ({ stream: new PassThrough({ highWaterMark: 1 }), owed: [] }),
  'is corked': () => {
    const stream = new Writable({ write: (_chunk, _encoding, done) => done() })
    stream.cork()
    return { stream, owed: [] }
  },
  'is a duplex of another': () => ({ stream: new Duplex({ read() {}, write() {} }), owed: [] }),
  'has calls of its own that do nothing': () => ({ stream: { write: () => true, on() {}, removeListener() {} }, owed: [] }),
  'is destroyed without a word while it is waited for': () => {
    const stream = new Writable({ write() {}, emitClose: false, destroy: (_error, done) => done() })
    setImmediate(() => stream.destroy())
    return { stream, owed: [] }
  },
}

for (const [name, make] of Object.entries(HELD)) {
  test(`stop() is over in its time where a stream ${name}, and what is lost is counted`, async (t) => {
    await fc.assert(
      fc.asyncProperty(fc.nat(4), fc.nat(3), fc.nat(90_000), fc.constantFrom(0, 1, 20), async (most, turns, calls, ms) => {
        const { stream, owed } = make(most)
        const atrion = create()
        const recording = atrion.record(stream, { stopTimeoutMs: ms })
        for (let i = 0; i < calls; i++) atrion.acquire('r').release()
        for (let i = 0; i < turns; i++) await turn()
        const first = recording.stop()
        t.is(recording.stop(), first)
        await first
        const { decisions, dropped, error } = recording.stats
        t.is(decisions + dropped, calls)
        if (dropped > 0) t.truthy(error)
        // An error that comes later has a listener, and a call back that comes later changes nothing.
        if (error) stream.emit?.('error', new Error('later'))
        for (const done of owed) done()
        await turn()
        t.deepEqual(recording.stats, { ...recording.stats, decisions, dropped, error })
      }),
      { numRuns: 6 },
    )
  })
}

test('one that takes all after stop() has given up keeps no listener', async (t) => {
  const owed = []
  const stream = new Writable({ write: (_chunk, _encoding, done) => owed.push(done) })
  const atrion = create()
  const recording = atrion.record(stream, { stopTimeoutMs: 0 })
  atrion.acquire('r').release()
  await recording.stop()
  t.is(recording.stats.dropped, 1)
  t.regex(recording.stats.error.message, /within 0 ms of stop\(\)/)
  t.is(stream.listenerCount('error'), 1)
  while (owed.length > 0) {
    owed.shift()()
    await turn()
  }
  t.is(stream.listenerCount('error'), 0)
})

test('the time of stop() is in its range', (t) => {
  for (const stopTimeoutMs of [-1, Number.NaN, Number.POSITIVE_INFINITY, 3_600_001, '5', {}]) {
    const error = t.throws(() => create().record({ ringBytes: 2 ** 20 }, { stopTimeoutMs }))
    t.true(isConfigError(error) || error instanceof TypeError, String(error))
    t.regex(error.message, /stopTimeoutMs/)
  }
  for (const stopTimeoutMs of [null, undefined, 0, 3_600_000]) create().record({ ringBytes: 2 ** 20 }, { stopTimeoutMs })
})

test('a process that waits for stop() goes on, and ends', async (t) => {
  const script = `const { Atrion } = require('atrion'); const { Writable } = require('node:stream')
    const atrion = new Atrion(); const recording = atrion.record(new Writable({ write() {} }), { stopTimeoutMs: 50 })
    atrion.acquire('r').release(); recording.stop().then(() => console.log('over'))`
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', script])
  t.is(stdout, 'over\n')
})

test('a stream may keep what it was given: nothing is written over it', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 9_000 }), { minLength: 2, maxLength: 12 }), fc.boolean(), async (bursts, isLate) => {
      const { atrion, clock } = virtual({ engine: 'native' })
      const kept = []
      const take = (chunk, _encoding, done) => {
        kept.push(chunk)
        if (isLate) setImmediate(done)
        else done()
      }
      const recording = atrion.record(new Writable({ write: take }))
      let calls = 0
      for (const burst of bursts) {
        for (let i = 0; i < burst; i++) {
          clock.advance(1)
          atrion.acquire(`r${i % 3}`, { key: `k${calls++ % 50}` }).release()
        }
        // What is read of a ring hands the block on, as the timer does.
        recording.read()
        await turn()
      }
      await recording.stop()
      const path = join(folder, 'kept.rec')
      writeFileSync(path, Buffer.concat(kept))
      const { report } = await replayed(path)
      t.is(report.coverage.damage, undefined)
      t.is(report.coverage.decisions, recording.stats.decisions)
      t.is(report.replay.equal, recording.stats.decisions)
    }),
    { numRuns: 3 },
  )
})
