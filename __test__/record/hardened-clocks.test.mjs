// Recordings under clocks that jump, go back, stand, throw and give no number: each decision is made again bit for bit.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { VirtualClock } from 'atrion'
import ava from 'ava'
import { create, engine } from '../_engine.mjs'
import { drive, replayed } from './_drive.mjs'

const test = engine === 'native' ? ava : ava.skip

const HOUR_MS = 3_600_000

test('a recording under a hostile clock is replayed bit for bit', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'atrion-clocks-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  for (const [what, next] of Object.entries({
    'jumps ahead by a day and returns': (now) => now + 24 * HOUR_MS,
    'goes back by an hour and returns': (now) => now - HOUR_MS,
    'leaps to the end of time': () => 8.64e15,
    'leaps to 1970': () => 0,
    'gives NaN': () => Number.NaN,
    'gives a negative time': () => -1e300,
    throws: () => {
      throw new Error('mine')
    },
  })) {
    const own = new VirtualClock(1_700_000_000_000)
    let reads = 0
    const clock = {
      // Every so many reads it is hostile for a while.
      now: () => (++reads % 300 > 250 ? next(own.now()) : own.now()),
      advance: (ms) => own.advance(ms),
    }
    const atrion = create({ clock, maxRoutes: 8 })
    const path = join(folder, `${what.replaceAll(' ', '-')}.rec`)
    const recording = atrion.record(path)
    await drive({ atrion, clock }, 2_000)
    await recording.stop()
    const { code, stderr, report } = await replayed(path)
    t.is(code, 0, `${what}: ${stderr}`)
    t.true(report.coverage.decisions >= 2_000, what)
    t.is(report.coverage.share, 1, what)
    t.is(report.replay.equal, report.coverage.decisions, what)
  }
})
