// A shared budget while nodes come, leave and die at random over a network that loses messages: nothing is overspent at any step.
import test from 'ava'
import { checked, exhaust, randomOf, World } from './_shared-world.mjs'

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
