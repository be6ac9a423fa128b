/**
 * Programs that the tests, the lab and the demos run and npm does not bring: a C compiler, Redis, Valkey, OpenSSL, PostgreSQL, PgBouncer,
 * memcached, Prometheus, Chromium. They
 * are installed where the machine's package manager can do it and `--no-install` was not given; where not, a sentence says what to install.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { firstLine, run } from './process.mjs'
import { say } from './progress.mjs'

/** Sharded channels, and a command line client that fails when the server does. */
const OLDEST_REDIS = 7

/** Returns the path of a command, or undefined. */
export const which = (command) =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, command))
    .find(existsSync)

/** Returns whether missing programs may be installed: `--no-install` forbids it, for scripts that this one starts as well. */
export const mayInstall = () => process.env.ATRION_NO_INSTALL !== '1'

/** Package managers in the order in which they are looked for. */
const MANAGERS = {
  'apt-get': { isRoot: true, refresh: ['update'], install: ['install', '-y', '--no-install-recommends'] },
  dnf: { isRoot: true, refresh: undefined, install: ['install', '-y'] },
  apk: { isRoot: true, refresh: undefined, install: ['add', '--no-cache'] },
  brew: { isRoot: false, refresh: undefined, install: ['install'] },
}

const managerOf = () => Object.keys(MANAGERS).find((name) => which(name) !== undefined)

/** Runs a command as root, without questions; with code 127 where there is no way to become root. */
const asRoot = (command, args) => {
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  if (process.getuid?.() === 0) return run(command, args, { env, quiet: true })
  if (which('sudo') === undefined) return { code: 127 }
  return run('sudo', ['-n', 'DEBIAN_FRONTEND=noninteractive', command, ...args], { quiet: true })
}

/** Installs packages with the machine's package manager. Resolves to whether it could. */
export const install = async (names, options = []) => {
  const manager = managerOf()
  if (manager === undefined || !mayInstall()) return false
  const { isRoot, refresh, install: args } = MANAGERS[manager]
  const call = isRoot ? asRoot : (command, rest) => run(command, rest, { quiet: true })
  if (refresh !== undefined && (await call(manager, [...options, ...refresh])).code !== 0) return false
  return (await call(manager, [...options, ...args, ...names])).code === 0
}

/**
 * Programs that npm does not bring, and the packages that have them.
 *
 * @type {Record<string, { command: string, why: string, packages: Record<string, string> }>}
 */
const PROGRAMS = {
  compiler: {
    command: 'cc',
    why: 'a C compiler, which links the native engine',
    packages: { 'apt-get': 'build-essential', dnf: 'gcc', apk: 'build-base' },
  },
  redis: {
    command: 'redis-server',
    why: 'a Redis server, which shared state is shown and tested with',
    packages: { brew: 'redis', 'apt-get': 'redis-server', dnf: 'redis', apk: 'redis' },
  },
  qemu: {
    command: 'qemu-aarch64',
    why: 'qemu, in which the package is tried on arm64',
    packages: { 'apt-get': 'qemu-user' },
  },
  valgrind: {
    command: 'valgrind',
    why: 'valgrind, which counts instructions',
    packages: { 'apt-get': 'valgrind', dnf: 'valgrind', apk: 'valgrind' },
  },
  promtool: {
    command: 'promtool',
    why: 'Prometheus with promtool, which the metrics, the alerts and the dashboard are checked with',
    packages: { brew: 'prometheus', 'apt-get': 'prometheus' },
  },
  pgbouncer: {
    command: 'pgbouncer',
    why: 'PgBouncer, which shared state in PostgreSQL is tested through',
    packages: { brew: 'pgbouncer', 'apt-get': 'pgbouncer', dnf: 'pgbouncer', apk: 'pgbouncer' },
  },
  memcached: {
    command: 'memcached',
    why: 'memcached, which the guide builds a store over',
    packages: { brew: 'memcached', 'apt-get': 'memcached', dnf: 'memcached', apk: 'memcached' },
  },
  openssl: {
    command: 'openssl',
    why: 'OpenSSL, which makes the certificates that TLS is tested with',
    packages: { brew: 'openssl', 'apt-get': 'openssl', dnf: 'openssl', apk: 'openssl' },
  },
}

/** Returns the commands that install a program by hand: one line for each package manager, that of this machine alone where there is one. */
const howToInstall = (packages) => {
  const own = managerOf()
  return Object.entries(packages)
    .filter(([manager]) => own === undefined || packages[own] === undefined || manager === own)
    .map(
      ([manager, name]) =>
        `${manager} ${MANAGERS[manager].install.filter((arg) => !arg.startsWith('-')).join(' ')} ${name}`,
    )
    .join(', or ')
}

/** The sentence that says what is missing and how to install it; undefined when it is there. */
export const programProblem = (id) => {
  const { command, why, packages } = PROGRAMS[id]
  // On Windows, rustup asks for the compiler that it needs.
  if (which(command) !== undefined || (process.platform === 'win32' && id === 'compiler')) return undefined
  const hint = process.platform === 'darwin' && id === 'compiler' ? 'xcode-select --install' : howToInstall(packages)
  return `There is no ${command} here: ${why}. Install it:\n    ${hint}`
}

/** Installs a program where it is missing and may be. Resolves to the problem that is left. */
export const provideProgram = async (id) => {
  const { command, packages } = PROGRAMS[id]
  const name = packages[managerOf()]
  if (programProblem(id) !== undefined && name !== undefined && mayInstall()) {
    say(`Installing ${name}, for ${command}, with ${managerOf()}: for the whole machine.`)
    await install([name])
  }
  return programProblem(id)
}

/**
 * Redis and OpenSSL, for the tests of shared state. Resolves to undefined when they are there, and otherwise to why they
 * are not and what would change that.
 */
export const provideRedis = async () => {
  const missing = (await provideProgram('redis')) ?? (await provideProgram('openssl'))
  if (missing !== undefined) return missing
  const version = /v=(\d+)/.exec((await firstLine('redis-server', ['--version'])) ?? '')?.[1]
  if (Number(version) >= OLDEST_REDIS) return undefined
  return `The tests need Redis ${OLDEST_REDIS} or newer, and redis-server is ${version ?? 'of no known version'}. See https://redis.io/docs/latest/operate/oss_and_stack/install/`
}

/** Debian 12 has Valkey among its backports only; they are asked for this one package and not added to the machine's sources. */
const installFromBackports = async () => {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : ''
  if (!/^ID=debian$/m.test(release) || !/^VERSION_CODENAME=bookworm$/m.test(release)) return false
  const folder = mkdtempSync(join(tmpdir(), 'atrion-apt-'))
  const list = join(folder, 'sources.list')
  writeFileSync(
    list,
    'deb http://deb.debian.org/debian bookworm main\ndeb http://deb.debian.org/debian bookworm-backports main\n',
  )
  const only = [`Dir::Etc::SourceList=${list}`, 'Dir::Etc::SourceParts=-', 'APT::Get::List-Cleanup=0']
  const installed = await install(
    ['valkey-server'],
    only.flatMap((option) => ['-o', option]),
  )
  rmSync(folder, { recursive: true })
  return installed
}

/** Valkey, which is tested besides Redis where it can be had. Resolves to whether it is there. */
export const provideValkey = async () => {
  if (which('valkey-server') !== undefined) return true
  if (which('apt-get') === undefined || !mayInstall()) return false
  say('Installing valkey-server with apt-get: for the whole machine.')
  if (!(await install(['valkey-server']))) await installFromBackports()
  return which('valkey-server') !== undefined
}

/** The folder of PostgreSQL's programs on Debian, with one folder for each version. */
const POSTGRES_FOLDER = '/usr/lib/postgresql'

const postgresFolder = () => {
  const versions = existsSync(POSTGRES_FOLDER) ? readdirSync(POSTGRES_FOLDER) : []
  const newest = versions.sort((a, b) => Number(b) - Number(a)).map((version) => join(POSTGRES_FOLDER, version, 'bin'))
  const onPath = (process.env.PATH ?? '').split(delimiter)
  return [...newest, ...onPath].find((folder) => existsSync(join(folder, 'initdb')))
}

/** The folder of PostgreSQL's programs, installed where they are missing. Throws, saying how to get them, where that fails. */
export const providePostgres = async () => {
  if (postgresFolder() === undefined) {
    say(`Installing PostgreSQL with ${managerOf() ?? 'no package manager'}: for the whole machine.`)
    await install([{ dnf: 'postgresql-server' }[managerOf()] ?? 'postgresql'])
  }
  const folder = postgresFolder()
  if (folder !== undefined) return folder
  throw new Error(
    'There is no PostgreSQL: apt-get install postgresql (Debian, Ubuntu), brew install postgresql (macOS).',
  )
}

const CHROMIUM_PATHS = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]

/** Returns the path of Chromium. Throws, naming the command that installs it, where there is none. */
export const chromiumPath = () => {
  const path = [process.env.CHROMIUM, ...CHROMIUM_PATHS].find((candidate) => candidate && existsSync(candidate))
  if (path) return path
  throw new Error('There is no Chromium: apt-get install chromium, or name one in the variable CHROMIUM.')
}

/** Returns the reason why there is no Chromium and the command that installs it; undefined when there is one. */
export const chromiumProblem = () => {
  try {
    chromiumPath()
    return undefined
  } catch (error) {
    return error.message
  }
}

/** Installs Chromium where none has been found and it may be. Resolves to the problem that is left. */
export const provideChromium = async () => {
  if (chromiumProblem() !== undefined && managerOf() !== undefined && mayInstall()) {
    say(`Installing Chromium with ${managerOf()}: for the whole machine.`)
    await install(['chromium'])
  }
  return chromiumProblem()
}
