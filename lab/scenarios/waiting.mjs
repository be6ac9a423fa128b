// Overloads that only a waiting room serves well: the next request is chosen when a server is free, not when one arrives.
import { flat, steps } from '../driver/curve.mjs'
import * as want from './targets.mjs'

const room = (target) => want.only(['atrion-room'], target)

export default [
  {
    name: 'wait-2x50-10x',
    shows: '400 a second onto two servers of 50 ms, deadline 100 ms',
    overload: true,
    plant: want.pool({ workers: 2, serviceMs: 50, deadlineMs: 100 }),
    traffic: [{ load: flat(10) }],
    durationS: 40,
    byReference: true,
    windows: { settled: [5, 40] },
    score: { window: 'settled' },
    targets: [want.goodput(0.5, 'settled'), room(want.goodput(0.9, 'settled'))],
  },
  {
    name: 'wait-night-rush',
    shows:
      'two minutes with a request every two seconds, then five times the capacity onto four servers of 50 ms, deadline 500 ms',
    overload: true,
    plant: want.pool({ workers: 4, serviceMs: 50, deadlineMs: 500 }),
    traffic: [{ load: steps([0, 0.005], [120, 5]) }],
    durationS: 135,
    byReference: true,
    marks: { step: [120] },
    windows: { rush: [120, 135] },
    score: { window: 'rush' },
    targets: [room(want.goodput(0.95, 'rush')), want.success('critical', 0.97, 'rush'), room(want.firstSecond(0.95))],
  },
  {
    name: 'wait-high-3x',
    shows: 'three times the capacity: critical and high together would fit',
    overload: true,
    plant: want.pool(),
    traffic: [{ load: steps([0, 0.5], [2, 3], [17, 0.5]) }],
    durationS: 20,
    byReference: true,
    windows: { overload: [2, 17], calm: [17, 20] },
    score: { window: 'overload' },
    targets: [
      want.goodput(0.95, 'overload'),
      want.success('critical', 0.99, 'overload'),
      room(want.success('high', 0.99, 'overload')),
      want.zeroShedsWithinS(2),
    ],
  },
]
