// The mixes of clients: one tier alone, all alike.
import { OVERLOAD_WINDOWS, overloadTraffic } from './load.mjs'
import * as want from './targets.mjs'

const alone = (tier, index) => ({
  name: `alone-${tier}`,
  shows: `all requests are ${tier}, at three times the capacity: a tier must not be all or nothing`,
  overload: true,
  plant: want.pool(),
  traffic: overloadTraffic(
    3,
    [0, 1, 2, 3, 4].map((i) => (i === index ? 1 : 0)),
  ),
  durationS: 16,
  marks: { step: [2] },
  windows: OVERLOAD_WINDOWS,
  score: { window: 'overload' },
  targets: [
    want.minSecond(0.85, 'overload'),
    want.goodput(0.95, 'overload'),
    want.p99Share(0.7, 'overload'),
    want.zeroShedsWithinS(2),
    want.noReversals('overload'),
  ],
})

export default [
  alone('critical', 0),
  alone('normal', 2),
  alone('bulk', 4),
  {
    ...alone('', 0),
    name: 'even-mix',
    shows: 'a fifth of the requests in every tier, at three times the capacity',
    traffic: overloadTraffic(3, [1, 1, 1, 1, 1]),
    targets: [
      want.goodput(0.95, 'overload'),
      want.success('critical', 0.99, 'overload'),
      want.p99Share(0.7, 'overload'),
      want.noInversions('overload'),
      want.zeroShedsWithinS(2),
      want.noReversals('overload'),
    ],
  },
]
