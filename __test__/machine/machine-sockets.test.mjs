// The socket of a machine: what is left there, folders that are not safe, clients that do not speak the protocol, and the options.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { Atrion, MachineStateProvider } from 'atrion'
import anyTest from 'ava'
import { folderOf, processOf, VECTOR } from '../_machine/nodes.mjs'
import { PATIENCE_MS, until } from '../_patience.mjs'

const test = process.platform === 'win32' ? anyTest.skip : anyTest

const frame = (text) => {
  const bytes = Buffer.from(text)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(bytes.length)
  return Buffer.concat([length, bytes])
}

test('a socket that a killed process left is no obstacle', async (t) => {
  const settings = { path: folderOf(t), name: 'stale' }
  const dead = processOf(t, settings)
  await dead.ask('connect')
  dead.child.kill('SIGKILL')
  await once(dead.child, 'exit')
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

test('a claim to the place is no obstacle where its process was killed, or stands still', async (t) => {
  t.timeout(PATIENCE_MS)
  const settings = { path: folderOf(t), name: 'claimed', timeoutMs: 60_000 }
  const first = new MachineStateProvider(settings)
  await first.connect()
  const [name] = readdirSync(settings.path)
  await first.disconnect()
  const claim = join(settings.path, `${name}.next`)
  const listens = 'require("net").createServer().listen(process.argv[1], () => console.log("listens"))'
  for (const signal of ['SIGKILL', 'SIGSTOP']) {
    const child = spawn(process.execPath, ['-e', listens, claim])
    t.teardown(() => child.kill('SIGKILL'))
    const ended = once(child, 'exit')
    await once(child.stdout, 'data')
    child.kill(signal)
    if (signal === 'SIGKILL') await ended
    t.deepEqual(readdirSync(settings.path), [`${name}.next`])
    const provider = new MachineStateProvider(settings)
    await provider.connect()
    t.is(provider.stats().isHub, 1)
    t.deepEqual(readdirSync(settings.path), [name])
    await provider.disconnect()
  }
})

test('a client that does not speak the protocol is cut off, and harms none', async (t) => {
  const settings = { path: folderOf(t), name: 'hostile' }
  const provider = new MachineStateProvider(settings)
  await provider.connect()
  t.teardown(() => provider.disconnect())
  const [socket] = readdirSync(settings.path)
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
  const send = (message) => client.write(frame(JSON.stringify(message)))
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

test('a place that cannot be had rejects, and a later connect() works', async (t) => {
  const path = folderOf(t)
  const settings = { path, name: 'taken', timeoutMs: 3000 }
  chmodSync(path, 0o755)
  // As long as a busy machine may need for the second connection; the first takes it whole.
  const provider = new MachineStateProvider({ ...settings, timeoutMs: 2000 })
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

test('a hub that has much to pass on is joined, however long it takes to come to the welcome', async (t) => {
  t.timeout(PATIENCE_MS)
  const settings = { path: folderOf(t), name: 'much', timeoutMs: 60_000 }
  const provider = new MachineStateProvider(settings)
  await provider.connect()
  const [name] = readdirSync(settings.path)
  await provider.disconnect()
  // Twice as many pieces as a hub may let waits pass, and one in each.
  const hub = createServer((socket) => {
    let pieces = 0
    const timer = setInterval(() => {
      const route = { routeId: `r${++pieces}`, vector: VECTOR, stamp: Date.now() * 1000, node: 'n' }
      socket.write(frame(JSON.stringify({ kind: 'merge', routes: [route] })))
      if (pieces === 40) socket.write(frame(JSON.stringify({ kind: 'welcome', nodes: 1 })))
    }, 75)
    socket.on('error', () => {})
    socket.on('close', () => clearInterval(timer))
    socket.resume()
  })
  await new Promise((resolve) => hub.listen(join(settings.path, name), resolve))
  t.teardown(() => hub.close())
  await provider.connect()
  t.like(provider.stats(), { isHub: 0, nodes: 1 })
  await provider.disconnect()
})
