// The whole model: its ranges under any input, and its agreement with the equations stated once more.
import {
  AutoTuner,
  createBootstrapState,
  DEFAULT_SLO,
  deriveBaselines,
  MAX_RESISTANCE,
  normalizeTelemetry,
  updatePhysics,
} from 'atrion/core'
import test from 'ava'
import { anyNumber, between, calm, configOf, holds, isNear, weights } from '../_core.mjs'
import fc from '../_random.mjs'

const config = configOf()
const baselines = deriveBaselines(DEFAULT_SLO)

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
