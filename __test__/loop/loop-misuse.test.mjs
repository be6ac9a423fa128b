// Mistakes of callers and expectations of frameworks: names, outcomes, timeouts, keys, signals, and the fields of a refusal.
import { getEventListeners } from 'node:events'
import { Atrion, ConfigError, ShedError } from 'atrion'
import ava from 'ava'
import { endedWell, runCode } from '../_child.mjs'
import { engine, turn, virtual } from '../_engine.mjs'
import { overloaded } from '../_plant.mjs'

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
    const atrion = new Atrion({ engine: '${engine}' })
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

test('a refusal says what limited it', async (t) => {
  const { atrion, clock } = overloaded({ routeId: 'full' })
  const held = Array.from({ length: Math.ceil(atrion.stats('full').limit) }, () =>
    atrion.acquire('full', { tier: 'critical' }),
  )
  t.like(atrion.acquire('full', { tier: 'bulk' }), { limitedBy: 'occupancy', tier: 'bulk' })
  t.like(atrion.acquire('full', { tier: 'bulk', saturation: 0.5 }), { limitedBy: 'occupancy' })
  t.like(atrion.acquire('full', { tier: 'bulk', saturation: 9 }), { limitedBy: 'process' })
  t.like(atrion.acquire('empty', { tier: 'bulk', saturation: 9 }), { allow: false, limitedBy: 'process' })
  t.like(atrion.acquire('empty', { voltage: 0 }), { allow: false, limitedBy: 'occupancy', tier: undefined, voltage: 0 })
  t.like(await atrion.enter('empty', { tier: 'bulk', saturation: 9 }), { allow: false, limitedBy: 'process' })
  for (const permit of held) permit.release()

  // A queue in front of the process that stands.
  let aged = atrion.acquire('aged')
  for (let i = 0; i < 40; i++) {
    aged.release()
    clock.advance(10)
    aged = atrion.acquire('aged', { tier: 'bulk', queueAgeMs: 400 })
  }
  t.like(aged, { allow: false, limitedBy: 'queue_age' })
  t.like(await atrion.enter('aged', { tier: 'bulk', queueAgeMs: 400 }), { allow: false, limitedBy: 'queue_age' })

  for (let i = 0; i < 200; i++) {
    atrion.acquire('broken', { tier: 'critical' }).release('failure')
    clock.advance(10)
  }
  atrion.acquire('broken') // a probe, perhaps
  t.like(atrion.acquire('broken'), { allow: false, limitedBy: 'breaker', mode: 'CIRCUIT_BREAKER' })
  t.like(await atrion.enter('broken'), { allow: false, limitedBy: 'breaker' })

  atrion.configure('hurt', { scarFactor: 500, decayRate: 0 })
  for (let i = 0; i < 40; i++) {
    const permit = atrion.acquire('hurt')
    clock.advance(10)
    permit.release()
  }
  await (await atrion.startTask('hurt')).release('failed')
  t.like(atrion.acquire('hurt', { tier: 'high' }), { allow: false, limitedBy: 'scar' })
})

test('a dry run says what would have limited it', (t) => {
  const { atrion } = virtual({ dryRun: true })
  atrion.override('route', 'open')
  const permit = atrion.acquire('route')
  t.like(permit, { allow: true, reason: 'override', limitedBy: 'override' })
  permit.release()
  t.like(atrion.stats('route'), { inFlight: 0, shed: 1, admitted: 1 })
})

test('a permit says with what it was decided', (t) => {
  const { atrion } = virtual()
  const permit = atrion.acquire('route', { tier: 'high' })
  t.true(permit.voltage > permit.resistance)
  t.like(permit, { tier: 'high', limitedBy: undefined })
  t.like(atrion.acquire('route', { voltage: 42 }), { tier: undefined, voltage: 42 })
  t.is(atrion.acquire('route').tier, 'normal')
  const json = JSON.parse(JSON.stringify(permit))
  t.deepEqual(Object.keys(json).sort(), ['allow', 'mode', 'reason', 'resistance', 'tier', 'voltage'])
})

test('a permit is given back at the end of its block', async (t) => {
  const { atrion } = virtual()
  const permit = atrion.acquire('route')
  permit[Symbol.dispose]()
  t.is(atrion.stats('route').inFlight, 0)
  const entered = await atrion.enter('route', { key: 'a' })
  entered.release('failure')
  entered[Symbol.dispose]()
  t.like(atrion.stats('route'), { inFlight: 0, failures: 1, admitted: 2 })
})

test('permits work in a runtime without Symbol.dispose', async (t) => {
  const end = await runCode(
    `
    import { createRequire } from 'node:module'
    const Known = Symbol
    const { dispose: _, ...rest } = Object.getOwnPropertyDescriptors(Known)
    globalThis.Symbol = Object.defineProperties((text) => Known(text), rest)
    const { Atrion } = createRequire(process.cwd() + '/')('./index.js')
    const atrion = new Atrion({ engine: '${engine}' })
    const permit = atrion.acquire('route')
    permit.release()
    console.log(Symbol.dispose, Object.keys(permit).includes('undefined'), atrion.stats('route').inFlight)
  `,
  )
  endedWell(t, end)
  t.is(end.stdout.trim(), 'undefined false 0')
})

test('a ShedError is answered by frameworks as a 503 with Retry-After', async (t) => {
  const { atrion } = virtual()
  atrion.override('route', 'open')
  const error = await t.throwsAsync(
    atrion.run('route', () => 1, { tier: 'low' }),
    { instanceOf: ShedError },
  )
  t.like(error, { status: 503, statusCode: 503, limitedBy: 'override', tier: 'low', code: 'ATRION_SHED' })
  t.is(error.headers['retry-after'], String(Math.ceil(error.retryAfterMs / 1000)))
  t.regex(error.message, /shed the request: override, retry in \d+ ms$/)
  const refusal = { routeId: 'a', resistance: 1, voltage: 1, mode: 'OPERATIONAL' }
  t.deepEqual(new ShedError(refusal).headers, {})
  for (const [retryAfterMs, seconds] of [
    [0, '1'],
    [1, '1'],
    [1001, '2'],
    [1e12, '60'],
  ]) {
    t.deepEqual(new ShedError({ ...refusal, retryAfterMs }).headers, { 'retry-after': seconds })
  }
})

test("another route's refusal says nothing of the route that asked it", async (t) => {
  const { atrion } = virtual()
  atrion.override('inner', 'open')
  for (let i = 0; i < 50; i++) {
    const outer = atrion.run('outer', () => atrion.run('inner', () => 1), { tier: 'critical' })
    await t.throwsAsync(outer, { instanceOf: ShedError })
  }
  t.like(atrion.stats('outer'), { failures: 0, inFlight: 0, successRatio: 1 })
  const judged = atrion.run('outer', () => atrion.run('inner', () => 1), { isFailure: () => true })
  await t.throwsAsync(judged, { instanceOf: ShedError })
  t.is(atrion.stats('outer').failures, 1, 'unless the caller judges otherwise')
})

test('a permit that comes after it was taken back does no harm, and is late instead of lost', async (t) => {
  const { atrion, clock } = virtual({ slo: { maxAcceptableLatencyMs: 250 } })
  atrion.setRouteProfile('route', 'LIGHT')
  const late = [atrion.acquire('route'), await atrion.enter('route', { key: 'a' })]
  atrion.acquire('route') // lost for good
  clock.advance(1001)
  for (let i = 0; i < 12 && atrion.stats('route').reclaimed === 0; i++) {
    atrion.acquire('route').release('ignored')
    clock.advance(20)
  }
  t.like(atrion.stats('route'), { inFlight: 0, reclaimed: 3 })
  const next = atrion.acquire('route')
  for (const permit of late) for (const outcome of ['failure', 'success']) permit.release(outcome)
  t.like(atrion.stats('route'), { inFlight: 1, reclaimed: 1, failures: 0 })
  next.release()
  t.is(atrion.stats('route').inFlight, 0)
  await atrion.resetRoute('route')
  t.is(atrion.stats('route').reclaimed, 0)
})
