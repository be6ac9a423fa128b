// The link is posted: a hundred times the traffic from one moment to the next.
import { ramp, steps } from '../driver/curve.mjs'
import { METRICS } from '../metrics/metrics.mjs'
import { pool } from '../scenarios/targets.mjs'
import { contest } from './guards.mjs'

const scenario = {
  name: 'flash-crowd',
  plant: pool(),
  traffic: [{ load: steps([0, 0.03], [10, 3], [16, 0]) }, { load: ramp([15.999, 0], [16, 1.5], [22, 0.03]) }],
  durationS: 30,
  marks: { step: [10] },
  windows: { crowd: [10, 16], calm: [20, 30] },
  targets: [],
}

const read = (view) => ({
  goodput: METRICS.goodput(view, scenario.windows.crowd),
  firstSecond: METRICS.firstSecond(view),
  critical: METRICS.success(view, scenario.windows.crowd, { tier: 'critical' }),
  p99Ms: METRICS.p99Ms(view, scenario.windows.crowd, {}),
  shedBefore: METRICS.shed(view, [0, 10]),
  shedAfter: METRICS.shed(view, scenario.windows.calm),
})

export default {
  name: 'flash-crowd',
  shows:
    'a load that rises a hundredfold at once: the service stays at its capacity, the most important requests come first, and calm traffic is admitted again',
  setUp: '10 workers of 10 ms at 3 % load, then 300 % for 6 s, ebbing over 6 s; deadline 200 ms',
  play: ({ seed }) => contest(scenario, ['none', 'opossum', 'atrion'], seed, read),
  claims: [
    { says: 'the service stays at its capacity', figure: 'atrion.goodput', is: '>=', value: 0.95, headline: true },
    { says: 'from the first second', figure: 'atrion.firstSecond', is: '>=', value: 0.95 },
    { says: 'the most important are served', figure: 'atrion.critical', is: '>=', value: 0.99 },
    { says: 'in time', figure: 'atrion.p99Ms', is: '<=', value: 200 },
    { says: 'none was refused before', figure: 'atrion.shedBefore', is: '=', value: 0 },
    { says: 'nor after', figure: 'atrion.shedAfter', is: '<=', value: 0.001 },
    { says: 'a breaker does not do that', figure: 'atrion.critical', is: '>', than: 'opossum.critical' },
  ],
}
