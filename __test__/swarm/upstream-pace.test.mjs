// The pace in virtual time against true limits: how much of them is used, and how many calls are refused.
import test from 'ava'
import fc from '../_random.mjs'
import { LONG, Pace, play } from './_virtual-provider.mjs'

const SMALL = { requestsPerMinute: 60, tokensPerMinute: 90_000 }
const LARGE = { requestsPerMinute: 6000, tokensPerMinute: 9_000_000 }

/** Worlds in which at least 97 % of the limit is used and at most 0.5 % of the calls are refused, from the first call on. */
const WORLDS = {
  'few requests': { limits: SMALL },
  'few requests, long answers': { limits: SMALL, answerMs: LONG, minutes: 15 },
  'many requests': { limits: LARGE, minutes: 5 },
  'many requests, long answers': { limits: LARGE, answerMs: LONG, minutes: 6 },
  'tokens bind': { limits: { requestsPerMinute: 600, tokensPerMinute: 90_000 } },
  'tokens bind, estimates 4 × too high': { limits: { requestsPerMinute: 600, tokensPerMinute: 90_000 }, estimate: 4 },
  'tokens bind, estimates 4 × too high, long answers': {
    limits: { requestsPerMinute: 600, tokensPerMinute: 900_000 },
    estimate: 4,
    answerMs: LONG,
    minutes: 15,
  },
  'tokens bind, estimates 4 × too low': {
    limits: { requestsPerMinute: 6000, tokensPerMinute: 900_000 },
    estimate: 0.25,
  },
  'calls of all sizes': {
    limits: { requestsPerMinute: 600, tokensPerMinute: 90_000 },
    cost: (random) => ({ inputTokens: 100 + 2000 * random(), outputTokens: 50 + 3000 * random() }),
  },
  'four processes': { limits: LARGE, processes: 4, minutes: 5 },
  'four processes, long answers': { limits: LARGE, processes: 4, answerMs: LONG, minutes: 6 },
  'four processes with a quarter each': {
    limits: LARGE,
    processes: 4,
    configured: { requestsPerMinute: 1500 },
    minutes: 5,
  },
  'another process that comes and goes': {
    limits: { requestsPerMinute: 1000 },
    processes: 2,
    rests: (minute) => minute % 4 > 1,
    minutes: 16,
  },
  'requests are looked at over ten seconds, too': { limits: { requestsPerMinute: 600, burstMs: 10_000 }, minutes: 15 },
  'a fixed window': { limits: { requestsPerMinute: 600, windows: true } },
  'a fixed window, few requests': { limits: { requestsPerMinute: 60, windows: true } },
  Azure: { provider: 'azure-openai', limits: SMALL },
  Anthropic: { provider: 'anthropic', limits: { requestsPerMinute: 50 } },
  'Anthropic, many requests': { provider: 'anthropic', limits: { requestsPerMinute: 1000 } },
  'no headers, but configured': { provider: 'generic', limits: SMALL, configured: { requestsPerMinute: 60 } },
  'no headers, three a minute': {
    provider: 'generic',
    limits: { requestsPerMinute: 3 },
    configured: { requestsPerMinute: 3 },
  },
}

for (const [name, world] of Object.entries(WORLDS)) {
  test(`at least 97 % of the limit used, at most 0.5 % refused: ${name}`, (t) => {
    for (const seed of [1, 2]) {
      const { used, usedLater, refused } = play({ ...world, seed })
      t.true(used >= 0.97, `used ${used}`)
      t.true(usedLater >= 0.97, `used ${usedLater} from the third minute on`)
      t.true(refused <= 0.005, `refused ${refused}`)
    }
  })
}

/** Jain's index: 1 where all are equal. */
const jain = (shares) => shares.reduce((a, b) => a + b) ** 2 / (shares.length * shares.reduce((a, b) => a + b * b, 0))

const MEDIUM = { requestsPerMinute: 600, tokensPerMinute: 600_000 }
const TOKENS = { requestsPerMinute: 6000, tokensPerMinute: 900_000 }
/** Four processes that do not start at once; `hungry`: so many of them, the first, always have a call to make, default all. */
const STAGGERED = {
  'many requests': { limits: LARGE },
  '600 requests a minute': { limits: MEDIUM, minutes: 9 },
  'long answers': { limits: MEDIUM, answerMs: LONG, minutes: 9 },
  'tokens bind': { limits: TOKENS },
  'tokens bind, estimates 4 × too high': { limits: TOKENS, estimate: 4 },
  // The calls before a process's first answers cost four times their estimates.
  'tokens bind, estimates 4 × too low': { limits: TOKENS, estimate: 0.25, mostRefused: 0.015 },
  'minutes of six seconds': {
    limits: { ...MEDIUM, minuteMs: 6000 },
    startsMs: (index) => 700 * index,
    answerMs: (random) => 100 + 20 * random(),
    minutes: 15,
  },
  'one wants less than its share': {
    limits: MEDIUM,
    minutes: 9,
    everyMs: (index) => (index === 3 ? 1000 : 0),
    hungry: 3,
  },
  'two want less than their shares': {
    limits: LARGE,
    everyMs: (index) => [0, 0, 100, 500][index],
    hungry: 2,
  },
}

for (const [name, { hungry = 4, mostRefused = 0.005, ...world }] of Object.entries(STAGGERED)) {
  test(`processes that start up to 20 s apart come to equal shares: ${name}`, (t) => {
    for (const seed of [1, 2]) {
      const options = { processes: 4, minutes: 6, startsMs: (index) => 6700 * index, ...world, seed }
      const { used, usedLater, refused, refusedLater, calls } = play(options)
      t.true(jain(calls.slice(0, hungry)) >= 0.98, `${calls}`)
      t.true(used >= 0.97, `used ${used}`)
      t.true(usedLater >= 0.97, `used ${usedLater} from the third minute on`)
      t.true(refused <= mostRefused, `refused ${refused}`)
      t.true(refusedLater <= 0.001, `refused ${refusedLater} from the third minute on`)
    }
  })
}

test('few requests, processes that start up to 20 s apart: equal shares, and later no refusals', (t) => {
  for (const seed of [1, 2]) {
    const { usedLater, refused, refusedLater, calls } = play({
      limits: SMALL,
      processes: 4,
      minutes: 12,
      startsMs: (index) => 6700 * index,
      seed,
    })
    t.true(jain(calls) >= 0.98, `${calls}`)
    t.true(usedLater >= 0.97, `used ${usedLater}`)
    t.true(refused <= 0.03, `refused ${refused}`)
    t.true(refusedLater <= 0.002, `refused ${refusedLater}`)
  }
})

test('Anthropic: input and output tokens are limits of their own', (t) => {
  const limits = { requestsPerMinute: 1000, inputTokensPerMinute: 40_000, outputTokensPerMinute: 8000 }
  const { refused, paces, nowMs } = play({
    provider: 'anthropic',
    limits,
    cost: () => ({ inputTokens: 500, outputTokens: 200 }),
  })
  // Headers state tokens in whole thousands: of these limits that is an eighth.
  t.true(refused <= 0.01, `refused ${refused}`)
  const { outputTokens } = paces[0].stats(nowMs).models['']
  t.is(outputTokens.limit, 8000)
  t.true(Math.abs(outputTokens.perMinute / 8000 - 1) < 0.1, `${outputTokens.perMinute} a minute`)
})

test('a provider that looks at single seconds: after the first minute it refuses next to nothing', (t) => {
  const { usedLater, refused, refusedLater } = play({ limits: { requestsPerMinute: 600, burstMs: 1000 }, minutes: 15 })
  t.true(usedLater >= 0.97, `used ${usedLater}`)
  t.true(refused <= 0.01, `refused ${refused}`)
  t.true(refusedLater <= 0.002, `refused ${refusedLater} from the third minute on`)
})

test('four processes that start at once on few requests find one another within a minute', (t) => {
  const { usedLater, refused, refusedLater } = play({ limits: SMALL, processes: 4 })
  t.true(usedLater >= 0.97, `used ${usedLater}`)
  t.true(refused <= 0.05, `refused ${refused}`)
  t.true(refusedLater <= 0.002, `refused ${refusedLater} from the third minute on`)
})

test('a limit that comes back in seconds is used as fast', (t) => {
  for (const minuteMs of [1000, 3000]) {
    const limits = { requestsPerMinute: 60, tokensPerMinute: 90_000, minuteMs }
    const { paces, nowMs, refused } = play({ limits, answerMs: () => 40, minutes: 2 })
    const { perMinute } = paces[0].stats(nowMs).models[''].requests
    t.true(Math.abs((perMinute * minuteMs) / 60_000 / 60 - 1) < 0.1, `${perMinute} a minute`)
    t.true(refused <= 0.005, `refused ${refused}`)
  }
})

test('a limit by day is not taken for one by minute', (t) => {
  const { paces, nowMs, used, refusedLater } = play({ limits: { requestsPerDay: 2000 }, minutes: 240 })
  const { limit, perMinute } = paces[0].stats(nowMs).models[''].requests
  t.is(limit, 2000)
  t.true(Math.abs((perMinute * 1440) / 2000 - 1) < 0.05, `${perMinute} a minute`)
  t.true(used >= 0.97, `used ${used}`)
  t.true(refusedLater < 0.02, `refused ${refusedLater}`)
})

test('without headers and configuration the rate is learnt from refusals', (t) => {
  for (const limits of [SMALL, { requestsPerMinute: 1200 }]) {
    const { usedLater, refusedLater } = play({ provider: 'generic', limits, minutes: 30 })
    t.true(usedLater >= 0.93, `used ${usedLater}`)
    t.true(refusedLater <= 0.01, `refused ${refusedLater}`)
  }
})

test('a configured limit twice too high: what is accepted is learnt all the same', (t) => {
  const world = { provider: 'generic', limits: SMALL, configured: { requestsPerMinute: 120 }, minutes: 30 }
  const { usedLater, refused } = play(world)
  t.true(usedLater >= 0.95, `used ${usedLater}`)
  t.true(refused <= 0.01, `refused ${refused}`)
})

test('a refusal holds for as long as it asks to, and one call goes first then', (t) => {
  const pace = new Pace({ provider: 'openai' }, 0)
  const calls = Array.from({ length: 5 }, () => pace.send({}, 0))
  for (const call of calls) {
    call.answered(429, { 'retry-after-ms': '2500' }, 10)
    call.end(10)
  }
  t.is(pace.waitMs({}, 10), 2500)
  t.is(pace.waitMs({}, 2509), 1)
  t.is(pace.waitMs({}, 2510), 0)
  const probe = pace.send({}, 2510)
  t.true(pace.waitMs({}, 2510) > 0, 'the others wait for its answer')
  probe.answered(200, {}, 3000)
  probe.end(3000)
  t.is(pace.waitMs({}, 5000), 0)
})

test('an upstream that asks to wait for a year is tried again after a minute, then after two, and four', (t) => {
  const pace = new Pace({ provider: 'openai' }, 0)
  let nowMs = 0
  const waits = []
  for (let i = 0; i < 8; i++) {
    const call = pace.send({}, nowMs)
    call.answered(429, { 'retry-after': '31536000' }, nowMs)
    call.end(nowMs)
    const waitMs = pace.waitMs({}, nowMs)
    waits.push(waitMs / 60_000)
    nowMs += waitMs
    t.is(pace.waitMs({}, nowMs), 0)
  }
  t.deepEqual(waits, [1, 2, 4, 8, 15, 15, 15, 15])
})

test('a call that is larger than the limit goes when the bucket is as good as full', (t) => {
  const pace = new Pace({ provider: 'openai', tokensPerMinute: 1000 }, 0)
  const cost = { inputTokens: 5000 }
  t.true(pace.waitMs(cost, 0) > 0)
  t.is(pace.waitMs(cost, 55_000), 0)
})

test('models have limits of their own, and at most 64 are kept', (t) => {
  const pace = new Pace({ provider: 'openai' }, 0)
  const refused = pace.send({ model: 'a' }, 0)
  refused.answered(429, { 'retry-after': '30' }, 0)
  refused.end(0)
  t.is(pace.waitMs({ model: 'a' }, 0), 30_000)
  t.is(pace.waitMs({ model: 'b' }, 0), 0)
  for (let i = 0; i < 1000; i++) pace.send({ model: `model ${i}` }, 0).end(0)
  t.is(Object.keys(pace.stats(0).models).length, 64)
})

const HEADERS = [
  'x-ratelimit-limit-requests',
  'x-ratelimit-remaining-requests',
  'x-ratelimit-reset-requests',
  'x-ratelimit-limit-tokens',
  'x-ratelimit-remaining-tokens',
  'x-ratelimit-reset-tokens',
  'retry-after',
]
const anyNumber = fc.oneof(
  fc.constantFrom('0', '-1', '1', '1e99', '999999999999', '24h', '1ms', '0s'),
  fc.integer({ min: 0, max: 1e9 }).map(String),
)

test('an upstream may send anything: no wait is longer than a quarter of an hour, or no number', (t) => {
  const event = fc.record({
    headers: fc.dictionary(fc.constantFrom(...HEADERS), anyNumber),
    status: fc.constantFrom(200, 200, 200, 429, 500, 529),
    passesMs: fc.integer({ min: 0, max: 100_000 }),
    cost: fc.record({ inputTokens: fc.oneof(fc.double(), fc.integer({ min: 0, max: 1e6 })) }),
    isLost: fc.boolean(),
  })
  const options = fc.constantFrom({}, { requestsPerMinute: 60 }, { tokensPerMinute: 1000 })
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), options, (events, configured) => {
      let nowMs = 0
      const pace = new Pace({ provider: 'generic', ...configured }, nowMs)
      const open = []
      for (const { headers, status, passesMs, cost, isLost } of events) {
        nowMs += passesMs
        const waitMs = pace.waitMs(cost, nowMs)
        if (!(waitMs >= 0 && waitMs <= 900_000)) return false
        if (waitMs === 0) open.push(pace.send(cost, nowMs))
        const call = open.shift()
        if (!isLost) call?.answered(status, headers, nowMs)
        call?.end(nowMs)
      }
      for (const call of open) call.end(nowMs)
      // Alone it goes through in the end.
      for (let tries = 0; tries < 20 && pace.waitMs({}, nowMs) > 0; tries++) nowMs += pace.waitMs({}, nowMs)
      return pace.waitMs({}, nowMs) === 0
    }),
    { numRuns: 2000 },
  )
  t.pass()
})
