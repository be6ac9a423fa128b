// The choice of an engine in an installed package: a fault of a binary is named with the command that repairs it,
// 'auto' goes on in wasm, 'native' throws, and the process lives. Long: the cases share the table of damages and the check after each.
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { checksumOfAddon } from '../../scripts/lib/checksum.mjs'
import { change, install, own, run } from '../_installed.mjs'
import fc from '../_random.mjs'
import { sourceOf } from '../_source.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const VERSION = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version
const isLinux = process.platform === 'linux'

const AUTO = `
  const { Atrion } = require('atrion')
  const atrion = new Atrion()
  const permit = atrion.acquire('GET /')
  permit.release()
  console.log(atrion.engine, permit.allow)`
const NATIVE = `
  const { Atrion } = require('atrion')
  try { console.log(new Atrion({ engine: 'native' }).engine) }
  catch (error) { console.log(JSON.stringify({ ...error, name: error.name, message: error.message, attempts: error.cause?.attempts })) }`

/** `engine: 'auto'` decides in wasm and warns once; `engine: 'native'` throws. Both name the cause and what mends it. */
const goesOnInWasm = (t, folder, { cause, remedy, flags = [] }) => {
  const auto = run(folder, AUTO, { flags })
  t.is(auto.signal, null)
  t.is(auto.printed, 'wasm true', auto.stderr)
  t.is(auto.warnings.length, 1)
  t.regex(auto.warnings[0], cause)
  t.regex(auto.warnings[0], remedy)
  const native = run(folder, NATIVE, { flags })
  t.is(native.signal, null)
  const error = JSON.parse(native.printed)
  t.is(error.name, 'DependencyError')
  t.is(error.code, 'ATRION_DEPENDENCY')
  t.regex(error.message, cause)
  t.regex(error.message, remedy)
  for (const attempt of error.attempts) t.true(error.message.includes(attempt.cause), 'every cause is shown')
  return error
}

const REINSTALL = /npm ci --include=optional/
const each = own ? test : test.skip

each('installed with its platform package, it is native, by require and by import, without a warning', (t) => {
  const { folder } = install(t)
  const script = `import('atrion').then(({ Atrion }) => console.log(new Atrion({ engine: 'native' }).engine))`
  for (const [text, printed] of [
    [AUTO, 'native true'],
    [script, 'native'],
  ]) {
    const found = run(folder, text)
    t.is(found.printed, printed, found.stderr)
    t.deepEqual(found.warnings, [])
  }
})

each('without the platform package: --omit=optional, or a lock file of another system', (t) => {
  const { folder } = install(t, { platform: false })
  goesOnInWasm(t, folder, {
    cause: /native-\S+ is not installed/,
    remedy: new RegExp(`npm install --save-optional @atrion/native-\\S+@${VERSION}`),
  })
})

const damages = {
  'cut short': [(file) => truncateSync(file, readFileSync(file).length >> 1), /is cut short: it has \d+ bytes of/],
  'cut to a few bytes': [(file) => truncateSync(file, 40), /is cut short|is damaged/],
  empty: [(file) => truncateSync(file, 0), /is cut short|is damaged/],
  'a page of an error': [(file) => writeFileSync(file, '<html>404</html>'), /is damaged: its content is not a binary/],
  'zeroes in its code': [
    (file) => {
      const content = readFileSync(file)
      writeFileSync(file, content.fill(0, content.length >> 2, content.length >> 1))
    },
    /is damaged: its checksum/,
  ],
  'a folder in its place': [
    (file) => {
      rmSync(file)
      mkdirSync(file)
    },
    /is damaged: \S+ is no regular file/,
  ],
  ...(process.platform !== 'win32' && {
    'a pipe that no process writes to': [
      (file) => {
        rmSync(file)
        spawnSync('mkfifo', [file])
      },
      /is damaged: \S+ is no regular file/,
    ],
    'a device without an end': [
      (file) => {
        rmSync(file)
        symlinkSync('/dev/zero', file)
      },
      /is damaged: \S+ is no regular file/,
    ],
  }),
  'one bit': [
    (file) => {
      const content = readFileSync(file)
      content[content.length >> 1] ^= 1
      writeFileSync(file, content)
    },
    /is damaged: its checksum/,
  ],
}
for (const [name, [damage, cause]] of Object.entries(damages)) {
  each(`a damaged binary: ${name}`, (t) => {
    const { folder, binary } = install(t)
    damage(binary)
    goesOnInWasm(t, folder, { cause, remedy: REINSTALL })
  })
}

test('the checksum of a binary is that of its publisher, with WebAssembly and without, and tells every bit that was changed', async (t) => {
  const { checksumOf } = await sourceOf('addon/binary.ts')
  const folder = mkdtempSync(join(tmpdir(), 'atrion-checksum-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'binary')
  const sumOf = (content) => {
    writeFileSync(file, content)
    const opened = openSync(file)
    try {
      const sum = checksumOf(opened, content.length)
      const { WebAssembly } = globalThis
      globalThis.WebAssembly = undefined
      try {
        t.is(checksumOf(opened, content.length), sum)
      } finally {
        globalThis.WebAssembly = WebAssembly
      }
      return sum
    } finally {
      closeSync(opened)
    }
  }
  // Around the ends of words and of the parts that are read.
  const length = fc.oneof(
    fc.nat(9),
    fc.integer({ min: 65_520, max: 65_552 }),
    fc.integer({ min: 131_068, max: 131_080 }),
  )
  fc.assert(
    fc.property(length, fc.integer({ min: 1 }), fc.nat(), fc.nat(7), (length, seed, at, bit) => {
      const content = Buffer.alloc(length)
      let state = seed
      for (let i = 0; i < length; i++) {
        state = Math.imul(state, 48_271) ^ (state >>> 9)
        content[i] = state >>> 5
      }
      const sum = sumOf(content)
      t.is(sum, checksumOfAddon(content))
      t.not(sumOf(Buffer.concat([content, Buffer.alloc(1)])), sum)
      if (length === 0) return
      content[at % length] ^= 1 << bit
      t.not(sumOf(content), sum)
    }),
    { numRuns: 60 },
  )
})

each('a platform package that has lost its binary', (t) => {
  const { folder, binary } = install(t)
  rmSync(binary)
  goesOnInWasm(t, folder, { cause: /is damaged: it lacks atrion\.\S+\.node/, remedy: REINSTALL })
})

const manifests = {
  empty: () => '',
  'cut short': (text) => text.slice(0, text.length >> 1),
  null: () => 'null',
  'a list': () => '[]',
  'without a version': () => '{}',
  'whose main is a number': (text) => JSON.stringify({ ...JSON.parse(text), main: 5 }),
}
for (const [name, edit] of Object.entries(manifests)) {
  each(`a platform package whose manifest is ${name}`, (t) => {
    const { folder, native } = install(t)
    const file = join(native, 'package.json')
    writeFileSync(file, edit(readFileSync(file, 'utf8')))
    goesOnInWasm(t, folder, { cause: /is damaged: its package\.json describes no package/, remedy: REINSTALL })
  })
}

/** Writes bytes over a binary, which then is what it was published as. */
const patch = ({ native, binary }, edit) => {
  writeFileSync(binary, edit(readFileSync(binary)))
  change(join(native, 'package.json'), (manifest) => {
    delete manifest.atrion
  })
}

const elf = isLinux ? each : test.skip
const foreign = {
  'for another machine': [
    (content) => {
      content.writeUInt16LE(process.arch === 'arm64' ? 62 : 183, 18)
      return content
    },
    /is built for (arm64|x64), and this is/,
  ],
  'for Windows': [
    () => {
      const head = Buffer.alloc(512)
      head.write('MZ')
      head.writeUInt32LE(128, 60)
      head.write('PE\0\0', 128)
      head.writeUInt16LE(0x8664, 132)
      return head
    },
    /is a PE binary for win32, and this is linux/,
  ],
  'for macOS': [
    () => {
      const head = Buffer.alloc(512)
      head.writeUInt32BE(0xcffaedfe, 0)
      head.writeUInt32LE(0x0100000c, 4)
      return head
    },
    /is a Mach-O binary for darwin, and this is linux/,
  ],
  'linked with the other C library, under the right name': [
    (content) => {
      const at = content.indexOf('libc.so.6\0')
      content.write('libc.so\0\0\0', at)
      return content
    },
    /is linked with musl, and this process runs on glibc/,
  ],
}
for (const [name, [edit, cause]] of Object.entries(foreign)) {
  elf(`a foreign binary: ${name}`, (t) => {
    const installed = install(t)
    patch(installed, edit)
    goesOnInWasm(t, installed.folder, { cause, remedy: REINSTALL })
  })
}

elf('the right binary in the package of the other C library is taken: its content counts, not its name', (t) => {
  const { folder, modules, native } = install(t)
  const { name, binary } = own.platform
  const other = name.endsWith('-gnu') ? name.replace('-gnu', '-musl') : name.replace('-musl', '-gnu')
  const moved = join(modules, '@atrion', `native-${other}`)
  writeFileSync(
    join(folder, 'move.cjs'),
    `require('fs').renameSync(${JSON.stringify(native)}, ${JSON.stringify(moved)})`,
  )
  run(folder, "require('./move.cjs')")
  change(join(moved, 'package.json'), (manifest) => {
    manifest.name = `@atrion/native-${other}`
    manifest.main = binary
  })
  const { printed, warnings } = run(folder, AUTO)
  t.is(printed, 'native true')
  t.deepEqual(warnings, [])
})

each(
  'in a store of packages, each beside what it depends on, it is native where Node keeps links as they are, too',
  (t) => {
    const { folder, modules } = install(t)
    const store = join(modules, '.store', 'node_modules')
    mkdirSync(store, { recursive: true })
    for (const name of ['atrion', '@atrion']) renameSync(join(modules, name), join(store, name))
    symlinkSync(join(store, 'atrion'), join(modules, 'atrion'), 'junction')
    for (const flags of [[], ['--preserve-symlinks']]) {
      const { printed, warnings } = run(folder, AUTO, { flags })
      t.is(printed, 'native true')
      t.deepEqual(warnings, [])
    }
  },
)

each('a package of another version', (t) => {
  const { folder, native } = install(t)
  change(join(native, 'package.json'), (manifest) => {
    manifest.version = '2.9.9'
  })
  goesOnInWasm(t, folder, {
    cause: new RegExp(`is version 2\\.9\\.9, and ${VERSION} is expected`),
    remedy: /npm install --save-optional @atrion\/native/,
  })
})

each('a binary of another version, whatever its package says', (t) => {
  const { folder, main, native } = install(t)
  const newer = '9.9.9'
  for (const name of readdirSync(join(main, 'dist', 'chunks'))) {
    const file = join(main, 'dist', 'chunks', name)
    writeFileSync(
      file,
      readFileSync(file, 'utf8').replaceAll(`"${VERSION}"`, `"${newer}"`).replaceAll(`\`${VERSION}\``, `\`${newer}\``),
    )
  }
  change(join(native, 'package.json'), (manifest) => {
    manifest.version = newer
  })
  goesOnInWasm(t, folder, { cause: new RegExp(`is version ${VERSION}, and ${newer} is expected`), remedy: REINSTALL })
})

each('a binary of another version beside the package is passed over for the right one', (t) => {
  const { folder, main } = install(t)
  writeFileSync(join(main, own.platform.binary), 'left from before')
  const { printed } = run(folder, AUTO)
  t.is(printed, 'native true')
})

each("another project's addon, which lacks every export", (t) => {
  const installed = install(t)
  const scope = join(ROOT, 'node_modules', '@rolldown')
  const folder = readdirSync(scope).find((name) => name.startsWith('binding-'))
  const file = readdirSync(join(scope, folder)).find((name) => name.endsWith('.node'))
  patch(installed, () => readFileSync(join(scope, folder, file)))
  goesOnInWasm(t, installed.folder, { cause: /is version older than 3\.0\.0, and/, remedy: REINSTALL })
})

const [major] = process.versions.node.split('.').map(Number)
each('the permission model without addons', (t) => {
  const { folder } = install(t)
  const flags = [major >= 24 ? '--permission' : '--experimental-permission', `--allow-fs-read=*`]
  goesOnInWasm(t, folder, {
    cause: /runs without --allow-addons/,
    remedy: new RegExp(`node ${flags[0]} --allow-addons`),
    flags,
  })
})

each('a process without WebAssembly is native, and finds a damaged binary', (t) => {
  const { folder, binary } = install(t)
  const flags = ['--jitless']
  t.is(run(folder, AUTO, { flags }).printed, 'native true')
  const content = readFileSync(binary)
  content[content.length >> 1] ^= 1
  writeFileSync(binary, content)
  const { printed, status } = run(folder, NATIVE, { flags })
  t.is(status, 0)
  t.regex(printed, /is damaged: its checksum/)
})

each('addons switched off', (t) => {
  const { folder } = install(t)
  goesOnInWasm(t, folder, { cause: /runs with --no-addons/, remedy: /node --addons/, flags: ['--no-addons'] })
  t.is(run(folder, AUTO, { flags: ['--no-addons', '--addons'] }).printed, 'native true')
})

each('in worker threads each has its engine', (t) => {
  const { folder } = install(t)
  const script = `
    const { Worker } = require('node:worker_threads')
    new Worker(${JSON.stringify(`const { Atrion } = require('atrion'); console.log(new Atrion().engine)`)}, { eval: true })
    const { Atrion } = require('atrion')
    new Atrion()`
  t.is(run(folder, script).printed, 'native')
})

test('a process without a state in Redis or an addon says what is missing when Redis is asked for', (t) => {
  const { folder } = install(t, { platform: false })
  const script = `try { new (require('atrion').RedisStateProvider)() } catch ({ name, message }) { console.log(name, message) }`
  t.regex(
    run(folder, script).printed,
    /^DependencyError the native addon.*is not installed.*npm install --save-optional/,
  )
})

/** The engine stays native; asked for Redis, an error names the file, the cause and the command that mends it. */
const REDIS = `
  const { Atrion, RedisStateProvider } = require('atrion')
  const asked = () => { try { return new RedisStateProvider({ path: '/nowhere' }).stats().state } catch (error) { return JSON.stringify({ ...error, name: error.name, message: error.message }) } }
  const first = asked()
  console.log(new Atrion({ engine: 'native' }).acquire('GET /').allow, asked() === first, first)`
each('the client of Redis is an addon of its own, which only a provider loads', (t) => {
  const { folder, redisBinary } = install(t)
  t.is(run(folder, REDIS).printed, 'true true closed')
  const script = `${AUTO}; console.log(process.report.getReport().sharedObjects.includes(${JSON.stringify(redisBinary)}))`
  t.is(run(folder, script).printed, 'native true\nfalse')
})
for (const [name, [damage, cause]] of Object.entries({ ...damages, missing: [(file) => rmSync(file), /is missing/] })) {
  each(`a damaged client of Redis: ${name}`, (t) => {
    const { folder, redisBinary } = install(t)
    damage(redisBinary)
    const { status, printed, stderr } = run(folder, REDIS)
    t.is(status, 0, stderr)
    const [allow, isSame, ...rest] = printed.split(' ')
    t.deepEqual([allow, isSame], ['true', 'true'])
    const error = JSON.parse(rest.join(' '))
    t.is(error.name, 'DependencyError')
    t.true(error.message.includes(redisBinary))
    t.regex(error.message, cause)
    t.regex(error.message, REINSTALL)
  })
}

each('a client of Redis of another build, or none, is refused', (t) => {
  const installed = install(t)
  writeFileSync(installed.redisBinary, readFileSync(installed.binary))
  change(join(installed.native, 'package.json'), (manifest) => {
    delete manifest.atrion
  })
  t.regex(run(installed.folder, REDIS).printed, /^true true .* lacks RedisLink/)
})

const damagesOfWasm = {
  'cut short': (content) => content.subarray(0, content.length >> 1),
  'changed in one bit': (content) => {
    content[content.length >> 1] ^= 1
    return content
  },
  'of no wasm': (content) => content.fill(0),
}
for (const [name, damage] of Object.entries(damagesOfWasm)) {
  test(`a wasm file that is ${name} is passed over for the bytes in the package's code`, (t) => {
    const { folder, main } = install(t, { platform: false })
    const file = join(main, 'dist', 'atrion.wasm')
    writeFileSync(file, damage(readFileSync(file)))
    const { printed, stderr } = run(
      folder,
      `${AUTO}; console.log(new Atrion({ engine: 'wasm' }).route('a', { latencyMs: 1 }).resistance)`,
    )
    t.is(printed, 'wasm true\n12', stderr)
  })
}

test('the whole package is there without its wasm file', (t) => {
  const { folder, main } = install(t, { platform: false })
  rmSync(join(main, 'dist', 'atrion.wasm'))
  t.is(run(folder, AUTO).printed, 'wasm true')
})
