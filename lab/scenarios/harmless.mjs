// Ordinary traffic in other proportions of service to deadline than the reference: whatever is refused is refused for nothing.
import { flat } from '../driver/curve.mjs'
import * as want from './targets.mjs'

const calm = (name, shows, load, atMost, plant, durationS = 20) => ({
  name,
  shows,
  plant: want.pool(plant),
  traffic: [{ load: flat(load) }],
  durationS,
  byReference: true,
  targets: [want.shedAtMost(atMost), want.goodput(0.97)],
})

export default [
  calm('half-200x50', '200 servers of 50 ms, deadline 200 ms, at half load: nothing ever queues', 0.5, 0.001, {
    workers: 200,
    serviceMs: 50,
  }),
  calm('calm-50x50-80', '50 servers of 50 ms constant, deadline 150 ms, at 80 % of the capacity', 0.8, 0.005, {
    workers: 50,
    serviceMs: 50,
    service: 'constant',
    deadlineMs: 150,
  }),
  calm('calm-10x50-80', '10 servers of 50 ms, deadline 250 ms, at 80 % of the capacity', 0.8, 0.001, {
    serviceMs: 50,
    deadlineMs: 250,
  }),
  calm(
    'calm-4x250-69',
    '4 servers of 250 ms, deadline 500 ms, at 69 % of the capacity: tight, some must be late',
    0.69,
    0.07,
    {
      workers: 4,
      serviceMs: 250,
      service: 'constant',
      deadlineMs: 500,
    },
    300,
  ),
  {
    name: 'batches-70',
    shows: 'a server that answers up to 32 at once in 20 ms, waiting 5 ms for a batch to fill, at 70 % of the capacity',
    plant: { kind: 'batch', workers: 1, batch: 32, lingerMs: 5, serviceMs: 20, service: 'constant', deadlineMs: 200 },
    traffic: [{ load: flat(0.7) }],
    durationS: 20,
    byReference: true,
    targets: [want.shedAtMost(0.001), want.goodput(0.97)],
  },
]
