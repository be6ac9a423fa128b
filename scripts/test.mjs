/**
 * Everything that has to hold, in one command: build, lints, cargo's tests, fuzzing, the ava suite on each engine, the type tests, the
 * packages as they are installed, the packed package in the runtimes that are not Node. A failure does not stop what comes after it. The last line is `N passed, N failed`,
 * summed over what the runners reported, with each lint and each type test as one; the exit code is 0 only when nothing failed.
 *
 * Steps that use one core run side by side, and so do steps that wait and steps that compute: linking the addon and all downloads beside the lints and the
 * compilation of cargo's tests, the packages and the fuzz targets beside cargo's tests and the ava suites. The edge runtimes run alone.
 */
import { availableParallelism } from 'node:os'
import { fuzzSuite } from './fuzz.mjs'
import { cliOf } from './lib/cli.mjs'
import { provideProgram, provideRedis, provideValkey } from './lib/packages.mjs'
import { node, ROOT } from './lib/process.mjs'
import { say } from './lib/progress.mjs'
import { avaSuite, cargoSuite, compileCargoTests, ENGINES, edgeSuite, packagesSuite, typeSuite } from './lib/suites.mjs'
import { sumOf, tableOf, verdictOfCheck } from './lib/tally.mjs'
import { installPackages } from './lib/toolchain.mjs'

const USAGE = `Usage: npm test -- [options]

  --engine <name>   run the ava suite on this engine only (may be repeated): ${ENGINES.join(', ')}
  --skip-edge       leave out workerd, edge-runtime, Deno, Bun and Chromium
  --skip-fuzz       leave out coverage-guided fuzzing
  --skip-lint       leave out rustfmt, clippy, biome and tsc
  --help            this text`

/** The duration of the fuzz targets beside the ava suites, s: in the time that the suites leave they try as much as in a minute alone. */
const FUZZ_S = 180

/** The servers that shared state is tested against: being there is no test, being away is a failure. */
const servers = async () => {
  if (process.platform === 'win32') {
    say('Redis does not run on Windows: what needs a server is tested on Linux and macOS only.')
    return []
  }
  if (!(await provideValkey())) say('There is no Valkey to be had here: shared state is tested against Redis only.')
  const unchecked = await provideProgram('promtool')
  if (unchecked !== undefined) say(`The exporters are not checked by Prometheus itself. ${unchecked}`)
  const problem = await provideRedis()
  if (problem === undefined) return []
  console.error(`\n${problem}\n`)
  return [verdictOfCheck('redis-server', 1, 'see above')]
}

const { values: options, known } = cliOf(USAGE, {
  options: {
    engine: { type: 'string', multiple: true, default: ENGINES },
    'skip-edge': { type: 'boolean' },
    'skip-fuzz': { type: 'boolean' },
    'skip-lint': { type: 'boolean' },
  },
})
const engines = known('engine', options.engine, ENGINES)

/** Builds a part of the package. A build that works is no test; one that does not is a failure. */
const build = async (part) => {
  const { code } = await node(`${ROOT}/scripts/build.mjs`, [part])
  return code === 0 ? [] : [verdictOfCheck(`build ${part}`, code)]
}

/** Runs steps one after the other; resolves to the verdicts of all. */
const inTurn = async (...steps) => {
  const verdicts = []
  for (const step of steps) verdicts.push(...(await step()))
  return verdicts
}

const size = async () => [verdictOfCheck('size of the wasm module', (await node(`${ROOT}/scripts/size.mjs`, [])).code)]
const lints = async () => (options['skip-lint'] ? [] : (await import('./lint.mjs')).lint())
const fuzz = async () => (options['skip-fuzz'] ? [] : fuzzSuite(FUZZ_S, { isInBackground: true }))
/** The native engine has all files, and leaves no core idle; the others have those that wait, and run side by side. */
const suites = () => {
  const others = engines.filter((engine) => engine !== 'native')
  const args = others.length > 1 ? ['--concurrency', String(availableParallelism())] : []
  return inTurn(
    async () => (engines.includes('native') ? [await avaSuite('native')] : []),
    () => Promise.all(others.map((engine) => avaSuite(engine, { args }))),
    typeSuite,
  )
}
/** Downloads for the edge: a failure shows when it runs. */
const runtimes = async () => {
  if (!options['skip-edge']) await node(`${ROOT}/scripts/test-edge.mjs`, ['--install-only'])
  return []
}
const packages = async () => [await packagesSuite()]

const verdicts = []
if (await installPackages()) {
  let compiled
  const compile = async () => {
    compiled = await compileCargoTests()
    return []
  }
  // The linker of the addon, the compiler of wasm, and that of lints and tests each have a folder, and a lock, of their own.
  const built = await Promise.all([
    build('native'),
    inTurn(
      () => build('wasm'),
      () => build('ts'),
      size,
      lints,
      compile,
    ),
    inTurn(servers, runtimes),
  ])
  verdicts.push(...built.flat())
  const cargo = async () => [await cargoSuite(compiled)]
  verdicts.push(...(await Promise.all([inTurn(cargo, suites), inTurn(packages, fuzz)])).flat())
  if (!options['skip-edge']) verdicts.push(await edgeSuite())
} else verdicts.push(verdictOfCheck('npm packages', 1, 'could not be installed'))

const { passed, failed } = sumOf(verdicts)
say('Done.')
console.log(`\n${tableOf(verdicts).join('\n')}\n`)
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
