// Checkout and search on one database, on a day when most visitors only browse.
import { steps } from '../driver/curve.mjs'
import { TIERS } from '../driver/tiers.mjs'
import { METRICS } from '../metrics/metrics.mjs'
import { contest } from './guards.mjs'

const USD_PER_CHECKOUT = 150
const PEAK_S = [20, 50]
const only = (tier) => TIERS.map((name) => (name === tier ? 1 : 0))

const scenario = {
  name: 'black-friday',
  plant: {
    kind: 'pool',
    workers: 20,
    serviceMs: 20,
    service: 'exponential',
    deadlineMs: 500,
    speed: steps([0, 1], [PEAK_S[0], 0.7], [PEAK_S[1], 1]),
    errorRate: steps([0, 0], [10, 0.01], [PEAK_S[0], 0.03], [PEAK_S[1], 0]),
  },
  traffic: [
    { load: steps([0, 0.1], [10, 0.2], [PEAK_S[0], 0.5], [PEAK_S[1], 0.1]), mix: only('critical') },
    { load: steps([0, 0.2], [10, 0.5], [PEAK_S[0], 2.7], [PEAK_S[1], 0.2]), mix: only('low') },
  ],
  durationS: 60,
  targets: [],
}

function read(view) {
  const checkout = view.tiersIn(0, view.endMs)[TIERS.indexOf('critical')]
  return {
    revenue: METRICS.success(view, [0, 60], { tier: 'critical' }),
    revenueAtPeak: METRICS.success(view, PEAK_S, { tier: 'critical' }),
    lostUsd: (checkout.requests - checkout.served) * USD_PER_CHECKOUT,
    searchAtPeak: METRICS.success(view, PEAK_S, { tier: 'low' }),
    goodputAtPeak: METRICS.goodput(view, PEAK_S),
    searchRefusedAfter: METRICS.shed(view, [53, 60]),
  }
}

export default {
  name: 'black-friday',
  aliases: ['ecommerce'],
  shows: 'checkout and search on one database: search is refused first, and checkout keeps its place',
  setUp:
    '20 connections of 20 ms, $150 a checkout; at the peak 3.2 times the load, the database at 70 % of its speed, 3 % errors',
  play: ({ seed }) => contest(scenario, ['none', 'opossum', 'atrion'], seed, read),
  claims: [
    { says: '84 % of revenue is protected', figure: 'atrion.revenue', is: '>=', value: 0.84, headline: true },
    { says: 'and more: but for the errors, all', figure: 'atrion.revenueAtPeak', is: '>=', value: 0.96 },
    { says: 'the rest of the database serves searches', figure: 'atrion.goodputAtPeak', is: '>=', value: 0.95 },
    { says: 'a breaker protects less', figure: 'atrion.revenue', is: '>', than: 'opossum.revenue' },
    { says: 'search is back after the peak', figure: 'atrion.searchRefusedAfter', is: '<=', value: 0.001 },
  ],
}
