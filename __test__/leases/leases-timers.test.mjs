// Leases in the machine's own time: one timer for all, set for the earliest moment at which one is due.
import FakeTimers from '@sinonjs/fake-timers'
import { VirtualClock } from 'atrion'
import anyTest from 'ava'
import { CALM, create } from '../_engine.mjs'

const test = anyTest.serial

test.beforeEach((t) => {
  t.context.timers = FakeTimers.install({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})

test.afterEach.always((t) => {
  t.context.timers.uninstall()
})

/** A route at R = 10 Ω. Its scars decay in the engine's own time, which is not faked: hence the tolerance. */
const operational = () => {
  const atrion = create({ config: { decayRate: 0, bootstrapTicks: 1, dampingFactor: 0 } })
  atrion.route('route', CALM)
  return atrion
}

test('a lease that runs out is ended, scarred for and aborted by the timer alone', async (t) => {
  const atrion = operational()
  const abortController = new AbortController()
  await atrion.startTask('route', { timeout: 5000, abortController })
  t.context.timers.tick(4999)
  t.false(abortController.signal.aborted)
  t.context.timers.tick(1)
  t.true(abortController.signal.aborted)
  t.is(atrion.getState('route').resistance, 17.5)
  t.is(atrion.getActiveTaskCount('route'), 0)
})

test('three missed heartbeats are noticed by the timer alone', async (t) => {
  const atrion = operational()
  const abortController = new AbortController()
  const lease = await atrion.startTask('route', { profile: 'HEAVY', abortController })
  t.context.timers.tick(10_000)
  lease.heartbeat()
  t.context.timers.tick(14_999)
  t.false(abortController.signal.aborted)
  t.context.timers.tick(1)
  t.true(abortController.signal.aborted)
  t.is(atrion.getState('route').resistance, 12.5)
})

test('there is one timer for all leases, and none when all have ended', async (t) => {
  const atrion = create()
  const leases = []
  for (let i = 0; i < 1000; i++) leases.push(await atrion.startTask(`${i % 7}`, { timeout: 10_000 - i }))
  t.is(t.context.timers.countTimers(), 1)
  for (const lease of leases.slice(10)) await lease.release()
  t.is(t.context.timers.countTimers(), 1)
  for (const lease of leases.slice(0, 10)) await lease.release()
  t.is(t.context.timers.countTimers(), 0)
})

test('a lease that ends before those that were there first is noticed in its time', async (t) => {
  const atrion = create()
  const controllers = [50_000, 10, 20_000, 3000].map((timeout) => ({ timeout, abortController: new AbortController() }))
  for (const { timeout, abortController } of controllers) await atrion.startTask('route', { timeout, abortController })
  let elapsedMs = 0
  for (const stop of [9, 10, 2999, 3000, 19_999, 20_000, 49_999, 50_000]) {
    t.context.timers.tick(stop - elapsedMs)
    elapsedMs = stop
    const aborted = controllers.map(({ abortController }) => abortController.signal.aborted)
    t.deepEqual(
      aborted,
      controllers.map(({ timeout }) => timeout <= stop),
      `after ${stop} ms`,
    )
  }
  t.is(t.context.timers.countTimers(), 0)
})

test('heartbeats do not move the timer: it looks, and finds that there is time', async (t) => {
  const atrion = create()
  const abortController = new AbortController()
  const lease = await atrion.startTask('route', { profile: 'EXTREME', abortController })
  for (let i = 0; i < 100; i++) {
    t.context.timers.tick(9000)
    lease.heartbeat({ progress: i / 100 })
    t.is(t.context.timers.countTimers(), 1)
  }
  t.true(lease.isActive)
  await lease.release()
})

test('a lease of two months outlasts what a timer can carry', async (t) => {
  const atrion = create()
  const twoMonthsMs = 60 * 86_400_000
  const abortController = new AbortController()
  await atrion.startTask('route', { timeout: twoMonthsMs, abortController })
  t.context.timers.tick(twoMonthsMs - 1)
  t.false(abortController.signal.aborted)
  t.context.timers.tick(1)
  t.true(abortController.signal.aborted)
})

test('in virtual time the timer looks from time to time, and virtual time decides', async (t) => {
  const clock = new VirtualClock()
  const atrion = create({ clock })
  const abortController = new AbortController()
  await atrion.startTask('route', { timeout: 60_000, abortController })
  t.context.timers.tick(1_000_000)
  t.false(abortController.signal.aborted)
  clock.advance(60_000)
  t.context.timers.tick(10)
  t.true(abortController.signal.aborted)
  t.is(t.context.timers.countTimers(), 0)
})
