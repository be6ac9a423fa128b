import { resetLogger, setLogger, silentLogger } from 'atrion'
import {
  clampToZero,
  EPSILON,
  isSafeNumber,
  MAX_RESISTANCE,
  normalizeZero,
  PhysicsGuard,
  safeClamp,
  safeDivide,
  safeExp,
  safeTanh,
  sanitizePositive,
  sanitizePressure,
  toSafeNumber,
} from 'atrion/core'
import test from 'ava'
import { anyNumber, holds, pressureOf } from '../_core.mjs'
import fc from '../_random.mjs'

const { NaN: NOT_A_NUMBER, POSITIVE_INFINITY: INFINITE, MAX_VALUE, MAX_SAFE_INTEGER } = Number

/** Runs `act` and returns the warnings it logged. */
const warningsOf = (act) => {
  const warnings = []
  setLogger({ ...silentLogger, warn: (message) => warnings.push(message) })
  try {
    act()
  } finally {
    resetLogger()
  }
  return warnings
}

test('isSafeNumber accepts finite numbers only', (t) => {
  for (const value of [0, -0, 42, -3.14, MAX_VALUE, Number.MIN_VALUE]) t.true(isSafeNumber(value))
  for (const value of [NOT_A_NUMBER, INFINITE, -INFINITE, undefined, null, '42', 42n, {}, [1]])
    t.false(isSafeNumber(value))
})

test('toSafeNumber reads numbers, numeric strings and safe bigints', (t) => {
  t.is(toSafeNumber(42), 42)
  t.is(toSafeNumber('3.14'), 3.14)
  t.is(toSafeNumber(42n), 42)
  t.is(toSafeNumber(BigInt(MAX_SAFE_INTEGER) + 1000n, -1), -1)
  t.is(toSafeNumber(10n ** 400n, -1), -1)
  for (const value of ['none', NOT_A_NUMBER, INFINITE, undefined, null, {}, true, Symbol.iterator]) {
    t.is(toSafeNumber(value, 7), 7)
    t.is(toSafeNumber(value), 0)
  }
})

test('safeDivide falls back where the quotient is no finite number', (t) => {
  t.is(safeDivide(10, 2), 5)
  t.is(safeDivide(10, 0, 999), 999)
  t.is(safeDivide(10, -0, 999), 999)
  t.is(safeDivide(NOT_A_NUMBER, 2, -1), -1)
  t.is(safeDivide(10, NOT_A_NUMBER, -1), -1)
  t.is(safeDivide(MAX_VALUE, 1e-4), 0)
})

test('safeExp saturates instead of overflowing', (t) => {
  t.is(safeExp(0), 1)
  t.is(safeExp(1), Math.E)
  t.is(safeExp(1000), MAX_VALUE)
  t.is(safeExp(-1000), 0)
  t.is(safeExp(NOT_A_NUMBER, 99), 99)
})

test('safeClamp puts what it cannot read in the middle', (t) => {
  t.is(safeClamp(5, 0, 10), 5)
  t.is(safeClamp(-5, 0, 10), 0)
  t.is(safeClamp(15, 0, 10), 10)
  t.is(safeClamp(NOT_A_NUMBER, 0, 10), 5)
  t.is(safeClamp(NOT_A_NUMBER, 3, INFINITE), 3)
  t.is(safeClamp(NOT_A_NUMBER, -INFINITE, 3), 3)
  t.is(safeClamp(5, NOT_A_NUMBER, INFINITE), 5)
})

test('clampToZero ends a decay that would never arrive', (t) => {
  t.is(clampToZero(0.1), 0.1)
  t.is(clampToZero(-0.1), -0.1)
  t.is(clampToZero(EPSILON), EPSILON)
  t.is(clampToZero(EPSILON / 2), 0)
  t.is(clampToZero(-1e-15), 0)
  t.is(clampToZero(NOT_A_NUMBER), 0)
})

test('normalizeZero has one zero', (t) => {
  t.is(normalizeZero(-0), 0)
  t.is(normalizeZero(42), 42)
  t.is(normalizeZero(-42), -42)
})

test('sanitizers keep quantities in their range', (t) => {
  t.is(sanitizePressure(1.5), 1)
  t.is(sanitizePressure(-1.5), -1)
  t.is(sanitizePressure('0.5'), 0.5)
  t.is(sanitizePressure(NOT_A_NUMBER), 0)
  t.is(sanitizePositive(-5), 0)
  t.is(sanitizePositive(5), 5)
  t.is(sanitizePositive(NOT_A_NUMBER, 99), 99)
})

test('sanitizeVector mends a vector and says what it mended', (t) => {
  let mended
  const warnings = warningsOf(() => {
    mended = PhysicsGuard.sanitizeVector(pressureOf(NOT_A_NUMBER, -1.5, 0.5), 'checkout')
  })
  t.deepEqual(mended, pressureOf(0, -1, 0.5))
  t.is(warnings.length, 1)
  t.regex(warnings[0], /checkout.*latency.*NaN/)
})

test('sanitizeVector has nothing to say about a valid vector', (t) => {
  const valid = pressureOf(0.5, -0.3, 0.8)
  t.deepEqual(
    warningsOf(() => t.deepEqual(PhysicsGuard.sanitizeVector(valid), valid)),
    [],
  )
})

test('safeDeltaT never divides by zero, nor travels back', (t) => {
  t.is(PhysicsGuard.safeDeltaT(100, 50), 50)
  t.is(PhysicsGuard.safeDeltaT(100, 100, 5), 5)
  t.is(PhysicsGuard.safeDeltaT(NOT_A_NUMBER, 100, 5), 5)
  t.is(warningsOf(() => t.is(PhysicsGuard.safeDeltaT(50, 100, 10), 10)).length, 1)
})

test('clampResistance stays between base and ceiling', (t) => {
  t.is(PhysicsGuard.clampResistance(100, 10), 100)
  t.is(PhysicsGuard.clampResistance(5, 10), 10)
  t.is(PhysicsGuard.clampResistance(1e9, 10), MAX_RESISTANCE)
  t.is(PhysicsGuard.clampResistance(INFINITE, 10), 10)
  t.is(PhysicsGuard.clampResistance(NOT_A_NUMBER, 10), 10)
})

test('cleanScar is never negative, and zero below ε', (t) => {
  t.is(PhysicsGuard.cleanScar(5), 5)
  t.is(PhysicsGuard.cleanScar(-5), 0)
  t.is(PhysicsGuard.cleanScar(1e-12), 0)
  t.is(PhysicsGuard.cleanScar(NOT_A_NUMBER), 0)
})

test('every input, also as a fallback or a bound, gives a finite number', (t) => {
  const hostile = fc.oneof(anyNumber, fc.constantFrom(NOT_A_NUMBER, INFINITE, -INFINITE, MAX_VALUE, -MAX_VALUE, -0))
  const anything = fc.oneof(hostile, fc.anything({ withBigInt: true }))
  holds(t, [anything, hostile, hostile], (value, a, b) => {
    const results = [
      toSafeNumber(value, a),
      sanitizePressure(value),
      sanitizePositive(value, a),
      safeClamp(a, b, a),
      safeClamp(b, a, a),
      safeClamp(NOT_A_NUMBER, a, b),
      safeDivide(a, b, a),
      safeExp(a, b),
      safeTanh(a),
      clampToZero(a),
      normalizeZero(a),
      PhysicsGuard.clampResistance(a, b),
      PhysicsGuard.cleanScar(a),
      PhysicsGuard.safeDeltaT(a, b, a),
      ...Object.values(PhysicsGuard.sanitizeVector(pressureOf(a, b, NOT_A_NUMBER))),
    ]
    return results.every(Number.isFinite)
  })
})
