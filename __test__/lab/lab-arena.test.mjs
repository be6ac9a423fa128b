// The arena itself: a measuring instrument is only as good as what is known about its errors.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { CONTESTANTS, CONTROLS, entrantById } from '../../lab/contestants/index.mjs'
import { flat, ramp, steps } from '../../lab/driver/curve.mjs'
import { EventHeap, Fifo } from '../../lab/driver/heap.mjs'
import { SERVICE_LAWS, stream } from '../../lab/driver/random.mjs'
import { run } from '../../lab/driver/run.mjs'
import { DEFAULT_MIX } from '../../lab/driver/tiers.mjs'
import { METRICS, reversalsOf } from '../../lab/metrics/metrics.mjs'
import { RunView } from '../../lab/metrics/window.mjs'
import { SCENARIOS, scenarioByName } from '../../lab/scenarios/index.mjs'
import { cpu, pool } from '../../lab/scenarios/targets.mjs'
import { controlsThatPassed, lossesOf } from '../../lab/verdict.mjs'
import { playAll } from '../../lab/worker-pool.mjs'
import { scenarioOf } from '../_scenario.mjs'

const none = entrantById('none')

const viewOf = async (scenario, entrant = none, seed = 1) =>
  new RunView(scenario, (await run(scenario, entrant, seed)).log)

const meanLatencyMs = (view) => {
  const latencies = view.admittedLatenciesMs(0, view.endMs)
  return latencies.reduce((sum, ms) => sum + ms, 0) / latencies.length
}

/** Mean time in an M/M/k system, ms (Erlang's C formula). */
function erlangMs(workers, serviceMs, load) {
  const offered = workers * load
  let term = 1
  let sum = 1
  for (let k = 1; k < workers; k += 1) {
    term *= offered / k
    sum += term
  }
  const full = (term * offered) / workers / (1 - load)
  return serviceMs + ((full / (sum + full)) * serviceMs) / (workers * (1 - load))
}

test('the heap gives back events in order of time, and of insertion within a millisecond', (t) => {
  const heap = new EventHeap()
  const uniform = stream('heap')
  const events = Array.from({ length: 2000 }, (_, order) => ({ atMs: Math.floor(uniform() * 200), order }))
  for (const event of events) heap.push(event.atMs, event)
  const taken = []
  while (heap.size > 0) taken.push(heap.pop())
  t.deepEqual(
    taken,
    events.toSorted((a, b) => a.atMs - b.atMs || a.order - b.order),
  )
  t.is(heap.pop(), undefined)
  t.is(heap.nextMs, Number.POSITIVE_INFINITY)
})

test('the queue is first in, first out, also beyond its own compaction', (t) => {
  const queue = new Fifo()
  let next = 0
  for (let i = 0; i < 20_000; i += 1) {
    queue.push(i)
    if (i % 3 !== 0 && queue.shift() !== next++) t.fail(`out of order at ${i}`)
  }
  t.is(queue.length, 20_000 - next)
  while (queue.length > 0) if (queue.shift() !== next++) t.fail('out of order while draining')
  t.is(next, 20_000)
  t.is(queue.shift(), undefined)
})

test('every service-time law has mean 1 and the variance that its name promises', (t) => {
  const VARIANCE = {
    ...{ constant: 0, exponential: 1, bimodal: 2.25, lognormal: Math.E - 1, 'lognormal-half': Math.exp(0.25) - 1 },
    ...{ uniform: 1 / 3, erlang: 1 / 4, hyperexponential: 4 },
  }
  t.deepEqual(Object.keys(SERVICE_LAWS).sort(), Object.keys(VARIANCE).sort())
  for (const [name, law] of Object.entries(SERVICE_LAWS)) {
    const uniform = stream(`law/${name}`)
    const draws = Float64Array.from({ length: 400_000 }, () => law(uniform))
    const mean = draws.reduce((sum, x) => sum + x, 0) / draws.length
    const variance = draws.reduce((sum, x) => sum + (x - mean) ** 2, 0) / draws.length
    t.true(Math.abs(mean - 1) < 0.01, `${name}: mean ${mean}`)
    t.true(Math.abs(variance - VARIANCE[name]) < 0.1, `${name}: variance ${variance}`)
  }
})

test('curves step and bend where they are set to', (t) => {
  const stepped = steps([0, 0.5], [2, 3], [5, 1])
  t.deepEqual([0, 1999, 2000, 4999, 5000, 9e9].map(stepped), [0.5, 0.5, 3, 3, 1, 1])
  t.is(stepped.max, 3)
  const ramped = ramp([1, 0], [3, 4])
  t.deepEqual([0, 1000, 1500, 2000, 3000, 4000].map(ramped), [0, 0, 1, 2, 4, 4])
})

test('arrivals are Poisson at the rate of the curve, tiers and users as given', async (t) => {
  const scenario = scenarioOf({ users: 50, traffic: [{ load: steps([0, 0.2], [30, 0.8]) }] })
  const { log } = await run(scenario, none, 7)
  const perSecond = Array.from({ length: 60 }, () => 0)
  const tiers = [0, 0, 0, 0, 0]
  for (let i = 0; i < log.length; i += 1) {
    perSecond[Math.floor(log.sentMs[i] / 1000)] += 1
    tiers[log.tier[i]] += 1
    if (log.user[i] >= 50) t.fail('a user beyond the population')
  }
  const mean = (counts) => counts.reduce((sum, n) => sum + n, 0) / counts.length
  const night = perSecond.slice(0, 30)
  const day = perSecond.slice(30)
  t.true(Math.abs(mean(night) - 200) < 4 * Math.sqrt(200 / 30), `night: ${mean(night)}`)
  t.true(Math.abs(mean(day) - 800) < 4 * Math.sqrt(800 / 30), `day: ${mean(day)}`)
  const dispersion = mean(day.map((n) => (n - mean(day)) ** 2)) / mean(day)
  t.true(dispersion > 0.5 && dispersion < 1.7, `variance ÷ mean: ${dispersion}`)
  tiers.forEach((n, tier) => {
    t.true(Math.abs(n / log.length - DEFAULT_MIX[tier]) < 0.01, `tier ${tier}: ${n / log.length}`)
  })
})

test('the pool is the M/M/10 queue of the textbooks', async (t) => {
  const view = await viewOf(scenarioOf({ durationS: 400, traffic: [{ load: flat(0.85) }] }))
  const expected = erlangMs(10, 10, 0.85)
  t.true(Math.abs(meanLatencyMs(view) / expected - 1) < 0.04, `${meanLatencyMs(view)} ms for ${expected} ms`)
})

test('the cpu plant is the M/M/1 queue of the textbooks', async (t) => {
  const view = await viewOf(scenarioOf({ durationS: 400, plant: cpu() }))
  const expected = 2 / (1 - 0.7)
  t.true(Math.abs(meanLatencyMs(view) / expected - 1) < 0.04, `${meanLatencyMs(view)} ms for ${expected} ms`)
})

test('on the cpu plant refusals take their share of the time, and the ceiling knows it', async (t) => {
  const load = 5
  // Refuses all but every fifth request: as many as fit, if refusing were free.
  const everyFifth = {
    create: () => {
      let count = 0
      return { name: 'every fifth', settings: {}, admit: () => (count++ % 5 === 0 ? { end() {} } : null) }
    },
  }
  const scenario = scenarioOf({ durationS: 20, plant: cpu({ service: 'constant' }), traffic: [{ load: flat(load) }] })
  const view = await viewOf(scenario, everyFifth)
  const r = 0.02
  const ceiling = (500 * 10 * (1 - load * r)) / (1 - r)
  t.true(Math.abs(view.ceilingIn(5000, 15_000) / ceiling - 1) < 0.01, `${view.ceilingIn(5000, 15_000)} for ${ceiling}`)
  let answered = 0
  for (let i = 0; i < view.log.length; i += 1) {
    if (view.log.outcome[i] === 1 && view.log.endedMs[i] >= 5000 && view.log.endedMs[i] < 15_000) answered += 1
  }
  const served = (500 * 10) / (1 + 4 * r)
  t.true(Math.abs(answered / served - 1) < 0.01, `${answered} served for ${served}`)
})

test('the queue age that a handler is given is unbiased', async (t) => {
  let given = 0
  let real = 0
  let count = 0
  let sentMs = []
  const listener = {
    create: ({ clock }) => ({
      name: 'listener',
      settings: {},
      admit({ queueAgeMs }) {
        given += queueAgeMs
        real += clock.now() - sentMs[count]
        count += 1
        return { end() {} }
      },
    }),
  }
  const scenario = scenarioOf({ durationS: 100, plant: cpu(), traffic: [{ load: flat(0.9) }] })
  const { log } = await run(scenario, none, 3)
  sentMs = Array.from(log.sentMs.subarray(0, log.length))
  await run(scenario, listener, 3)
  t.is(count, log.length)
  t.true(Math.abs(given / real - 1) < 0.1, `given ${given / count} ms, real ${real / count} ms`)
})

test.serial('a run repeats to the bit, with peers that use timers and promises too', async (t) => {
  const scenario = { ...scenarioByName('errors-50-2x'), durationS: 8 }
  const columns = ({ log }) => [log.length, ...['sentMs', 'endedMs', 'outcome'].map((c) => log[c].slice(0, log.length))]
  const ours = ['atrion', 'atrion-room'].filter((id) => entrantById(id).unavailable() === null)
  for (const id of [...ours, 'opossum', 'cockatiel', 'token-bucket', 'gradient2', 'vegas', 'codel']) {
    const first = columns(await run(scenario, entrantById(id), 1))
    t.deepEqual(columns(await run(scenario, entrantById(id), 1)), first, id)
    t.notDeepEqual(columns(await run(scenario, entrantById(id), 2)), first, `${id}, another seed`)
  }
})

test.serial('every contestant sees the same requests', async (t) => {
  const scenario = { ...scenarioByName('pool-exp-5x'), durationS: 5 }
  const requests = async (id) => {
    const { log } = await run(scenario, entrantById(id), 1)
    return [log.sentMs, log.tier, log.user].map((column) => column.slice(0, log.length))
  }
  const expected = await requests('none')
  for (const id of ['gradient2', 'opossum', 'always-refuses']) t.deepEqual(await requests(id), expected, id)
})

test.serial("a peer's own timers follow virtual time, and the process gets its own back", async (t) => {
  const before = [setTimeout, setInterval, Date.now, performance.now]
  // Dead for 10 s: opossum opens once its window of 10 s is half full of errors, and probes 30 s after that.
  const plant = pool({ refuses: [[5, 15]] })
  const view = await viewOf(scenarioOf({ plant, durationS: 50 }), entrantById('opossum'))
  const shed = (from, to) => METRICS.shed(view, [from, to], {})
  t.is(shed(0, 5), 0)
  t.true(shed(12, 38) > 0.99)
  t.is(shed(42, 50), 0)
  t.deepEqual([setTimeout, setInterval, Date.now, performance.now], before)
})

test('reversals are turns of more than ten points, not noise', (t) => {
  t.is(reversalsOf([1, 0.95, 1, 0.92, 0.99]), 0)
  t.is(reversalsOf([1, 0.5, 0.5, 0.5]), 0)
  t.is(reversalsOf([1, 0.5, 1]), 1)
  t.is(reversalsOf([1, 0.5, 1, 0.5, 1]), 3)
  t.is(reversalsOf([0.2, 0.4, 0.35, 0.6, 0.9]), 0)
  t.is(reversalsOf([]), 0)
})

test('retrying clients come back after a refusal, give up after three retries, and send nothing meanwhile', async (t) => {
  const scenario = scenarioOf({
    durationS: 20,
    users: 100,
    retry: { attempts: 3, backoffMs: 100 },
    traffic: [{ load: flat(0.05) }],
  })
  const { log } = await run(scenario, entrantById('always-refuses'), 1)
  const attempts = [0, 0, 0, 0]
  const open = new Map()
  for (let i = 0; i < log.length; i += 1) {
    attempts[log.attempt[i]] += 1
    if (log.attempt[i] === 0) {
      const last = open.get(log.user[i])
      if (last !== undefined && log.attempt[last] !== 3) t.fail('a second request while one was open')
    } else {
      t.is(log.root[i], log.root[open.get(log.user[i])])
    }
    open.set(log.user[i], i)
  }
  t.true(attempts[0] > 300, `${attempts}`)
  t.true(attempts[3] >= attempts[0] - 100 && attempts[3] <= attempts[0], `${attempts}`)
})

test('scenarios name only windows, marks and metrics that there are', (t) => {
  t.is(new Set(SCENARIOS.map((s) => s.name)).size, SCENARIOS.length)
  const MARKS = { firstSecond: 'step', timeTo88Ms: 'step', recoveryS: 'healed' }
  const ids = [...CONTESTANTS, ...CONTROLS].map(({ id }) => id)
  for (const scenario of SCENARIOS) {
    const { name, windows = {}, marks = {}, targets, score, durationS, shows, traffic, clients = [] } = scenario
    t.true(shows.length > 10 && targets.length > 0 && scenario.class !== undefined, name)
    const flows = [...traffic, ...clients].map((flow) => flow.name)
    for (const { flow, flows: several = [flow], of = [] } of targets) {
      for (const wantedFlow of several)
        t.true(wantedFlow === undefined || flows.includes(wantedFlow), `${name}: ${wantedFlow}`)
      for (const id of [...of, ...(scenario.among ?? [])]) t.true(ids.includes(id), `${name}: ${id}`)
    }
    // A ceiling that several references make has no other part.
    t.false(scenario.byReference === true && scenario.ceilingPerS !== undefined, name)
    for (const [from, to] of Object.values(windows)) t.true(from < to && to <= durationS, `${name}: ${from}–${to}`)
    for (const w of [...targets, { metric: 'goodput', ...score }]) {
      t.truthy(METRICS[w.metric], `${name}: ${w.metric}`)
      t.true([undefined, 'all', ...Object.keys(windows)].includes(w.window), `${name}: window ${w.window}`)
      if (MARKS[w.metric] !== undefined) t.true(MARKS[w.metric] in marks, `${name}: mark ${MARKS[w.metric]}`)
    }
  }
})

test('the negative controls fail where they must', async (t) => {
  const names = ['pool-exp-2x', 'pool-const-10x', 'retry-storm', 'even-mix', 'calm-70', 'cpu-3x']
  const tasks = names.flatMap((scenario) => CONTROLS.map(({ id }) => ({ scenario, contestant: id, seed: 1 })))
  const answers = await playAll(tasks, () => {})
  const rows = names.map((scenario) => ({
    scenario,
    overload: scenarioByName(scenario).overload === true,
    results: Object.fromEntries(
      answers.filter((a) => a.task.scenario === scenario).map((a) => [a.task.contestant, a.result]),
    ),
  }))
  t.true(rows.every((row) => CONTROLS.every(({ id }) => row.results[id].targets.length > 0)))
  t.deepEqual(controlsThatPassed(rows), [])
  // And the check can fail: a control that met everything is reported.
  rows[0].results['always-admits'].targets.forEach((w) => {
    w.met = true
  })
  t.deepEqual(controlsThatPassed(rows), [{ scenario: 'pool-exp-2x', id: 'always-admits' }])
})

test('a loss is a contestant ahead by more than a draw', (t) => {
  const result = (goodput, critical) => ({ figures: { goodput, critical } })
  const rows = [
    { scenario: 'a', results: { atrion: result(0.97, 0.99), fixed: result(0.975, 0.5) } },
    { scenario: 'b', results: { atrion: result(0.9, 0.99), fixed: result(0.95, 0.999) } },
  ]
  t.deepEqual(
    lossesOf(rows, ['atrion', 'fixed']).map(({ scenario, figure, by }) => `${scenario} ${figure} ${by}`),
    ['b goodput fixed', 'b critical fixed'],
  )
})

const arena = (...args) =>
  promisify(execFile)(process.execPath, [fileURLToPath(new URL('../../lab/arena.mjs', import.meta.url)), ...args]).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
  )

test('the command line plays what its options name', async (t) => {
  const { code, stdout } = await arena(
    '--only',
    'pool-exp-2x',
    '--contestant',
    'none',
    '--contestant',
    'fixed',
    '--json',
  )
  t.is(code, 0)
  const record = JSON.parse(stdout)
  t.deepEqual(record.ids, ['none', 'fixed'])
  const { results } = record.rows[0]
  t.true(results.none.figures.goodput < 0.2)
  t.true(results.fixed.figures.goodput > 0.95)
  t.true(results.fixed.series.good.length > 20)
})

test('the command line says what it does not know', async (t) => {
  const contestant = await arena('--contestant', 'unknown')
  t.is(contestant.code, 2)
  t.regex(contestant.stderr, /No contestant 'unknown'.*gradient2/)
  const scenario = await arena('--only', 'no-such')
  t.is(scenario.code, 2)
  t.regex(scenario.stderr, /No scenario matches 'no-such'/)
  const together = await arena('--grid', '--only', 'calm')
  t.is(together.code, 2)
  t.regex(together.stderr, /--grid and --only do not go together/)
  const guest = await arena('--with', 'lab/driver/heap.mjs', '--list')
  t.is(guest.code, 2)
  t.regex(guest.stderr, /--with: the default export of .*heap\.mjs must be contestants/)
  const seed = await arena('--seed', 'x')
  t.is(seed.code, 2)
  const help = await arena('--help')
  t.is(help.code, 0)
  for (const { id } of CONTESTANTS) t.true(help.stdout.includes(id))
})
