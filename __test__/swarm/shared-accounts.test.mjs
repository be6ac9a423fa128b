// The account of a shared budget: how long it lives, how it is mended once lost, and its text.
import test from 'ava'
import { Account, checked, exhaust, randomOf, World } from './_shared-world.mjs'

test('an account outlives its last node by ten minutes where another may be cut off only', async (t) => {
  const world = checked(t, new World(randomOf(4), { requests: 1000 }), 'closing after a death')
  const nodes = [world.add(), world.add(), world.add()]
  for (let i = 0; i < 20; i++) for (const node of nodes) node.run({ requests: 1 })
  await world.run(500)
  const [dead, cut, last] = nodes
  dead.kill()
  cut.isCutOff = true
  await world.run(15_000)
  last.source.close()
  await world.run(1000)
  t.is(world.account.sharers.size, 0)
  cut.isCutOff = false
  await world.run(3000)
  t.is(world.account.sharers.size, 1)
  t.true(world.account.takenOf(0) >= 60)
  cut.source.close()
  await world.run(599_000)
  t.not(world.account, undefined)
  await world.run(2000)
  t.is(world.account, undefined)
})

test('an account that is lost, or an older one, is mended from what the nodes know', async (t) => {
  for (const isLost of [true, false]) {
    const world = new World(randomOf(7), { requests: 6400 })
    const nodes = [1, 2, 3].map(() => world.add())
    const work = async (rounds) => {
      for (let round = 0; round < rounds; round++) {
        for (const node of nodes) for (let i = 0; i < 10; i++) node.run({ requests: 1 })
        await world.run(200)
      }
    }
    await work(10)
    const restore = world.remember()
    await work(20)
    if (isLost) world.lose()
    else restore()
    // Nothing is granted for a while: then every node has stated again what it had.
    await work(100)
    await world.run(10_000)
    const known = world.usedOf('requests')
    t.true(world.account.takenOf(0) >= known, `${isLost}`)
    t.is(known + (await exhaust(world, nodes[0], 'requests')), 6400)
  }
})

test('nothing is granted on an account that is lost before all nodes could state what they have', async (t) => {
  const world = new World(randomOf(7), { requests: 1000 }, { lostHints: 1 })
  const [a, b] = [world.add(), world.add()]
  a.run({ requests: 1 })
  await world.run(8000)
  // The last that one node knows of the other is seconds old.
  b.run({ requests: 600 })
  await world.run(100)
  t.is(b.usedOf('requests'), 600)
  world.lose()
  checked(t, world, 'lost')
  const large = a.run({ requests: 700 }, { maxWaitMs: 60_000 })
  const small = a.run({ requests: 300 }, { maxWaitMs: 60_000 })
  await world.run(60_000)
  t.deepEqual(await Promise.all([large, small]), [false, true])
})

test('an account is read as it was written, and anything else is refused', (t) => {
  const account = new Account()
  account.unitOf('usd', 1e9)
  account.join('a', 5)
  account.grant('a', 0, { limit: 100, taken: 3, used: 1, granted: 0, missing: 2, need: 2, sinceMs: 1, window: 10 }, 1)
  account.join('b', 9)
  account.bury(6)
  const text = account.text()
  t.is(Account.parse(text).text(), text)
  t.deepEqual(Account.parse(text).dead, ['a'])
  const plain = JSON.parse(text)
  for (const change of [
    { format: 'x' },
    { version: 2 },
    { units: ['usd', 'usd'] },
    { units: [''] },
    { scales: [0] },
    { gone: [-1] },
    { gone: [] },
    { nodes: [['b', 9]] },
    { nodes: [['b', 9, [1, 2, 3, 0, 0, 0]]] },
    { nodes: [['b', 9, [1, 2, 1, 2, 0, 0]]] },
    { nodes: [['b', 9, [1, 0.5, 0, 0, 0, 0]]] },
    {
      nodes: [
        ['b', 9, 0],
        ['b', 9, 0],
      ],
    },
    { dead: 'a' },
    { recoveringUntilMs: Number.NaN },
  ]) {
    t.throws(() => Account.parse(JSON.stringify({ ...plain, ...change })), undefined, JSON.stringify(change))
  }
  for (const bad of ['', 'null', '[]', '{}', '7']) t.throws(() => Account.parse(bad))
})

test('256 nodes share a budget, and one more waits until one is gone', (t) => {
  const account = new Account()
  const unit = account.unitOf('requests', 1)
  for (let n = 0; n < 256; n++) {
    t.true(account.join(`${n}`, 1000))
    account.grant(
      `${n}`,
      unit,
      { limit: 1e6, taken: n, used: 0, granted: 0, missing: 0, need: 0, sinceMs: 1, window: 1e6 },
      1,
    )
  }
  t.false(account.join('more', 1000))
  t.true(account.leftOf(unit) > 0)
  t.true(account.text().length < 32_768, `${account.text().length}`)
  account.leave('7')
  t.true(account.join('more', 1000))
})
