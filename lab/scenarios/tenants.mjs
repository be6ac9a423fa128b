// Keys: no tenant decides the fate of another.
import { flat, steps } from '../driver/curve.mjs'
import * as want from './targets.mjs'

const ONE_TIER = [0, 0, 1, 0, 0]

const users = (load, dark) => ({
  name: `users-500-${load}x`,
  shows: `500 users of one tier for five minutes at ${load} times the capacity: how many are served next to nothing`,
  overload: true,
  plant: want.pool({ serviceMs: 100, deadlineMs: 2000 }),
  traffic: [{ load: flat(load), mix: ONE_TIER }],
  users: 500,
  durationS: 300,
  among: ['atrion', 'atrion-room', 'reserved', 'codel', 'none'],
  targets: [want.darkUsersAtMost(dark), want.goodput(0.95)],
})

export default [
  {
    name: 'tenant-flood',
    shows: 'one tenant sends 90 % of three times the capacity; the others together would fit three times over',
    overload: true,
    plant: want.pool(),
    traffic: [
      { name: 'flood', key: 'acme', load: steps([0, 0.1], [2, 2.7]), mix: ONE_TIER },
      { name: 'others', load: flat(0.3), mix: ONE_TIER },
    ],
    users: 100,
    durationS: 17,
    byReference: true,
    windows: { overload: [2, 17] },
    score: { window: 'overload' },
    targets: [want.successOf('others', 0.99, 'overload'), want.goodput(0.95, 'overload')],
  },
  users(2, 0.02),
  users(3, 0.02),
  {
    name: 'tenant-failing',
    shows: "one tenant's backend fails every call, and it has 93 % of the traffic; the breaker looks at keys",
    needs: ['breakBy'],
    profiles: { 'GET /work': { breakBy: 'key' } },
    plant: want.pool(),
    traffic: [
      { name: 'sick', key: 'acme', load: flat(0.65), errorRate: steps([0, 0], [5, 1]) },
      { name: 'well', load: flat(0.05) },
    ],
    users: 40,
    durationS: 20,
    byReference: true,
    windows: { failing: [6, 20] },
    score: { window: 'failing' },
    targets: [want.successOf('well', 0.99, 'failing'), { ...want.shedAtLeast(0.8, 'failing'), flow: 'sick' }],
  },
]
