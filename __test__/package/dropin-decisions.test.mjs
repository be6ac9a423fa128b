// Calls as code for atrion 2.0 makes them, and their results: absent values, voltages, leases, the names of both entries.
import { createRequire } from 'node:module'
import { AtrionError } from 'atrion'
import test from 'ava'
import { CALM, create, virtual, warm } from '../_engine.mjs'

const require = createRequire(import.meta.url)
const [main, core] = [require('atrion'), require('atrion/core')]

/** The state of an instance after some calls, and the answer of the last one. */
const after = (...calls) => {
  const world = virtual()
  let decision
  for (let i = 0; i < 12; i++) {
    for (const call of calls) decision = call(world.atrion)
    world.clock.advance(100)
  }
  return { decision, state: world.atrion.getState('r') }
}

for (const [title, absent, given] of [
  ['errorRate', { latencyMs: 130, errorRate: null }, { latencyMs: 130 }],
  ['saturation', { latencyMs: 130, saturation: null }, { latencyMs: 130 }],
  ['both', { latencyMs: 130, errorRate: null, saturation: null }, { latencyMs: 130 }],
]) {
  test(`${title}: null is not given`, (t) => {
    t.deepEqual(
      after((a) => a.route('r', absent)),
      after((a) => a.route('r', given)),
    )
    t.is(after((a) => a.route('r', absent)).state.tickCount, 12)
  })
}

for (const options of [
  null,
  { voltage: null },
  { profile: null },
  { voltage: null, profile: null },
  { voltage: undefined },
]) {
  test(`route(…, ${JSON.stringify(options)}) is as without options`, (t) => {
    t.deepEqual(
      after((a) => a.route('r', CALM, options)),
      after((a) => a.route('r', CALM)),
    )
  })
}

test('latencyMs is not optional: null is refused as before', (t) => {
  t.throws(() => create().route('r', { latencyMs: null }), { instanceOf: TypeError, message: /latencyMs/ })
})

test('a negative voltage never flows, and the reason says why', (t) => {
  const world = warm(virtual(), 'r')
  for (const voltage of [-1, -1e-9, -1e300, Number.NEGATIVE_INFINITY]) {
    for (const options of [voltage, { voltage }]) {
      const { allow, reason, retryAfterMs } = world.atrion.route('r', CALM, options)
      t.false(allow, `${voltage}`)
      t.true(reason.startsWith(`Insufficient voltage: V=${voltage} ≤ R=`), reason)
      t.is(retryAfterMs, undefined, 'no waiting makes it flow')
    }
  }
  t.false(world.atrion.route('r', CALM, -0).allow)
})

test('a voltage that is no number or without end is noise: the default holds', (t) => {
  const world = warm(virtual({ defaultVoltage: 100 }), 'r')
  for (const voltage of [Number.NaN, Number.POSITIVE_INFINITY]) t.true(world.atrion.route('r', CALM, voltage).allow)
  const cautious = warm(virtual({ defaultVoltage: 0 }), 'r')
  for (const voltage of [Number.NaN, Number.POSITIVE_INFINITY]) t.false(cautious.atrion.route('r', CALM, voltage).allow)
})

// leases

test('a heartbeat after the end of a lease says that it is no longer active', async (t) => {
  const world = virtual()
  for (const outcome of ['completed', 'failed', 'timeout', 'aborted']) {
    const lease = await world.atrion.startTask('r')
    await lease.release(outcome)
    t.throws(() => lease.heartbeat(), { instanceOf: AtrionError, message: /is no longer active/ })
  }
  const late = await world.atrion.startTask('r', { timeout: 1000 })
  world.clock.advance(1001)
  t.throws(() => late.heartbeat({ progress: 1 }), { message: /is no longer active/ })
})

test('null in the options of a lease and in a heartbeat is not given', async (t) => {
  const world = virtual()
  const lease = await world.atrion.startTask('r', { profile: null, timeout: null, metadata: null })
  t.is(lease.profile, 'STANDARD')
  t.is(lease.remainingMs(), 30_000)
  t.deepEqual(lease.metadata, {})
  lease.heartbeat({ progress: null, memoryBytes: null, status: null })
  t.true(lease.isActive)
  await lease.release()
})

// the surface

const OF_2_0 = {
  loggers: ['consoleLogger', 'createLogger', 'getLogger', 'resetLogger', 'setLogger', 'silentLogger'],
  observers: [
    'consoleObserver',
    'createCollectorObserver',
    'createCompositeObserver',
    'createFilteredObserver',
    'silentObserver',
  ],
  errors: ['AtrionError', 'ConnectionError', 'DependencyError', 'ParseError', 'SyncError'],
}

for (const [part, names] of Object.entries(OF_2_0)) {
  test(`atrion/core has the ${part}, the very same as atrion`, (t) => {
    for (const name of names) {
      t.true(core[name] !== undefined, name)
      t.is(core[name], main[name], name)
    }
  })
}

test('a logger set through atrion/core is the one that atrion uses', (t) => {
  core.setLogger(core.consoleLogger)
  t.teardown(() => core.resetLogger())
  t.is(main.getLogger(), core.consoleLogger)
})

test('the names of the state module are there', (t) => {
  for (const name of ['StateManager', 'InMemoryProvider', 'RedisStateProvider']) t.is(typeof main[name], 'function')
})
