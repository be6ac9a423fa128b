// run() with maxWaitMs, the options of a wait, and its timers.

import { install } from '@sinonjs/fake-timers'
import { ConfigError } from 'atrion'
import ava from 'ava'
import { create, engine, virtual } from '../_engine.mjs'
import { crowded, furnish, outcomeOf } from '../_room.mjs'

const test = engine === 'ts' ? ava.skip : ava
const serial = engine === 'ts' ? ava.skip : ava.serial

test('run() waits with maxWaitMs, and without it does not', async (t) => {
  const { atrion, clock, held } = await crowded()
  const work = async () => 'done'
  await t.throwsAsync(atrion.run('route', work, { tier: 'bulk' }), { code: 'ATRION_SHED' })
  const patient = atrion.run('route', work, { tier: 'bulk', maxWaitMs: 100 })
  const late = outcomeOf(atrion.run('route', work, { tier: 'bulk', maxWaitMs: 10 }))
  const instead = atrion.run('route', work, { tier: 'bulk', maxWaitMs: 10, fallback: ({ limitedBy }) => limitedBy })
  clock.advance(10)
  held.release()
  t.is(await patient, 'done')
  t.is(await instead, 'wait_timeout')
  t.like(late.error, { code: 'ATRION_SHED', limitedBy: 'wait_timeout', status: 503, tier: 'bulk' })
  t.like(atrion.stats('route'), { waiting: 0, inFlight: 0 })
})

test('an abort while run() waits ends it before the work begins', async (t) => {
  const { atrion } = await crowded()
  const controller = new AbortController()
  let begun = false
  const running = atrion.run('route', () => (begun = true), { signal: controller.signal, maxWaitMs: 100 })
  controller.abort('gone')
  t.is(await running.catch((reason) => reason), 'gone')
  t.false(begun)
  t.like(atrion.stats('route'), { waiting: 0, inFlight: 1 })
})

test('maxWaitMs and signal out of their range throw', async (t) => {
  const { atrion } = virtual()
  for (const maxWaitMs of [Number.NaN, -1, -Infinity, '5', 2 ** 31]) {
    const error = await t.throwsAsync(atrion.enter('route', { maxWaitMs }), { instanceOf: ConfigError })
    t.is(error.field, 'maxWaitMs')
    t.is(error.got, maxWaitMs)
    await t.throwsAsync(
      atrion.run('route', () => 1, { maxWaitMs }),
      { instanceOf: ConfigError },
    )
  }
  for (const signal of ['x', {}, 5]) {
    t.like(await t.throwsAsync(atrion.enter('route', { signal }), { instanceOf: ConfigError }), { field: 'signal' })
  }
  for (const maxWaitMs of [0, 0.5, 2 ** 31 - 1, Infinity, undefined, null]) {
    t.true((await atrion.enter('route', { maxWaitMs, signal: null })).allow)
  }
  await t.throwsAsync(atrion.enter('route', { timeoutMs: 5 }), {
    instanceOf: ConfigError,
    message: /^timeoutMs must be one of/,
  })
  await t.throwsAsync(atrion.enter(''), { instanceOf: TypeError, message: /^routeId/ })
  await t.throwsAsync(atrion.enter('route', 5), { instanceOf: TypeError, message: /^options must be an object/ })
})

serial('faked timers drive the wait, and a timer that never fires blocks no request for long', async (t) => {
  const atrion = furnish(create())
  const held = await atrion.enter('route')
  const fake = install()
  try {
    const refusal = atrion.enter('route', { maxWaitMs: 100 })
    await fake.tickAsync(101)
    t.like(await refusal, { allow: false, limitedBy: 'wait_timeout' })
    const next = atrion.enter('route')
    held.release()
    t.true((await next).allow, 'admission waits for no timer')
  } finally {
    fake.uninstall()
  }
  t.is(atrion.stats('route').waiting, 0)
})

serial("clock: 'global' follows a faked Date, and timers with it", async (t) => {
  const fake = install()
  try {
    const atrion = furnish(create({ clock: 'global' }))
    const held = await atrion.enter('route')
    const waiting = outcomeOf(atrion.enter('route', { maxWaitMs: 300 }))
    await fake.tickAsync(299)
    t.false(waiting.settled)
    await fake.tickAsync(1)
    t.like(waiting.value, { allow: false, limitedBy: 'wait_timeout' })
    held.release()
    t.true(Math.abs(atrion.stats('route').p50Ms / 300 - 1) < 0.26)
    const lease = await atrion.startTask('task', { timeout: 1000 })
    await fake.tickAsync(1001)
    t.false(lease.isActive)
  } finally {
    fake.uninstall()
  }
})
