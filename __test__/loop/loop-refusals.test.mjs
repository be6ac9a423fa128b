// The fields of permits and refusals, and what frameworks and runtimes expect of them.
import { ShedError } from 'atrion'
import ava from 'ava'
import { endedWell, runCode } from '../_child.mjs'
import { engine, virtual } from '../_engine.mjs'
import { overloaded } from '../_plant.mjs'

const test = engine === 'ts' ? ava.skip : ava

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
