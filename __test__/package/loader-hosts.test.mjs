// Hosts that differ from a server with Node: the image of a Lambda function, Electron, an install that has both C libraries' packages.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import ava from 'ava'
import { engine } from '../_engine.mjs'
import { change, cpSync, install, own, run } from '../_installed.mjs'

const test = own && engine === 'native' ? ava : ava.skip
const onLinux = process.platform === 'linux' ? test : ava.skip

const AUTO = `
  const { Atrion } = require('atrion')
  const atrion = new Atrion()
  const permit = atrion.acquire('GET /')
  permit.release()
  console.log(atrion.engine, permit.allow)`

/** Fails every call that writes to a file system, as a read-only one does, and tells which were tried. */
const READ_ONLY = `
  const fs = require('node:fs')
  const tried = []
  const readOnly = (name) => { tried.push(name); throw Object.assign(new Error('EROFS: read-only file system, ' + name), { code: 'EROFS', errno: -30 }) }
  const WRITES = ['write', 'writeFile', 'appendFile', 'mkdir', 'mkdtemp', 'unlink', 'rm', 'rmdir', 'rename', 'copyFile', 'cp', 'symlink', 'link', 'truncate', 'utimes', 'chmod']
  for (const name of WRITES) {
    for (const [owner, key] of [[fs, name + 'Sync'], [fs, name], [fs.promises, name]]) if (typeof owner[key] === 'function' && !(owner === fs && key === 'write')) owner[key] = () => readOnly(key)
  }
  const { openSync } = fs
  fs.openSync = (path, flags = 'r', ...rest) => (String(flags) === 'r' || flags === 0 ? openSync(path, flags, ...rest) : readOnly('openSync ' + path))
  process.on('exit', () => { if (tried.length > 0) console.error('TRIED ' + tried) })`

/** The environment of a function's container: no home, no temporary folder of the user's. */
const LAMBDA = {
  HOME: undefined,
  USERPROFILE: undefined,
  TMPDIR: undefined,
  USER: undefined,
  XDG_CACHE_HOME: undefined,
  AWS_LAMBDA_FUNCTION_NAME: 'orders',
  AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs22.x',
  LAMBDA_TASK_ROOT: '/var/task',
}

for (const platform of [true, false]) {
  const expected = platform ? 'native' : 'wasm'
  test(`the image of a Lambda function: no home, nothing can be written; ${expected}`, (t) => {
    const { folder } = install(t, { platform })
    writeFileSync(join(folder, 'read-only.cjs'), READ_ONLY)
    const found = run(folder, AUTO, { flags: ['--require', './read-only.cjs'], env: LAMBDA })
    t.is(found.printed, `${expected} true`, found.stderr)
    t.notRegex(found.stderr, /TRIED/)
    t.is(found.warnings.length, platform ? 0 : 1)
  })
}

/** A mount of its own, which only root may make. */
const canMount = process.platform === 'linux' && spawnSync('unshare', ['-m', 'true']).status === 0
;(canMount ? test : ava.skip)('on a file system that is mounted read-only it is native', (t) => {
  const { folder } = install(t)
  writeFileSync(
    join(folder, 'app.cjs'),
    `${AUTO}\ntry { require('fs').writeFileSync('x', '') } catch ({ code }) { console.log(code) }`,
  )
  const script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && cd "$1" && exec "$2" app.cjs'
  const env = { ...process.env, ...LAMBDA, ATRION_ENGINE: '', NODE_OPTIONS: '' }
  const args = ['-m', 'sh', '-c', script, 'sh', folder, process.execPath]
  const { stdout, stderr } = spawnSync('unshare', args, { env, encoding: 'utf8' })
  t.is(stdout.trim(), 'native true\nEROFS', stderr)
  t.notRegex(stderr, /AtrionWarning/)
})

/** The differences of Electron's main process that a library can see: its versions, its program, its resources. */
const ELECTRON = `
  for (const [name, value] of Object.entries({ electron: '38.1.2', chrome: '140.0.7339.133' })) Object.defineProperty(process.versions, name, { value, enumerable: true })
  Object.defineProperty(process, 'type', { value: 'browser' })
  Object.defineProperty(process, 'resourcesPath', { value: '/opt/app/resources' })
  Object.defineProperty(process, 'execPath', { value: '/opt/app/app' })
  process.defaultApp = undefined`

test('in a process like that of Electron it is native, whether its program can be read or not', (t) => {
  const { folder } = install(t)
  writeFileSync(join(folder, 'electron.cjs'), ELECTRON)
  const found = run(folder, AUTO, { flags: ['--require', './electron.cjs'] })
  t.is(found.printed, 'native true', found.stderr)
  t.deepEqual(found.warnings, [])
})

test('in a process like that of Electron an addon that its V8 refuses is named, and wasm decides', (t) => {
  const { folder } = install(t)
  // The answer of a process without memory of its own outside of V8's cage to an addon that it can't hold.
  const refuse = `${ELECTRON}
    const { dlopen } = process
    process.dlopen = (module, path, ...rest) => { if (path.endsWith('.node')) throw new Error('Module did not self-register: ' + path); return dlopen(module, path, ...rest) }`
  writeFileSync(join(folder, 'electron.cjs'), refuse)
  const found = run(folder, AUTO, { flags: ['--require', './electron.cjs'] })
  t.is(found.printed, 'wasm true', found.stderr)
  t.is(found.warnings.length, 1)
  t.regex(found.warnings[0], /could not be loaded: Module did not self-register/)
})

onLinux(
  'a lock file that lost its `libc` fields installs the packages of both C libraries: the right one is taken',
  (t) => {
    const { folder, modules, native } = install(t)
    const { name, binary } = own.platform
    const isGnu = name.endsWith('-gnu')
    const other = isGnu ? name.replace('-gnu', '-musl') : name.replace('-musl', '-gnu')
    const beside = join(modules, '@atrion', `native-${other}`)
    cpSync(native, beside, { recursive: true })
    const content = readFileSync(join(beside, binary))
    if (isGnu) content.write('libc.so\0\0\0', content.indexOf('libc.so.6\0'))
    writeFileSync(join(beside, binary), content)
    change(join(beside, 'package.json'), (manifest) => {
      manifest.name = `@atrion/native-${other}`
      delete manifest.libc
      delete manifest.atrion
    })
    change(join(native, 'package.json'), (manifest) => {
      delete manifest.libc
    })
    const found = run(folder, AUTO)
    t.is(found.printed, 'native true', found.stderr)
    t.deepEqual(found.warnings, [])
  },
)

test('requests are decided also where the package has lost the files that it has not read yet', (t) => {
  const { folder, main } = install(t)
  const { printed, stderr } = run(
    folder,
    `const { Atrion } = require('atrion')
    const atrion = new Atrion()
    atrion.configure('full', { limits: { min: 1, max: 1, initial: 1 } })
    const held = atrion.acquire('full')
    require('node:fs').rmSync(${JSON.stringify(join(main, 'dist'))}, { recursive: true })
    const refused = (error) => error.limitedBy
    const all = async () => [
      atrion.engine,
      await atrion.run('free', () => 'ran'),
      await atrion.run('full', () => {}).catch(refused),
      (await atrion.enter('full', { maxWaitMs: 1000 })).limitedBy,
      await atrion.run('full', () => {}, { maxWaitMs: 1000 }).catch(refused),
      await atrion.run('free', () => 'ran', { cancellable: true, timeoutMs: 60_000 }),
      atrion.stats('free').inFlight,
      held.release(),
      (await atrion.enter('full', { maxWaitMs: 1000 })).allow,
    ]
    all().then((answers) => console.log(JSON.stringify(answers)))`,
  )
  const answers = ['native', 'ran', 'occupancy', 'occupancy', 'occupancy', 'ran', 0, null, true]
  t.deepEqual(JSON.parse(printed || '[]'), answers, stderr)
})
