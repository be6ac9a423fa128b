// The plant's speed changes: what was true a moment ago is not any more.
import { flat, ramp, steps } from '../driver/curve.mjs'
import * as want from './targets.mjs'

export default [
  {
    name: 'cold-start-20',
    shows: 'the plant works at 20 % of its speed for its first ten seconds, at 80 % load',
    plant: want.pool({ speed: steps([0, 0.2], [10, 1]) }),
    traffic: [{ load: flat(0.8) }],
    durationS: 20,
    byReference: true,
    windows: { cold: [0, 10], warm: [12, 20] },
    score: { window: 'cold' },
    targets: [want.goodput(0.95, 'cold'), want.success('critical', 0.9, 'cold'), want.shedAtMost(0.001, 'warm')],
  },
  {
    name: 'slow-to-20',
    shows: 'speed falls to 20 % within ten seconds, at 80 % load',
    plant: want.pool({ speed: ramp([5, 1], [15, 0.2]) }),
    traffic: [{ load: flat(0.8) }],
    durationS: 30,
    byReference: true,
    windows: { slow: [5, 30] },
    score: { window: 'slow' },
    targets: [want.goodput(0.95, 'slow'), want.success('critical', 0.96, 'slow')],
  },
  {
    name: 'batches-2x',
    shows: 'a server that answers up to 32 at once in 20 ms, at twice its capacity',
    overload: true,
    plant: { kind: 'batch', workers: 1, batch: 32, lingerMs: 5, serviceMs: 20, service: 'constant', deadlineMs: 200 },
    traffic: [{ load: steps([0, 0.5], [2, 2], [12, 0.5]) }],
    durationS: 16,
    byReference: true,
    windows: { overload: [2, 12], calm: [12, 16] },
    score: { window: 'overload' },
    targets: [want.goodput(0.95, 'overload'), want.success('critical', 0.99, 'overload'), want.zeroShedsWithinS(2)],
  },
  {
    name: 'short-deadline-3x',
    shows: '10 servers of 10 ms constant, deadline 20 ms, at three times the capacity',
    overload: true,
    plant: want.pool({ service: 'constant', deadlineMs: 20 }),
    traffic: [{ load: steps([0, 0.5], [2, 3]) }],
    durationS: 12,
    byReference: true,
    windows: { overload: [2, 12] },
    score: { window: 'overload' },
    targets: [want.goodput(0.95, 'overload'), want.success('critical', 0.9, 'overload')],
  },
]
