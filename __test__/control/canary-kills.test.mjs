// Processes of a trial are killed while it lasts: no patch stays on some nodes, and those that are left, and those that come, end on one version.
import anyTest from 'ava'
import { folderOf, processOf } from '../_machine/nodes.mjs'
import { until } from '../_patience.mjs'
import { single } from '../_redis/servers.mjs'

const test = process.platform === 'win32' ? anyTest.skip : anyTest

const settingsOf = {
  'a socket of the machine': async (t) => ({ path: folderOf(t), name: 'trial' }),
  Redis: async (t) => {
    const server = await single()
    t.teardown(() => server.stop())
    return { redis: { host: server.host, port: server.port, intervalMs: 20 } }
  },
}

/** A group of processes, each of which may be killed and others come. */
async function groupOf(t, settings) {
  const nodes = []
  const start = async () => {
    const node = processOf(t, settings)
    await node.ask('connect')
    nodes.push(node)
    return node
  }
  const kill = (node) => {
    node.kill()
    nodes.splice(nodes.indexOf(node), 1)
  }
  const limits = () => Promise.all(nodes.map(({ ask }) => ask('limit')))
  /** Waits until all nodes have a limit, on one version. */
  const agree = (max, state) =>
    until(async () => {
      const all = await limits()
      return all.every((one) => one.max === max && one.state === state && one.version === all[0].version)
    }, `a limit of ${max} everywhere, ${state}`)
  return { start, kill, limits, agree }
}

/** A trial that is not over before the test has done what it does meanwhile. */
const LONG_MS = 6_000

for (const [over, make] of Object.entries(settingsOf)) {
  test(`over ${over}: the node that tries a patch is killed, and so is the one that comes for it`, async (t) => {
    const { start, kill, limits, agree } = await groupOf(t, await make(t))
    const author = await start()
    const [second, third] = [await start(), await start()]
    t.is(await second.ask('try', { max: 50, share: 0, forMs: 100 }), 'canary')
    await agree(50, 'applied')
    // One tries a patch on itself alone, and is gone.
    t.is(await author.ask('try', { max: 5, share: 0, forMs: LONG_MS }), 'canary')
    await until(async () => (await second.ask('limit')).state === 'canary', 'a trial')
    t.deepEqual(
      (await limits()).map(({ max }) => max),
      [5, 50, 50],
    )
    kill(author)
    const late = await start()
    await until(async () => (await late.ask('limit')).state === 'canary', 'a trial that the new node knows')
    t.is((await late.ask('limit')).max, 50)
    await agree(50, 'rolled_back')
    // Another one tries one on all; one of these is killed, and another one comes in its place. It ends well.
    t.is(await second.ask('try', { max: 60, share: 1, forMs: LONG_MS }), 'canary')
    await until(async () => (await limits()).every(({ max }) => max === 60), 'a trial on all nodes')
    kill(third)
    const replaced = await start()
    await until(async () => (await replaced.ask('limit')).max === 60, 'a trial on the new node')
    await agree(60, 'applied')
    // ... and once more, and the one that made it is killed as well.
    t.is(await second.ask('try', { max: 6, share: 1, forMs: LONG_MS }), 'canary')
    await until(async () => (await limits()).every(({ max }) => max === 6), 'a trial on all nodes')
    kill(late)
    await start()
    kill(second)
    await agree(60, 'rolled_back')
    const after = await start()
    await agree(60, 'rolled_back')
    // Nothing stands in the way of the next one.
    t.is(await after.ask('try', { max: 70, share: 1, forMs: 100 }), 'canary')
    await agree(70, 'applied')
  })
}
