// Recordings that are cut off, foreign, newer or hostile: the part before the damage is used, the rest is reported, and nothing else happens.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { Atrion, VirtualClock } from 'atrion'
import { sourceOf } from '../_source.mjs'
import { cli, drive, numbers, replayed, virtual } from './_drive.mjs'

const HEAD = 16
const [LENGTH_AT, CHECKSUM_AT, SEQUENCE_AT, ENTRIES_AT] = [4, 8, 12, 32]

let folder
let whole
let checksum
test.before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'atrion-damage-'))
  const world = virtual()
  const recording = world.atrion.record(join(folder, 'whole.rec'))
  await drive(world, 9000)
  await recording.stop()
  whole = readFileSync(join(folder, 'whole.rec'))
  ;({ checksum } = await sourceOf('base/checksum.ts'))
})
test.after.always(() => rmSync(folder, { recursive: true, force: true }))

/** The blocks of a recording, as [from, to]. */
function blocksOf(bytes) {
  const blocks = []
  for (let at = HEAD; at < bytes.length; ) {
    const to = at + SEQUENCE_AT + bytes.readUInt32LE(at + LENGTH_AT)
    blocks.push([at, to])
    at = to
  }
  return blocks
}

const put = (name, bytes) => {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}

test('a recording that is cut off anywhere is used up to its last whole block', async (t) => {
  const blocks = blocksOf(whole)
  t.true(blocks.length >= 3, `${blocks.length}`)
  const all = (await replayed(put('all.rec', whole))).report.coverage.decisions
  const random = numbers(99)
  let before = 0
  for (let i = 0; i < 6; i++) {
    const cut = blocks[1][0] + Math.floor(random() * (whole.length - blocks[1][0]))
    const { code, report } = await replayed(put('cut.rec', whole.subarray(0, cut)))
    t.is(code, 0)
    t.is(report.replay.equal, report.coverage.decisions)
    t.true(report.coverage.decisions > 0 && report.coverage.decisions < all)
    const last = blocks.findLast(([, to]) => to <= cut)[1]
    if (cut > last) {
      t.is(report.coverage.damage.atByte, last)
      t.is(report.coverage.damage.restBytes, cut - last)
      t.regex(report.coverage.damage.cause, /ends within/)
    }
    before += report.coverage.decisions
  }
  t.true(before > 0)
  const { code, report } = await replayed(put('first.rec', whole.subarray(0, blocks[0][1])))
  t.is(code, 0)
  t.is(report.coverage.damage, undefined)
})

test('a changed byte ends the use of a recording at its block', async (t) => {
  const [[from], [second, to]] = blocksOf(whole)
  for (const at of [second, second + LENGTH_AT, second + CHECKSUM_AT, second + 100, to - 1]) {
    const bytes = Buffer.from(whole)
    bytes[at] ^= 0x10
    const { code, report } = await replayed(put('changed.rec', bytes))
    t.is(code, 0)
    t.is(report.coverage.damage.atByte, second)
    t.true(report.coverage.decisions > 0)
    t.is(report.replay.equal, report.coverage.decisions)
  }
  const bytes = Buffer.from(whole)
  bytes[from + 50] ^= 1
  const { code, stderr } = await replayed(put('lost.rec', bytes))
  t.is(code, 1)
  t.regex(stderr, /nothing of the recording can be read: the checksum/)
})

test('what is no recording, and one of a newer format, is named', async (t) => {
  const newer = Buffer.from(whole)
  newer.writeUInt16LE(4, 12)
  for (const [bytes, message] of [
    [Buffer.alloc(0), /the file is empty/],
    [Buffer.from('{"level":30}\n'), /is (?:not a|neither a) recording of Atrion/],
    [Buffer.alloc(70_000, 0xff), /is (?:not a|neither a) recording of Atrion/],
    [Buffer.from(whole.toString('latin1').replaceAll('\r\n', '\n'), 'latin1'), /transferred as text/],
    [newer, /of format 4, and this version reads 1 to 3: a newer atrion wrote it/],
    [whole.subarray(0, HEAD - 2), /ends within its head/],
    [whole.subarray(0, HEAD), /the recording is empty/],
  ]) {
    const { code, stderr } = await cli('replay', put('foreign.rec', bytes))
    t.is(code, 1)
    t.regex(stderr, message)
    t.notRegex(stderr, /\n\s+at /, 'no stack')
  }
  const { code, stderr } = await cli('replay', folder)
  t.is(code, 1)
  t.regex(stderr, /is not a file/)
  t.regex((await cli('replay', join(folder, 'absent'))).stderr, /cannot be opened/)
})

test('an image takes as much memory as there is of it, and comes whole or not at all', async (t) => {
  const { Decoder } = await sourceOf('replay/decoder.ts')
  const { ENTRY } = await sourceOf('recording/format.ts')
  const varint = (value) => (value > 127 ? [(value & 127) | 128, ...varint(value >>> 7)] : [value])
  const images = []
  const decoder = new Decoder({ image: (image) => images.push([...image]) })
  const decode = (...pieces) => {
    const entries = pieces.flatMap(([length, from, ...bytes]) => [
      ...[ENTRY.IMAGE, 1],
      ...[...varint(length), ...varint(from), ...varint(bytes.length), ...bytes],
    ])
    decoder.decode({ bytes: Uint8Array.from([...Array(ENTRIES_AT).fill(0), ...entries]), baseMs: 0 })
  }
  decode([5, 0, 1, 2], [5, 2, 3, 4])
  decode([5, 4, 5])
  t.deepEqual(images.splice(0), [[1, 2, 3, 4, 5]])
  decode([5, 0, 1, 2], [5, 3, 4, 5], [5, 2, 3, 4, 5], [4, 2, 3, 4], [3, 0, 7, 8], [3, 0, 7], [3, 1, 8, 9])
  t.deepEqual(images.splice(0), [[7, 8, 9]])
  for (const wrong of [[5, 0], [0, 0], [0, 0, 1], [2, 1, 1, 1], [2 ** 24 + 1, 0, 1]]) {
    t.is(t.throws(() => decode(wrong)).constructor.name, 'GarbageError', `${wrong}`)
  }
  // Each of these begins an image of 16 MiB: 160 GB.
  const before = process.memoryUsage().arrayBuffers
  decode(...Array.from({ length: 10_000 }, () => [2 ** 24, 0, 1]))
  t.true(process.memoryUsage().arrayBuffers - before < 16 * 2 ** 20)
  t.deepEqual(images, [])
})

test('garbage whose checksum fits ends the reading, and nothing else', async (t) => {
  const { Replay } = await sourceOf('replay/replay.ts')
  const { TsEngine } = await sourceOf('engine/ts/engine.ts')
  const clock = new VirtualClock(1_700_000_000_000)
  const atrion = new Atrion({ clock, engine: 'ts' })
  const path = join(folder, 'open.rec')
  const recording = atrion.record(path)
  for (let i = 0; i < 400; i++) {
    clock.advance(50)
    atrion.route(`r${i % 5}`, { latencyMs: (i * 37) % 900, errorRate: (i % 10) / 10 }, { voltage: i % 90 })
    if (i % 50 === 0) atrion.routeBatch(['x', 'y'], new Float64Array([1, 0, 0.5, 200, 0.3, 0.9]))
    if (i % 90 === 0) await atrion.resetRoute('r1')
  }
  await recording.stop()
  const bytes = readFileSync(path)
  const [[from, to]] = blocksOf(bytes)
  const source = (content) => ({
    length: content.length,
    read: (at, length) => new Uint8Array(content.subarray(at, at + length)),
  })
  const make = (_, maxRoutes) => new TsEngine(maxRoutes)
  const random = numbers(7)
  let damaged = 0
  for (let i = 0; i < 1500; i++) {
    const changed = Buffer.from(bytes)
    for (let n = 0; n < 1 + (i % 4); n++) {
      const at = from + ENTRIES_AT + Math.floor(random() * (to - from - ENTRIES_AT))
      changed[at] = i % 3 === 0 ? 0xff : Math.floor(random() * 256)
    }
    if (i % 10 === 0) changed.writeUInt32LE(Math.floor(random() * 2 ** 32), from + 24)
    changed.writeUInt32LE(checksum(new Uint8Array(changed.subarray(from + SEQUENCE_AT, to))), from + CHECKSUM_AT)
    try {
      const { coverage } = new Replay(make).all(source(changed))
      if (coverage.damage !== undefined) damaged += 1
      t.true(coverage.decisions <= 500)
    } catch (error) {
      t.regex(error.message, /nothing of the recording can be read/)
      damaged += 1
    }
  }
  t.true(damaged > 500, `${damaged}`)
})

test('hostile recordings end with an answer on the native engine, too', async (t) => {
  const random = numbers(21)
  const [, [from, to]] = blocksOf(whole)
  for (let i = 0; i < 12; i++) {
    const changed = Buffer.from(whole)
    for (let n = 0; n < 30; n++) {
      changed[from + ENTRIES_AT + Math.floor(random() * (to - from - ENTRIES_AT))] = Math.floor(random() * 256)
    }
    changed.writeUInt32LE(checksum(new Uint8Array(changed.subarray(from + SEQUENCE_AT, to))), from + CHECKSUM_AT)
    const { code, report, stderr } = await replayed(put('hostile.rec', changed))
    t.true(code === 0 || code === 1, stderr)
    t.true(report.coverage.decisions > 0, stderr)
  }
})

test('a candidate that cannot be used names the line', async (t) => {
  const path = put('ok.rec', whole)
  for (const [text, message] of [
    ['{\n  "slo": {\n    "maxAcceptableLatencyMs": 5,,\n  }\n}', /bad\.json, line 3: /],
    ['{\n  "slo": {\n    "maxAcceptableLatencyMs": -5\n  }\n}', /bad\.json, line 3: slo\.maxAcceptableLatencyMs must be .*, got -5/],
    ['{\n  "routes": {\n    "GET /a": {},\n    "GET /b": {\n      "limits": { "max": 0 } } } }', /bad\.json, line 5: limits\.max/],
    ['{\n\n  "limts": {}\n}', /bad\.json, line 3: limts is not a setting .*did you mean limits/],
    ['[]', /bad\.json, line 1: a candidate must be an object/],
    ['', /bad\.json, line 1: /],
  ]) {
    const { code, stderr } = await cli('replay', path, '--config', put('bad.json', text))
    t.is(code, 1)
    t.regex(stderr, message)
  }
  t.regex((await cli('replay', path, '--config', join(folder, 'absent.json'))).stderr, /absent\.json cannot be read/)
})

test('the command says what it takes', async (t) => {
  const help = await cli('replay', '--help')
  t.is(help.code, 0)
  t.regex(help.stdout, /^Usage: atrion replay/)
  for (const args of [[], ['a', 'b'], ['a', '--config'], ['a', '--engine', 'rust'], ['a', '--nothing']]) {
    const { code, stderr } = await cli('replay', ...args)
    t.is(code, 2)
    t.regex(stderr, /Usage: atrion replay/)
  }
})
