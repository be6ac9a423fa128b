/**
 * The calls that threads with one engine make together, beside threads with engines of their own, in one run: `npm run bench:threads -- --help`.
 *
 * The best of the rounds counts: where other work takes the cores, threads come one after the other, and do not meet. The control says what there was
 * to reach: as many threads, each with its own engine.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { Atrion } from 'atrion'
import { cliOf } from '../scripts/lib/cli.mjs'

const USAGE = `Usage: npm run bench:threads -- [options]

Has threads decide at the same time, with the engine of the process and with engines of their own, each on another route and all on one, and prints
the calls that all of them make in a second, as a multiple of those that one thread makes.

  --threads <n>     threads (default 2)
  --repeats <n>     rounds, of which the best counts (default 100)
  --calls <n>       calls of a thread in a round (default 20,000)
  --json            one line of JSON instead of the table
  --help            this text`

const KINDS = { route: 'route()', permit: 'acquire and release' }
/** The engine that the threads have, and the routes that they decide on. */
const WAYS = {
  own: { scope: 'instance', isOneRoute: false, title: 'engines of their own (control)' },
  routes: { scope: 'process', isOneRoute: false, title: 'one engine, a route each' },
  route: { scope: 'process', isOneRoute: true, title: 'one engine, one route' },
}
const TELEMETRY = { latencyMs: 50, errorRate: 0, saturation: 0.3 }

/** In a thread: makes calls when all are there; when they began and ended, ms. */
const work = () => {
  const engines = { process: new Atrion({ scope: 'process' }), instance: new Atrion({ engine: 'native' }) }
  const calls = {
    route: (atrion, routeId) => atrion.route(routeId, TELEMETRY),
    permit: (atrion, routeId) => atrion.acquire(routeId, { tier: 'critical' }).release(),
  }
  parentPort.on('message', ({ kind, scope, routeId, times, arrived, threads }) => {
    const [atrion, call] = [engines[scope], calls[kind]]
    Atomics.add(arrived, 0, 1)
    while (Atomics.load(arrived, 0) < threads);
    const start = performance.timeOrigin + performance.now()
    for (let i = 0; i < times; i++) call(atrion, routeId)
    parentPort.postMessage({ start, end: performance.timeOrigin + performance.now() })
  })
}

const main = async () => {
  const { values, count } = cliOf(USAGE, {
    options: {
      threads: { type: 'string', default: '2' },
      repeats: { type: 'string', default: '100' },
      calls: { type: 'string', default: '20000' },
      json: { type: 'boolean', default: false },
    },
  })
  const [threads, repeats, times] = [count('threads', 2), count('repeats', 1), count('calls', 1)]
  const workers = Array.from({ length: threads }, (_, i) => new Worker(new URL(import.meta.url), { workerData: { i } }))

  /** The calls a ms of all these threads together. */
  const rateOf = async (some, kind, { scope, isOneRoute }) => {
    const arrived = new Int32Array(new SharedArrayBuffer(4))
    const spans = await Promise.all(
      some.map((worker, i) => {
        const answer = new Promise((resolve) => worker.once('message', resolve))
        const routeId = isOneRoute ? 'route' : `route ${i}`
        worker.postMessage({ kind, scope, routeId, times, arrived, threads: some.length })
        return answer
      }),
    )
    const ms = Math.max(...spans.map(({ end }) => end)) - Math.min(...spans.map(({ start }) => start))
    return (some.length * times) / ms
  }

  const rows = []
  for (const kind of Object.keys(KINDS)) {
    const rounds = []
    for (let round = -3; round < repeats; round++) {
      const one = await rateOf(workers.slice(0, 1), kind, WAYS.routes)
      const rates = {}
      for (const way of Object.keys(WAYS)) rates[way] = await rateOf(workers, kind, WAYS[way])
      // The first rounds warm up.
      if (round >= 0) rounds.push({ one, ...rates })
    }
    const best = (way) => Math.max(...rounds.map((round) => round[way]))
    for (const way of Object.keys(WAYS)) {
      const times = best(way) / best('one')
      const ofControl = best(way) / best('own')
      rows.push({ kind, way, times, ofControl })
    }
  }
  await Promise.all(workers.map((worker) => worker.terminate()))

  if (values.json) return console.log(JSON.stringify({ threads, repeats, rows }))
  console.log(`${threads} threads, best of ${repeats} rounds; × one thread on the engine of the process\n`)
  for (const { kind, way, times, ofControl } of rows) {
    const share = way === 'own' ? '' : `   ${ofControl.toFixed(2)} × the control`
    console.log(`${KINDS[kind].padEnd(20)} ${WAYS[way].title.padEnd(32)} ${times.toFixed(2)} ×${share}`)
  }
}

if (isMainThread || workerData?.i === undefined) await main()
else work()
