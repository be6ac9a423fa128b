// Work of seconds and minutes: a language model, a report, a build.
import { flat } from '../driver/curve.mjs'
import * as want from './targets.mjs'

const long = (name, shows, plant, load, targets) => ({
  name,
  shows,
  overload: load > 1,
  plant: want.pool(plant),
  traffic: [{ load: flat(load) }],
  durationS: 2400,
  byReference: true,
  windows: { settled: [600, 2400] },
  score: { window: 'settled' },
  targets,
})

const over = [want.goodput(0.95, 'settled'), want.success('critical', 0.99, 'settled')]
const MODEL = { workers: 20, serviceMs: 30_000, deadlineMs: 120_000 }
const QUEUE = { workers: 1, serviceMs: 2000, deadlineMs: 60_000 }

export default [
  long('long-20x30s-1.5x', '20 workers of 30 s, deadline 120 s, at 1.5 times the capacity', MODEL, 1.5, over),
  long('long-20x30s-calm', '20 workers of 30 s, deadline 120 s, at 70 % of the capacity', MODEL, 0.7, [
    want.shedAtMost(0.001),
    want.goodput(0.97, 'settled'),
  ]),
  long('long-1x2s-2x', 'one worker of 2 s, deadline 60 s, at twice the capacity', QUEUE, 2, over),
]
