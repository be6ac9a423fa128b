// Clients that do not wait until the deadline, and dependencies that hang for longer than clients wait.
import { flat, steps } from '../driver/curve.mjs'
import * as want from './targets.mjs'

const gone = (name, what, work) => ({
  name,
  shows: `clients give up after 300 ms of a deadline of 1 s, at three times the capacity; their work ${what}`,
  overload: true,
  plant: want.pool({ deadlineMs: 1000 }),
  traffic: [{ load: steps([0, 0.5], [2, 3], [12, 0.5]) }],
  giveUp: { afterMs: 300, work },
  durationS: 15,
  byReference: true,
  windows: { overload: [2, 12], calm: [12, 15] },
  score: { window: 'overload' },
  targets: [want.goodput(0.95, 'overload'), want.success('critical', 0.99, 'overload'), want.zeroShedsWithinS(2)],
})

export default [
  gone('gone-work-held', 'goes on, and its permit ends with it', 'held'),
  gone('gone-work-forgotten', 'goes on, though its permit has gone back', 'forgotten'),
  gone('gone-work-cancelled', 'is cancelled', 'cancelled'),
  {
    name: 'hanging-all-hang-up',
    shows: 'the backend hangs for ten seconds and every client hangs up before the deadline of 1 s',
    plant: want.pool({ deadlineMs: 1000, stalls: [[5, 15]] }),
    traffic: [{ load: flat(0.7) }],
    giveUp: { afterMs: 400, work: 'cancelled' },
    durationS: 25,
    byReference: true,
    marks: { healed: 15 },
    windows: { hanging: [8, 15], after: [18, 25] },
    score: { window: 'after' },
    targets: [want.shedAtLeast(0.95, 'hanging'), want.recoveredWithinS(3), want.shedAtMost(0.001, 'after')],
  },
]
