// Several routes before one bottleneck: a limit for each knows nothing of what the others take.
import { flat, steps } from '../driver/curve.mjs'
import * as want from './targets.mjs'

const CRITICAL = [1, 0, 0, 0, 0]
const BULK = [0, 0, 0, 0, 1]
const POOLED = { 'GET /cart': { pool: 'db' }, 'GET /export': { pool: 'db' } }

const critical = (load) => ({ name: 'cart', route: 'GET /cart', load, mix: CRITICAL })

const slowBulk = (over) => ({
  shows:
    'a bulk route whose work takes ten times as long, beside a critical one on the same servers, at 90 % load in all',
  plant: want.pool(),
  traffic: [critical(flat(0.5)), { name: 'export', route: 'GET /export', load: flat(0.04), work: 10, mix: BULK }],
  durationS: 40,
  byReference: true,
  targets: [want.successOf('cart', 0.995), want.successOf('export', 0.9)],
  ...over,
})

const flooded = (over) => ({
  shows: 'bulk on one route at 2.5 times the capacity, critical on another at half of it, on the same servers',
  overload: true,
  plant: want.pool(),
  traffic: [
    critical(flat(0.5)),
    { name: 'export', route: 'GET /export', load: steps([0, 0.1], [2, 2.5], [17, 0.1]), mix: BULK },
  ],
  durationS: 20,
  byReference: true,
  windows: { overload: [2, 17], calm: [17, 20] },
  score: { window: 'overload' },
  targets: [want.successOf('cart', 0.995, 'overload'), want.goodput(0.95, 'overload'), want.zeroShedsWithinS(2)],
  ...over,
})

export default [
  flooded({ name: 'pool-flooded', needs: ['pool'], profiles: POOLED }),
  slowBulk({ name: 'pool-slow-bulk', needs: ['pool'], profiles: POOLED }),
  slowBulk({ name: 'routes-slow-bulk' }),
]
