// Load that fits: whatever is refused here is refused for nothing.
import { flat, steps } from '../driver/curve.mjs'
import * as want from './targets.mjs'

const calm = (name, load, atMost, plant, what) => ({
  name,
  shows: `false sheds at ${Math.round(load * 100)} % of the capacity, from a cold start, ${what}`,
  plant,
  traffic: [{ load: flat(load) }],
  durationS: 30,
  targets: [want.shedAtMost(atMost), want.goodput(0.99)],
})

const night = (morning) => [{ load: steps([0, 0.003], [300, morning]) }]

export default [
  calm('calm-50', 0.5, 0.001, want.pool(), 'exponential service'),
  calm('calm-70', 0.7, 0.001, want.pool(), 'exponential service'),
  calm('calm-90', 0.9, 0.005, want.pool(), 'exponential service'),
  calm('calm-const-90', 0.9, 0.005, want.pool({ service: 'constant' }), 'constant service'),
  calm('calm-bimodal-70', 0.7, 0.001, want.pool({ service: 'bimodal' }), 'bimodal service'),
  calm('calm-lognormal-70', 0.7, 0.001, want.pool({ service: 'lognormal' }), 'log-normal service'),
  calm('calm-lognormal-90', 0.9, 0.005, want.pool({ service: 'lognormal' }), 'log-normal service'),
  {
    name: 'quiet-night',
    shows: 'five minutes with three requests a second, then an ordinary morning at 70 %',
    plant: want.pool(),
    traffic: night(0.7),
    durationS: 315,
    plotS: [295, 315],
    windows: { morning: [300, 315] },
    score: { window: 'morning' },
    targets: [want.shedAtMost(0.001), want.shedAtMost(0.001, 'morning'), want.goodput(0.99, 'morning')],
  },
  {
    name: 'quiet-night-rush',
    shows: 'five minutes with three requests a second, then five times the capacity at once',
    overload: true,
    plant: want.pool(),
    traffic: night(5),
    durationS: 310,
    plotS: [295, 310],
    marks: { step: [300] },
    windows: { rush: [300, 310] },
    score: { window: 'rush' },
    targets: [
      want.goodput(0.95, 'rush'),
      want.firstSecond(0.95),
      want.success('critical', 0.99, 'rush'),
      want.p99Share(0.7, 'rush'),
    ],
  },
]
