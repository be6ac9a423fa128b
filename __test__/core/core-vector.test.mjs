import { VectorMath } from 'atrion/core'
import test from 'ava'
import { anyNumber, anyPressure, holds, isNear, pressureOf } from '../_core.mjs'

test('magnitude is the Euclidean length', (t) => {
  t.is(VectorMath.magnitude(VectorMath.zero()), 0)
  t.is(VectorMath.magnitude(pressureOf(3, 4)), 5)
  t.is(VectorMath.magnitude(pressureOf(-2, 3, 6)), 7)
})

test('magnitude and dot share one noise floor', (t) => {
  const noise = pressureOf(1e-5)
  t.is(VectorMath.dot(noise, noise), 0)
  t.is(VectorMath.magnitude(noise), 0)
  holds(t, [anyPressure], (v) => isNear(VectorMath.dot(v, v), VectorMath.magnitude(v) ** 2))
})

test('add and subtract undo each other', (t) => {
  t.deepEqual(VectorMath.add(pressureOf(1, 2, 3), pressureOf(4, 5, 6)), pressureOf(5, 7, 9))
  holds(t, [anyPressure, anyPressure], (a, b) => {
    const back = VectorMath.subtract(VectorMath.add(a, b), b)
    return isNear(back.latency, a.latency) && isNear(back.error, a.error) && isNear(back.saturation, a.saturation)
  })
})

test('scale multiplies, divide divides, and nothing divides by zero', (t) => {
  t.deepEqual(VectorMath.scale(pressureOf(1, -2, 0.5), 2), pressureOf(2, -4, 1))
  t.deepEqual(VectorMath.divide(pressureOf(1, -2, 0.5), 2), pressureOf(0.5, -1, 0.25))
  t.deepEqual(VectorMath.divide(pressureOf(1, -2, 0.5), 0), VectorMath.zero())
  t.deepEqual(VectorMath.divide(pressureOf(1, Number.NaN, 0.5), 2), pressureOf(0.5, 0, 0.25))
})

test('scaleComponents and sum make P·W', (t) => {
  const terms = VectorMath.scaleComponents(pressureOf(0.5, 0.25, -1), { wLatency: 2, wError: 4, wSaturation: 8 })
  t.deepEqual(terms, pressureOf(1, 1, -8))
  t.is(VectorMath.sum(terms), -6)
})

test('clamp bounds each component', (t) => {
  t.deepEqual(VectorMath.clamp(pressureOf(1.5, -1.5, 0.5)), pressureOf(1, -1, 0.5))
})

test('the triangle inequality holds', (t) => {
  holds(t, [anyPressure, anyPressure], (a, b) => {
    const direct = VectorMath.magnitude(VectorMath.add(a, b))
    return direct <= VectorMath.magnitude(a) + VectorMath.magnitude(b) + 1e-4
  })
})

test('magnitude is finite for every vector of doubles', (t) => {
  holds(t, [anyNumber, anyNumber, anyNumber], (a, b, c) => VectorMath.magnitude(pressureOf(a, b, c)) >= 0)
})
