import { ConfigError } from 'atrion'
import { AutoTuner } from 'atrion/core'
import test from 'ava'
import { between, holds, isNear, near } from '../_core.mjs'
import fc from '../_random.mjs'

const feed = (tuner, ...resistances) => {
  for (const resistance of resistances) tuner.observe(resistance)
  return tuner
}

const repeat = (times, value) => Array.from({ length: times }, () => value)

test('a new tuner knows nothing', (t) => {
  t.deepEqual(new AutoTuner().getStats(), { mean: 0, stdDev: 0, sampleCount: 0, isWarmedUp: false })
})

test('the first observation is the mean; the next ones move it by α', (t) => {
  const tuner = feed(new AutoTuner({ windowSize: 3 }), 10) // α = 0.5
  t.deepEqual(tuner.snapshot(), { mean: 10, variance: 0, count: 1 })
  t.deepEqual(feed(tuner, 20).snapshot(), { mean: 15, variance: 0.5 * (0 + 0.5 * 100), count: 2 })
  t.deepEqual(feed(tuner, 15).snapshot(), { mean: 15, variance: 0.5 * 25, count: 3 })
})

test('the mean stays within what was observed, the deviation below half its spread', (t) => {
  holds(t, [fc.array(between(10, 1e6), { minLength: 1, maxLength: 200 })], (resistances) => {
    const { mean, stdDev, sampleCount } = feed(new AutoTuner(), ...resistances).getStats()
    const low = Math.min(...resistances)
    const high = Math.max(...resistances)
    const slack = 1e-9 * high
    return (
      mean >= low - slack &&
      mean <= high + slack &&
      stdDev >= 0 &&
      stdDev <= (high - low) / 2 + slack &&
      sampleCount === resistances.length
    )
  })
})

test('a steady route has no deviation', (t) => {
  const { mean, stdDev } = feed(new AutoTuner(), ...repeat(1000, 42)).getStats()
  t.is(mean, 42)
  t.is(stdDev, 0)
})

test('before warm-up the break point is static: what the constructor was given, what the caller gives, or 100', (t) => {
  const cold = (fallbackBreak) => feed(new AutoTuner({ warmupTicks: 50 }, fallbackBreak), ...repeat(49, 12))
  t.is(cold().computeBreakPoint(), 100)
  t.is(cold().computeBreakPoint(70), 70)
  t.is(cold(80).computeBreakPoint(), 80)
  t.is(cold(80).computeBreakPoint(70), 80)
  t.false(cold().getStats().isWarmedUp)
  t.true(feed(cold(), 12).getStats().isWarmedUp)
})

test('once warm the break point is μ + kσ, between floor and ceiling', (t) => {
  const warm = (resistances, config) => feed(new AutoTuner({ warmupTicks: 1, ...config }), ...resistances)
  t.is(warm(repeat(60, 12)).computeBreakPoint(), 30)
  t.is(warm(repeat(60, 4000)).computeBreakPoint(), 500)
  const tuner = warm([40, 60, 50, 70])
  const { mean, stdDev } = tuner.getStats()
  near(t, tuner.computeBreakPoint(), mean + 3 * stdDev)
  holds(t, [fc.array(between(0, 1e6), { minLength: 1 }), between(0, 10)], (resistances, sensitivity) => {
    const point = warm(resistances, { sensitivity }).computeBreakPoint()
    return point >= 30 && point <= 500
  })
})

test('a slow ramp is learnt as normal, up to the ceiling and no further', (t) => {
  const tuner = new AutoTuner()
  let brokeAt
  for (let r = 10; r < 2000 && brokeAt === undefined; r += 0.1) {
    tuner.observe(r)
    if (tuner.shouldBreak(r)) brokeAt = r
  }
  t.true(brokeAt >= 100 && brokeAt <= 500.1, `broke at ${brokeAt}`)
})

test('the recovery point is a share of the break point, at least half the floor', (t) => {
  const steady = (ohms) => feed(new AutoTuner(), ...repeat(60, ohms))
  t.is(steady(200).computeRecoveryPoint(), 100)
  t.is(steady(12).computeRecoveryPoint(), 15)
  t.is(new AutoTuner().computeRecoveryPoint(), 50)
  t.is(new AutoTuner().computeRecoveryPoint(20), 15)
})

test('shouldBreak is at the point, shouldRecover below it', (t) => {
  const tuner = new AutoTuner()
  t.true(tuner.shouldBreak(100))
  t.false(tuner.shouldBreak(99.999))
  t.false(tuner.shouldRecover(50))
  t.true(tuner.shouldRecover(49.999))
})

test('reset forgets; snapshot and restore carry everything over', (t) => {
  const tuner = feed(new AutoTuner(), 10, 30, 20)
  const copy = new AutoTuner()
  copy.restore(JSON.parse(JSON.stringify(tuner.snapshot())))
  t.deepEqual(feed(copy, 40).getStats(), feed(tuner, 40).getStats())
  tuner.reset()
  t.deepEqual(tuner.getStats(), new AutoTuner().getStats())
})

test('the tuner learns from numbers only', (t) => {
  const tuner = feed(new AutoTuner(), 10, Number.NaN, Number.POSITIVE_INFINITY, 10)
  t.deepEqual(tuner.snapshot(), { mean: 10, variance: 0, count: 2 })
})

test('two tuners learn apart', (t) => {
  const [a, b] = [new AutoTuner(), new AutoTuner()]
  feed(a, 500)
  t.is(b.getStats().sampleCount, 0)
})

test('moments follow the recurrences they are defined by', (t) => {
  holds(t, [fc.array(between(10, 1e4), { minLength: 1, maxLength: 50 }), fc.integer({ min: 1, max: 500 })], (xs, n) => {
    const alpha = 2 / (n + 1)
    const expected = xs.slice(1).reduce(
      ({ mean, variance }, x) => ({
        mean: mean + alpha * (x - mean),
        variance: (1 - alpha) * (variance + alpha * (x - mean) ** 2),
      }),
      { mean: xs[0], variance: 0 },
    )
    const { mean, variance } = feed(new AutoTuner({ windowSize: n }), ...xs).snapshot()
    return isNear(mean, expected.mean) && isNear(variance, expected.variance, 1e-9)
  })
})

test('an option out of its range is refused by name', (t) => {
  const wrong = [
    ['windowSize', 0],
    ['windowSize', Number.NaN],
    ['windowSize', '100'],
    ['sensitivity', -1],
    ['minFloor', -1],
    ['hardCeiling', 29],
    ['hardCeiling', Number.POSITIVE_INFINITY],
    ['warmupTicks', -1],
    ['recoveryMultiplier', 0],
    ['recoveryMultiplier', 1.5],
  ]
  for (const [field, value] of wrong) {
    const error = t.throws(() => new AutoTuner({ [field]: value }), { instanceOf: ConfigError })
    t.is(error.field, `autoTuner.${field}`)
    t.is(error.got, value)
    t.true(error.message.includes(error.field) && error.message.includes(error.range), error.message)
  }
  t.notThrows(() => new AutoTuner({ windowSize: undefined }))
})
