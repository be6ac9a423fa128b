// The fair queue of those who wait for budget or quota.
import test from 'ava'
import fc from '../_random.mjs'
import { sourceOf } from '../_source.mjs'

const { FairQueue, OLDEST_EVERY, IDLE_TENANTS } = await sourceOf('swarm/queue.ts')

const put = (queue, tenant, { tier = 2, weight = 1, cost = 1, arrivedMs = 0, item = tenant } = {}) =>
  queue.push(item, { tier, tenant, weight, cost, arrivedMs })

const serve = (queue, nowMs = 0) => {
  const entry = queue.next(nowMs)
  if (entry !== undefined) queue.take(entry)
  return entry
}

/** Jain's index: 1 where all are equal. */
const jain = (shares) => shares.reduce((a, b) => a + b) ** 2 / (shares.length * shares.reduce((a, b) => a + b * b, 0))

test('tenants that always wait are served in turn, however many each has waiting', (t) => {
  const queue = new FairQueue({ capacity: 1e6 })
  const served = new Map()
  for (let tenant = 0; tenant < 50; tenant++) {
    served.set(`t${tenant}`, 0)
    for (let i = 0; i < 1 + tenant * 4; i++) put(queue, `t${tenant}`)
  }
  for (let i = 0; i < 5000; i++) {
    const { tenant, cost } = serve(queue)
    served.set(tenant, served.get(tenant) + cost)
    put(queue, tenant)
  }
  t.true(jain([...served.values()]) > 0.999)
})

test('a tenant with one call at a time gets as much as one with a hundred', (t) => {
  const queue = new FairQueue()
  for (let i = 0; i < 100; i++) put(queue, 'many', { arrivedMs: i })
  put(queue, 'one', { arrivedMs: 100 })
  const served = { many: 0, one: 0 }
  for (let i = 0; i < 1000; i++) {
    const { tenant } = serve(queue)
    served[tenant] += 1
    put(queue, tenant, { arrivedMs: 101 + i })
  }
  t.true(Math.abs(served.many - served.one) <= 1, JSON.stringify(served))
})

test('service is by cost and weight, whatever the costs are', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ weight: fc.integer({ min: 1, max: 5 }), cost: fc.integer({ min: 1, max: 9 }) }), {
        minLength: 2,
        maxLength: 8,
      }),
      (tenants) => {
        const queue = new FairQueue()
        const served = tenants.map(() => 0)
        tenants.forEach((tenant, i) => {
          put(queue, `t${i}`, { ...tenant, item: i })
        })
        for (let turn = 0; turn < 3000; turn++) {
          const { item, cost } = serve(queue)
          served[item] += cost
          put(queue, `t${item}`, { ...tenants[item], item })
        }
        const shares = served.map((sum, i) => sum / tenants[i].weight)
        t.true(jain(shares) > 0.999, JSON.stringify(shares))
      },
    ),
    { numRuns: 30 },
  )
})

test('the highest tier first; one turn in ten is the oldest’s once it has waited for long', (t) => {
  const queue = new FairQueue({ ageMs: 5000 })
  put(queue, 'batch', { tier: 0, arrivedMs: 0 })
  let turns = 0
  for (;;) {
    put(queue, 'user', { tier: 4, arrivedMs: 4000 + turns })
    turns += 1
    if (serve(queue, 4000).tenant === 'batch') return t.fail('it is not old yet')
    if (turns > 3 * OLDEST_EVERY) break
  }
  let later = 0
  for (;;) {
    put(queue, 'user', { tier: 4, arrivedMs: 5000 + turns })
    later += 1
    if (serve(queue, 5001).tenant === 'batch') break
    if (later > OLDEST_EVERY) return t.fail('it starves')
  }
  t.true(later <= OLDEST_EVERY)
})

test('an old backlog of batch work takes a tenth of the turns and no more', (t) => {
  const queue = new FairQueue({ capacity: 1e5, ageMs: 1000 })
  for (let i = 0; i < 3000; i++) put(queue, `batch${i % 7}`, { tier: 0, arrivedMs: i })
  let batch = 0
  for (let turn = 0; turn < 1000; turn++) {
    put(queue, `user${turn % 3}`, { tier: 3, arrivedMs: 100_000 + turn })
    if (serve(queue, 100_000 + turn).tier === 0) batch += 1
  }
  t.is(batch, 1000 / OLDEST_EVERY)
})

test('turns for age are shared equally by tenants, however many calls each has waiting', (t) => {
  const queue = new FairQueue({ capacity: 1e5, ageMs: 1000 })
  const served = Array.from({ length: 8 }, () => 0)
  let nowMs = 0
  for (let tenant = 0; tenant < served.length; tenant++) {
    for (let i = 0; i < 6 * (tenant + 1); i++) put(queue, `batch${tenant}`, { tier: 1, item: tenant })
  }
  for (let turn = 0; turn < 8000; turn++) {
    nowMs += 100
    put(queue, 'people', { tier: 3, arrivedMs: nowMs })
    const { tier, item } = serve(queue, nowMs)
    if (tier !== 1) continue
    served[item] += 1
    put(queue, `batch${item}`, { tier: 1, item, arrivedMs: nowMs })
  }
  t.true(jain(served) > 0.99, `${served}`)
})

test('a full queue: the lowest tier gives way, and in one tier the tenant with the most', (t) => {
  const queue = new FairQueue({ capacity: 4 })
  for (const tenant of ['a', 'a', 'a', 'b']) put(queue, tenant, { tier: 2 })
  t.true(queue.isFull)
  t.is(queue.yielding(1, 'c'), undefined)
  t.is(queue.yielding(2, 'a'), undefined)
  t.is(queue.yielding(2, 'c').tenant, 'a')
  put(queue, 'd', { tier: 0 })
  t.is(queue.yielding(1, 'c').tenant, 'd')
  t.deepEqual(queue.sizes(), [1, 0, 4, 0, 0])
})

test('entries leave from anywhere, once, and random histories lose none', (t) => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.record({
            type: fc.constant('push'),
            tenant: fc.nat(5),
            tier: fc.nat(4),
            cost: fc.integer({ min: 1, max: 5 }),
            arrivedMs: fc.nat(100),
          }),
          fc.record({ type: fc.constant('serve') }),
          fc.record({ type: fc.constant('remove'), which: fc.nat() }),
        ),
        { maxLength: 120 },
      ),
      (actions) => {
        const queue = new FairQueue()
        const waiting = new Set()
        let id = 0
        for (const one of actions) {
          if (one.type === 'push') waiting.add(put(queue, `t${one.tenant}`, { ...one, item: id++ }))
          else if (one.type === 'serve') {
            const entry = serve(queue)
            t.is(entry === undefined, waiting.size === 0)
            if (entry !== undefined) {
              t.is(entry.tier, Math.max(...[...waiting].map(({ tier }) => tier)))
              t.true(waiting.delete(entry))
              t.false(queue.take(entry))
            }
          } else if (waiting.size > 0) {
            const entry = [...waiting][one.which % waiting.size]
            waiting.delete(entry)
            t.true(queue.remove(entry))
            t.false(queue.remove(entry))
          }
          t.is(queue.size, waiting.size)
          const all = [...queue.entries()]
          t.true(all.length === waiting.size && all.every((entry) => waiting.has(entry)))
          t.true(all.every(({ arrivedMs }, i) => i === 0 || all[i - 1].arrivedMs <= arrivedMs))
        }
        while (queue.size > 0) t.true(waiting.delete(serve(queue)))
        t.is(waiting.size, 0)
      },
    ),
    { numRuns: 200 },
  )
})

test('tenants that come once are forgotten in time', (t) => {
  const queue = new FairQueue()
  for (let i = 0; i < 3 * IDLE_TENANTS; i++) {
    put(queue, `once${i}`)
    serve(queue)
  }
  t.true(queue.tenants <= IDLE_TENANTS + 1, `${queue.tenants} tenants`)
})
