import test from 'ava'
import { endedWell, runScript } from '../_child.mjs'
import { PATIENCE_MS } from '../_patience.mjs'

test('a process ends by itself, with 10,000 leases open, a store connected and an observer at work', async (t) => {
  t.timeout(PATIENCE_MS)
  const end = await runScript('_busy.mjs')
  endedWell(t, end)
  t.is(end.stderr, '')
  t.deepEqual(JSON.parse(end.stdout), { leases: 100, connected: true })
})

test('100 threads start, decide and stop, some of them in the middle of it, and all come to the same', async (t) => {
  t.timeout(300_000)
  const end = await runScript('_workers.mjs', { limitMs: 280_000 })
  endedWell(t, end)
  const { started, agreed, differed, own, expected } = JSON.parse(end.stdout)
  t.is(started, 100)
  t.is(differed, 0)
  t.true(agreed >= 75, `${agreed} agreed`)
  t.true(own > 0 && expected > 0)
})
