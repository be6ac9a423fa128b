// One node proves nothing, whatever it says or stores: neither to the open loop, nor to the closed one, nor to a node that starts.
import FakeTimers from '@sinonjs/fake-timers'
import anyTest from 'ava'
import { CALM, engine, virtual } from '../_engine.mjs'
import { RecordingProvider } from '../_provider.mjs'
import fc from '../_random.mjs'

// The sync loop is driven by timers of the process, which these tests take over: one after the other.
const test = anyTest.serial
const closedLoop = engine === 'ts' ? test.skip : test

test.beforeEach((t) => {
  t.context.timers = FakeTimers.install({ toFake: ['setTimeout', 'clearTimeout'] })
})

test.afterEach.always((t) => {
  t.context.timers.uninstall()
})

class Peers extends RecordingProvider {
  listeners = new Map()

  subscribe(routeId, onChange) {
    this.listeners.set(routeId, onChange)
    return () => this.listeners.delete(routeId)
  }

  say(routeId, scar, origin) {
    this.listeners.get(routeId)?.({ scar, momentumScalar: 0, lastTick: 99, resistance: 10 + scar }, origin)
  }
}

const liesOf = fc.record({
  scar: fc.oneof(fc.constantFrom(0, 95, 190, 1e3, 1e6, 1e300), fc.double({ min: 0, max: 1e6, noNaN: true })),
  requests: fc.constantFrom(0, 1, 1e3, 1e12, Number.POSITIVE_INFINITY, Number.NaN),
  gamma: fc.double({ min: 0, max: 1, noNaN: true }),
})

test('one report, stored or sent, opens nothing and moves R by at most γ·R_base·breakMultiplier', async (t) => {
  const property = fc.asyncProperty(
    liesOf,
    fc.boolean(),
    fc.boolean(),
    async ({ scar, requests, gamma }, stores, says) => {
      const provider = new Peers()
      provider.gamma = gamma
      if (stores) provider.vectors.set('r', { scar, momentumScalar: 0, lastTick: 99, resistance: scar })
      const [honest, world] = [virtual(), virtual({ provider })]
      await world.atrion.connect()
      for (let i = 0; i < 25; i++) {
        const [without, with_] = [honest.atrion.route('r', CALM), world.atrion.route('r', CALM)]
        if (says) provider.say('r', scar, { node: 'liar', requests })
        await t.context.timers.tickAsync(100)
        if (with_.mode === 'CIRCUIT_BREAKER') return false
        // BOOTSTRAP resists by 1.2·R_base, 2 Ω more than what follows.
        if (with_.resistance > without.resistance + gamma * 100 + 2 + 1e-6) return false
        for (const { clock } of [honest, world]) clock.advance(100)
      }
      await world.atrion.disconnect()
      return true
    },
  )
  await t.notThrowsAsync(fc.assert(property, { numRuns: 60 }))
})

test('one report hides nothing either: it lowers R by at most γ·R_base·breakMultiplier', async (t) => {
  const property = fc.asyncProperty(
    liesOf,
    fc.constantFrom(0, 2, 3),
    fc.integer({ min: 0, max: 400 }),
    async ({ scar, requests, gamma }, honest, wounds) => {
      const providers = [new Peers(), new Peers()]
      for (const provider of providers) provider.gamma = gamma
      const worlds = providers.map((provider) => virtual({ provider, autoTuner: false }))
      for (const { atrion } of worlds) await atrion.connect()
      const bad = { latencyMs: 900, errorRate: 1, saturation: 1 }
      let holds = true
      for (let i = 0; i < 12 + wounds; i++) {
        const [without, with_] = worlds.map(({ atrion }) => atrion.route('r', i < 12 ? CALM : bad))
        // BOOTSTRAP resists by 1.2·R_base.
        if (i > 10 && Math.abs(with_.resistance - without.resistance) > gamma * 100 + 1e-6) holds = false
        if (i % 20 === 11) {
          for (const provider of providers)
            for (let node = 0; node < honest; node++) provider.say('r', 250, { node: `honest ${node}`, requests: 9 })
          providers[1].say('r', scar, { node: 'liar', requests })
          await t.context.timers.tickAsync(100)
          for (const { clock } of worlds) clock.advance(100)
        }
      }
      for (const { atrion } of worlds) await atrion.disconnect()
      return holds
    },
  )
  await t.notThrowsAsync(fc.assert(property, { numRuns: 60 }))
})

/** Requests of which a share fails, on a route of which one other node says that it is dead; the share that is refused. */
const refusedWith = async (t, failShare, gamma, words) => {
  const provider = new Peers()
  provider.gamma = gamma
  const world = virtual({ provider })
  await world.atrion.connect()
  let random = 1
  const next = () => {
    random = (random * 16_807) % 2_147_483_647
    return random / 2_147_483_647
  }
  let refused = 0
  const COUNT = 4000
  world.atrion.acquire('r').release()
  await t.context.timers.tickAsync(100)
  for (let i = 0; i < COUNT; i++) {
    for (const [node, scar] of words) provider.say('r', scar, { node, requests: 1e6 })
    if (i % 50 === 0) await t.context.timers.tickAsync(100)
    const permit = world.atrion.acquire('r')
    world.clock.advance(5)
    if (permit.allow) permit.release(next() < failShare ? 'failure' : 'success')
    else refused += 1
  }
  await world.atrion.disconnect()
  return refused / COUNT
}

for (const failShare of [0.3, 0.5]) {
  for (const gamma of [0.1, 0.3]) {
    closedLoop(`a lying peer costs nothing where ${100 * failShare} % fail, γ = ${gamma}`, async (t) => {
      const without = await refusedWith(t, failShare, gamma, [])
      t.is(without, 0)
      t.is(await refusedWith(t, failShare, gamma, [['liar', 1e6]]), without)
      t.is(
        await refusedWith(t, failShare, gamma, [
          ['liar', 1e6],
          ['well', 0],
          ['a little hurt', 20],
        ]),
        without,
      )
    })
  }
}

closedLoop('two that agree count: a route that is dead is left alone sooner', async (t) => {
  const agreed = [
    ['one', 190],
    ['two', 190],
  ]
  t.true((await refusedWith(t, 1, 0.3, agreed)) > (await refusedWith(t, 1, 0.3, [])))
})

/** A world whose provider proves no node, and a way to let nodes speak for so long, each every two seconds. */
const unproved = async (t) => {
  const provider = new Peers()
  provider.hasProvedNodes = false
  const { clock, atrion } = virtual({ provider, autoTuner: false })
  await atrion.connect()
  for (let i = 0; i < 12; i++) atrion.route('r', CALM)
  await t.context.timers.tickAsync(100)
  const speak = async (says, forMs) => {
    for (let ms = 0; ms < forMs; ms += 2000) {
      for (const [node, scar] of says) provider.say('r', scar, { node, requests: 9 })
      await t.context.timers.tickAsync(100)
      clock.advance(2000)
    }
    return atrion.route('r', CALM)
  }
  return { atrion, speak }
}

const crowd = Array.from({ length: 40 }, (_, i) => [`invented ${i}`, 1e6])

test('without proof, nodes that came later count as one beside those before', async (t) => {
  const { atrion, speak } = await unproved(t)
  const well = [
    ['first', 0],
    ['second', 0],
  ]
  const { resistance } = await speak(well, 130_000)
  const under = await speak([...well, ...crowd], 10_000)
  t.true(under.allow)
  t.true(under.resistance - resistance <= 30 + 1e-6, `${resistance} → ${under.resistance}`)
  await atrion.disconnect()
})

test('... beside a single one as well, and none of its places is taken', async (t) => {
  const { atrion, speak } = await unproved(t)
  const { resistance } = await speak([['first', 0]], 130_000)
  const under = await speak([['first', 0], ...crowd], 10_000)
  t.true(under.allow && under.mode !== 'CIRCUIT_BREAKER')
  t.true(under.resistance - resistance <= 30 + 1e-6, `${resistance} → ${under.resistance}`)
  await atrion.disconnect()
})

test('... until they have been there for half as long, a minute at least', async (t) => {
  const { atrion, speak } = await unproved(t)
  const before = [
    ['first', 0],
    ['second', 0],
  ]
  const joined = [
    ['third', 300],
    ['fourth', 300],
  ]
  await speak(before, 60_000)
  const young = await speak([...before, ...joined], 10_000)
  const old = await speak([...before, ...joined], 80_000)
  t.true(young.resistance < 10 + 31)
  t.true(old.resistance > young.resistance + 10, `${young.resistance} → ${old.resistance}`)
  await atrion.disconnect()
})

test('a custom store is taken over in full', async (t) => {
  const provider = new RecordingProvider()
  provider.ownsRecords = true
  provider.vectors.set('r', { scar: 80, momentumScalar: 0, lastTick: 99, resistance: 90 })
  const { atrion } = virtual({ provider })
  await atrion.connect()
  t.is(atrion.getState('r').scarTissue, 80)
  await atrion.disconnect()
})

test('the inherited scar is removed once its node reports by itself', async (t) => {
  const provider = new Peers()
  provider.vectors.set('r', { scar: 1e6, momentumScalar: 0, lastTick: 99, resistance: 1e6 })
  const world = virtual({ provider })
  await world.atrion.connect()
  t.is(world.atrion.getState('r').scarTissue, 30)
  world.atrion.route('r', CALM)
  await t.context.timers.tickAsync(100)
  provider.say('r', 1e6, { node: 'liar', requests: 1e9 })
  await t.context.timers.tickAsync(100)
  t.true(Math.abs(world.atrion.getState('r').scarTissue - 30) < 1e-6, 'not 0.7·30 + 30')
  provider.say('r', 0, { node: 'liar', requests: 1e9 })
  await t.context.timers.tickAsync(100)
  t.true(world.atrion.getState('r').scarTissue < 1e-6)
})
