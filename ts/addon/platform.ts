/** The packages that may hold the addon of this process, likeliest first. */

import { builtin } from '../base/builtin.js'
import { inspect, withFile } from './binary.js'

export type Libc = 'glibc' | 'musl'

const SCOPE = '@atrion/native-'
/** Platforms that a binary is published for, the C library left out. */
const BUILT: readonly string[] = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64', 'win32-x64', 'win32-arm64']
/** Platforms whose name has no C library in it. */
const SUFFIX: Readonly<Record<string, string>> = { win32: '-msvc' }

export const isBuilt = (): boolean => BUILT.includes(`${process.platform}-${process.arch}`)

let libc: Libc | undefined | null = null

/**
 * The C library this process runs on, as its own binary asks for it; undefined where that can't be known, and on systems that
 * have only one.
 */
export function libcOfProcess(): Libc | undefined {
  if (libc === null) libc = process.platform === 'linux' ? readLibc() : undefined
  return libc
}

function readLibc(): Libc | undefined {
  try {
    const { libc: linked } = withFile(process.execPath, (_, read) => inspect(read))
    if (linked !== undefined) return linked
  } catch {
    // The binary may not be read, as under the permission model; one that was started by its loader is not what runs.
  }
  try {
    // Slow where there are many network interfaces.
    const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } }
    return header.glibcVersionRuntime === undefined ? 'musl' : 'glibc'
  } catch {
    return undefined
  }
}

/** `linux-x64-gnu`: names of platforms as packages and files carry them. */
export function platformNames(): string[] {
  const { platform, arch } = process
  const name = `${platform}-${arch}`
  if (platform !== 'linux') return [`${name}${SUFFIX[platform] ?? ''}`]
  const both = [`${name}-gnu`, `${name}-musl`]
  return libcOfProcess() === 'musl' ? both.reverse() : both
}

export const packageOf = (platformName: string): string => `${SCOPE}${platformName}`

/**
 * The folder of a platform's package: near `root`, else as `bases` find it, else near the place that `root` links to, which
 * Node does not look at under --preserve-symlinks. @throws what the last of `bases` met
 */
export function folderOf(name: string, root: string | undefined, bases: readonly string[]): string {
  const near = nearFolder(name, root)
  if (near !== undefined) return near
  try {
    return resolveFolder(name, bases)
  } catch (error) {
    const linked = root && nearFolder(name, builtin('node:fs').realpathSync(root))
    if (linked) return linked
    throw error
  }
}

/** The folder of a package where installs put it: below the package's own, or beside it. To look there takes less than to resolve it. */
function nearFolder(name: string, root: string | undefined): string | undefined {
  if (root === undefined) return undefined
  const { basename, dirname, join } = builtin('node:path')
  const beside = dirname(root)
  const folders = [
    join(root, 'node_modules', name),
    ...(basename(beside) === 'node_modules' ? [join(beside, name)] : []),
  ]
  return folders.find((folder) => builtin('node:fs').existsSync(join(folder, 'package.json')))
}

/** The folder of a package as one of `bases` finds it; rethrows what the last of them met. */
export function resolveFolder(name: string, bases: readonly string[]): string {
  const { createRequire } = builtin('node:module')
  const { dirname } = builtin('node:path')
  let failure: unknown = new Error('there is no folder to search from')
  for (const base of bases) {
    try {
      return dirname(createRequire(base).resolve(`${name}/package.json`))
    } catch (error) {
      failure = error
    }
  }
  throw failure
}
