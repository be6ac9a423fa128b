// Compressed recordings and logs, and those of standard input: unpacked piece by piece, and used up to the damage.
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import zlib from 'node:zlib'
import test from 'ava'
import { Atrion, VirtualClock } from 'atrion'
import fc from '../_random.mjs'
import { sourceOf } from '../_source.mjs'
import { CLI, numbers } from './_drive.mjs'

const { openSource } = await sourceOf('cli/source.ts')

let folder
/** The commands' temporary files. */
let spool
test.before(() => {
  folder = mkdtempSync(join(tmpdir(), 'atrion-packed-'))
  spool = mkdtempSync(join(tmpdir(), 'atrion-spool-'))
})
test.after.always((t) => {
  const left = readdirSync(spool)
  for (const path of [folder, spool]) rmSync(path, { recursive: true, force: true })
  t.deepEqual(left, [])
})

let files = 0
const put = (bytes) => {
  const path = join(folder, `file-${(files += 1)}`)
  writeFileSync(path, bytes)
  return path
}

/** The command with an input. */
const run = (args, input) =>
  new Promise((resolve) => {
    const options = { env: { ...process.env, TMPDIR: spool, TEMP: spool, TMP: spool }, maxBuffer: 2 ** 26 }
    const child = execFile(process.execPath, [CLI, ...args], options, (error, stdout, stderr) =>
      resolve({ code: error ? error.code : 0, stdout, stderr }),
    )
    // A command that refuses its input early closes it.
    child.stdin.on('error', () => {})
    child.stdin.end(input ?? '')
  })

const line = (i) =>
  `10.0.0.${i % 200} - - [05/Jan/2026:10:${String(Math.floor(i / 100) % 60).padStart(2, '0')}:${String(i % 60).padStart(2, '0')} +0000] "GET /orders/${i} HTTP/1.1" 200 512 "-" "agent" 0.0${10 + (i % 40)}\n`
const LOG = Buffer.from(Array.from({ length: 3000 }, (_, i) => line(i)).join(''))

const PACKERS = {
  gzip: zlib.gzipSync,
  ...(zlib.zstdCompressSync && { zstd: zlib.zstdCompressSync }),
}

const whole = (source) => Buffer.from(source.read(0, Math.min(source.length, 2 ** 20)))

test('whatever bytes are compressed, in whatever members, are read as they were', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 5000 }), { minLength: 1, maxLength: 4 }),
      fc.constantFrom(...Object.keys(PACKERS)),
      async (parts, packer) => {
        const source = await openSource(put(Buffer.concat(parts.map((part) => PACKERS[packer](part)))))
        try {
          const plain = Buffer.concat(parts)
          t.is(source.length, plain.length)
          t.deepEqual(whole(source), plain)
        } finally {
          source.close()
        }
      },
    ),
    { numRuns: 60 },
  )
})

test('of a compressed file that is cut off anywhere, a beginning is used, or it is refused', async (t) => {
  const random = numbers(3)
  const plain = Buffer.from(Array.from({ length: 40_000 }, () => 97 + Math.floor(random() * 16)))
  const packed = zlib.gzipSync(plain)
  const said = []
  const { error } = console
  console.error = (text) => said.push(text)
  try {
    let used = 0
    for (let i = 1; i <= 40; i++) {
      const cut = Math.floor((packed.length * i) / 41)
      const path = put(packed.subarray(0, cut))
      said.length = 0
      try {
        const source = await openSource(path)
        used = source.length
        t.deepEqual(whole(source), plain.subarray(0, source.length))
        t.regex(said.join(), /the compressed data is damaged: .*; the \d+ bytes before that are used/)
        source.close()
      } catch (refused) {
        t.is(used, 0, `${cut}: ${refused.message}`)
        t.regex(refused.message, /the compressed data is damaged/)
      }
    }
    // All but what the last bytes would have said.
    t.true(used > 0.9 * plain.length, `${used}`)
  } finally {
    console.error = error
  }
})

test('a log says the same compressed, piped, and both', async (t) => {
  const plain = await run(['replay', put(LOG), '--json'])
  t.is(plain.code, 0, plain.stderr)
  const piped = await run(['replay', '-', '--json'], LOG)
  t.is(piped.stdout, plain.stdout, piped.stderr)
  for (const [name, pack] of Object.entries(PACKERS)) {
    const packed = pack(LOG)
    for (const result of [await run(['replay', put(packed), '--json']), await run(['replay', '-', '--json'], packed)]) {
      t.is(result.stdout, plain.stdout, `${name}: ${result.stderr}`)
      t.is(result.stderr, '')
    }
  }
  const [tuned, tunedPiped] = [
    await run(['tune', put(LOG), '--json', '--seeds', '1']),
    await run(['tune', '-', '--json', '--seeds', '1'], zlib.gzipSync(LOG)),
  ]
  t.is(tuned.code, 0, tuned.stderr)
  t.is(tunedPiped.stdout, tuned.stdout, tunedPiped.stderr)
})

test('a recording that is compressed is replayed bit for bit', async (t) => {
  const path = join(folder, 'traffic.rec')
  const clock = new VirtualClock(1_000_000)
  const atrion = new Atrion({ clock })
  const recording = atrion.record(path)
  for (let i = 0; i < 500; i++) {
    const permit = atrion.acquire('route')
    clock.advance(2)
    if (permit.allow) permit.release()
  }
  await recording.stop()
  const { readFileSync } = await import('node:fs')
  const { code, stdout, stderr } = await run(['replay', '-', '--json'], zlib.gzipSync(readFileSync(path)))
  t.is(code, 0, stderr)
  const plain = await run(['replay', path, '--json'])
  const [{ coverage, replay, recorded }, expected] = [JSON.parse(stdout), JSON.parse(plain.stdout)]
  t.is(replay.equal, 500)
  t.is(replay.firstDifference, null)
  t.deepEqual([coverage, recorded], [expected.coverage, expected.recorded])
})

test('what cannot be read is named', async (t) => {
  for (const [args, input, pattern] of [
    [['replay', '-'], '', /standard input: the file is empty/],
    [['replay', '-'], 'nonsense\n', /standard input: the file is neither a recording/],
    [['tune', '-'], zlib.gzipSync('nonsense\n'), /standard input: the file is neither a recording/],
    [['replay', '-'], zlib.gzipSync(zlib.gzipSync(LOG)), /standard input: the file is compressed with gzip/],
    [['replay', '-'], zlib.gzipSync(LOG).subarray(0, 12), /standard input: the compressed data is damaged/],
  ]) {
    const { code, stderr } = await run(args, input)
    t.is(code, 1, `${args}: ${stderr}`)
    t.regex(stderr, pattern)
  }
})

if (process.platform === 'linux') {
  test('what a file unpacks to is never in memory as a whole', async (t) => {
    const { spawn } = await import('node:child_process')
    // 400 MB of lines, in gzip's members of 4 MB, as rotated logs are.
    const member = zlib.gzipSync(Buffer.concat(Array(10).fill(LOG)))
    const path = put(Buffer.concat(Array(140).fill(member)))
    const program = `
      import { readFileSync } from 'node:fs'
      import { openSource } from ${JSON.stringify(await bundled())}
      const source = await openSource(${JSON.stringify(path)})
      // Of this program alone: the most memory that getrusage() tells may be that of the process that started it.
      const [, rssKb] = /VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))
      console.log(JSON.stringify({ length: source.length, rssKb: Number(rssKb) }))
      source.close()`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { env: { ...process.env, TMPDIR: spool } })
    let out = ''
    child.stdout.on('data', (piece) => (out += piece))
    child.stderr.pipe(process.stderr)
    await new Promise((resolve) => child.once('close', resolve))
    const { length, rssKb } = JSON.parse(out)
    t.is(length, 1400 * LOG.length)
    t.log(`${Math.round(length / 2 ** 20)} MiB unpacked, ${Math.round(rssKb / 1024)} MiB of memory`)
    t.true(rssKb * 1024 < length / 2, `${rssKb} KiB`)
  })
}

/** The reader of files as a module of its own. */
async function bundled() {
  const { rolldown } = await import('rolldown')
  const bundle = await rolldown({ input: new URL('../../ts/cli/source.ts', import.meta.url).pathname })
  const { output } = await bundle.generate({ format: 'esm' })
  const path = join(folder, 'source.mjs')
  writeFileSync(path, output[0].code)
  return path
}
