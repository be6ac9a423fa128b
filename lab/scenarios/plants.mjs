// Other plants than the reference: nothing may be tuned to ten workers of ten milliseconds.
import { flat, steps } from '../driver/curve.mjs'
import * as want from './targets.mjs'

const PLANTS = [
  { short: '2x50', plant: want.pool({ workers: 2, serviceMs: 50 }), seconds: 60, atLeast: 0.85, critical: 0.95 },
  {
    short: '4x40',
    plant: want.pool({ workers: 4, serviceMs: 40, deadlineMs: 500 }),
    seconds: 30,
    atLeast: 0.95,
    critical: 0.99,
  },
  { short: '100x10', plant: want.pool({ workers: 100 }), seconds: 6, atLeast: 0.95, critical: 0.99 },
  { short: '10x1', plant: want.pool({ serviceMs: 1 }), seconds: 6, atLeast: 0.95, critical: 0.99 },
]

const overloaded = ({ short, plant, seconds, atLeast, critical }) => ({
  name: `plant-${short}-3x`,
  shows: `${plant.workers} workers of ${plant.serviceMs} ms, deadline ${plant.deadlineMs} ms, at three times the capacity`,
  overload: true,
  plant,
  traffic: [{ load: steps([0, 0.5], [2, 3]) }],
  durationS: 2 + seconds,
  windows: { overload: [2, 2 + seconds] },
  score: { window: 'overload' },
  targets: [want.goodput(atLeast, 'overload'), want.success('critical', critical, 'overload')],
})

const calm = ({ short, plant, seconds }) => ({
  name: `plant-${short}-calm`,
  shows: `${plant.workers} workers of ${plant.serviceMs} ms, deadline ${plant.deadlineMs} ms, at 60 % of the capacity`,
  plant,
  traffic: [{ load: flat(0.6) }],
  durationS: seconds,
  targets: [want.shedAtMost(0.002)],
})

export default [...PLANTS.map(overloaded), ...PLANTS.map(calm)]
