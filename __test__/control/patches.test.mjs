// Patches on one node: merged, checked as a whole, applied in one turn, refused on another version, taken back by themselves.
import { ConfigError, InMemoryProvider } from 'atrion'
import test from 'ava'
import { create, engine, virtual } from '../_engine.mjs'

const eventOf = (atrion, name, wanted = () => true) =>
  new Promise((resolve) => {
    const stop = atrion.on(name, (event) => {
      if (!wanted(event)) return
      stop()
      resolve(event)
    })
  })

/** The parameters that govern, as the port of exporters shows them. */
const paramsOf = (atrion, ...route) => atrion[Symbol.for('atrion.telemetry')].paramsOf(...route)

const patch = (atrion, changes, more) => atrion.patch({ base: atrion.config.version, changes, ...more })

test('a patch changes what governs, and says what it changed', async (t) => {
  const atrion = create({ slo: { maxAcceptableLatencyMs: 300 } })
  atrion.setRouteProfile('r', { profile: 'HEAVY', limits: { min: 2 } })
  t.is(atrion.config.version, 0)
  const result = await patch(
    atrion,
    {
      slo: { maxAcceptableLatencyMs: 800, criticality: { error: 3 } },
      limits: { max: 50 },
      config: { decayRate: 0.5 },
      reserve: { critical: 0.2 },
      routes: { r: { limits: { max: 9 }, scarFactor: 3 }, named: 'LIGHT' },
      overrides: { 'GET /a.b': 'closed' },
      dryRun: true,
    },
    { author: 'ana', reason: 'why' },
  )
  t.like(result, { status: 'applied', applied: true, layer: 'node', shared: false, conflict: undefined })
  t.is(result.version, atrion.config.version)
  t.is(await result.settled(), 'applied')
  const all = paramsOf(atrion)
  t.is(all.slo.maxAcceptableLatencyMs, 800)
  t.is(all.slo.criticality.error, 3)
  t.is(all.limits.max, 50)
  t.is(all.config.decayRate, 0.5)
  t.deepEqual(all.reserve, [0, 0, 0, 0, 0.2])
  const route = paramsOf(atrion, 'r')
  t.like(route, { profile: 'HEAVY', limits: { min: 2, max: 9 }, config: { scarFactor: 3, decayRate: 0.5 } })
  t.is(paramsOf(atrion, 'named').profile, 'LIGHT')
  t.like(atrion.config.explain('overrides.GET /a.b'), { value: 'closed', layer: 'node' })
  t.like(atrion.config.explain('dryRun'), { value: true })
  t.like(atrion.config.explain('routes.r.limits.max'), { value: 9, layer: 'node' })
  t.like(atrion.config.explain(['routes', 'r', 'limits', 'min']), { value: 2, layer: 'code' })
  const explained = atrion.config.explain('slo.maxAcceptableLatencyMs')
  t.like(explained.layers[0], { layer: 'node', value: 800, author: 'ana', reason: 'why', version: result.version })
  t.like(explained.layers[1], { layer: 'code', value: 300 })
  t.like(atrion.config.audit()[0], { state: 'applied', author: 'ana', version: result.version, layer: 'node' })
})

test('null returns to the layer below, to the last bit', async (t) => {
  const atrion = create({ config: { decayRate: 0.3 }, dryRun: true })
  atrion.setRouteProfile('r', { limits: { min: 3, max: 7 }, breakBy: (key) => key[0] })
  atrion.override('r', 'open')
  const before = [paramsOf(atrion), paramsOf(atrion, 'r'), atrion.getRouteProfile('r')]
  await patch(atrion, {
    decayRate: 0.9,
    pool: 'db',
    dryRun: false,
    routes: { r: { limits: { max: 5 }, breakBy: 'key' }, other: 'HEAVY' },
    overrides: { r: 'closed', other: 'open' },
  })
  t.is(paramsOf(atrion).config.decayRate, 0.9)
  t.is(paramsOf(atrion, 'r').limits.max, 5)
  t.is(atrion.config.explain('overrides.r').value, 'closed')
  await patch(atrion, { config: null, pool: null, dryRun: null, routes: null, overrides: { r: null, other: null } })
  t.deepEqual([paramsOf(atrion), paramsOf(atrion, 'r'), atrion.getRouteProfile('r')], before)
  t.is(atrion.getRouteProfile('other'), 'STANDARD')
  t.like(atrion.config.explain('overrides.r'), { value: 'open', layer: 'code' })
  t.is(atrion.config.explain('overrides.other').value, null)
  t.is(atrion.config.explain('dryRun').value, true)
})

test('settings of the code hold under a patch, and come out with its end', async (t) => {
  const atrion = create()
  await patch(atrion, {
    limits: { max: 50 },
    routes: { r: { limits: { max: 5 } } },
    overrides: { r: 'open' },
    dryRun: true,
  })
  atrion.configure({ limits: { min: 2, max: 90 } })
  atrion.setRouteProfile('r', { limits: { min: 4, max: 80 } })
  atrion.configure('r', { decayRate: 0.7 })
  atrion.override('r', 'closed')
  atrion.configure({ dryRun: false })
  t.like(paramsOf(atrion).limits, { min: 2, max: 50 })
  t.like(paramsOf(atrion, 'r'), { limits: { min: 4, max: 5 }, config: { decayRate: 0.7 } })
  t.like(atrion.config.explain('overrides.r'), { value: 'open' })
  t.is(atrion.config.explain('dryRun').value, true)
  t.throws(() => atrion.configure({ limits: { min: 80, max: 70 } }), { instanceOf: ConfigError, message: /limits.max/ })
  t.throws(() => atrion.setRouteProfile('r', { limits: { min: 6, max: 5 } }), { instanceOf: ConfigError })
  t.like(paramsOf(atrion).limits, { min: 2, max: 50 }, 'what does not fit by itself is refused, and changes nothing')
  await patch(atrion, { limits: null, routes: null, overrides: null, dryRun: null })
  t.like(paramsOf(atrion).limits, { min: 2, max: 90 })
  t.like(paramsOf(atrion, 'r'), { limits: { min: 4, max: 80 }, config: { decayRate: 0.7 } })
  t.like(atrion.config.explain('overrides.r'), { value: 'closed', layer: 'code' })
  t.is(atrion.config.explain('dryRun').value, false)
})

test('a patch on another base is refused, with what stands between', async (t) => {
  const atrion = create()
  const first = await patch(atrion, { limits: { max: 100 }, dryRun: true }, { author: 'ana', reason: 'load' })
  const refused = eventOf(atrion, 'patch_refused')
  const result = await atrion.patch({ base: 0, author: 'ben', changes: { limits: { max: 50 }, pool: 'db' } })
  t.like(result, { status: 'refused', applied: false, version: first.version })
  t.is(await result.settled(), 'refused')
  t.deepEqual(result.conflict, {
    base: 0,
    version: first.version,
    paths: ['limits.max'],
    since: [{ version: first.version, author: 'ana', reason: 'load', paths: ['limits.max', 'dryRun'] }],
  })
  t.like(await refused, { author: 'ben', layer: 'node' })
  t.is(atrion.config.version, first.version)
  t.is(paramsOf(atrion).limits.max, 100)
  t.is((await atrion.patch({ base: result.conflict.version, changes: { limits: { max: 50 } } })).status, 'applied')
})

test('a patch with an end takes itself back, whatever came over it', async (t) => {
  const { atrion, clock } = virtual()
  const before = paramsOf(atrion)
  const { expiresAtMs } = await patch(atrion, { limits: { max: 10 }, config: { decayRate: 0.9 } }, { ttlMs: 60_000 })
  t.is(expiresAtMs, clock.now() + 60_000)
  await patch(atrion, { slo: { maxAcceptableLatencyMs: 90 } })
  await patch(atrion, { limits: { max: 20 } }, { ttlMs: 5_000 })
  t.is(paramsOf(atrion).limits.max, 20)
  const expired = eventOf(atrion, 'patch', ({ state }) => state === 'expired')
  clock.advance(5_001)
  atrion.route('r', { latencyMs: 1 })
  if (engine !== 'ts') atrion.acquire('r').release()
  else await expired
  t.like(await expired, { layer: 'node', paths: ['limits.max'] })
  t.is(paramsOf(atrion).limits.max, 10)
  t.is(atrion.config.explain('limits.max').layers[0].expiresAtMs, expiresAtMs)
  const second = eventOf(atrion, 'patch', ({ state }) => state === 'expired')
  clock.advance(60_000)
  if (engine !== 'ts') atrion.acquire('r').release()
  await second
  t.deepEqual(paramsOf(atrion), { ...before, slo: { ...before.slo, maxAcceptableLatencyMs: 90 } })
  t.deepEqual(
    atrion.config.audit().map(({ state }) => state),
    ['expired', 'expired', 'applied'],
  )
})

test('a wrong patch is refused by the name of its setting, and nothing moves', async (t) => {
  const atrion = create()
  await patch(atrion, { limits: { max: 10 } })
  const before = [paramsOf(atrion), atrion.config.current(), atrion.config.audit()]
  const cyclic = {}
  cyclic.slo = cyclic
  const wrong = [
    [{ changes: { slo: { maxAcceptableLatencyMs: -1 } } }, 'slo.maxAcceptableLatencyMs'],
    [{ changes: { limits: { max: 20 }, decayRate: -1 } }, 'decayRate'],
    [{ changes: { limits: { min: 30 } } }, 'limits.max'],
    [{ changes: { routes: { r: { limits: { max: 0 } } } } }, 'routes.r.limits.max'],
    [{ changes: { routes: { r: 'HUGE' } } }, 'routes.r.profile'],
    [{ changes: { routes: { r: { breakBy: 'tenant' } } } }, 'routes.r.breakBy'],
    [{ changes: { routes: { r: { breakBy: () => 'x' } } } }, 'routes.r.breakBy'],
    [{ changes: { routes: { '': {} } } }, 'routes'],
    [{ changes: { overrides: { r: 'opne' } } }, 'overrides.r'],
    [{ changes: { dryRun: 1 } }, 'dryRun'],
    [{ changes: { keySecret: 'a secret of one service' } }, 'keySecret'],
    [{ changes: { provider: new InMemoryProvider() } }, 'provider'],
    [{ changes: { slo: new Date() } }, 'slo'],
    [{ changes: { limts: { max: 3 } } }, 'limts'],
    [{ changes: { bans: { allow: [''] } } }, 'bans.allow[0]'],
    [{ changes: JSON.parse('{"__proto__": {"polluted": 1}}') }, '__proto__'],
    [{ changes: JSON.parse('{"slo": {"__proto__": {"polluted": 1}}}') }, 'slo.__proto__'],
    [{ changes: JSON.parse('{"limits": {"constructor": {"prototype": {"polluted": 1}}}}') }, 'limits.constructor'],
    [{ changes: cyclic }, undefined],
    [{ changes: { limits: { max: 20 } }, ttlMs: 0 }, 'ttlMs'],
    [{ changes: { limits: { max: 20 } }, base: undefined }, 'base'],
    [{ changes: { limits: { max: 20 } }, reason: 'x'.repeat(281) }, 'reason'],
    [{ changes: { limits: { max: 20 } }, canary: { forMs: 1 } }, 'canary.forMs'],
    [{ changes: { limits: { max: 20 } }, layer: 'cluster' }, 'layer'],
    [{ changes: { limits: { max: 20 } }, autor: 'x' }, 'autor'],
  ]
  for (const [options, field] of wrong) {
    const error = await t.throwsAsync(atrion.patch({ base: atrion.config.version, ...options }), {
      instanceOf: ConfigError,
    })
    if (field !== undefined) t.is(error.field, field)
    t.false(error.message.includes('a secret of one service'))
    t.deepEqual([paramsOf(atrion), atrion.config.current(), atrion.config.audit()], before, field)
  }
  t.is({}.polluted, undefined)
})

test('errors are those of configure() and setRouteProfile()', async (t) => {
  const atrion = create()
  for (const changes of [{ slo: { targetErrorRate: 2 } }, { limits: { min: 0 } }, { decayRate: 'x' }, { pool: '' }]) {
    const { message } = t.throws(() => atrion.configure(changes))
    await t.throwsAsync(patch(atrion, changes), { message })
    const ofRoute = t.throws(() => atrion.setRouteProfile('r', changes))
    await t.throwsAsync(patch(atrion, { routes: { r: changes } }), { message: `routes.r.${ofRoute.message}` })
  }
})

test('a route may be called anything', async (t) => {
  const atrion = create()
  for (const id of ['__proto__', 'constructor', 'slo', 'a.limits.max', '/~0/', 'GET /users/:id', 'é\u2028']) {
    const routes = JSON.parse(`{${JSON.stringify(id)}: {"limits": {"max": 7}}}`)
    const overrides = JSON.parse(`{${JSON.stringify(id)}: "closed"}`)
    await patch(atrion, { routes, overrides })
    t.is(paramsOf(atrion, id).limits.max, 7, id)
    t.is(atrion.config.explain(['routes', id, 'limits', 'max']).layers[0].layer, 'node')
    t.is(atrion.config.explain(['overrides', id]).value, 'closed')
  }
  t.is({}.limits, undefined)
  await patch(atrion, { routes: null, overrides: null })
  t.is(paramsOf(atrion, '__proto__').limits.max, 100_000)
})

test('without a place for so many pools nothing of a patch holds', async (t) => {
  const atrion = create()
  atrion.setRouteProfile('own', { pool: 'own' })
  const routes = Object.fromEntries(Array.from({ length: 1024 }, (_, i) => [`r${i}`, { pool: `pool ${i}` }]))
  const before = paramsOf(atrion)
  await t.throwsAsync(patch(atrion, { limits: { max: 44 }, routes, overrides: { x: 'open' } }), { message: /pool/ })
  t.deepEqual(paramsOf(atrion), before)
  t.is(paramsOf(atrion, 'r5').pool, undefined)
  t.is(atrion.getRouteProfile('r5'), 'STANDARD')
  t.is(atrion.config.explain('overrides.x').value, null)
  t.is(atrion.config.version, 0)
  t.is((await patch(atrion, { routes: { r1: { pool: 'own' } } })).status, 'applied')
})

test('trails and patches that expire are bounded', async (t) => {
  const atrion = create()
  for (let i = 0; i < 150; i++) await patch(atrion, { limits: { max: 1000 + i } })
  t.is(atrion.config.audit().length, 100)
  for (let i = 0; i < 64; i++) await patch(atrion, { limits: { max: 10 + i } }, { ttlMs: 1e6 })
  await t.throwsAsync(patch(atrion, { limits: { max: 5 } }, { ttlMs: 1e6 }), {
    message: /^ttlMs must be one of at most 64/,
  })
  const routes = (from) => Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`r${from + i}`, 'LIGHT']))
  const other = create()
  await patch(other, { routes: routes(0) })
  await t.throwsAsync(patch(other, { routes: routes(1000) }), {
    message: /^routes must be settings of at most 1024 routes/,
  })
})

test('a patch ends by a clock of the caller, and tasks too, whichever of the two was there first', async (t) => {
  for (const isTaskFirst of [false, true]) {
    const { atrion, clock } = virtual()
    const { max } = paramsOf(atrion).limits
    const start = () => atrion.startTask('task', { timeout: 1000 })
    const early = isTaskFirst ? await start() : undefined
    await patch(atrion, { limits: { max: 10 } }, { ttlMs: 1000 })
    const lease = early ?? (await start())
    t.is(paramsOf(atrion).limits.max, 10)
    clock.advance(1001)
    atrion.route('r', { latencyMs: 1 })
    t.is(paramsOf(atrion).limits.max, max)
    t.false(lease.isActive)
  }
})

if (engine !== 'ts') {
  test('a request that waits gets the place that a patch makes', async (t) => {
    const atrion = create()
    await patch(atrion, { routes: { r: { limits: { min: 1, max: 1 } } } })
    const held = atrion.acquire('r')
    t.is(atrion.acquire('r').limitedBy, 'occupancy')
    const waiting = atrion.enter('r')
    t.is(atrion.stats('r').waiting, 1)
    await patch(atrion, { routes: null })
    const permit = await waiting
    t.true(permit.allow)
    permit.release()
    held.release()
  })
}
