// Bans of a cluster: they reach all nodes and end on all; by evidence only where two nodes agree, and never by what a stranger wrote.
import { InMemoryProvider } from 'atrion'
import test from 'ava'
import { create } from '../_engine.mjs'
import { clusterOf, eventOf, isBanned, until } from './_cluster.mjs'

for (const keySecret of [undefined, 'one secret of all the nodes']) {
  test(`a ban spreads, and its end does${keySecret ? ', under a secret' : ''}`, async (t) => {
    const provider = new InMemoryProvider()
    const { nodes, ways } = await clusterOf(t, 3, { provider, of: { keySecret } })
    const [a, b, c] = nodes
    const heard = Promise.all(nodes.map((node) => eventOf(node, 'ban')))
    const { id } = a.ban('evil@example.com', { ttlMs: 60_000 })
    b.ban({ prefix: 'bot-of-' }, { ttlMs: 60_000 })
    t.is((await heard).length, 3)
    await until(() => nodes.every((node) => isBanned(node, 'evil@example.com') && isBanned(node, 'bot-of-9')))
    t.deepEqual([...new Set(nodes.map((node) => node.bans().length))], [2])
    const { text } = await provider.readDocument('atrion/bans')
    t.false(/evil|bot-of/.test(text), 'hashes alone travel')
    const idThere = c.bans().find(({ scope }) => scope === 'key').id
    if (keySecret !== undefined) t.is(idThere, id)
    t.true(c.unban(idThere))
    await until(() => nodes.every((node) => !isBanned(node, 'evil@example.com')))
    t.true(nodes.every((node) => isBanned(node, 'bot-of-9')))
    ways[2].isCut = true
    c.ban('cut', { ttlMs: 60_000 })
    t.true(isBanned(c, 'cut'), 'it holds where it was made')
    a.ban('other', { ttlMs: 60_000 })
    await until(() => isBanned(b, 'other'))
    ways[2].isCut = false
    await until(() => nodes.every((node) => isBanned(node, 'cut') && isBanned(node, 'other')))
  })
}

/** Requests of a key among those of others. */
const load = (node, key, { share = 0.5, count = 400, outcome = 'success' } = {}) => {
  for (let i = 0; i < count; i++) {
    const isIts = i % 100 < share * 100
    node.acquire('r', { key: isIts ? key : `user-${i}` }).release(isIts ? outcome : 'success')
  }
}

test('one node demotes what takes too much, two refuse it, and one of ten bans no key', async (t) => {
  const { nodes } = await clusterOf(t, 10, { of: { bans: { share: 0.3 } } })
  const [liar, second] = nodes
  const demoted = eventOf(liar, 'ban')
  load(liar, 'heavy')
  t.like(await demoted, { origin: 'evidence', scenario: 'share', type: 'demote' })
  t.is(liar.acquire('r', { key: 'heavy', tier: 'critical' }).tier, 'bulk')
  t.is(liar.acquire('r', { key: 'light', tier: 'critical' }).tier, 'critical')
  for (let i = 0; i < 20; i++) load(liar, `victim ${i}`)
  const marker = liar.ban('marker')
  await until(() => nodes.every((node) => isBanned(node, 'marker')))
  t.truthy(marker)
  for (const node of nodes) t.false(isBanned(node, 'heavy') || isBanned(node, 'victim 3'))
  t.is(nodes[5].acquire('r', { key: 'heavy', tier: 'critical' }).tier, 'critical')
  load(second, 'heavy')
  const isRefused = (node) => node.bans().some(({ origin, type }) => origin === 'evidence' && type === 'ban')
  await until(() => nodes.every(isRefused))
  t.true(isBanned(nodes[7], 'heavy'))
  t.like(
    nodes[7].bans().find(({ origin }) => origin === 'evidence'),
    { type: 'ban', scenario: 'share' },
  )
  t.false(nodes.some((node) => isBanned(node, 'victim 3')))
  t.true(nodes[7].unban(nodes[7].bans().find(({ origin }) => origin === 'evidence').id))
  await until(() => !nodes.some(isRefused))
  t.false(isBanned(nodes[5], 'heavy'))
})

test('nodes that are not proved do not count before they have been there for a while', async (t) => {
  const { nodes } = await clusterOf(t, 3, { of: { bans: { share: 0.3 } }, way: { hasProvedNodes: false } })
  load(nodes[0], 'heavy')
  load(nodes[1], 'heavy')
  nodes[0].ban('marker')
  nodes[1].ban('marker2')
  await until(() => nodes.every((node) => isBanned(node, 'marker') && isBanned(node, 'marker2')))
  t.false(isBanned(nodes[2], 'heavy'), 'two ids may be one client')
})

test('failures that are most of all count, and those of an outage do not', async (t) => {
  const atrion = create({ bans: { failures: 20 } })
  for (let i = 0; i < 500; i++) atrion.acquire('down', { key: `user ${i % 10}` }).release('failure')
  t.deepEqual(atrion.bans(), [])
  const other = create({ bans: { failures: 20 } })
  const found = eventOf(other, 'ban')
  for (let i = 0; i < 200; i++)
    other.acquire('up', { key: `user ${i % 10}` }).release(i % 10 === 3 ? 'failure' : 'success')
  t.deepEqual(other.bans(), [], '20 are not more than 20')
  for (let i = 0; i < 10; i++) other.acquire('up', { key: 'user 3' }).release('failure')
  t.like(await found, { scenario: 'failures', type: 'demote' })
})

test('a document that a stranger wrote harms nothing', async (t) => {
  const provider = new InMemoryProvider()
  const { nodes } = await clusterOf(t, 1, { provider })
  const [node] = nodes
  node.ban('evil', { ttlMs: 60_000 })
  await until(() => node.bans().length === 1)
  const write = async (text) =>
    provider.writeDocument('atrion/bans', (await provider.readDocument('atrion/bans')).version, text)
  const salt = '0'.repeat(32)
  const many = Object.fromEntries(
    Array.from({ length: 20_000 }, (_, i) => [i.toString(36), [Date.now() + 1e12, 'r', 0, 0]]),
  )
  for (const text of [
    '',
    '{',
    'null',
    '7',
    '{"format":1}',
    `{"format":1,"salt":"${salt}","bans":{"__proto__":[1,2],"zz":7,"!":[9e15,0,0,0]}}`,
  ]) {
    while (!(await write(text)));
  }
  while (!(await write(JSON.stringify({ format: 1, salt, bans: many }))));
  await until(() => node.bans().length > 1000)
  t.true(node.bans().length <= 4097)
  t.true(
    node.bans().every(({ until: untilMs }) => untilMs <= Date.now() + 86_401_000),
    'no ban is longer than a day',
  )
})

test('bans with reasons that no document has room for come to the others without them', async (t) => {
  const { nodes } = await clusterOf(t, 2, { of: { keySecret: 'a secret of one service' } })
  const [a, b] = nodes
  for (let i = 0; i < 4_096; i++) a.ban(`key ${i}`, { ttlMs: 3_600_000, reason: '€'.repeat(280) })
  await until(() => b.bans().length === 4_096)
  t.is(a.bans()[0].reason.length, 280, 'where they were made they have their reasons')
  t.is(b.bans()[0].reason, undefined)
  a.ban('key 7', { ttlMs: 60_000, reason: 'short' })
  await until(() => b.bans().some(({ until }) => until < Date.now() + 61_000))
})
