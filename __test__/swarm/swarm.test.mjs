// Swarms: budgets, calls, children, and what is refused.
import { AtrionError, BudgetError, isAtrionError, isBudgetError } from 'atrion'
import test from 'ava'
import { create, engine, HOSTILE_NAMES, memoryLogger, turn, virtual } from '../_engine.mjs'
import { outcomeOf } from '../_room.mjs'

const swarmOf = (budget, options = {}, world = virtual()) => ({
  ...world,
  swarm: world.atrion.createSwarm('root', { budget, ...options }),
})

const unitOf = (swarm, unit = 'usd') => swarm.stats().units[unit]

/** A call that stays under way until it is ended. */
const begin = async (swarm, estimate, options) => {
  const call = {}
  const begun = new Promise((resolve, reject) => {
    call.result = swarm.run(
      estimate,
      (lease, signal) =>
        new Promise((end, fail) => {
          Object.assign(call, { lease, signal, end, fail })
          resolve()
        }),
      options,
    )
    call.result.catch(reject)
  })
  await begun
  return call
}

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

// children

test('depth and children', (t) => {
  const { swarm } = swarmOf({ depth: 2, children: 3 })
  const a = swarm.child('a')
  const b = a.child('b')
  t.like(
    t.throws(() => b.child('c'), { instanceOf: BudgetError }),
    { unit: 'depth', ancestor: 'root', cause: 'hard' },
  )
  swarm.child('d')
  t.like(
    t.throws(() => swarm.child('e')),
    { unit: 'children', ancestor: 'root', cause: 'hard' },
  )
  t.deepEqual(unitOf(swarm, 'children'), { limit: 3, used: 0, held: 3, left: 0 })
  a.close()
  t.true(b.isClosed)
  t.deepEqual(unitOf(swarm, 'children'), { limit: 3, used: 0, held: 1, left: 2 })
  t.deepEqual(swarm.stats().children, ['d'])
  swarm.child('a')
  const none = swarm.child('none', { budget: { children: 0 } })
  t.like(
    t.throws(() => none.child('x')),
    { unit: 'children', ancestor: 'root/none' },
  )
  const shallow = create().createSwarm('shallow', { budget: { depth: 0 } })
  t.like(
    t.throws(() => shallow.child('x')),
    { unit: 'depth', ancestor: 'shallow' },
  )
})

test('a share is of every limit that is spent, also of one from further up', async (t) => {
  const { swarm } = swarmOf({ usd: 10, outputTokens: 1001, children: 10, wallMs: 1e6 })
  t.deepEqual(swarm.child('half', { share: 0.5 }).stats().units, {
    usd: { limit: 5, used: 0, held: 0, left: 5 },
    outputTokens: { limit: 500, used: 0, held: 0, left: 500 },
  })
  const below = swarm.child('unlimited').child('tenth', { share: 0.1 })
  t.is(below.stats().units.usd.limit, 1)
  const error = await t.throwsAsync(below.run({ usd: 1.5, outputTokens: 1 }, async () => {}))
  t.is(error.ancestor, 'root/unlimited/tenth')
})

test('time is from the creation of the swarm: nothing begins past it, and what is under way ends', async (t) => {
  const { swarm, clock } = swarmOf({ wallMs: 1000, usd: 1 })
  clock.advance(400)
  const child = swarm.child('child', { budget: { wallMs: 200 } })
  t.deepEqual(unitOf(swarm, 'wallMs'), { limit: 1000, used: 400, held: 0, left: 600 })
  t.like(await t.throwsAsync(child.run({ usd: 0.1, wallMs: 300 }, async () => {})), {
    unit: 'wallMs',
    ancestor: 'root/child',
    wanted: 300,
  })
  const call = await begin(child, { usd: 0.1, wallMs: 100 })
  clock.advance(200)
  t.like(await t.throwsAsync(child.run({ usd: 0.1 }, async () => {})), { unit: 'wallMs', ancestor: 'root/child' })
  t.true(call.signal.aborted)
  t.like(call.signal.reason, { unit: 'wallMs', cause: 'hard' })
  call.fail(call.signal.reason)
  t.is((await t.throwsAsync(call.result)).unit, 'wallMs')
  t.is(await swarm.run({ usd: 0.1 }, async () => 'in time'), 'in time')
  clock.advance(10_000)
  t.deepEqual(unitOf(swarm, 'wallMs'), { limit: 1000, used: 1000, held: 0, left: 0 })
  t.is((await t.throwsAsync(swarm.run({ usd: 0.1 }, async () => {}))).ancestor, 'root')
})

test('close ends what is under way and below, refuses what comes, and frees the name', async (t) => {
  const { swarm, atrion } = swarmOf({ usd: 1 })
  const child = swarm.child('child')
  const call = await begin(child, { usd: 0.5 })
  const waits = outcomeOf(swarm.run({ usd: 0.75 }, async () => {}, { maxWaitMs: Number.POSITIVE_INFINITY }))
  await turn()
  t.is(swarm.stats().waiting, 1)
  swarm.close()
  swarm.close()
  t.true(swarm.isClosed && child.isClosed)
  t.is(call.signal.reason.cause, 'closed')
  call.end('kept')
  t.is(await call.result, 'kept')
  await turn()
  t.is(waits.error.cause, 'closed')
  t.is((await t.throwsAsync(child.run({ usd: 0.1 }, async () => {}))).cause, 'closed')
  t.is(t.throws(() => swarm.child('x')).cause, 'closed')
  t.is(swarm.stats().units.usd.used, 0.5)
  atrion.createSwarm('root', { budget: { usd: 1 } })
  const disposed = atrion.createSwarm('disposed', { budget: {} })
  disposed[Symbol.dispose]()
  t.true(disposed.isClosed)
  t.false(atrion.createSwarm('disposed', { budget: {} }).isClosed)
})

test('children that come and go leave nothing behind but what they used', async (t) => {
  const { swarm } = swarmOf({ usd: 1000, children: 1 })
  for (let i = 0; i < 2000; i++) {
    const child = swarm.child('child', { budget: { usd: 1, wallMs: 3_600_000 } })
    await child.run({ usd: 0.5 }, async (lease) => lease.used({ usd: 0.25 }))
    child.close()
  }
  t.deepEqual(unitOf(swarm), { limit: 1000, used: 500, held: 0, left: 500 })
  t.is(unitOf(swarm, 'children').left, 1)
})

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
