// Processes, threads and workers of one machine share: what one suffers all feel, and a hub that ends, by itself or by SIGKILL, is replaced.
import { readdirSync } from 'node:fs'
import { Atrion, MachineStateProvider } from 'atrion'
import anyTest from 'ava'
import { runCode } from '../_child.mjs'
import { BAD, CALM } from '../_engine.mjs'
import { feelAll, folderOf, hubOf, processOf, threadOf, VECTOR, workersOf } from '../_machine/nodes.mjs'
import { until } from '../_patience.mjs'

const test = process.platform === 'win32' ? anyTest.skip : anyTest

const each = (make) => (t, settings, count) => Array.from({ length: count }, () => make(t, settings))

for (const [kind, make] of [
  ['processes', each(processOf)],
  ['worker threads', each(threadOf)],
  ['workers of node:cluster', workersOf],
]) {
  test.serial(
    `${kind}: a route that is hurt in one is hurt in all, and when the hub ends it is replaced`,
    async (t) => {
      const settings = { path: folderOf(t), name: kind }
      let nodes = make(t, settings, 4)
      await Promise.all(nodes.map(({ ask }) => ask('connect')))
      let hub = await hubOf(nodes)
      await feelAll(
        t,
        nodes,
        nodes.find((node) => node !== hub),
        'first',
      )
      await hub.ask('update', { route: 'of the first hub', vector: VECTOR })
      for (const route of ['second', 'third']) {
        await hub.kill()
        nodes = nodes.filter((node) => node !== hub)
        hub = await hubOf(nodes)
        // All that a hub knew the others know.
        for (const { ask } of nodes) t.deepEqual(await ask('get', { route: 'of the first hub' }), VECTOR)
        if (nodes.length > 1) await feelAll(t, nodes, hub, route)
      }
    },
  )
}

test.serial('processes, threads and this process share one hub', async (t) => {
  const settings = { path: folderOf(t), name: 'mixed' }
  const own = new MachineStateProvider({ ...settings })
  t.teardown(() => own.disconnect())
  const nodes = [processOf(t, settings), threadOf(t, settings)]
  await Promise.all([own.connect(), ...nodes.map(({ ask }) => ask('connect'))])
  await nodes[0].ask('update', { route: 'a', vector: VECTOR })
  t.deepEqual(await own.getVector('a'), VECTOR)
  t.deepEqual(await nodes[1].ask('get', { route: 'a' }), VECTOR)
})

test.serial('ten processes that start at once come to one hub, and none loses what it wrote', async (t) => {
  const settings = { path: folderOf(t), name: 'race' }
  const nodes = Array.from({ length: 10 }, () => processOf(t, settings))
  await Promise.all(
    nodes.map(async ({ ask }, n) => {
      await ask('connect')
      await ask('update', { route: `route ${n}`, vector: VECTOR })
    }),
  )
  await hubOf(nodes)
  for (const { ask } of nodes) await until(async () => (await ask('list')).length === 10, 'all routes everywhere')
  t.deepEqual(
    readdirSync(settings.path).filter((name) => !name.endsWith('.sock')),
    [],
  )
})

test.serial('of many that lose their hub at the same moment one takes its place', async (t) => {
  const settings = { path: folderOf(t), name: 'successor' }
  let nodes = Array.from({ length: 6 }, () => processOf(t, settings))
  await Promise.all(nodes.map(({ ask }) => ask('connect')))
  for (let round = 1; nodes.length > 1; round++) {
    const hub = await hubOf(nodes)
    // Joined to that one, whatever they were before.
    await Promise.all(nodes.map(({ ask }) => ask('get', { route: 'any' })))
    const stats = await Promise.all(nodes.map(({ ask }) => ask('stats')))
    for (const [n, { takeovers }] of stats.entries()) t.is(takeovers, nodes[n] === hub ? 1 : 0, `round ${round}`)
    await hub.kill()
    nodes = nodes.filter((node) => node !== hub)
  }
})

test.serial('compare-and-set loses nothing while hubs are killed', async (t) => {
  const settings = { path: folderOf(t), name: 'count' }
  let nodes = Array.from({ length: 4 }, () => processOf(t, settings))
  await Promise.all(nodes.map(({ ask }) => ask('connect')))
  for (let round = 0; round < 2; round++) {
    const hub = await hubOf(nodes)
    const others = nodes.filter((node) => node !== hub)
    const counted = others.map(({ ask }) => ask('count', { name: `n ${round}`, times: 150 }))
    await until(async () => Number((await others[0].ask('read', { name: `n ${round}` })).text) > 50, 'some of it')
    hub.child.kill('SIGKILL')
    nodes = others
    const results = await Promise.all(counted)
    const least = results.reduce((sum, { done }) => sum + done, 0)
    const unknown = results.filter(({ isKnown }) => !isKnown).length
    const { text } = await nodes[0].ask('read', { name: `n ${round}` })
    t.true(Number(text) >= least && Number(text) <= least + unknown, `${text}, of ${least} and ${unknown} unknown`)
    for (const { ask } of nodes) t.is((await ask('read', { name: `n ${round}` })).text, text)
  }
})

test.serial(
  'any of three processes is killed in the middle of writes, another one starts in its place, and all agree',
  async (t) => {
    const settings = { path: folderOf(t), name: 'killed' }
    let nodes = [1, 2, 3].map(() => processOf(t, settings))
    await Promise.all(nodes.map(({ ask }) => ask('connect')))
    const times = 40
    // The hub, a member, and again.
    for (const [round, wantsHub] of [true, false, true, true].entries()) {
      const name = `n ${round}`
      const hub = await hubOf(nodes)
      const victim = wantsHub ? hub : nodes.find((node) => node !== hub)
      const left = nodes.filter((node) => node !== victim)
      victim.ask('count', { name, times })
      const counted = left.map(({ ask }) => ask('count', { name, times }))
      await until(async () => Number((await left[0].ask('read', { name })).text) > 10, 'some of it')
      victim.kill()
      nodes = [...left, processOf(t, settings)]
      const results = await Promise.all(counted)
      await nodes[2].ask('connect')
      const least = results.reduce((sum, { done }) => sum + done, 0)
      const most = least + results.filter(({ isKnown }) => !isKnown).length + times
      const texts = await Promise.all(nodes.map(async ({ ask }) => (await ask('read', { name })).text))
      t.is(new Set(texts).size, 1, texts.join())
      t.true(Number(texts[0]) >= least && Number(texts[0]) <= most, `${texts[0]} of ${least} to ${most}`)
    }
  },
)

test.serial('a hub that stands still is replaced, and gives up its place when it goes on', async (t) => {
  const settings = { path: folderOf(t), name: 'still' }
  const nodes = [1, 2, 3].map(() => processOf(t, settings))
  await Promise.all(nodes.map(({ ask }) => ask('connect')))
  const hub = await hubOf(nodes)
  const others = nodes.filter((node) => node !== hub)
  hub.child.kill('SIGSTOP')
  await until(
    async () => (await Promise.all(others.map(({ ask }) => ask('stats')))).some(({ isHub }) => isHub),
    'a new hub',
  )
  await until(
    () =>
      others[0].ask('update', { route: 'meanwhile', vector: VECTOR }).then(
        () => true,
        () => false,
      ),
    'a write',
  )
  hub.child.kill('SIGCONT')
  t.not(await hubOf(nodes), hub)
  await until(async () => (await hub.ask('get', { route: 'meanwhile' })) !== null, 'the old hub to be joined')
})

test.serial("scope: 'machine' shares by itself among processes of one folder, and keeps none alive", async (t) => {
  const runtime = folderOf(t)
  const before = process.env.XDG_RUNTIME_DIR
  process.env.XDG_RUNTIME_DIR = runtime
  t.teardown(() => {
    if (before === undefined) delete process.env.XDG_RUNTIME_DIR
    else process.env.XDG_RUNTIME_DIR = before
  })
  const atrion = new Atrion({ scope: 'machine' })
  await atrion.connect()
  t.true(atrion.isConnected)
  t.is(atrion.providerName, 'MachineStateProvider')
  t.teardown(() => atrion.disconnect())
  for (let n = 0; n < 30; n++) atrion.route('checkout', CALM)
  const calm = atrion.getState('checkout').resistance
  const code = `import { Atrion } from 'atrion'
    const atrion = new Atrion({ scope: 'machine' })
    for (let n = 0; n < 30; n++) atrion.route('checkout', ${JSON.stringify(BAD)})
    await atrion.connect()
    await atrion.flush()
    console.log(atrion.isConnected)`
  const { stdout, stderr, code: ended } = await runCode(code, { cwd: process.cwd() })
  t.is(stdout.trim(), 'true', stderr)
  t.is(ended, 0)
  await until(() => atrion.getState('checkout').resistance > calm + 1, 'a report of the other process')
})
