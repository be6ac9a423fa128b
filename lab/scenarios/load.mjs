// Standing overload: calm, then N times the capacity, then calm again; each service-time law at each load.
import { flat, steps } from '../driver/curve.mjs'
import * as want from './targets.mjs'

const LAWS = { const: 'constant', exp: 'exponential', bimodal: 'bimodal', lognormal: 'lognormal' }
/** Success of the top tier (10 % of arrivals) that each load leaves possible. */
const CRITICAL = { 1.2: 0.995, 2: 0.995, 5: 0.99, 10: 0.87 }

export const OVERLOAD_WINDOWS = { overload: [2, 12], calm: [12, 16] }
export const overloadTraffic = (load, mix) => [{ load: steps([0, 0.5], [2, load], [12, 0.5]), mix }]

const standing = Object.entries(LAWS).flatMap(([short, service]) =>
  [1.2, 2, 5, 10].map((load) => ({
    name: `pool-${short}-${load}x`,
    shows: `standing overload at ${load} times the capacity, ${service} service times`,
    overload: load >= 2,
    plant: want.pool({ service }),
    traffic: overloadTraffic(load),
    durationS: 16,
    marks: { step: [2] },
    windows: OVERLOAD_WINDOWS,
    score: { window: 'overload' },
    targets: [
      want.goodput(0.95, 'overload'),
      want.firstSecond(0.95),
      want.success('critical', CRITICAL[load], 'overload'),
      want.p99Share(0.7, 'overload'),
      want.zeroShedsWithinS(2),
      want.noInversions('overload'),
      ...(load >= 2 ? [want.noReversals('overload')] : []),
    ],
  })),
)

export default [
  ...standing,
  {
    name: 'pool-cold-5x',
    shows: 'a process that starts into five times its capacity and has never seen calm',
    overload: true,
    plant: want.pool(),
    traffic: [{ load: flat(5) }],
    durationS: 12,
    windows: { settled: [2, 12] },
    score: { window: 'all' },
    targets: [
      want.goodput(0.95, 'settled'),
      want.success('critical', 0.99, 'settled'),
      want.p99Share(0.7, 'settled'),
      want.noReversals('settled'),
    ],
  },
  {
    name: 'pool-long-2x',
    shows: 'two minutes of overload: it must not be learnt as normal',
    overload: true,
    plant: want.pool(),
    traffic: [{ load: steps([0, 0.5], [5, 2], [125, 0.5]) }],
    durationS: 130,
    windows: { overload: [5, 125], late: [95, 125], calm: [125, 130] },
    score: { window: 'overload' },
    targets: [
      want.goodput(0.95, 'overload'),
      want.goodput(0.95, 'late'),
      want.success('critical', 0.995, 'overload'),
      want.p99Share(0.7, 'late'),
      want.zeroShedsWithinS(2),
      want.noReversals('overload'),
    ],
  },
]
