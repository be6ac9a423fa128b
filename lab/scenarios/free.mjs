// Dependencies that nothing queues for: no answer comes sooner for refusing another.
import { flat, steps } from '../driver/curve.mjs'
import * as want from './targets.mjs'

const harmless = (scenario) => ({
  durationS: 40,
  byReference: true,
  targets: [want.shedAtMost(0.001), ...(scenario.late === true ? [] : [want.goodput(0.97)])],
  ...scenario,
})

export default [
  harmless({
    name: 'free-24-at-once',
    shows: '24 calls of 100 ms together, once a second, nothing shared',
    plant: want.free({ service: 'constant', deadlineMs: 500, perS: 24 }),
    traffic: [{ burst: { count: 24, everyS: 1 } }],
    durationS: 60,
  }),
  harmless({
    name: 'free-50x',
    shows: 'a dependency of 100 ms that nothing queues for, and all at once 50 times as many requests',
    plant: want.free(),
    traffic: [{ load: steps([0, 1], [10, 50], [16, 1]) }],
    durationS: 20,
  }),
  ...['constant', 'exponential'].map((service) =>
    harmless({
      name: `free-slower-10x-${service === 'constant' ? 'const' : 'exp'}`,
      shows: `a dependency that nothing queues for takes ten times as long from one moment to the next (${service})`,
      plant: want.free({ service, deadlineMs: 3000, speed: steps([0, 1], [10, 0.1]) }),
      traffic: [{ load: flat(1) }],
      durationS: 40,
    }),
  ),
  harmless({
    name: 'free-lognormal-200',
    shows: 'an unqueued route of 200 ms (log-normal, σ 0.5), 60 a second, with the default deadline of 500 ms',
    plant: want.free({ perS: 60, serviceMs: 200, service: 'lognormal-half', deadlineMs: 500 }),
    traffic: [{ load: flat(1) }],
    durationS: 60,
  }),
  harmless({
    name: 'free-beyond-deadline',
    shows: 'an unqueued route of 1500 ms, 8 a second, with the default deadline of 500 ms: late, and no limit mends it',
    plant: want.free({ perS: 8, serviceMs: 1500, service: 'lognormal-half', deadlineMs: 500 }),
    traffic: [{ load: flat(1) }],
    durationS: 300,
    late: true,
  }),
  harmless({
    name: 'free-40-users',
    shows: '40 users of an endpoint of 800 ms (log-normal, σ 0.5) with the default deadline of 500 ms, nothing shared',
    plant: want.free({ perS: 50, serviceMs: 800, service: 'lognormal-half', deadlineMs: 500 }),
    traffic: [],
    clients: [{ clients: 40, thinkMs: 20, afterRefusalMs: 300 }],
    durationS: 300,
    late: true,
  }),
]
