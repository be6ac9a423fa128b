// Swarms of several instances on one provider: one budget, of which each has slices.
import { Atrion, BudgetError, InMemoryProvider } from 'atrion'
import test from 'ava'
import { until } from '../_patience.mjs'

const pair = (t, provider = new InMemoryProvider()) => {
  const instances = [new Atrion({ provider }), new Atrion({ provider })]
  t.teardown(() => Promise.all(instances.map((atrion) => atrion.disconnect())))
  return [provider, ...instances]
}

const accountOf = async (provider, name) => JSON.parse((await provider.readDocument(`swarm:${name}`)).text)

/** Runs until the budget is used up; how many ran. */
const exhaust = async (swarm, options) => {
  let ran = 0
  const one = async () => {
    for (;;) {
      try {
        await swarm.run({ requests: 1 }, () => {}, { maxWaitMs: 60_000, ...options })
        ran += 1
      } catch (error) {
        if (!(error instanceof BudgetError)) throw error
        return error
      }
    }
  }
  const errors = await Promise.all(Array.from({ length: 10 }, one))
  return { ran, errors }
}

test('two instances use up one budget together, and none of it twice', async (t) => {
  const [provider, a, b] = pair(t)
  const swarms = [a, b].map((atrion) => atrion.createSwarm('crew', { budget: { requests: 1000 } }))
  const results = await Promise.all(swarms.map((swarm) => exhaust(swarm)))
  t.is(results[0].ran + results[1].ran, 1000)
  for (const { errors } of results) for (const error of errors) t.is(error.cause, 'hard')
  await until(async () => {
    const { nodes } = await accountOf(provider, 'crew')
    return nodes.reduce((sum, [, , [, , taken]]) => sum + taken, 0) === 1000
  })
})

test('a run without maxWaitMs waits for a slice, and is refused where the budget is used up', async (t) => {
  const [, a, b] = pair(t)
  const [one, other] = [a, b].map((atrion) => atrion.createSwarm('crew', { budget: { requests: 20 } }))
  t.is(await one.run({ requests: 10 }, () => 'first'), 'first')
  t.is(await other.run({ requests: 10 }, () => 'second'), 'second')
  const error = await t.throwsAsync(
    other.run({ requests: 1 }, () => {}),
    { instanceOf: BudgetError },
  )
  t.like(error, { cause: 'hard', unit: 'requests', limit: 20 })
  await t.throwsAsync(
    one.run({ requests: 21 }, () => {}),
    { instanceOf: BudgetError },
  )
})

test('children, and use above the estimate, are paid from the shared budget', async (t) => {
  const [provider, a, b] = pair(t)
  const [one, other] = [a, b].map((atrion) => atrion.createSwarm('crew', { budget: { outputTokens: 100_000 } }))
  const child = one.child('writer', { budget: { outputTokens: 50_000 } })
  const seen = await child.run({ outputTokens: 100 }, async (lease) => {
    for (let n = 0; n < 100; n++) {
      if (!lease.debit({ outputTokens: 100 })) return 'cut short'
      await new Promise((resolve) => setImmediate(resolve))
    }
    return 'whole'
  })
  t.is(seen, 'whole', 'the budget has plenty, whatever slice this process has')
  t.is(child.stats().units.outputTokens.used, 10_000)
  await until(async () => (await accountOf(provider, 'crew')).nodes.some(([, , [, , taken]]) => taken === 10_000))
  await other.run({ outputTokens: 90_000 }, () => {}, { maxWaitMs: 60_000 })
  await t.throwsAsync(
    one.run({ outputTokens: 1000 }, () => {}),
    { instanceOf: BudgetError },
  )
})

test('disconnect() gives back what is left, and the next run after connect() joins again', async (t) => {
  const [provider, a, b] = pair(t)
  await Promise.all([a.connect(), b.connect()])
  const [one, other] = [a, b].map((atrion) => atrion.createSwarm('crew', { budget: { requests: 1000 } }))
  await one.run({ requests: 7 }, () => {})
  await other.run({ requests: 1 }, () => {})
  await a.disconnect()
  const { gone, nodes } = await accountOf(provider, 'crew')
  t.deepEqual(gone, [7])
  t.is(nodes.length, 1)
  await a.connect()
  await one.run({ requests: 2 }, () => {})
  t.is((await accountOf(provider, 'crew')).nodes.length, 2)
  const { ran } = await exhaust(other)
  t.is(ran, 1000 - 7 - 1 - 2)
})

test('the last instance to close a swarm ends its account: the next one of that name begins anew', async (t) => {
  const [provider, a, b] = pair(t)
  for (let round = 0; round < 3; round++) {
    const swarms = [a, b].map((atrion) => atrion.createSwarm('crew', { budget: { requests: 10 } }))
    await swarms[0].run({ requests: 6 }, () => {}, { maxWaitMs: 60_000 })
    await swarms[1].run({ requests: 4 }, () => {}, { maxWaitMs: 60_000 })
    t.is((await accountOf(provider, 'crew')).nodes.length, 2, `round ${round}`)
    for (const swarm of swarms) swarm.close()
    await until(async () => (await provider.readDocument('swarm:crew')).version === 0)
    t.like(await provider.readDocument('swarm:crew'), { version: 0, text: null })
  }
})

test('a swarm that is made as soon as one of its name is closed begins anew', async (t) => {
  const [, a] = pair(t)
  for (let round = 0; round < 10; round++) {
    const swarm = a.createSwarm('crew', { budget: { requests: 10 } })
    t.is(swarm.stats().units.requests.used, 0)
    t.is(await swarm.run({ requests: 10 }, () => round), round)
    t.is(swarm.stats().units.requests.used, 10)
    const more = swarm.run({ requests: 1 }, () => {})
    t.like(await t.throwsAsync(more, { instanceOf: BudgetError }), { cause: 'hard', limit: 10 })
    swarm.close()
  }
})

test('an instance without a provider, and budgets of time alone, share nothing', async (t) => {
  const alone = new Atrion()
  const swarm = alone.createSwarm('crew', { budget: { requests: 1 } })
  await swarm.run({ requests: 1 }, () => {})
  const [provider, a] = pair(t)
  a.createSwarm('timed', { budget: { wallMs: 60_000, children: 1 } })
  t.is((await provider.readDocument('swarm:timed')).version, 0)
})

test('an account that is no account is left as it is, warned of once, and nothing is granted', async (t) => {
  const warnings = []
  const provider = new InMemoryProvider()
  await provider.writeDocument('swarm:crew', 0, '{"format":"something else"}')
  const logger = { debug() {}, info() {}, warn: (message) => warnings.push(message), error() {} }
  const atrion = new Atrion({ provider, logger })
  const swarm = atrion.createSwarm('crew', { budget: { requests: 10 } })
  await t.throwsAsync(
    swarm.run({ requests: 1 }, () => {}, { maxWaitMs: 300 }),
    { instanceOf: BudgetError },
  )
  t.deepEqual(warnings, ['the account of a shared budget cannot be read: this node has only the rest of its slice'])
  t.is((await provider.readDocument('swarm:crew')).text, '{"format":"something else"}')
})

test('names of any length and kind have accounts of their own', async (t) => {
  const [provider, a, b] = pair(t)
  const names = ['\ud800', 'x'.repeat(256), `${'x'.repeat(255)}y`, '\u{1f41f}'.repeat(100), '__proto__', 'a b']
  const written = []
  provider.watchDocuments((name) => written.push(name))
  const budget = { requests: 1 }
  // Each budget allows one run: with an account of another's it would be refused.
  for (const name of names) t.is(await a.createSwarm(name, { budget }).run({ requests: 1 }, () => name), name)
  await until(() => new Set(written).size === names.length)
  for (const name of new Set(written)) t.is(JSON.parse((await provider.readDocument(name)).text).nodes.length, 1)
  for (const name of names) {
    const again = b.createSwarm(name, { budget }).run({ requests: 1 }, () => {})
    t.like(await t.throwsAsync(again, { instanceOf: BudgetError }, name), { cause: 'hard' }, name)
  }
  t.is(new Set(written).size, names.length, 'the other instance has the same accounts')
})

test('figures and the soft limit count all that processes use together', async (t) => {
  const [, a, b] = pair(t)
  const [one, other] = [a, b].map((atrion) => atrion.createSwarm('crew', { budget: { requests: 1000 }, soft: 0.8 }))
  const soft = new Promise((resolve) => one.on('soft', resolve))
  await one.run({ requests: 100 }, () => {}, { maxWaitMs: 60_000 })
  await other.run({ requests: 750 }, () => {}, { maxWaitMs: 60_000 })
  const event = await soft
  t.like(event, { swarm: 'crew', unit: 'requests', limit: 1000 })
  t.true(event.used >= 800)
  const { limit, used, held, left } = one.stats().units.requests
  t.is(used + held + left, limit)
  t.is(used, 850)
  t.true(left <= 150)
})

test('a task waits for a slice, too', async (t) => {
  const [, a] = pair(t)
  const swarm = a.createSwarm('crew', { budget: { requests: 10 } })
  const task = await swarm.startTask('jobs', { estimate: { requests: 10 } })
  await task.release()
  await t.throwsAsync(swarm.startTask('jobs', { estimate: { requests: 1 } }), { instanceOf: BudgetError })
})
