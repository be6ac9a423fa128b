// Accounts of shared budgets that anything which can write to the store has changed: nothing throws, nothing is granted twice, and the nodes go
// on as soon as those that were invented have had the time that a node has.
import test from 'ava'
import { Account, randomOf, World } from './_shared-world.mjs'

const MAX = Number.MAX_SAFE_INTEGER
const LIMIT = 1000

const account = (more = {}) =>
  JSON.stringify({
    ...{ format: 'atrion-swarm', version: 1, units: ['requests'], scales: [1], gone: [0], nodes: [], dead: [] },
    ...{ recoveringUntilMs: 0, ...more },
  })
/** Nodes that do not exist: each lives for ever, and may want what it was never given. */
const invented = (count, part = [LIMIT, 0, 0, 0, 0, 0], untilMs = MAX) =>
  Array.from({ length: count }, (_, i) => [`x${i}`, untilMs, part])

/** Texts that are no account. */
const DAMAGED = {
  truncated: '{"format":"atrion-swarm",',
  'of another kind': '{"format":"something else"}',
  deep: '['.repeat(300_000),
  'with a version that is none': account({ version: '\u001b[2J'.repeat(1000) }),
  'with a negative version': account({ version: -1 }),
  'with NaN': account().replace('"gone":[0]', '"gone":[NaN]'),
  'with 1e999': account().replace('"gone":[0]', '"gone":[1e999]'),
  'with half a quantum': account({ gone: [0.5] }),
  'with negative use': account({ gone: [-5] }),
  'with quanta beyond 2^53': account({ gone: [2 ** 53] }),
  'with a scale that no unit has': account({ scales: [9e15] }),
  'with the same unit twice': account({ units: ['requests', 'requests'], scales: [1, 1], gone: [0, 0] }),
  'with units without end': account({ units: Array.from({ length: 1000 }, (_, i) => `u${i}`) }),
  'with more taken than granted': account({ nodes: invented(1, [LIMIT, 1, 5, 0, 0, 0]) }),
  'with nodes that are none': account({ nodes: [null, 7, ['x']] }),
  'with __proto__': `{"__proto__":${account()}}`,
}

/** The most that two nodes together use within so long. */
async function use(world, nodes, ms) {
  let ran = 0
  for (const node of nodes) {
    for (let i = 0; i < 20; i++)
      node.run({ requests: 1 }, { maxWaitMs: ms }).then((has) => {
        ran += has
      })
  }
  await world.run(ms)
  return ran
}

for (const [kind, text] of Object.entries(DAMAGED)) {
  test(`an account ${kind}: its nodes write again what they know, and use no more than there is`, async (t) => {
    const world = new World(randomOf(1), { requests: LIMIT })
    const nodes = [world.add(), world.add()]
    t.is(await use(world, nodes, 1000), 40)
    world.put(text)
    t.is(await use(world, nodes, 30_000), 40)
    t.is(world.usedOf('requests'), 80)
    t.true(world.rightsOf('requests') <= LIMIT)
    t.true(world.account.takenOf(0) >= 80)
  })
}

test('an account whose units leave no room for another is as a damaged one: nothing is written that cannot be read', async (t) => {
  const units = Array.from({ length: 64 }, (_, i) => `u${i}`)
  const zeros = units.map(() => 0)
  const full = account({ units, scales: units.map(() => 1), gone: zeros })
  const world = new World(randomOf(1), { requests: LIMIT })
  const node = world.add()
  t.is(await use(world, [node], 1000), 20)
  world.put(full)
  t.is(await use(world, [node], 30_000), 20)
  t.is(world.account.takenOf(0), 40)
  const strange = new World(randomOf(1), { requests: LIMIT })
  strange.put(full)
  t.is(await use(strange, [strange.add()], 5000), 0)
  t.deepEqual(strange.account.units, units)
})

test('a document that was no account before any node came is left as it is, and so is one of a later version', async (t) => {
  const world = new World(randomOf(2), { requests: LIMIT })
  world.put(DAMAGED['of another kind'])
  const node = world.add()
  t.is(await use(world, [node], 5000), 0)
  t.throws(() => world.account, { message: /account/ })
  const later = new World(randomOf(2), { requests: LIMIT })
  const known = later.add()
  t.is(await use(later, [known], 1000), 20)
  later.put(account({ version: 2 }))
  await use(later, [known], 5000)
  t.throws(() => later.account, { message: /version 2/ })
})

test('invented nodes that fill the account, wait since ever or hold it up give way within the time of a node', async (t) => {
  const held = [LIMIT, 1, 1, 1, MAX, 1]
  for (const [what, text] of Object.entries({
    'every place is taken': account({ nodes: invented(256) }),
    'all has been waited for since 1970': account({ nodes: invented(3, held) }),
    'nothing is granted until the end of time': account({ recoveringUntilMs: MAX }),
  })) {
    const world = new World(randomOf(3), { requests: LIMIT })
    world.put(text)
    const nodes = [world.add(), world.add()]
    t.is(await use(world, nodes, 60_000), 40, what)
  }
  // The least limit of all nodes holds: as long as theirs is 0, nothing is there to wait for.
  const world = new World(randomOf(3), { requests: LIMIT })
  world.put(account({ nodes: invented(2, [0, 0, 0, 0, 0, 0]) }))
  const nodes = [world.add(), world.add()]
  await use(world, nodes, 15_000)
  t.is(await use(world, nodes, 60_000), 40)
})

test('sums beyond what a number can hold, and units of other quanta, leave an account that can be read', async (t) => {
  const gone = new Account()
  gone.unitOf('requests', 1)
  gone.gone[0] = MAX - 1
  gone.join('x', 5)
  gone.sharers.get('x').parts[0] = { limit: MAX, granted: MAX, taken: MAX, used: MAX, missing: MAX, sinceMs: 0 }
  gone.bury(10)
  t.is(Account.parse(gone.text()).gone[0], MAX)
  const world = new World(randomOf(4), { requests: LIMIT * 1e9 })
  world.put(account({ scales: [1e9] }))
  const node = world.add()
  await use(world, [node], 5000)
  t.notThrows(() => world.account)
})

test('a store’s clock that jumps ahead or goes back, by an hour or to 1970, stops no node for longer than the time of one', async (t) => {
  for (const jumpMs of [3_600_000, -3_600_000, -1.6e12, 1e14]) {
    const world = new World(randomOf(5), { requests: LIMIT })
    const nodes = [world.add(), world.add()]
    t.is(await use(world, nodes, 1000), 40)
    world.storeAheadMs = jumpMs
    t.is(await use(world, nodes, 60_000), 40, `${jumpMs}`)
    world.storeAheadMs = 0
    t.is(await use(world, nodes, 60_000), 40, `${jumpMs}, and back`)
    t.true(world.rightsOf('requests') <= LIMIT)
  }
})

test('a store whose answers are none is a store that is lost: the nodes live on their slices', async (t) => {
  for (const answer of [
    undefined,
    null,
    7,
    { version: 1, text: 5, nowMs: 1 },
    { version: 1, text: null, nowMs: Number.NaN },
  ]) {
    const world = new World(randomOf(6), { requests: LIMIT })
    const node = world.add()
    t.is(await use(world, [node], 1000), 20)
    world.answer = () => answer
    await use(world, [node], 5000)
    t.true(world.usedOf('requests') <= world.rightsOf('requests'))
    world.answer = undefined
    t.is(await use(world, [node], 10_000), 20)
  }
})
