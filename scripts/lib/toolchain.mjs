/** The requirements of a build: the npm packages of the lock file, and a Rust toolchain. */
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { mayInstall, provideProgram, which } from './packages.mjs'
import { firstLine, npm, ROOT, run } from './process.mjs'
import { say } from './progress.mjs'

const manifestOf = (...path) => JSON.parse(readFileSync(join(ROOT, ...path, 'package.json'), 'utf8'))

/** Dev dependencies that are absent, or of another version than the lock file has. */
const outdated = () => {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'))
  return Object.keys(manifestOf().devDependencies)
    .map((name) => [name, packages[`node_modules/${name}`]?.version])
    .filter(([name, expected]) => {
      const path = join('node_modules', name)
      return !existsSync(join(ROOT, path, 'package.json')) || manifestOf(path).version !== expected
    })
}

/** Returns the npm packages that are missing, and the command that installs it; undefined when nothing is. */
export const packagesProblem = () => {
  if (!existsSync(join(ROOT, 'node_modules'))) return 'The npm packages are not installed. Install them:\n    npm ci'
  const missing = outdated()
  if (missing.length === 0) return undefined
  return `Of the npm packages, ${missing.map(([name, version]) => `${name}@${version}`).join(', ')} are missing. Install them:\n    npm install --no-save`
}

/** Installs what the lock file names and node_modules lacks. Resolves to false when that fails, or may not be done. */
export const installPackages = async () => {
  const quiet = ['--no-audit', '--no-fund']
  if (packagesProblem() !== undefined && !mayInstall()) return false
  if (!existsSync(join(ROOT, 'node_modules'))) {
    say('Installing the npm packages into node_modules (npm ci).')
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

/** Returns the reason why the native engine cannot be compiled here and the remedy, or undefined when it can be. */
export const rustProblem = async () => {
  const expected = wantedRust()
  const line = await firstLine('cargo', ['--version'])
  if (line === undefined) {
    return `The native engine is written in Rust, and there is no cargo on the PATH. Install Rust ${expected} or newer:\n    ${RUSTUP}`
  }
  const found = /\d+\.\d+\.\d+/.exec(line)?.[0] ?? '0'
  if (isOlder(found, expected)) {
    return `The native engine needs Rust ${expected} or newer, and cargo is ${found}. Update it:\n    rustup update stable && rustup default stable`
  }
  return undefined
}

/** The folder where rustup keeps cargo; on the PATH of this process and its children from the first call on. */
const cargoFolder = () => join(process.env.CARGO_HOME ?? join(homedir(), '.cargo'), 'bin')

const addToPath = (folder) => {
  const folders = (process.env.PATH ?? '').split(delimiter)
  if (!folders.includes(folder) && existsSync(folder)) process.env.PATH = [...folders, folder].join(delimiter)
}

/** rustup's name of this machine; undefined where it has no installer that needs nothing else. */
const rustTarget = () => {
  const cpu = { x64: 'x86_64', arm64: 'aarch64' }[process.arch]
  const isMusl = process.platform === 'linux' && process.report?.getReport().header.glibcVersionRuntime === undefined
  const system = { linux: `unknown-linux-${isMusl ? 'musl' : 'gnu'}`, darwin: 'apple-darwin' }[process.platform]
  return cpu && system && `${cpu}-${system}`
}

/** Writes what an address has into a file: by curl, which knows the certificates that the system trusts, else by Node itself. */
export const download = async (url, file) => {
  if (which('curl') !== undefined) {
    const args = ['--proto', '=https', '--tlsv1.2', '-fsSL', '--retry', '2', '-o', file, url]
    const { code, output } = await run('curl', args, { quiet: true })
    if (code !== 0) throw new Error(output)
    return
  }
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url}: ${response.status}`)
  writeFileSync(file, Buffer.from(await response.arrayBuffer()))
}

/** Downloads rustup's installer, compares its checksum, and runs it. Resolves to whether it worked. */
const installRust = async () => {
  const target = rustTarget()
  if (target === undefined) return false
  const site = `${process.env.RUSTUP_UPDATE_ROOT ?? 'https://static.rust-lang.org/rustup'}/dist/${target}/rustup-init`
  const folder = mkdtempSync(join(tmpdir(), 'atrion-rustup-'))
  try {
    const file = join(folder, 'rustup-init')
    await download(site, file)
    await download(`${site}.sha256`, `${file}.sha256`)
    const found = createHash('sha256').update(readFileSync(file)).digest('hex')
    const expected = readFileSync(`${file}.sha256`, 'utf8').trim().split(/\s/)[0]
    if (found !== expected) throw new Error(`its checksum is ${found}, and ${expected} is expected`)
    chmodSync(file, 0o755)
    const args = ['-y', '--profile', 'minimal', '--component', 'rustfmt', '--component', 'clippy', '--no-modify-path']
    return (await run(file, args)).code === 0
  } catch (error) {
    console.error(`rustup could not be had: ${error.cause?.message ?? error.message}`)
    return false
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Rust as new as Cargo.toml asks for, installed or updated by rustup. Resolves to the problem that is left. */
const provideRust = async () => {
  addToPath(cargoFolder())
  if ((await rustProblem()) === undefined || !mayInstall()) return rustProblem()
  if ((await firstLine('rustup', ['--version'])) !== undefined) {
    say('Updating Rust with rustup (rustup update stable).')
    await run('rustup', ['update', 'stable'])
    await run('rustup', ['default', 'stable'])
  } else {
    const rustup = process.env.RUSTUP_HOME ?? join(homedir(), '.rustup')
    say(`Installing Rust with rustup into ${cargoFolder()} and ${rustup}; no shell profile is changed.`)
    await installRust()
  }
  addToPath(cargoFolder())
  return rustProblem()
}

/** The two components that the lints need. Resolves to the problem that is left. */
export const provideRustLints = async () => {
  const missing = []
  for (const name of ['fmt', 'clippy'])
    if ((await firstLine('cargo', [name, '--version'])) === undefined) missing.push(name)
  if (missing.length === 0) return undefined
  if (mayInstall() && (await firstLine('rustup', ['--version'])) !== undefined) {
    say('Adding rustfmt and clippy with rustup.')
    if ((await run('rustup', ['component', 'add', 'rustfmt', 'clippy'])).code === 0) return undefined
  }
  return 'cargo has no rustfmt or clippy. Add them:\n    rustup component add rustfmt clippy'
}

/** The parts of a build, and the files that each leaves. */
const BUILT = {
  native: () => readdirSync(ROOT).some((name) => name.endsWith('.node')) && existsSync(join(ROOT, 'binding.js')),
  wasm: () => ['atrion.wasm', 'fleet.wasm'].every((file) => existsSync(join(ROOT, 'dist', file))),
  ts: () =>
    ['index.cjs', join('esm', 'stream.mjs'), join('types', 'index.d.ts')].every((file) =>
      existsSync(join(ROOT, 'dist', file)),
    ),
}

/** Parts that no build has left yet, in the order in which they are built. */
export const unbuiltParts = () => Object.keys(BUILT).filter((part) => !BUILT[part]())

/** Checks for the requirements of the engine's build besides the npm packages. Resolves to problems. */
export const provideToolchain = async () => {
  const problems = [await provideProgram('compiler'), await provideRust()]
  return problems.filter((problem) => problem !== undefined)
}
