// Plants whose throughput falls with the work in flight: what is let in beyond the knee costs those inside, and a collapse
// feeds itself.
import { steps } from '../driver/curve.mjs'
import * as want from './targets.mjs'

const overloaded = (name, shows, plant, load) => ({
  name: `${name}-${load}x`,
  shows: `${shows}, at ${load} times what it can do at best`,
  overload: true,
  plant: want.contended({ ...plant, deadlineMs: 1000 }),
  traffic: [{ load: steps([0, 0.5], [2, load], [12, 0.6]) }],
  durationS: 18,
  byReference: true,
  marks: { step: [2], healed: 12 },
  windows: { overload: [2, 12], after: [14, 18] },
  score: { window: 'overload' },
  targets: [
    want.goodput(0.95, 'overload'),
    want.success('critical', load > 2 ? 0.98 : 0.99, 'overload'),
    want.recoveredWithinS(2),
    want.shedAtMost(0.001, 'after'),
  ],
})

/** Peaks at 14 in flight with 5.5 times the throughput of one; at 200 there is less than that of one. */
const LOCK = { serial: 0.05, crosstalk: 0.005 }
/** Ten at full speed; beyond 30 in flight throughput is in proportion to 30 ÷ n. */
const THRASH = { thrashBeyond: 30 }

const lock = (load) => overloaded('lock', 'a contended lock: beyond 14 in flight throughput falls', LOCK, load)
const thrash = (load) => overloaded('thrash', 'a cache that thrashes beyond 30 in flight', THRASH, load)

export default [
  lock(2),
  lock(3),
  thrash(2),
  thrash(3),
  {
    name: 'lock-calm',
    shows:
      'a contended lock at 60 % of what it can do at best: latency rises with the work in flight, and nothing is late',
    plant: want.contended(LOCK),
    traffic: [{ load: steps([0, 0.6]) }],
    durationS: 30,
    byReference: true,
    targets: [want.shedAtMost(0.001), want.goodput(0.97)],
  },
]
