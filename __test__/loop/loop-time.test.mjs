// The closed loop over time, in front of a service in virtual time.
import ava from 'ava'
import { engine } from '../_engine.mjs'
import { between, hashOf, offer, shareShed } from '../_plant.mjs'

const test = engine === 'ts' ? ava.skip : ava

/** Ten workers of 10 ms. */
const CAPACITY_PER_S = 1000

test('the same world decides the same, bit for bit', (t) => {
  const run = (seed) => hashOf(offer({ ratePerS: 3 * CAPACITY_PER_S, durationMs: 5000, seed }).requests)
  t.is(run(7), run(7))
  t.not(run(7), run(8))
})

test('nothing is shed at a cold start under a modest load, nor at low traffic', (t) => {
  for (const seed of [1, 2, 3]) {
    const cold = offer({ ratePerS: 0.5 * CAPACITY_PER_S, durationMs: 5000, seed })
    t.true(cold.requests.length > 2000)
    t.is(shareShed(cold.requests), 0)
    const quiet = offer({ ratePerS: 3, durationMs: 300_000, seed })
    t.true(quiet.requests.length > 500)
    t.is(shareShed(quiet.requests), 0)
  }
})

test('half of all requests failing at random refuses no request', (t) => {
  const fails = (_ms, random) => random() < 0.5
  const { requests } = offer({ ratePerS: 0.5 * CAPACITY_PER_S, durationMs: 20_000, fails })
  const warmed = between(requests, 1000, 20_000)
  t.true(warmed.length > 5000)
  t.true(shareShed(warmed) <= 0.001, `${shareShed(warmed)} shed`)
})

test('three times the capacity: it is used, in time, and the important go first', (t) => {
  const tiers = ['critical', 'bulk', 'bulk', 'normal', 'normal', 'normal', 'normal', 'normal', 'normal', 'normal']
  const optionsOf = (i) => ({ tier: tiers[i % 10] })
  const { requests } = offer({ ratePerS: 3 * CAPACITY_PER_S, durationMs: 10_000, optionsOf })
  const seen = between(requests, 2000, 9000)
  const inTime = seen.filter(({ latencyMs }) => latencyMs <= 500).length / 7
  t.true(inTime >= 0.95 * CAPACITY_PER_S, `${inTime} a second`)
  const shedOf = (tier) => shareShed(seen.filter((request) => request.tier === tier))
  t.true(shedOf('critical') <= 0.005, `${shedOf('critical')} of critical`)
  t.true(shedOf('bulk') > shedOf('normal') && shedOf('normal') > shedOf('critical'))
})

test('a dead backend is shielded, probed every second, and in use again within 3 s of its return', (t) => {
  const stalls = (ms) => ms >= 5000 && ms < 25_000
  const { requests } = offer({ ratePerS: 0.7 * CAPACITY_PER_S, durationMs: 35_000, stalls })
  const dead = between(requests, 10_000, 25_000)
  t.true(shareShed(dead) >= 0.95, `${shareShed(dead)} shed`)
  for (let ms = 10_000; ms < 25_000; ms += 1000) {
    t.true(
      between(requests, ms, ms + 1000).some(({ allow }) => allow),
      `probed in the second at ${ms} ms`,
    )
  }
  const healed = between(requests, 28_000, 35_000)
  t.true(shareShed(healed) <= 0.01, `${shareShed(healed)} shed after its return`)
  t.is(shareShed(between(requests, 1000, 5000)), 0)
})
