/** A node whose decisions are timed one by one, or one that only keeps the others' network threads at work. */
import { Atrion, RedisStateProvider } from 'atrion'
import { serve } from '../../scripts/lib/duties.mjs'
import { quantileOf } from '../lib/statistics.mjs'
import { BAD, CALM, sleep } from './telemetry.mjs'

/** Few enough that what the first call of a burst finds cold is less than one in a hundred. */
const ROUTES = 64
/** A turn is so many bursts, with a pause after each in which rounds happen. */
const BURSTS = 4
const BURST_CALLS = 10_000
const PAUSE_MS = 15
const WARM_UP_TURNS = 10

const names = Array.from({ length: ROUTES }, (_, i) => `GET /route/${i}`)
let atrion
let provider

const CALLS = {
  route: (i) => {
    atrion.route(names[i % ROUTES], CALM)
  },
  permit: (i) => {
    atrion.acquire(names[i % ROUTES]).release()
  },
}

/** Times calls one by one, each with one reading of the clock. */
function burst(call, readings, from) {
  for (let i = from; i < from + BURST_CALLS; i++) {
    const startedAt = performance.now()
    call(i)
    readings[i] = (performance.now() - startedAt) * 1e6
  }
}

async function timed(name) {
  const readings = new Float64Array(BURSTS * BURST_CALLS)
  for (let i = 0; i < BURSTS; i++) {
    burst(CALLS[name], readings, i * BURST_CALLS)
    await sleep(PAUSE_MS)
  }
  readings.sort()
  return { median: quantileOf(readings, 0.5), p99: quantileOf(readings, 0.99) }
}

async function join({ url }) {
  provider = url && new RedisStateProvider(url)
  atrion = new Atrion({ engine: 'native', ...(provider && { provider }) })
  await atrion.connect()
  const readings = new Float64Array(BURSTS * BURST_CALLS)
  for (let i = 0; i < WARM_UP_TURNS; i++) {
    for (const call of Object.values(CALLS)) burst(call, readings, 0)
    await sleep(5)
  }
}

const link = () => provider?.stats().state

async function turn({ calls }) {
  const result = {}
  for (const call of calls) result[call] = await timed(call)
  return result
}

/** Scars so many routes of its own every round, and reports the routes that are timed, until the process ends. */
async function chat({ url, routes }) {
  const chatty = new Atrion({ engine: 'native', provider: new RedisStateProvider(url) })
  await chatty.connect()
  const own = Array.from({ length: routes }, (_, i) => `chatter ${i}`)
  setInterval(() => {
    for (const name of names) chatty.route(name, CALM)
    for (const name of own) chatty.route(name, BAD)
  }, 100)
}

serve({ join, link, turn, chat })
