/**
 * Builds what `require('atrion')` needs.
 *
 *   node scripts/build.mjs           both parts
 *   node scripts/build.mjs native    the engine in Rust: binding.js, binding.d.ts, atrion.<platform>.node
 *   node scripts/build.mjs ts        the TypeScript face: dist/*.cjs and dist/types
 *
 * Exits with 1 when a part could not be built, after having tried the others.
 */
import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { entryOf, node, ROOT } from './lib/process.mjs'
import { say } from './lib/progress.mjs'
import { installPackages, rustProblem } from './lib/toolchain.mjs'

/** Without `--js` the binding's loader would be written over the package's own index.js. */
const NAPI = ['build', '--platform', '--release', '--js', 'binding.js', '--dts', 'binding.d.ts']

const buildNative = async () => {
  const problem = await rustProblem()
  if (problem) {
    console.error(`\n${problem}\n\nUntil then the package runs on its TypeScript engine (engine: 'ts').\n`)
    return false
  }
  say('Compiling the native engine (a first build takes a minute or two).')
  const { code } = await node(entryOf('@napi-rs/cli', 'napi'), [...NAPI, ...process.argv.slice(3)])
  return code === 0
}

/** Removes what an earlier build left in dist and this one did not write. */
const prune = (startedAt) => {
  for (const entry of readdirSync(join(ROOT, 'dist'), { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name)
    const ours = /\.cjs$|\.d\.ts$/.test(entry.name)
    // One second of slack: some file systems keep no finer times.
    if (entry.isFile() && ours && statSync(path).mtimeMs < startedAt - 1000) rmSync(path)
  }
}

const buildTypeScript = async () => {
  const startedAt = Date.now()
  say('Bundling the TypeScript face.')
  const bundle = await node(entryOf('rolldown', 'rolldown'), ['-c', 'rolldown.config.mjs', '--logLevel', 'warn'])
  say('Writing the type declarations.')
  const types = await node(entryOf('typescript', 'tsc'), ['-p', 'tsconfig.json'])
  if (bundle.code !== 0 || types.code !== 0) return false
  prune(startedAt)
  return true
}

const PARTS = { native: buildNative, ts: buildTypeScript }

const wanted = process.argv[2]
if (wanted !== undefined && !(wanted in PARTS)) {
  console.error(`Unknown part '${wanted}'. Usage: node scripts/build.mjs [${Object.keys(PARTS).join('|')}]`)
  process.exit(2)
}
if (!(await installPackages())) {
  console.error('The npm packages could not be installed; nothing was built.')
  process.exit(1)
}

const failed = []
for (const part of wanted ? [wanted] : Object.keys(PARTS)) {
  if (!(await PARTS[part]())) failed.push(part)
}
say(failed.length === 0 ? 'Built.' : `Could not build: ${failed.join(', ')}.`)
process.exit(failed.length === 0 ? 0 : 1)
