// The code may change its settings whatever was patched: `configure()` and `setRouteProfile()` throw for what the code itself has wrong, and for
// nothing else. A patch that no longer fits is set aside, with an event, until it does.
import { isConfigError } from 'atrion'
import test from 'ava'
import { BAD, create, drive, virtual } from '../_engine.mjs'
import fc from '../_random.mjs'
import { patch } from './_cluster.mjs'

const onNode = (atrion, changes, more) => patch(atrion, changes, { layer: 'node', ...more })
const refusals = (atrion) => {
  const events = []
  atrion.on('patch_refused', (event) => events.push(event))
  return events
}
const turn = () => new Promise((resolve) => setImmediate(resolve))

test('a patch that no longer fits is set aside, and holds again when it fits', async (t) => {
  const warnings = []
  const logger = { debug() {}, info() {}, error() {}, warn: (text, more) => warnings.push([text, more]) }
  const atrion = create({ logger })
  const events = refusals(atrion)
  await onNode(atrion, { limits: { max: 40 } }, { author: 'ana', reason: 'an incident' })
  await onNode(atrion, { slo: { maxAcceptableLatencyMs: 700 } }, { author: 'ben' })
  atrion.configure({ limits: { min: 50, max: 200 } })
  await turn()
  t.like(atrion.config.explain('limits.max'), { value: 200, layer: 'code' })
  t.like(atrion.config.explain('limits.max').layers[0], { layer: 'node', value: 40, author: 'ana', isSetAside: true })
  t.like(atrion.config.explain('slo.maxAcceptableLatencyMs'), { value: 700, layer: 'node' })
  t.is(events.length, 1)
  t.like(events[0], { layer: 'node', author: 'ana', reason: 'an incident', paths: ['limits.max'] })
  t.true(isConfigError(events[0].error))
  t.is(warnings.length, 1)
  t.deepEqual(atrion.config.current().changes, { slo: { maxAcceptableLatencyMs: 700 } })

  // Others can still be made, it comes back by itself, and can be taken back.
  t.is((await onNode(atrion, { reserve: { high: 0.1 } })).status, 'applied')
  atrion.configure({ limits: { min: 10 } })
  t.like(atrion.config.explain('limits.max'), { value: 40, layer: 'node' })
  t.false(atrion.config.explain('limits.max').layers[0].isSetAside)
  t.is(events.length, 1)
  await onNode(atrion, { limits: null })
  t.like(atrion.config.explain('limits.max'), { value: 200, layer: 'code' })
})

test('a route of its own, and what is left when a patch expires', async (t) => {
  const { atrion, clock } = virtual()
  const events = refusals(atrion)
  await onNode(atrion, { routes: { a: { limits: { min: 30 } } } })
  await onNode(atrion, { limits: { max: 500 } }, { ttlMs: 1_000 })
  atrion.setRouteProfile('a', { limits: { max: 20 } })
  await turn()
  t.is(events.length, 1)
  t.like(atrion.config.explain('routes.a.limits.max'), { value: 20, layer: 'code' })
  t.is(atrion.config.explain('limits.max').value, 500)
  t.throws(() => atrion.configure('a', { limits: { min: 21 } }), { code: 'ATRION_CONFIG' })
  t.throws(() => atrion.configure({ limits: { max: 0 } }), { code: 'ATRION_CONFIG' })
  clock.advance(2_000)
  atrion.acquire('a').release()
  t.is(atrion.config.explain('limits.max').layer, 'code')
})

test('over a patch that expires it fits, without it not', async (t) => {
  const { atrion, clock } = virtual()
  const events = refusals(atrion)
  await onNode(atrion, { limits: { max: 700 } }, { ttlMs: 1_000 })
  await onNode(atrion, { limits: { min: 100 } })
  atrion.configure({ limits: { min: 1, max: 60 } })
  clock.advance(2_000)
  atrion.acquire('a').release()
  t.like(atrion.config.explain('limits.min'), { value: 1, layer: 'code' })
  t.like(atrion.config.explain('limits.max'), { value: 60, layer: 'code' })
  await turn()
  t.is(events.length, 1)
})

const bounds = fc.record(
  { min: fc.integer({ min: 1, max: 100 }), max: fc.integer({ min: 1, max: 100 }) },
  { requiredKeys: [] },
)
const target = fc.constantFrom(undefined, 'a', 'b')
const step = fc.record({
  isCode: fc.boolean(),
  target,
  limits: fc.oneof({ weight: 6, arbitrary: bounds }, { weight: 1, arbitrary: fc.constant(null) }),
  ttlMs: fc.option(fc.integer({ min: 1, max: 3_000 })),
  waitMs: fc.integer({ min: 0, max: 1_500 }),
})

const changeCode = (atrion, { target: routeId, limits }) => {
  try {
    if (routeId === undefined) atrion.configure({ limits: limits ?? {} })
    else atrion.configure(routeId, { limits: limits ?? {} })
    return 'changed'
  } catch (error) {
    if (!isConfigError(error)) throw error
    return 'wrong'
  }
}
/** All that governs, of every route and of each. */
const settingsOf = (atrion) => {
  const port = atrion[Symbol.for('atrion.telemetry')]
  const ofRoutes = ['a', 'b'].map((id) => [port.paramsOf(id), port.orderOf(id), atrion.getRouteProfile(id)])
  return structuredClone([port.paramsOf(), port.isDryRun(), ...ofRoutes])
}
const boundsOf = (atrion) => {
  const port = atrion[Symbol.for('atrion.telemetry')]
  return [port.paramsOf(), port.paramsOf('a'), port.paramsOf('b')].map(({ limits }) => limits)
}

test('under any patches the code can change as it could without, and governs again without them', async (t) => {
  let aside = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 20 }), async (steps) => {
      const { atrion, clock } = virtual()
      const { atrion: plain } = virtual()
      for (const one of steps) {
        if (one.isCode) t.is(changeCode(atrion, one), changeCode(plain, one))
        else {
          const { target: routeId, limits, ttlMs } = one
          const changes = routeId === undefined ? { limits } : { routes: { [routeId]: limits && { limits } } }
          await onNode(atrion, changes, { ttlMs }).catch((error) => t.true(isConfigError(error), String(error)))
        }
        for (const path of ['limits.min', 'limits.max', 'routes.a.limits.min', 'routes.b.limits.max']) {
          const { value, layer, layers } = atrion.config.explain(path)
          const first = layers.find(({ isSetAside }) => !isSetAside)
          t.is(layer, first.layer)
          if (layer === 'node') t.is(value, first.value, path)
          if (layers[0].isSetAside) aside += 1
        }
        for (const { min, max, initial } of boundsOf(atrion)) t.true(min <= initial && initial <= max)
        clock.advance(one.waitMs)
        atrion.acquire('a').release()
      }
      t.is((await onNode(atrion, { limits: null, routes: null })).status, 'applied')
      clock.advance(5_000)
      atrion.acquire('a').release()
      t.deepEqual(settingsOf(atrion), settingsOf(plain))
      t.deepEqual(atrion.config.current().changes, {})
      atrion.config.close()
    }),
    { numRuns: 400 },
  )
  t.true(aside > 20, `${aside}`)
})

const record = (fields) => fc.record(fields, { requiredKeys: [] })
/** Few values, so that the code and the patches often say the same. */
const settings = {
  limits: record({
    min: fc.constantFrom(1, 5, 30),
    max: fc.constantFrom(20, 40, 600),
    initial: fc.constantFrom(3, 90),
  }),
  slo: record({ maxAcceptableLatencyMs: fc.constantFrom(300, 700), targetErrorRate: fc.constantFrom(0.01, 0.2) }),
  profile: fc.constantFrom('LIGHT', 'STANDARD', 'HEAVY'),
  pool: fc.constantFrom('p', 'q', null),
  reserve: fc.constantFrom({ high: 0.2 }, { critical: 0.3, normal: 0.1 }, null),
}
const physics = { decayRate: fc.constantFrom(0.1, 0.5), scarFactor: fc.constantFrom(2, 5) }
const ofRoute = record({ ...settings, ...physics })
const id = fc.constantFrom('a', 'b')
const order = fc.constantFrom('open', 'closed', null)
/** One call of the code's. */
const call = fc.oneof(
  record({ ...settings, ...physics, dryRun: fc.boolean() }).map((changes) => ['configure', changes]),
  fc.tuple(id, ofRoute).map(([routeId, changes]) => ['configure', routeId, changes]),
  fc.tuple(id, fc.oneof(settings.profile, ofRoute)).map(([routeId, given]) => ['setRouteProfile', routeId, given]),
  fc.tuple(id, order).map(([routeId, given]) => ['override', routeId, given]),
)
const ALL = ['slo', 'limits', 'profile', 'pool', 'reserve', 'config', 'dryRun', 'routes', 'overrides']
const patched = record({
  ...settings,
  config: record(physics),
  dryRun: fc.boolean(),
  routes: fc.dictionary(id, fc.oneof(settings.profile, ofRoute, fc.constant(null)), { maxKeys: 2 }),
  overrides: fc.dictionary(id, order, { maxKeys: 2 }),
})
const taken = fc.subarray(ALL, { minLength: 1 }).map((names) => Object.fromEntries(names.map((name) => [name, null])))
const move = fc.oneof(
  fc.record({ call }),
  fc.record({
    changes: fc.oneof({ weight: 4, arbitrary: patched }, { weight: 1, arbitrary: taken }),
    ttlMs: fc.option(fc.integer({ min: 1, max: 2_000 })),
  }),
)

/** The outcome of a call of the code's. A route that has an own patch is named with what does not fit it. */
const outcomeOf = (atrion, [name, ...given]) => {
  try {
    atrion[name](...given)
    return 'done'
  } catch (error) {
    if (!isConfigError(error)) throw error
    return error.field.replace(/^routes\.[ab]\./, '')
  }
}
/** The moves of R from here: the route that is in use is governed as its settings say. */
const movesOf = (world, snapshot, routeId) => {
  world.atrion.restore(snapshot)
  return drive(world, routeId, BAD, 12).map(({ mode, resistance }) => ({ mode, resistance }))
}

test('the code may do anything under any patches: without them all is as if there had been none', async (t) => {
  let applied = 0
  await fc.assert(
    fc.asyncProperty(fc.array(move, { minLength: 3, maxLength: 16 }), async (moves) => {
      const world = virtual()
      const without = virtual()
      const { atrion, clock } = world
      for (const { call: given, changes, ttlMs } of moves) {
        if (given !== undefined) t.is(outcomeOf(atrion, given), outcomeOf(without.atrion, given))
        else {
          const made = await onNode(atrion, changes, { ttlMs }).catch((error) => {
            if (!isConfigError(error)) throw error
          })
          if (made?.status === 'applied') applied += 1
        }
        for (const one of [world, without]) {
          one.clock.advance(500)
          for (const routeId of ['a', 'b']) {
            const permit = one.atrion.acquire(routeId)
            if (permit.allow) permit.release()
          }
        }
      }
      const nothing = Object.fromEntries(ALL.map((name) => [name, null]))
      t.is((await onNode(atrion, nothing)).status, 'applied')
      for (const one of [world, without]) {
        one.clock.advance(5_000)
        one.atrion.getState('a')
      }
      t.is(clock.now(), without.clock.now())
      t.deepEqual(atrion.config.current().changes, {})
      t.deepEqual(settingsOf(atrion), settingsOf(without.atrion))
      const snapshot = without.atrion.snapshot()
      for (const routeId of ['a', 'b']) {
        t.deepEqual(movesOf(world, snapshot, routeId), movesOf(without, snapshot, routeId))
      }
      atrion.config.close()
    }),
    { numRuns: 300 },
  )
  t.true(applied > 300, `${applied}`)
})

test('a profile that is given again while a patch goes builds upon what is left', async (t) => {
  const atrion = create()
  atrion.setRouteProfile('a', { limits: { max: 200 } })
  await onNode(atrion, { limits: { min: 11, max: 90 } })
  // It says what the code says: the profile under the patch is the code's own.
  await onNode(atrion, { routes: { a: { limits: { max: 200 } } } })
  await onNode(atrion, { limits: null })
  t.like(atrion[Symbol.for('atrion.telemetry')].paramsOf('a').limits, { min: 1, max: 200, initial: 200 })
})

test('settings that are equal have one text, whichever was patched first', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray(['slo', 'limits', 'routes', 'reserve', 'dryRun'], { minLength: 5 }),
      async (order) => {
        const all = {
          slo: { maxAcceptableLatencyMs: 300, targetErrorRate: 0.1 },
          limits: { max: 9, min: 2 },
          routes: { b: { limits: { max: 3 } }, a: { slo: { maxAcceptableLatencyMs: 9 } } },
          reserve: { high: 0.2, critical: 0.1 },
          dryRun: true,
        }
        const atrion = create()
        for (const name of order) await onNode(atrion, { [name]: all[name] })
        const other = create()
        await onNode(other, all)
        const textOf = (one) => JSON.stringify(one.config.current().changes)
        t.is(textOf(atrion), textOf(other))
      },
    ),
    { numRuns: 20 },
  )
})
