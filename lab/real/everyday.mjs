// Everyday services behind Atrion's default one line, and the same without a guard: no hint is given, no option is set.
import { TIERS } from '../driver/tiers.mjs'
import * as want from '../scenarios/targets.mjs'

const DEADLINE_MS = 500
const DURATION_S = 5
const SCORED_S = [1.5, DURATION_S]
const ONLY = (tier) => TIERS.map((name) => (name === tier ? 1 : 0))

/**
 * @typedef {object} Everyday
 * @property {number} [perS] requests a second; `load` then counts in them. Without it, in multiples of what was measured
 * @property {number} [connections] autocannon with so many connections, instead of arrivals
 * @property {boolean} [cluster] the server is a worker of node:cluster
 * @property {number} [servers] how many processes of it there are
 * @property {Record<string, string>} [paths] the path that requests of a tier ask for, default /work
 */
const everyday = (name, shows, plant, over) => ({
  name: `real-${name}`,
  shows,
  overload: false,
  everyday: true,
  contestants: ['atrion', 'none'],
  pooled: true,
  plant: { deadlineMs: DEADLINE_MS, everyday: true, ...plant },
  durationS: DURATION_S,
  windows: { scored: SCORED_S },
  score: { window: 'scored' },
  ...over,
})

const calm = [want.goodput(0.97, 'scored'), want.shedAtMost(0.001, 'scored')]
const flow = (loads, tier = 'normal') => ({ loads, mix: ONLY(tier) })
const at = (perS) => ({ perS: 1, flows: [flow([[0, perS]])], targets: calm })
const times = (load) => ({
  flows: [
    flow([
      [0, 0.5],
      [1, load],
    ]),
  ],
})
const SYNC = { kind: 'sync', serviceMs: 2 }
const DATABASE = { kind: 'postgres', serviceMs: 16, workers: 8 }

/** autocannon as people use it: each connection asks again at once, whatever the answer was. */
const impatient = (connections) =>
  everyday(
    `autocannon-${connections}`,
    `${connections} clients that ask again at once, a handler that computes for 2 ms`,
    SYNC,
    {
      connections,
      targets: [want.goodput(0.4, 'scored')],
    },
  )

export const EVERYDAY_SCENARIOS = [
  impatient(150),
  impatient(300),
  impatient(600),
  everyday('cluster-connect', 'a worker of node:cluster at 1.3 times its capacity, a connection a request', SYNC, {
    ...times(1.3),
    cluster: true,
    pooled: false,
    targets: [want.goodput(0.6, 'scored')],
  }),
  everyday('sync-calm', 'a handler that computes for 2 ms at half its capacity', SYNC, {
    flows: [flow([[0, 0.5]])],
    targets: calm,
  }),
  everyday(
    'slow-200ms',
    'a remote service of 200 ms (log-normal, σ 0.5) without a queue, 60 a second',
    { kind: 'unqueued', serviceMs: 200, sigma: 0.5 },
    at(60),
  ),
  everyday(
    'slow-1500ms',
    'a remote service of 1500 ms without a queue, 8 a second: never on time',
    { kind: 'unqueued', serviceMs: 1500, sigma: 0.1 },
    {
      ...at(8),
      targets: [want.shedAtMost(0.001, 'scored')],
    },
  ),
  everyday(
    'postgres-calm',
    'PostgreSQL behind a pool of 8 connections, queries of 16 ms, at 0.7 times its capacity',
    DATABASE,
    {
      flows: [flow([[0, 0.7]])],
      targets: calm,
    },
  ),
  everyday(
    'postgres-2x',
    'PostgreSQL behind a pool of 8 connections, queries of 16 ms, at twice its capacity',
    DATABASE,
    {
      ...times(2),
      targets: [want.goodput(0.9, 'scored')],
    },
  ),
  everyday(
    'postgres-two',
    'two processes with 4 connections each before one PostgreSQL, at 1.5 times what both can do',
    { ...DATABASE, workers: 4 },
    {
      ...times(1.5),
      servers: 2,
      targets: [want.goodput(0.9, 'scored')],
    },
  ),
  everyday(
    'scrypt-2x',
    "passwords on libuv's four threads at twice their capacity",
    { kind: 'scrypt', cost: 2 ** 13 },
    {
      ...times(2),
      targets: [want.goodput(0.85, 'scored')],
    },
  ),
  everyday(
    'stall',
    'an upstream of 10 ms that does not answer from second 1.5 to second 2.5, 150 a second',
    { kind: 'upstream', serviceMs: 10, stallMs: [1500, 2500] },
    {
      ...at(150),
      windows: { before: [0.5, 1.4], scored: [3.5, DURATION_S] },
      targets: [want.shedAtMost(0.001, 'before'), want.goodput(0.95, 'scored')],
    },
  ),
  everyday(
    'stream',
    'answers of 300 ms, sent in ten pieces, 60 a second',
    { kind: 'stream', chunks: 10, everyMs: 30 },
    at(60),
  ),
  everyday(
    'flooded-route',
    'a route at three times its capacity beside a quiet one (marked critical here) with workers of its own',
    { kind: 'routes', workers: 4, serviceMs: 20, quietPerS: 30 },
    {
      flows: [
        flow([
          [0, 0.5],
          [1, 3],
        ]),
        flow([[0, 0.13]], 'critical'),
      ],
      paths: { critical: '/quiet' },
      targets: [want.success('critical', 0.99, 'scored')],
    },
  ),
]
