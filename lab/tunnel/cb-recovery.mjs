// A breaker that heals by physics against one that waits for a timeout, then against a backend that is really dead.
import { createRequire } from 'node:module'
import CircuitBreaker from 'opossum'
import { steps } from '../driver/curve.mjs'
import { Stage } from './stage.mjs'

const { Atrion } = createRequire(import.meta.url)('atrion')

const ROUTE = 'backend'
const NORMAL = { count: 20, everyMs: 50 }
const SPIKE = { count: 30, everyMs: 50 }
const RECOVERY = { count: 600, everyMs: 100 }
/** The spike is twenty requests over by then: 5 % better with each of them. */
const HEALED_AFTER = 20

/** The telemetry of request i (from 0): latency and the share of errors. */
function backendAt(i) {
  const progress = i < NORMAL.count ? 1 : Math.max(0, (i - NORMAL.count - SPIKE.count + 1) / HEALED_AFTER)
  const well = Math.min(1, progress)
  return { latencyMs: 500 * (1 - well) + 20 * well, errorRate: 0.5 * (1 - well) + 0.02 * well, well }
}

const atMsOf = (i) => {
  const normal = Math.min(i, NORMAL.count) * NORMAL.everyMs
  const spike = Math.min(Math.max(0, i - NORMAL.count), SPIKE.count) * SPIKE.everyMs
  return normal + spike + Math.max(0, i - NORMAL.count - SPIKE.count) * RECOVERY.everyMs
}

const TOTAL = NORMAL.count + SPIKE.count + RECOVERY.count

/** Request after request: `act(i, latencyMs, failed)`. */
function requests(stage, act) {
  const errors = stage.chance('errors')
  const jitter = stage.chance('jitter')
  for (let i = 0; i < TOTAL; i += 1) {
    const { latencyMs, errorRate } = backendAt(i)
    const tookMs = Math.max(5, latencyMs + jitter() * 20 - 10)
    const failed = errors() < errorRate
    stage.at(atMsOf(i), () => act(i, tookMs, failed))
  }
}

/** The requests at which a breaker opened first and closed for good, counted from 1. */
function tally() {
  const figures = {
    openedAt: Number.POSITIVE_INFINITY,
    closedAt: Number.POSITIVE_INFINITY,
    transitions: 0,
    exitOhms: Number.NaN,
  }
  let open = false
  return {
    figures,
    is(nowOpen, i, ohms) {
      if (nowOpen === open) return
      open = nowOpen
      figures.transitions += 1
      if (open) figures.openedAt = Math.min(figures.openedAt, i + 1)
      figures.closedAt = open ? Number.POSITIVE_INFINITY : i + 1
      if (!open) figures.exitOhms = ohms
    },
  }
}

/** The static break point of 100 Ω and the recovery point of 50 Ω, given every request. */
async function openLoop(seed) {
  const stage = new Stage(`cb-recovery/${seed}`)
  const guard = new Atrion({ clock: stage, autoTuner: false })
  const { is, figures } = tally()
  requests(stage, (i, latencyMs, failed) => {
    const saturation = backendAt(i).well < 0.5 ? 0.9 : 0.3
    const { mode, resistance } = guard.route(ROUTE, { latencyMs, errorRate: failed ? 1 : 0, saturation })
    is(mode === 'CIRCUIT_BREAKER', i, resistance)
  })
  await stage.play(atMsOf(TOTAL))
  return figures
}

async function classic(seed) {
  const stage = new Stage(`cb-recovery/${seed}`)
  const { is, figures } = tally()
  let breaker
  requests(stage, (i, latencyMs, failed) => {
    breaker.fire(latencyMs, failed).catch(() => {})
    is(breaker.opened || breaker.halfOpen, i, Number.NaN)
  })
  await stage.play(atMsOf(TOTAL), true, () => {
    const work = (latencyMs, failed) =>
      new Promise((resolve, reject) => setTimeout(failed ? () => reject(new Error('500')) : resolve, latencyMs))
    const options = { timeout: 3000, errorThresholdPercentage: 50, resetTimeout: 30_000, volumeThreshold: 10 }
    breaker = new CircuitBreaker(work, { ...options, rollingCountTimeout: 1000, rollingPercentilesEnabled: false })
  })
  breaker.shutdown()
  return figures
}

const DEAD_FROM_S = 5
const HEALED_S = 15

/** A backend that refuses every call for ten seconds, seen only through what comes back. */
async function closedLoop(seed) {
  const stage = new Stage(`cb-recovery/${seed}`)
  const guard = new Atrion({ clock: stage, slo: { maxAcceptableLatencyMs: 200 } })
  const dead = () => stage.now() >= DEAD_FROM_S * 1000 && stage.now() < HEALED_S * 1000
  const uniform = stage.chance('service')
  let calls = 0
  let shed = 0
  let lastRefusalMs = HEALED_S * 1000
  stage.arrivals('calls', steps([0, 500]), 30_000, () => {
    const permit = guard.acquire(ROUTE)
    if (stage.now() >= (DEAD_FROM_S + 1) * 1000 && dead()) {
      calls += 1
      if (!permit.allow) shed += 1
    }
    if (!permit.allow && stage.now() > HEALED_S * 1000) lastRefusalMs = stage.now()
    if (!permit.allow) return
    const isDead = dead()
    stage.after(isDead ? 1 : 5 + uniform() * 10, () => permit.release(isDead ? 'failure' : 'success'))
  })
  await stage.play(31_000)
  return { shedWhileDead: shed / calls, probesPerS: (calls - shed) / 9, healedAfterS: lastRefusalMs / 1000 - HEALED_S }
}

export default {
  name: 'cb-recovery',
  shows: 'the breaker closes by itself once resistance is below 50 Ω, long before a timeout would allow a try',
  setUp:
    'per request: 20 of 20 ms; 30 of 500 ms, half of them errors; then 5 % better each. Closed loop: a backend dead for 10 s at 500 calls/s',
  async play({ seed }) {
    return {
      opossum: await classic(seed),
      openLoop: await openLoop(seed),
      closedLoop: await closedLoop(seed),
    }
  },
  claims: [
    { says: 'the breaker opens', figure: 'openLoop.openedAt', is: '<=', value: 80 },
    { says: 'it leaves by itself', figure: 'openLoop.closedAt', is: '<=', value: 600, headline: true },
    { says: 'with R below 50 Ω', figure: 'openLoop.exitOhms', is: '<', value: 50, headline: true },
    { says: 'and not twice', figure: 'openLoop.transitions', is: '=', value: 2 },
    { says: 'before opossum', figure: 'openLoop.closedAt', is: '<', than: 'opossum.closedAt' },
    { says: 'a dead backend is spared', figure: 'closedLoop.shedWhileDead', is: '>=', value: 0.95 },
    { says: 'but probed', figure: 'closedLoop.probesPerS', is: '>=', value: 1 },
    { says: 'and used again at once', figure: 'closedLoop.healedAfterS', is: '<=', value: 3 },
  ],
}
