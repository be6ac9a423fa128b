// run(): work under a permit, and how each way of ending counts.
import { isShedError, ShedError } from 'atrion'
import ava from 'ava'
import { create, engine, memoryLogger, turn, virtual } from '../_engine.mjs'

const test = engine === 'ts' ? ava.skip : ava

const boom = () => {
  throw new Error('boom')
}

/** A route that refuses everything. */
const shut = () => {
  const world = virtual()
  world.atrion.override('route', 'open')
  return world
}

test('run resolves to what the work does, and counts a success', async (t) => {
  const { atrion } = virtual()
  t.is(await atrion.run('route', () => 1), 1)
  t.is(await atrion.run('route', async () => 2), 2)
  t.like(atrion.stats('route'), { inFlight: 0, admitted: 2, failures: 0 })
})

test('the place is held while the work is under way', async (t) => {
  const { atrion } = virtual()
  let finish
  const running = atrion.run('route', () => new Promise((resolve) => (finish = resolve)))
  t.is(atrion.stats('route').inFlight, 1)
  finish('late')
  t.is(await running, 'late')
  t.is(atrion.stats('route').inFlight, 0)
})

test('an error passes through and counts as failure, thrown at once or later', async (t) => {
  const { atrion } = virtual()
  await t.throwsAsync(() => atrion.run('route', boom, { tier: 'critical' }), { message: 'boom' })
  await t.throwsAsync(() => atrion.run('route', async () => boom(), { tier: 'critical' }), { message: 'boom' })
  await t.throwsAsync(() => atrion.run('route', boom, { tier: 'critical', timeoutMs: 1000 }), { message: 'boom' })
  t.like(atrion.stats('route'), { inFlight: 0, admitted: 3, failures: 3 })
})

test('isFailure decides what speaks against the route', async (t) => {
  const { atrion } = virtual()
  const isFailure = (error) => error.message !== 'not found'
  const notFound = () => Promise.reject(new Error('not found'))
  await t.throwsAsync(() => atrion.run('route', notFound, { isFailure }), { message: 'not found' })
  t.is(atrion.stats('route').failures, 0)
  await t.throwsAsync(() => atrion.run('route', boom, { isFailure }), { message: 'boom' })
  t.is(atrion.stats('route').failures, 1)
})

test('an isFailure that throws loses no place, and not the error of the work', async (t) => {
  const { atrion } = virtual()
  const isFailure = () => {
    throw new TypeError('no judge')
  }
  await t.throwsAsync(() => atrion.run('route', boom, { isFailure }), { message: 'boom' })
  await t.throwsAsync(() => atrion.run('route', boom, { isFailure, tier: 'critical', timeoutMs: 1000 }), {
    message: 'boom',
  })
  t.like(atrion.stats('route'), { inFlight: 0, failures: 2 })
})

test('a refusal rejects with a ShedError that says it all, and the work is not begun', async (t) => {
  const { atrion } = shut()
  let begun = false
  const error = await t.throwsAsync(
    atrion.run('route', () => (begun = true), { voltage: 42 }),
    { instanceOf: ShedError },
  )
  t.false(begun)
  t.true(isShedError(error))
  t.like(error, { code: 'ATRION_SHED', name: 'ShedError', routeId: 'route', voltage: 42, mode: 'BOOTSTRAP' })
  t.true(error.resistance > 0 && Number.isFinite(error.resistance))
  t.true(error.retryAfterMs > 0)
  t.is(atrion.stats('route').inFlight, 0)
})

test('a fallback is a value, or a function of the refusal', async (t) => {
  const { atrion } = shut()
  t.is(await atrion.run('route', boom, { fallback: 'instead' }), 'instead')
  t.is(await atrion.run('route', boom, { fallback: null }), null)
  t.is(await atrion.run('route', boom, { fallback: ({ routeId, code }) => `${code} ${routeId}` }), 'ATRION_SHED route')
  t.is(await atrion.run('route', boom, { fallback: async () => 'later' }), 'later')
  await t.throwsAsync(() => atrion.run('route', () => 1, { fallback: boom }), { message: 'boom' })
  const open = virtual().atrion
  await t.throwsAsync(
    () => open.run('route', boom, { fallback: 'instead' }),
    { message: 'boom' },
    'an error is no refusal',
  )
})

test('work that takes too long is aborted, rejects with a TimeoutError and counts as failure', async (t) => {
  const atrion = create()
  let signal
  const work = (given) => {
    signal = given
    return new Promise(() => {})
  }
  // An idle child of the loop: the timer itself keeps no process alive.
  const awake = setInterval(() => {}, 1000)
  const error = await atrion.run('route', work, { timeoutMs: 5 }).catch((reason) => reason)
  clearInterval(awake)
  t.is(error.name, 'TimeoutError')
  t.regex(error.message, /5 ms/)
  t.true(signal.aborted)
  t.is(signal.reason, error)
  t.like(atrion.stats('route'), { inFlight: 0, failures: 1 })
})

test('work that ends in time is not aborted', async (t) => {
  const { atrion } = virtual()
  let signal
  const result = await atrion.run('route', async (given) => (signal = given), { timeoutMs: 60_000 })
  t.is(result, signal)
  t.false(signal.aborted)
  t.like(atrion.stats('route'), { inFlight: 0, failures: 0, admitted: 1 })
})

test("work that the caller's signal aborts does not count for or against the route", async (t) => {
  const { atrion } = virtual()
  const controller = new AbortController()
  let signal
  const running = atrion.run(
    'route',
    (given) => {
      signal = given
      return new Promise(() => {})
    },
    { signal: controller.signal },
  )
  await turn()
  t.false(signal.aborted)
  const reason = new Error('the client hung up')
  controller.abort(reason)
  t.is(await running.catch((error) => error), reason)
  t.true(signal.aborted)
  t.is(signal.reason, reason)
  const stats = atrion.stats('route')
  t.like(stats, { inFlight: 0, failures: 0, successRatio: 1 })
  t.is(stats.p50Ms, undefined, 'its latency is not counted')
})

test('a signal that was aborted before lets no work begin and keeps no place', async (t) => {
  const { atrion } = virtual()
  let begun = false
  const work = () => (begun = true)
  const reason = new Error('gone')
  const error = await atrion.run('route', work, { signal: AbortSignal.abort(reason) }).catch((e) => e)
  t.is(error, reason)
  t.false(begun)
  t.is(atrion.stats('route').inFlight, 0)
})

test('work that aborts its caller and throws leaves no rejection unheard', async (t) => {
  const { atrion } = virtual()
  const unheard = []
  const listen = (reason) => unheard.push(reason)
  process.on('unhandledRejection', listen)
  const controller = new AbortController()
  const work = () => {
    controller.abort(new Error('abort'))
    return boom()
  }
  const error = await atrion.run('route', work, { signal: controller.signal }).catch((e) => e)
  await turn()
  await turn()
  process.off('unhandledRejection', listen)
  t.is(error.message, 'boom')
  t.deepEqual(unheard, [])
  t.is(atrion.stats('route').inFlight, 0)
})

test('a signal that outlives the work keeps no listener of it', async (t) => {
  const { atrion } = virtual()
  const added = new Set()
  const { signal } = new AbortController()
  const { addEventListener, removeEventListener } = signal
  signal.addEventListener = function (type, listener, options) {
    added.add(listener)
    return addEventListener.call(this, type, listener, options)
  }
  signal.removeEventListener = function (type, listener) {
    added.delete(listener)
    return removeEventListener.call(this, type, listener)
  }
  await atrion.run('route', () => t.is(added.size, 1), { signal })
  t.is(added.size, 0)
})

test('work that is no function, and a route that has no name, are refused by name', async (t) => {
  const { atrion } = virtual()
  await t.throwsAsync(() => atrion.run('route', 5), { instanceOf: TypeError, message: /^fn must be a function, got 5/ })
  const message = /^routeId must be a non-empty string, got a function/
  await t.throwsAsync(() => atrion.run(() => 1), { instanceOf: TypeError, message })
  await t.throwsAsync(() => atrion.run('', () => 1), { instanceOf: TypeError, message: /^routeId/ })
  await t.throwsAsync(() => atrion.run('route', () => 1, { tier: 'x' }), { message: /^tier must be one of/ })
  t.is(atrion.stats('route').inFlight, 0)
})

test('a dry run works where it would have refused', async (t) => {
  const { atrion } = virtual({ dryRun: true, logger: memoryLogger() })
  atrion.override('route', 'open')
  t.is(await atrion.run('route', () => 'work', { fallback: 'instead' }), 'work')
  t.like(atrion.stats('route'), { admitted: 1, shed: 1, inFlight: 0 })
})

test('a breaker that opens and closes by outcomes is a transition event', async (t) => {
  const { atrion, clock } = virtual()
  const transitions = []
  atrion.on('transition', ({ from, to }) => transitions.push(`${from} → ${to}`))
  const work = (fails) => async () => {
    if (fails) throw new Error('down')
  }
  for (let i = 0; i < 100; i++) {
    await atrion.run('route', work(true), { tier: 'critical' }).catch(() => {})
    clock.advance(10)
  }
  for (let i = 0; i < 200; i++) {
    await atrion.run('route', work(false), { tier: 'critical' }).catch(() => {})
    clock.advance(10)
  }
  await turn()
  t.deepEqual(transitions, [
    'BOOTSTRAP → OPERATIONAL',
    'OPERATIONAL → CIRCUIT_BREAKER',
    'CIRCUIT_BREAKER → OPERATIONAL',
  ])
})
