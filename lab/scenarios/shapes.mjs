// Load that moves: steps, ramps, spikes, waves, and clients that come back.
import { ramp, steps, wave } from '../driver/curve.mjs'
import * as want from './targets.mjs'

const fiveSteps = (high) =>
  steps(
    ...[0, 1, 2, 3, 4].flatMap((k) => [
      [k * 5, 0.5],
      [k * 5 + 2, high],
    ]),
    [25, 0.5],
  )

const stepped = (short, service, load) => ({
  name: `step-${short}-${load}x`,
  shows: `five steps from half the capacity to ${load} times, three seconds each, ${service} service times`,
  overload: true,
  plant: want.pool({ service }),
  traffic: [{ load: fiveSteps(load) }],
  durationS: 27,
  marks: { step: [2, 7, 12, 17, 22] },
  windows: { steps: [2, 25] },
  score: { window: 'steps' },
  targets: [want.goodput(0.95, 'steps'), want.firstSecond(0.95), want.p99Share(0.7, 'steps')],
})

/** The lowest tier alone, on top of ordinary traffic. */
const bulkSpike = (extra) => [
  { load: steps([0, 0.8]) },
  { load: steps([0, 0], [5, extra], [15, 0]), mix: [0, 0, 0, 0, 1] },
]

const RETRY = { users: 4000, retry: { attempts: 3, backoffMs: 100 } }

export default [
  stepped('exp', 'exponential', 3),
  stepped('lognormal', 'lognormal', 3),
  stepped('exp', 'exponential', 10),
  {
    name: 'ramp-5x',
    shows: 'load that climbs from 0.3 to five times the capacity in 20 s, and falls again',
    overload: true,
    plant: want.pool(),
    traffic: [{ load: ramp([0, 0.3], [20, 5], [30, 0.3], [36, 0.3]) }],
    durationS: 36,
    windows: { over: [3, 28], calm: [30, 36] },
    score: { window: 'over' },
    targets: [
      want.goodput(0.95, 'over'),
      want.success('critical', 0.99, 'over'),
      want.p99Share(0.7, 'over'),
      want.zeroShedsWithinS(2),
      want.noReversals('over'),
    ],
  },
  {
    name: 'wave-3x',
    shows: 'four days in small: load swings between 0.2 and three times the capacity every 10 s',
    overload: true,
    plant: want.pool(),
    traffic: [{ load: wave(0.2, 3, 10) }],
    durationS: 40,
    targets: [want.goodput(0.95), want.success('critical', 0.99), want.p99Share(0.7)],
  },
  {
    name: 'spike-1s-5x',
    shows: 'one second at five times the capacity, ordinary load around it',
    overload: true,
    plant: want.pool(),
    traffic: [{ load: steps([0, 0.6], [8, 5], [9, 0.6]) }],
    durationS: 16,
    marks: { step: [8] },
    windows: { spike: [8, 9], around: [7, 12], calm: [9, 16] },
    score: { window: 'around' },
    targets: [
      want.goodput(0.95, 'around'),
      want.firstSecond(0.95),
      want.success('critical', 0.99, 'spike'),
      want.p99Share(0.7, 'around'),
      want.zeroShedsWithinS(2),
    ],
  },
  {
    name: 'spike-bulk-12x',
    shows: 'twelve times the capacity in requests of the lowest tier alone, for ten seconds',
    overload: true,
    plant: want.pool(),
    traffic: bulkSpike(12),
    durationS: 20,
    windows: { spike: [5, 15], calm: [15, 20] },
    score: { window: 'spike' },
    targets: [
      want.success('critical', 0.994, 'spike'),
      want.goodput(0.95, 'spike'),
      want.zeroShedsWithinS(2),
      want.noReversals('spike'),
    ],
  },
  {
    name: 'spike-bulk-12x-own',
    shows: 'the lowest tier grows to twelve times its own ordinary volume',
    overload: false,
    plant: want.pool(),
    traffic: bulkSpike(0.08 * 11),
    durationS: 20,
    windows: { spike: [5, 15], calm: [15, 20] },
    score: { window: 'spike' },
    targets: [want.success('critical', 0.994, 'spike'), want.goodput(0.95, 'spike'), want.zeroShedsWithinS(2)],
  },
  {
    name: 'retry-storm',
    shows: 'three seconds at three times the capacity; every client that gets no answer tries again three times',
    overload: true,
    plant: want.pool(),
    traffic: [{ load: steps([0, 0.7], [5, 3], [8, 0.7]) }],
    ...RETRY,
    durationS: 20,
    windows: { after: [10, 20], calm: [8, 20] },
    score: { window: 'after' },
    targets: [want.goodput(0.95, 'after'), want.shedAtMost(0.001, 'after'), want.success('critical', 0.99)],
  },
  {
    name: 'retry-storm-capacity',
    shows: 'capacity halves for three seconds under retrying clients: the classic trigger of a metastable failure',
    overload: false,
    plant: want.pool({ speed: steps([0, 1], [5, 0.5], [8, 1]) }),
    traffic: [{ load: steps([0, 0.8]) }],
    ...RETRY,
    durationS: 20,
    windows: { after: [10, 20], calm: [8, 20] },
    score: { window: 'after' },
    targets: [want.goodput(0.95, 'after'), want.shedAtMost(0.001, 'after'), want.success('critical', 0.99)],
  },
]
