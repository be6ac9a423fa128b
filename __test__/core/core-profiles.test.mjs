import { ConfigError } from 'atrion'
import {
  calculateProfilePressure,
  getProfileConfig,
  PROFILE_CONFIGS,
  requiresAbortController,
  requiresHeartbeat,
} from 'atrion/core'
import test from 'ava'
import { anyNumber, holds } from '../_core.mjs'

const own = {
  baselineLatencyMs: 500,
  maxDurationMs: 10_000,
  heartbeatRequired: true,
  heartbeatIntervalMs: 1000,
  scarMultiplier: 1.5,
}

test('the four profiles are those that the documentation states', (t) => {
  const rows = Object.entries(PROFILE_CONFIGS).map(([name, p]) => [
    name,
    p.baselineLatencyMs,
    p.maxDurationMs,
    p.heartbeatRequired,
    p.heartbeatIntervalMs,
    p.scarMultiplier,
  ])
  t.deepEqual(rows, [
    ['LIGHT', 10, 1000, false, 0, 2],
    ['STANDARD', 100, 30_000, false, 0, 1],
    ['HEAVY', 5000, 300_000, true, 5000, 0.5],
    ['EXTREME', 60_000, 3_600_000, true, 10_000, 0.2],
  ])
})

test('a profile is found by its name, or is its own numbers', (t) => {
  t.is(getProfileConfig('HEAVY'), PROFILE_CONFIGS.HEAVY)
  t.is(getProfileConfig('CUSTOM'), PROFILE_CONFIGS.STANDARD)
  t.is(getProfileConfig(own), own)
})

test('a name that is no profile is refused, inherited names too', (t) => {
  for (const name of ['heavy', '', 'toString', '__proto__', 'constructor', undefined, null, 1]) {
    const error = t.throws(() => getProfileConfig(name), { instanceOf: ConfigError })
    t.is(error.field, 'profile')
    t.is(error.got, name)
  }
})

test('work that must beat must be abortable', (t) => {
  const needs = (profile) => [requiresAbortController(profile), requiresHeartbeat(profile)]
  t.deepEqual(needs('LIGHT'), [false, false])
  t.deepEqual(needs('STANDARD'), [false, false])
  t.deepEqual(needs('CUSTOM'), [false, false])
  t.deepEqual(needs('HEAVY'), [true, true])
  t.deepEqual(needs('EXTREME'), [true, true])
  t.deepEqual(needs(own), [true, true])
  t.deepEqual(needs({ ...own, heartbeatRequired: false }), [false, false])
})

test('profile pressure is lateness in baselines', (t) => {
  t.is(calculateProfilePressure(100, PROFILE_CONFIGS.STANDARD), 0)
  t.is(calculateProfilePressure(200, PROFILE_CONFIGS.STANDARD), 1)
  t.is(calculateProfilePressure(50, PROFILE_CONFIGS.STANDARD), 0)
  t.is(calculateProfilePressure(50, 'LIGHT'), 4)
  t.is(calculateProfilePressure(50, 'HEAVY'), 0)
})

test('profile pressure is a finite number ≥ 0 for all doubles', (t) => {
  holds(t, [anyNumber, anyNumber], (latencyMs, baselineLatencyMs) => {
    const pressure = calculateProfilePressure(latencyMs, { ...own, baselineLatencyMs })
    return Number.isFinite(pressure) && pressure >= 0
  })
})
