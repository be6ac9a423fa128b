/** The test suites: each runs to its end, shows failures as they come, and resolves to a verdict. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { entryOf, node, ROOT, run } from './process.mjs'
import { say, sometimes } from './progress.mjs'
import { CargoCounter, SumCounter, TapCounter, verdictOf, verdictOfCheck } from './tally.mjs'
import { rustProblem } from './toolchain.mjs'

/** Engines that the ava suite runs on. */
export const ENGINES = ['native', 'wasm', 'ts']

/** The longest time that a suite may print nothing, ms. ava itself ends what makes no progress before. */
const SILENT_MS = 8 * 60_000

/** The seed of proptest's inputs: the same in every run, as `__test__/_random.mjs` has one. `npm run fuzz` draws new ones. */
const PROPTEST_SEED = process.env.PROPTEST_RNG_SEED ?? '20261126'

/** The unit tests and those of the client of Redis, with all that is in the addons, not optimized: they wait more than they compute. */
const WHOLE_CRATE = { args: ['--lib', '--test', 'redis'], env: { CARGO_PROFILE_TEST_OPT_LEVEL: '0' } }

/** Integration tests of the laws and the engine, which compute: optimized, linked to the engine alone. */
const engineTests = () => {
  const names = readdirSync(join(ROOT, 'tests'), { withFileTypes: true })
    .filter((entry) => entry.isFile() || existsSync(join(ROOT, 'tests', entry.name, 'main.rs')))
    .map(({ name }) => name.replace(/\.rs$/, ''))
    .filter((name) => name !== 'redis')
  return { args: ['--no-default-features', ...names.flatMap((name) => ['--test', name])], env: {} }
}

/** Compiles cargo's tests; resolves to the paths of the binaries, or to the code of the failure. */
export const compileCargoTests = async () => {
  say('cargo test: compiling.')
  const problem = await rustProblem()
  if (problem) {
    console.error(problem)
    return { code: 127 }
  }
  const binaries = []
  const onLine = (line) => {
    if (!line.startsWith('{')) {
      console.log(line)
      return
    }
    const { executable, profile } = JSON.parse(line)
    if (executable && profile?.test) binaries.push(executable)
  }
  for (const { args, env } of [engineTests(), WHOLE_CRATE]) {
    const given = ['test', '--no-run', '--message-format=json-render-diagnostics', ...args]
    const { code } = await run('cargo', given, { env, onLine })
    if (code !== 0) return { code: 101 }
  }
  return { binaries }
}

/** cargo's unit, integration and documentation tests, once compiled, as many binaries at a time as there are cores. */
export const cargoSuite = async ({ binaries, code: failedCode }) => {
  const counter = new CargoCounter()
  if (binaries === undefined) return verdictOf('cargo', counter, failedCode)
  say(`cargo test: ${binaries.length} binaries, and the documentation's examples.`)
  const waiting = [['cargo', ['test', '--doc']], ...binaries.map((binary) => [binary, []])]
  const beat = sometimes()
  let failure = 0
  const lane = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const lines = []
      const onLine = (line) => {
        lines.push(line)
        counter.take(line)
        beat(`cargo: ${counter.passed} passed so far.`)
      }
      const env = { ...WHOLE_CRATE.env, PROPTEST_RNG_SEED: PROPTEST_SEED }
      const { code } = await run(...next, { env, onLine, silentMs: SILENT_MS })
      if (code === 0) continue
      failure = code
      console.log(lines.filter((line) => !/^test .* \.\.\. (ok|ignored.*)$/.test(line)).join('\n'))
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, lane))
  return verdictOf('cargo', counter, failure)
}

/** The files that did not end, and those that ended last, for a thread may hang after that; from the log that `__test__/_files.mjs` writes. */
const unended = (log) => {
  const lines = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []
  const of = (event) => lines.filter((line) => line.startsWith(event)).map((line) => line.slice(event.length + 1))
  const ended = new Set(of('ends'))
  const running = of('begins').filter((file) => !ended.has(file))
  return [
    ...running.map((file) => `${file} began and did not end.`),
    `The last that ended: ${[...ended].slice(-3).join(', ')}`,
  ]
}

/** The ava suite on one engine, by a Node of one's choice. */
export const avaSuite = async (
  engine,
  { nodePath = process.execPath, name = `ava, engine ${engine}`, args = [] } = {},
) => {
  say(`${name}.`)
  const counter = new TapCounter()
  const beat = sometimes()
  let failing = false
  const onLine = (line) => {
    const failed = counter.take(line)
    // A failed test's diagnostics are the indented lines that follow it, empty ones among them.
    failing = failed || (failing && /^\s|^$/.test(line))
    const noise = /^(ok |TAP version|1\.\.\d|# (tests|pass|fail|skip|todo|ava)|\s*$)/.test(line)
    if (failing || !(noise || /^\s|^#/.test(line))) console.log(line)
    beat(`${name}: ${counter.passed} passed, ${counter.failed} failed so far.`)
  }
  const folder = mkdtempSync(join(tmpdir(), 'atrion-files-'))
  const log = join(folder, 'files')
  const env = { ATRION_ENGINE: engine, ATRION_FILES_LOG: log, FORCE_COLOR: '0' }
  const { code } = await node(entryOf('ava', 'ava'), ['--tap', ...args], { nodePath, env, onLine, silentMs: SILENT_MS })
  if (code !== 0) console.log(unended(log).join('\n'))
  rmSync(folder, { recursive: true, force: true })
  return verdictOf(name, counter, code)
}

/** The packed package in the runtimes that are not Node. */
export const edgeSuite = async () => {
  say('The edge: workerd, edge-runtime, Deno, Bun, Chromium.')
  const counter = new SumCounter()
  const onLine = (line) => {
    if (!counter.take(line)) console.log(line)
  }
  const { code } = await node(join(ROOT, 'scripts', 'test-edge.mjs'), [], { onLine, silentMs: SILENT_MS })
  return verdictOf('edge', counter, code)
}

/** The packages as they are published: a slice of `npm run test:packages`. */
export const packagesSuite = async () => {
  say('The packages, as they are installed.')
  const counter = new SumCounter()
  const onLine = (line) => {
    if (!counter.take(line)) console.log(line)
  }
  const { code } = await node(join(ROOT, 'scripts', 'test-packages.mjs'), ['--short'], { onLine })
  return verdictOf('packages', counter, code)
}

const TYPES = join(ROOT, '__test__', 'types')

/** The sources that each kind of consumer compiles: the extension decides how TypeScript and Node read a file. */
const CONSUMERS = { cjs: { typescript: '.cts', javascript: '.cjs' }, esm: { typescript: '.mts', javascript: '.mjs' } }

/** Copies the type tests as one kind of consumer has them, with settings beside them; resolves to their names. */
const prepareTypes = (folder, { typescript, javascript }) => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const names = readdirSync(TYPES)
    .filter((file) => file.endsWith('.ts') || file.endsWith(typescript))
    .map((file) => file.replace(/\.[cm]?ts$/, ''))
  for (const name of names) {
    const shared = join(TYPES, `${name}.ts`)
    copyFileSync(
      existsSync(shared) ? shared : join(TYPES, `${name}${typescript}`),
      join(folder, `${name}${typescript}`),
    )
  }
  const settings = { extends: join(TYPES, 'tsconfig.json'), include: [`*${typescript}`] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings))
  return names.map((name) => `${name}${javascript}`)
}

/**
 * The type tests: every file in `__test__/types` is compiled against the built package as CommonJS and as ESM, and what
 * comes out is run.
 */
export const typeSuite = async () => {
  const verdicts = []
  for (const [consumer, extensions] of Object.entries(CONSUMERS)) {
    const name = `types, ${consumer}`
    say(`${name}.`)
    const folder = join(ROOT, '.cache', 'types', consumer)
    const files = prepareTypes(folder, extensions)
    const compiled = await node(entryOf('typescript', 'tsc'), ['-p', folder])
    verdicts.push(verdictOfCheck(`${name}: compile`, compiled.code))
    const counter = { passed: 0, failed: 0, skipped: 0 }
    for (const file of files) {
      const { code, output } = await node(join(folder, file), [], { quiet: true })
      counter[code === 0 ? 'passed' : 'failed']++
      if (code !== 0) console.log(`not ok ${name}: ${file}\n${output}`)
    }
    verdicts.push(verdictOf(`${name}: run`, counter, 0))
  }
  return verdicts
}
