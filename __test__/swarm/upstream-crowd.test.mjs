// The pace where up to eight processes share a key, and they and the provider stand still now and then: random worlds in virtual time.
import test from 'ava'
import fc from 'fast-check'
import { Pace, play } from './_virtual-provider.mjs'

const LIMITS = [60, 200, 600, 2000]
const LATENCIES_MS = [20, 100, 500, 1500, 5000]

/** Stands still for a tenth of the time, in pieces of this mean length, ms. */
const stallsOf = (forMs, whole) => (forMs === 0 ? undefined : { everyMs: 9 * forMs, forMs, whole })

const world = fc.record({
  limit: fc.constantFrom(...LIMITS),
  isTokens: fc.boolean(),
  processes: fc.integer({ min: 1, max: 8 }),
  latencyMs: fc.constantFrom(...LATENCIES_MS),
  stallMs: fc.constantFrom(0, 30, 200, 1000, 2000),
  isWhole: fc.boolean(),
  startsAtOnce: fc.boolean(),
  headShare: fc.constantFrom(1, 0.3),
  headersLagMs: fc.constantFrom(0, 200),
  seed: fc.integer({ min: 1, max: 1e6 }),
})

/** Plays a world of estimates that are so far off. */
const crowd = (one, estimate) => {
  const { limit, isTokens, processes, latencyMs, stallMs, isWhole, startsAtOnce, headShare, headersLagMs, seed } = one
  return play({
    limits: {
      requestsPerMinute: isTokens ? 10 * limit : limit,
      tokensPerMinute: isTokens ? 1000 * limit : 10_000 * limit,
    },
    processes,
    estimate,
    answerMs: (random) => latencyMs * (0.3 + 1.4 * random()),
    stalls: stallsOf(stallMs, isWhole),
    startsMs: (index) => (startsAtOnce ? 0 : 6000 * index),
    headShare,
    headersLagMs,
    callMs: 1,
    minutes: 6,
    seed,
  })
}

const propertyOf = (estimate, { mostRefused, mostRefusedLater }) =>
  fc.property(world, (one) => {
    const { used, usedLater, refused, refusedLater } = crowd(one, estimate)
    const figures = `used ${used}, ${usedLater} later, refused ${refused}, ${refusedLater} later`
    if (used < 0.97 || usedLater < 0.97) throw new Error(`too slow: ${figures}`)
    if (refused > mostRefused || refusedLater > mostRefusedLater) throw new Error(`too fast: ${figures}`)
  })

/** The same worlds each time: it is the pace that is tested, not luck. */
const RUNS = { numRuns: 20, seed: 20_261_126 }

for (const [name, estimate, bounds] of [
  ['right', 1, { mostRefused: 0.01, mostRefusedLater: 0.002 }],
  ['4 × too high', 4, { mostRefused: 0.01, mostRefusedLater: 0.002 }],
  // The calls before a process's first answers cost four times their estimates.
  ['4 × too low', 0.25, { mostRefused: 0.05, mostRefusedLater: 0.002 }],
]) {
  test(`processes that share a key and stand still now and then use the limit, and are hardly refused: estimates ${name}`, (t) => {
    fc.assert(propertyOf(estimate, bounds), RUNS)
    t.pass()
  })
}

test('eight processes that start at once on few requests are not refused', (t) => {
  for (const seed of [1, 2, 3]) {
    const { refused, usedLater } = play({ limits: { requestsPerMinute: 60 }, processes: 8, minutes: 6, seed })
    t.is(refused, 0)
    t.true(usedLater >= 0.97, `used ${usedLater}`)
  }
})

test('processes whose event loop stands still for seconds, on a limit that comes back in six, are not refused', (t) => {
  const limits = { requestsPerMinute: 600, tokensPerMinute: 600_000, minuteMs: 6000 }
  for (const seed of [1, 2, 3]) {
    const { refused, usedLater } = play({
      limits,
      processes: 4,
      answerMs: (random) => 80 + 20 * random(),
      stalls: { everyMs: 2000, forMs: 1000 },
      callMs: 4,
      minutes: 20,
      seed,
    })
    t.true(refused <= 0.001, `refused ${refused}`)
    t.true(usedLater >= 0.97, `used ${usedLater}`)
  }
})

test('in fixed windows processes find the end of each, and only few of their calls are refused', (t) => {
  for (const [requestsPerMinute, processes, mostRefused] of [
    [600, 4, 0.005],
    [60, 4, 0.01],
    [60, 8, 0.06],
  ]) {
    const { refused, usedLater } = play({ limits: { requestsPerMinute, windows: true }, processes, minutes: 8 })
    t.true(refused <= mostRefused, `refused ${refused}`)
    t.true(usedLater >= 0.97, `used ${usedLater}`)
  }
})

/** A pace that knows a limit of 600 a minute, at rest, with a call on its way. */
const settled = (remaining) => {
  const pace = new Pace({ provider: 'openai' }, 0)
  const headers = { 'x-ratelimit-limit-requests': '600', 'x-ratelimit-remaining-requests': String(remaining) }
  for (let i = 0; i < 40; i++) {
    const call = pace.send({}, 100 * i)
    call.answered(200, headers, 100 * i + 50)
    call.end(100 * i + 50)
  }
  return { pace, nowMs: 4000 }
}

/** Calls that go at once. */
const burstOf = (pace, nowMs) => {
  let calls = 0
  while (calls < 600 && pace.waitMs({}, nowMs) === 0) {
    pace.send({}, nowMs)
    calls++
  }
  return calls
}

test('a late timer is no burst, however late it is', (t) => {
  for (const lateMs of [1000, 10_000, 60_000]) {
    const { pace, nowMs } = settled(100)
    burstOf(pace, nowMs)
    const calls = burstOf(pace, nowMs + lateMs)
    // 2 % of what comes back in a minute, and an eighth of what is above the reserve.
    t.true(calls <= 12 + 600 / 8, `${calls} after ${lateMs} ms`)
    t.true(lateMs > 1000 || calls <= 12, `${calls} after ${lateMs} ms`)
  }
})

test('without an answer a process keeps its rate, and sends an eighth of what remained besides', (t) => {
  const { pace, nowMs } = settled(300)
  let calls = 0
  for (let ms = 0; ms < 60_000; ms += 10) calls += burstOf(pace, nowMs + ms)
  // It sent ten a second before.
  t.true(calls <= 600 + 300 / 8 + 1, `${calls} in a minute`)
  t.true(calls >= 300, `${calls} in a minute`)
})
