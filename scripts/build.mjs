/** Builds what `require('atrion')` needs: `npm run build -- --help`. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { cliOf } from './lib/cli.mjs'
import { pruneDeclarations } from './lib/declarations.mjs'
import { writeEntries } from './lib/entries.mjs'
import { entryOf, firstLine, node, ROOT, run } from './lib/process.mjs'
import { say } from './lib/progress.mjs'
import { installPackages, rustProblem } from './lib/toolchain.mjs'

const USAGE = `Usage: npm run build -- [part] [options]

Builds what the package needs, or one part of it: native (the engine in Rust:
atrion.<platform>.node, and binding.js for the tests; the client of Redis: atrion-redis.<platform>.node), wasm
(the same engine for everything else: dist/atrion.wasm), ts (the TypeScript face: dist/*.cjs, dist/esm and dist/types).

  --help   this text

Exits with 1 when a part could not be built, after having tried the others.`

/** Without `--js` the binding's loader would be written over the package's own index.js. */
const NAPI = ['build', '--platform', '--release', '--js', 'binding.js', '--dts', 'binding.d.ts']
/** One addon for the engine, one for the client of Redis. */
const only = (feature) => ['--no-default-features', '--features', feature]
const REDIS_OUT = join(ROOT, 'target', 'redis-addon')

/** Paths of this machine stay out of the binary, so that it is the same wherever it is built. */
const remapped = () => {
  const cargo = process.env.CARGO_HOME ?? join(homedir(), '.cargo')
  const paths = [`--remap-path-prefix=${ROOT}=atrion/`, `--remap-path-prefix=${cargo}=cargo`]
  return [process.env.RUSTFLAGS, ...paths].filter(Boolean).join(' ')
}

const buildNative = async () => {
  const problem = await rustProblem()
  if (problem) {
    console.error(`\n${problem}\n\nUntil then the package runs on its TypeScript engine (engine: 'ts').\n`)
    return false
  }
  say('Compiling the native engine (a first build takes a minute or two).')
  const napi = (feature, more = [], env = {}) =>
    node(entryOf('@napi-rs/cli', 'napi'), [...NAPI, ...only(feature), ...more, ...process.argv.slice(3)], {
      env: { RUSTFLAGS: remapped(), ...env },
    })
  const forSize = { CARGO_PROFILE_RELEASE_OPT_LEVEL: 's' }
  if ((await napi('redis', ['--output-dir', REDIS_OUT], forSize)).code !== 0) return false
  for (const file of readdirSync(REDIS_OUT).filter((name) => name.endsWith('.node'))) {
    renameSync(join(REDIS_OUT, file), join(ROOT, file.replace('atrion.', 'atrion-redis.')))
  }
  return (await napi('engine')).code === 0
}

const WASM_TARGET = 'wasm32-unknown-unknown'
const WASM_FLAGS = [
  '-C target-feature=+simd128',
  '-C link-arg=-zstack-size=65536', // deep enough by far: nothing in there recurses
  '-C link-arg=--emit-relocs',
]

/** The engine: every page that protects something loads it. */
const SMALL = {
  features: [],
  // Inlined is what then takes no more room, and what is called once.
  flags: [...WASM_FLAGS, '-C llvm-args=-inline-threshold=0'],
}
/** A fleet: loaded to compute. */
const FAST = {
  features: ['--features', 'fleet'],
  flags: WASM_FLAGS,
  env: { CARGO_PROFILE_WASM_OPT_LEVEL: '3' },
  shrinkLevel: 0,
}

/** Installs the standard library of the wasm target where rustup can. */
const addWasmTarget = async () => {
  const library = await firstLine('rustc', ['--print', 'target-libdir', '--target', WASM_TARGET])
  if (library !== undefined && existsSync(library)) return true
  return (await run('rustup', ['target', 'add', WASM_TARGET])).code === 0
}

const buildWasm = async () => {
  const problem = await rustProblem()
  if (problem) return false // the native part has reported why
  if (!(await addWasmTarget())) {
    console.error(`\nRust's standard library for wasm is missing. Install it:\n    rustup target add ${WASM_TARGET}\n`)
    return false
  }
  say('Compiling the engine for wasm.')
  return (await buildModule('atrion.wasm', SMALL)) && (await buildModule('fleet.wasm', FAST))
}

/** Compiles the crate for wasm, and shrinks it to a module of dist. */
const buildModule = async (name, { features, flags, env, shrinkLevel }) => {
  const args = ['build', '--lib', '--profile', 'wasm', '--target', WASM_TARGET, ...features]
  const given = { CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS: flags.join(' '), ...env }
  if ((await run('cargo', args, { env: given })).code !== 0) return false
  const { shrink } = await import('./lib/wasm.mjs')
  const linked = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), WASM_TARGET, 'wasm', 'atrion.wasm')
  mkdirSync(join(ROOT, 'dist'), { recursive: true })
  writeFileSync(join(ROOT, 'dist', name), shrink(readFileSync(linked), { shrinkLevel }))
  return true
}

/** Removes what an earlier build left in dist and this one did not write. */
const prune = (startedAt) => {
  for (const entry of readdirSync(join(ROOT, 'dist'), { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name)
    const ours = /\.[cm]js$|\.d\.ts$/.test(entry.name)
    // One second of slack: some file systems keep no finer times.
    if (entry.isFile() && ours && statSync(path).mtimeMs < startedAt - 1000) rmSync(path)
  }
}

const buildTypeScript = async () => {
  const startedAt = Date.now()
  writeEntries()
  say('Bundling the TypeScript face.')
  const bundle = await node(entryOf('rolldown', 'rolldown'), ['-c', 'rolldown.config.mjs', '--logLevel', 'warn'])
  say('Writing the type declarations.')
  const types = await node(entryOf('typescript', 'tsc'), ['-p', 'tsconfig.json'])
  if (bundle.code !== 0 || types.code !== 0) return false
  prune(startedAt)
  pruneDeclarations()
  // npm makes the command of an installed package executable; in a clone `npx atrion` runs the file itself.
  chmodSync(join(ROOT, 'dist', 'cli.cjs'), 0o755)
  return true
}

// The face carries the wasm module: it comes last.
const PARTS = { native: buildNative, wasm: buildWasm, ts: buildTypeScript }

const given = process.argv.slice(2)
// Other arguments after `native` belong to napi.
const own = given[0] === 'native' ? given.filter((arg, i) => i === 0 || arg === '--help') : given
const {
  positionals: [requested],
  known,
} = cliOf(USAGE, { allowPositionals: true }, own)
if (requested !== undefined) known('part', [requested], Object.keys(PARTS))
if (!(await installPackages())) {
  console.error('The npm packages could not be installed; nothing was built.')
  process.exit(1)
}

const failed = []
for (const part of requested ? [requested] : Object.keys(PARTS)) {
  if (!(await PARTS[part]())) failed.push(part)
}
say(failed.length === 0 ? 'Built.' : `Could not build: ${failed.join(', ')}.`)
process.exit(failed.length === 0 ? 0 : 1)
