// A budget that nodes share by slices, in virtual time: whatever is lost, nothing is overspent, and little is left over.
import test from 'ava'
import { Account, randomOf, World } from './_shared-world.mjs'

/** Checks what holds at every step. */
const checked = (t, world, what) => {
  world.check = () => {
    for (const [unit, limit] of Object.entries(world.limits)) {
      const rights = world.rightsOf(unit)
      if (rights > limit || world.usedOf(unit) > rights) {
        t.fail(`${what}: ${world.usedOf(unit)} used and ${rights} granted of ${limit} ${unit}`)
        throw new Error('overspent')
      }
    }
    const { account } = world
    for (const [unit, name] of (account?.units ?? []).entries()) {
      if (account.sharers.size === 0) continue
      let [taken, held] = [account.gone[unit], 0]
      for (const { parts } of account.sharers.values()) {
        taken += parts[unit].taken
        held += parts[unit].granted - parts[unit].taken
      }
      const left = account.leftOf(unit)
      if (taken + held + left !== world.limits[name] || left < 0 || held < 0) {
        t.fail(`${what}: ${taken} taken, ${held} held and ${left} left of ${world.limits[name]} ${name}`)
        throw new Error('not conserved')
      }
    }
  }
  return world
}

/** One unit after another is used by one node until no more may come; how much it got. */
const exhaust = async (world, node, unit, need = 1) => {
  let ran = 0
  for (let isOver = false; !isOver; ) {
    let outcome
    node.run({ [unit]: need }, { forMs: 1, maxWaitMs: 60_000 }).then((has) => {
      outcome = has
    })
    while (outcome === undefined) await world.run(50)
    if (outcome) ran += need
    else isOver = true
  }
  return ran
}

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

/** Nodes come, work, are cut off, leave and die at random. */
const storm = async (t, seed, faults) => {
  const random = randomOf(seed)
  const limits = { requests: 200 + Math.floor(3000 * random()), tokens: 1_000_000 }
  const world = checked(t, new World(random, limits, faults), `seed ${seed}`)
  const any = (list) => list[Math.floor(random() * list.length)]
  for (let step = 0; step < 60; step++) {
    const alive = world.nodes.filter(({ isDead, hasLeft }) => !isDead && !hasLeft)
    const dice = random()
    if (alive.length < 2 || (dice < 0.08 && alive.length < 6)) world.add()
    else if (dice < 0.12) any(alive).kill()
    else if (dice < 0.16) {
      const node = any(alive)
      node.isCutOff = true
      world.at(15_000 * random(), () => {
        node.isCutOff = false
      })
    } else if (dice < 0.19) {
      const node = any(alive)
      node.hasLeft = random() < 0.5
      // The last one to close would end the budget, for all who come later.
      if (node.hasLeft && (world.account?.sharers.size ?? 0) > 1 && !node.isCutOff) node.source.close()
      else node.source.leave()
    } else {
      const node = any(alive)
      const runs = 1 + Math.floor(40 * random())
      for (let i = 0; i < runs; i++) {
        const tokens = Math.floor(3000 * random() ** 3)
        node.run(
          { requests: 1, tokens },
          { forMs: 300 * random(), used: () => ({ requests: 1, tokens: Math.floor(tokens * random()) }) },
        )
      }
    }
    await world.run(400 * random())
  }
  // The network is mended, and one that lives takes all that is left.
  Object.assign(world.faults, { lostRequests: 0, lostAnswers: 0, late: 0, lostHints: 0 })
  for (const node of world.nodes) node.isCutOff = false
  const last = world.add()
  await world.run(20_000)
  for (const node of world.nodes) if (node !== last && !node.isDead && !node.hasLeft) node.source.leave()
  await world.run(2000)
  await exhaust(world, last, 'requests')
  const rest = limits.requests - world.usedOf('requests')
  // Each that died, was silent for too long, or left while it was cut off may have cost a slice: a 64th of the limit, or what it held.
  t.true(
    rest <= world.nodes.length * (Math.ceil(limits.requests / 64) + 45),
    `seed ${seed}: ${rest} of ${limits.requests}`,
  )
}

for (const [name, faults] of Object.entries({
  'a network that loses nothing': {},
  'lost requests and answers': { lostRequests: 0.1, lostAnswers: 0.1 },
  'late requests and lost hints': { late: 0.1, lostHints: 0.7, lostAnswers: 0.05 },
  'a bad network': { lostRequests: 0.25, lostAnswers: 0.25, late: 0.2, lostHints: 1 },
})) {
  test(`nothing is overspent at any step, and all is accounted for, with ${name}`, async (t) => {
    for (let seed = 0; seed < 10; seed++) await storm(t, seed, faults)
    t.pass()
  })
}

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
