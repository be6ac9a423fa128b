/**
 * Sharing over PostgreSQL: the time of the statement that writes 10,000 routes that all have changed, on one connection; of the statement that looks for news;
 * how long a change takes to the other node; and decisions while the server is well, and while it is paused.
 */

import { readFileSync } from 'node:fs'
import { Atrion, PostgresStateProvider } from 'atrion'
import pg from 'pg'
import { PostgresServer } from '../../__test__/_postgres/server.mjs'
import { BAD, CALM, machineMs, sleep, until } from './telemetry.mjs'

const ROUTES = 10_000
const ROUNDS = 40
const TRIALS = 40
const INTERVAL_MS = 100
const DECISIONS = 400_000

export const id = 'postgres'
export const title = `PostgreSQL: ${ROUTES.toLocaleString('en')} changed routes an interval`
export const estimate = () => '40 s'

const quantile = (values, q) =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))]

/** A pool that survives the end of its server. */
const poolOf = (server) => new pg.Pool(server.connection).on('error', () => {})

/** A client that times its statements by their kind. */
function timed(client) {
  const times = { write: [], look: [], bytes: 0 }
  const query = async (text, values) => {
    const startedMs = performance.now()
    const result = await client.query(text, values)
    const kind = values && text.includes('insert into') ? 'write' : text.includes("'now' as kind") ? 'look' : undefined
    times[kind]?.push(performance.now() - startedMs)
    if (kind === 'write') times.bytes += values.reduce((sum, value) => sum + value.length, 0)
    return result
  }
  return { query, times }
}

/** The time on processors that a process has had, ms: Linux counts in hundredths of a second. */
const cpuMs = (pid) => {
  const [user, system] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13)
  return (Number(user) + Number(system)) * 10
}

async function writing(server, options) {
  const client = new pg.Client(server.connection)
  client.on('error', () => {})
  await client.connect()
  const { query, times } = timed(client)
  const provider = new PostgresStateProvider({ query }, options)
  await provider.connect()
  const { rows } = await client.query('select pg_backend_pid() as pid')
  const cpuBeforeMs = cpuMs(rows[0].pid)
  let tick = 0
  for (let round = 0; round < ROUNDS; round++) {
    tick += 1
    const changes = Array.from({ length: ROUTES }, (_, n) =>
      provider.updateVector(`GET /api/items/${n}`, {
        scar: Math.random() * 100,
        momentumScalar: Math.random() / 100,
        lastTick: tick,
        resistance: 10 + Math.random() * 100,
      }),
    )
    await Promise.all(changes)
  }
  const serverMs = (cpuMs(rows[0].pid) - cpuBeforeMs) / ROUNDS
  await provider.disconnect()
  await client.end()
  return {
    serverMs,
    medianMs: quantile(times.write, 0.5),
    nineOfTenMs: quantile(times.write, 0.9),
    bytes: times.bytes / times.write.length,
  }
}

async function spreading(server) {
  const pools = [1, 2].map(() => poolOf(server))
  const clients = pools.map(timed)
  const [here, there] = clients.map(
    ({ query }) =>
      new Atrion({ provider: new PostgresStateProvider({ query }, { intervalMs: INTERVAL_MS, table: 'spread' }) }),
  )
  await Promise.all([here.connect(), there.connect()])
  const delays = []
  for (let trial = 0; trial < TRIALS; trial++) {
    const route = `route ${trial}`
    for (let n = 0; n < 30; n++) there.route(route, CALM)
    const before = there.getState(route).resistance
    await sleep(Math.random() * INTERVAL_MS)
    for (let n = 0; n < 30; n++) here.route(route, BAD)
    const startedMs = machineMs()
    await until(() => there.getState(route).resistance > before + 1, 'a report of the other node')
    delays.push(machineMs() - startedMs)
  }
  await Promise.all([here.disconnect(), there.disconnect()])
  await Promise.all(pools.map((pool) => pool.end()))
  return {
    delayMs: quantile(delays, 0.5),
    delayP95Ms: quantile(delays, 0.95),
    lookMs: quantile(clients[1].times.look, 0.5),
  }
}

/** ns a decision, p99 of the means of a hundred each, over turns of the event loop. */
async function decide(atrion) {
  const times = []
  for (let done = 0; done < DECISIONS; ) {
    for (let batch = 0; batch < 20; batch++) {
      const startedMs = performance.now()
      for (let n = 0; n < 100; n++) atrion.route(`route ${n}`, CALM)
      times.push(((performance.now() - startedMs) / 100) * 1e6)
      done += 100
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  return quantile(times, 0.99)
}

async function pausing(server) {
  const pool = poolOf(server)
  const provider = new PostgresStateProvider(pool, { intervalMs: INTERVAL_MS, timeoutMs: 1000, table: 'paused' })
  const warnings = []
  const none = () => {}
  const logger = { debug: none, info: none, error: none, warn: (message) => warnings.push(message) }
  const atrion = new Atrion({ provider, logger })
  await atrion.connect()
  await decide(atrion)
  // By turns, since a machine gets slower and faster.
  const [well, paused] = [[], []]
  for (let round = 0; round < 3; round++) {
    well.push(await decide(atrion))
    server.pause()
    await until(async () => provider.stats().failures > round, 'a statement that was given up')
    paused.push(await decide(atrion))
    server.resume()
    const { sentBatches } = provider.stats()
    await until(() => {
      atrion.route('route 0', CALM)
      return provider.stats().sentBatches > sentBatches
    }, 'a batch that was written')
  }
  await atrion.disconnect()
  await pool.end()
  return { ratio: quantile(paused, 0.5) / quantile(well, 0.5), wellNs: quantile(well, 0.5), warnings: warnings.length }
}

/** @returns ms of statements, ms to the other node, and a ratio of decisions' p99 */
export async function measure() {
  const server = await PostgresServer.start()
  try {
    return {
      logged: await writing(server, { table: 'logged' }),
      unlogged: await writing(server, { table: 'unlogged', unlogged: true }),
      signed: await writing(server, { table: 'signed', secret: 'a secret of the benchmark' }),
      spread: await spreading(server),
      paused: await pausing(server),
    }
  } finally {
    await server.stop()
  }
}

export const targets = ({ logged, unlogged, signed, spread, paused }) => [
  { row: `statement of ${ROUTES} routes, median`, unit: 'ms', measured: logged.medianMs, limit: 20 },
  { row: '… 9 of 10', unit: 'ms', measured: logged.nineOfTenMs, limit: 20 },
  { row: '… on the processor of the server', unit: 'ms', measured: logged.serverMs },
  { row: '… unlogged', unit: 'ms', measured: unlogged.medianMs, limit: 20 },
  { row: '… with a secret', unit: 'ms', measured: signed.medianMs },
  { row: '… its parameters', unit: 'MB', measured: logged.bytes / 1e6 },
  { row: 'statement that looks for news, median', unit: 'ms', measured: spread.lookMs },
  {
    row: 'a hurt route to the other node, p95',
    unit: 'intervals',
    measured: spread.delayP95Ms / INTERVAL_MS,
    limit: 3,
  },
  { row: 'decisions p99, server paused', unit: '× well', measured: paused.ratio, limit: 1.1 },
  { row: 'warnings of three outages', unit: '', measured: paused.warnings, limit: 3 },
]
