/**
 * Memory errors and undefined behaviour, by three tools, each as far as it is to be had here: `npm run sanitize -- --help`.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cliOf } from './lib/cli.mjs'
import { entryOf, firstLine, ROOT, run } from './lib/process.mjs'
import { say } from './lib/progress.mjs'
import { tableOf, verdictOfCheck } from './lib/tally.mjs'
import { rustProblem } from './lib/toolchain.mjs'

const USAGE = `Usage: npm run sanitize -- [options]

  --only <tool>     this tool only (may be repeated): addon, engine, miri
  --help            this text

addon     the native addon under AddressSanitizer, in the tests that load it hardest; Linux with gcc
engine    the engine's own tests under valgrind memcheck
miri      some of those without foreign calls under Miri; needs a nightly toolchain with the component

A tool that is not there is named, and fails nothing. Takes a quarter of an hour the first time. Exits with 1 when an error was found.`

const TARGET = join(ROOT, 'target', 'sanitize')
/** Suites that make and end engines, threads and permits, or give the addon hostile input. */
const SUITES = [
  '__test__/routes/*.test.mjs',
  '__test__/loop/loop-{acquire,keys,misuse,permits,room,run}.test.mjs',
  '__test__/leases/*.test.mjs',
  '__test__/redis/redis-{hostile,secret,workers}.test.mjs',
  '__test__/package/{frame,lifetime}.test.mjs',
]
/** Test binaries, and what in them ends in minutes under valgrind … */
const ENGINE = {
  engine: ['names::', 'table::', 'threads::'],
  replication: ['codec::', 'mailbox::', 'one_peer::', 'peer_table::', 'seal::'],
  sources: ['frame::'],
}
/** … and tests of theirs that end in seconds under Miri, which is a thousand times slower. */
const MIRI = {
  engine: ['a_new_tenant', 'a_removed_route', 'every_handle', 'slots_that', 'a_route_with_work', 'a_law_replaced'],
}

const cargo = (args, options) => run('cargo', args, options)

/** The archive of the compiler's own AddressSanitizer, as one that can be loaded before Node. */
const runtime = async (host) => {
  const sysroot = (await firstLine('rustc', ['--print', 'sysroot'])) ?? ''
  const folder = join(sysroot, 'lib', 'rustlib', host, 'lib')
  const archive = existsSync(folder) && readdirSync(folder).find((name) => /_rt\.asan\.a$/.test(name))
  if (!archive) return { problem: `the toolchain has no AddressSanitizer for ${host}` }
  const objects = join(TARGET, 'runtime')
  rmSync(objects, { recursive: true, force: true })
  mkdirSync(objects, { recursive: true })
  const library = join(TARGET, 'asan.so')
  // Tests of a program rather than of a library are left out.
  const script = `cd '${objects}' && ar x '${join(folder, archive)}' && rm -f asan_preinit* && gcc -shared -o '${library}' *.o -lpthread -ldl -lm -lrt -lresolv`
  const { code } = await run('sh', ['-c', script])
  return code === 0 ? { library } : { problem: 'its runtime could not be linked by gcc' }
}

/** A module that, loaded before all others, has this addon, which is the engine's and the Redis client's in one, loaded in place of any other of ours, in workers and child processes too. */
const insteadOf = (addon) => `'use strict'
const { dlopen } = process
process.dlopen = (module, file, ...rest) =>
  dlopen.call(process, module, /[\\/]atrion(?:-redis)?\\.[^\\/]*\\.node$/.test(file) ? ${JSON.stringify(addon)} : file, ...rest)
`

/** Fails where the addon in use is not the one of the sanitizer. */
const IS_LOADED = `
import { readFileSync } from 'node:fs'
import { Atrion } from 'atrion'
new Atrion({ engine: 'native' }).acquire('a').release()
const maps = readFileSync('/proc/self/maps', 'utf8')
if (!maps.includes('sanitize') || !maps.includes('libatrion.so')) throw new Error('another addon was loaded')`

const addon = async () => {
  if (process.platform !== 'linux' || process.report.getReport().header.glibcVersionRuntime === undefined) {
    return { lacks: 'Linux with glibc' }
  }
  if ((await firstLine('gcc', ['--version'])) === undefined) return { lacks: 'gcc' }
  const host = (await firstLine('rustc', ['--print', 'host-tuple'])) ?? ''
  mkdirSync(TARGET, { recursive: true })
  const { library, problem } = await runtime(host)
  if (problem !== undefined) return { lacks: problem }
  say('Compiling the addon with AddressSanitizer (a first build takes minutes).')
  const env = {
    // The sanitizers are options of nightly compilers, which stable ones take as well when asked so.
    RUSTC_BOOTSTRAP: '1',
    RUSTFLAGS: '-Zsanitizer=address',
    CARGO_PROFILE_RELEASE_LTO: 'off',
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS: '16',
    CARGO_PROFILE_RELEASE_STRIP: 'none',
  }
  const built = await cargo(
    ['build', '--quiet', '--locked', '--release', '--lib', '--target', host, '--target-dir', TARGET],
    { env },
  )
  if (built.code !== 0) return { code: built.code }
  const made = join(TARGET, host, 'release', 'libatrion.so')
  const preload = join(TARGET, 'instead.cjs')
  writeFileSync(preload, insteadOf(made))
  const settings = {
    ATRION_ENGINE: 'native',
    LD_PRELOAD: library,
    NODE_OPTIONS: `--require=${preload}`,
    // Node itself leaves memory to the end of the process.
    ASAN_OPTIONS: 'detect_leaks=0:exitcode=99',
  }
  const loads = await run(process.execPath, ['--input-type=module', '--eval', IS_LOADED], { env: settings })
  if (loads.code !== 0) return { code: loads.code }
  return run(process.execPath, [entryOf('ava', 'ava'), '--concurrency', '1', '--timeout', '10m', ...SUITES], {
    env: settings,
  })
}

const engine = async () => {
  if ((await firstLine('valgrind', ['--version'])) === undefined) return { lacks: 'valgrind' }
  say('Compiling the tests of the engine.')
  const programs = new Map()
  const onLine = (line) => {
    if (!line.startsWith('{')) return
    const { executable, target } = JSON.parse(line)
    if (executable) programs.set(target.name, executable)
  }
  const args = ['test', '--no-run', '--message-format=json', ...Object.keys(ENGINE).flatMap((name) => ['--test', name])]
  const built = await cargo(args, { onLine })
  if (built.code !== 0) return { code: built.code }
  for (const [name, filters] of Object.entries(ENGINE)) {
    say(`valgrind: ${name}`)
    const options = ['--quiet', '--error-exitcode=99', programs.get(name), '--test-threads=2', ...filters]
    const { code } = await run('valgrind', options, { env: { PROPTEST_CASES: '20' } })
    if (code !== 0) return { code }
  }
  return { code: 0 }
}

const miri = async () => {
  if ((await firstLine('cargo', ['+nightly', 'miri', '--version'])) === undefined) {
    return { lacks: 'Miri: rustup toolchain install nightly --component miri' }
  }
  for (const [name, filters] of Object.entries(MIRI)) {
    say(`Miri: ${name}`)
    const { code } = await cargo(
      ['+nightly', 'miri', 'test', '--quiet', '--target-dir', join(TARGET, 'miri'), '--test', name, '--', ...filters],
      { env: { MIRIFLAGS: '-Zmiri-disable-isolation', PROPTEST_CASES: '2' } },
    )
    if (code !== 0) return { code }
  }
  return { code: 0 }
}

const TOOLS = { addon, engine, miri }

const { values, fail, known } = cliOf(USAGE, {
  options: {
    only: { type: 'string', multiple: true, default: Object.keys(TOOLS) },
  },
})
known('tool', values.only, Object.keys(TOOLS))
const problem = await rustProblem()
if (problem !== undefined) fail(problem)
const verdicts = []
for (const name of values.only) {
  const { code, lacks } = await TOOLS[name]()
  if (lacks === undefined) verdicts.push(verdictOfCheck(`sanitize ${name}`, code, 'an error was found: see above'))
  else say(`sanitize ${name} is left out: there is no ${lacks}.`)
}
if (verdicts.length > 0) console.log(`\n${tableOf(verdicts).join('\n')}`)
process.exitCode = verdicts.every(({ failed }) => failed === 0) ? 0 : 1
