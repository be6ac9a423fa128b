// Several processes, each with a controller of its own, before one backend that they share.
import { flat, steps } from '../driver/curve.mjs'
import * as want from './targets.mjs'

const BACKEND = want.pool({ serviceMs: 50, deadlineMs: 500 })

export default [
  {
    name: 'gateways-modest',
    shows: 'two gateways before one upstream of 200 a second: one wants 60, the other twice as much as there is',
    overload: true,
    plant: BACKEND,
    processes: 2,
    traffic: [
      { name: 'modest', load: flat(0.3), process: 0 },
      { name: 'greedy', load: steps([0, 0.3], [5, 2]), process: 1 },
    ],
    durationS: 45,
    byReference: true,
    windows: { overload: [10, 45] },
    score: { window: 'overload' },
    targets: [want.successOf('modest', 0.95, 'overload'), want.goodput(0.95, 'overload')],
  },
  {
    name: 'gateways-newcomer',
    shows: 'two gateways with equal load, four times the capacity together; the second comes 20 s after the first',
    overload: true,
    plant: BACKEND,
    processes: 2,
    traffic: [
      { name: 'first', load: flat(2), process: 0 },
      { name: 'second', load: steps([0, 0], [20, 2]), process: 1 },
    ],
    durationS: 50,
    byReference: true,
    windows: { joining: [20, 25], both: [25, 50] },
    score: { window: 'both' },
    targets: [want.evenly(['first', 'second'], 0.8, 'both'), want.goodput(0.95, 'both')],
  },
  {
    name: 'processes-16',
    shows: '16 processes before 8 servers at twice the capacity: fewer than one place each',
    overload: true,
    plant: want.pool({ workers: 8, serviceMs: 20 }),
    processes: 16,
    traffic: [{ load: steps([0, 0.5], [2, 2]) }],
    durationS: 30,
    byReference: true,
    windows: { overload: [4, 30] },
    score: { window: 'overload' },
    targets: [want.success('critical', 0.99, 'overload'), want.goodput(0.95, 'overload')],
  },
]
