// One version everywhere: package.json has it, and `npm version` brings Cargo's files and the platform packages along.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { publishedManifest } from '../../scripts/lib/release.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const WINDOWS = process.platform === 'win32'
const readJson = (...path) => JSON.parse(readFileSync(join(...path), 'utf8'))

const run = (command, args, cwd) => {
  const env = { ...process.env, npm_config_update_notifier: 'false' }
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env, encoding: 'utf8', shell: WINDOWS })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stdout}${stderr}`)
  return stdout
}

test('all files of this checkout are in step', (t) => {
  t.notThrows(() => run(process.execPath, ['scripts/version.mjs', '--check'], ROOT))
})

test('npm version changes every file that has the version, and commits them', (t) => {
  const copy = realpathSync(mkdtempSync(join(tmpdir(), 'atrion-version-')))
  t.teardown(() => rmSync(copy, { recursive: true, force: true }))
  const parts = ['package.json', 'package-lock.json', 'Cargo.toml', 'Cargo.lock', 'scripts', 'npm']
  for (const part of parts) {
    mkdirSync(dirname(join(copy, part)), { recursive: true })
    cpSync(join(ROOT, part), join(copy, part), { recursive: true })
  }
  const git = (...args) => run('git', ['-c', 'user.name=test', '-c', 'user.email=test@example.test', ...args], copy)
  git('init', '--quiet')
  git('config', 'user.name', 'test')
  git('config', 'user.email', 'test@example.test')
  git('add', '--all')
  git('commit', '--quiet', '--message', 'before')
  // A platform that is none any more goes.
  cpSync(join(copy, 'npm', 'linux-x64-gnu'), join(copy, 'npm', 'solaris-x64'), { recursive: true })
  git('add', '--all')
  git('commit', '--quiet', '--message', 'one more')
  run('npm', ['version', '4.5.6', '--message', 'release'], copy)

  t.is(readJson(copy, 'package.json').version, '4.5.6')
  t.is(readJson(copy, 'package-lock.json').packages[''].version, '4.5.6')
  for (const file of ['Cargo.toml', 'Cargo.lock']) {
    t.regex(readFileSync(join(copy, file), 'utf8'), /^name = "atrion"\r?\nversion = "4\.5\.6"/m, file)
  }
  const folders = readdirSync(join(copy, 'npm'))
  t.false(existsSync(join(copy, 'npm', 'solaris-x64')))
  t.true(folders.length >= 8)
  for (const folder of folders) t.is(readJson(copy, 'npm', folder, 'package.json').version, '4.5.6', folder)
  t.is(git('status', '--porcelain').trim(), '', 'nothing is left uncommitted')
  t.regex(git('log', '--max-count=1', '--format=%s'), /^release$/m)
})

test('the published manifest names every platform package by its exact version, and has no install script', (t) => {
  const published = publishedManifest()
  const folders = readdirSync(join(ROOT, 'npm'))
  t.deepEqual(
    Object.keys(published.optionalDependencies).sort(),
    folders.map((folder) => readJson(ROOT, 'npm', folder, 'package.json').name).sort(),
  )
  for (const version of Object.values(published.optionalDependencies)) t.is(version, published.version)
  t.is(published.scripts, undefined)
  t.is(published.devDependencies, undefined)
  t.is(published.dependencies, undefined)
  for (const folder of folders) {
    const { os, cpu, libc, engines, files, main, scripts } = readJson(ROOT, 'npm', folder, 'package.json')
    t.is(scripts, undefined)
    t.deepEqual(files, [main, main.replace('atrion.', 'atrion-redis.')])
    t.deepEqual(engines, published.engines)
    t.deepEqual([os.length, cpu.length], [1, 1])
    t.is(libc?.[0], os[0] === 'linux' ? (folder.endsWith('musl') ? 'musl' : 'glibc') : undefined, folder)
    t.is(main, `atrion.${folder}.node`)
  }
})
