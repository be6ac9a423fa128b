// Timers that were faked for a while leave nothing behind that waits for one of them.
import { createServer } from 'node:http'
import FakeTimers from '@sinonjs/fake-timers'
import { atrionHttp } from 'atrion/http'
import ava from 'ava'
import { ask, CALM, close, listen, until, watched } from '../_adapters.mjs'
import { create, engine } from '../_engine.mjs'

const test = engine === 'ts' ? ava.skip : ava.serial

/** Runs `work` while all timers, `queueMicrotask` and `setImmediate` are faked, and none of them comes. */
const faked = (work) => {
  const clock = FakeTimers.install()
  try {
    return work()
  } finally {
    clock.uninstall()
  }
}

test('events are delivered', async (t) => {
  const atrion = create()
  const seen = []
  atrion.on('shed', ({ routeId }) => seen.push(routeId))
  atrion.override('r', 'open')
  const first = faked(() => atrion.run('r', () => {}))
  await t.throwsAsync(first, { code: 'ATRION_SHED' })
  await t.throwsAsync(
    atrion.run('r', () => {}),
    { code: 'ATRION_SHED' },
  )
  await until(() => seen.length === 2)
  t.deepEqual(seen, ['r', 'r'])
})

test('a status that was read is not taken for the answer to every request after it', async (t) => {
  const { atrion, outcomes } = watched()
  atrion.override('inner', 'open')
  const error = await t.throwsAsync(atrion.run('inner', () => {}))
  t.is(
    faked(() => error.status),
    503,
  )
  const server = await listen(createServer(atrionHttp(atrion, (_req, res) => res.writeHead(503).end(), CALM)))
  t.is((await ask(server, '/')).status, 503)
  await until(() => outcomes.length > 0)
  t.deepEqual(outcomes, ['GET * failure'])
  await close(server)
})

test('observers see what comes', async (t) => {
  const seen = []
  const atrion = create({ observer: { onUpdate: ({ routeId }) => seen.push(routeId) } })
  faked(() => atrion.route('r', { latencyMs: 1 }))
  atrion.route('r', { latencyMs: 1 })
  await until(() => seen.length === 2)
  t.deepEqual(seen, ['r', 'r'])
})

test('requests that wait are answered in time', async (t) => {
  const atrion = create()
  atrion.configure({ limits: { min: 1, max: 1, initial: 1 } })
  const held = atrion.acquire('r')
  const first = faked(() => atrion.enter('r', { maxWaitMs: 20 }))
  // Its timer was faked, and is overdue when the next one comes.
  const sinceMs = performance.now()
  await until(() => performance.now() - sinceMs > 60)
  const second = await atrion.enter('r', { maxWaitMs: 20 })
  t.like(second, { allow: false, limitedBy: 'wait_timeout' })
  t.false((await first).allow)
  held.release()
})
