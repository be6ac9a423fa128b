/**
 * Formatting and lints: rustfmt, clippy, rustdoc, the crates' licences and sources, biome, the TypeScript compiler. All of them run,
 * whatever the others find. `npm run lint -- --help`.
 */
import { pathToFileURL } from 'node:url'
import { cliOf } from './lib/cli.mjs'
import { crateProblems } from './lib/crates.mjs'
import { entryOf, node, run } from './lib/process.mjs'
import { say } from './lib/progress.mjs'
import { tableOf, verdictOfCheck } from './lib/tally.mjs'
import { installPackages, rustProblem } from './lib/toolchain.mjs'

const cargo = async (args, options) => {
  const problem = await rustProblem()
  if (problem === undefined) return run('cargo', args, options)
  console.error(problem)
  return { code: 127 }
}

/** `deny.toml` as far as it can be held without cargo-deny; advisories need their database. */
const crates = async () => {
  const problem = await rustProblem()
  const problems = problem === undefined ? await crateProblems().catch(({ message }) => [message]) : [problem]
  for (const line of problems) console.error(line)
  console.log('Advisories (RustSec) were not checked: `cargo deny check` does, with their database; the release does.')
  return { code: problems.length === 0 ? 0 : 1 }
}

const WASM_TARGET = 'wasm32-unknown-unknown'

const LINTS = {
  rustfmt: { check: () => cargo(['fmt', '--check']), fix: () => cargo(['fmt']) },
  clippy: { check: () => cargo(['clippy', '--quiet', '--all-targets', '--', '-D', 'warnings']) },
  // Code that is gated by target can be dead, or missing, on the other one.
  'clippy, wasm': {
    check: () => cargo(['clippy', '--quiet', '--lib', '--target', WASM_TARGET, '--', '-D', 'warnings']),
  },
  rustdoc: {
    check: () => cargo(['doc', '--quiet', '--no-deps'], { env: { RUSTDOCFLAGS: '-D warnings' } }),
  },
  'licences and sources of crates': { check: crates },
  biome: {
    check: () => node(entryOf('@biomejs/biome', 'biome'), ['ci', '--error-on-warnings', '.']),
    fix: () => node(entryOf('@biomejs/biome', 'biome'), ['check', '--write', '.']),
  },
  tsc: { check: () => node(entryOf('typescript', 'tsc'), ['--noEmit', '-p', 'tsconfig.json']) },
}

/** Runs every lint; resolves to one verdict each. */
export const lint = async ({ fix = false } = {}) => {
  const verdicts = []
  for (const [name, { check, fix: repair }] of Object.entries(LINTS)) {
    if (fix && repair) await repair()
    say(`Lint: ${name}.`)
    const { code } = await check()
    verdicts.push(verdictOfCheck(name, code, 'see above; `npm run lint -- --fix` repairs what can be repaired'))
  }
  return verdicts
}

const USAGE = `Usage: npm run lint -- [options]

Checks formatting, lints, types and the crates' licences.

  --fix    format first, and apply biome's safe fixes
  --help   this text`

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = cliOf(USAGE, { options: { fix: { type: 'boolean', default: false } } })
  if (!(await installPackages())) {
    console.error('The npm packages could not be installed; nothing was checked.')
    process.exit(1)
  }
  const verdicts = await lint({ fix: values.fix })
  console.log(`\n${tableOf(verdicts).join('\n')}`)
  process.exit(verdicts.every(({ failed }) => failed === 0) ? 0 : 1)
}
