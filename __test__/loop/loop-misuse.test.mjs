// Mistakes of callers: names, outcomes, timeouts, keys and signals.
import { getEventListeners } from 'node:events'
import { Atrion, ConfigError } from 'atrion'
import ava from 'ava'
import { endedWell, runCode } from '../_child.mjs'
import { engine, turn, virtual } from '../_engine.mjs'

const test = engine === 'ts' ? ava.skip : ava
const everywhere = ava

const hangs = () => new Promise(() => {})

test("'failed' and 'error' are failures", (t) => {
  const { atrion } = virtual()
  for (const outcome of ['failed', 'error', 'failure']) atrion.acquire('route').release(outcome)
  for (const outcome of ['success', 'ignored', undefined, null]) atrion.acquire('route').release(outcome)
  t.like(atrion.stats('route'), { failures: 3, inFlight: 0, admitted: 7 })
})

test('an invalid outcome throws, after the place has been given back', (t) => {
  const { atrion } = virtual()
  const error = t.throws(() => atrion.acquire('route').release('sucess'), { instanceOf: ConfigError })
  t.like(error, { field: 'outcome', got: 'sucess', nearest: 'success' })
  t.regex(error.message, /did you mean success\?$/)
  for (const outcome of ['toString', '__proto__', '', 'ok']) {
    t.throws(() => atrion.acquire('route').release(outcome), { instanceOf: ConfigError })
  }
  for (const outcome of [0, false, {}]) {
    t.throws(() => atrion.acquire('route').release(outcome), { instanceOf: TypeError, message: /^outcome must be/ })
  }
  t.like(atrion.stats('route'), { failures: 0, inFlight: 0, successRatio: 1 })
  t.is(atrion.stats('route').p50Ms, undefined, 'none of them says anything of the route')
})

test('timeoutMs: not given, none, and what is an error before the work begins', async (t) => {
  const { atrion } = virtual()
  for (const timeoutMs of [undefined, null, Infinity, 2 ** 31, 2 ** 40, 1e-3 + 60_000]) {
    t.is(await atrion.run('route', async () => 'done', { timeoutMs }), 'done', `${timeoutMs}`)
  }
  const { admitted } = atrion.stats('route')
  for (const timeoutMs of [Number.NaN, 0, -5, -Infinity, '100', {}, true]) {
    let begun = false
    const work = () => (begun = true)
    const error = await t.throwsAsync(atrion.run('route', work, { timeoutMs }), { instanceOf: ConfigError })
    t.like(error, { field: 'timeoutMs', range: 'a number of ms > 0, or Infinity', got: timeoutMs })
    t.false(begun)
  }
  t.like(atrion.stats('route'), { admitted, failures: 0, inFlight: 0 })
})

test('a timeout beyond 31 bits of ms is armed again, and fires when it is due', async (t) => {
  const end = await runCode(`
    import { install } from '@sinonjs/fake-timers'
    import { Atrion } from 'atrion'
    const fake = install({ toFake: ['setTimeout', 'clearTimeout'] })
    // A real stall would put the timeout off, by its own length.
    const atrion = new Atrion({ engine: '${engine}', watchdog: false })
    let settled
    atrion.run('route', () => new Promise(() => {}), { timeoutMs: 2 ** 32 }).catch(({ name }) => (settled = name))
    await fake.tickAsync(2 ** 32 - 1)
    console.log(settled)
    await fake.tickAsync(1)
    console.log(settled, fake.countTimers())
  `)
  endedWell(t, end)
  t.deepEqual(end.stdout.trim().split('\n'), ['undefined', 'TimeoutError 0'])
})

test('a timeout keeps the process alive while it is awaited, and not longer', async (t) => {
  const end = await runCode(`
    import { Atrion } from 'atrion'
    const atrion = new Atrion({ engine: '${engine}' })
    const error = await atrion.run('route', () => new Promise(() => {}), { timeoutMs: 20 }).catch((reason) => reason)
    console.log(error.name, atrion.stats('route').failures)
    await atrion.run('route', () => 1, { timeoutMs: 2_000_000_000 })
  `)
  endedWell(t, end)
  t.is(end.stdout.trim(), 'TimeoutError 1')
})

test('an invalid signal throws before the work begins; null is no signal', async (t) => {
  const { atrion } = virtual()
  for (const signal of ['x', {}, 5, { aborted: false }]) {
    const error = await t.throwsAsync(
      atrion.run('route', () => t.fail('the work began'), { signal }),
      { instanceOf: ConfigError },
    )
    t.like(error, { field: 'signal', range: 'an AbortSignal', got: signal })
  }
  t.is(await atrion.run('route', () => 1, { signal: null, isFailure: null, timeoutMs: null, maxWaitMs: null }), 1)
  t.like(await t.throwsAsync(atrion.run('route', () => 1, { isFailure: 'no' })), { field: 'isFailure', got: 'no' })
  t.is(atrion.stats('route').inFlight, 0)
})

test('runs that share a signal share a listener, and each is aborted', async (t) => {
  const { atrion } = virtual()
  const warnings = []
  const warn = (warning) => warnings.push(warning.name)
  process.on('warning', warn)
  const controller = new AbortController()
  const { signal } = controller
  const aborted = []
  const work = (given) => {
    given.addEventListener('abort', () => aborted.push(given.reason))
    return hangs()
  }
  const runs = Array.from({ length: 25 }, () => atrion.run('route', work, { signal, tier: 'critical' }))
  t.is(getEventListeners(signal, 'abort').length, 1)
  controller.abort('shutdown')
  const ends = await Promise.allSettled(runs)
  await turn()
  process.off('warning', warn)
  t.true(ends.every(({ reason }) => reason === 'shutdown'))
  t.deepEqual(aborted, Array(25).fill('shutdown'))
  t.deepEqual(warnings, [])
  t.is(getEventListeners(signal, 'abort').length, 0)
  t.like(atrion.stats('route'), { inFlight: 0, failures: 0 })
})

test('an unknown option is named, with the nearest right one', async (t) => {
  const { atrion } = virtual()
  const acquire = (options) => t.throws(() => atrion.acquire('route', options), { instanceOf: ConfigError })
  t.like(acquire({ teir: 'high' }), { field: 'teir', got: 'teir', nearest: 'tier' })
  t.like(acquire({ Key: 'a' }), { field: 'Key', nearest: 'key' })
  t.like(acquire({ queueAge: 5 }), { nearest: 'queueAgeMs' })
  t.regex(acquire({ priority: 5 }).message, /^priority must be one of tier, voltage, key, .*got "priority"$/)
  t.like(acquire({ tier: 'hihg' }), { field: 'tier', nearest: 'high' })
  t.like(acquire({ tier: 'vip' }), { field: 'tier', got: 'vip', nearest: undefined })
  const run = (options) =>
    t.throwsAsync(
      atrion.run('route', () => t.fail('it began'), options),
      { instanceOf: ConfigError },
    )
  t.like(await run({ timeout: 5 }), { field: 'timeout', nearest: 'timeoutMs' })
  t.like(await run({ fallBack: 5, timeoutMs: 5 }), { field: 'fallBack', nearest: 'fallback' })
  t.like(await run({ maxwait: 5 }), { nearest: 'maxWaitMs' })
  t.is(atrion.stats('route').admitted, 0)
})

everywhere('events, orders and numbers that there are not are named, too', (t) => {
  const { atrion } = virtual()
  const refused = (f) => t.throws(f, { instanceOf: ConfigError })
  t.like(
    refused(() => atrion.on('shedded', () => {})),
    { field: 'event', got: 'shedded', nearest: 'shed' },
  )
  t.like(
    refused(() => atrion.on('transitions', () => {})),
    { nearest: 'transition' },
  )
  t.like(
    refused(() => atrion.on('toString', () => {})),
    { nearest: undefined },
  )
  t.like(
    refused(() => atrion.override('route', 'opened')),
    { field: 'order', nearest: 'open' },
  )
  t.like(
    refused(() => atrion.configure({ dryrun: true })),
    { field: 'dryrun' },
  )
  t.like(
    refused(() => atrion.configure('route', { limits: { maximum: 5 } })),
    { nearest: 'max' },
  )
  t.like(
    refused(() => atrion.configure('route', { scarFactr: 5 })),
    { nearest: 'scarFactor' },
  )
  t.like(
    refused(() => new Atrion({ engin: 'ts' })),
    { field: 'engin', nearest: 'engine' },
  )
  t.is(refused(() => new Atrion({ frobnicate: 1 })).message.includes('did you mean'), false)
  for (const [name, path] of Object.entries({
    deadlineMs: 'slo.maxAcceptableLatencyMs',
    timeout: 'slo.maxAcceptableLatencyMs',
    maxLatencyMs: 'slo.maxAcceptableLatencyMs',
    maxAcceptableLatencyMs: 'slo.maxAcceptableLatencyMs',
    decayRate: 'config.decayRate',
    warmupTicks: 'autoTuner.warmupTicks',
  })) {
    t.like(
      refused(() => new Atrion({ [name]: 1 })),
      { field: name, nearest: path },
    )
  }
})

test('a key that is a number is as good as its digits; null is none', (t) => {
  const { atrion } = virtual()
  const voltageOf = (key) => {
    const permit = atrion.acquire('route', { key })
    permit.release('ignored')
    return permit.voltage
  }
  t.is(voltageOf(42), voltageOf('42'))
  t.is(voltageOf(42n), voltageOf('42'))
  t.not(voltageOf(43), voltageOf('42'))
  t.not(voltageOf(null), voltageOf(null), 'each is drawn anew')
  for (const key of [true, {}, Symbol.iterator, () => {}]) {
    t.throws(() => atrion.acquire('route', { key }), { instanceOf: TypeError, message: /^key must be a string/ })
  }
  t.true(atrion.acquire('route', { tier: null, voltage: null, queueAgeMs: null, saturation: null }).allow)
  t.throws(() => atrion.acquire('route', { queueAgeMs: '5' }), { instanceOf: TypeError, message: /^queueAgeMs/ })
})

test('options whose getters use the same instance do no harm', (t) => {
  const { atrion } = virtual()
  const options = {
    get tier() {
      atrion.acquire('other', { tier: 'bulk' }).release()
      return 'critical'
    },
  }
  const permit = atrion.acquire('route', options)
  t.like(permit, { allow: true, tier: 'critical' })
  t.is(atrion.stats('route').inFlight, 1)
  permit.release()
  t.is(atrion.stats('route').inFlight, 0)
})

everywhere("an operator's order is the reason that is given", (t) => {
  const { atrion } = virtual()
  atrion.override('z', 'open')
  t.like(atrion.route('z', { latencyMs: 1 }), { allow: false, reason: 'override' })
  if (engine === 'ts') return
  t.like(atrion.acquire('z'), { allow: false, reason: 'override', limitedBy: 'override' })
  atrion.override('z', 'closed')
  t.like(atrion.acquire('z'), { allow: true, reason: 'OK', limitedBy: undefined })
})
