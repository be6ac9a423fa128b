/**
 * The engine's arithmetic on aarch64, where it runs on NEON: compiled with zig, run by the processor itself or by qemu.
 * `npm run test:neon -- --help`.
 */
import { cliOf } from './lib/cli.mjs'
import { provideProgram } from './lib/packages.mjs'
import { addTarget, provideZig } from './lib/packages-matrix/build.mjs'
import { firstLine, run } from './lib/process.mjs'
import { say } from './lib/progress.mjs'
import { tableOf, verdictOfCheck } from './lib/tally.mjs'
import { rustProblem } from './lib/toolchain.mjs'

cliOf(`Usage: npm run test:neon -- [options]

Runs the tests of the vectors, of tanh, exp and ln, and of the tick on aarch64, under qemu where the machine is another. They compare
NEON with plain numbers by bits. Takes a few minutes the first time. Exits with 1 when one fails.

  --help   this text`)

/** Linked as a whole: qemu needs no libraries of that processor. */
const TARGET = 'aarch64-unknown-linux-musl'
/** Test binaries, and the tests in them. */
const BINARIES = ['physics', 'sources']
const TESTS = ['simd::', 'math::', 'tick::', 'frame::']

const test = async () => {
  const isNative = process.platform === 'linux' && process.arch === 'arm64'
  const problem = (await rustProblem()) ?? (isNative ? undefined : await provideProgram('qemu'))
  if (problem !== undefined) return { code: 1, problem }
  if ((await firstLine('cargo-zigbuild', ['--version'])) === undefined) {
    const missing = await provideZig()
    if (missing !== undefined) return { code: 1, problem: missing }
  }
  await addTarget(TARGET)
  say(`Compiling the tests for ${TARGET}.`)
  const args = ['test', '--target', TARGET, ...BINARIES.flatMap((name) => ['--test', name]), '--', ...TESTS]
  const env = isNative ? {} : { CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUNNER: 'qemu-aarch64', PROPTEST_CASES: '200' }
  return run('cargo-zigbuild', args, { env })
}

const { code, problem } = await test()
if (problem !== undefined) console.error(problem)
console.log(tableOf([verdictOfCheck('NEON', code, problem ?? 'see above')]))
process.exitCode = code === 0 ? 0 : 1
