import {
  AutoTuner,
  createBootstrapState,
  DEFAULT_SLO,
  deriveBaselines,
  MAX_RESISTANCE,
  normalizeTelemetry,
  updatePhysics,
  VectorMath,
} from 'atrion/core'
import test from 'ava'
import {
  anyNumber,
  anyPressure,
  between,
  broken,
  configOf,
  holds,
  isNear,
  near,
  operational,
  pressureOf,
  weights,
} from '../_core.mjs'
import fc from '../_random.mjs'

const calm = VectorMath.zero()
const config = configOf()
const baselines = deriveBaselines(DEFAULT_SLO)

/** A new route, called once for each [pressure, now], and its state after each call. */
const run = (calls, { law = config, tuner } = {}) => {
  const states = []
  let state = createBootstrapState('route', calls[0][0], law, calls[0][1])
  for (const [pressure, now] of calls) {
    state = updatePhysics(state, pressure, weights, law, now, undefined, tuner)
    states.push(state)
  }
  return states
}

/** The same pressure every 100 ms. */
const steady = (pressure, times) => Array.from({ length: times }, (_, i) => [pressure, 100 * i])

// bootstrap

test('a route without calls is at tick 0 with a fifth more than the base', (t) => {
  t.deepEqual(createBootstrapState('route', calm, config, 7), {
    routeId: 'route',
    mode: 'BOOTSTRAP',
    pressure: calm,
    previousPressure: undefined,
    momentum: undefined,
    scarTissue: 0,
    resistance: 12,
    tickCount: 0,
    lastUpdatedAt: 7,
  })
})

test('the first call is tick 1; the tenth turns OPERATIONAL', (t) => {
  const states = run(steady(calm, 11))
  t.deepEqual(
    states.map(({ tickCount }) => tickCount),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
  )
  t.deepEqual(
    states.map(({ mode }) => mode),
    [...Array(9).fill('BOOTSTRAP'), 'OPERATIONAL', 'OPERATIONAL'],
  )
})

test('the bootstrap keeps pressure and time, and does no physics', (t) => {
  const states = run(steady(pressureOf(1, 1, 1), 9))
  t.deepEqual(states.at(-1), {
    ...createBootstrapState('route', pressureOf(1, 1, 1), config, 0),
    tickCount: 9,
    lastUpdatedAt: 800,
  })
})

test('the last tick of the bootstrap has no momentum, but a full scar and resistance', (t) => {
  const calls = [...steady(calm, 9), [pressureOf(1), 900]]
  t.deepEqual(run(calls).at(-1), {
    routeId: 'route',
    mode: 'OPERATIONAL',
    pressure: pressureOf(1),
    previousPressure: calm,
    momentum: 0,
    scarTissue: 5,
    resistance: 10 + Math.log(6) + 5,
    tickCount: 10,
    lastUpdatedAt: 900,
  })
})

test('one change of mode a tick: the last tick of the bootstrap cannot break', (t) => {
  const law = configOf({ scarFactor: 1000, bootstrapTicks: 2 })
  const modes = run(steady(pressureOf(1), 3), { law }).map(({ mode }) => mode)
  t.deepEqual(modes, ['BOOTSTRAP', 'OPERATIONAL', 'CIRCUIT_BREAKER'])
})

test('bootstrapTicks 0 and 1 both make the first call operational', (t) => {
  for (const bootstrapTicks of [0, 1]) {
    t.is(run([[calm, 0]], { law: configOf({ bootstrapTicks }) })[0].mode, 'OPERATIONAL')
  }
})

// the physics

test('momentum is measured from the tick before', (t) => {
  const calls = [...steady(calm, 10), [pressureOf(0.6), 1000], [pressureOf(0.6), 1100], [pressureOf(0.5), 1150]]
  const [change, rest, back] = run(calls).slice(10)
  near(t, change.momentum, 0.006)
  t.deepEqual(change.previousPressure, calm)
  t.is(rest.momentum, 0)
  near(t, back.momentum, 0.1 / 50)
})

test('at a tick there is no staleness, however long the silence', (t) => {
  const quiet = updatePhysics(operational(), calm, weights, config, 3_600_000)
  t.is(quiet.resistance, 10)
})

test('a clock that goes back is a tick in no time', (t) => {
  const state = operational({ lastUpdatedAt: 5000, scarTissue: 3 })
  const next = updatePhysics(state, pressureOf(0.5), weights, config, 1000)
  t.is(next.momentum, 0)
  t.is(next.scarTissue, 3)
  t.is(next.lastUpdatedAt, 5000)
  const later = updatePhysics(next, pressureOf(0.5), weights, config, 6000)
  near(t, later.scarTissue, 3 * Math.exp(-0.1), 1e-12)
})

test('a component that is no number keeps its last pressure; a time that is none keeps the last time', (t) => {
  const state = operational({ pressure: pressureOf(0.1, 0.2, 0.3), lastUpdatedAt: 50 })
  const noisy = updatePhysics(state, pressureOf(Number.NaN, 0.5, Number.POSITIVE_INFINITY), weights, config, Number.NaN)
  t.deepEqual(noisy.pressure, pressureOf(0.1, 0.5, 0.3))
  t.is(noisy.lastUpdatedAt, 50)
})

test('the tick changes nothing it was given', (t) => {
  const deepFreeze = (value) => {
    if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(deepFreeze)
    return value
  }
  for (const state of [createBootstrapState('route', calm, config, 0), operational(), broken()]) {
    const before = structuredClone(state)
    t.notThrows(() => updatePhysics(deepFreeze(state), deepFreeze(pressureOf(1)), weights, deepFreeze(config), 100))
    t.deepEqual(state, before)
  }
})

test('the same inputs give the same route', (t) => {
  holds(t, [anyPressure, anyPressure, between(0, 1e6)], (before, after, now) => {
    const tick = () => JSON.stringify(updatePhysics(operational({ pressure: before }), after, weights, config, now))
    const [once, again] = [tick(), tick()]
    return once === again
  })
})

// the breaker

test('the breaker opens at the break point, not below it', (t) => {
  const at = (scarTissue) => updatePhysics(operational({ scarTissue }), calm, weights, config, 0)
  t.is(at(89.999).mode, 'OPERATIONAL')
  t.is(at(90).mode, 'CIRCUIT_BREAKER')
})

test('an open breaker remembers when it opened', (t) => {
  const opened = updatePhysics(operational({ scarTissue: 500 }), calm, weights, config, 100)
  t.is(opened.recoveryStartedAt, 100)
  const still = updatePhysics(opened, calm, weights, config, 200)
  t.is(still.mode, 'CIRCUIT_BREAKER')
  t.is(still.recoveryStartedAt, 100)
})

test('it closes by itself below half the break point', (t) => {
  const stressed = pressureOf(1) // above critical: only the resistance can close it
  const law = configOf({ scarFactor: 0 })
  const at = (scarTissue) => updatePhysics(broken({ scarTissue, pressure: stressed }), stressed, weights, law, 0)
  const contribution = Math.log(6)
  t.is(at(40 - contribution + 1e-9).mode, 'CIRCUIT_BREAKER')
  t.is(at(40 - contribution - 1e-9).mode, 'OPERATIONAL')
  t.false('recoveryStartedAt' in at(0))
  t.is(updatePhysics(broken({ scarTissue: 40 }), calm, weights, law, 0).mode, 'CIRCUIT_BREAKER', 'not at it')
})

test('or when the scar is below one trauma and the stress below critical', (t) => {
  const law = configOf({ breakMultiplier: 1.01, scarFactor: 50 }) // recovery point below R_base: never by resistance
  const at = (scarTissue, pressure) => updatePhysics(broken({ scarTissue, pressure }), pressure, weights, law, 0).mode
  t.is(at(49, pressureOf(0.69)), 'OPERATIONAL')
  t.is(at(50, pressureOf(0.69)), 'CIRCUIT_BREAKER')
  t.is(at(49, pressureOf(-0.7)), 'CIRCUIT_BREAKER', 'the whole pressure counts here, relief included')
})

test('once the stress ends, the breaker closes within the time the scar takes to decay', (t) => {
  const ticks = fc.integer({ min: 1, max: 200 })
  holds(t, [between(5.1, 1e5), between(0.01, 5), ticks], (scarTissue, decayRate, count) => {
    const law = configOf({ decayRate })
    const everyMs = (1000 * Math.log(scarTissue / 5)) / decayRate / count
    let state = broken({ scarTissue })
    for (let tick = 1; tick <= count + 1; tick += 1) {
      state = updatePhysics(state, calm, weights, law, tick * everyMs)
    }
    return state.mode === 'OPERATIONAL'
  })
})

// the tuner

test('the tuner does not see the bootstrap, nor its last tick', (t) => {
  const tuner = new AutoTuner()
  run(steady(calm, 10), { tuner })
  t.is(tuner.getStats().sampleCount, 0)
  run(steady(calm, 13), { tuner })
  t.is(tuner.getStats().sampleCount, 3)
})

test('the tuner observes R first, and the break point follows from it', (t) => {
  const tuner = new AutoTuner({ warmupTicks: 50 })
  for (let i = 0; i < 49; i += 1) tuner.observe(12)
  // Static before this tick (100 Ω), and 30 Ω after it: R = 40 breaks only if it was observed before it was judged.
  const next = updatePhysics(operational({ scarTissue: 30 }), calm, weights, config, 0, undefined, tuner)
  t.is(tuner.getStats().sampleCount, 50)
  t.is(next.mode, 'CIRCUIT_BREAKER')
})

test('a cold tuner breaks where the physics it is used with would', (t) => {
  const law = configOf({ breakMultiplier: 3 })
  const next = updatePhysics(operational({ scarTissue: 25 }), calm, weights, law, 0, undefined, new AutoTuner())
  t.is(next.mode, 'CIRCUIT_BREAKER')
})

test('the tuner goes on learning while the breaker is open', (t) => {
  const tuner = new AutoTuner()
  updatePhysics(broken(), calm, weights, config, 0, undefined, tuner)
  t.is(tuner.getStats().sampleCount, 1)
})

test('with the tuner the breaker closes below a share of the break point', (t) => {
  const tuner = () => {
    const warm = new AutoTuner()
    for (let i = 0; i < 500; i += 1) warm.observe(1000) // break point 500 Ω, recovery 250 Ω
    return warm
  }
  const at = (scarTissue) => updatePhysics(broken({ scarTissue }), calm, weights, config, 0, undefined, tuner()).mode
  t.is(at(239), 'OPERATIONAL')
  t.is(at(241), 'CIRCUIT_BREAKER')
})

// everything at once

test('every sample at every time: R in range, one tick counted, no mode skipped', (t) => {
  const edges = ['BOOTSTRAP>BOOTSTRAP', 'BOOTSTRAP>OPERATIONAL', 'OPERATIONAL>OPERATIONAL']
  edges.push('OPERATIONAL>CIRCUIT_BREAKER', 'CIRCUIT_BREAKER>CIRCUIT_BREAKER', 'CIRCUIT_BREAKER>OPERATIONAL')
  const call = fc.tuple(fc.record({ latency: anyNumber, error: anyNumber, saturation: anyNumber }), anyNumber)
  holds(t, [fc.array(call, { minLength: 1, maxLength: 60 }), fc.boolean()], (calls, tuned) => {
    let state = createBootstrapState('route', calm, config, 0)
    const tuner = tuned ? new AutoTuner({ warmupTicks: 5 }) : undefined
    return calls.every(([{ latency, error, saturation }, now]) => {
      const pressure = normalizeTelemetry(latency, error, saturation, baselines)
      const next = updatePhysics(state, pressure, weights, config, now, undefined, tuner)
      const allowed =
        edges.includes(`${state.mode}>${next.mode}`) &&
        next.tickCount === state.tickCount + 1 &&
        next.resistance >= 10 &&
        next.resistance <= MAX_RESISTANCE &&
        next.scarTissue >= 0 &&
        (next.mode === 'BOOTSTRAP' ? next.momentum === undefined : next.momentum >= 0) &&
        Number.isFinite(next.lastUpdatedAt)
      state = next
      return allowed
    })
  })
})

/** The model once more, from its equations alone: numbers in an array, no state objects, no helpers of the package. */
function* restated(law, tunerLaw) {
  let [mode, ticks, last, scar, mean, variance, count] = ['BOOTSTRAP', 0, undefined, 0, 0, 0, 0]
  let previous = [0, 0, 0]
  let resistance = 1.2 * law.baseResistance
  for (;;) {
    const [[latencyMs, errorRate, saturation], now] = yield { mode, resistance, scar }
    const dt = Math.max(0, now - (last ?? now))
    const b = [100, 0.01, 0.5]
    const p = [latencyMs, errorRate, saturation].map((x, i) => Math.tanh((x - b[i]) / b[i]))
    last = now
    ticks += 1
    if (mode !== 'BOOTSTRAP' || ticks >= law.bootstrapTicks) {
      const m = mode === 'BOOTSTRAP' || dt === 0 ? 0 : Math.hypot(...p.map((x, i) => x - previous[i])) / dt
      const trauma = Math.hypot(...p.map((x) => Math.max(0, x))) > law.criticalPressure
      scar = scar * Math.exp((-law.decayRate * dt) / 1000) + (trauma ? law.scarFactor : 0)
      if (scar < 1e-9) scar = 0
      const pw = p[0] * Math.log(6) + p[1] * Math.log(9) + p[2] * Math.log(4)
      const r = law.baseResistance + pw + law.dampingFactor * m + scar
      resistance = Math.min(1e6, Math.max(law.baseResistance, r))
      if (mode === 'BOOTSTRAP') mode = 'OPERATIONAL'
      else {
        let breakPoint = law.baseResistance * law.breakMultiplier
        let recoveryPoint = breakPoint / 2
        if (tunerLaw) {
          count += 1
          const [delta, alpha] = [resistance - mean, 2 / (tunerLaw.windowSize + 1)]
          variance = count === 1 ? 0 : (1 - alpha) * (variance + alpha * delta * delta)
          mean = count === 1 ? resistance : mean + alpha * delta
          if (count >= tunerLaw.warmupTicks) {
            breakPoint = Math.max(30, Math.min(500, mean + 3 * Math.sqrt(variance)))
          }
          recoveryPoint = Math.max(15, breakPoint * 0.5)
        }
        const healed = scar < law.scarFactor && Math.hypot(...p) < law.criticalPressure
        if (mode === 'OPERATIONAL') mode = resistance >= breakPoint ? 'CIRCUIT_BREAKER' : mode
        else if (resistance < recoveryPoint || healed) mode = 'OPERATIONAL'
      }
    }
    previous = p
  }
}

for (const tuned of [false, true]) {
  test(`the model follows from its equations (${tuned ? 'tuner' : 'static break point'})`, (t) => {
    const visited = new Set()
    const sample = fc.tuple(between(0, 1500), between(0, 0.2), between(0, 1))
    const phase = fc.tuple(sample, fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 3000 }))
    const laws = fc.record({ scarFactor: between(0, 20), decayRate: between(0.01, 1), dampingFactor: between(0, 100) })
    const follows = (phases, overrides) => {
      const law = configOf(overrides)
      const tunerLaw = tuned ? { windowSize: 20, warmupTicks: 10 } : undefined
      const model = restated(law, tunerLaw)
      model.next()
      const tuner = tunerLaw && new AutoTuner(tunerLaw)
      let state = createBootstrapState('route', calm, law, 0)
      let now = 0
      for (const [telemetry, times, everyMs] of phases) {
        for (let i = 0; i < times; i += 1) {
          const pressure = normalizeTelemetry(...telemetry, baselines)
          state = updatePhysics(state, pressure, weights, law, now, undefined, tuner)
          const expected = model.next([telemetry, now]).value
          now += everyMs
          visited.add(state.mode)
          if (state.mode !== expected.mode) return false
          if (!isNear(state.resistance, expected.resistance, 1e-9)) return false
          if (!isNear(state.scarTissue, expected.scar, 1e-9)) return false
        }
      }
      return true
    }
    // A few draws may miss a mode by chance.
    for (let round = 0; round < 20 && visited.size < 3; round += 1) {
      holds(t, [fc.array(phase, { minLength: 1, maxLength: 8 }), laws], follows)
    }
    t.is(visited.size, 3, 'every mode was reached')
  })
}
