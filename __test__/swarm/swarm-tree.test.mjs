// Swarms of swarms: depth, shares, time, and their end.
import { BudgetError } from 'atrion'
import test from 'ava'
import { create, turn } from '../_engine.mjs'
import { outcomeOf } from '../_room.mjs'
import { begin, swarmOf, unitOf } from './_swarm.mjs'

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
