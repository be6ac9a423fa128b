// `npx atrion`, as a packed install has it: the tarballs that are published, installed by npm into an empty folder.
import { spawn, spawnSync } from 'node:child_process'
import { accessSync, constants, mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { packAll } from '../../scripts/lib/release.mjs'
import { own } from '../_installed.mjs'

const WINDOWS = process.platform === 'win32'
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'atrion-cli-')))
test.after.always(() => rmSync(folder, { recursive: true, force: true }))

test.before(async (t) => {
  t.timeout(180_000)
  const packed = await packAll(join(folder, 'packed'), { found: own ? [own] : [] })
  mkdirSync(join(folder, 'app'))
  writeFileSync(join(folder, 'app', 'package.json'), '{"private":true}')
  const files = packed.map(({ file }) => file)
  // Packages of other platforms are optional: without the network they are passed over.
  const args = ['install', '--offline', '--no-audit', '--no-fund', '--no-package-lock', ...files]
  const { status, stderr } = spawnSync('npm', args, { cwd: join(folder, 'app'), encoding: 'utf8', shell: WINDOWS })
  t.is(status, 0, stderr)
})

const COMMAND = join(folder, 'app', 'node_modules', '.bin', WINDOWS ? 'atrion.cmd' : 'atrion')

test('in a clone that is built, npx can execute the command', (t) => {
  t.notThrows(() => accessSync(new URL('../../dist/cli.cjs', import.meta.url), constants.X_OK))
})

/** Runs `npx atrion` with these arguments. */
const atrion = (...args) => {
  const env = { ...process.env, ATRION_ENGINE: '', NODE_OPTIONS: '' }
  const { status, stdout, stderr } = spawnSync(COMMAND, args, {
    cwd: join(folder, 'app'),
    encoding: 'utf8',
    env,
    shell: WINDOWS,
  })
  return { status, stdout, stderr }
}

const each = own ? test.serial : test.serial.skip

each('doctor: nothing is missing, and it says what there is', (t) => {
  const { status, stdout, stderr } = atrion('doctor')
  t.is(status, 0, stdout + stderr)
  for (const row of [
    'engine +native',
    'addon +',
    'redis client +loads',
    `node +${process.versions.node}`,
    'route\\(\\) +\\d+ ns',
    'instruction set +\\S',
    'watchdog +(?:watches the event loop|none: the host)',
    "scope 'machine' +processes can share state",
  ]) {
    t.regex(stdout, new RegExp(`^${row}`, 'm'))
  }
  t.regex(stdout, /^Nothing is missing\.$/m)
  t.is(stderr, '')
})

each('doctor --json holds the same', (t) => {
  const { status, stdout } = atrion('doctor', '--json')
  t.is(status, 0)
  const report = JSON.parse(stdout)
  t.true(report.ok)
  t.deepEqual(report.problems, [])
  t.is(report.engine, 'native')
  t.is(report.addon.version, report.version)
  t.true(report.addon.path.startsWith(join(folder, 'app', 'node_modules', '@atrion')))
  t.is(report.platform, process.platform)
  t.true(report.decisionNs['route()'] > 0 && report.decisionNs['acquire() and release()'] > 0)
  t.true(report.cpu.cores >= 1)
  if (process.platform === 'linux') t.true(report.acceptQueue.ok, report.acceptQueue.cause)
  t.is(typeof report.watchdog.ok, 'boolean')
  t.true(report.machine.ok, report.machine.cause)
})

each('doctor exits with 1 when the addon of the client of Redis is away, and says what mends it', (t) => {
  const file = join(folder, 'app', 'node_modules', '@atrion', `native-${own.platform.name}`, own.platform.redisBinary)
  renameSync(file, `${file}.away`)
  try {
    const { status, stdout } = atrion('doctor')
    t.is(status, 1)
    t.regex(stdout, /^engine +native$/m)
    t.true(stdout.includes(`${file} is missing. To repair it: npm ci --include=optional`), stdout)
    t.false(JSON.parse(atrion('doctor', '--json').stdout).redisClient.ok)
  } finally {
    renameSync(`${file}.away`, file)
  }
})

each('doctor exits with 1 when the platform package is away, and says what mends it', (t) => {
  const scope = join(folder, 'app', 'node_modules', '@atrion')
  renameSync(scope, `${scope}-away`)
  try {
    const { status, stdout } = atrion('doctor')
    t.is(status, 1)
    t.regex(stdout, /^engine +wasm$/m)
    t.regex(stdout, /^not native +@atrion\/native-\S+ is not installed$/m)
    t.regex(stdout, /^MISSING .*npm install --save-optional @atrion\/native-/m)
    const { ok, engine, engines, problems, watchdog } = JSON.parse(atrion('doctor', '--json').stdout)
    t.deepEqual(watchdog, { ok: false, cause: 'it takes the native addon' })
    t.deepEqual([ok, engine, engines.native.ok, problems.length], [false, 'wasm', false, 1])
    t.is(atrion('doctor', '--expect', 'wasm').status, 0)
  } finally {
    renameSync(`${scope}-away`, scope)
  }
})

each('doctor --redis: a server that is away; no password is shown', async (t) => {
  const server = createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  const { status, stdout } = atrion('doctor', '--redis', `redis://user:a-secret-word@127.0.0.1:${port}`)
  t.is(status, 1)
  t.regex(stdout, /^redis: connect +no: /m)
  t.regex(stdout, /^MISSING +Redis: can't connect: /m)
  t.notRegex(stdout, /a-secret-word/)
})

const HAS_REDIS = !WINDOWS && spawnSync('redis-server', ['--version']).status === 0
const redis = own && HAS_REDIS ? test.serial : test.serial.skip
redis('doctor --redis: what may be done there, by the rights of a user', async (t) => {
  const at = join(folder, 'redis')
  mkdirSync(at)
  const probe = createServer()
  await new Promise((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address()
  await new Promise((resolve) => probe.close(resolve))
  const server = spawn('redis-server', ['-'])
  server.stdin.end(
    `port ${port}\nbind 127.0.0.1\nsave ""\ndir ${at}\nuser reader on >pass ~* &* +@all -@write\nuser writer on >pass ~* &* +@all -hset\n`,
  )
  t.teardown(() => server.kill())
  await new Promise((resolve, reject) => {
    server.stdout.on('data', (data) => String(data).includes('Ready to accept') && resolve())
    server.once('exit', () => reject(new Error('redis-server ended')))
  })
  const all = atrion('doctor', '--redis', `redis://127.0.0.1:${port}`)
  t.is(all.status, 0, all.stdout)
  for (const right of [
    'connect',
    'write a state',
    'read it',
    'list routes',
    'publish to other nodes, and receive from them',
    'delete it',
    'share documents: budgets, patches, bans',
  ]) {
    t.regex(all.stdout, new RegExp(`^redis: ${right} +yes$`, 'm'))
  }
  const rightsOf = (user) => {
    const { ok, redis: rights } = JSON.parse(
      atrion('doctor', '--json', '--redis', `redis://${user}:pass@127.0.0.1:${port}`).stdout,
    )
    t.false(ok)
    return rights.filter((right) => !right.ok)
  }
  const [reader] = rightsOf('reader')
  t.is(reader.name, 'connect')
  t.regex(reader.cause, /NOPERM/)
  t.true(rightsOf('writer').some(({ name, cause }) => name === 'write a state' && /NOPERM/.test(cause)))
})

each('bench: a row for each call and engine, and its multiple of a reading of the clock', (t) => {
  const { status, stdout } = atrion('bench', '--seconds', '1')
  t.is(status, 0)
  for (const row of [
    /^route\(\) +native +\d+ +\d+\.\d\d$/m,
    /^route\(\) +wasm /m,
    /^route\(\) +ts /m,
    /^acquire\(\) and release\(\) +native /m,
  ]) {
    t.regex(stdout, row)
  }
  const { results, missing } = JSON.parse(atrion('bench', '--seconds=1', '--json').stdout)
  t.deepEqual(missing, [])
  t.is(results.length, 6)
  for (const { ns, ratio } of results) t.true(ns > 0 && ratio > 0)
})

each('help and version go to stdout with 0, what is called wrongly to stderr with 2', (t) => {
  for (const args of [['--help'], ['-h'], ['help'], ['help', 'doctor'], ['doctor', '--help'], ['bench', '-h']]) {
    const { status, stdout } = atrion(...args)
    t.is(status, 0)
    t.regex(stdout, /^Usage: atrion/)
  }
  t.regex(atrion('--version').stdout, /^\d+\.\d+\.\d+\n$/)
  t.is(atrion().status, 2)
  for (const [args, says] of [
    [['doctr'], /there is no command 'doctr'; the commands are doctor, bench/],
    [['toString'], /there is no command 'toString'/],
    [['help', 'doctr'], /there is no command 'doctr'; the commands are doctor, bench/],
    [['help', 'toString'], /there is no command 'toString'/],
    [['doctor', '--jsn'], /unknown option '--jsn'/],
    [['doctor', 'now'], /unknown option 'now'/],
    [['doctor', '--expect', 'rust'], /--expect must be native, wasm, ts, got 'rust'/],
    [['doctor', '--redis'], /--redis needs a value/],
    [['doctor', '--redis', 'localhost'], /--redis must be a URL/],
    [['doctor', '--json=1'], /--json takes no value/],
    [['bench', '--seconds', '0'], /--seconds must be a number from 1 to 600, got '0'/],
    [['bench', '--seconds', 'ten'], /--seconds must be a number/],
  ]) {
    const { status, stderr } = atrion(...args)
    t.is(status, 2, args.join(' '))
    t.regex(stderr, says)
    t.regex(stderr, /Usage: atrion/)
  }
})
