/** The addon for other platforms, as far as this machine can link it: zig for Linux and macOS. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { platforms } from '../platforms.mjs'
import { firstLine, node, ROOT, run } from '../process.mjs'
import { say } from '../progress.mjs'

/** The glibc that zig links against: an old one, so that old distributions can load the addon. */
const GLIBC = '.2.17'
const MACOS = { x64: '10.13', arm64: '11.0' }
const ZIG = join(ROOT, '.cache', 'zig')
const VERSIONS = ['ziglang==0.15.2', 'cargo-zigbuild']

/** Targets that zig links here; Windows wants runners of its own. */
const isLinkable = ({ os }) => os === 'linux' || os === 'darwin'

/** zig and cargo-zigbuild from PyPI, in a folder of their own, first on the PATH. Resolves to what is wrong. */
export const provideZig = async () => {
  const bin = join(ZIG, process.platform === 'win32' ? 'Scripts' : 'bin')
  if (!existsSync(join(bin, 'cargo-zigbuild'))) {
    say('Installing zig and cargo-zigbuild from PyPI into .cache/zig.')
    mkdirSync(ZIG, { recursive: true })
    if ((await run('python3', ['-m', 'venv', ZIG])).code !== 0) return 'python3 -m venv failed'
    if ((await run(join(bin, 'pip'), ['install', '--quiet', ...VERSIONS])).code !== 0)
      return 'pip could not install zig'
  }
  process.env.PATH = `${bin}${delimiter}${process.env.PATH}`
  return undefined
}

/** Adds Rust's standard library of a target where rustup can. */
export const addTarget = async (target) => {
  if ((await firstLine('rustup', ['target', 'list', '--installed', '--quiet']))?.includes(target) !== true)
    await run('rustup', ['target', 'add', target], { quiet: true })
}

/** The frameworks of macOS that the addons load, for the system's certificates. */
const FRAMEWORKS = ['CoreFoundation', 'Security']

/**
 * An SDK of macOS with nothing but the names of frameworks, for a linker that wants to find them: Apple's own is for its machines only. Their
 * symbols are looked up when an addon is loaded, as those of Node are.
 */
const provideNames = () => {
  const root = join(ROOT, '.cache', 'macos')
  for (const name of FRAMEWORKS) {
    const path = join('System', 'Library', 'Frameworks', `${name}.framework`)
    mkdirSync(join(root, path), { recursive: true })
    const lines = [
      '--- !tapi-tbd',
      'tbd-version: 4',
      'targets: [ x86_64-macos, arm64-macos ]',
      `install-name: '/${path}/Versions/A/${name}'`,
      '...',
    ]
    writeFileSync(join(root, path, `${name}.tbd`), `${lines.join('\n')}\n`)
  }
  return root
}

/** The environment that a compilation for macOS wants. */
const forMacOS = (cpu) => ({
  MACOSX_DEPLOYMENT_TARGET: MACOS[cpu],
  SDKROOT: process.env.SDKROOT ?? provideNames(),
})

const compile = async (platform) => {
  const { target, libc, os, cpu } = platform
  await addTarget(target)
  const args = ['native', '-x', '--target', `${target}${libc === 'glibc' ? GLIBC : ''}`]
  const env = os === 'darwin' ? forMacOS(cpu) : {}
  const { code, output } = await node(join(ROOT, 'scripts', 'build.mjs'), args, { env, quiet: true })
  return code === 0 ? undefined : output.split('\n').slice(-12).join('\n')
}

/**
 * Compiles every platform that has no binary yet, or those whose name begins with `only`; resolves to `{ name, fault? }` of each that
 * was tried.
 */
export const buildPlatforms = async (only = '') => {
  const there = new Set(readdirSync(ROOT))
  const missing = platforms().filter(
    (platform) => isLinkable(platform) && platform.name.startsWith(only) && !there.has(platform.binary),
  )
  if (missing.length === 0) return []
  const problem = await provideZig()
  if (problem !== undefined) return [{ name: 'with zig', fault: problem }]
  const results = []
  for (const platform of missing) {
    say(`Compiling for ${platform.name}.`)
    results.push({ name: platform.name, fault: await compile(platform) })
  }
  return results
}
