/**
 * Starts one of the project's commands after having set up what it needs: npm packages, a C compiler, Rust, Redis, Chromium, the built
 * package. What is installed is named first, with where it goes. Every npm script runs through it.
 *
 *   node scripts/start.mjs <script> [--no-install] [arguments of the script]
 *
 * With `--no-install` nothing is installed: what is missing is listed with the commands that install it, and the exit code is 1. A command
 * that npm runs ends with it, and so do the commands that it has started.
 */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { endWithParent } from './lib/lifetime.mjs'
import { chromiumProblem, mayInstall, provideChromium, provideRedis } from './lib/packages.mjs'
import { node, ROOT } from './lib/process.mjs'
import {
  installPackages,
  packagesProblem,
  provideRustLints,
  provideToolchain,
  rustProblem,
  unbuiltParts,
} from './lib/toolchain.mjs'

/** Builds the parts that are missing. */
const build = async () => {
  const missing = unbuiltParts()
  if (missing.length === 0) return []
  const problems = await provideToolchain()
  if (problems.length > 0) return problems
  if (!mayInstall() && packagesProblem() !== undefined) return []
  for (const part of missing) await node(join(ROOT, 'scripts', 'build.mjs'), [part])
  const left = unbuiltParts()
  return left.length === 0 ? [] : [`Could not be built: ${left.join(', ')}. Build it:\n    npm run build`]
}

const packages = async () => {
  await installPackages()
  return [packagesProblem()]
}

/** The requirements of commands; each function installs one where it may, and resolves to the problems that are left. */
const NEEDS = {
  packages,
  toolchain: provideToolchain,
  lints: async () => ((await rustProblem()) === undefined ? [await provideRustLints()] : []),
  redis: async () => (process.platform === 'win32' ? [] : [await provideRedis()]),
  chromium: async () => (mayInstall() ? [await provideChromium()] : [chromiumProblem()]),
  build,
}

const BUILT = ['packages', 'build']
const COMMANDS = {
  'benches/compare.mjs': ['toolchain'],
  'benches/cluster/run.mjs': [...BUILT, 'redis'],
  'benches/roofline.mjs': ['toolchain'],
  'benches/run.mjs': BUILT,
  'benches/start.mjs': BUILT,
  'benches/studio/run.mjs': BUILT,
  'benches/stalls.mjs': BUILT,
  'benches/swarm/run.mjs': BUILT,
  'benches/threads.mjs': BUILT,
  'demo/cluster/run.mjs': [...BUILT, 'redis'],
  'demo/run.mjs': BUILT,
  'demo/replay/run.mjs': BUILT,
  'demo/live/run.mjs': [...BUILT, 'redis'],
  'demo/studio/run.mjs': BUILT,
  'demo/swarm/run.mjs': BUILT,
  'lab/arena.mjs': BUILT,
  'lab/attacks/run.mjs': [...BUILT, 'redis'],
  'lab/lab.mjs': BUILT,
  'scripts/build.mjs': ['packages', 'toolchain'],
  'scripts/demo-browser.mjs': BUILT,
  'scripts/docs.mjs': BUILT,
  'scripts/fuzz.mjs': ['toolchain'],
  'scripts/lint.mjs': ['packages', 'toolchain', 'lints'],
  'scripts/sanitize.mjs': BUILT,
  'scripts/pack.mjs': BUILT,
  'scripts/sbom.mjs': ['packages', 'toolchain'],
  'scripts/size.mjs': BUILT,
  'scripts/test-edge.mjs': [...BUILT, 'chromium', 'redis'],
  'scripts/test-neon.mjs': ['toolchain'],
  'scripts/test-nodes.mjs': BUILT,
  'scripts/test-packages.mjs': BUILT,
  // It builds by itself, since it tests what it has built. What it cannot have is a failure of its own.
  'scripts/test.mjs': ['packages', 'toolchain', 'lints', 'redis', 'chromium'],
  'scripts/types.mjs': BUILT,
  'scripts/version.mjs': [],
}
/** Commands whose help needs more than Node. */
const HELP_NEEDS = {
  'lab/arena.mjs': ['packages'],
  'scripts/size.mjs': ['packages'],
}
/** Commands that go on with what there is, and count what is missing. */
const GOES_ON = new Set([
  'lab/attacks/run.mjs',
  'scripts/build.mjs',
  'scripts/lint.mjs',
  'scripts/test.mjs',
  'scripts/test-edge.mjs',
])

const [script, ...given] = process.argv.slice(2)
const needs = COMMANDS[script]
if (needs === undefined) {
  console.error(`node scripts/start.mjs <script>, one of ${Object.keys(COMMANDS).join(', ')}`)
  process.exit(2)
}
const args = given.filter((arg) => arg !== '--no-install')
if (args.length < given.length) process.env.ATRION_NO_INSTALL = '1'
endWithParent()

const problems = new Set()
const needsNow = () => {
  if (args.includes('--help')) return HELP_NEEDS[script] ?? []
  // The TypeScript face alone needs no Rust.
  return script === 'scripts/build.mjs' && args[0] === 'ts' ? ['packages'] : needs
}
for (const need of needsNow()) {
  for (const problem of await NEEDS[need]()) if (problem !== undefined) problems.add(problem)
}
if (problems.size > 0) {
  console.error(`\n${[...problems].join('\n\n')}\n`)
  if (!mayInstall() || !GOES_ON.has(script)) process.exit(1)
}
const file = join(ROOT, script)
process.argv = [process.argv[0], file, ...args]
await import(pathToFileURL(file).href)
