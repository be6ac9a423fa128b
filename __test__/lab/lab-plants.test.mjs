// The arena's plants and traffic against what theory says of them, and the ceiling against a bound that no controller can pass.
import test from 'ava'
import { CEILINGS } from '../../lab/contestants/ceiling.mjs'
import { CONTESTANTS, entrantById } from '../../lab/contestants/index.mjs'
import { flat, steps } from '../../lab/driver/curve.mjs'
import { OUTCOME } from '../../lab/driver/log.mjs'
import { capacityOf, kneeOf, slotsOf, throughputOf } from '../../lab/driver/plants.mjs'
import { run } from '../../lab/driver/run.mjs'
import { METRICS } from '../../lab/metrics/metrics.mjs'
import { RunView } from '../../lab/metrics/window.mjs'
import { SCENARIOS, scenarioByName } from '../../lab/scenarios/index.mjs'
import { contended, free, pool } from '../../lab/scenarios/targets.mjs'
import { scenarioOf } from '../_scenario.mjs'

const none = entrantById('none')

const logOf = async (scenario, entrant = none, seed = 1) => (await run(scenarioOf(scenario), entrant, seed)).log

/** Mean time in the system, ms, after the first tenth. */
function meanMs(log, fromMs = 0) {
  let sum = 0
  let count = 0
  for (let i = 0; i < log.length; i += 1) {
    if (log.sentMs[i] < fromMs || log.outcome[i] !== OUTCOME.success) continue
    sum += log.endedMs[i] - log.sentMs[i]
    count += 1
  }
  return sum / count
}

const near = (t, got, expected, share, what) =>
  t.true(Math.abs(got / expected - 1) < share, `${what}: ${got} for ${expected}`)

const LAWS = { constant: 0, exponential: 1, uniform: 1 / 3, erlang: 1 / 4, hyperexponential: 4, bimodal: 2.25 }

for (const [service, variance] of Object.entries(LAWS)) {
  test(`one server with ${service} service waits as Pollaczek and Khinchine say`, async (t) => {
    const load = 0.6
    const log = await logOf({ plant: pool({ workers: 1, service }), traffic: [{ load: flat(load) }], durationS: 3000 })
    near(t, meanMs(log), 10 * (1 + (load * (1 + variance)) / (2 * (1 - load))), 0.05, service)
  })
}

test('a contended plant that does not contend shares its processor: its mean time does not depend on the law', async (t) => {
  for (const service of ['constant', 'exponential', 'hyperexponential']) {
    const plant = contended({ workers: 1, service })
    const log = await logOf({ plant, traffic: [{ load: flat(0.6) }], durationS: 2000 })
    near(t, meanMs(log), 10 / (1 - 0.6), 0.05, service)
  }
})

test('throughput under contention is that of the universal scalability law, with its knee', async (t) => {
  const plant = contended({ serial: 0.05, crosstalk: 0.005, service: 'constant' })
  t.is(kneeOf(plant), Math.round(Math.sqrt((1 - 0.05) / 0.005)))
  t.is(slotsOf(plant)(0), kneeOf(plant))
  near(t, capacityOf(plant), (1000 / 10) * throughputOf(plant, 14), 1e-9, 'capacity')
  // Held at n, it answers throughput(n) ÷ serviceMs.
  for (const n of [5, 14, 60]) {
    const log = await logOf({
      plant,
      traffic: [],
      clients: [{ clients: n, thinkMs: 1e-9, roundTripMs: 0 }],
      durationS: 20,
    })
    let answers = 0
    for (let i = 0; i < log.length; i += 1) if (log.endedMs[i] >= 5000 && log.endedMs[i] < 20_000) answers += 1
    near(t, answers / 15, (1000 * throughputOf(plant, n)) / 10, 0.02, `${n} in flight`)
  }
  const thrash = contended({ thrashBeyond: 30 })
  t.is(kneeOf(thrash), 10)
  t.is(throughputOf(thrash, 30), 10)
  t.is(throughputOf(thrash, 300), 1)
})

test('a free dependency takes no longer for fifty times the requests', async (t) => {
  const log = await logOf({ plant: free(), traffic: [{ load: steps([0, 1], [10, 50]) }], durationS: 14 })
  near(t, meanMs(log), 100, 0.03, 'all')
  near(t, meanMs(log, 10_000), 100, 0.03, 'in the crowd')
  const slower = free({ service: 'constant', speed: steps([0, 1], [10, 0.1]) })
  const late = await logOf({ plant: slower, traffic: [{ load: flat(1) }], durationS: 30 })
  near(t, meanMs(late, 10_000), 1000, 1e-6, 'ten times slower')
})

test('a batching server answers a batch together, waits for one to fill, and is as fast as its batches', async (t) => {
  const plant = {
    kind: 'batch',
    workers: 1,
    batch: 4,
    lingerMs: 5,
    serviceMs: 20,
    service: 'constant',
    deadlineMs: 200,
  }
  const one = await logOf({ plant, traffic: [{ burst: { count: 1, everyS: 1 } }], durationS: 5 })
  near(t, meanMs(one), 25, 1e-6, 'alone: linger and service')
  const four = await logOf({ plant, traffic: [{ burst: { count: 4, everyS: 1 } }], durationS: 5 })
  near(t, meanMs(four), 20, 1e-6, 'a full batch: service')
  const nine = await logOf({ plant, traffic: [{ burst: { count: 9, everyS: 1 } }], durationS: 5 })
  near(t, meanMs(nine), (4 * 20 + 4 * 40 + 60 + 0) / 9, 0.02, 'two batches and a rest')
  const crowd = await logOf({ plant, traffic: [{ load: flat(3) }], durationS: 10 })
  let answers = 0
  for (let i = 0; i < crowd.length; i += 1) if (crowd.endedMs[i] <= 10_000) answers += 1
  near(t, answers, 10 * capacityOf(plant), 0.01, 'capacity')
})

test('bursts come all at once, or spread, when they are due, and nothing else does', async (t) => {
  const log = await logOf({ traffic: [{ burst: { count: 50, everyS: 2, fromS: 1, toS: 6 } }], durationS: 10 })
  const times = new Map()
  for (let i = 0; i < log.length; i += 1) times.set(log.sentMs[i], (times.get(log.sentMs[i]) ?? 0) + 1)
  t.deepEqual(
    [...times],
    [1000, 3000, 5000].map((ms) => [ms, 50]),
  )
  const spread = await logOf({ traffic: [{ burst: { count: 4, everyS: 1, spreadMs: 100 } }], durationS: 1 })
  t.deepEqual([...spread.sentMs.subarray(0, spread.length)], [0, 25, 50, 75])
})

test('clients of a closed flow have one request open at a time, and are users of their own', async (t) => {
  const clients = [{ clients: 5, thinkMs: 50 }]
  const log = await logOf({ traffic: [], clients, users: 100, plant: free({ service: 'constant' }), durationS: 30 })
  const freeAtMs = new Map()
  for (let i = 0; i < log.length; i += 1) {
    t.true(log.user[i] >= 100 && log.user[i] < 105)
    t.true(log.sentMs[i] >= (freeAtMs.get(log.user[i]) ?? 0))
    freeAtMs.set(log.user[i], log.endedMs[i])
  }
  near(t, log.length, (5 * 30_000) / 151, 0.05, 'requests')
})

test('a client that hangs up: its work is held, forgotten or cancelled, and the permit goes back once', async (t) => {
  const outcomesOf = async (work) => {
    const ends = []
    const witness = {
      create: ({ clock }) => ({
        name: 'witness',
        settings: {},
        admit({ nowMs }) {
          return { end: (outcome) => ends.push([outcome, clock.now() - nowMs]) }
        },
      }),
    }
    const scenario = {
      plant: pool({ workers: 1, serviceMs: 100, service: 'constant', deadlineMs: 1000 }),
      traffic: [{ burst: { count: 3, everyS: 100 } }],
      giveUp: { afterMs: 150, work },
      durationS: 10,
    }
    const log = await logOf(scenario, witness)
    return { ends, outcomes: [...log.outcome.subarray(0, 3)], worked: [...log.startedMs.subarray(0, 3)] }
  }
  const { success, gaveUp } = OUTCOME
  const held = await outcomesOf('held')
  t.deepEqual(held.outcomes, [success, gaveUp, gaveUp])
  t.deepEqual(held.ends, [
    ['success', 100],
    ['ignored', 200],
    ['ignored', 300],
  ])
  const forgotten = await outcomesOf('forgotten')
  t.deepEqual(forgotten.ends, [
    ['success', 100],
    ['ignored', 150],
    ['ignored', 150],
  ])
  t.deepEqual(forgotten.worked, [0, 100, 200])
  const cancelled = await outcomesOf('cancelled')
  t.deepEqual(cancelled.ends, [
    ['success', 100],
    ['ignored', 150],
    ['ignored', 150],
  ])
  // The second one's worker is free for the third, for no time at all.
  t.deepEqual(cancelled.worked, [0, 100, 150])
})

test('each process has a controller of its own, and flows reach theirs', async (t) => {
  let made = 0
  const counting = {
    create() {
      const id = made++
      return { name: 'counting', settings: {}, admit: ({ route }) => (route === `GET /${id}` ? { end() {} } : null) }
    },
  }
  const traffic = [0, 1, 2].map((k) => ({ load: flat(0.1), process: k, route: `GET /${k}` }))
  const log = await logOf({ processes: 3, traffic, durationS: 5 }, counting)
  t.is(made, 3)
  for (let i = 0; i < log.length; i += 1) t.is(log.outcome[i], OUTCOME.success)
  const shared = await logOf({ processes: 3, durationS: 5 }, CEILINGS[0])
  t.deepEqual([...new Set(shared.process.subarray(0, shared.length))].sort(), [0, 1, 2])
})

test('flows differ in work, key and errors', async (t) => {
  const traffic = [
    { name: 'slow', load: flat(0.02), work: 10 },
    { name: 'sick', key: 'acme', load: flat(0.1), errorRate: flat(1) },
  ]
  const keys = new Set()
  const listener = {
    create: () => ({
      name: 'listener',
      settings: {},
      admit({ key }) {
        keys.add(key)
        return { end() {} }
      },
    }),
  }
  const scenario = scenarioOf({ traffic, plant: pool({ service: 'constant' }), users: 3, durationS: 60 })
  const view = new RunView(scenario, (await run(scenario, listener, 1)).log)
  t.deepEqual([...keys].sort(), ['acme', 'user-0', 'user-1', 'user-2'])
  t.is(METRICS.success(view, [0, 60], { flow: 'slow' }), 1)
  t.is(METRICS.success(view, [0, 60], { flow: 'sick' }), 0)
  t.is(METRICS.evenness(view, [0, 60], { flows: ['slow', 'sick'] }), 0)
  for (let i = 0; i < view.log.length; i += 1) if (view.log.flow[i] === 0) near(t, view.log.work[i], 10, 1e-6, 'work')
})

/**
 * Good answers in a span that no controller can exceed which does not know how long a service will take: every server works
 * whenever anything that could still be in time is there, draws come in the order in which work begins, and waiting is forgiven.
 */
function boundOf(log, { workers, serviceMs, deadlineMs }, fromMs, toMs) {
  const started = []
  for (let i = 0; i < log.length; i += 1) if (!Number.isNaN(log.startedMs[i])) started.push(i)
  started.sort((a, b) => log.startedMs[a] - log.startedMs[b])
  const freeAtMs = new Array(workers).fill(0)
  let next = 0
  let good = 0
  for (const drawn of started) {
    const server = freeAtMs.indexOf(Math.min(...freeAtMs))
    while (next < log.length && log.sentMs[next] + deadlineMs < freeAtMs[server]) next += 1
    if (next === log.length) break
    const beginsMs = Math.max(freeAtMs[server], log.sentMs[next])
    next += 1
    freeAtMs[server] = beginsMs + log.work[drawn] * serviceMs
    const fits = log.work[drawn] * serviceMs <= deadlineMs
    if (fits && freeAtMs[server] >= fromMs && freeAtMs[server] < toMs) good += 1
  }
  return good
}

test('the ceiling is reached by a room that knows the servers, and lies at a bound that nothing passes', async (t) => {
  for (const [workers, deadline, load, service] of [
    [1, 10, 1.2, 'exponential'],
    [2, 5, 3, 'erlang'],
    [10, 5, 3, 'exponential'],
    [10, 30, 2, 'hyperexponential'],
    [50, 5, 1.2, 'lognormal'],
    [10, 3, 3, 'constant'],
    [4, 10, 0.6, 'uniform'],
  ]) {
    const plant = pool({ workers, serviceMs: 20, deadlineMs: deadline * 20, service })
    const scenario = scenarioOf({ plant, traffic: [{ load: flat(load) }], durationS: Math.max(30, 600 / workers) })
    const [fromMs, toMs] = [5000, scenario.durationS * 1000]
    // Without a guard the most is drawn.
    const bound = boundOf((await run(scenario, none, 1)).log, plant, fromMs, toMs)
    const goods = []
    for (const entrant of CEILINGS) {
      goods.push(new RunView(scenario, (await run(scenario, entrant, 1)).log).goodIn(fromMs, toMs))
    }
    const best = Math.max(...goods) / bound
    t.true(best <= 1.01, `${workers} × D/s ${deadline} at ${load}: ${best} of the bound`)
    t.true(best >= 0.93, `${workers} × D/s ${deadline} at ${load}: ${best} of the bound`)
  }
})

test('the ceiling contestant serves the top tier and all that can be', async (t) => {
  for (const name of ['pool-exp-5x', 'lock-3x', 'batches-2x', 'gone-work-held', 'burst-400', 'processes-16']) {
    const scenario = { ...scenarioByName(name), byReference: false }
    const references = []
    for (const entrant of [none, ...CEILINGS])
      references.push(new RunView(scenario, (await run(scenario, entrant, 1)).log))
    const window = scenario.windows?.[scenario.score?.window] ?? [0, scenario.durationS]
    const views = []
    for (const variant of entrantById('ceiling').variants()) {
      views.push(new RunView(scenario, (await run(scenario, variant, 1)).log, references))
    }
    const [view] = views.sort((a, b) => METRICS.goodput(b, window) - METRICS.goodput(a, window))
    t.true(METRICS.goodput(view, window) > 0.97, `${name}: goodput ${METRICS.goodput(view, window)}`)
    const top = METRICS.success(view, window, { tier: 'critical' })
    t.true(top > 0.99, `${name}: critical ${top}`)
  }
})

test('collapse by contention feeds itself: without a guard it outlives the overload, with the ceiling it is over at once', async (t) => {
  const scenario = scenarioByName('thrash-3x')
  const recovery = async (entrant) => METRICS.recoveryS(new RunView(scenario, (await run(scenario, entrant, 1)).log))
  t.is(await recovery(none), Number.POSITIVE_INFINITY)
  t.true((await recovery(CEILINGS[2])) <= 1)
})

test('every contestant that can plays every class of scenario to the end', async (t) => {
  const classes = [...new Set(SCENARIOS.map((scenario) => scenario.class))]
  t.true(classes.length >= 12)
  const entrants = CONTESTANTS.filter(({ unavailable }) => (unavailable?.() ?? null) === null)
  for (const name of classes) {
    const scenario = SCENARIOS.find((s) => s.class === name && s.needs === undefined)
    if (scenario === undefined) continue
    for (const entrant of entrants.filter(({ variants }) => variants === undefined)) {
      const { log } = await run({ ...scenario, durationS: Math.min(3, scenario.durationS) }, entrant, 1)
      for (let i = 0; i < log.length; i += 1) if (log.outcome[i] > OUTCOME.gaveUp) t.fail(`${entrant.id} in ${name}`)
    }
  }
  t.pass()
})
