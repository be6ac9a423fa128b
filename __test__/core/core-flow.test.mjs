import { createRequest, decideFlow, selectRoute } from 'atrion/core'
import test from 'ava'
import { between, broken, holds, operational } from '../_core.mjs'

const route = (routeId, resistance) => operational({ routeId, resistance })

/** `times` draws with evenly spread randomness; the share of each route. */
const sharesOf = (routes, beta, times = 10_000) => {
  const shares = {}
  for (let i = 0; i < times; i += 1) {
    const { routeId } = selectRoute(routes, beta, () => (i + 0.5) / times)
    shares[routeId] = (shares[routeId] ?? 0) + 1 / times
  }
  return shares
}

test('a request is what it was made of', (t) => {
  t.deepEqual(createRequest('request', 42, 1000), { requestId: 'request', voltage: 42, timestamp: 1000 })
})

test('a request flows when V > R', (t) => {
  t.deepEqual(decideFlow(createRequest('r', 100, 0), route('a', 50)), { type: 'PASS', routeId: 'a' })
})

test('and does not when V ≤ R', (t) => {
  for (const voltage of [0, 49.9, 50, Number.NaN]) {
    const decision = decideFlow(createRequest('r', voltage, 0), route('a', 50))
    t.deepEqual(decision, { type: 'REJECT', reason: 'INSUFFICIENT_VOLTAGE' })
  }
})

test('nothing flows through an open breaker', (t) => {
  const decision = decideFlow(createRequest('r', 1e9, 0), broken({ resistance: 10 }))
  t.deepEqual(decision, { type: 'REJECT', reason: 'CIRCUIT_OPEN' })
})

test('a request that flows at one voltage flows at every higher one', (t) => {
  holds(t, [between(0, 1e6), between(0, 1e6), between(10, 1e6)], (low, more, resistance) => {
    const passes = (voltage) => decideFlow(createRequest('r', voltage, 0), route('a', resistance)).type === 'PASS'
    return !passes(low) || passes(low + more)
  })
})

test('without an open route there is none to select', (t) => {
  t.is(selectRoute([]), null)
  t.is(selectRoute([broken(), broken()]), null)
})

test('a broken route is never selected', (t) => {
  const routes = [broken({ routeId: 'broken', resistance: 10 }), route('a', 400)]
  t.deepEqual(Object.keys(sharesOf(routes, 1)), ['a'])
})

test('routes are drawn with probability ∝ e^(−βR)', (t) => {
  const shares = sharesOf([route('a', 10), route('b', 11), route('c', 12)], 0.5)
  const weights = [1, Math.exp(-0.5), Math.exp(-1)]
  const total = weights.reduce((sum, weight) => sum + weight)
  for (const [i, id] of ['a', 'b', 'c'].entries()) {
    t.true(Math.abs(shares[id] - weights[i] / total) < 1e-3, `${id}: ${shares[id]}`)
  }
})

test('β = 0 has no preference, β = ∞ only one, β < 0 prefers resistance', (t) => {
  const routes = [route('a', 10), route('b', 1000)]
  for (const none of [0, Number.NaN]) {
    const { a, b } = sharesOf(routes, none)
    t.true(Math.abs(a - 0.5) < 1e-3 && Math.abs(b - 0.5) < 1e-3)
  }
  t.deepEqual(Object.keys(sharesOf(routes, Number.POSITIVE_INFINITY)), ['a'])
  t.deepEqual(Object.keys(sharesOf(routes, -1)), ['b'])
  t.deepEqual(Object.keys(sharesOf(routes.toReversed(), -1)), ['b'])
})

test('resistances whose exponentials underflow still differ', (t) => {
  t.deepEqual(Object.keys(sharesOf([route('a', 5000), route('b', 4000)], 1)), ['b'])
})

test('randomness at either end of its range still selects', (t) => {
  const routes = [route('a', 10), route('b', 10)]
  t.is(selectRoute(routes, 1, () => 0).routeId, 'a')
  t.is(selectRoute(routes, 1, () => 1).routeId, 'b')
  t.true(['a', 'b'].includes(selectRoute(routes).routeId))
})
