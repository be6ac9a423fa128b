// Amounts as whole quanta: what is used is rounded up, a limit down, and decimal fractions add up.
import test from 'ava'
import fc from '../_random.mjs'
import { sourceOf } from '../_source.mjs'

const { Units, quantaUp, requireBudget } = await sourceOf('swarm/units.ts')

test('decimal fractions are the quanta that they are read as', (t) => {
  const units = new Units()
  const usd = units.declare('usd', 1)
  t.is(units.up('usd', usd, 0.1) + units.up('usd', usd, 0.2), units.limit('usd', usd, 0.3))
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 50 }), (quanta) => {
      const amount = units.amountOf(usd, quanta)
      t.is(units.up('usd', usd, amount), quanta)
      t.is(units.limit('usd', usd, amount), quanta)
    }),
  )
})

test('no rounding lets anything past: up is never less, a limit is never more', (t) => {
  const units = new Units()
  const usd = units.declare('usd', 1)
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e6, noNaN: true }), (amount) => {
      t.true(units.amountOf(usd, units.up('usd', usd, amount)) >= amount)
      t.true(units.amountOf(usd, units.limit('usd', usd, amount)) <= amount)
    }),
  )
  t.is(quantaUp(1e-300, 1e9), 1)
  t.is(units.up('usd', usd, Number.MIN_VALUE), 1)
})

test('a custom unit is counted in millionths, or in whole ones where its limit is above a billion', (t) => {
  const units = new Units()
  t.is(units.scales[units.declare('gpuHours', 10)], 1e6)
  t.is(units.scales[units.declare('bytes', 1e12)], 1)
})

test('amounts that a double cannot count are refused', (t) => {
  const units = new Units()
  const usd = units.declare('usd', 1)
  for (const amount of [-1, Number.NaN, Number.POSITIVE_INFINITY, '1', 1e300, null]) {
    t.throws(() => units.up('usage.usd', usd, amount), { code: 'ATRION_CONFIG', message: /usage\.usd/ })
  }
  t.throws(() => units.limit('usd', usd, 1e8), { code: 'ATRION_CONFIG', message: /9007199/ })
})

test('budgets name units with limits', (t) => {
  t.deepEqual(requireBudget('budget', { usd: 1, mine: 0, none: undefined, nor: null }), [
    ['usd', 1],
    ['mine', 0],
  ])
  for (const [given, field] of [
    [null, 'budget'],
    [[], 'budget'],
    [3, 'budget'],
    [{ usd: -1 }, 'budget.usd'],
    [{ usd: Number.NaN }, 'budget.usd'],
    [{ mine: Number.POSITIVE_INFINITY }, 'budget.mine'],
    [{ mine: '5' }, 'budget.mine'],
    [{ '': 1 }, 'budget'],
    [Object.fromEntries(Array.from({ length: 25 }, (_, i) => [`u${i}`, 1])), 'budget'],
  ]) {
    t.is(t.throws(() => requireBudget('budget', given), { code: 'ATRION_CONFIG' }).field, field)
  }
})
