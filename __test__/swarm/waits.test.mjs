// Calls that wait for budget: their order, their ends, and what they leave behind.
import { getEventListeners } from 'node:events'
import { BudgetError } from 'atrion'
import test from 'ava'
import { create, randomOf, turn, virtual } from '../_engine.mjs'
import { outcomeOf } from '../_room.mjs'

const swarmOf = (budget, world = virtual()) => ({ ...world, swarm: world.atrion.createSwarm('root', { budget }) })
const unitOf = (swarm, unit = 'usd') => swarm.stats().units[unit]

/** Takes all of a unit until it is ended with what it used. */
const occupy = async (swarm, amount, unit = 'usd') => {
  let release
  let lease
  const begun = new Promise((resolve) => {
    release = swarm.run({ [unit]: amount }, async (given) => {
      lease = given
      return new Promise((end) => {
        resolve(end)
      })
    })
  })
  const end = await begun
  return {
    lease,
    end: async (used) => {
      lease.used({ [unit]: used })
      end()
      await release
    },
  }
}

/** Waits until a promise has settled, by turns of the event loop. */
const settled = async (seen) => {
  while (!seen.settled) await turn()
  return seen
}

test('a call waits for what another may give back, and is refused at once where nothing can come', async (t) => {
  const { swarm } = swarmOf({ usd: 1 })
  const holder = await occupy(swarm, 0.75)
  const never = await t.throwsAsync(swarm.run({ usd: 1.5 }, async () => {}, { maxWaitMs: 60_000 }))
  t.is(never.cause, 'hard')
  t.is((await t.throwsAsync(swarm.run({ usd: 0.5 }, async () => {}))).cause, 'hard')
  const waits = outcomeOf(swarm.run({ usd: 0.5 }, async () => 'ran', { maxWaitMs: 60_000 }))
  await turn()
  t.is(swarm.stats().waiting, 1)
  await holder.end(0.25)
  await settled(waits)
  t.is(waits.value, 'ran')
  t.is(swarm.stats().waiting, 0)
  t.is(unitOf(swarm).used, 0.75)
})

test('a call that waits is refused once too much was used for it', async (t) => {
  const { swarm } = swarmOf({ usd: 1 })
  const holder = await occupy(swarm, 1)
  const large = outcomeOf(swarm.run({ usd: 0.5 }, async () => 'large', { maxWaitMs: 60_000 }))
  const small = outcomeOf(swarm.run({ usd: 0.25 }, async () => 'small', { maxWaitMs: 60_000 }))
  await turn()
  await holder.end(0.75)
  await settled(large)
  await settled(small)
  t.like(large.error, { cause: 'hard', unit: 'usd' })
  t.is(small.value, 'small')
})

test('a wait ends at its time, by the clock of the instance', async (t) => {
  const { swarm, clock } = swarmOf({ usd: 1 })
  const holder = await occupy(swarm, 1)
  const waits = outcomeOf(swarm.run({ usd: 0.5 }, async () => 'ran', { maxWaitMs: 500 }))
  await turn()
  clock.advance(499)
  swarm.stats()
  await turn()
  t.false(waits.settled)
  clock.advance(1)
  await settled(waits) // nothing but its own timer looks at it
  t.like(waits.error, { cause: 'wait_timeout', swarm: 'root', ancestor: 'root' })
  t.deepEqual(swarm.stats().refusals, { wait_timeout: 1 })
  await holder.end(0)
  t.deepEqual(unitOf(swarm), { limit: 1, used: 0, held: 0, left: 1 })
})

test('a wait on the machine’s own clock ends as well', async (t) => {
  const { swarm } = swarmOf({ usd: 1 }, { atrion: create() })
  const holder = await occupy(swarm, 1)
  t.is((await t.throwsAsync(swarm.run({ usd: 0.5 }, async () => {}, { maxWaitMs: 5 }))).cause, 'wait_timeout')
  await holder.end(0)
})

test('an abort ends a wait, and no listener is left', async (t) => {
  const { swarm } = swarmOf({ usd: 1 })
  const holder = await occupy(swarm, 1)
  const controller = new AbortController()
  const { signal } = controller
  const waits = Array.from({ length: 20 }, () =>
    outcomeOf(swarm.run({ usd: 0.5 }, async () => 'ran', { maxWaitMs: 60_000, signal })),
  )
  await turn()
  t.is(getEventListeners(signal, 'abort').length, 1)
  const reason = new Error('enough')
  controller.abort(reason)
  for (const one of waits) t.is((await settled(one)).error, reason)
  t.is(swarm.stats().waiting, 0)
  const other = new AbortController()
  const served = outcomeOf(swarm.run({ usd: 0.5 }, async () => 'ran', { maxWaitMs: 60_000, signal: other.signal }))
  await turn()
  await holder.end(0.25)
  t.is((await settled(served)).value, 'ran')
  t.is(getEventListeners(other.signal, 'abort').length, 0)
  t.deepEqual(unitOf(swarm), { limit: 1, used: 0.75, held: 0, left: 0.25 })
})

test('the highest tier first, then each tenant in turn; a large call is not passed by for good', async (t) => {
  const { swarm } = swarmOf({ slots: 4 })
  const holder = await occupy(swarm, 4, 'slots')
  const order = []
  const go = (name, options, slots = 4) =>
    swarm.run(
      { slots },
      async (lease) => {
        order.push(name)
        lease.used({ slots: 0 })
        await turn()
      },
      { maxWaitMs: 60_000, ...options },
    )
  const all = [
    go('bulk', { tier: 'bulk' }),
    ...['a1', 'a2', 'a3'].map((name) => go(name, { key: 'a' })),
    go('b1', { key: 'b' }),
    go('critical', { tier: 'critical' }),
    go('b2', { key: 'b' }),
    go('small', { tier: 'low' }, 1),
  ]
  await turn()
  await holder.end(0)
  await Promise.all(all)
  t.deepEqual(order, ['critical', 'a1', 'b1', 'a2', 'b2', 'a3', 'small', 'bulk'])
})

test('calls that come later do not pass those who wait, also where they need less', async (t) => {
  const { swarm } = swarmOf({ slots: 4 })
  const holder = await occupy(swarm, 3, 'slots')
  const order = []
  const go = (name, slots) =>
    swarm.run(
      { slots },
      async (lease) => {
        order.push(name)
        lease.used({ slots: 0 })
      },
      { maxWaitMs: 60_000, key: 'one' },
    )
  const large = go('large', 4)
  await turn()
  const small = go('small', 1) // one is free, but the large one is first
  await turn()
  t.deepEqual(order, [])
  await holder.end(0)
  await Promise.all([large, small])
  t.deepEqual(order, ['large', 'small'])
})

test('a child whose own budget is short stands in no other’s way', async (t) => {
  const { swarm } = swarmOf({ slots: 10 })
  const full = swarm.child('full', { budget: { slots: 1 } })
  const free = swarm.child('free', { budget: { slots: 5 } })
  const holder = await occupy(full, 1, 'slots')
  const blocked = outcomeOf(full.run({ slots: 1 }, async () => 'ran', { maxWaitMs: 60_000, tier: 'critical' }))
  await turn()
  t.is(await free.run({ slots: 5 }, async () => 'free', { maxWaitMs: 60_000, tier: 'bulk' }), 'free')
  t.false(blocked.settled)
  t.deepEqual([swarm.stats().waiting, full.stats().waiting, free.stats().waiting], [1, 1, 0])
  await holder.end(0)
  t.is((await settled(blocked)).value, 'ran')
})

test('a call that waits at its child’s budget goes on to wait at the root’s', async (t) => {
  const { swarm } = swarmOf({ slots: 4 })
  const child = swarm.child('child', { budget: { slots: 2 } })
  const inChild = await occupy(child, 2, 'slots')
  const waits = outcomeOf(child.run({ slots: 2 }, async () => 'ran', { maxWaitMs: 60_000 }))
  await turn()
  const inRoot = await occupy(swarm, 2, 'slots')
  const more = outcomeOf(swarm.run({ slots: 2 }, async () => new Promise(() => {}), { maxWaitMs: 60_000 }))
  await turn()
  await inChild.end(0)
  await turn()
  t.false(waits.settled && more.settled)
  await inRoot.end(0)
  t.is((await settled(waits)).value, 'ran')
})

test('equal tenants get equal shares of a budget that all of them wait for', async (t) => {
  const { swarm } = swarmOf({ slots: 8 })
  const random = randomOf(7)
  const served = new Map()
  let isOver = false
  const agent = async (key) => {
    while (!isOver) {
      await swarm.run(
        { slots: 1 },
        async (lease) => {
          served.set(key, (served.get(key) ?? 0) + 1)
          for (let i = Math.floor(random() * 4); i >= 0; i--) await turn()
          lease.used({ slots: 0 })
        },
        { key, maxWaitMs: Number.POSITIVE_INFINITY },
      )
    }
  }
  // Tenants of one to twelve agents each, all with more agents at work than they can be served.
  const agents = Array.from({ length: 12 }, (_, tenant) =>
    Array.from({ length: 2 + tenant }, () => agent(`tenant ${tenant}`)),
  ).flat()
  while ((served.get('tenant 0') ?? 0) < 150) await turn()
  isOver = true
  await Promise.all(agents)
  const shares = [...served.values()]
  const jain = shares.reduce((a, b) => a + b) ** 2 / (shares.length * shares.reduce((a, b) => a + b * b, 0))
  t.true(jain >= 0.98, `Jain ${jain}: ${shares}`)
  t.deepEqual(unitOf(swarm, 'slots'), { limit: 8, used: 0, held: 0, left: 8 })
})

test('estimates four times too low: a hard limit is passed by one chunk a call at most', async (t) => {
  const { swarm } = swarmOf({ outputTokens: 10_000 })
  const CHUNK = 16
  const CALLS = 40
  const calls = Array.from({ length: 400 }, (_, i) => async () => {
    await swarm.run({ outputTokens: 100 }, async (lease) => {
      for (let given = 0; given < 400; given += CHUNK) {
        await turn()
        if (!lease.debit({ outputTokens: CHUNK })) return i
      }
      return i
    })
  })
  const outcomes = []
  const workers = Array.from({ length: CALLS }, async () => {
    for (let call = calls.pop(); call !== undefined; call = calls.pop()) {
      outcomes.push(
        await call().then(
          () => undefined,
          (error) => error,
        ),
      )
    }
  })
  await Promise.all(workers)
  const { used, held, left } = unitOf(swarm, 'outputTokens')
  t.is(held, 0)
  t.is(used + left, 10_000)
  t.true(used >= 10_000 - 100, `${used} used`)
  t.true(used <= 10_000 + CALLS * CHUNK, `${used} used`)
  t.true(outcomes.some((error) => error instanceof BudgetError))
})

test('estimates that bound the use: a hard limit is never passed', async (t) => {
  const { swarm } = swarmOf({ usd: 5 })
  const random = randomOf(3)
  const work = async () => {
    for (let i = 0; i < 100; i++) {
      const usd = Math.ceil(random() * 1000) / 10_000
      await swarm
        .run({ usd }, async (lease) => {
          await turn()
          lease.used({ usd: usd * random() })
        })
        .catch((error) => t.true(error instanceof BudgetError))
      t.true(unitOf(swarm).left >= 0)
    }
  }
  await Promise.all(Array.from({ length: 50 }, work))
  const { used, held } = unitOf(swarm)
  t.is(held, 0)
  t.true(used > 4.8 && used <= 5, `${used} used`)
})

test('a call within a call that waits for what its own caller holds ends at its time', async (t) => {
  const { swarm, clock } = swarmOf({ usd: 1 })
  const outer = outcomeOf(
    swarm.run({ usd: 1 }, async () => swarm.run({ usd: 0.5 }, async () => 'inner', { maxWaitMs: 1000 })),
  )
  while (swarm.stats().waiting === 0) await turn()
  clock.advance(1000)
  t.is((await settled(outer)).error.cause, 'wait_timeout')
  t.is(unitOf(swarm).held, 0)
})
