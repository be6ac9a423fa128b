// The engine against the functional model: the same random worlds, tick by tick. The two may differ in the last bits of
// tanh and exp, and in nothing that a caller could act upon.
import { Atrion, VirtualClock } from 'atrion'
import test from 'ava'
import { engine, randomOf } from '../_engine.mjs'
import { PATIENCE_MS } from '../_patience.mjs'

const WORLDS = 60
const TICKS = 2500
const TOLERANCE = 1e-9

const pick = (random, values) => values[Math.floor(random() * values.length)]
const between = (random, low, high) => low + (high - low) * random()

const configOf = (random) => ({
  baseResistance: pick(random, [10, between(random, 0.5, 200)]),
  decayRate: pick(random, [0.1, 0, between(random, 0.01, 2)]),
  scarFactor: pick(random, [5, 0, between(random, 0.1, 60)]),
  dampingFactor: pick(random, [20, 0, between(random, 0, 500)]),
  criticalPressure: pick(random, [0.7, between(random, 0, 1.6)]),
  breakMultiplier: pick(random, [10, between(random, 1.05, 30)]),
  bootstrapTicks: pick(random, [10, 0, 1, 2, Math.floor(between(random, 0, 40))]),
  minDeltaT: pick(random, [100, between(random, 0.1, 3000)]),
  tanhScale: pick(random, [1, between(random, 0.05, 4)]),
})

const tunerOf = (random) => {
  if (random() < 0.25) return false
  if (random() < 0.25) return true
  const minFloor = between(random, 0, 60)
  return {
    windowSize: between(random, 1, 300),
    sensitivity: between(random, 0, 5),
    minFloor,
    hardCeiling: minFloor + between(random, 0, 800),
    warmupTicks: Math.floor(between(random, 0, 120)),
    recoveryMultiplier: between(random, 0.05, 1),
  }
}

const sloOf = (random) => ({
  baselineLatencyMs: pick(random, [100, between(random, 0.1, 5000)]),
  targetErrorRate: pick(random, [0.01, 0, 1, random()]),
  criticality: { latency: 10 * random(), error: pick(random, [0, 10 * random()]), saturation: 10 * random() },
})

const profileOf = (random) =>
  pick(random, [
    'LIGHT',
    'STANDARD',
    'HEAVY',
    'EXTREME',
    'CUSTOM',
    { scarFactor: between(random, 0, 40) },
    { profile: 'HEAVY', ...configOf(random) },
    { slo: sloOf(random), profile: { baselineLatencyMs: between(random, 1, 900), scarMultiplier: 3 * random() } },
  ])

const NOISE = [Number.NaN, -1, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, -1e-300]

const telemetryOf = (random, isBad) => {
  const component = (typical, ceiling) => {
    const luck = random()
    if (luck < 0.01) return pick(random, NOISE)
    if (luck < 0.02) return pick(random, [0, 5e-324, 1e300, Number.MAX_VALUE, ceiling])
    return typical * random() * random() * 2
  }
  return {
    latencyMs: component(isBad ? 4000 : 150, 100),
    errorRate: component(isBad ? 1.2 : 0.03, 1),
    saturation: component(isBad ? 1.3 : 0.9, 1),
  }
}

const elapsedOf = (random) => {
  const luck = random()
  if (luck < 0.03) return -between(random, 0, 20_000)
  if (luck < 0.1) return 0
  if (luck < 0.13) return between(random, 0, 3_600_000)
  return luck < 0.5 ? Math.floor(between(random, 1, 400)) : between(random, 0.01, 2500)
}

const isNear = (a, b) => a === b || Math.abs(a - b) <= TOLERANCE * Math.max(Math.abs(a), Math.abs(b), 1e-3)

/** The paths at which two answers or states differ; numbers may differ by the tolerance, except integers. */
const differenceOf = (a, b, path = '') => {
  if (typeof a === 'number' && typeof b === 'number') {
    const same = /retryAfterMs|tickCount|count|rejectedSamples/.test(path) ? a === b : isNear(a, b)
    return same ? undefined : `${path}: ${a} against ${b}`
  }
  if (path.endsWith('reason')) {
    const [x, y] = [a, b].map((reason) => reason.replace(/R=.*/, ''))
    return x === y ? undefined : `${path}: ${a} against ${b}`
  }
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) {
    return a === b ? undefined : `${path}: ${a} against ${b}`
  }
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const difference = differenceOf(a[key], b[key], `${path}.${key}`)
    if (difference) return difference
  }
  return undefined
}

const byName = (snapshots) => snapshots.sort((a, b) => (a.routeId < b.routeId ? -1 : 1))

const ROUTES = Array.from({ length: 8 }, (_, i) => `route ${i}`)

test(`${engine} and the functional model agree over ${WORLDS * TICKS} random ticks`, (t) => {
  t.timeout(PATIENCE_MS)
  const seen = { modes: new Set(), transitions: new Set(), refusals: 0, waits: 0, ticks: 0, backwards: 0 }
  for (let world = 0; world < WORLDS; world++) {
    const random = randomOf(1000 + world)
    const options = { config: configOf(random), autoTuner: tunerOf(random), slo: sloOf(random), maxRoutes: 6 }
    if (random() < 0.5) options.maxRoutes = 100
    const clock = new VirtualClock(between(random, -1e6, 2e12))
    const pair = [engine, 'ts'].map((name) => new Atrion({ ...options, engine: name, clock }))
    const isBad = new Map()
    for (let tick = 0; tick < TICKS; tick++) {
      const where = `world ${world}, tick ${tick}`
      const routeId = pick(random, ROUTES)
      if (random() < 0.03) isBad.set(routeId, !isBad.get(routeId))
      if (random() < 0.002) {
        const profile = profileOf(random)
        for (const atrion of pair) atrion.setRouteProfile(routeId, profile)
      }
      if (random() < 0.001) for (const atrion of pair) atrion.resetRoute(routeId)
      if (random() < 0.0005) for (const atrion of pair) atrion.restore(pair[0].snapshot())
      const elapsedMs = elapsedOf(random)
      clock.set(clock.now() + elapsedMs)
      seen.backwards += elapsedMs < 0 ? 1 : 0
      const telemetry = telemetryOf(random, isBad.get(routeId))
      const call = { voltage: between(random, 0, 4 * options.config.baseResistance) }
      if (random() < 0.02) call.profile = pick(random, ['LIGHT', 'HEAVY', 'EXTREME', { baselineLatencyMs: 50 }])
      const before = pair[1].getState(routeId)?.mode
      const [actual, expected] = pair.map((atrion) => atrion.route(routeId, telemetry, call))
      const difference = differenceOf(actual, expected)
      if (difference) return t.fail(`${where}: ${difference}`)
      seen.ticks += 1
      seen.modes.add(actual.mode)
      if (before !== undefined) seen.transitions.add(`${before} → ${actual.mode}`)
      seen.refusals += actual.allow ? 0 : 1
      seen.waits += actual.retryAfterMs === undefined ? 0 : 1
      if (tick % 250 === 249) {
        const [states, model] = pair.map((atrion) => byName(atrion.snapshot()))
        const drift = differenceOf(states, model)
        if (drift) return t.fail(`${where}: ${drift}`)
      }
    }
  }
  t.is(seen.ticks, WORLDS * TICKS)
  t.true(seen.ticks >= 100_000)
  t.deepEqual([...seen.modes].sort(), ['BOOTSTRAP', 'CIRCUIT_BREAKER', 'OPERATIONAL'])
  t.true(['OPERATIONAL → CIRCUIT_BREAKER', 'CIRCUIT_BREAKER → OPERATIONAL'].every((one) => seen.transitions.has(one)))
  t.true(seen.refusals > 10_000 && seen.waits > 3000 && seen.backwards > 1000, JSON.stringify(seen))
})

test('both warn of the same noise, tell observers the same, and pool the same statistics', (t) => {
  const random = randomOf(5)
  const clock = new VirtualClock()
  const worlds = [engine, 'ts'].map((name) => {
    const events = []
    const warnings = []
    const logger = { debug() {}, info() {}, warn: (_, context) => warnings.push(context), error() {} }
    const observer = { onUpdate: (event) => events.push(event) }
    return { events, warnings, atrion: new Atrion({ engine: name, clock, logger, observer }) }
  })
  for (let tick = 0; tick < 2000; tick++) {
    clock.advance(Math.max(0, elapsedOf(random)))
    const routeId = pick(random, ROUTES)
    const telemetry = telemetryOf(random, tick % 500 < 200)
    for (const { atrion } of worlds) atrion.route(routeId, telemetry)
  }
  const [one, other] = worlds.map(({ events, warnings, atrion }) => {
    atrion.disconnect()
    return { events, warnings, tuner: atrion.getTunerStats() }
  })
  t.is(one.events.length, 2000)
  t.true(one.warnings.length > 0)
  t.is(differenceOf(one, other), undefined)
})
