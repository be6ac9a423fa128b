/**
 * Coverage-guided fuzzing of what reads bytes of others, and the property tests with new seeds: `npm run fuzz -- --help`. libFuzzer on
 * stable Rust; `cargo fuzz` works in the same folder where it is installed. What it finds stays in `fuzz/artifacts`; a case that was mended belongs into
 * `fuzz/regressions/<target>`, which every run tries first.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { cliOf } from './lib/cli.mjs'
import { entryOf, firstLine, node, ROOT, run } from './lib/process.mjs'
import { say, sometimes } from './lib/progress.mjs'
import { tableOf, verdictOfCheck } from './lib/tally.mjs'
import { rustProblem } from './lib/toolchain.mjs'

const FUZZ = join(ROOT, 'fuzz')
const TARGETS = ['frame', 'names', 'record', 'state', 'wire']
/** The property tests of JavaScript, with new seeds and more inputs than `npm test` has. */
const PROPERTIES = 'properties'
const PROPERTY_RUNS = 2000
/** Targets that run at the same time. */
const AT_ONCE = 2
const MAX_BYTES = 4096
/** An input that takes longer hangs, s. */
const HANGS_S = 10

const USAGE = `Usage: npm run fuzz -- [options]

  --minutes <n>     how long to look for cases, all targets together (default 1)
  --target <name>   this target only (may be repeated): ${TARGETS.join(', ')},
                    ${PROPERTIES} (the property tests, with new seeds)
  --help            this text

Exits with 1 when a case was found: it is in fuzz/artifacts, or its seed is printed.`

/** Coverage as libFuzzer reads it, by options that stable compilers take. */
const COVERAGE = [
  '-Cpasses=sancov-module',
  ...['level=4', 'inline-8bit-counters', 'pc-table', 'trace-compares'].map(
    (what) => `-Cllvm-args=-sanitizer-coverage-${what}`,
  ),
  '--cfg fuzzing',
].join(' ')

const filesIn = (...path) => {
  const folder = join(FUZZ, ...path)
  return existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []
}

/** Compiles the targets; resolves to the folder they are in, or undefined. */
const build = async () => {
  const problem = await rustProblem()
  if (problem !== undefined) {
    console.error(problem)
    return undefined
  }
  const host = (await firstLine('rustc', ['--print', 'host-tuple'])) ?? ''
  say('Compiling the fuzz targets (a first build takes a minute or two).')
  const manifest = join(FUZZ, 'Cargo.toml')
  // With a target, build scripts are compiled without the coverage.
  const args = ['build', '--quiet', '--locked', '--release', '--manifest-path', manifest, '--target', host]
  const { code } = await run('cargo', args, { env: { RUSTFLAGS: COVERAGE } })
  return code === 0 ? join(process.env.CARGO_TARGET_DIR ?? join(FUZZ, 'target'), host, 'release') : undefined
}

/** Runs one target for so long; resolves to its verdict. */
const fuzz = async (folder, target, seconds, isInBackground) => {
  const corpus = join(ROOT, '.cache', 'fuzz', target)
  const artifacts = join(FUZZ, 'artifacts', target)
  for (const made of [corpus, artifacts]) mkdirSync(made, { recursive: true })
  const limits = [`-timeout=${HANGS_S}`, `-artifact_prefix=${artifacts}/`]
  const kept = filesIn('regressions', target)
  const tail = []
  const beat = sometimes(10_000)
  let runs = 'none'
  let coverage = '0'
  const onLine = (line) => {
    tail.push(line)
    if (tail.length > 60) tail.shift()
    runs = /^#?(?:Done )?(\d+)\b/.exec(line)?.[1] ?? runs
    coverage = /\bcov: (\d+)/.exec(line)?.[1] ?? coverage
    beat(`fuzz ${target}: ${runs} inputs, ${coverage} edges.`)
  }
  const binary = join(folder, target)
  const start = (args) =>
    isInBackground ? run('nice', ['-n', '19', binary, ...args], { onLine }) : run(binary, args, { onLine })
  const again = kept.length === 0 ? { code: 0 } : await start([...limits, ...kept])
  const look = [`-max_total_time=${seconds}`, `-max_len=${MAX_BYTES}`, corpus, join(FUZZ, 'seeds', target)]
  const { code } = again.code === 0 ? await start([...limits, ...look]) : again
  if (code === 0) say(`fuzz ${target}: ${runs} inputs, ${coverage} edges, ${kept.length} kept cases.`)
  else console.error(tail.join('\n'))
  return verdictOfCheck(`fuzz ${target}`, code, `the case is in fuzz/artifacts/${target}`)
}

/** Test files that draw random inputs. */
const propertyTests = () => {
  const folder = join(ROOT, '__test__')
  const names = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.test.mjs'))
  const draws = (name) => readFileSync(join(folder, name), 'utf8').includes("/_random.mjs'")
  return names.filter(draws).map((name) => join('__test__', name))
}

/** Runs the property tests one after the other, and again, for so long; resolves to their verdict. */
const properties = async (seconds) => {
  const endMs = Date.now() + seconds * 1000
  const files = propertyTests()
  const env = { FUZZ_SEED: 'random', FUZZ_RUNS: String(PROPERTY_RUNS), FORCE_COLOR: '0' }
  // A short run does not always try the same files.
  const first = Math.trunc(Math.random() * files.length)
  let ended = 0
  let code = 0
  while (Date.now() < endMs && code === 0) {
    const lines = []
    const file = files[(first + ended) % files.length]
    say(`fuzz ${PROPERTIES}: ${file}.`)
    const onLine = (line) => lines.push(line)
    code = (await node(entryOf('ava', 'ava'), ['--tap', '--timeout', '20m', file], { env, onLine })).code
    if (code !== 0) console.error(lines.filter((line) => !line.startsWith('ok ')).join('\n'))
    ended += 1
  }
  if (code === 0) say(`fuzz ${PROPERTIES}: ${ended} files of ${files.length}.`)
  return verdictOfCheck(`fuzz ${PROPERTIES}`, code, 'FUZZ_SEED=<the seed above> repeats it')
}

/** Runs the targets for `seconds` in all, in the background with what other work leaves of the machine; resolves to one verdict each. */
export const fuzzSuite = async (seconds, { targets = TARGETS, isInBackground = false } = {}) => {
  if (process.platform === 'win32') {
    say('libFuzzer is not run on Windows.')
    return []
  }
  const folder = targets.some((target) => target !== PROPERTIES) ? await build() : ''
  if (folder === undefined) return [verdictOfCheck('fuzz targets', 1, 'could not be compiled')]
  const each = Math.max(1, Math.round(seconds / Math.ceil(targets.length / AT_ONCE)))
  const waiting = [...targets]
  const verdicts = []
  const lane = async () => {
    for (let target = waiting.shift(); target !== undefined; target = waiting.shift()) {
      const verdict = target === PROPERTIES ? properties(each) : fuzz(folder, target, each, isInBackground)
      verdicts.push(await verdict)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
  return verdicts
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values, count, known } = cliOf(USAGE, {
    options: {
      minutes: { type: 'string', default: '1' },
      target: { type: 'string', multiple: true, default: [...TARGETS, PROPERTIES] },
    },
  })
  const targets = [...new Set(known('target', values.target, [...TARGETS, PROPERTIES]))]
  const verdicts = await fuzzSuite(count('minutes', 1) * 60, { targets })
  if (verdicts.length > 0) console.log(`\n${tableOf(verdicts).join('\n')}`)
  process.exitCode = verdicts.every(({ failed }) => failed === 0) ? 0 : 1
}
