// Patches and bans over Redis: three nodes, one of them behind a network that is cut and heals.
import { RedisStateProvider } from 'atrion'
import test from 'ava'
import { create, engine } from '../_engine.mjs'
import { PATIENCE_MS } from '../_patience.mjs'
import { proxyTo } from '../_redis/proxy.mjs'
import { single } from '../_redis/servers.mjs'
import { patch, until } from './_cluster.mjs'

const isBanned = (atrion, key) => {
  const permit = atrion.acquire('r', { key })
  permit.release()
  return permit.limitedBy === 'ban'
}

test('three nodes end on one version and one list of bans after a partition', async (t) => {
  t.timeout(PATIENCE_MS)
  const server = await single()
  t.teardown(() => server.stop())
  const proxy = await proxyTo(server.port)
  t.teardown(() => proxy.stop())
  const { host } = server
  const nodes = [server.port, server.port, proxy.port].map((port) =>
    create({ provider: new RedisStateProvider({ host, port, intervalMs: 50 }) }),
  )
  t.teardown(() => Promise.all(nodes.map((node) => node.disconnect())))
  for (const node of nodes) await node.connect()
  const [a, b, cut] = nodes
  const maxOf = (node) => node.config.explain('limits.max').value
  const first = await patch(a, { limits: { max: 70 } }, { author: 'ana' })
  await until(() => nodes.every((node) => node.config.version === first.version && maxOf(node) === 70))
  proxy.cut()
  await t.throwsAsync(patch(cut, { limits: { max: 1 } }))
  const { version } = await patch(b, { limits: { max: 60 } }, { author: 'ben' })
  await until(() => maxOf(a) === 60)
  t.is(maxOf(cut), 70, 'the node that is cut off goes on as it was')
  if (engine !== 'ts') {
    a.ban('evil', { ttlMs: 600_000 })
    cut.ban('worse', { ttlMs: 600_000 })
    await until(() => isBanned(b, 'evil'))
    t.true(isBanned(cut, 'worse') && !isBanned(cut, 'evil') && !isBanned(b, 'worse'))
  }
  proxy.heal()
  await until(() => nodes.every((node) => node.config.version === version && maxOf(node) === 60))
  if (engine !== 'ts') await until(() => nodes.every((node) => isBanned(node, 'evil') && isBanned(node, 'worse')))
  t.is((await patch(cut, { limits: null })).status, 'applied')
  await until(() => nodes.every((node) => maxOf(node) === 100_000))
})
