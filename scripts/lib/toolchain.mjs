/** What has to be there before anything can be built: the npm packages of the lock file, and a Rust toolchain. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { firstLine, npm, ROOT } from './process.mjs'
import { say } from './progress.mjs'

const manifestOf = (...path) => JSON.parse(readFileSync(join(ROOT, ...path, 'package.json'), 'utf8'))

/** Dev dependencies that are absent, or of another version than the lock file has. */
const outdated = () => {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'))
  return Object.keys(manifestOf().devDependencies)
    .map((name) => [name, packages[`node_modules/${name}`]?.version])
    .filter(([name, wanted]) => {
      const path = join('node_modules', name)
      return !existsSync(join(ROOT, path, 'package.json')) || manifestOf(path).version !== wanted
    })
}

/** Installs what the lock file names and node_modules lacks. Resolves to false when that fails. */
export const installPackages = async () => {
  const quiet = ['--no-audit', '--no-fund']
  if (!existsSync(join(ROOT, 'node_modules'))) {
    say('Installing the npm packages (npm ci).')
    return (await npm(['ci', ...quiet])).code === 0
  }
  const missing = outdated()
  if (missing.length === 0) return true
  say(`Installing ${missing.map(([name, version]) => `${name}@${version}`).join(', ')}.`)
  return (await npm(['install', '--no-save', ...quiet])).code === 0 && outdated().length === 0
}

/** The oldest Rust that compiles the crate, as Cargo.toml states it. */
const wantedRust = () => /^rust-version = "([\d.]+)"/m.exec(readFileSync(join(ROOT, 'Cargo.toml'), 'utf8'))[1]

const isOlder = (version, than) => {
  const [a, b] = [version, than].map((v) => v.split('.').map(Number))
  const at = b.findIndex((part, i) => (a[i] ?? 0) !== part)
  return at >= 0 && (a[at] ?? 0) < b[at]
}

const RUSTUP =
  process.platform === 'win32'
    ? 'winget install Rustlang.Rustup (with the Visual Studio C++ build tools)'
    : "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile default"

/** Why the native engine cannot be compiled here and what would change that, or undefined when it can be. */
export const rustProblem = async () => {
  const wanted = wantedRust()
  const line = await firstLine('cargo', ['--version'])
  if (line === undefined) {
    return `The native engine is written in Rust, and there is no cargo on the PATH. Install Rust ${wanted} or newer:\n    ${RUSTUP}`
  }
  const found = /\d+\.\d+\.\d+/.exec(line)?.[0] ?? '0'
  if (isOlder(found, wanted)) {
    return `The native engine needs Rust ${wanted} or newer, and cargo is ${found}. Update it:\n    rustup update stable && rustup default stable`
  }
  return undefined
}
