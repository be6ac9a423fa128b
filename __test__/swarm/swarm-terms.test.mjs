// Terms of swarms: prices, events, leased tasks, names, and options that cannot be honoured.
import { BudgetError } from 'atrion'
import test from 'ava'
import { create, engine, HOSTILE_NAMES, memoryLogger, turn, virtual } from '../_engine.mjs'
import { outcomeOf } from '../_room.mjs'
import { swarmOf, unitOf } from './_swarm.mjs'

// prices

test('an unknown price refuses, or warns by choice', async (t) => {
  const { swarm } = swarmOf({ usd: 1 })
  const refused = await t.throwsAsync(swarm.run({ inputTokens: 10, outputTokens: 10 }, async () => t.fail('it ran')))
  t.like(refused, { cause: 'unknown_price', unit: 'usd', ancestor: 'root' })
  t.is((await t.throwsAsync(swarm.run(undefined, async () => {}))).cause, 'unknown_price')
  const logger = memoryLogger()
  const world = virtual({ logger })
  const warns = swarmOf({ usd: 1 }, { onUnknownPrice: 'warn' }, world).swarm
  for (let i = 0; i < 3; i++) {
    await warns.run({ model: 'm' }, async (lease) => lease.used({ usd: 0.25 }))
  }
  t.is(warns.stats().unknownPrices, 3)
  t.is(logger.entries.length, 1)
  t.is(logger.entries[0].level, 'warn')
  t.is(unitOf(warns).used, 0.75)
  await warns.run({ model: 'm' }, async (lease) => lease.used({ usd: 0.25 }))
  t.is((await t.throwsAsync(warns.run({ model: 'm' }, async () => t.fail('0 is none')))).cause, 'hard')
})

test('a price makes dollars of tokens, in estimates and in reports', async (t) => {
  const price = { m: { inputUsdPerMTok: 1, outputUsdPerMTok: 10 } }
  for (const given of [
    price,
    (model, { inputTokens, outputTokens }) => (model === 'm' ? (inputTokens + 10 * outputTokens) / 1e6 : undefined),
  ]) {
    const { swarm } = swarmOf({ usd: 1 }, { price: given })
    await swarm.run({ model: 'm', inputTokens: 1000, outputTokens: 500 }, async (lease) => {
      t.is(unitOf(swarm).held, 0.006)
      lease.used({ outputTokens: 100 })
      t.is(unitOf(swarm).used, 0.002) // the input is taken as estimated until it is reported
      lease.used({ inputTokens: 2000, outputTokens: 200 })
    })
    t.is(unitOf(swarm).used, 0.004)
    t.is((await t.throwsAsync(swarm.run({ model: 'other' }, async () => {}))).cause, 'unknown_price')
    await swarm.run({ model: 'm', inputTokens: 1, outputTokens: 1 }, async (lease) =>
      lease.used({ outputTokens: 1, usd: 0.5 }),
    )
    t.is(unitOf(swarm).used, 0.504)
  }
  const { swarm } = swarmOf(
    { usd: 1 },
    {
      price: () => {
        throw new Error('no list')
      },
    },
  )
  t.is((await t.throwsAsync(swarm.run({ model: 'm' }, async () => {}))).cause, 'unknown_price')
})

// events

test('soft, hard and refund, on the instance and on the swarm', async (t) => {
  const { swarm, atrion } = swarmOf({ usd: 1 }, { soft: 0.5 })
  const child = swarm.child('child', { budget: { usd: 0.75 }, soft: 1 })
  const seen = []
  const ofChild = []
  for (const name of ['soft', 'hard', 'refund']) {
    atrion.on(name, (event) => seen.push([name, event]))
    child.on(name, (event) => ofChild.push([name, event.swarm]))
  }
  await child.run({ usd: 0.7 }, async (lease) => lease.used({ usd: 0.6 }))
  await t.throwsAsync(child.run({ usd: 0.2 }, async () => {}))
  await child.run({ usd: 0.1 }, async (lease) => lease.used({ usd: 0.5 }))
  await turn()
  t.deepEqual(
    seen.map(([name, { swarm, unit, amounts, caller, ended }]) => [name, swarm, unit ?? amounts, caller, ended]),
    [
      ['soft', 'root', 'usd', undefined, undefined],
      ['refund', 'root/child', { usd: 0.1 }, undefined, undefined],
      ['hard', 'root/child', 'usd', 'root/child', false],
      ['hard', 'root/child', 'usd', 'root/child', true],
      ['soft', 'root/child', 'usd', undefined, undefined],
    ],
  )
  t.deepEqual(
    ofChild.filter(([, path]) => path !== 'root/child'),
    [],
  )
  t.is(ofChild.length, 4)
  t.throws(() => swarm.on('shed', () => {}), { code: 'ATRION_CONFIG' })
  t.throws(() => swarm.on('soft', 1), { instanceOf: TypeError })
})

// long tasks

test('a leased task is in the budget, and its end settles it', async (t) => {
  const { swarm, clock, atrion } = swarmOf({ usd: 1 })
  const task = await swarm.startTask('job', { estimate: { usd: 0.5 }, timeout: 1000 })
  t.is(unitOf(swarm).held, 0.5)
  t.is(task.routeId, 'job')
  task.budget.used({ usd: 0.125 })
  await task.release()
  t.deepEqual(unitOf(swarm), { limit: 1, used: 0.125, held: 0, left: 0.875 })
  const overdue = await swarm.startTask('job', { estimate: { usd: 0.25 }, timeout: 1000 })
  clock.advance(2000)
  t.false(overdue.isActive)
  t.is(atrion.getActiveTaskCount('job'), 0)
  t.deepEqual(unitOf(swarm), { limit: 1, used: 0.375, held: 0, left: 0.625 })
  await t.throwsAsync(swarm.startTask('job', { estimate: { usd: 1 } }), { instanceOf: BudgetError })
  await t.throwsAsync(swarm.startTask('job', { estimate: { usd: 0.1 }, timeout: -1 }), { code: 'ATRION_CONFIG' })
  await t.throwsAsync(swarm.startTask(''), { instanceOf: TypeError })
  t.is(unitOf(swarm).left, 0.625)
  const abortController = new AbortController()
  const stopped = await swarm.startTask('job', { estimate: { usd: 0.1 }, profile: 'HEAVY', abortController })
  stopped.budget.used({ usd: 5 })
  t.true(abortController.signal.aborted)
  t.false(stopped.isActive)
  t.is(unitOf(swarm).held, 0)
})

// the route's limiter

if (engine !== 'ts') {
  test('calls of a swarm with a route pass its limiter', async (t) => {
    const { swarm, atrion } = swarmOf({ usd: 1 }, { route: 'llm' })
    await swarm.run({ usd: 0.1 }, async (lease) => {
      t.is(atrion.stats('llm').inFlight, 1)
      lease.used({ usd: 0 })
    })
    t.is(atrion.stats('llm').inFlight, 0)
    t.is(atrion.stats('llm').admitted, 1)
    await t.throwsAsync(
      swarm.run({ usd: 0.1 }, async () => {
        throw new Error('down')
      }),
    )
    t.is(atrion.stats('llm').failures, 1)
    atrion.override('llm', 'open')
    const error = await t.throwsAsync(swarm.run({ usd: 0.1 }, async () => t.fail('it ran')))
    t.is(error.code, 'ATRION_SHED')
    t.is(unitOf(swarm).held, 0)
    t.is(swarm.stats().refusals.shed, 1)
  })

  test('a call that waits for a permit holds no budget', async (t) => {
    const { swarm, atrion } = swarmOf({ usd: 1 }, { route: 'llm' })
    atrion.configure('llm', { limits: { min: 1, max: 1, initial: 1 } })
    const permit = atrion.acquire('llm', { tier: 'critical' })
    t.true(permit.allow)
    const waits = outcomeOf(swarm.run({ usd: 0.75 }, async () => 'ran', { maxWaitMs: 60_000 }))
    await turn()
    t.is(atrion.stats('llm').waiting, 1)
    t.deepEqual(unitOf(swarm), { limit: 1, used: 0, held: 0, left: 1 })
    permit.release()
    while (!waits.settled) await turn()
    t.is(waits.value, 'ran')
    t.is(unitOf(swarm).used, 0.75)
  })
}

// bad input

test('options that cannot be honoured are refused, by name', (t) => {
  const atrion = create()
  const taken = atrion.createSwarm('taken', { budget: { usd: 1 } })
  const refused = (field, make) => t.is(t.throws(make, { code: 'ATRION_CONFIG' }).field, field)
  refused('name', () => atrion.createSwarm('taken', { budget: {} }))
  refused('name', () => atrion.createSwarm('x'.repeat(257), { budget: {} }))
  for (const name of [undefined, null, 1, {}])
    t.throws(() => atrion.createSwarm(name, { budget: {} }), { instanceOf: TypeError })
  refused('options', () => atrion.createSwarm('a'))
  refused('options.budget', () => atrion.createSwarm('a', {}))
  refused('options.bugdet', () => atrion.createSwarm('a', { bugdet: {} }))
  for (const limit of [-1, Number.NaN, Number.POSITIVE_INFINITY, '1', {}]) {
    refused('options.budget.usd', () => atrion.createSwarm('a', { budget: { usd: limit } }))
  }
  for (const soft of [0, 1.5, -1, Number.NaN])
    refused('options.soft', () => atrion.createSwarm('a', { budget: {}, soft }))
  for (const weight of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    refused('options.weight', () => atrion.createSwarm('a', { budget: {}, weight }))
  }
  refused('options.route', () => atrion.createSwarm('a', { budget: {}, route: '' }))
  refused('options.upstream', () => atrion.createSwarm('a', { budget: {}, upstream: 5 }))
  refused('options.onUnknownPrice', () => atrion.createSwarm('a', { budget: {}, onUnknownPrice: 'ignore' }))
  refused('options.price.m.outputUsdPerMTok', () =>
    atrion.createSwarm('a', { budget: {}, price: { m: { inputUsdPerMTok: 1 } } }),
  )
  refused('options.budget.usd', () => taken.child('a', { budget: { usd: 1.5 } }))
  refused('options.share', () => taken.child('a', { share: 0 }))
  refused('options.share', () => taken.child('a', { share: 2 }))
  refused('options.share', () => taken.child('a', { share: 0.5, budget: {} }))
  taken.child('a', { budget: { usd: 1 } })
  refused('name', () => taken.child('a'))
  const circular = { budget: {} }
  circular.budget.usd = circular
  refused('options.budget.usd', () => atrion.createSwarm('circle', circular))
  t.is(atrion.createSwarm('a', { budget: { usd: null } }).stats().units.usd, undefined)
})

test('estimates, reports and options of calls that cannot be read are refused, and nothing is counted', async (t) => {
  const { swarm } = swarmOf({ usd: 1, own: 5 })
  const refused = async (field, ...args) => {
    const error = await t.throwsAsync(
      swarm.run(args[0], async () => t.fail('it ran'), args[1]),
      {
        code: 'ATRION_CONFIG',
      },
    )
    t.is(error.field, field)
  }
  for (const usd of [-1, Number.NaN, Number.POSITIVE_INFINITY, '1']) await refused('estimate.usd', { usd })
  await refused('estimate.ownn', { usd: 0.1, ownn: 1 })
  await refused('estimate.outputTokens', { usd: 0.1, outputTokens: -1 })
  await refused('estimate.maxTokens', { usd: 0.1, maxTokens: Number.NaN })
  await refused('estimate.depth', { usd: 0.1, depth: 1 })
  await refused('options.tier', { usd: 0.1 }, { tier: 'urgent' })
  await refused('maxWaitMs', { usd: 0.1 }, { maxWaitMs: -1 })
  await refused('timeoutMs', { usd: 0.1 }, { timeoutMs: 0 })
  await refused('options.signal', { usd: 0.1 }, { signal: {} })
  await refused('options.maxWait', { usd: 0.1 }, { maxWait: 1 })
  for (const wrong of [5, 'x', true])
    await t.throwsAsync(
      swarm.run(wrong, async () => {}),
      { instanceOf: TypeError },
    )
  await t.throwsAsync(
    swarm.run({ usd: 0.1, model: 5 }, async () => {}),
    { instanceOf: TypeError },
  )
  await t.throwsAsync(swarm.run({ usd: 0.1 }), { instanceOf: TypeError })
  await t.throwsAsync(
    swarm.run({ usd: 0.1 }, async () => {}, { key: {} }),
    { instanceOf: TypeError },
  )
  t.deepEqual(unitOf(swarm), { limit: 1, used: 0, held: 0, left: 1 })
  await swarm.run({ usd: 0.5, own: 1 }, async (lease) => {
    for (const usage of [
      null,
      5,
      { usd: -1 },
      { usd: Number.NaN },
      { usd: Number.POSITIVE_INFINITY },
      { usd: '1' },
      { ownn: 1 },
      { wallMs: 1 },
      { usd: 0.1, own: -1 },
    ]) {
      t.throws(() => lease.used(usage), { code: 'ATRION_CONFIG' })
      t.throws(() => lease.debit(usage), { code: 'ATRION_CONFIG' })
      t.throws(() => lease.extend(usage), { code: 'ATRION_CONFIG' })
    }
    t.deepEqual(unitOf(swarm), { limit: 1, used: 0, held: 0.5, left: 0.5 })
    t.true(lease.used({ usd: 0.25, own: null, inputTokens: 7 }))
  })
  t.is(unitOf(swarm).used, 0.25)
})

test('any names', async (t) => {
  const atrion = create()
  const names = HOSTILE_NAMES.filter((name) => name.length <= 64)
  for (const name of names) {
    const swarm = atrion.createSwarm(name, { budget: Object.fromEntries([[name, 10]]) })
    const child = swarm.child(name, { budget: Object.fromEntries([[name, 5]]) })
    await child.run(Object.fromEntries([[name, 3]]), async (lease) => {
      lease.used(Object.fromEntries([[name, 2]]))
    })
    t.deepEqual(Object.entries(swarm.stats().units), [[name, { limit: 10, used: 2, held: 0, left: 8 }]])
    t.is((await t.throwsAsync(child.run(Object.fromEntries([[name, 4]]), async () => {}))).unit, name)
  }
})

test.serial('names on Object.prototype are no estimate, no report and no price', async (t) => {
  const polluted = {
    usd: 0.5,
    outputTokens: 7,
    maxTokens: 3,
    model: 'x',
    tier: 'bulk',
    maxWaitMs: 5,
    inputUsdPerMTok: 1,
    outputUsdPerMTok: 1,
  }
  const { swarm, atrion } = swarmOf({ usd: 1, outputTokens: 10_000 })
  try {
    Object.assign(Object.prototype, polluted)
    t.is((await t.throwsAsync(swarm.run({ outputTokens: 1 }, async () => {}))).cause, 'unknown_price')
    await swarm.run({ usd: 0.25 }, async (lease) => {
      t.is(swarm.stats().units.outputTokens.held, 4096)
      lease.used({ outputTokens: 1 })
    })
    t.throws(() => atrion.createSwarm('priced', { budget: {}, price: { m: {} } }), { code: 'ATRION_CONFIG' })
  } finally {
    for (const name of Object.keys(polluted)) delete Object.prototype[name]
  }
  t.deepEqual([unitOf(swarm).used, unitOf(swarm, 'outputTokens').used], [0.25, 1])
})
