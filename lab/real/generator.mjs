// The clients' process: open-loop Poisson arrivals over loopback, latency counted from the intended send time. Also a
// closed loop, to learn what the plant can do, and autocannon.
import { Agent, get } from 'node:http'
import autocannon from 'autocannon'
import { serve } from '../../scripts/lib/duties.mjs'
import { steps } from '../driver/curve.mjs'
import { OUTCOME, RequestLog } from '../driver/log.mjs'
import { stream } from '../driver/random.mjs'
import { TIERS } from '../driver/tiers.mjs'
import { Traffic } from '../driver/traffic.mjs'

const CONNECTIONS = 400
/** Sockets beyond this are not opened: the attempt has failed. A bound for the machine's sake. */
const MAX_OUTSTANDING = 4000
const USERS = 10_000

const agentOf = (pooled) =>
  new Agent(pooled ? { keepAlive: true, maxSockets: CONNECTIONS, scheduling: 'fifo' } : { keepAlive: false })

/** One request; `ended(status)` is called once, with 0 when there was no answer. */
function send({ port, agent, path, headers, patienceMs }, ended) {
  let settled = false
  const settle = (status) => {
    if (settled) return
    settled = true
    clearTimeout(timer)
    ended(status)
  }
  const request = get({ host: '127.0.0.1', port, agent, path, headers }, (response) => {
    response.resume()
    response.once('end', () => settle(response.statusCode))
    response.once('error', () => settle(0))
  })
  request.once('error', () => settle(0))
  const timer = setTimeout(() => {
    request.destroy()
    settle(0)
  }, patienceMs)
}

/** Opens the pool's connections, a few at a time. */
async function warm(port, agent) {
  const one = () => new Promise((done) => send({ port, agent, path: '/warm', headers: {}, patienceMs: 5000 }, done))
  await Promise.all(Array.from({ length: CONNECTIONS }, one))
}

/** Plays `loads` (multiples of the capacity over seconds). @returns {Promise<object>} columns of a log */
async function openLoop({ ports, pooled, capacityPerS, flows, paths = {}, durationS, deadlineMs, seed }) {
  const agent = agentOf(pooled)
  if (pooled) await Promise.all(ports.map((port) => warm(port, agent)))
  const log = new RequestLog()
  const endMs = durationS * 1000
  const traffic = new Traffic({
    flows: flows.map(({ loads, mix }) => ({ load: steps(...loads), mix })),
    capacityPerS,
    users: USERS,
    endMs,
    seed: `real/${seed}`,
  })
  let outstanding = 0
  let latestMs = 0
  const startMs = performance.now()
  const now = () => performance.now() - startMs
  const launch = (sentMs, { tier, user }) => {
    const i = log.add(sentMs, tier, user, 0, -1)
    latestMs = Math.max(latestMs, now() - sentMs)
    if (outstanding >= MAX_OUTSTANDING) {
      log.outcome[i] = OUTCOME.failure
      log.endedMs[i] = now()
      return
    }
    outstanding += 1
    const headers = { 'x-tier': TIERS[tier], 'x-user': `user-${user}` }
    const port = ports[i % ports.length]
    const path = paths[TIERS[tier]] ?? '/work'
    send({ port, agent, path, headers, patienceMs: 5 * deadlineMs }, (status) => {
      outstanding -= 1
      log.endedMs[i] = now()
      log.outcome[i] = status === 200 ? OUTCOME.success : status === 503 ? OUTCOME.shed : OUTCOME.failure
      if (status === 200 && log.endedMs[i] - sentMs <= deadlineMs) log.served[i] = 1
    })
  }
  await new Promise((done) => {
    const turn = () => {
      while (traffic.nextMs <= now()) {
        const sentMs = traffic.nextMs
        launch(sentMs, traffic.take())
      }
      if (traffic.nextMs === Number.POSITIVE_INFINITY) setTimeout(done, 5 * deadlineMs + 100)
      else setTimeout(turn, 1)
    }
    turn()
  })
  agent.destroy()
  return columnsOf(log, latestMs)
}

function columnsOf(log, latestMs) {
  const { length } = log
  const column = (name) => log[name].slice(0, length)
  return {
    length,
    latestMs,
    columns: Object.fromEntries(
      ['sentMs', 'endedMs', 'tier', 'outcome', 'user', 'served'].map((name) => [name, column(name)]),
    ),
  }
}

/** Runs autocannon: so many connections, each of which sends its next request as soon as it has its answer. */
async function impatient({ ports: [port], connections, durationS, deadlineMs }) {
  const answers = []
  const startMs = performance.now()
  const clients = autocannon({ url: `http://127.0.0.1:${port}/work`, connections, duration: durationS, timeout: 30 })
  clients.on('response', (_client, status, _bytes, tookMs) => {
    const endedMs = performance.now() - startMs
    answers.push([Math.max(endedMs - tookMs, 0), endedMs, status])
  })
  await clients
  answers.sort(([a], [b]) => a - b)
  const log = new RequestLog()
  const tier = TIERS.indexOf('normal')
  for (const [sentMs, endedMs, status] of answers) {
    const i = log.add(sentMs, tier, 0, 0, -1)
    log.endedMs[i] = endedMs
    log.outcome[i] = status === 200 ? OUTCOME.success : status === 503 ? OUTCOME.shed : OUTCOME.failure
    if (status === 200 && endedMs - sentMs <= deadlineMs) log.served[i] = 1
  }
  return columnsOf(log, 0)
}

/** As many answers a second as a few impatient clients get. */
async function closedLoop({ ports, pooled, seconds }) {
  const CLIENTS = 16 * ports.length
  const agent = agentOf(pooled)
  const uniform = stream('closed-loop')
  let answers = 0
  const untilMs = performance.now() + seconds * 1000
  const client = async (port) => {
    while (performance.now() < untilMs) {
      const headers = { 'x-tier': 'normal', 'x-user': `user-${Math.floor(uniform() * USERS)}` }
      await new Promise((done) => send({ port, agent, path: '/work', headers, patienceMs: 5000 }, done))
      answers += 1
    }
  }
  const startMs = performance.now()
  await Promise.all(Array.from({ length: CLIENTS }, (_, i) => client(ports[i % ports.length])))
  agent.destroy()
  return { perS: (answers * 1000) / (performance.now() - startMs) }
}

serve({ open: openLoop, impatient, closed: closedLoop })
