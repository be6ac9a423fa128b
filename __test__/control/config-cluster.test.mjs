// Patches on all nodes of a provider: one version, one winner, and the same again after a partition; trials that end well, badly, or not at all.
import { ConnectionError, InMemoryProvider, VirtualClock } from 'atrion'
import test from 'ava'
import { CALM, create, engine } from '../_engine.mjs'
import { awaited, clusterOf, eventOf, patch, until, Way } from './_cluster.mjs'

const maxOf = (atrion) => atrion.config.explain('limits.max').value

/** Resolves when every node holds a value. */
const allHold = (nodes, value) => until(() => nodes.every((node) => maxOf(node) === value))

test('a patch comes to every node, with its author and its end', async (t) => {
  const { nodes } = await clusterOf(t, 3)
  const [a, b, c] = nodes
  const result = await patch(a, { limits: { max: 60 }, overrides: { r: 'open' } }, { author: 'ana', reason: 'load' })
  t.like(result, { status: 'applied', layer: 'cluster', shared: true })
  await allHold(nodes, 60)
  for (const node of nodes) {
    t.is(node.config.version, result.version)
    t.like(node.config.explain('limits.max').layers[0], {
      layer: 'cluster',
      author: 'ana',
      reason: 'load',
      version: result.version,
    })
    t.is(node.config.explain('overrides.r').value, 'open')
    t.like(node.config.audit()[0], { author: 'ana', state: 'applied' })
  }
  const late = create({ provider: new Way(new InMemoryProvider()) })
  await t.throwsAsync(late.patch({ base: 0, changes: {} }), { instanceOf: ConnectionError })
  await patch(b, { limits: { max: 50 } }, { layer: 'node' })
  t.deepEqual(nodes.map(maxOf), [60, 50, 60], 'the layer of one node is its own')
  t.is(b.config.version, result.version)
  const expired = eventOf(c, 'patch', ({ state }) => state === 'expired')
  const { version } = await patch(c, { limits: { max: 40 } }, { ttlMs: 50 })
  await expired
  await until(() => a.config.version === version)
  await allHold([a, c], 60)
  t.is(maxOf(b), 50)
})

test('a node that comes later takes over what holds', async (t) => {
  const { nodes, provider } = await clusterOf(t, 1)
  const { version } = await patch(nodes[0], { limits: { max: 33 } })
  const late = create({ provider: new Way(provider) })
  const taken = eventOf(late, 'patch')
  await late.connect()
  t.like(await taken, { layer: 'cluster', version, paths: ['limits.max'] })
  t.is(maxOf(late), 33)
  await late.disconnect()
})

test('a node that comes when a patch is over sees that it expired, though no node wrote that', async (t) => {
  const { nodes, provider } = await clusterOf(t, 1)
  const expired = eventOf(nodes[0], 'patch', ({ state }) => state === 'expired')
  await patch(nodes[0], { limits: { max: 70 } }, { author: 'ana', ttlMs: 100 })
  await expired
  const late = create({ provider })
  t.teardown(() => late.disconnect())
  await late.connect()
  await until(() => late.config.audit().length > 0)
  t.like(late.config.audit(), [{ state: 'expired', author: 'ana' }])
  t.is(late.config.version, nodes[0].config.version)
})

test('of patches on the same version one wins, and the others see which', async (t) => {
  const { nodes } = await clusterOf(t, 10)
  const results = await Promise.all(
    nodes.map((node, i) => node.patch({ base: 0, author: `node ${i}`, changes: { limits: { max: 100 + i } } })),
  )
  const winners = results.filter(({ status }) => status === 'applied')
  t.is(winners.length, 1)
  const [{ version }] = winners
  const author = `node ${results.indexOf(winners[0])}`
  for (const { status, conflict } of results.filter((one) => one !== winners[0])) {
    t.is(status, 'refused')
    t.like(conflict, { base: 0, version, paths: ['limits.max'] })
    t.is(conflict.since[0].author, author)
  }
  await allHold(nodes, 100 + results.indexOf(winners[0]))
  t.deepEqual([...new Set(nodes.map((node) => node.config.version))], [version])
})

test('after a partition every node ends on one version', async (t) => {
  const { nodes, ways } = await clusterOf(t, 4)
  const [a, , c] = nodes
  await patch(a, { limits: { max: 90 } })
  await allHold(nodes, 90)
  ways[2].isCut = true
  ways[3].isCut = true
  await patch(a, { limits: { max: 80 } })
  await allHold(nodes.slice(0, 2), 80)
  const { version } = await patch(a, { slo: { maxAcceptableLatencyMs: 77 } })
  t.is(maxOf(c), 90, 'what was known last holds')
  await t.throwsAsync(patch(c, { limits: { max: 1 } }), { message: 'cut off' })
  t.is(maxOf(c), 90)
  ways[2].isCut = false
  ways[3].isCut = false
  await allHold(nodes, 80)
  await until(() => nodes.every((node) => node.config.version === version))
  t.deepEqual(
    nodes.map((node) => node.config.explain('slo.maxAcceptableLatencyMs').value),
    [77, 77, 77, 77],
  )
})

test('a patch that does not fit a node is refused there, and the rest goes on', async (t) => {
  const provider = new InMemoryProvider()
  const { nodes } = await clusterOf(t, 2, { provider })
  const odd = create({ provider: new Way(provider) })
  odd.configure({ limits: { min: 50 } })
  await odd.connect()
  const refused = eventOf(odd, 'patch_refused')
  const { version } = await patch(nodes[0], { limits: { max: 20 } }, { author: 'ana' })
  await allHold(nodes, 20)
  t.like(await refused, { layer: 'cluster', version, author: 'ana' })
  t.is(maxOf(odd), 100_000)
  const { version: next } = await patch(nodes[1], { limits: { max: 70 } })
  await allHold([...nodes, odd], 70)
  t.is(odd.config.version, next)
  await odd.disconnect()
})

test('a document that a stranger wrote harms nothing', async (t) => {
  const { nodes, provider } = await clusterOf(t, 1)
  const [node] = nodes
  await patch(node, { limits: { max: 20 } })
  const write = async (text) =>
    provider.writeDocument('atrion/config', (await provider.readDocument('atrion/config')).version, text)
  const layer = { format: 1, version: 9e15, settled: {}, origins: {}, standing: [], trail: [] }
  for (const text of [
    '',
    '{',
    '[]',
    '{"format":2}',
    '['.repeat(200_000),
    JSON.stringify({ ...layer, settled: { limits: { max: -1 } } }),
    JSON.stringify({ ...layer, settled: { routes: { r: { limits: { max: 'x' } } } } }),
    JSON.stringify({ ...layer, standing: [{ changes: 7 }] }),
    JSON.stringify(layer).replace(
      '"settled":{}',
      '"settled":{"__proto__":{"polluted":1},"limits":{"__proto__":{"max":1}}}',
    ),
  ]) {
    const refused = eventOf(node, 'patch_refused')
    t.true(await write(text))
    await refused
    t.is(maxOf(node), 20)
  }
  t.is({}.polluted, undefined)
  const { text } = await provider.readDocument('atrion/config')
  t.truthy(text)
  t.is((await patch(node, { limits: { max: 30 } })).status, 'refused')
  await write('{')
  t.is((await patch(node, { limits: { max: 30 } })).status, 'applied', 'what no node can read is written over')
  await write(JSON.stringify({ ...layer, version: 5, settled: { limits: { max: 25 } } }))
  await allHold([node], 25)
  t.is((await patch(node, { limits: { max: 26 } })).status, 'applied')
})

test('keys of an allow-list do not travel', async (t) => {
  const { nodes, provider } = await clusterOf(t, 2)
  await patch(nodes[0], { bans: { allow: ['a-friend-of-ours', { prefix: 'partner-of-ours' }] } })
  await until(() => nodes[1].config.explain('bans.allow').value !== undefined)
  const { text } = await provider.readDocument('atrion/config')
  t.false(/of-ours/.test(text))
  t.regex(text, /"allow":\["#k:[0-9a-z]+","#p15:[0-9a-z]+"\]/)
})

if (engine !== 'ts') {
  /** Requests of the top tier, so many of which fail. */
  const traffic = (node, count, failures = 0) => {
    for (let i = 0; i < count; i++)
      node.acquire('r', { tier: 'critical' }).release(i < failures ? 'failure' : 'success')
  }

  test('a trial that goes well ends on all nodes', async (t) => {
    const { nodes } = await clusterOf(t, 3)
    const [a, b] = nodes
    traffic(a, 200)
    const trial = await patch(a, { limits: { max: 500 } }, { canary: { forMs: 2_000 }, author: 'ana' })
    t.is(trial.status, 'canary')
    await until(() => nodes.every((node) => node.config.version === trial.version))
    t.deepEqual(nodes.map(maxOf), [500, 100_000, 100_000], 'on its node alone at first')
    const other = await patch(b, { limits: { max: 7 } })
    t.is(other.status, 'refused', 'one at a time')
    t.is(other.conflict.since[0].author, 'ana')
    traffic(a, 200)
    t.is(await awaited(trial.settled()), 'applied')
    await allHold(nodes, 500)
    t.like(b.config.audit()[0], { state: 'applied', author: 'ana' })
  })

  test('a trial that goes badly is taken back', async (t) => {
    const { nodes } = await clusterOf(t, 3)
    const [a, b] = nodes
    traffic(a, 400)
    const heard = nodes.map((node) => eventOf(node, 'rollback'))
    const trial = await patch(
      a,
      { overrides: { r: 'open' }, limits: { max: 3 } },
      { canary: true, reason: 'a mistake' },
    )
    t.is(maxOf(a), 3)
    const driving = setInterval(() => traffic(a, 20), 5)
    t.is(await awaited(trial.settled()), 'rolled_back')
    clearInterval(driving)
    const [own] = await Promise.all(heard)
    t.regex(own.evidence, /^success of critical: 100\.0 % before, \d+\.\d % with it, of \d+$/)
    t.deepEqual(nodes.map(maxOf), [100_000, 100_000, 100_000])
    t.is(a.config.explain('overrides.r').value, null)
    for (const node of [a, b]) t.like(node.config.audit()[0], { state: 'rolled_back', reason: 'a mistake' })
    t.is((await a.patch({ base: b.config.version, changes: { limits: { max: 9 } } })).status, 'applied')
  })

  test('a trial that goes badly ends on its node without the store, and later in it', async (t) => {
    const { nodes, ways } = await clusterOf(t, 2)
    const [a, b] = nodes
    traffic(a, 400)
    const trial = await patch(a, { overrides: { r: 'open' } }, { canary: true })
    ways[0].isCut = true
    const rolled = eventOf(a, 'rollback')
    const driving = setInterval(() => traffic(a, 20), 5)
    await rolled
    clearInterval(driving)
    t.is(a.config.explain('overrides.r').value, null)
    t.true(a.acquire('r').allow)
    const elsewhere = eventOf(b, 'rollback')
    ways[0].isCut = false
    t.like(await elsewhere, { version: trial.version, evidence: 'found by another node' })
    t.is(a.config.explain('overrides.r').value, null, 'it does not come back with the store')
    t.is(await awaited(trial.settled()), 'rolled_back')
  })
}

test('a trial whose node is gone is taken back', async (t) => {
  const { nodes } = await clusterOf(t, 2)
  const [a, b] = nodes
  const taken = [a, b].map((node) => eventOf(node, 'rollback'))
  const trial = await patch(a, { limits: { max: 3 } }, { canary: { forMs: 100 } })
  t.is(trial.status, 'canary')
  await a.disconnect()
  await until(() => b.config.version === trial.version)
  const refused = await patch(b, { limits: { max: 4 } })
  t.is(refused.status, 'refused')
  for (const event of await Promise.all(taken))
    t.like(event, { version: trial.version, evidence: 'there was no result in time' })
  t.is(await awaited(trial.settled()), 'rolled_back', 'also where the node that began it has no provider any more')
  t.deepEqual([a, b].map(maxOf), [100_000, 100_000])
  t.is(b.config.audit()[0].state, 'rolled_back')
  t.is((await patch(b, { limits: { max: 5 } })).status, 'applied')
})

test('a patch that expires does so on a node that is disconnected, and on one that has connected again', async (t) => {
  const { nodes } = await clusterOf(t, 3)
  const [a, b, c] = nodes
  const expired = [b, c].map((node) => eventOf(node, 'patch', ({ state }) => state === 'expired'))
  await patch(a, { limits: { max: 7 } }, { ttlMs: 2_000 })
  await allHold(nodes, 7)
  await b.disconnect()
  await c.disconnect()
  await c.connect()
  await Promise.all(expired)
  t.deepEqual([maxOf(b), maxOf(c)], [100_000, 100_000])
})

test('the result of a trial that cannot be stored is logged once, and after its time the patch stays taken back', async (t) => {
  const warnings = []
  const none = () => {}
  const logger = { debug: none, info: none, error: none, warn: (text) => warnings.push(text) }
  const clock = new VirtualClock(1_000_000)
  const { nodes, ways } = await clusterOf(t, 2, { of: { clock, logger } })
  const [a, b] = nodes
  // The store's clock goes with that of the nodes.
  let passedMs = 0
  let attempts = 0
  for (const way of ways) {
    const read = way.readDocument
    way.readDocument = async (name) => {
      if (way.isCut && name === 'atrion/config') attempts += 1
      const document = await read(name)
      return { ...document, nowMs: document.nowMs + passedMs }
    }
  }
  const trial = await patch(a, { limits: { max: 3 } }, { canary: { forMs: 100 } })
  await until(() => b.config.version === trial.version)
  ways[0].isCut = true
  // A node looks at a clock of its caller's with each request.
  for (; passedMs < 10_000; passedMs += 100) {
    clock.advance(100)
    a.route('r', CALM)
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.deepEqual(
    warnings.filter((text) => text.includes('trial')),
    ['the result of a trial could not be stored; another attempt follows'],
  )
  t.true(attempts > 0)
  t.deepEqual(nodes.map(maxOf), [100_000, 100_000])
  ways[0].isCut = false
  clock.advance(10_000)
  a.route('r', CALM)
  t.is(await awaited(trial.settled()), 'rolled_back')
  t.deepEqual(nodes.map(maxOf), [100_000, 100_000])
})

test('a trial without requests holds: nothing speaks against it', async (t) => {
  const atrion = create()
  const trial = await patch(atrion, { limits: { max: 3 } }, { canary: { forMs: 100 }, layer: 'node' })
  t.is(maxOf(atrion), 3)
  t.is(await awaited(trial.settled()), 'applied')
  t.is(maxOf(atrion), 3)
})
