// Reports of swarms: events of the swarm that was asked for and no other, and dollars of what was reported in part.
import ava from 'ava'
import fc from 'fast-check'
import { create, engine } from '../_engine.mjs'

const test = engine === 'ts' ? ava.skip : ava

test('events of a swarm are its own and those of swarms below it, whatever they and others are named', async (t) => {
  const name = fc.stringMatching(/^[ab/]{1,3}$/)
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(name, { minLength: 2, maxLength: 4 }), name, async (roots, childName) => {
      const atrion = create()
      const heard = new Map()
      const swarms = roots.flatMap((root) => {
        const parent = atrion.createSwarm(root, { budget: { usd: 10 } })
        return [[parent], [parent, parent.child(childName, { share: 1 })]]
      })
      for (const path of swarms) path.at(-1).on('refund', ({ amounts }) => heard.get(amounts.usd).push(path.at(-1)))
      for (const [i, path] of swarms.entries()) {
        const usd = (i + 1) / 8
        heard.set(usd, [])
        await path.at(-1).run({ usd }, async (lease) => lease.refund())
      }
      await atrion.disconnect()
      for (const [i, path] of swarms.entries()) t.deepEqual(new Set(heard.get((i + 1) / 8)), new Set(path))
      for (const [root] of swarms) root.close()
    }),
    { numRuns: 50 },
  )
})

test('a swarm that is closed gets no events of the next of its name', async (t) => {
  const atrion = create()
  const first = atrion.createSwarm('a', { budget: { usd: 1 } })
  const heard = []
  first.on('refund', () => heard.push('first'))
  first.close()
  const second = atrion.createSwarm('a', { budget: { usd: 1 } })
  second.on('refund', () => heard.push('second'))
  await second.run({ usd: 1 }, async (lease) => lease.refund())
  await atrion.disconnect()
  t.deepEqual(heard, ['second'])
})

const PRICE = { m: { inputUsdPerMTok: 1, outputUsdPerMTok: 100 } }
const usdOf = (inputTokens, outputTokens) => (inputTokens * 1 + outputTokens * 100) / 1e6

test('the price of output that is not reported counts as it was reserved', async (t) => {
  const tokens = fc.integer({ min: 0, max: 2_000 })
  await fc.assert(
    fc.asyncProperty(
      tokens,
      tokens,
      fc.option(tokens, { nil: undefined }),
      fc.boolean(),
      async (input, output, used, fails) => {
        const swarm = create().createSwarm('s', { budget: { usd: 10, outputTokens: 10_000 }, price: PRICE })
        const estimate = { model: 'm', inputTokens: input, outputTokens: output }
        const work = async (lease) => {
          lease.used({ inputTokens: input })
          if (used !== undefined) lease.used({ outputTokens: used })
          if (fails) throw new Error('the connection is gone')
        }
        await swarm.run(estimate, work).catch((error) => t.is(error.message, 'the connection is gone'))
        const { units } = swarm.stats()
        t.is(units.outputTokens.used, used ?? output)
        t.true(Math.abs(units.usd.used - usdOf(input, used ?? output)) < 2e-9)
        t.is(units.usd.held, 0)
        swarm.close()
      },
    ),
  )
})

test('a caller that leaves is charged the output that was not reported, until the work reports it', async (t) => {
  const swarm = create().createSwarm('s', { budget: { usd: 10 }, price: PRICE })
  const gone = new AbortController()
  let late
  const ended = swarm.run(
    { model: 'm', inputTokens: 1000, outputTokens: 1000 },
    (lease) => {
      lease.used({ inputTokens: 1000 })
      late = lease
      return new Promise(() => {})
    },
    { signal: gone.signal },
  )
  gone.abort()
  t.is((await ended.catch((error) => error)).name, 'AbortError')
  const used = () => swarm.stats().units.usd.used
  t.is(used(), usdOf(1000, 1000))
  late.used({ inputTokens: 1000 })
  t.is(used(), usdOf(1000, 1000))
  late.used({ outputTokens: 10 })
  t.is(used(), usdOf(1000, 10))
  late.used({ outputTokens: 2000 })
  t.is(used(), usdOf(1000, 2000))
})

test('a call that says that it cost nothing else pays for no output', async (t) => {
  const swarm = create().createSwarm('s', { budget: { usd: 10 }, price: PRICE })
  await swarm.run({ model: 'm', inputTokens: 1000, outputTokens: 1000 }, async (lease) => {
    lease.used({ inputTokens: 1000 })
    lease.refund()
  })
  t.is(swarm.stats().units.usd.used, usdOf(1000, 0))
})

test('an abort or a close in the same turn as run() or startTask() ends the call, and its budget comes back', async (t) => {
  const atrion = create()
  const root = atrion.createSwarm('root', { budget: { usd: 10, requests: 100 }, route: 'r' })
  for (const end of ['abort', 'close']) {
    const swarm = root.child('child', { share: 1 })
    const gone = new AbortController()
    const fault = (call) => call.catch((error) => error)
    const ended = fault(swarm.run({ usd: 1 }, () => new Promise(() => {}), { signal: gone.signal }))
    const waits = fault(swarm.run({ usd: 9.5 }, () => {}, { signal: gone.signal, maxWaitMs: 60_000 }))
    if (end === 'abort') gone.abort()
    else swarm.close()
    const next = root.child('next', { budget: { usd: 1 } })
    const reason = await ended
    t.true(end === 'abort' ? reason === gone.signal.reason : reason.cause === 'closed', String(reason))
    t.true((await waits) instanceof Error)
    t.like(next.stats().units.usd, { used: 0, held: 0, left: 1 }, 'nothing of one swarm is counted for another')
    t.like(root.stats(), { inFlight: 0, waiting: 0 })
    t.is(root.stats().units.usd.held, 0)
    next.close()
    swarm.close()
    const refused = await t.throwsAsync(swarm.startTask('r', { profile: 'STANDARD', estimate: { usd: 1 } }))
    t.is(refused.cause, 'closed')
    t.is(root.stats().units.usd.held, 0)
  }
  t.is(atrion.stats('r').inFlight, 0)
})

test('swarms that close at any turn leave the accounts of the others right', async (t) => {
  const step = fc.record({
    does: fc.constantFrom('run', 'run', 'wait', 'close', 'abort', 'open', 'turn'),
    at: fc.nat(3),
    usd: fc.integer({ min: 0, max: 40 }).map((eighths) => eighths / 8),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
      const root = create().createSwarm('root', { budget: { usd: 10 } })
      const swarms = [0, 1, 2, 3].map((at) => root.child(`c${at}`, { share: 0.5 }))
      const calls = []
      let gone = new AbortController()
      for (const { does, at, usd } of steps) {
        if (does === 'turn') await Promise.resolve()
        else if (does === 'abort') {
          gone.abort()
          gone = new AbortController()
        } else if (does === 'close') swarms[at].close()
        else if (does === 'open') {
          if (swarms[at].isClosed) swarms[at] = root.child(`c${at}`, { share: 0.5 })
        } else {
          const work = async (lease) => {
            await Promise.resolve()
            lease.used({ usd: usd / 2 })
          }
          const options = { signal: gone.signal, maxWaitMs: does === 'wait' ? 60_000 : 0 }
          calls.push(swarms[at].run({ usd }, work, options).catch((error) => error))
        }
        for (const swarm of swarms) {
          const { limit, used, held, left } = swarm.stats().units.usd
          if (swarm.isClosed) continue
          t.is(used + held + left, limit)
          t.true(used >= 0 && held >= 0)
        }
      }
      for (const swarm of swarms) swarm.close()
      await Promise.all(calls)
      const { used, held, left } = root.stats().units.usd
      t.is(held, 0)
      t.is(used + left, 10)
      t.like(root.stats(), { inFlight: 0, waiting: 0, children: [] })
      root.close()
    }),
    { numRuns: 300 },
  )
})

for (const [where, options, prepare] of [
  [
    'the upstream',
    { upstream: { provider: 'generic', requestsPerMinute: 1 } },
    (swarm) => swarm.run({ inputTokens: 1, outputTokens: 1 }, () => {}),
  ],
  ['the route', { route: 'r' }, () => {}],
  ['the budget', {}, () => {}],
]) {
  for (const [how, cause, unit] of [
    ['its swarm is closed', 'closed'],
    ['its parent is closed', 'closed'],
    ['its time is over', 'hard', 'wallMs'],
    ['its instance is disconnected', 'wait_timeout'],
  ]) {
    test(`a call that waits for ${where} is refused where ${how}`, async (t) => {
      const atrion = create({ slo: { maxAcceptableLatencyMs: 600_000 } })
      atrion.setRouteProfile('r', { limits: { min: 1, max: 1 } })
      const wallMs = unit === undefined ? 600_000 : 50
      const root = atrion.createSwarm('root', { budget: { wallMs, units: 1 }, ...options })
      const swarm = root.child('child', { share: 1 })
      await Promise.resolve(prepare(swarm)).catch((error) => t.is(error.unit, unit))
      const held = atrion.acquire('r')
      const holds = where === 'the budget' ? swarm.run({ units: 1 }, () => new Promise(() => {})) : undefined
      holds?.catch(() => {})
      const waits = swarm.run(
        { units: where === 'the budget' ? 1 : 0, inputTokens: 1, outputTokens: 1 },
        () => t.fail('it began'),
        { maxWaitMs: 600_000 },
      )
      // A timer of the swarm's keeps no process alive, and nothing else does here.
      const alive = setInterval(() => {}, 1000)
      await new Promise(setImmediate)
      if (how === 'its swarm is closed') swarm.close()
      else if (how === 'its parent is closed') root.close()
      else if (how === 'its instance is disconnected') await atrion.disconnect()
      const error = await waits.catch((reason) => reason)
      t.is(swarm.stats().waiting, 0)
      if (how === 'its instance is disconnected' && where === 'the route') {
        clearInterval(alive)
        t.is(error.limitedBy, 'wait_timeout')
        return
      }
      clearInterval(alive)
      t.is(error.cause, cause, String(error))
      t.is(error.unit, unit)
      t.true(root.stats().refusals[cause] >= 1)
      held.release()
      t.like(atrion.stats('r'), { inFlight: 0, waiting: 0 })
      root.close()
    })
  }
}
