// enter(): which requests wait, get a place or are refused, and that nothing is left behind.
import { getEventListeners } from 'node:events'
import { ConfigError } from 'atrion'
import ava from 'ava'
import { endedWell, runCode } from '../_child.mjs'
import { create, engine, turn, virtual } from '../_engine.mjs'
import { crowded, DEADLINE_MS, furnish, outcomeOf } from '../_room.mjs'

const test = engine === 'ts' ? ava.skip : ava
const serial = engine === 'ts' ? ava.skip : ava.serial
const onTs = engine === 'ts' ? ava : ava.skip

onTs("engine 'ts' has no closed loop, and enter() says so", async (t) => {
  await t.throwsAsync(create().enter('route'), { instanceOf: ConfigError, message: /^engine must be/ })
})

serial('a request that has a place is admitted at once, and leaves nothing that has to be cleared away', async (t) => {
  const atrion = create()
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
  const before = timers()
  const { signal } = new AbortController()
  const permit = await atrion.enter('route', { tier: 'low', key: 'a', signal, maxWaitMs: 1000 })
  t.like(permit, { allow: true, reason: 'OK', tier: 'low', limitedBy: undefined })
  t.is(getEventListeners(signal, 'abort').length, 0)
  t.is(timers(), before)
  t.like(atrion.stats('route'), { inFlight: 1, waiting: 0, admitted: 1 })
  permit.release()
  t.is(atrion.stats('route').inFlight, 0)
})

test('without evidence of a queue no request waits, however many come', async (t) => {
  const { atrion } = virtual()
  const permits = await Promise.all(Array.from({ length: 500 }, () => atrion.enter('route', { tier: 'bulk' })))
  t.true(permits.every(({ allow }) => allow))
})

test('waiting requests are admitted when a place is given back, the highest tier first, then the oldest', async (t) => {
  const { atrion, held } = await crowded()
  const order = []
  const tiers = ['bulk', 'normal', 'critical', 'normal', 'high', 'low']
  const all = tiers.map(async (tier, i) => {
    const permit = await atrion.enter('route', { tier })
    order.push(`${tier} ${i}`)
    t.is(permit.tier, tier)
    permit.release()
  })
  t.like(atrion.stats('route'), { waiting: 6, inFlight: 1, shed: 0 })
  held.release()
  await Promise.all(all)
  t.deepEqual(order, ['critical 2', 'high 4', 'normal 1', 'normal 3', 'low 5', 'bulk 0'])
  t.like(atrion.stats('route'), { waiting: 0, inFlight: 0, shed: 0, admitted: 7 })
})

test('a voltage has its place among the tiers', async (t) => {
  const { atrion, held } = await crowded()
  const order = []
  const enter = async (name, options) => {
    const permit = await atrion.enter('route', options)
    order.push(name)
    permit.release()
  }
  const all = [enter('31 V', { voltage: 31 }), enter('low', { tier: 'low' }), enter('1000 V', { voltage: 1000 })]
  held.release()
  await Promise.all(all)
  t.deepEqual(order, ['1000 V', 'low', '31 V'])
})

test('within a tier, keys that hold fewer permits go before those that hold more', async (t) => {
  const { atrion } = virtual()
  furnish(atrion, 3)
  const [first, , third] = await Promise.all(['a', 'a', 'b'].map((key) => atrion.enter('route', { key })))
  const order = []
  for (const key of ['a', 'b', 7, 'a', 'c']) void atrion.enter('route', { key }).then(() => order.push(key))
  const other = outcomeOf(atrion.enter('route', { key: 'd', tier: 'low' }))
  const step = async (permit) => {
    permit.release()
    await turn()
  }
  await step(third)
  t.deepEqual(order, ['b'], 'b, 7 and c hold none, and b is the oldest')
  await step(first)
  t.deepEqual(order, ['b', 7], 'a and b hold one, 7 and c none')
  t.false(other.settled)
})

test('a request waits no longer than its maxWaitMs, nor than its deadline allows, and is counted as shed then', async (t) => {
  const { atrion, clock } = await crowded()
  const short = outcomeOf(atrion.enter('route', { tier: 'high', maxWaitMs: 50 }))
  const long = outcomeOf(atrion.enter('route', { tier: 'low', maxWaitMs: Infinity }))
  const event = async (ms) => {
    clock.advance(ms)
    atrion.acquire('route').release()
    await turn()
  }
  await event(49)
  t.false(short.settled || long.settled)
  await event(1)
  t.like(short.value, { allow: false, limitedBy: 'wait_timeout', tier: 'high', mode: 'BOOTSTRAP' })
  t.regex(short.value.reason, /^No place within/)
  t.true(short.value.retryAfterMs > 0)
  t.is(atrion.stats('route').shedByTier.high, 1)
  await event(DEADLINE_MS - 51)
  t.false(long.settled)
  await event(1)
  t.like(long.value, { allow: false, limitedBy: 'wait_timeout' })
  short.value.release()
  t.like(atrion.stats('route'), { waiting: 0, inFlight: 1 })
  t.is(atrion.stats('route').shedByTier.low, 1)
})

test('the time that a service takes is no longer there to wait', async (t) => {
  const { atrion, clock, held } = await crowded()
  const waits = []
  for (const serviceMs of [10, 60]) {
    atrion.configure('route', { limits: { min: 1, max: 1000, initial: 1000 } })
    for (let i = 0; i < 200; i++) {
      const permit = atrion.acquire('route')
      clock.advance(serviceMs)
      permit.release()
    }
    furnish(atrion)
    const waiting = outcomeOf(atrion.enter('route', { maxWaitMs: Infinity }))
    const startMs = clock.now()
    while (!waiting.settled) {
      clock.advance(1)
      atrion.acquire('route').release()
      await turn()
    }
    t.like(waiting.value, { allow: false, limitedBy: 'wait_timeout' })
    waits.push(clock.now() - startMs)
  }
  const [short, long] = waits
  t.true(long < short && short < DEADLINE_MS && long > 0.8 * DEADLINE_MS, `${waits}`)
  held.release()
})

test('maxWaitMs 0 does not wait: the answer is that of acquire()', async (t) => {
  const { atrion } = await crowded()
  const refusal = await atrion.enter('route', { tier: 'bulk', maxWaitMs: 0 })
  t.like(refusal, { allow: false, limitedBy: 'occupancy' })
  t.is(atrion.stats('route').waiting, 0)
})

test('on the clock of the machine the answer comes in time, though nothing happens', async (t) => {
  const atrion = furnish(create())
  const held = await atrion.enter('route')
  const refusal = await atrion.enter('route', { maxWaitMs: 5 })
  t.like(refusal, { allow: false, limitedBy: 'wait_timeout' })
  t.is(atrion.stats('route').waiting, 0)
  held.release()
})

test('an awaited enter() keeps the process alive, and an answered one does not', async (t) => {
  const end = await runCode(`
    import { Atrion } from 'atrion'
    const atrion = new Atrion({ engine: '${engine}' })
    atrion.configure('route', { limits: { min: 1, max: 1, initial: 1 } })
    const held = await atrion.enter('route')
    const { limitedBy } = await atrion.enter('route', { maxWaitMs: 20 })
    const late = atrion.enter('route', { maxWaitMs: 2_000_000 })
    held.release()
    console.log(limitedBy, (await late).allow)
  `)
  endedWell(t, end)
  t.is(end.stdout.trim(), 'wait_timeout true')
})

test('an abort ends the wait with its reason; one from before asks for nothing', async (t) => {
  const { atrion, held } = await crowded()
  const controller = new AbortController()
  const { signal } = controller
  const [one, other] = [atrion.enter('route', { signal }), atrion.enter('route', { signal, tier: 'high' })]
  const patient = atrion.enter('route')
  t.is(getEventListeners(signal, 'abort').length, 1)
  const reason = new Error('the client hung up')
  controller.abort(reason)
  t.is(await one.catch((error) => error), reason)
  t.is(await other.catch((error) => error), reason)
  t.like(atrion.stats('route'), { waiting: 1, shed: 0, admitted: 1 })
  t.is(await atrion.enter('route', { signal }).catch((error) => error), reason)
  held.release()
  t.true((await patient).allow)
  t.like(atrion.stats('route'), { waiting: 0, admitted: 2, inFlight: 1 })
})

test('many that share a signal cause no warning, and leave no listener', async (t) => {
  const { atrion, held } = await crowded()
  const warnings = []
  const warn = (warning) => warnings.push(warning.name)
  process.on('warning', warn)
  const { signal } = new AbortController()
  const work = async () => 'done'
  const all = Array.from({ length: 50 }, (_, i) =>
    i % 2
      ? atrion.run('route', work, { signal, maxWaitMs: 400 })
      : atrion.enter('route', { signal }).then((p) => p.release()),
  )
  t.is(getEventListeners(signal, 'abort').length, 1)
  held.release()
  await Promise.all(all)
  await turn()
  process.off('warning', warn)
  t.deepEqual(warnings, [])
  t.is(getEventListeners(signal, 'abort').length, 0)
  t.like(atrion.stats('route'), { waiting: 0, inFlight: 0, admitted: 51 })
})

test('a full room refuses the least important, and of its tier who came last', async (t) => {
  const { atrion } = await crowded()
  const capacity = 4096
  const waiting = Array.from({ length: capacity }, (_, i) =>
    outcomeOf(atrion.enter('route', { tier: i === 7 ? 'low' : 'normal' })),
  )
  t.is(atrion.stats('route').waiting, capacity)
  t.like(await atrion.enter('route', { tier: 'bulk' }), { allow: false, limitedBy: 'wait_full', tier: 'bulk' })
  const important = outcomeOf(atrion.enter('route', { tier: 'high' }))
  await turn()
  t.like(waiting[7].value, { allow: false, limitedBy: 'wait_full', tier: 'low' })
  t.regex(waiting[7].value.reason, /^Waiting room full/)
  t.like(await atrion.enter('route', { tier: 'normal' }), { limitedBy: 'wait_full' })
  t.false(important.settled)
  t.is(waiting.filter(({ settled }) => settled).length, 1)
  t.like(atrion.stats('route').shedByTier, { bulk: 1, low: 1, normal: 1, high: 0 })
  t.is(atrion.stats('route').waiting, capacity)
})

test('all rooms together are bounded, and a room of its own does not lift that bound', async (t) => {
  const { atrion } = virtual()
  const bound = 65_536
  const rooms = bound / 4096
  for (let i = 0; i <= rooms; i++) {
    furnish(atrion, 1, `r${i}`)
    await atrion.enter(`r${i}`)
  }
  for (let i = 0; i < rooms; i++) for (let n = 0; n < 4096; n++) void atrion.enter(`r${i}`, { tier: 'normal' })
  t.like(await atrion.enter(`r${rooms}`, { tier: 'normal' }), { allow: false, limitedBy: 'wait_full' })
  t.is(atrion.stats(`r${rooms}`).waiting, 0)
  const important = atrion.enter(`r${rooms}`, { tier: 'high' })
  t.is(atrion.stats(`r${rooms}`).waiting, 1, 'a more important one takes a place elsewhere')
  t.is(atrion.stats('r0').waiting, 4095)
  t.is(atrion.stats('r3').waiting, 4096)
  await atrion.disconnect()
  t.false((await important).allow)
  t.is(atrion.stats('r3').waiting, 0)
})

test('disconnect() refuses all that wait, and the rest goes on', async (t) => {
  const { atrion, held } = await crowded()
  const waiting = [atrion.enter('route'), atrion.enter('route', { tier: 'high' })]
  await atrion.disconnect()
  for (const refusal of await Promise.all(waiting)) t.false(refusal.allow)
  t.is(atrion.stats('route').waiting, 0)
  const next = atrion.enter('route')
  held.release()
  t.true((await next).allow)
})

test("an operator's word reaches those who wait", async (t) => {
  const { atrion } = await crowded()
  const refused = atrion.enter('route')
  atrion.override('route', 'open')
  t.like(await refused, { allow: false, limitedBy: 'override', reason: 'override' })
  atrion.override('route', null)
  const admitted = [atrion.enter('route'), atrion.enter('route')]
  atrion.override('route', 'closed')
  t.true((await Promise.all(admitted)).every(({ allow }) => allow))
  atrion.override('route', null)
  const dry = atrion.enter('route')
  atrion.configure({ dryRun: true })
  t.true((await dry).allow)
})

test('every way in which a place comes free is noticed', async (t) => {
  const { atrion, held } = await crowded()
  const wider = outcomeOf(atrion.enter('route'))
  await turn()
  t.false(wider.settled)
  atrion.configure('route', { limits: { min: 1, max: 2 } })
  await turn()
  t.true(wider.value.allow)
  const reset = outcomeOf(atrion.enter('route'))
  await atrion.resetRoute('route')
  await turn()
  t.true(reset.value.allow, 'a route that was reset has forgotten what was in flight')
  held.release()
  furnish(atrion, 1, 'leased')
  const lease = await atrion.startTask('leased')
  const afterLease = outcomeOf(atrion.enter('leased'))
  await turn()
  t.false(afterLease.settled)
  await lease.release()
  await turn()
  t.true(afterLease.value.allow)
})

test('a request that comes while the last one that waited is answered gets the next place', async (t) => {
  let nowMs = 1_000_000
  let come = () => {}
  const clock = {
    now() {
      come()
      return nowMs
    },
  }
  const atrion = furnish(furnish(create({ clock })), 1, 'other')
  const held = await atrion.enter('route', { tier: 'critical' })
  const other = await atrion.enter('other')
  const still = outcomeOf(atrion.enter('other'))
  const first = atrion.enter('route')
  await turn()
  let second
  come = () => {
    if (atrion.stats('route').waiting > 0) return
    come = () => {}
    // This looks after those that wait on the route, where none does any more.
    t.false(atrion.acquire('route').allow)
    second = outcomeOf(atrion.enter('route'))
  }
  held.release()
  const permit = await first
  t.true(permit.allow)
  t.is(atrion.stats('route').waiting, 1)
  nowMs += 1
  permit.release()
  await turn()
  t.true(second.value?.allow)
  other.release()
  await turn()
  t.true(still.value?.allow)
})

test('a permit that is collected without a release gives way to one that waits', async (t) => {
  const end = await runCode(
    `
    import { Atrion } from 'atrion'
    const atrion = new Atrion({ engine: '${engine}', slo: { maxAcceptableLatencyMs: 60_000 } })
    atrion.configure('route', { limits: { min: 1, max: 64, initial: 64 } })
    const hold = async () => { for (let i = 0; i < 64; i++) await atrion.enter('route', { key: 'lost' }) }
    await hold()
    const waiting = atrion.enter('route', { key: 'patient' })
    const collect = setInterval(() => { atrion.acquire('other').release(); globalThis.gc() }, 1)
    const { allow } = await waiting
    clearInterval(collect)
    console.log(allow)
  `,
    { nodeOptions: ['--expose-gc'] },
  )
  endedWell(t, end)
  t.is(end.stdout.trim(), 'true')
})
