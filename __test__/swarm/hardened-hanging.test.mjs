// A store whose calls never settle: each counts as lost in time, is made again, and what it answers later changes nothing.
import test from 'ava'
import { Account, documentOf, randomOf, World } from './_shared-world.mjs'

/** The time after which a call counts as lost, ms. */
const LOST_MS = 8_000

test('a budget goes on after calls that never settle, and is never overspent by what they answer later', async (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    const world = new World(randomOf(seed), { requests: 300 })
    world.check = () => {
      if (world.rightsOf('requests') > 300)
        throw new Error(`seed ${seed}: ${world.rightsOf('requests')} of 300 granted`)
    }
    const nodes = [world.add(), world.add()]
    const [hanging, other] = nodes
    let ran = 0
    const want = (node, count) => {
      for (let i = 0; i < count; i++) {
        node.run({ requests: 1 }, { forMs: 1, maxWaitMs: 600_000 }).then((has) => {
          ran += has
        })
      }
    }
    want(other, 20)
    await world.run(500)
    // In the middle of anything.
    await world.run(500 * world.random())
    const hung = []
    hanging.hung = hung
    want(hanging, 200)
    await world.run(3 * LOST_MS)
    t.true(hung.length >= 1 && hung.length <= 4, `${hung.length} calls in ${3 * LOST_MS} ms`)
    hanging.hung = undefined
    // A half of them is answered before the next call, and a half after it.
    for (const answer of hung.splice(0, hung.length >> 1)) answer()
    want(other, 80)
    await world.run(2 * LOST_MS)
    for (const answer of hung) answer()
    await world.run(60_000)
    t.is(ran, 300, `seed ${seed}: all of it is used, and once`)
  }
})

test('a process that hangs leaves within the time of its calls', async (t) => {
  const world = new World(randomOf(3), { requests: 10 })
  const node = world.add()
  node.run({ requests: 1 }, { forMs: 1 })
  await world.run(1_000)
  node.hung = []
  let hasLeft = false
  node.source.leave().then(() => {
    hasLeft = true
  })
  await world.run(LOST_MS + 1_000)
  t.true(hasLeft)
  t.is(
    documentOf('crew').length > 0 && Account.parse(world.account.text()).sharers.size,
    1,
    'its slice counts until it is dead',
  )
})
