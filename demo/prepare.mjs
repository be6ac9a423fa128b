// Makes sure that the demo can run on a clean checkout: installs and builds what is missing, and nothing else.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const has = (path) => existsSync(`${root}/${path}`)

function run(what, command, args) {
  console.log(`${what}: ${command} ${args.join(' ')}`)
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
  if (error) console.error(`${command} could not be started: ${error.message}`)
  return status === 0
}

/** Not `npm ci`: it refuses a lock file that does not name every platform's packages, at length. Both go by the lock. */
const install = () =>
  run('Installing what is missing', 'npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'])

/** @throws Error saying what is missing and what would mend it */
export function prepare() {
  if (!has('node_modules/opossum') && !install()) {
    throw new Error('npm could not install the development dependencies of this package, and the demo needs them')
  }
  if (!has('dist/index.cjs') && !run('Building the TypeScript face', 'node', ['scripts/build.mjs', 'ts'])) {
    throw new Error('the TypeScript face could not be built: `npm run build:ts` says why')
  }
  const addon = readdirSync(root).some((name) => name.endsWith('.node'))
  if (!addon && !run('Building the native engine', 'node', ['scripts/build.mjs', 'native'])) {
    console.log('The native engine could not be built (it needs a Rust toolchain): the demo runs on engine ts.')
  }
}
