// Actions of an operator on a running instance: overrides, dry runs, new parameters, and listeners.
import { ConfigError } from 'atrion'
import ava from 'ava'
import { BAD, broken, CALM, engine, MILD, memoryLogger, turn, virtual, warm } from '../_engine.mjs'

const test = ava
const loop = engine === 'ts' ? ava.skip : ava

test('a route ordered open refuses everything, ordered closed admits everything, and null hands it back', (t) => {
  const world = virtual()
  const { atrion } = warm(world)
  const decide = () => atrion.route('route', CALM).allow
  t.true(decide())
  atrion.override('route', 'open')
  t.false(decide())
  atrion.override('route', null)
  t.true(decide())
  t.false(broken(world).atrion.route('route', CALM).allow)
  atrion.override('route', 'closed')
  t.true(atrion.route('route', BAD, 0).allow)
  atrion.override('route', null)
  t.false(atrion.route('route', BAD).allow)
})

loop('orders hold for permits', (t) => {
  const { atrion } = virtual()
  const allows = (voltage) => {
    const permit = atrion.acquire('route', { voltage })
    permit.release('ignored')
    return permit.allow
  }
  t.true(allows(100))
  t.false(allows(0))
  atrion.override('route', 'open')
  t.false(allows(1e9))
  atrion.override('route', 'closed')
  t.true(allows(0))
  atrion.override('route', null)
  t.false(allows(0))
  t.true(allows(100))
})

test('an order may come before the route does, and outlives its eviction', (t) => {
  const { atrion } = virtual({ maxRoutes: 4 })
  atrion.override('route', 'open')
  t.false(atrion.route('route', CALM).allow)
  for (let i = 0; i < 20; i++) t.true(atrion.route(`other ${i}`, CALM).allow)
  t.false(atrion.getRoutes().includes('route'))
  t.false(atrion.route('route', CALM).allow)
  atrion.override('route', null)
  t.true(atrion.route('route', CALM).allow)
})

test('an order that is none is named', (t) => {
  const { atrion } = virtual()
  for (const order of ['half', undefined, 1, true]) {
    t.is(t.throws(() => atrion.override('route', order), { instanceOf: ConfigError }).field, 'order')
  }
  t.throws(() => atrion.override('', 'open'), { instanceOf: TypeError, message: /^routeId/ })
})

test('a dry run decides and tells, but admits', async (t) => {
  const { atrion } = virtual({ dryRun: true })
  const shed = []
  atrion.on('shed', (event) => shed.push(event))
  atrion.override('route', 'open')
  const decision = atrion.route('route', CALM)
  t.true(decision.allow)
  t.not(decision.reason, 'OK')
  await turn()
  t.is(shed.length, 1)
  atrion.configure({ dryRun: false })
  t.false(atrion.route('route', CALM).allow)
  atrion.configure({ dryRun: true })
  t.true(atrion.route('route', CALM).allow)
})

loop('a dry run counts what it would have shed, and its permits are permits', (t) => {
  const { atrion } = virtual({ dryRun: true })
  atrion.configure({ limits: { min: 1, max: 60, initial: 60 } })
  const permits = Array.from({ length: 100 }, () => atrion.acquire('route'))
  t.true(permits.every(({ allow }) => allow))
  const stats = atrion.stats('route')
  t.like(stats, { inFlight: 100, admitted: 100 })
  t.is(stats.shed, 40)
  t.is(permits.filter(({ reason }) => reason !== 'OK').length, stats.shed)
  for (const permit of permits) permit.release()
  t.is(atrion.stats('route').inFlight, 0)
})

loop('limits are changed live, of one route or of all', (t) => {
  const { atrion } = virtual()
  const limits = (n) => ({ limits: { min: n, max: n, initial: n } })
  const MANY = 1000
  const capacity = (routeId) => {
    const permits = []
    while (permits.length < MANY) {
      const permit = atrion.acquire(routeId, { tier: 'normal', key: 'k' })
      if (!permit.allow) break
      permits.push(permit)
    }
    for (const permit of permits) permit.release('ignored')
    return permits.length
  }
  t.is(capacity('before'), MANY, 'nothing shows a queue')
  atrion.configure('one', limits(4))
  t.is(capacity('one'), 4)
  t.is(capacity('another'), MANY)
  atrion.configure(limits(200))
  t.is(capacity('new'), 200)
  t.is(capacity('another'), 200)
  t.is(capacity('one'), 4, 'its own numbers stay')
})

test('numbers take effect on the next tick, and what is not given stays', (t) => {
  const world = virtual({ autoTuner: false })
  const { atrion, clock } = warm(world)
  atrion.configure('route', { baseResistance: 40 })
  clock.advance(100)
  t.is(atrion.route('route', CALM).resistance, 40)
  atrion.configure('route', { scarFactor: 7 })
  clock.advance(100)
  t.is(atrion.route('route', CALM).resistance, 40)
  t.like(atrion.getRouteProfile('route'), { baseResistance: 40, scarFactor: 7 })
  atrion.configure({ baseResistance: 20 })
  clock.advance(100)
  t.is(atrion.route('route', CALM).resistance, 40)
  t.is(atrion.route('fresh', CALM).resistance, 24, 'BOOTSTRAP: 1.2 R_base')
})

test('a change is made wholly or not at all', (t) => {
  const world = virtual({ autoTuner: false })
  const { atrion, clock } = warm(world)
  const wrong = { baseResistance: 40, scarFactor: -1 }
  const refusal = { instanceOf: ConfigError, message: /scarFactor/ }
  t.throws(() => atrion.configure(wrong), refusal)
  t.throws(() => atrion.configure('route', wrong), refusal)
  t.throws(() => atrion.configure({ baseResistance: 40, dryRun: 'yes' }), {
    instanceOf: ConfigError,
    message: /dryRun/,
  })
  t.throws(() => atrion.configure({ dryRun: true, baseResistance: -1 }), { instanceOf: ConfigError })
  t.throws(() => atrion.configure({ nonsense: 1 }), { instanceOf: ConfigError, message: /nonsense/ })
  t.throws(() => atrion.configure(5), { instanceOf: TypeError })
  clock.advance(100)
  t.is(atrion.route('route', CALM).resistance, 10)
  t.is(atrion.getRouteProfile('route'), 'STANDARD')
  atrion.override('route', 'open')
  t.false(atrion.route('route', CALM).allow, 'not in a dry run')
})

test('transitions are reported off the decision path, once each', async (t) => {
  const world = virtual()
  const { atrion } = world
  const seen = []
  atrion.on('transition', (event) => seen.push(event))
  broken(world)
  t.deepEqual(seen, [], 'not while it decides')
  await turn()
  t.deepEqual(
    seen.map(({ routeId, from, to }) => [routeId, from, to]),
    [
      ['route', 'BOOTSTRAP', 'OPERATIONAL'],
      ['route', 'OPERATIONAL', 'CIRCUIT_BREAKER'],
    ],
  )
  t.true(seen.every(({ resistance }) => resistance > 0))
})

loop('sheds are reported with what was refused and why', async (t) => {
  const { atrion } = virtual()
  const seen = []
  atrion.on('shed', (event) => seen.push(event))
  atrion.override('route', 'open')
  const permit = atrion.acquire('route', { voltage: 42 })
  t.deepEqual(seen, [])
  await turn()
  const { resistance, mode, retryAfterMs } = permit
  const rest = { limitedBy: 'override', tier: undefined }
  t.deepEqual(seen, [{ routeId: 'route', voltage: 42, resistance, mode, retryAfterMs, ...rest }])
})

loop('an event, a permit and an error name the same obstacle', async (t) => {
  const { atrion } = virtual()
  const seen = []
  atrion.on('shed', ({ routeId, limitedBy, tier }) => seen.push({ routeId, limitedBy, tier }))
  for (let i = 0; i < 40; i++) atrion.acquire('failing').release('failure')
  atrion.override('stopped', 'open')
  for (const routeId of ['failing', 'stopped']) {
    let permit = atrion.acquire(routeId, { tier: 'low' })
    while (permit.allow) permit = atrion.acquire(routeId, { tier: 'low' }) // a probe
    const error = await t.throwsAsync(
      atrion.run(routeId, () => {}, { tier: 'low' }),
      { code: 'ATRION_SHED' },
    )
    await turn()
    const { limitedBy } = permit
    t.is(error.limitedBy, limitedBy)
    t.deepEqual(seen.splice(0), Array(2).fill({ routeId, limitedBy, tier: 'low' }))
    t.is(limitedBy, routeId === 'failing' ? 'scar' : 'override')
  }
})

test('an event names the obstacle of the open loop', async (t) => {
  const world = virtual()
  const seen = []
  world.atrion.on('shed', ({ limitedBy, tier }) => seen.push([limitedBy, tier]))
  warm(world)
  world.atrion.route('route', MILD, 5)
  world.atrion.override('route', 'open')
  world.atrion.route('route', MILD)
  world.atrion.override('route', null)
  broken(world)
  world.atrion.route('route', BAD, 5)
  await turn()
  t.deepEqual(seen.slice(0, 2), [
    ['scar', undefined],
    ['override', undefined],
  ])
  t.deepEqual(seen.at(-1), ['breaker', undefined])
})

test('a listener that throws, now or later, affects no other, nor does a logger that throws', async (t) => {
  const unheard = []
  const complaints = []
  const listen = (reason) => unheard.push(reason)
  process.on('unhandledRejection', listen)
  for (const logger of [
    memoryLogger(),
    {
      ...memoryLogger(),
      error: () => {
        throw new Error('logger')
      },
    },
  ]) {
    const { atrion } = virtual({ logger })
    const seen = []
    atrion.on('shed', () => {
      throw new Error('listener')
    })
    atrion.on('shed', async () => {
      throw new Error('async listener')
    })
    atrion.on('shed', ({ routeId }) => seen.push(routeId))
    for (const routeId of ['one', 'two']) {
      atrion.override(routeId, 'open')
      t.false(atrion.route(routeId, CALM).allow)
    }
    await turn()
    t.deepEqual(seen, ['one', 'two'])
    complaints.push(logger.entries.filter(({ level }) => level === 'error').length)
  }
  await turn()
  process.off('unhandledRejection', listen)
  t.deepEqual(unheard, [])
  t.deepEqual(complaints, [4, 0])
})

test('a removed listener is not called any more; the others are', async (t) => {
  const { atrion } = virtual()
  const [first, second] = [[], []]
  const stop = atrion.on('shed', (event) => first.push(event))
  atrion.on('shed', (event) => second.push(event))
  atrion.override('route', 'open')
  atrion.route('route', CALM)
  await turn()
  stop()
  stop()
  atrion.route('route', CALM)
  await turn()
  t.deepEqual([first.length, second.length], [1, 2])
  t.throws(() => atrion.on('shed', 'no function'), { instanceOf: TypeError, message: /^listener/ })
})
