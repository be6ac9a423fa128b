// Random options, telemetry and snapshots: they are honoured, or refused by an error that names the field; afterwards
// the instance works as before.
import { Atrion, VirtualClock } from 'atrion'
import test from 'ava'
import { CALM, create, engine } from '../_engine.mjs'
import fc from '../_random.mjs'

const RUNS = Number(process.env.FUZZ_RUNS ?? 400)

const odd = fc.oneof(
  fc.anything({ withBigInt: true, withDate: true, withNullPrototype: true, withTypedArray: true, maxDepth: 2 }),
  fc.constantFrom(Symbol('odd'), () => 1, new Proxy({}, {}), Number.NaN, Infinity, -0, 5e-324, 1e308, '', '__proto__'),
)
const number = fc.oneof(
  { weight: 3, arbitrary: fc.double() },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 1000 }) },
  odd,
)

/** Objects with names that count, misspelt ones among them, and values that mostly don't. */
const withNames = (names) =>
  fc.dictionary(fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...names) }, fc.string({ maxLength: 8 })), number, {
    maxKeys: 3,
    noNullPrototype: true,
  })

const PHYSICS = ['baseResistance', 'decayRate', 'scarFactor', 'dampingFactor', 'criticalPressure', 'breakMultiplier']
const physics = withNames([...PHYSICS, 'bootstrapTicks', 'minDeltaT', 'tanhScale'])
const limits = withNames(['min', 'max', 'initial'])
const slo = withNames(['baselineLatencyMs', 'maxAcceptableLatencyMs', 'targetErrorRate', 'criticality'])
const profile = fc.oneof(
  fc.constantFrom('LIGHT', 'STANDARD', 'HEAVY', 'EXTREME', 'CUSTOM'),
  withNames(['baselineLatencyMs', 'maxDurationMs', 'heartbeatIntervalMs', 'scarMultiplier', 'heartbeatRequired']),
  odd,
)
const ofRoute = fc.oneof(
  profile,
  fc
    .tuple(
      physics,
      fc.record({ limits, slo, profile, pool: odd, reserve: withNames(['bulk', 'critical']) }, { requiredKeys: [] }),
    )
    .map(([numbers, rest]) => ({ ...numbers, ...rest })),
)
const OF_INSTANCE = {
  config: fc.oneof({ weight: 3, arbitrary: physics }, odd),
  slo: fc.oneof({ weight: 3, arbitrary: slo }, odd),
  autoTuner: fc.oneof(withNames(['windowSize', 'sensitivity', 'minFloor', 'hardCeiling', 'warmupTicks']), odd),
  defaultVoltage: number,
  maxRoutes: number,
  keySecret: odd,
  dryRun: odd,
  observer: odd,
  logger: odd,
  clock: odd,
  scope: odd,
  useWasm: fc.constantFrom(undefined, 1, null),
}
const ofInstance = fc
  .array(fc.oneof(...Object.entries(OF_INSTANCE).map(([name, value]) => value.map((it) => [name, it]))), {
    maxLength: 3,
  })
  .map((entries) => Object.fromEntries(entries))
const ofRequest = withNames(['tier', 'voltage', 'key', 'weight', 'queueAgeMs', 'saturation', 'maxWaitMs'])
const telemetry = withNames(['latencyMs', 'errorRate', 'saturation'])

/** Runs `call`; what it throws must be an error of ours, for the caller's mistake. */
const judged = (call) => {
  try {
    return { value: call() }
  } catch (error) {
    const isType = error instanceof TypeError || error instanceof RangeError
    const ours = error?.code === 'ATRION_CONFIG' || (isType && / must (be|hold) /.test(error.message))
    if (!ours) throw new Error('not an error of ours', { cause: error })
    return { error }
  }
}

const works = (atrion, routeId = 'a route not named before') => {
  const { allow, resistance } = atrion.route(routeId, CALM)
  return allow && Number.isFinite(resistance) && resistance >= 0
}

test('an instance is made of any options, or refused by a ConfigError', (t) => {
  let made = 0
  fc.assert(
    fc.property(ofInstance, (options) => {
      const { value } = judged(() => new Atrion({ engine, ...options }))
      if (value === undefined) return true
      made += 1
      const { resistance, allow } = value.route('route', CALM, { voltage: 1e9 })
      return allow && !Number.isNaN(resistance)
    }),
    { numRuns: RUNS },
  )
  t.true(made > RUNS / 20, `${made} were made`)
})

test('a running instance survives every input', (t) => {
  const steps = fc.array(
    fc.oneof(
      fc.tuple(fc.constant('setRouteProfile'), fc.oneof(fc.constant('a'), odd), ofRoute),
      fc.tuple(fc.constant('configure'), ofRoute),
      fc.tuple(fc.constant('route'), fc.oneof(fc.constant('a'), odd), telemetry, fc.oneof(number, ofRequest)),
      fc.tuple(fc.constant('routeBatch'), odd, odd),
      fc.tuple(fc.constant('override'), fc.constant('a'), odd),
      fc.tuple(fc.constant('restore'), fc.oneof(odd, fc.array(odd, { maxLength: 2 }))),
      fc.tuple(fc.constantFrom('getState', 'getRouteProfile', 'getTunerStats', 'stats'), odd),
      fc.tuple(fc.constant('acquire'), fc.constant('a'), engine === 'ts' ? fc.constant(undefined) : ofRequest),
    ),
    { maxLength: 12 },
  )
  fc.assert(
    fc.property(steps, (calls) => {
      const atrion = create({ clock: new VirtualClock(1e6), maxRoutes: 16 })
      for (const [name, ...args] of calls) {
        const { value } = judged(() => atrion[name](...args))
        if (name === 'acquire') value?.release()
      }
      judged(() => atrion.setRouteProfile('b', 'STANDARD'))
      return atrion
        .snapshot()
        .every((one) => Object.values(one).every((cell) => typeof cell !== 'number' || Number.isFinite(cell)))
    }),
    { numRuns: RUNS },
  )
  t.true(works(create()))
})

test('a snapshot with any one field changed is restored or refused, and no half of it stays', (t) => {
  const source = create({ clock: new VirtualClock(1e6) })
  for (let i = 0; i < 12; i++) source.route('a', CALM)
  source.route('b', CALM)
  const snapshot = source.snapshot()
  const paths = ['routeId', 'mode', 'pressure', 'momentum', 'scarTissue', 'resistance', 'tickCount', 'lastUpdatedAt']
  const changed = fc.tuple(
    fc.integer({ min: 0, max: 1 }),
    fc.constantFrom(...paths, 'tuner', 'recoveryStartedAt'),
    number,
  )
  fc.assert(
    fc.property(changed, ([index, name, value]) => {
      const atrion = create({ clock: new VirtualClock(1e6) })
      const given = snapshot.map((one, i) => (i === index ? { ...one, [name]: value } : one))
      const { error } = judged(() => atrion.restore(given))
      if (error !== undefined) return atrion.getRoutes().length === 0
      return atrion.getRoutes().length >= 1 && works(atrion)
    }),
    { numRuns: RUNS },
  )
  t.pass()
})
