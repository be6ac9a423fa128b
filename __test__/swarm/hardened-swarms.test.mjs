// Swarms under hostile names, callbacks, clocks and answers: memory is bounded, the books are right after whatever was thrown, and every wait ends.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Atrion, BudgetError, VirtualClock } from 'atrion'
import test from 'ava'
import { sourceOf } from '../_source.mjs'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc')

const { UsageReader, Pace } = await sourceOf('upstream/index.ts')
const { keptName } = await sourceOf('base/keys.ts')

const MB = 2 ** 20

/** Memory that is held after a collection, bytes. */
const heldBytes = () => {
  gc()
  gc()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** A text of a MB that is not shared with others. */
const longText = (i, atEnd) => (atEnd ? `${'m'.repeat(MB)}${i}` : `${i}${'m'.repeat(MB)}`)

const balanced = (t, swarm, what) => {
  for (const [unit, { limit, used, held, left }] of Object.entries(swarm.stats().units)) {
    t.is(used + held + left, limit, `${what}: ${unit}`)
    t.is(held, 0, `${what}: ${unit}`)
  }
}

test('a long name is kept as its head and a hash of all of it', (t) => {
  t.is(keptName('x'.repeat(256)), 'x'.repeat(256))
  const names = ['x'.repeat(257), `${'x'.repeat(MB)}a`, `${'x'.repeat(MB)}b`, `a${'x'.repeat(MB)}`].map(keptName)
  t.is(new Set(names).size, 4)
  for (const name of names) t.true(name.length <= 256)
  t.is(keptName(`${'x'.repeat(MB)}a`), names[1])
})

test.serial('models, agents and keys of a MB each leave no memory behind', async (t) => {
  const atrion = new Atrion()
  const swarm = atrion.createSwarm('crew', { budget: { requests: 1e6 }, upstream: { provider: 'openai' } })
  const narrow = atrion.createSwarm('narrow', { budget: { requests: 1 } })
  const before = heldBytes()
  for (let i = 0; i < 150; i++) {
    await swarm.run({ model: longText(i, i % 2 === 0), agent: longText(i, false), outputTokens: 1 }, (lease) => {
      lease.used({ outputTokens: 3 })
    })
  }
  let end
  const holder = narrow.run({}, () => new Promise((resolve) => (end = resolve)))
  const waits = Array.from({ length: 150 }, (_, i) =>
    t.throwsAsync(
      narrow.run({}, () => {}, { key: longText(i, i % 2 === 0), maxWaitMs: 1 }),
      { instanceOf: BudgetError },
    ),
  )
  await Promise.all(waits)
  waits.length = 0
  end()
  await holder
  t.true(heldBytes() - before < 30 * MB)
  for (const model of Object.keys(swarm.stats().upstream.models)) t.true(model.length <= 256)
})

test('children without end come to an end, at any depth and in any number, and what is there can be read and closed', async (t) => {
  const atrion = new Atrion()
  const swarm = atrion.createSwarm('deep', { budget: { requests: 1e6 } })
  let at = swarm
  let levels = 0
  const error = t.throws(
    () => {
      for (;;) {
        at = at.child('c', {})
        levels += 1
      }
    },
    { instanceOf: BudgetError },
  )
  t.is(error.cause, 'full')
  t.is(levels, 256)
  t.is(at.stats().path.length, 'deep'.length + 2 * 256)
  t.is(await at.run({ requests: 1 }, () => 'ran'), 'ran')
  t.is(swarm.stats().units.requests.used, 1)
  let wide = 0
  t.throws(
    () => {
      for (; ; wide++) swarm.child(`w${wide}`, {})
    },
    { instanceOf: BudgetError },
  )
  t.true(wide > 1000 && wide < 65_536)
  swarm.close()
  t.true(at.isClosed)
})

test.serial(
  'answers in single bytes that each hold a buffer, and streams without end, are read within bounded memory',
  (t) => {
    const before = heldBytes()
    const json = new UsageReader('application/json')
    for (const byte of new TextEncoder().encode(
      `{"usage":{"prompt_tokens":7,"completion_tokens":9},"x":"${'x'.repeat(400)}"}`,
    )) {
      const buffer = new Uint8Array(MB)
      buffer[5] = byte
      json.push(buffer.subarray(5, 6))
    }
    t.true(heldBytes() - before < 50 * MB)
    t.like(json.end(), { inputTokens: 7, outputTokens: 9 })
    const endless = new UsageReader('text/event-stream')
    const lines = new TextEncoder().encode('data:\n'.repeat(100_000))
    for (let i = 0; i < 50; i++) endless.push(lines)
    t.true(heldBytes() - before < 50 * MB)
    const line = new UsageReader('text/event-stream')
    const piece = new TextEncoder().encode('x'.repeat(MB))
    line.push(new TextEncoder().encode('data: {"usage":'))
    for (let i = 0; i < 100; i++) line.push(piece)
    t.true(heldBytes() - before < 50 * MB)
    line.push(new TextEncoder().encode('\n\ndata: {"usage":{"completion_tokens":3,"prompt_tokens":4}}\n\n'))
    t.like(line.end(), { inputTokens: 4, outputTokens: 3 })
    for (const usage of ['1e999', '-1', '"7"', 'null', '[1]', '{"valueOf":1}', '1e308']) {
      const reader = new UsageReader('application/json')
      reader.push(new TextEncoder().encode(`{"usage":{"completion_tokens":${usage},"prompt_tokens":${usage}}}`))
      t.like(reader.end(), { inputTokens: undefined, outputTokens: undefined })
    }
  },
)

test('an answer that states more than any limit holds the configured pace up for some minutes, and not for good', (t) => {
  const pace = new Pace({ provider: 'generic', tokensPerMinute: 1000 }, 0)
  let nowMs = 60_000
  for (let i = 0; i < 100; i++) pace.send({ inputTokens: 1, outputTokens: 1 }, nowMs).end(nowMs, { outputTokens: 1e12 })
  const pending = pace.send({ inputTokens: 1 }, nowMs)
  for (let waits = 0; pace.waitMs({ inputTokens: 1 }, nowMs) > 0; waits++) {
    t.true(waits < 1000)
    nowMs += pace.waitMs({ inputTokens: 1 }, nowMs)
  }
  pending.end(nowMs)
  t.true(nowMs < 60_000 + 6 * 60_000, `${nowMs}`)
})

test('headers by the thousand, and headers that throw, are read and do no harm', (t) => {
  const many = Array.from({ length: 100_000 }, (_, i) => [`x-${i}`, 'x'.repeat(1000)])
  const hostile = [
    many,
    new Map([...many, ['x-ratelimit-limit-requests', '1e308']]),
    {
      get: () => {
        throw new Error('mine')
      },
    },
    {
      get: () => ({
        toString: () => {
          throw new Error('mine')
        },
      }),
    },
    new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error('mine')
        },
      },
    ),
    { [Symbol.iterator]: () => ({ next: () => ({ done: false, value: ['x', 'y'] }) }) },
    {
      [Symbol.iterator]: () => {
        throw new Error('mine')
      },
    },
    {
      'x-ratelimit-remaining-requests': 'NaN',
      'retry-after': '-1',
      'x-ratelimit-reset-requests': 'Fri, 31 Dec 9999 23:59:59 GMT',
    },
    {
      'x-ratelimit-limit-requests': '0.000000001',
      'x-ratelimit-remaining-requests': '0',
      'retry-after': '99999999999',
    },
  ]
  const pace = new Pace({ provider: 'generic' }, 0)
  let nowMs = 0
  for (const headers of hostile) {
    for (const status of [200, 429, 503, Number.NaN, -1]) {
      t.notThrows(() => pace.send({ requests: 1 }, nowMs).answered(status, headers, nowMs, undefined, nowMs))
      const waitMs = pace.waitMs({ requests: 1 }, nowMs)
      t.true(waitMs >= 0 && waitMs <= 900_000, `${waitMs}`)
      nowMs += 1000
    }
  }
})

test('callbacks that call back into the same swarm, or throw, leave the books right', async (t) => {
  const atrion = new Atrion()
  let depth = 0
  // Each call begins others, whose ends begin others again.
  let left = 5_000
  const again = (swarm) => {
    if (depth > 2 || left === 0) throw new Error('mine')
    left -= 1
    depth += 1
    try {
      swarm.stats()
      void swarm.run({ requests: 1 }, () => {}).catch(() => {})
      swarm.child(`c${Math.random()}`, { share: 0.1 }).close()
      atrion.acquire('r').release()
    } finally {
      depth -= 1
    }
    throw new Error('mine')
  }
  const swarm = atrion.createSwarm('crew', {
    budget: { requests: 400, usd: 1 },
    soft: 0.1,
    onUnknownPrice: 'warn',
    price: () => again(swarm),
    upstream: {
      tryAdmit: () => {
        if (Math.random() < 0.5) again(swarm)
        return { settle: () => again(swarm), cancel: () => {}, failed: () => again(swarm) }
      },
      admit: async () => undefined,
      stats: () => ({}),
    },
  })
  for (const name of ['soft', 'hard', 'refund']) swarm.on(name, () => again(swarm))
  for (let i = 0; i < 200; i++) {
    await swarm
      .run(
        {
          requests: 1,
          get model() {
            if (i % 5 === 0) again(swarm)
            return 'm'
          },
        },
        (lease) => {
          lease.used({ outputTokens: i })
          if (i % 3 === 0) again(swarm)
        },
      )
      .catch(() => {})
  }
  for (let i = 0; swarm.stats().inFlight > 0; i++) {
    t.true(i < 10_000)
    await new Promise(setImmediate)
  }
  t.true(left < 4_000, `${left}`)
  balanced(t, swarm, 'after all of them')
  t.is(swarm.stats().inFlight, 0)
})

test('a clock that jumps, goes back, stands, throws or gives NaN ends no wait wrongly and leaves the books right', async (t) => {
  const HOUR_MS = 3_600_000
  for (const [what, next] of Object.entries({
    'jumps ahead': (now) => now + HOUR_MS,
    'goes back': (now) => now - HOUR_MS,
    'to the end of time': () => 8e15,
    'gives NaN': () => Number.NaN,
    'gives a text': () => '7',
    throws: () => {
      throw new Error('mine')
    },
  })) {
    const own = new VirtualClock(1_700_000_000_000)
    let isHostile = false
    const clock = { now: () => (isHostile ? next(own.now()) : own.now()) }
    const atrion = new Atrion({ clock })
    const swarm = atrion.createSwarm('crew', {
      budget: { requests: 10, wallMs: 10 * HOUR_MS },
      upstream: { provider: 'openai' },
    })
    for (let i = 0; i < 10; i++) {
      isHostile = i % 2 === 1
      own.advance(100)
      await swarm
        .run({ requests: 1 }, () => {}, { maxWaitMs: 5_000 })
        .catch((error) => t.true(error instanceof BudgetError, `${what}: ${error}`))
    }
    isHostile = false
    own.advance(HOUR_MS)
    const { requests } = swarm.stats().units
    t.is(requests.used + requests.held + requests.left, requests.limit, what)
    t.is(requests.held, 0, what)
    t.is(swarm.stats().waiting, 0, what)
    swarm.close()
  }
})
