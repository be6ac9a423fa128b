// State in a file: what is in it, when it is written, and that nothing but a whole snapshot is ever there.
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import FakeTimers from '@sinonjs/fake-timers'
import { Atrion, ConfigError, ConnectionError, FileStateProvider, ParseError, SyncError } from 'atrion'
import test from 'ava'
import { BAD, drive, engine, virtual } from '../_engine.mjs'
import { until } from '../_patience.mjs'
import { besides, connected, newPath } from './_files.mjs'

const vectorOf = (n) => ({ scar: n / 8, momentumScalar: n / 1000, lastTick: n, resistance: 64 + n })

// content

test('a process reads the records of the one before, with their age', async (t) => {
  const path = newPath()
  const first = await connected(path)
  t.deepEqual(await first.listRoutes(), [])
  const before = Date.now()
  for (let n = 0; n < 3; n++) await first.updateVector(`${n}`, vectorOf(n))
  await first.deleteVector('1')
  await first.disconnect()
  t.deepEqual(besides(path), [])

  const second = await connected(pathToFileURL(path))
  t.deepEqual(await second.getVector('2'), vectorOf(2))
  const loaded = [...(await second.load(10))]
  t.deepEqual(
    loaded.map(([routeId, vector]) => [routeId, vector]),
    [
      ['0', vectorOf(0)],
      ['2', vectorOf(2)],
    ],
  )
  t.true(loaded.every(([, , ageMs]) => ageMs >= 0 && ageMs <= Date.now() - before))
  t.deepEqual([...(await second.load(1))][0][0], '2', 'the most recently written first of all')
})

test('the file is JSON, a route a line', async (t) => {
  const path = newPath()
  const provider = await connected(path)
  for (const name of ['__proto__', '\ud800', 'a\0"\n']) await provider.updateVector(name, vectorOf(4))
  await provider.disconnect()
  const text = readFileSync(path, 'utf8')
  const { format, version, savedAt, routes } = JSON.parse(text)
  t.is(text.split('\n').length, 6)
  t.deepEqual([format, version], ['atrion-state', 1])
  t.true(Math.abs(savedAt - Date.now()) < 60_000)
  t.true(routes.every(({ at }) => at <= savedAt && at > savedAt - 60_000))
  t.deepEqual(
    routes.map(({ at, ...rest }) => rest),
    ['__proto__', '\ud800', 'a\0"\n'].map((routeId) => ({ routeId, ...vectorOf(4) })),
  )
})

test('of more routes than there is room for the most recently written stay', async (t) => {
  const path = newPath()
  const first = await connected(path, { maxRoutes: 3 })
  for (const n of [0, 1, 2, 0, 3]) await first.updateVector(`${n}`, vectorOf(n))
  t.deepEqual(await first.listRoutes(), ['2', '0', '3'])
  await first.disconnect()
  const second = await connected(path, { maxRoutes: 2 })
  t.deepEqual(await second.listRoutes(), ['0', '3'])
})

test('an Atrion that starts again starts scarred', async (t) => {
  const path = newPath()
  const before = virtual({ provider: new FileStateProvider(path) })
  await before.atrion.connect()
  drive(before, 'checkout', BAD, 50)
  const { scarTissue } = before.atrion.getState('checkout')
  t.true(scarTissue > 1)
  await before.atrion.disconnect()
  const after = new Atrion({ engine, provider: new FileStateProvider(path) })
  await after.connect()
  t.true(after.getState('checkout').scarTissue > 0.5 * scarTissue)
  await after.disconnect()
})

// what is refused

test('a path or an option out of its range names itself', (t) => {
  for (const path of ['', undefined, null, 7, {}, 'a\0b', new URL('http://localhost/state.json')]) {
    const error = t.throws(() => new FileStateProvider(path), { instanceOf: ConfigError })
    t.is(error.field, 'path')
  }
  for (const [options, field] of [
    [{ intervalMs: 0 }, 'intervalMs'],
    [{ intervalMs: Number.NaN }, 'intervalMs'],
    [{ intervalMs: 2 ** 31 }, 'intervalMs'],
    [{ intervalMs: '1000' }, 'intervalMs'],
    [{ maxRoutes: 0 }, 'maxRoutes'],
    [{ maxRoutes: 1.5 }, 'maxRoutes'],
    [{ interval: 5 }, 'interval'],
    [null, 'options'],
    ['x', 'options'],
  ]) {
    t.is(t.throws(() => new FileStateProvider('state.json', options), { instanceOf: ConfigError }).field, field)
  }
})

test('nothing works before connect() and after disconnect()', async (t) => {
  const provider = new FileStateProvider(newPath())
  const calls = [
    () => provider.getVector('a'),
    () => provider.updateVector('a', vectorOf(1)),
    () => provider.deleteVector('a'),
    () => provider.listRoutes(),
    () => provider.load(1),
  ]
  for (const call of calls) await t.throwsAsync(call, { instanceOf: ConnectionError })
  await provider.connect()
  await provider.disconnect()
  for (const call of calls) await t.throwsAsync(call, { instanceOf: ConnectionError })
})

test('a vector that no file could keep is a TypeError, and is not kept', async (t) => {
  const path = newPath()
  const provider = await connected(path)
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, -1, '1', null, undefined]) {
    for (const field of ['scar', 'momentumScalar', 'lastTick', 'resistance']) {
      await t.throwsAsync(provider.updateVector('a', { ...vectorOf(1), [field]: bad }), { instanceOf: TypeError })
    }
  }
  for (const name of [undefined, 7, {}]) {
    await t.throwsAsync(provider.updateVector(name, vectorOf(1)), { instanceOf: TypeError })
  }
  await provider.disconnect()
  t.false(existsSync(path), 'nothing changed, so nothing is written')
})

test('without its folder there is no connecting', async (t) => {
  const path = join(newPath(), 'absent', 'state.json')
  const provider = new FileStateProvider(path)
  const error = await t.throwsAsync(provider.connect(), { instanceOf: ConnectionError })
  t.is(error.cause.code, 'ENOENT')
  mkdirSync(dirname(path), { recursive: true })
  await provider.connect()
  t.deepEqual(await provider.listRoutes(), [])
})

const good = { routeId: 'a', at: 1, ...vectorOf(1) }
const snapshot = (changes) =>
  JSON.stringify({ format: 'atrion-state', version: 1, savedAt: 1, routes: [good], ...changes })

const UNREADABLE = {
  'an empty file': '',
  'a cut file': snapshot().slice(0, -3),
  'another file': '{"name":"atrion","version":"3.0.0"}',
  'no object': '[]',
  'no JSON': 'scar: 5',
  'no UTF-8': Buffer.from(snapshot({ note: 'é' }), 'latin1'),
  'a later version': snapshot({ version: 2 }),
  'no version': snapshot({ version: undefined }),
  'an earlier version': snapshot({ version: 0 }),
  'no time': snapshot({ savedAt: 'now' }),
  'routes by name': snapshot({ routes: { a: good } }),
  'a route without a name': snapshot({ routes: [{ ...good, routeId: undefined }] }),
  'a route without a time': snapshot({ routes: [{ ...good, at: null }] }),
  'a scar below 0': snapshot({ routes: [good, { ...good, scar: -1 }] }),
  'a scar that is none': snapshot({ routes: [{ ...good, scar: null }] }),
}

for (const [what, content] of Object.entries(UNREADABLE)) {
  test(`${what} is a ParseError that names the path, and stays as it is`, async (t) => {
    const path = newPath()
    writeFileSync(path, content)
    const provider = new FileStateProvider(path)
    const error = await t.throwsAsync(provider.connect(), { instanceOf: ParseError })
    t.true(error.message.includes(path), error.message)
    if (what === 'a later version') t.regex(error.message, /version 2, .*later/)
    await t.throwsAsync(provider.updateVector('a', vectorOf(1)), { instanceOf: ConnectionError })
    await provider.disconnect()
    t.deepEqual(readFileSync(path), Buffer.from(content))
    rmSync(path)
    await provider.connect()
    await provider.disconnect()
  })
}

test('a folder in its place is a ParseError too', async (t) => {
  const path = newPath()
  mkdirSync(path)
  await t.throwsAsync(new FileStateProvider(path).connect(), { instanceOf: ParseError })
})

// when it is written

test.serial('it is written once an interval, as it is then, and not at all when nothing changed', async (t) => {
  const path = newPath()
  const clock = FakeTimers.install({ toFake: ['setTimeout', 'clearTimeout', 'Date'], now: 1_000_000 })
  t.teardown(() => clock.uninstall())
  const read = () => JSON.parse(readFileSync(path, 'utf8'))
  const provider = await connected(path, { intervalMs: 500 })
  await provider.updateVector('a', vectorOf(1))
  clock.tick(300)
  await provider.updateVector('a', vectorOf(2))
  clock.tick(199)
  t.is(clock.countTimers(), 1)
  t.false(existsSync(path))
  clock.tick(1)
  await until(() => existsSync(path))
  t.is(read().savedAt, 1_000_500)
  t.deepEqual(read().routes, [{ routeId: 'a', at: 1_000_300, ...vectorOf(2) }])
  clock.tick(60_000)
  t.is(clock.countTimers(), 0)
  t.is(read().savedAt, 1_000_500)
  await provider.deleteVector('never there')
  t.is(clock.countTimers(), 0)
  await provider.deleteVector('a')
  // The file is there before the provider knows.
  await until(() => clock.countTimers() === 1)
  clock.tick(500)
  await until(() => read().routes.length === 0)
  t.is(read().savedAt, 1_061_000)
  await provider.updateVector('b', vectorOf(3))
  await provider.disconnect()
  t.is(read().routes.length, 1)
  t.is(clock.countTimers(), 0)
})

test('one snapshot is written at a time', async (t) => {
  const path = newPath()
  const provider = await connected(path, { intervalMs: 1 })
  let most = 0
  for (let round = 1; round <= 300; round++) {
    for (let n = 0; n < 200; n++) void provider.updateVector(`${n}`, vectorOf(round))
    most = Math.max(most, besides(path).length)
    await new Promise(setImmediate)
  }
  const ends = [provider.disconnect(), provider.disconnect()]
  most = Math.max(most, besides(path).length)
  await Promise.all(ends)
  t.is(most, 1)
  t.deepEqual(besides(path), [])
  t.true(JSON.parse(readFileSync(path, 'utf8')).routes.every(({ lastTick }) => lastTick === 300))
})

test('while it cannot be written updates reject and are kept; it is written when that is possible again', async (t) => {
  const path = newPath()
  const provider = await connected(path, { intervalMs: 1 })
  rmSync(dirname(path), { recursive: true })
  await provider.updateVector('a', vectorOf(1))
  await t.throwsAsync(provider.disconnect(), { instanceOf: SyncError })
  const error = await t.throwsAsync(provider.updateVector('a', vectorOf(2)), { instanceOf: SyncError })
  t.is(error.cause.code, 'ENOENT')
  t.deepEqual(await provider.getVector('a'), vectorOf(2))
  mkdirSync(dirname(path))
  await until(() => existsSync(path))
  await provider.disconnect()
  t.deepEqual(await (await connected(path)).getVector('a'), vectorOf(2))
  t.deepEqual(besides(path), [])
})

test('through a link the file that it points to is replaced', async (t) => {
  const [path, target] = [newPath(), newPath()]
  writeFileSync(target, snapshot())
  symlinkSync(target, path)
  const provider = await connected(path)
  await provider.updateVector('b', vectorOf(2))
  await provider.disconnect()
  t.true((await lstat(path)).isSymbolicLink())
  t.deepEqual(await (await connected(target)).listRoutes(), ['a', 'b'])
})
