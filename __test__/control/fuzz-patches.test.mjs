// Random patches, right and wrong ones: each applies as a whole or not at all, what is explained is what governs, and what is taken back is as
// it was to the last bit.
import { isConfigError } from 'atrion'
import test from 'ava'
import { create, virtual } from '../_engine.mjs'
import fc from '../_random.mjs'

const RUNS = Number(process.env.FUZZ_RUNS ?? 500)
const PATCHES_A_RUN = 20

const IDS = ['a', 'b', 'GET /users/:id', '__proto__', 'constructor', 'x.limits.max']
const nullable = (arbitrary, weight = 9) => fc.oneof({ weight, arbitrary }, { weight: 1, arbitrary: fc.constant(null) })
const record = (fields) => fc.record(fields, { requiredKeys: [] })
const bad = fc.constantFrom(-1, Number.NaN, Infinity, 'x', [], {}, true, 0.5, undefined, () => 1, Symbol('s'))
const number = (min, max, integer) =>
  nullable(
    fc.oneof(
      { weight: 40, arbitrary: integer ? fc.integer({ min, max }) : fc.double({ min, max, noNaN: true }) },
      { weight: 1, arbitrary: bad },
    ),
  )
const limits = nullable(
  record({ min: number(1, 20, true), max: number(10, 1000, true), initial: number(1, 600, true) }),
)
const slo = nullable(
  record({
    maxAcceptableLatencyMs: number(1, 5000),
    targetErrorRate: number(0, 1),
    criticality: nullable(record({ latency: number(0, 10), error: number(0, 10) })),
  }),
)
const physics = { decayRate: number(0, 5), scarFactor: number(0, 20), bootstrapTicks: number(0, 50, true) }
const shared = {
  slo,
  limits,
  profile: nullable(fc.constantFrom('LIGHT', 'STANDARD', 'HEAVY', 'EXTREME')),
  pool: nullable(fc.constantFrom('p', 'q')),
  reserve: nullable(
    record({ critical: nullable(fc.constantFrom(0.1, 0.3)), high: nullable(fc.constantFrom(0.2, 0.9)) }),
  ),
}
const byRoute = (arbitrary) => nullable(fc.dictionary(fc.constantFrom(...IDS), nullable(arbitrary), { maxKeys: 3 }))
const changes = record({
  ...shared,
  config: nullable(record(physics)),
  ...physics,
  dryRun: nullable(fc.oneof({ weight: 9, arbitrary: fc.boolean() }, { weight: 1, arbitrary: bad })),
  routes: byRoute(
    fc.oneof(
      fc.constantFrom('LIGHT', 'HEAVY'),
      record({ ...shared, ...physics, breakBy: nullable(fc.constant('key')) }),
    ),
  ),
  overrides: byRoute(fc.constantFrom('open', 'closed')),
  bans: nullable(record({ allow: nullable(fc.array(fc.constantFrom('friend', { prefix: 'p' }), { maxLength: 3 })) })),
})
const step = fc.record({
  changes: fc.oneof({ weight: 30, arbitrary: changes }, { weight: 1, arbitrary: fc.anything() }),
  ttlMs: fc.option(fc.integer({ min: 1, max: 5000 }), { freq: 3 }),
  isStale: fc.nat(9).map((n) => n === 0),
  waitMs: fc.integer({ min: 0, max: 3000 }),
})

const paramsOf = (atrion) => {
  const port = atrion[Symbol.for('atrion.telemetry')]
  return JSON.stringify([
    port.paramsOf(),
    ...IDS.map((id) => [port.paramsOf(id), port.orderOf(id), atrion.getRouteProfile(id)]),
    port.isDryRun(),
  ])
}

/** Leaves of the settings above the code, as paths of names. */
const leavesOf = (value, path = []) =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0
    ? Object.keys(value).flatMap((name) => leavesOf(value[name], [...path, name]))
    : [path]

const isExplained = (t, atrion) => {
  const { changes: settings } = atrion.config.current()
  for (const path of leavesOf(settings)) {
    if (path.length < 2 && path[0] !== 'dryRun' && path[0] !== 'pool' && path[0] !== 'profile') continue
    const { value, layer, layers } = atrion.config.explain(path)
    if (typeof layers[0].value === 'object') continue
    t.is(layer, 'node', path.join('.'))
    // The first probe is kept between the bounds.
    if (path.at(-1) !== 'initial') t.is(value, layers[0].value, path.join('.'))
  }
}

test(`${RUNS * PATCHES_A_RUN} random patches: whole or not at all, explained, and back to the last bit`, async (t) => {
  let applied = 0
  let refused = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: PATCHES_A_RUN, maxLength: PATCHES_A_RUN }), async (steps) => {
      const { atrion, clock } = virtual()
      atrion.setRouteProfile('a', { limits: { min: 2 }, breakBy: (key) => key })
      atrion.setRouteProfile('b', 'HEAVY')
      atrion.override('b', 'closed')
      const first = paramsOf(atrion)
      for (const { changes: given, ttlMs, isStale, waitMs } of steps) {
        const before = [paramsOf(atrion), JSON.stringify(atrion.config.current())]
        const base = isStale ? atrion.config.version + 1 : atrion.config.version
        let status = 'thrown'
        try {
          ;({ status } = await atrion.patch({ base, changes: given, ttlMs }))
        } catch (error) {
          if (!isConfigError(error) && !(error instanceof TypeError)) throw error
        }
        if (status !== 'applied') {
          refused += 1
          t.deepEqual([paramsOf(atrion), JSON.stringify(atrion.config.current())], before)
        } else applied += 1
        isExplained(t, atrion)
        clock.advance(waitMs)
        atrion.getState('a')
        atrion.acquire('a').release()
      }
      clock.advance(10_000)
      atrion.acquire('a').release()
      const everything = [
        'slo',
        'limits',
        'profile',
        'pool',
        'reserve',
        'config',
        'dryRun',
        'routes',
        'overrides',
        'bans',
      ]
      const nothing = Object.fromEntries(everything.map((name) => [name, null]))
      t.is((await atrion.patch({ base: atrion.config.version, changes: nothing })).status, 'applied')
      t.is(paramsOf(atrion), first)
      t.deepEqual(atrion.config.current().changes, {})
      atrion.config.close()
    }),
    { numRuns: RUNS },
  )
  t.true(applied > (RUNS * PATCHES_A_RUN) / 4 && refused > RUNS, `${applied} applied, ${refused} refused`)
  t.is({}.limits, undefined)
})

test('explain, audit and current bear anything', (t) => {
  const atrion = create()
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.array(fc.string())), (path) => {
      try {
        t.is(typeof atrion.config.explain(path).path, 'string')
      } catch (error) {
        t.true(error instanceof TypeError && path.length === 0, String(error))
      }
    }),
    { numRuns: 500 },
  )
})
