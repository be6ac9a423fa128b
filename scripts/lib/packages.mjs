/**
 * Programs that the tests and the lab run and npm does not bring: Redis, Valkey, OpenSSL, PostgreSQL, Chromium. They are installed where apt or
 * brew can do it; where not, a sentence says what to install. Nothing is left out in silence.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { firstLine, run } from './process.mjs'
import { say } from './progress.mjs'

/** Sharded channels, and a command line client that fails when the server does. */
const OLDEST_REDIS = 7

/** Where a command is, or undefined. */
export const which = (command) =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, command))
    .find(existsSync)

/** Runs apt-get as root, without questions; with code 127 where there is no apt or no way to become root. */
const aptGet = (args) => {
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  if (which('apt-get') === undefined) return { code: 127 }
  if (process.getuid() === 0) return run('apt-get', args, { env, quiet: true })
  if (which('sudo') === undefined) return { code: 127 }
  return run('sudo', ['-n', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', ...args], { quiet: true })
}

const install = async (names, options = []) => {
  if ((await aptGet([...options, 'update'])).code !== 0) return false
  return (await aptGet([...options, 'install', '-y', '--no-install-recommends', ...names])).code === 0
}

/** Installs the package with a command that is missing; resolves to whether the command is there then. */
const provide = async (command, { apt, brew }) => {
  if (which(command) !== undefined) return true
  say(`Installing what has ${command}.`)
  if (which('brew') === undefined) await install([apt])
  else await run('brew', ['install', brew], { quiet: true })
  return which(command) !== undefined
}

/**
 * Redis and OpenSSL, for the tests of shared state. Resolves to undefined when they are there, and otherwise to why they
 * are not and what would change that.
 */
export const provideRedis = async () => {
  if (!(await provide('redis-server', { apt: 'redis-server', brew: 'redis' })) || which('redis-cli') === undefined) {
    return 'There is no redis-server here, and shared state is tested against a real one. Install it:\n    apt-get install redis-server (Debian, Ubuntu), brew install redis (macOS)'
  }
  const version = /v=(\d+)/.exec((await firstLine('redis-server', ['--version'])) ?? '')?.[1]
  if (!(Number(version) >= OLDEST_REDIS)) {
    return `The tests need Redis ${OLDEST_REDIS} or newer, and redis-server is ${version ?? 'of no known version'}. See https://redis.io/docs/latest/operate/oss_and_stack/install/`
  }
  if (!(await provide('openssl', { apt: 'openssl', brew: 'openssl' }))) {
    return 'There is no openssl command here, which makes the certificates that TLS is tested with. Install it:\n    apt-get install openssl (Debian, Ubuntu), brew install openssl (macOS)'
  }
  return undefined
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
  say('Installing valkey-server (apt-get).')
  if (!(await install(['valkey-server']))) await installFromBackports()
  return which('valkey-server') !== undefined
}

/** Where Debian keeps PostgreSQL's programs, a folder for each version. */
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
    say('Installing PostgreSQL.')
    if (which('brew') === undefined) await install(['postgresql'])
    else await run('brew', ['install', 'postgresql'], { quiet: true })
  }
  const folder = postgresFolder()
  if (folder !== undefined) return folder
  throw new Error(
    'There is no PostgreSQL: apt-get install postgresql (Debian, Ubuntu), brew install postgresql (macOS).',
  )
}

const CHROMIUM_PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** Where Chromium is. Throws, saying how to get it, where it is not. */
export const chromiumPath = () => {
  const path = [process.env.CHROMIUM, ...CHROMIUM_PATHS].find((candidate) => candidate && existsSync(candidate))
  if (path) return path
  throw new Error('There is no Chromium: apt-get install chromium, or name one in the variable CHROMIUM.')
}

/** Debian's Chromium, where nothing else has been found. Where that fails too, `chromiumPath` says so. */
export const provideChromium = async () => {
  try {
    chromiumPath()
  } catch {
    say('Installing Chromium (apt-get).')
    await install(['chromium'])
  }
}
