// Files that are none, never end, are too long or change while they are read: recordings, access logs, candidates, files of settings and of
// state. Nothing waits for a pipe, and no line costs more than its length.
import { execFileSync } from 'node:child_process'
import { mkdtemp, open, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { FileStateProvider } from 'atrion'
import ava from 'ava'
import { create, engine } from '../_engine.mjs'
import { sourceOf } from '../_source.mjs'
import { cli } from './_drive.mjs'

// The command and the files are the same for every engine.
const test = engine === 'native' && process.platform === 'linux' ? ava : ava.skip

const { readWhole, readWholeSync } = await sourceOf('base/files.ts')
const { formatOf, LogReader } = await sourceOf('replay/access-log.ts')
const { linesOf } = await sourceOf('replay/log-trace.ts')

const SPARSE_BYTES = 10 * 2 ** 30

/** Names of what is no file, and of what is none to be read. */
async function hostileNames(t) {
  const folder = await mkdtemp(join(tmpdir(), 'atrion-hostile-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const at = (name) => join(folder, name)
  execFileSync('mkfifo', [at('pipe')])
  await symlink(at('loop'), at('loop'))
  await symlink(at('absent'), at('dangling'))
  await symlink(at('pipe'), at('to-pipe'))
  await writeFile(at('sparse'), '')
  await truncate(at('sparse'), SPARSE_BYTES)
  await writeFile(at('long'), 'x'.repeat(2 ** 20 + 1))
  return {
    folder,
    at,
    names: [folder, ...['pipe', 'loop', 'dangling', 'to-pipe', 'sparse', 'long'].map(at), '/dev/zero', '/proc/self/mem'],
  }
}

test('a file is read whole or not at all, whatever has its name', async (t) => {
  const { names, at } = await hostileNames(t)
  for (const name of names) {
    await t.throwsAsync(readWhole(name, 2 ** 20), { instanceOf: Error }, name)
    t.throws(() => readWholeSync(name, 2 ** 20), { instanceOf: Error }, name)
  }
  await writeFile(at('right'), 'x'.repeat(2 ** 20))
  t.is((await readWhole(at('right'), 2 ** 20)).length, 2 ** 20)
  t.is(readWholeSync(at('right'), 2 ** 20).length, 2 ** 20)
  // A file that has no length of its own.
  t.true((await readWhole('/proc/self/stat', 2 ** 20)).length > 10)
  t.throws(() => readWholeSync('/proc/self/maps', 100), { message: /100 bytes/ })
})

test('settings from a file that is none are refused, and those before hold', async (t) => {
  const { names, at } = await hostileNames(t)
  const atrion = create()
  for (const name of names) await t.throwsAsync(atrion.config.watchFile(name), { instanceOf: Error }, name)
  const path = at('settings.json')
  await writeFile(path, '{"dryRun":true}')
  const end = await atrion.config.watchFile(path, { intervalMs: 10 })
  t.teardown(end)
  const refused = () => new Promise((resolve) => atrion.on('patch_refused', resolve))
  for (const name of [at('pipe'), at('loop'), at('sparse'), at('long')]) {
    const next = refused()
    await rm(path)
    await symlink(name, path)
    await next
    t.true(atrion.config.current().changes.dryRun, name)
  }
  await rm(path)
  await writeFile(path, '{"dryRun":false}')
  await new Promise((resolve) => {
    const stop = atrion.on('patch', () => {
      stop()
      resolve()
    })
  })
  t.false(atrion.config.current().changes.dryRun)
})

test('a state that is no file is an error of connect(), and no wait', async (t) => {
  const { at, folder } = await hostileNames(t)
  for (const name of [folder, at('pipe'), at('loop'), at('sparse')]) {
    const provider = new FileStateProvider(name)
    await t.throwsAsync(provider.connect(), { instanceOf: Error }, name)
  }
})

test('a recording goes to no pipe and no folder, and what waits for none', async (t) => {
  const { at, folder } = await hostileNames(t)
  for (const name of [folder, at('pipe'), at('to-pipe'), at('loop')]) {
    t.throws(() => create().record(name), { instanceOf: Error }, name)
  }
  // With a reader, too, which an open would not wait for.
  const reader = await open(at('pipe'), 2048)
  t.throws(() => create().record(at('pipe')), { message: /is not a file/ })
  await reader.close()
  const recording = create().record('/dev/null')
  await recording.stop()
  await writeFile(at('old'), 'x'.repeat(1e6))
  await create().record(at('old')).stop()
  t.true((await readWhole(at('old'), 2 ** 20)).length < 1e5, 'what was there before is gone')
})

test('the command names what is no file, and reads a sparse one of 10 GB for nothing', async (t) => {
  const { at, folder } = await hostileNames(t)
  for (const name of [folder, at('pipe'), at('loop'), at('dangling')]) {
    for (const args of [
      ['replay', name],
      ['tune', name],
    ]) {
      const { code, stderr } = await cli(...args)
      t.is(code, 1, name)
      t.regex(stderr, /cannot be opened|is not a file/)
    }
  }
  await writeFile(at('log'), '1.1.1.1 - - [10/Oct/2023:13:55:36 +0000] "GET / HTTP/1.1" 200 5 0.010\n'.repeat(50))
  for (const name of [at('pipe'), at('loop'), at('sparse'), '/dev/zero', folder]) {
    const { code, stderr } = await cli('replay', at('log'), '--config', name)
    t.is(code, 1, name)
    t.regex(stderr, /cannot be read/)
  }
  const { code, stderr } = await cli('replay', at('sparse'))
  t.is(code, 1)
  t.regex(stderr, /neither a recording of Atrion nor an access log/)
})

const HEAD = '1.1.1.1 - - [10/Oct/2023:13:55:36 +0000] '
const ENVOY = '[2023-10-10T13:55:36.000Z] '
const N = 65_000

test('no line of a log takes more than its length: none that a client can have written into it', (t) => {
  const answer = `${HEAD}"GET /a HTTP/1.1" 200 5`
  const lines = [
    `${HEAD}"GET ${'a'.repeat(N)}`,
    `${HEAD}"GET /a${' '.repeat(N)}`,
    `${HEAD}"GET ${'\\'.repeat(N)}`,
    `${HEAD}"GET ${'\\'.repeat(N + 1)}`,
    `a b ${'[10/Oct/2023:13:55:36 +0000] '.repeat(N / 30)}`,
    `a b ${`${HEAD.slice(10)}"GET /a `.repeat(N / 46)}`,
    `${answer} "${'\\"'.repeat(N / 2)}`,
    `${answer} "${'\\'.repeat(N)}`,
    `${answer} ${'1'.repeat(N)}x`,
    `${answer} 1${' '.repeat(N)}x`,
    `${answer}${' 1'.repeat(N / 2)}x`,
    `${answer}${' "'.repeat(N / 2)}x`,
    `${answer}${'"'.repeat(N)}x`,
    `${ENVOY}"GET ${'a'.repeat(N)}`,
    ...['a ', '"a ', '" ', '1 ', 'x"1" 1 ', ' x "', ' "-'].map(
      (part) => `${ENVOY}"GET /a HTTP/1.1" 200 - ${part.repeat(N / part.length)}`,
    ),
    `{"req":{"url":"${'x'.repeat(N)}`,
    '{"a":'.repeat(N / 5),
  ]
  // Each of them took seconds where the time was that of the square: all are bounded by what a single one took.
  const startMs = process.cpuUsage().user / 1000
  for (const line of lines) {
    for (const format of ['nginx', 'apache', 'envoy', 'pino']) new LogReader(format).read(line)
    formatOf([line, `${line}${'1'.repeat(100_000)}x`])
  }
  t.true(process.cpuUsage().user / 1000 - startMs < 5_000)
})

test('times that no request has are none', (t) => {
  const took = (end) => new LogReader('nginx').read(`${HEAD}"GET / HTTP/1.1" 200 5 ${end}`)?.tookMs
  t.is(took('0.250'), 250)
  for (const end of ['9'.repeat(40), '86401.0', '1'.repeat(100)]) t.falsy(took(end) >= 0)
  const pino = (more) => new LogReader('pino').read(JSON.stringify({ req: { method: 'GET', url: '/' }, res: { statusCode: 200 }, ...more }))
  t.like(pino({ time: 1e12, responseTime: 7 }), { tookMs: 7 })
  for (const responseTime of [-1, 1e308, 1e12]) t.falsy(pino({ time: 1e12, responseTime })?.tookMs >= 0)
  for (const time of [-1, 1e300, 8.64e15, 'x', null]) t.falsy(pino({ time, responseTime: 7 })?.atMs > 5e12)
})

test('of requests that have not ended nothing but text is kept', (t) => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')
  const heap = () => {
    collect()
    return process.memoryUsage().heapUsed
  }
  const reader = new LogReader('pino')
  const before = heap()
  const url = Array(7_500).fill(1)
  for (let reqId = 0; reqId < 2_000; reqId++) reader.read(JSON.stringify({ reqId, req: { method: 'GET', url } }))
  t.true(heap() - before < 50 * 2 ** 20)
  t.is(reader.read('{"reqId":1,"time":1,"res":{}}'), null)
})

test('lines of 100 MB are skipped within bounded memory', (t) => {
  const piece = new Uint8Array(2 ** 20).fill(0x61)
  let reads = 0
  const source = {
    length: 200 * 2 ** 20,
    read: (at, length) => {
      reads += 1
      if (at === 100 * 2 ** 20) return new TextEncoder().encode('\nlast')
      return piece.subarray(0, length)
    },
  }
  let longest = 0
  let lines = 0
  for (const line of linesOf(source)) {
    lines += 1
    longest = Math.max(longest, line.length)
  }
  t.is(lines, 2)
  t.is(reads, 200)
  t.true(longest <= 2 ** 20 + 2 ** 17)
})
