import { AutoTuner, calculateRetryAfterMs, createBootstrapState, updatePhysics, VectorMath } from 'atrion/core'
import test from 'ava'
import { between, broken, configOf, holds, operational, pressureOf, weights } from '../_core.mjs'
import fc from '../_random.mjs'

const calm = VectorMath.zero()
const config = configOf()
const retryOf = (state, voltage, law = config, tuner = undefined) =>
  calculateRetryAfterMs(state, voltage, weights, law, tuner)

test('it is the time in which the scar decays to V − R_base', (t) => {
  // S must fall from 60 to 30 at λ = 0.1/s: ln 2/0.1 s
  t.is(retryOf(operational({ scarTissue: 60 }), 40), Math.ceil(1000 * (Math.LN2 / 0.1)))
})

test('an open breaker must close first', (t) => {
  // Calm and static: closes when S < max(50 − 10, 5), whatever the voltage.
  t.is(retryOf(broken({ scarTissue: 80 }), 1000), Math.ceil(1000 * (Math.LN2 / 0.1)))
  t.is(retryOf(broken({ scarTissue: 80 }), 30), Math.ceil(1000 * (Math.log(4) / 0.1)), 'and then the voltage counts')
})

test('or heal, where that comes first', (t) => {
  // Closes when S < max(50 − 10, 50), unless the stress stays critical.
  const law = configOf({ scarFactor: 50 })
  t.is(retryOf(broken({ scarTissue: 100 }), 1000, law), Math.ceil(1000 * (Math.LN2 / 0.1)))
  const stressed = broken({ scarTissue: 100, pressure: pressureOf(0.7) })
  const x = 10 + 0.7 * Math.log(6)
  t.is(retryOf(stressed, 1000, law), Math.ceil((1000 * Math.log(100 / (50 - x))) / 0.1))
})

test('a breaker with a tuner closes at the recovery point of the tuner', (t) => {
  const tuner = new AutoTuner()
  for (let i = 0; i < 60; i += 1) tuner.observe(12) // break point 30 Ω, recovery point 15 Ω: S < max(15 − 10, 5)
  t.is(retryOf(broken({ scarTissue: 10 }), 1000, config, tuner), Math.ceil(1000 * (Math.LN2 / 0.1)))
})

test('pressure that stays adds to what the voltage must overcome', (t) => {
  const stressed = operational({ scarTissue: 60, pressure: pressureOf(0.5) })
  const x = 10 + 0.5 * Math.log(6)
  t.is(retryOf(stressed, 40), Math.ceil((1000 * Math.log(60 / (40 - x))) / 0.1))
})

test('relief is not counted on', (t) => {
  const relieved = operational({ scarTissue: 60, pressure: pressureOf(-1, -1, -1) })
  t.is(retryOf(relieved, 40), retryOf(operational({ scarTissue: 60 }), 40))
})

test('pressure that alone holds the voltage back is taken to relax meanwhile', (t) => {
  const stressed = operational({ scarTissue: 8, pressure: pressureOf(1, 1, 1) }) // X would be 15.4 Ω
  t.is(retryOf(stressed, 14), Math.ceil(1000 * (Math.LN2 / 0.1)))
})

test('retryAfterMs is never below minDeltaT', (t) => {
  t.is(retryOf(operational({ scarTissue: 30.001 }), 40), 100)
  t.is(retryOf(operational({ scarTissue: 0 }), 40), 100)
  t.is(retryOf(createBootstrapState('route', calm, config, 0), 11), 100)
  t.is(retryOf(operational({ scarTissue: 30.001 }), 40, configOf({ minDeltaT: 0.5 })), 1)
})

test('undefined where waiting alone will not do', (t) => {
  t.is(retryOf(operational({ scarTissue: 60 }), 10), undefined, 'V ≤ R_base')
  t.is(retryOf(operational({ scarTissue: 60 }), Number.NaN), undefined, 'no voltage')
  t.is(retryOf(operational({ scarTissue: 60 }), 40, configOf({ decayRate: 0 })), undefined, 'nothing decays')
  const never = configOf({ breakMultiplier: 1.01 }) // recovery point below R_base
  const stressed = broken({ scarTissue: 60, pressure: pressureOf(0.9) })
  t.is(retryOf(stressed, 100, never), undefined, 'neither resistance nor healing can close the breaker')
})

// Below the critical pressure of 0.7, so that coming back does not wound the route again.
const bearable = fc.record({ latency: between(-0.4, 0.4), error: between(-0.4, 0.4), saturation: between(-0.4, 0.4) })

test('a request after retryAfterMs flows; a sooner one does not', (t) => {
  const law = configOf({ breakMultiplier: 1e4 })
  holds(t, [bearable, between(1, 1e4), between(11, 1000), between(0.01, 5)], (pressure, scarTissue, voltage, rate) => {
    const paced = { ...law, decayRate: rate }
    const state = operational({ pressure, previousPressure: pressure, scarTissue })
    const flowsAt = (ms) => voltage > updatePhysics(state, pressure, weights, paced, ms).resistance
    const stressed = 10 + Math.max(0, VectorMath.sum(VectorMath.scaleComponents(pressure, { ...weights })))
    if (flowsAt(0) || voltage <= stressed) return true
    const retryMs = retryOf(state, voltage, paced)
    const relieved = VectorMath.sum(VectorMath.scaleComponents(pressure, weights)) < 0
    // Under relief R is lower than was counted on, so sooner may do; later always does.
    return flowsAt(retryMs + 1) && (retryMs === 100 || relieved || !flowsAt(retryMs - 2))
  })
})

test('a request after the retryAfterMs of an open breaker finds it closed and flows', (t) => {
  holds(t, [bearable, between(41, 1e4), between(20, 1000), fc.boolean()], (pressure, scarTissue, voltage, tuned) => {
    const tuner = tuned ? new AutoTuner() : undefined
    const state = broken({ pressure, previousPressure: pressure, scarTissue })
    const retryMs = retryOf(state, voltage, config, tuner)
    const next = updatePhysics(state, pressure, weights, config, retryMs + 1, undefined, tuner)
    return next.mode === 'OPERATIONAL' && voltage > next.resistance
  })
})

test('the higher the voltage, the sooner', (t) => {
  holds(t, [between(0, 1e4), between(20, 1000), between(0, 1000)], (scarTissue, voltage, more) => {
    const state = operational({ scarTissue })
    return retryOf(state, voltage + more) <= retryOf(state, voltage)
  })
})
