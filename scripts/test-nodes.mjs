/**
 * The ava suite on other versions of Node, each against the engine as it is built here: `npm run test:nodes -- --help`. The binaries are
 * npm's own `node-<platform>-<arch>` packages, kept under .cache/nodes.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cliOf } from './lib/cli.mjs'
import { firstLine, npm, ROOT, run } from './lib/process.mjs'
import { say } from './lib/progress.mjs'
import { avaSuite, ENGINES } from './lib/suites.mjs'
import { sumOf, tableOf, verdictOfCheck } from './lib/tally.mjs'
import { installPackages } from './lib/toolchain.mjs'

const VERSIONS = ['20', '22', '24', '26']

const USAGE = `Usage: npm run test:nodes -- [file…] [options]

Runs the ava suite, or the test files of these names, on several versions of Node.

  --node <version>   this version only (may be repeated; default ${VERSIONS.join(', ')})
  --engine <name>    this engine only (may be repeated): ${ENGINES.join(', ')}
  --help             this text`

const PLATFORM = process.platform === 'win32' ? 'win' : process.platform
const PACKAGE = `node-${PLATFORM}-${process.arch}`
const FOLDER = join(ROOT, '.cache', 'nodes')

/** Path of a Node binary, fetched if it is not kept yet; undefined when that fails. */
const binaryOf = async (version) => {
  const folder = join(FOLDER, `${PACKAGE}@${version}`)
  const binary = join(folder, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  if (existsSync(binary)) return binary
  say(`Fetching ${PACKAGE}@${version}.`)
  const scratch = `${folder}.new`
  rmSync(scratch, { recursive: true, force: true })
  mkdirSync(scratch, { recursive: true })
  const packed = await npm(['pack', `${PACKAGE}@${version}`, '--pack-destination', scratch], { quiet: true })
  const archive = readdirSync(scratch).find((file) => file.endsWith('.tgz'))
  if (packed.code !== 0 || archive === undefined) {
    console.error(packed.output)
    return undefined
  }
  const unpacked = await run('tar', ['-xzf', join(scratch, archive), '-C', scratch], { quiet: true })
  if (unpacked.code !== 0) {
    console.error(unpacked.output)
    return undefined
  }
  rmSync(folder, { recursive: true, force: true })
  renameSync(join(scratch, 'package'), folder)
  rmSync(scratch, { recursive: true, force: true })
  return binary
}

const {
  values: { node: versions, engine: engines },
  positionals: files,
  known,
  fail,
} = cliOf(USAGE, {
  allowPositionals: true,
  options: {
    node: { type: 'string', multiple: true, default: VERSIONS },
    engine: { type: 'string', multiple: true, default: ENGINES },
  },
})
const wrong = versions.find((version) => !/^\d+(\.\d+){0,2}$/.test(version))
if (wrong !== undefined) fail(`--node must be a version like 22 or 22.11.0, got ${wrong}.`)
known('engine', engines, ENGINES)
if (!(await installPackages())) {
  console.error('The npm packages could not be installed; nothing was tested.')
  process.exit(1)
}
if (!existsSync(join(ROOT, 'dist', 'index.cjs'))) {
  console.error('There is nothing to test yet: npm run build')
  process.exit(1)
}

const patterns = files.map((file) => (file.includes('.') ? file : `__test__/**/${file}.test.mjs`))
const verdicts = []
for (const version of versions) {
  const nodePath = await binaryOf(version)
  const exact = nodePath && (await firstLine(nodePath, ['--version']))
  if (exact === undefined) {
    verdicts.push(verdictOfCheck(`Node ${version}`, 1, `${PACKAGE}@${version} could not be fetched or started`))
    continue
  }
  for (const engine of engines) {
    verdicts.push(await avaSuite(engine, { nodePath, name: `Node ${exact}, engine ${engine}`, args: patterns }))
  }
}

const { passed, failed } = sumOf(verdicts)
console.log(`\n${tableOf(verdicts).join('\n')}\n\n${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
