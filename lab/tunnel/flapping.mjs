// A service at the edge: every other 100 ms 60 % of its answers are errors, in between 40 %.
import { createRequire } from 'node:module'
import CircuitBreaker from 'opossum'
import { Stage } from './stage.mjs'

const { Atrion } = createRequire(import.meta.url)('atrion')

const TICK_MS = 100
const REQUESTS_PER_TICK = 10
const FLAPPING_TICKS = 100
const HEALTHY_TICKS = 500
const ROUTE = 'orders'

/** The physics that the 1-against-49 comparison has always been made with. */
const CONFIG = { criticalPressure: 0.5, breakMultiplier: 5, bootstrapTicks: 5 }
const SLO = {
  baselineLatencyMs: 50,
  maxAcceptableLatencyMs: 200,
  criticality: { latency: 5, error: 10, saturation: 5 },
}
const OPOSSUM = { timeout: false, errorThresholdPercentage: 50, resetTimeout: 300, rollingCountTimeout: 100 }

const errorShare = (tick) => (tick >= FLAPPING_TICKS ? 0 : tick % 2 === 0 ? 0.4 : 0.6)

/** Draws the requests of a tick that fail: as many as its share says, in random order. */
function answersOf(tick, uniform) {
  const answers = Array.from({ length: REQUESTS_PER_TICK }, (_, k) => k >= errorShare(tick) * REQUESTS_PER_TICK)
  for (let i = answers.length - 1; i > 0; i -= 1) {
    const j = Math.floor(uniform() * (i + 1))
    ;[answers[i], answers[j]] = [answers[j], answers[i]]
  }
  return answers
}

/** Every request of the scenario: `act(tick, answer is good)`. */
function requests(stage, act) {
  const uniform = stage.chance('answers')
  stage.every(TICK_MS, (FLAPPING_TICKS + HEALTHY_TICKS) * TICK_MS, (tick) => {
    answersOf(tick, uniform).forEach((good, k) => {
      stage.after((k * TICK_MS) / REQUESTS_PER_TICK, () => act(tick, good))
    })
  })
}

/** Counts what a guard does: changes of mind while flapping, good answers let through, time to let all pass again. */
function tally() {
  let good = 0
  let served = 0
  let lastRefusalTick = -1
  let transitions = 0
  return {
    changed: (tick) => {
      if (tick < FLAPPING_TICKS) transitions += 1
    },
    seen(tick, isGood, admitted) {
      if (!admitted) lastRefusalTick = tick
      if (tick >= FLAPPING_TICKS || !isGood) return
      good += 1
      if (admitted) served += 1
    },
    figures: () => ({
      transitions,
      servedOfGood: served / good,
      healedAfterS: Math.max(0, ((lastRefusalTick + 1 - FLAPPING_TICKS) * TICK_MS) / 1000),
    }),
  }
}

async function play(seed, withTimers, create) {
  const stage = new Stage(`flapping/${seed}`)
  const counts = tally()
  let guard
  requests(stage, (tick, good) => guard.request(tick, good))
  await stage.play((FLAPPING_TICKS + HEALTHY_TICKS) * TICK_MS, withTimers, () => {
    guard = create(stage, counts)
  })
  guard.close?.()
  return counts.figures()
}

/** The breaker of the textbooks: open when more than half of a tick's answers were errors, closed again 300 ms later. */
function textbook(_stage, counts) {
  const COOL_DOWN_TICKS = 3
  let coolDown = 0
  let decidedTick = -1
  return {
    request(tick, good) {
      if (tick !== decidedTick) {
        decidedTick = tick
        if (coolDown > 0) {
          coolDown -= 1
          if (coolDown === 0) counts.changed(tick)
        } else if (errorShare(tick) > 0.5) {
          coolDown = COOL_DOWN_TICKS
          counts.changed(tick)
        }
      }
      counts.seen(tick, good, coolDown === 0)
    },
  }
}

/** opossum with the same threshold, the same cool-down and the same window of one tick. */
function opossum(stage, counts) {
  const breaker = new CircuitBreaker((good) => (good ? Promise.resolve() : Promise.reject(new Error('500'))), {
    ...OPOSSUM,
    rollingCountBuckets: 1,
    rollingPercentilesEnabled: false,
  })
  const tickNow = () => Math.floor(stage.now() / TICK_MS)
  breaker.on('open', () => counts.changed(tickNow()))
  breaker.on('close', () => counts.changed(tickNow()))
  return {
    request(tick, good) {
      const admitted = !breaker.opened || breaker.pendingClose
      breaker.fire(good).catch(() => {})
      counts.seen(tick, good, admitted)
    },
    close: () => breaker.shutdown(),
  }
}

/** Atrion given by its caller what the service measured, once a tick. */
function openLoop(stage, counts) {
  const guard = new Atrion({ clock: stage, autoTuner: false, config: CONFIG, slo: SLO })
  let decidedTick = -1
  let decision
  let open = false
  return {
    request(tick, good) {
      if (tick !== decidedTick) {
        decidedTick = tick
        decision = guard.route(ROUTE, { latencyMs: 50, errorRate: errorShare(tick) })
        if ((decision.mode === 'CIRCUIT_BREAKER') !== open) {
          open = !open
          counts.changed(tick)
        }
      }
      counts.seen(tick, good, decision.allow)
    },
  }
}

/** Atrion measuring for itself, set up with nothing but the deadline. */
function closedLoop(stage, counts) {
  const guard = new Atrion({ clock: stage, slo: { maxAcceptableLatencyMs: 200 } })
  let open = false
  return {
    request(tick, good) {
      const permit = guard.acquire(ROUTE)
      if ((permit.mode === 'CIRCUIT_BREAKER') !== open) {
        open = !open
        counts.changed(tick)
      }
      counts.seen(tick, good, permit.allow)
      if (permit.allow) stage.after(5, () => permit.release(good ? 'success' : 'failure'))
    },
  }
}

export default {
  name: 'flapping',
  aliases: ['chaos'],
  shows:
    'a service that fails half of the time: breakers open and close again and again, Atrion decides once, and the closed loop loses no good answer',
  setUp: 'ten requests every 100 ms; 40 % and 60 % of them fail by turns for 10 s, then none for 50 s',
  /** @returns {Promise<Record<string, Record<string, number>>>} */
  async play({ seed }) {
    return {
      textbook: await play(seed, false, textbook),
      opossum: await play(seed, true, opossum),
      openLoop: await play(seed, false, openLoop),
      closedLoop: await play(seed, false, closedLoop),
    }
  },
  claims: [
    { says: 'the textbook breaker flaps', figure: 'textbook.transitions', is: '=', value: 49 },
    { says: 'the open loop decides once', figure: 'openLoop.transitions', is: '<=', value: 1, headline: true },
    { says: 'and closes by itself', figure: 'openLoop.healedAfterS', is: '<=', value: 40 },
    { says: 'the closed loop never flaps', figure: 'closedLoop.transitions', is: '<=', value: 1, headline: true },
    { says: 'nor does it lose good answers', figure: 'closedLoop.servedOfGood', is: '>=', value: 0.98 },
    { says: 'as every breaker does', figure: 'closedLoop.servedOfGood', is: '>', than: 'opossum.servedOfGood' },
    { says: 'and nothing is held against it', figure: 'closedLoop.healedAfterS', is: '<=', value: 2 },
  ],
}
