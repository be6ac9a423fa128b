// The real plant's parts: servers that answer, and a ceiling that is arithmetic. How fast is for the arena to say.
import { get } from 'node:http'
import test from 'ava'
import { EVERYDAY_SCENARIOS } from '../../lab/real/everyday.mjs'
import { startPostgres } from '../../lab/real/postgres.mjs'
import { playReal, REAL_CONTESTANTS, REAL_SCENARIOS, RealView, SERVER } from '../../lab/real/real.mjs'
import { roundsFor, workOf } from '../../lab/real/work.mjs'
import { WorkerProcess } from '../../scripts/lib/worker-pool.mjs'

const POOL = { kind: 'pool', serviceMs: 1, workers: 2, deadlineMs: 200 }

const ask = (port, path) =>
  new Promise((resolve, reject) => {
    const headers = { 'x-tier': 'high', 'x-user': 'user-1' }
    get({ host: '127.0.0.1', port, path, headers, agent: false }, (response) => {
      response.resume()
      response.once('end', () => resolve(response.statusCode))
    }).once('error', reject)
  })

for (const { id, unavailable } of [...REAL_CONTESTANTS, { id: 'always-refuses' }]) {
  const absent = unavailable?.() ?? null
  const run = absent === null ? test : test.skip
  run(`${id} stands before a server that is idle`, async (t) => {
    const server = new WorkerProcess(SERVER)
    t.teardown(() => server.end())
    const { port, name, settings } = await server.ask('listen', { contestant: id, plant: POOL, capacityPerS: 2000 })
    t.true(name.length > 0)
    t.is(typeof settings, 'object')
    t.is(await ask(port, '/warm'), 204)
    t.is(await ask(port, '/work'), id === 'always-refuses' ? 503 : 200)
    const { count } = await server.ask('drawn')
    t.is(count, id === 'always-refuses' ? 0 : 1)
  })
}

const EVERYDAY_KINDS = new Map(
  EVERYDAY_SCENARIOS.map((played) => [`${played.plant.kind}${played.cluster ? ', in a cluster' : ''}`, played]),
)

for (const [kind, { plant, cluster, paths = {} }] of EVERYDAY_KINDS) {
  test(`an everyday service answers behind one line of Atrion, and without: ${kind}`, async (t) => {
    const database = plant.kind === 'postgres' ? await startPostgres() : undefined
    const served = { ...plant, rounds: 100, connection: database?.connection }
    for (const contestant of ['atrion', 'none']) {
      const server = new WorkerProcess(SERVER)
      const { port } = await server.ask('listen', { contestant, plant: served, capacityPerS: 100, cluster })
      for (const path of ['/work', ...Object.values(paths)]) t.is(await ask(port, path), 200, `${contestant} ${path}`)
      await server.end()
    }
    await database?.end()
  })
}

/** A scenario that is over soon; its figures say nothing. */
const short = (played) => ({
  ...played,
  durationS: 1,
  windows: Object.fromEntries(Object.keys(played.windows).map((window) => [window, [0, 1]])),
})

const KINDS_OF_CLIENTS = [
  { ...REAL_SCENARIOS.find(({ plant, pooled }) => plant.kind === 'pool' && !pooled), servers: 2 },
  EVERYDAY_SCENARIOS.find(({ connections }) => connections > 0),
]

test('a scenario of each kind of clients is played to its end, with figures for each guard', async (t) => {
  const done = []
  const { rows, broken } = await playReal({
    scenarios: KINDS_OF_CLIENTS.map(short),
    ids: ['atrion', 'none'],
    seed: 1,
    onProgress: (...step) => done.push(step),
  })
  t.deepEqual(broken, [])
  t.is(rows.length, KINDS_OF_CLIENTS.length)
  t.is(done.length, 2 * rows.length)
  for (const { scenario, results } of rows) {
    for (const [id, { figures, settings }] of Object.entries(results)) {
      t.true(figures.shed >= 0 && figures.shed <= 1, `${scenario} × ${id} was asked nothing`)
      t.is(typeof settings, 'object')
    }
  }
})

test('everyday scenarios are data that a process can be sent', (t) => {
  for (const { name, plant, flows, connections, targets, windows, score } of EVERYDAY_SCENARIOS) {
    t.deepEqual(structuredClone({ plant, flows }), { plant, flows }, name)
    t.true(flows !== undefined || connections > 0, name)
    t.true(targets.length > 0 && windows[score.window] !== undefined, name)
    for (const { window } of targets) t.true(windows[window] !== undefined, name)
  }
})

test('a pool works on as many as it has workers, and says what it drew', async (t) => {
  const { work, drawn } = workOf({ ...POOL, workers: 1 })
  const order = []
  await Promise.all([work().then(() => order.push('first')), work().then(() => order.push('second'))])
  t.deepEqual(order, ['first', 'second'])
  t.is(drawn.count, 2)
  t.true(drawn.sumMs > 0)
})

test('a longer hash takes more rounds', (t) => {
  t.true(roundsFor(2) > roundsFor(0.2))
})

test('the ceiling is what was measured, less what refusing the rest costs', (t) => {
  const length = 3000
  const log = {
    length,
    sentMs: Float64Array.from({ length }, (_, i) => i),
    endedMs: new Float64Array(length),
    startedMs: new Float64Array(length).fill(Number.NaN),
    tier: new Uint8Array(length),
    outcome: new Uint8Array(length),
    served: new Uint8Array(length),
    attempt: new Uint8Array(length),
    root: new Uint32Array(length),
    work: new Float32Array(length),
  }
  const ceiling = (capacityPerS, rejectCost) =>
    new RealView(REAL_SCENARIOS[0], log, { capacityPerS, rejectCost }).ceilingIn(0, 1000)
  t.is(ceiling(2000, 0), 1000)
  t.is(ceiling(500, 0), 500)
  t.true(Math.abs(ceiling(500, 0.1) - (500 - 100) / 0.9) < 1e-9)
})
