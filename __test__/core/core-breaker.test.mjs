// The breaker of a route, and the tuner that sets where it breaks.
import { AutoTuner, updatePhysics } from 'atrion/core'
import test from 'ava'
import { between, broken, calm, configOf, holds, operational, pressureOf, run, steady, weights } from '../_core.mjs'
import fc from '../_random.mjs'

const config = configOf()

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
