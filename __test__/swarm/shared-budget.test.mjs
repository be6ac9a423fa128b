// A budget that nodes share by slices, in virtual time: nothing is overspent, none starves, and little is left over.
import test from 'ava'
import { checked, exhaust, randomOf, World } from './_shared-world.mjs'

test('a lone node uses all of a budget, and not a quantum more', async (t) => {
  const world = checked(t, new World(randomOf(1), { requests: 1000 }), 'alone')
  const node = world.add()
  t.is(await exhaust(world, node, 'requests'), 1000)
  t.is(world.usedOf('requests'), 1000)
  t.false(await node.run({ requests: 1 }))
  t.is(world.account.leftOf(0), 0)
})

test('a budget of 0 is none, and a run above the limit is refused at once', async (t) => {
  const world = checked(t, new World(randomOf(1), { usd: 0, requests: 10 }), 'none')
  const node = world.add()
  await world.run(100)
  t.false(await node.run({ usd: 1 }))
  t.false(await node.run({ requests: 11 }))
  const whole = node.run({ requests: 10 })
  await world.run(1000)
  t.true(await whole)
})

test('four nodes use a budget up together, each a part of it, and none starves', async (t) => {
  const world = checked(t, new World(randomOf(2), { requests: 4000, tokens: 4_000_000 }), 'four')
  const nodes = [1, 2, 3, 4].map(() => world.add())
  const ran = nodes.map(() => 0)
  for (let round = 0; round < 200; round++) {
    for (const [n, node] of nodes.entries()) {
      for (let i = 0; i < 10; i++) {
        node.run({ requests: 1, tokens: 1000 }).then((has) => {
          ran[n] += has
        })
      }
    }
    await world.run(50)
  }
  await world.run(10_000)
  t.is(
    ran.reduce((sum, one) => sum + one),
    4000,
  )
  t.true(Math.min(...ran) > 500, `${ran}`)
  t.is(world.account.takenOf(0), 4000)
})

test('a run that needs most of the budget gets it from nodes that hold slices they do not use', async (t) => {
  const world = checked(t, new World(randomOf(3), { tokens: 100_000 }), 'large')
  const nodes = Array.from({ length: 8 }, () => world.add())
  for (const node of nodes) node.run({ tokens: 500 }, { used: () => ({ tokens: 100 }) })
  await world.run(2000)
  const large = nodes[0].run({ tokens: 99_000 }, { maxWaitMs: 30_000 })
  await world.run(20_000)
  t.true(await large)
  t.is(world.usedOf('tokens'), 99_800)
})

test('a node that leaves gives back what it did not take; the last one to close takes the account with it', async (t) => {
  const world = checked(t, new World(randomOf(4), { requests: 1000 }), 'leaving')
  const [a, b] = [world.add(), world.add()]
  for (let i = 0; i < 20; i++) a.run({ requests: 1 })
  await world.run(500)
  a.source.leave()
  await world.run(100)
  t.is(world.account.sharers.size, 1)
  t.is(a.grantedOf('requests'), 20)
  t.is(await exhaust(world, b, 'requests'), 980)
  b.source.close()
  await world.run(100)
  t.is(world.account, undefined)
})

test('a node that left joins again with the next run that is short', async (t) => {
  const world = checked(t, new World(randomOf(5), { requests: 1000 }), 'joining again')
  const node = world.add()
  for (let i = 0; i < 20; i++) node.run({ requests: 1 })
  await world.run(500)
  node.source.leave()
  await world.run(500)
  t.is(world.account.sharers.size, 0)
  t.is(await exhaust(world, node, 'requests'), 980)
  t.is(world.usedOf('requests'), 1000)
})

test('a node that dies costs no more than its slice', async (t) => {
  for (let seed = 0; seed < 10; seed++) {
    const world = checked(t, new World(randomOf(seed), { requests: 6400 }), `dying ${seed}`)
    const [a, b] = [world.add(), world.add()]
    for (let i = 0; i < 500; i++) a.run({ requests: 1 })
    await world.run(100 + seed * 37)
    a.kill()
    const { used, granted } = a.cells.get('requests')
    await world.run(15_000)
    const got = await exhaust(world, b, 'requests', 5)
    t.true(granted - used <= 100, 'its slice is at most a 64th of the limit')
    t.true(got >= 6400 - granted - 100 - 5, `${got} of ${6400 - granted}`)
  }
})

test('without the store each node lives on its slice, and goes on when it is back', async (t) => {
  const world = checked(t, new World(randomOf(6), { requests: 6400 }), 'cut off')
  const [a, b] = [world.add(), world.add()]
  for (let i = 0; i < 400; i++) for (const node of [a, b]) node.run({ requests: 1 })
  await world.run(1000)
  const slices = [a, b].map((node) => node.grantedOf('requests') - node.usedOf('requests'))
  for (const node of [a, b]) node.isCutOff = true
  let ran = 0
  for (let i = 0; i < 1000; i++) {
    for (const node of [a, b]) {
      node.run({ requests: 1 }).then((has) => {
        ran += has
      })
    }
  }
  await world.run(60_000)
  t.true(ran > 0)
  t.true(ran <= slices[0] + slices[1])
  for (const node of [a, b]) node.isCutOff = false
  await world.run(5000)
  const before = world.usedOf('requests')
  const got = await exhaust(world, a, 'requests')
  // The slice of the other one counts as used: nothing was heard of it for a minute.
  t.true(before + got >= 6400 - 200, `${before} + ${got}`)
})

test('a run that needs much is not passed by for good by those of other nodes that need little', async (t) => {
  const world = checked(t, new World(randomOf(10), { tokens: 10_000 }), 'passed by')
  const [large, small] = [world.add(), world.add()]
  let isOver = false
  const busy = async () => {
    while (!isOver) await small.run({ tokens: 10 }, { forMs: 200, used: () => ({ tokens: 0 }) })
  }
  for (let i = 0; i < 5; i++) busy()
  await world.run(1000)
  const whole = large.run({ tokens: 9960 }, { maxWaitMs: 30_000 })
  await world.run(30_000)
  t.true(await whole)
  isOver = true
})

test('the lowest limit of the nodes that live holds; a budget that is raised is raised when all have raised it', async (t) => {
  const world = new World(randomOf(8), { requests: 100 })
  const old = world.add()
  await world.run(100)
  const raised = world.add({ limits: { requests: 200, usd: 50 } })
  t.is(await exhaust(world, raised, 'requests'), 100)
  t.is(await exhaust(world, raised, 'usd'), 50)
  old.source.leave()
  await world.run(100)
  t.is(await exhaust(world, raised, 'requests'), 100)
})

test('nodes that count a unit by other quanta share it all the same', async (t) => {
  const world = new World(randomOf(9), { gold: 1000 })
  const coarse = world.add()
  await world.run(100)
  const fine = world.add({ limits: { gold: 1000e6 }, scales: { gold: 1e6 } })
  for (let i = 0; i < 20; i++) fine.run({ gold: 1.5e6 })
  await world.run(2000)
  t.is(fine.usedOf('gold'), 30e6)
  fine.source.leave()
  await world.run(100)
  t.is(await exhaust(world, coarse, 'gold'), 970)
})
