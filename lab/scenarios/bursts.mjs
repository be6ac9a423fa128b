// Requests that come together: much at once is no overload where the deadline leaves the time to work it off.
import { flat, steps } from '../driver/curve.mjs'
import * as want from './targets.mjs'

/** Load that is on for a part of each period, and low otherwise. */
const onOff = (high, low, onS, offS, untilS) => {
  const points = []
  for (let s = 0; s < untilS; s += onS + offS) points.push([s, high], [s + onS, low])
  return steps(...points)
}

const fits = (scenario) => ({
  durationS: 30,
  byReference: true,
  targets: [want.shedAtMost(0.001), want.goodput(0.97)],
  ...scenario,
})

const overOnce = [want.goodput(0.95), want.success('critical', 0.99)]

export default [
  fits({
    name: 'burst-400',
    shows: '400 at once every second onto 10 servers of 10 ms, deadline 1 s: load 0.4',
    plant: want.pool({ deadlineMs: 1000 }),
    traffic: [{ burst: { count: 400, everyS: 1 } }],
  }),
  fits({
    name: 'burst-50',
    shows: '50 at once every 100 ms onto 10 servers of 10 ms, deadline 200 ms: load 0.5',
    plant: want.pool(),
    traffic: [{ burst: { count: 50, everyS: 0.1 } }],
    durationS: 20,
  }),
  fits({
    name: 'on-off',
    shows: 'on for 300 ms at 2.5 times the capacity, off for 700 ms, deadline 1 s: load 0.82',
    plant: want.pool({ deadlineMs: 1000 }),
    traffic: [{ load: onOff(2.5, 0.1, 0.3, 0.7, 30) }],
  }),
  fits({
    name: 'cron',
    shows: 'ordinary traffic at 40 %, and 150 more at once every ten seconds, deadline 500 ms',
    plant: want.pool({ deadlineMs: 500 }),
    traffic: [{ load: flat(0.4) }, { name: 'cron', burst: { count: 150, everyS: 10, fromS: 5 }, mix: [0, 0, 0, 1, 1] }],
    durationS: 60,
  }),
  fits({
    name: 'herd-after-quiet',
    shows: 'a minute with five requests a second, then 600 at once, and a second later again, deadline 1 s',
    plant: want.pool({ deadlineMs: 1000 }),
    traffic: [{ load: flat(0.005) }, { name: 'herd', burst: { count: 600, everyS: 1, fromS: 60 } }],
    durationS: 65,
    windows: { herd: [60, 65] },
    score: { window: 'herd' },
  }),
  fits({
    name: 'burst-800-short',
    shows: '800 at once every second onto 10 servers of 10 ms, deadline 200 ms: a quarter of them can be in time',
    overload: true,
    plant: want.pool(),
    traffic: [{ burst: { count: 800, everyS: 1 } }],
    targets: overOnce,
  }),
]
