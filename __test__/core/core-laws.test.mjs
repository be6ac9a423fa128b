import {
  calculateMomentum,
  calculateResistance,
  calculateStaleness,
  DEFAULT_SLO,
  deriveBaselines,
  isValidPressure,
  isValidPressureVector,
  MAX_RESISTANCE,
  normalize,
  normalizeTelemetry,
  updateScar,
  VectorMath,
} from 'atrion/core'
import test from 'ava'
import { anyNumber, anyPressure, between, configOf, holds, isNear, near, pressureOf, weights } from '../_core.mjs'

const { NaN: NOT_A_NUMBER, POSITIVE_INFINITY: INFINITE } = Number
const config = configOf()
const calm = VectorMath.zero()

// pressure

test('pressure is tanh of the relative distance from the baseline', (t) => {
  t.is(normalize(100, 100), 0)
  t.is(normalize(200, 100), Math.tanh(1))
  t.is(normalize(50, 100), Math.tanh(-0.5))
  t.is(normalize(200, 100, 3), Math.tanh(3))
})

test('pressure is in [-1, 1] and rises with the measurement, for all doubles', (t) => {
  holds(t, [anyNumber, anyNumber, anyNumber], (x, b, k) => isValidPressure(normalize(x, b, k)))
  const finite = between(-1e300, 1e300)
  holds(t, [finite, finite, between(1e-300, 1e300), between(0, 100)], (x, y, b, k) =>
    x <= y ? normalize(x, b, k) <= normalize(y, b, k) : normalize(x, b, k) >= normalize(y, b, k),
  )
})

test('without a baseline there is no pressure', (t) => {
  for (const baseline of [0, -0, -1, NOT_A_NUMBER, undefined]) t.is(normalize(200, baseline), 0)
})

test('a measurement that overflows its baseline is full pressure', (t) => {
  t.is(normalize(1e308, 1e-10), 1)
})

test('a measurement that is no number is no deviation', (t) => {
  for (const raw of [NOT_A_NUMBER, INFINITE, -INFINITE, undefined]) t.is(normalize(raw, 100), 0)
})

test('telemetry becomes a vector, each component against its own baseline', (t) => {
  const baselines = deriveBaselines(DEFAULT_SLO)
  t.deepEqual(normalizeTelemetry(100, 0.01, 0.5, baselines), calm)
  t.deepEqual(normalizeTelemetry(300, 0.02, 0.25, baselines, 2), {
    latency: Math.tanh(4),
    error: Math.tanh(2),
    saturation: Math.tanh(-1),
  })
})

test('a valid pressure is a number in [-1, 1]', (t) => {
  for (const p of [0, 1, -1, 0.5]) t.true(isValidPressure(p))
  for (const p of [1.1, -1.1, NOT_A_NUMBER, INFINITE, undefined]) t.false(isValidPressure(p))
  t.true(isValidPressureVector(pressureOf(1, 0, -1)))
  t.false(isValidPressureVector(pressureOf(0, 0, NOT_A_NUMBER)))
})

// momentum

test('momentum is the distance travelled by the time it took', (t) => {
  t.is(calculateMomentum(pressureOf(0.6, 0.8), calm, 100), 0.01)
  t.is(calculateMomentum(calm, calm, 100), 0)
})

test('momentum is 0 when the clock stands, goes back or breaks', (t) => {
  for (const deltaT of [0, -0, -1, -1e9, NOT_A_NUMBER, -INFINITE])
    t.is(calculateMomentum(pressureOf(1), calm, deltaT), 0)
})

test('momentum is the same up as down, and half over twice the time', (t) => {
  holds(t, [anyPressure, anyPressure, between(1, 1e6)], (p, q, deltaT) => {
    const m = calculateMomentum(p, q, deltaT)
    return m >= 0 && m === calculateMomentum(q, p, deltaT) && isNear(calculateMomentum(p, q, 2 * deltaT), m / 2)
  })
})

test('momentum is finite for all doubles', (t) => {
  holds(t, [anyNumber, anyNumber, anyNumber], (a, b, deltaT) => {
    const m = calculateMomentum(pressureOf(a), pressureOf(b), deltaT)
    return m >= 0 && Number.isFinite(m)
  })
})

// scar

test('a tick above the critical pressure adds scarFactor, one at it does not', (t) => {
  t.is(updateScar(0, pressureOf(0.71), config, 100), 5)
  t.is(updateScar(0, pressureOf(0.7), config, 100), 0)
  t.is(updateScar(0, pressureOf(0.6, 0.6), config, 100), 5, 'the norm counts, not a component')
})

test('check valve: doing better than the baseline is never trauma', (t) => {
  t.is(updateScar(0, pressureOf(-1, -1, -1), config, 100), 0)
  t.is(updateScar(0, pressureOf(-1, 0.5, -1), config, 100), 0)
  holds(t, [between(-1, 0), between(-1, 0), between(-1, 0), between(0, 1e5), between(0, 1e5)], (a, b, c, s, deltaT) => {
    return updateScar(s, pressureOf(a, b, c), config, deltaT) <= s
  })
})

test('the scar halves every ln 2/λ seconds', (t) => {
  holds(t, [between(0.001, 10), between(1e-3, 1e5)], (decayRate, scar) => {
    const halfLifeMs = (1000 * Math.LN2) / decayRate
    return isNear(updateScar(scar, calm, configOf({ decayRate }), halfLifeMs), scar / 2)
  })
})

test('healing does not depend on how often one looks', (t) => {
  holds(t, [between(1, 1e5), between(0, 1e5), between(0, 1e5)], (scar, first, second) => {
    const twice = updateScar(updateScar(scar, calm, config, first), calm, config, second)
    return isNear(twice, updateScar(scar, calm, config, first + second), 1e-8)
  })
})

test('a clock that goes back heals nothing', (t) => {
  for (const deltaT of [0, -1, -1e9, NOT_A_NUMBER]) t.is(updateScar(7, calm, config, deltaT), 7)
})

test('a healed scar is exactly 0, not a denormal', (t) => {
  t.is(updateScar(5, calm, config, 1e6), 0)
  t.is(updateScar(1.1e-9, calm, config, 2000), 0)
})

test('with λ = 0 nothing is forgotten', (t) => {
  t.is(updateScar(5, calm, configOf({ decayRate: 0 }), 1e9), 5)
})

test('the scar is in [0, 1e6] for all doubles', (t) => {
  holds(t, [anyNumber, anyNumber, anyNumber], (scar, p, deltaT) => {
    const next = updateScar(scar, pressureOf(p), config, deltaT)
    return next >= 0 && next <= MAX_RESISTANCE
  })
})

// staleness

test('staleness is half an ohm a second, and never negative', (t) => {
  t.is(calculateStaleness(0, 10_000), 5)
  t.is(calculateStaleness(0, 10_000, 2), 20)
  t.is(calculateStaleness(10_000, 0), 0)
  holds(t, [anyNumber, anyNumber], (last, now) => {
    const u = calculateStaleness(last, now)
    return u >= 0 && Number.isFinite(u)
  })
})

// resistance

test('resistance is the sum of its terms', (t) => {
  t.is(calculateResistance(calm, 0, 0, weights, config), 10)
  near(t, calculateResistance(pressureOf(1, 1, 1), 0, 0, weights, config), 10 + Math.log(6 * 9 * 4))
  near(t, calculateResistance(calm, 0.5, 3, weights, config, 2), 10 + 20 * 0.5 + 3 + 2)
})

test('resistance is never below the base, however well it goes', (t) => {
  t.is(calculateResistance(pressureOf(-1, -1, -1), 0, 0, weights, config), 10)
})

test('resistance ends at 1e6, even when a term overflows', (t) => {
  t.is(calculateResistance(calm, 1e9, 0, weights, config), MAX_RESISTANCE)
  t.is(calculateResistance(calm, Number.MAX_VALUE, Number.MAX_VALUE, weights, config), MAX_RESISTANCE)
  t.is(calculateResistance(calm, INFINITE, 0, weights, config), MAX_RESISTANCE)
})

test('resistance is in [base, 1e6] for all doubles', (t) => {
  holds(t, [anyNumber, anyNumber, anyNumber, anyNumber], (p, momentum, scar, staleness) => {
    const r = calculateResistance(pressureOf(p), momentum, scar, weights, config, staleness)
    return r >= 10 && r <= MAX_RESISTANCE
  })
})

test('resistance rises with each of its terms', (t) => {
  const more = between(0, 100)
  holds(t, [anyPressure, more, more, more, more, more], (p, momentum, scar, staleness, a, b) => {
    const r = calculateResistance(p, momentum, scar, weights, config, staleness)
    const stressed = { ...p, error: Math.min(1, p.error + a) }
    return (
      calculateResistance(stressed, momentum, scar, weights, config, staleness) >= r &&
      calculateResistance(p, momentum + a, scar, weights, config, staleness) >= r &&
      calculateResistance(p, momentum, scar + a, weights, config, staleness) >= r &&
      calculateResistance(p, momentum, scar, weights, config, staleness + b) >= r
    )
  })
})
