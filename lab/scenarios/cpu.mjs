// Work on the event loop: requests queue before a guard can refuse them, and a refusal costs time of its own.
import { flat, steps } from '../driver/curve.mjs'
import * as want from './targets.mjs'

const CRITICAL = { 2: 0.995, 3: 0.99, 5: 0.99 }

const overloaded = (load, service, short) => ({
  name: `cpu-${short}${load}x`,
  shows: `a handler of 2 ms on the event loop at ${load} times its capacity, ${service} service times`,
  overload: true,
  plant: want.cpu({ service }),
  traffic: [{ load: steps([0, 0.5], [2, load], [14, 0.5]) }],
  durationS: 18,
  marks: { step: [2] },
  windows: { overload: [2, 14], calm: [14, 18] },
  score: { window: 'overload' },
  targets: [
    want.goodput(0.95, 'overload'),
    want.firstSecond(0.95),
    want.success('critical', CRITICAL[load], 'overload'),
    want.p99Share(0.7, 'overload'),
    want.zeroShedsWithinS(2),
    want.noReversals('overload'),
  ],
})

/** A pause of 100 ms every two seconds. */
const PAUSES = Array.from({ length: 14 }, (_, k) => [2 + 2 * k, 2.1 + 2 * k])

export default [
  overloaded(2, 'exponential', ''),
  overloaded(3, 'exponential', ''),
  overloaded(5, 'exponential', ''),
  overloaded(3, 'constant', 'const-'),
  overloaded(3, 'lognormal', 'lognormal-'),
  {
    name: 'cpu-calm-70',
    shows: 'false sheds of a handler on the event loop at 70 % of its capacity, from a cold start',
    plant: want.cpu(),
    traffic: [{ load: flat(0.7) }],
    durationS: 30,
    targets: [want.shedAtMost(0.001), want.goodput(0.99)],
  },
  {
    name: 'cpu-pauses',
    shows: 'the loop is blocked for 100 ms every two seconds at half load, as by garbage collection: no overload',
    plant: want.cpu({ stalls: PAUSES }),
    traffic: [{ load: flat(0.5) }],
    durationS: 30,
    targets: [want.shedAtMost(0.001), want.goodput(0.98)],
  },
  {
    name: 'cpu-600-at-once',
    shows: '600 clients that ask again at once, whatever the answer: refusals alone can fill the loop',
    plant: want.cpu({ service: 'constant', rejectCost: 0.07 }),
    traffic: [],
    clients: [{ clients: 600, thinkMs: 0.01 }],
    durationS: 20,
    // The work that no guard completes; all of it too late.
    ceilingPerS: 500,
    windows: { settled: [5, 20] },
    score: { window: 'settled' },
    targets: [want.goodput(0.4, 'settled'), want.minSecond(0.2, 'settled')],
  },
]
