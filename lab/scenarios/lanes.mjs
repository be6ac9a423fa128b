// A share of the servers that is reserved for a tier or a class of keys, and lent while it is not needed there.
import { flat, steps } from '../driver/curve.mjs'
import * as want from './targets.mjs'

const OTHERS = [0.2, 0.3, 0.5, 0, 0]
const BULK = [0, 0, 0, 0, 1]
const lane = { needs: ['reserve'], profiles: { 'GET /work': { reserve: { bulk: 0.2 } } }, byReference: true }
/** The same for the keys of partners, which send requests of all tiers. */
const keys = {
  needs: ['lanes'],
  profiles: {
    'GET /work': { lanes: { of: (key) => (key === 'partner' ? 'partners' : undefined), reserve: { partners: 0.2 } } },
  },
  byReference: true,
}

export default [
  {
    name: 'lane-20-10x',
    shows: 'a fifth is reserved for bulk, which wants 30 %, while the others send ten times the capacity',
    overload: true,
    plant: want.pool(),
    traffic: [
      { name: 'bulk', load: flat(0.3), mix: BULK },
      { name: 'others', load: steps([0, 0.3], [2, 10]), mix: OTHERS },
    ],
    durationS: 9,
    windows: { overload: [3, 9] },
    score: { window: 'overload' },
    targets: [want.shareOf('bulk', 0.195, 'overload'), want.goodput(0.95, 'overload')],
    ...lane,
  },
  {
    name: 'lane-lent',
    shows: 'the fifth that is reserved for bulk is lent while there is no bulk, and back within 200 ms when it comes',
    overload: true,
    plant: want.pool(),
    traffic: [
      { name: 'bulk', load: steps([0, 0], [8, 0.18]), mix: BULK },
      { name: 'others', load: flat(3), mix: OTHERS },
    ],
    durationS: 14,
    windows: { lent: [2, 8], back: [8.2, 14] },
    score: { window: 'lent' },
    targets: [want.goodput(0.95, 'lent'), want.successOf('bulk', 0.95, 'back'), want.goodput(0.95, 'back')],
    ...lane,
  },
  {
    name: 'lane-keys-20-10x',
    shows: 'a fifth is reserved for a class of keys, which wants 30 %, while the others send ten times the capacity',
    overload: true,
    plant: want.pool(),
    traffic: [
      { name: 'partners', key: 'partner', load: flat(0.3), mix: BULK },
      { name: 'others', load: steps([0, 0.3], [2, 10]), mix: OTHERS },
    ],
    durationS: 9,
    windows: { overload: [3, 9] },
    score: { window: 'overload' },
    targets: [want.shareOf('partners', 0.195, 'overload'), want.goodput(0.95, 'overload')],
    ...keys,
  },
  {
    name: 'lane-keys-lent',
    shows:
      'the fifth that is reserved for a class of keys is lent while there is none of it, and back within 200 ms when it comes',
    overload: true,
    plant: want.pool(),
    traffic: [
      { name: 'partners', key: 'partner', load: steps([0, 0], [8, 0.18]), mix: BULK },
      { name: 'others', load: flat(3), mix: OTHERS },
    ],
    durationS: 14,
    windows: { lent: [2, 8], back: [8.2, 14] },
    score: { window: 'lent' },
    targets: [want.goodput(0.95, 'lent'), want.successOf('partners', 0.95, 'back'), want.goodput(0.95, 'back')],
    ...keys,
  },
]
