// Swarms: budgets, calls, and what is refused.
import { AtrionError, BudgetError, isAtrionError, isBudgetError } from 'atrion'
import test from 'ava'
import { turn } from '../_engine.mjs'
import { begin, swarmOf, unitOf } from './_swarm.mjs'

// accounts

test('a call reserves its estimate, is counted by what it reports, and leaves the rest', async (t) => {
  const { swarm } = swarmOf({ usd: 1, outputTokens: 1000 })
  const result = await swarm.run({ usd: 0.5, outputTokens: 400 }, async (lease) => {
    t.deepEqual(unitOf(swarm), { limit: 1, used: 0, held: 0.5, left: 0.5 })
    lease.used({ usd: 0.125 })
    t.deepEqual(unitOf(swarm), { limit: 1, used: 0.125, held: 0.375, left: 0.5 })
    lease.used({ usd: 0.25, outputTokens: 100 })
    return 'done'
  })
  t.is(result, 'done')
  t.deepEqual(swarm.stats().units, {
    usd: { limit: 1, used: 0.25, held: 0, left: 0.75 },
    outputTokens: { limit: 1000, used: 100, held: 0, left: 900 },
  })
})

test('a unit without a report counts as reserved', async (t) => {
  const { swarm } = swarmOf({ usd: 1, outputTokens: 1000, requests: 10, calls: 5 })
  await swarm.run({ usd: 0.5, outputTokens: 400, calls: 2 }, async (lease) => lease.used({ outputTokens: 7 }))
  const used = Object.fromEntries(Object.entries(swarm.stats().units).map(([unit, { used }]) => [unit, used]))
  t.deepEqual(used, { usd: 0.5, outputTokens: 7, requests: 1, calls: 2 })
})

test('work that fails is counted by what it reported; a call that was refused within it costs nothing more', async (t) => {
  const { swarm } = swarmOf({ usd: 1 })
  const boom = new Error('boom')
  const failing = swarm.run({ usd: 0.5 }, async (lease) => {
    lease.used({ usd: 0.1 })
    throw boom
  })
  t.is(await t.throwsAsync(failing), boom)
  t.deepEqual(unitOf(swarm), { limit: 1, used: 0.1, held: 0, left: 0.9 })
  await t.throwsAsync(
    swarm.run({ usd: 0.5 }, () => {
      throw boom // before any promise
    }),
    { is: boom },
  )
  t.is(unitOf(swarm).used, 0.6)
  await t.throwsAsync(
    swarm.run({ usd: 0.25 }, async (lease) => {
      lease.refund()
      throw boom
    }),
    { is: boom },
  )
  t.is(unitOf(swarm).used, 0.6)
})

test('a million small sums add up exactly', async (t) => {
  const { swarm } = swarmOf({ usd: 3 })
  for (let i = 0; i < 10; i++) {
    await swarm.run({ usd: 0.3 }, async (lease) => {
      for (let j = 0; j < 3; j++) lease.debit({ usd: 0.1 })
    })
  }
  t.deepEqual(unitOf(swarm), { limit: 3, used: 3, held: 0, left: 0 })
})

test('a limit holds up the whole tree, and the error names the ancestor and the unit', async (t) => {
  const { swarm } = swarmOf({ usd: 1 })
  const child = swarm.child('child', { budget: { usd: 0.9, outputTokens: 10_000 } })
  const grandchild = child.child('grandchild')
  const call = await begin(grandchild, { usd: 0.8 })
  t.deepEqual([unitOf(swarm).held, unitOf(child).held], [0.8, 0.8])
  const error = await t.throwsAsync(
    grandchild.run({ usd: 0.15 }, async () => {}),
    { instanceOf: BudgetError },
  )
  t.like(error, {
    code: 'ATRION_BUDGET',
    cause: 'hard',
    unit: 'usd',
    swarm: 'root/child/grandchild',
    ancestor: 'root/child',
    limit: 0.9,
    used: 0,
    held: 0.8,
    wanted: 0.15,
    limitedBy: 'budget',
  })
  t.true(isBudgetError(error) && isAtrionError(error) && error instanceof AtrionError)
  const above = await t.throwsAsync(swarm.run({ usd: 0.3 }, async () => {}))
  t.is(above.ancestor, 'root')
  call.lease.used({ usd: 0.1 })
  call.end()
  await call.result
  t.deepEqual([unitOf(swarm).used, unitOf(child).used, unitOf(swarm).held], [0.1, 0.1, 0])
  t.deepEqual(swarm.stats().refusals, { hard: 2 })
  t.deepEqual(child.stats().refusals, { hard: 1 })
})

test('0 is none', async (t) => {
  const { swarm } = swarmOf({ usd: 1, outputTokens: 10_000, own: 5 })
  for (const unit of ['usd', 'outputTokens', 'requests', 'own']) {
    const child = swarm.child(`no ${unit}`, { budget: { [unit]: 0 } })
    const error = await t.throwsAsync(child.run({ usd: 0.1 }, async () => t.fail('it ran')))
    t.like(error, { cause: 'hard', unit, ancestor: `root/no ${unit}` })
  }
  const none = swarm.child('none', { budget: { own: 0 } })
  t.is(await none.run({ usd: 0.1, own: 0 }, async () => 'needs none of it'), 'needs none of it')
})

// reports

test('totals are cumulative, a lower one changes nothing, and debits add up', async (t) => {
  const { swarm } = swarmOf({ own: 100 })
  await swarm.run({ own: 50 }, async (lease) => {
    t.true(lease.used({ own: 10 }))
    t.true(lease.used({ own: 5 }))
    t.is(unitOf(swarm, 'own').used, 10)
    t.true(lease.debit({ own: 5 }))
    t.true(lease.debit({ own: 0.25 }))
    t.is(unitOf(swarm, 'own').used, 15.25)
    t.deepEqual(lease.remaining(), { own: 84.75 })
  })
  t.is(unitOf(swarm, 'own').used, 15.25)
})

test('above the estimate a call takes what is left, and at the limit it ends with what it has', async (t) => {
  const { swarm } = swarmOf({ outputTokens: 100 })
  const other = await begin(swarm, { outputTokens: 20 })
  let chunks = 0
  const result = await swarm.run({ outputTokens: 10 }, async (lease, signal) => {
    while (lease.debit({ outputTokens: 7 })) {
      chunks += 1
      t.false(signal.aborted)
    }
    t.true(signal.aborted)
    t.is(signal.reason, lease.exhausted)
    t.like(lease.exhausted, { cause: 'hard', unit: 'outputTokens', ancestor: 'root' })
    return chunks
  })
  t.is(result, 11) // 77 of the 80 that the other left; the 12th chunk is the one that goes over
  t.deepEqual(unitOf(swarm, 'outputTokens'), { limit: 100, used: 84, held: 20, left: -4 })
  other.lease.used({ outputTokens: 0 })
  other.end()
  await other.result
  t.deepEqual(unitOf(swarm, 'outputTokens'), { limit: 100, used: 84, held: 0, left: 16 })
  t.is(swarm.stats().exhausted, 1)
})

test('work that rejects after its limit rejects with the limit and the partial result', async (t) => {
  const { swarm } = swarmOf({ usd: 1 })
  for (const failure of [undefined, new DOMException('aborted', 'AbortError'), new Error('socket closed')]) {
    const child = swarm.child('child', { budget: { usd: 0.1 } })
    const error = await t.throwsAsync(
      child.run({ usd: 0.1 }, async (lease, signal) => {
        lease.keep({ text: 'so far' })
        lease.used({ usd: 0.11 })
        if (failure) throw failure
        signal.throwIfAborted()
      }),
      { instanceOf: BudgetError },
    )
    t.like(error, { cause: 'hard', unit: 'usd', ancestor: 'root/child', partial: { text: 'so far' } })
    child.close()
  }
})

test('work that does not end after its limit is left behind', async (t) => {
  const { swarm } = swarmOf({ usd: 1 })
  const call = await begin(swarm, { usd: 0.5 })
  call.lease.keep('half')
  call.lease.used({ usd: 1.5 })
  const error = await t.throwsAsync(call.result)
  t.like(error, { cause: 'hard', partial: 'half' })
  t.deepEqual(unitOf(swarm), { limit: 1, used: 1.5, held: 0, left: -0.5 })
  t.is(swarm.stats().inFlight, 0)
})

test('extend reserves more, all of it or nothing', async (t) => {
  const { swarm } = swarmOf({ usd: 1, own: 10 })
  await swarm.run({ usd: 0.5, own: 1 }, async (lease) => {
    lease.extend({ usd: 0.25, own: 4 })
    t.is(unitOf(swarm).held, 0.75)
    const error = t.throws(() => lease.extend({ usd: 0.1, own: 6 }), { instanceOf: BudgetError })
    t.like(error, { cause: 'hard', unit: 'own', ancestor: 'root' })
    t.deepEqual([unitOf(swarm).held, unitOf(swarm, 'own').held], [0.75, 5])
    lease.used({ usd: 0.6, own: 2 })
  })
  t.deepEqual([unitOf(swarm).used, unitOf(swarm, 'own').used, unitOf(swarm).held], [0.6, 2, 0])
})

test('a lease is settled once, and a report after that throws', async (t) => {
  const { swarm } = swarmOf({ usd: 1 })
  let kept
  await swarm.run({ usd: 0.5 }, async (lease) => {
    kept = lease
    t.true(lease.settle({ usd: 0.1 }))
    t.is(unitOf(swarm).held, 0)
    t.false(lease.settle({ usd: 0.4 }))
    for (const report of ['used', 'debit', 'extend']) {
      t.throws(() => lease[report]({ usd: 0.1 }), { instanceOf: BudgetError, code: 'ATRION_BUDGET' })
    }
  })
  t.is(unitOf(swarm).used, 0.1)
  t.is(t.throws(() => kept.used({ usd: 1 })).cause, 'settled')
  t.false(kept.settle())
  kept.refund()
  t.deepEqual(unitOf(swarm), { limit: 1, used: 0.1, held: 0, left: 0.9 })
})

// aborts

test('an abort settles at once; what the work reports later corrects it, once', async (t) => {
  const { swarm } = swarmOf({ usd: 1 })
  const controller = new AbortController()
  const call = await begin(swarm, { usd: 0.5 }, { signal: controller.signal })
  const reason = new Error('enough')
  controller.abort(reason)
  t.is(await t.throwsAsync(call.result), reason)
  t.true(call.signal.aborted)
  t.is(call.signal.reason, reason)
  t.deepEqual(unitOf(swarm), { limit: 1, used: 0.5, held: 0, left: 0.5 })
  call.lease.used({ usd: 0.125 })
  t.deepEqual(unitOf(swarm), { limit: 1, used: 0.125, held: 0, left: 0.875 })
  call.lease.used({ usd: 0.75 })
  t.is(unitOf(swarm).used, 0.75)
  t.throws(() => call.lease.extend({ usd: 0.1 }), { instanceOf: BudgetError })
  call.end()
  await turn()
  t.is(t.throws(() => call.lease.used({ usd: 1 })).cause, 'settled')
  t.deepEqual(unitOf(swarm), { limit: 1, used: 0.75, held: 0, left: 0.25 })
})

test('a signal that is aborted already, and a time limit', async (t) => {
  const { swarm } = swarmOf({ usd: 1 })
  const reason = new Error('never')
  const never = swarm.run({ usd: 0.5 }, async () => t.fail('it ran'), { signal: AbortSignal.abort(reason) })
  t.is(await t.throwsAsync(never), reason)
  t.is(unitOf(swarm).left, 1)
  const slow = await begin(swarm, { usd: 0.5 }, { timeoutMs: 5 })
  t.is((await slow.result.catch((error) => error)).name, 'TimeoutError')
  t.true(slow.signal.aborted)
  t.deepEqual(unitOf(swarm), { limit: 1, used: 0.5, held: 0, left: 0.5 })
})

test('a call that is silent for ten minutes holds nothing any more, and may still report', async (t) => {
  const { swarm, clock } = swarmOf({ usd: 1 })
  const silent = await begin(swarm, { usd: 0.4 })
  const alive = await begin(swarm, { usd: 0.4 })
  for (let minute = 0; minute < 25; minute++) {
    clock.advance(60_000)
    alive.lease.used({ usd: 0.1 })
  }
  t.deepEqual(unitOf(swarm), { limit: 1, used: 0.5, held: 0.3, left: 0.2 })
  silent.lease.used({ usd: 0.2 })
  t.is(unitOf(swarm).used, 0.3)
  silent.end('late')
  alive.end('in time')
  t.deepEqual(await Promise.all([silent.result, alive.result]), ['late', 'in time'])
  t.deepEqual(unitOf(swarm), { limit: 1, used: 0.3, held: 0, left: 0.7 })
})
