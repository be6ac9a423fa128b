// Processes, threads and workers of one machine share: what one suffers all feel, and a hub that ends, by itself or by SIGKILL, is replaced.
import { fork } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { Atrion, MachineStateProvider } from 'atrion'
import anyTest from 'ava'
import { runCode } from '../_child.mjs'
import { BAD, CALM } from '../_engine.mjs'
import { until } from '../_patience.mjs'

const test = process.platform === 'win32' ? anyTest.skip : anyTest
const NODE = fileURLToPath(new URL('../_machine/node.mjs', import.meta.url))
const PRIMARY = fileURLToPath(new URL('../_machine/primary.mjs', import.meta.url))
const VECTOR = { scar: 12.5, momentumScalar: 0.25, lastTick: 7, resistance: 33 }

const folderOf = (t) => {
  const path = mkdtempSync(join(tmpdir(), 'atrion-machine-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** A port that answers messages, as a function of a task. */
const asked = (port, post, prefix = '') => {
  let last = 0
  const waiting = new Map()
  port.on('message', ({ id, result, error }) => {
    const { resolve, reject } = waiting.get(id) ?? {}
    waiting.delete(id)
    if (error === undefined) resolve?.(result)
    else reject?.(new Error(error))
  })
  return (task, given = {}) =>
    new Promise((resolve, reject) => {
      const id = `${prefix}${++last}`
      waiting.set(id, { resolve, reject })
      post({ id, task, ...given })
    })
}

const processOf = (t, settings) => {
  const child = fork(NODE, { env: { ...process.env, ATRION_TEST_MACHINE: JSON.stringify(settings) } })
  t.teardown(() => child.kill('SIGKILL'))
  return {
    child,
    kill: () => child.kill('SIGKILL'),
    ask: asked(child, (message) => child.connected && child.send(message)),
  }
}
const threadOf = (t, settings) => {
  const worker = new Worker(NODE, { workerData: settings })
  t.teardown(() => worker.terminate())
  return { kill: () => worker.terminate(), ask: asked(worker, (message) => worker.postMessage(message)) }
}
/** Workers of one primary of node:cluster. */
const workersOf = (t, settings, count) => {
  const env = { ...process.env, ATRION_TEST_MACHINE: JSON.stringify(settings) }
  const primary = fork(PRIMARY, [String(count)], { env })
  t.teardown(() => primary.kill('SIGKILL'))
  return Array.from({ length: count }, (_, n) => ({
    ask: asked(primary, (message) => primary.send(message), `${n} `),
    kill: () => primary.send({ id: `${n} 0`, task: 'kill' }),
  }))
}

const hubOf = async (nodes) => {
  let hub
  await until(async () => {
    const stats = await Promise.all(nodes.map(({ ask }) => ask('stats')))
    const hubs = nodes.filter((_, n) => stats[n].isHub === 1)
    hub = hubs[0]
    return hubs.length === 1
  }, 'one hub')
  return hub
}

const feelAll = async (t, nodes, hurt, route) => {
  const felt = Promise.all(nodes.filter((node) => node !== hurt).map(({ ask }) => ask('feel', { route })))
  await hurt.ask('hurt', { route })
  for (const ms of await felt) t.true(ms > 0)
}

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

test('a socket that a killed process left is no obstacle', async (t) => {
  const settings = { path: folderOf(t), name: 'stale' }
  const dead = processOf(t, settings)
  await dead.ask('connect')
  dead.child.kill('SIGKILL')
  await new Promise((resolve) => dead.child.once('exit', resolve))
  t.is(readdirSync(settings.path).length, 1)
  const provider = new MachineStateProvider(settings)
  await provider.connect()
  t.is(provider.stats().isHub, 1)
  await provider.disconnect()
  t.deepEqual(readdirSync(settings.path), [])
})

test('a folder that others may enter, a link, and a file are refused, and so is a socket that is no hub in time', async (t) => {
  const path = folderOf(t)
  const open = join(path, 'open')
  mkdirSync(open)
  chmodSync(open, 0o755)
  const link = join(path, 'link')
  symlinkSync(path, link)
  const file = join(path, 'file')
  writeFileSync(file, '')
  for (const bad of [open, link, file]) {
    const provider = new MachineStateProvider({ path: bad, timeoutMs: 300 })
    const error = await t.throwsAsync(provider.connect(), { code: 'ATRION_CONNECTION' })
    t.regex(error.message, /mode must be 700|is not a folder|EEXIST/, bad)
  }
  const fine = join(path, 'made', 'deep')
  const provider = new MachineStateProvider({ path: fine })
  await provider.connect()
  await provider.disconnect()
  t.true(existsSync(fine))
})

test('a client that does not speak the protocol is cut off, and harms none', async (t) => {
  const settings = { path: folderOf(t), name: 'hostile' }
  const provider = new MachineStateProvider(settings)
  await provider.connect()
  t.teardown(() => provider.disconnect())
  const [socket] = readdirSync(settings.path)
  const frame = (text) => {
    const bytes = Buffer.from(text)
    const length = Buffer.alloc(4)
    length.writeUInt32LE(bytes.length)
    return Buffer.concat([length, bytes])
  }
  const closed = (bytes) =>
    new Promise((resolve) => {
      const client = connect(join(settings.path, socket), () => client.write(bytes))
      client.on('error', () => {})
      client.on('close', resolve)
      client.resume()
    })
  for (const bytes of [Buffer.alloc(64, 0xff), frame('no json'), frame('null'), frame('7')]) await closed(bytes)
  // Messages that are none of a member's change nothing.
  const client = connect(join(settings.path, socket))
  client.on('error', () => {})
  t.teardown(() => client.destroy())
  for (const message of [
    {},
    { kind: 'put', routes: 7 },
    { kind: 'put', routes: [[7, VECTOR], ['x', { ...VECTOR, scar: -1 }], null] },
    { kind: 'delete', routeIds: [{}] },
    {
      kind: 'merge',
      routes: [{ routeId: 'x', vector: VECTOR, stamp: Number.MAX_SAFE_INTEGER, node: 'n' }],
      texts: [1],
      gone: [[1]],
    },
    { kind: 'write', id: 1, name: 7, version: 0, text: {}, ttlMs: null },
  ]) {
    client.write(frame(JSON.stringify(message)))
  }
  await provider.updateVector('a', VECTOR)
  await new Promise((resolve) => {
    client.on('data', resolve)
    client.write(frame(JSON.stringify({ kind: 'ping', id: 1 })))
  })
  t.deepEqual(await provider.listRoutes(), ['a'])
})

test('a client of the user’s own that sends what no process does stops no writes, and takes no memory', async (t) => {
  const settings = { path: folderOf(t), name: 'lying' }
  const provider = new MachineStateProvider(settings)
  await provider.connect()
  t.teardown(() => provider.disconnect())
  const unhandled = []
  const note = (error) => unhandled.push(error)
  process.on('unhandledRejection', note)
  t.teardown(() => process.off('unhandledRejection', note))
  const [socket] = readdirSync(settings.path)
  const client = connect(join(settings.path, socket))
  client.on('error', () => {})
  client.resume()
  t.teardown(() => client.destroy())
  const send = (message) => {
    const bytes = Buffer.from(JSON.stringify(message))
    const length = Buffer.alloc(4)
    length.writeUInt32LE(bytes.length)
    client.write(Buffer.concat([length, bytes]))
  }
  const write = { kind: 'write', id: 1, name: 'a', version: 0, text: 'x', ttlMs: null, by: 'me', isAgain: false }
  const noText = { toString: 1, valueOf: 1 }
  for (const wrong of [
    { by: noText },
    { name: noText },
    { ttlMs: noText },
    { version: 0.5 },
    { text: 1 },
    { ttlMs: 'x' },
  ]) {
    send({ ...write, ...wrong })
  }
  send({ kind: 'join', node: noText })
  const last = { name: 'document', version: Number.MAX_SAFE_INTEGER, text: 'last', by: [], expiresAtMs: null }
  const stamp = Date.now() * 1000
  send({
    kind: 'merge',
    texts: [last],
    routes: [{ routeId: 'long', vector: VECTOR, stamp, node: 'n'.repeat(1 << 20) }],
  })
  // No name of a document is longer than 256 bytes.
  for (let i = 0; i < 20; i++)
    send({ kind: 'merge', texts: [{ ...last, name: `${i}${'n'.repeat(1 << 20)}`, version: 1 }] })
  send({ kind: 'merge', routes: [{ routeId: 'end', vector: VECTOR, stamp, node: 'n' }] })
  await until(async () => (await provider.listRoutes()).includes('end'), 'all messages were read')
  t.deepEqual(await provider.listRoutes(), ['end'])
  t.true(await provider.writeDocument('document', 0, 'ours'))
  t.is((await provider.readDocument('document')).text, 'ours')
  const newcomer = connect(join(settings.path, socket))
  newcomer.on('error', () => {})
  t.teardown(() => newcomer.destroy())
  let heard = ''
  newcomer.on('data', (piece) => (heard += piece))
  const joining = Buffer.from(JSON.stringify({ kind: 'join', node: 'newcomer' }))
  newcomer.write(Buffer.concat([Buffer.from(Uint32Array.of(joining.length).buffer), joining]))
  await until(() => heard.includes('welcome'), 'the newcomer has all there is')
  t.true(heard.length < 4096)
  t.deepEqual(unhandled, [])
})

test('options out of their range are refused by name', (t) => {
  for (const [field, values] of Object.entries({
    name: ['', 7],
    path: ['', 7, `/${'x'.repeat(120)}`],
    intervalMs: [0, 60_001, '1'],
    gamma: [-1, 2],
    maxRoutes: [0, 2 ** 21],
    timeoutMs: [99, 600_001],
  })) {
    for (const value of values) {
      const error = t.throws(() => new MachineStateProvider({ [field]: value }), { code: 'ATRION_CONFIG' })
      t.is(error.field, field)
    }
  }
  t.is(t.throws(() => new MachineStateProvider({ nam: 'x' })).field, 'nam')
  t.throws(() => new MachineStateProvider(null), { code: 'ATRION_CONFIG' })
  const provider = new MachineStateProvider()
  t.is(t.throws(() => new Atrion({ scope: 'machine', provider })).field, 'provider')
  t.is(t.throws(() => new Atrion({ scope: 'planet' })).field, 'scope')
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

test('a place that cannot be had rejects, and a later connect() works', async (t) => {
  const path = folderOf(t)
  const settings = { path, name: 'taken', timeoutMs: 3000 }
  chmodSync(path, 0o755)
  const provider = new MachineStateProvider({ ...settings, timeoutMs: 200 })
  await t.throwsAsync(provider.connect(), { code: 'ATRION_CONNECTION' })
  chmodSync(path, 0o700)
  await provider.connect()
  await provider.disconnect()
  // A server that listens there and says nothing is replaced.
  const [mute] = [createServer(() => {})]
  const first = new MachineStateProvider(settings)
  await first.connect()
  const [name] = readdirSync(path)
  await first.disconnect()
  await new Promise((resolve) => mute.listen(join(path, name), resolve))
  t.teardown(() => mute.close())
  await first.connect()
  t.is(first.stats().isHub, 1)
  await first.disconnect()
})
