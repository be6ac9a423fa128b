/**
 * The Rust addons: the engine's, looked for beside the package and among its platform packages, and that of the client of Redis, which lies
 * beside the engine's. Each is checked by its content before it is loaded. Every attempt's cause is kept.
 */

import { builtin } from '../base/builtin.js'
import { define } from '../base/own.js'
import { type Binary, checksumOf, inspect, withFile } from './binary.js'
import { folderOf, isBuilt, libcOfProcess, packageOf, platformNames, resolveFolder } from './platform.js'

/** The package's version, put in when it is built. */
declare const ATRION_VERSION: string
export const VERSION: string = ATRION_VERSION

/** The functions that this version of the package calls; an addon without one of them is another version's. */
const EXPORTS = ['NativeEngine', 'Link', 'takePanic', 'socketAgeMs', 'instructionSet', 'watchLoop'] as const
/** ... and those of the addon beside it. */
const REDIS_EXPORTS = ['RedisLink'] as const

export interface Attempt {
  /** A package, or the path of a file. */
  readonly what: string
  readonly cause: string
  /** The command that mends it. */
  readonly remedy: string
  /** True when the addon is installed, but cannot be used. */
  readonly isThere: boolean
}

/** No addon could be loaded. */
export class AddonError extends Error {
  readonly attempts: readonly Attempt[]
  readonly remedy: string

  constructor(attempts: readonly Attempt[]) {
    super(attempts.map(({ what, cause }) => `${what} ${cause}`).join('; '))
    define(this, 'name', 'AddonError')
    this.attempts = attempts
    // A binary that was there and could not be used says more than one that was not there.
    this.remedy = (attempts.find(({ isThere }) => isThere) ?? attempts[0])?.remedy ?? REINSTALL
  }
}

export interface Addon {
  readonly binding: object
  readonly path: string
  /** The attempts before it. */
  readonly attempts: readonly Attempt[]
  readonly manifest: Manifest | undefined
  /** The command that puts its files there anew. */
  readonly reinstall: string
}

const INSTALL = 'npm install --save-optional'
const REINSTALL = 'npm install --include=optional'
/** Lays every package anew: a package of the right version npm leaves as it is otherwise, with --force too. */
const RENEW = 'npm ci --include=optional'

class Unusable extends Error {
  constructor(
    message: string,
    readonly remedy?: string,
  ) {
    super(message)
  }
}

/** The place of this code: its own file, or the bundle that it is part of. Bundlers may promise either name without there being one. */
function ownFiles(): (string | undefined)[] {
  const files: (string | undefined)[] = []
  for (const read of [() => __filename, () => import.meta.url]) {
    try {
      files.push(read())
    } catch {
      // Not in this format.
    }
  }
  return files
}

const WINDOWS_PATH = /^(?:[A-Za-z]:[\\/]|\\\\)/
const isPlace = (base: string | undefined): base is string =>
  base !== undefined && (base.startsWith('/') || base.startsWith('file:') || WINDOWS_PATH.test(base))

/** Files to look from; a bundle is looked at as the program that runs it, too. */
function basesOf(): string[] {
  return [...ownFiles(), process.argv[1]].filter(isPlace)
}

/** The package's own folder, where there is one: in a bundle there may be none. */
function rootFrom(bases: readonly string[]): string | undefined {
  const { sep } = builtin('node:path')
  const [own = ''] = bases
  const installed = `${sep}node_modules${sep}atrion${sep}`
  const at = own.lastIndexOf(`${installed}dist${sep}`)
  if (at >= 0) return own.slice(0, at + installed.length - 1)
  try {
    return resolveFolder('atrion', bases)
  } catch {
    return undefined
  }
}

/** The reason for which a binary can't be loaded into this process; undefined when it can. */
function misfit({ format, platform, archs, libc, bytes }: Binary, length: number): string | undefined {
  if (bytes !== undefined && bytes > length) return `is cut short: it has ${length} bytes of at least ${bytes}`
  if (format === undefined) return 'is damaged: its content is not a binary'
  if (platform !== process.platform) return `is a ${format} binary for ${platform}, and this is ${process.platform}`
  if (!archs?.includes(process.arch)) return `is built for ${archs?.join(' and ')}, and this is ${process.arch}`
  const own = libcOfProcess()
  if (libc && own && libc !== own) return `is linked with ${libc}, and this process runs on ${own}`
  return undefined
}

interface Manifest {
  readonly version?: string
  readonly main?: string
  /** Checksums of the binaries as they were published, by file. */
  readonly atrion?: { readonly checksums?: Readonly<Record<string, number>> }
}

/** The length of a file. To open a pipe would wait for its writer, and a device may have no end. @throws Unusable */
function lengthOf(path: string, reinstall: string): number {
  const stat = builtin('node:fs').statSync(path)
  if (stat.isFile()) return stat.size
  throw new Unusable(`is damaged: ${builtin('node:path').basename(path)} is no regular file`, reinstall)
}

/** The manifest in a package's folder. @throws Unusable */
function manifestOf(folder: string, reinstall: string): Manifest {
  const file = builtin('node:path').join(folder, 'package.json')
  lengthOf(file, reinstall)
  const content = builtin('node:fs').readFileSync(file, 'utf8')
  let manifest: Manifest | null | undefined
  try {
    manifest = JSON.parse(content) as Manifest | null
  } catch {
    // As one that has no version.
  }
  if (typeof manifest?.version === 'string' && typeof (manifest.main ?? '') === 'string') return manifest
  throw new Unusable('is damaged: its package.json describes no package', reinstall)
}

/** Loads one file. @throws Unusable, or what the loader of Node threw */
function load(
  path: string,
  manifest: Manifest | undefined,
  reinstall: string,
  exports: readonly string[] = EXPORTS,
): object {
  const length = lengthOf(path, reinstall)
  const expected = manifest?.atrion?.checksums?.[builtin('node:path').basename(path)]
  withFile(path, (file, read) => {
    const misfitting = misfit(inspect(read), length)
    if (misfitting !== undefined) throw new Unusable(misfitting, reinstall)
    if (expected !== undefined && checksumOf(file, length) !== expected) {
      throw new Unusable('is damaged: its checksum is not the one that was published', reinstall)
    }
  })
  const binding = builtin('node:module').createRequire(path)(path) as Record<string, unknown>
  const version = typeof binding?.VERSION === 'string' ? binding.VERSION : 'older than 3.0.0'
  if (version !== VERSION) throw new Unusable(`is version ${version}, and ${VERSION} is expected`, reinstall)
  const missing = exports.filter((name) => typeof binding[name] !== 'function')
  if (missing.length > 0) throw new Unusable(`lacks ${missing.join(', ')}`, reinstall)
  return binding
}

/** The message of Node on a binary that it can't load, on one line. */
function causeOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (error instanceof Unusable) return message
  if (code === 'ERR_DLOPEN_DISABLED') {
    return `may not be loaded: this process runs ${isRestricted() ? 'without --allow-addons' : 'with --no-addons'}`
  }
  if (code === 'ERR_ACCESS_DENIED') return 'may not be read: this process runs without --allow-fs-read for it'
  if (code === 'EACCES') return 'may not be read by the user that this process runs as'
  return `could not be loaded: ${String(message ?? error).split('\n', 1)[0]}`
}

/** True under Node's permission model. */
const isRestricted = (): boolean => (process as { permission?: unknown }).permission !== undefined

/** The flag of the permission model in this version of Node. */
const permissionFlag = (): string =>
  ['--permission', '--experimental-permission'].find((flag) => process.allowedNodeEnvironmentFlags.has(flag))!

function remedyOf(error: unknown, otherwise: string): string {
  if (error instanceof Unusable) return error.remedy ?? otherwise
  const { code, path } = error as NodeJS.ErrnoException
  switch (code) {
    case 'ERR_DLOPEN_DISABLED':
      return isRestricted() ? `node ${permissionFlag()} --allow-addons` : 'node --addons'
    case 'ERR_ACCESS_DENIED':
      return `node ${permissionFlag()} --allow-addons --allow-fs-read=*`
    case 'EACCES':
      return path === undefined ? otherwise : `chmod a+r "${path}"`
    default:
      return otherwise
  }
}

const isMissing = ({ code }: NodeJS.ErrnoException): boolean => code === 'MODULE_NOT_FOUND' || code === 'ENOENT'

function search(): Addon {
  const bases = basesOf()
  const root = rootFrom(bases)
  const { join } = builtin('node:path')
  const attempts: Attempt[] = []
  const attempt = (what: string, install: string, reinstall: string, find: () => object): object | undefined => {
    try {
      return find()
    } catch (error) {
      const isThere = !isMissing(error as NodeJS.ErrnoException)
      const cause = isThere ? causeOf(error) : 'is not installed'
      attempts.push({ what, cause, remedy: remedyOf(error, isThere ? reinstall : install), isThere })
      return undefined
    }
  }
  const names = platformNames()
  for (const name of root === undefined ? [] : names) {
    const path = join(root!, `atrion.${name}.node`)
    // Only where it was built: what was installed has none beside it.
    if (!builtin('node:fs').existsSync(path)) continue
    const rebuild = 'npm run build:native'
    const binding = attempt(path, rebuild, rebuild, () => load(path, undefined, rebuild))
    if (binding) return { binding, path, attempts, manifest: undefined, reinstall: rebuild }
  }
  if (!isBuilt()) {
    const what = `${process.platform}-${process.arch}`
    attempts.push({ what, cause: 'has no prebuilt binary', remedy: `new Atrion({ engine: 'wasm' })`, isThere: false })
    throw new AddonError(attempts)
  }
  const from = root === undefined ? bases : [join(root, 'package.json'), ...bases]
  for (const name of names) {
    const pkg = packageOf(name)
    const install = `${INSTALL} ${pkg}@${VERSION}`
    let path = ''
    let manifest: Manifest | undefined
    const binding = attempt(pkg, install, RENEW, () => {
      const folder = folderOf(pkg, root, from)
      manifest = manifestOf(folder, RENEW)
      if (manifest.version !== VERSION) {
        throw new Unusable(`is version ${manifest.version}, and ${VERSION} is expected`, install)
      }
      const main = manifest.main ?? `atrion.${name}.node`
      path = join(folder, main)
      try {
        return load(path, manifest, RENEW)
      } catch (error) {
        throw isMissing(error as NodeJS.ErrnoException) ? new Unusable(`is damaged: it lacks ${main}`, RENEW) : error
      }
    })
    if (binding) return { binding, path, attempts, manifest, reinstall: RENEW }
  }
  throw new AddonError(attempts)
}

/** The result of `search`, or the reasons for which it finds nothing. */
const outcomeOf = <T>(search: () => T): T | AddonError => {
  try {
    return search()
  } catch (error) {
    if (error instanceof AddonError) return error
    const cause = `failed: ${(error as Error | null)?.message ?? error}`
    return new AddonError([{ what: 'the search for it', cause, remedy: REINSTALL, isThere: false }])
  }
}

let found: Addon | AddonError | undefined

/** The addon of the engine, searched for once a thread. @throws AddonError with every cause */
export function loadAddon(): Addon {
  found ??= outcomeOf(search)
  if (found instanceof AddonError) throw found
  return found
}

/** The exports of the addon. @throws AddonError */
export const loadBinding = (): unknown => loadAddon().binding

/** The addon of the client of Redis: of the same build, in the folder of the engine's. */
function searchRedis(): object {
  const { path, manifest, reinstall } = loadAddon()
  const file = path.replace(/atrion(?=\.[^/\\]*$)/, 'atrion-redis')
  try {
    return load(file, manifest, reinstall, REDIS_EXPORTS)
  } catch (error) {
    const isThere = !isMissing(error as NodeJS.ErrnoException)
    const cause = isThere ? causeOf(error) : 'is missing'
    throw new AddonError([{ what: file, cause, remedy: remedyOf(error, reinstall), isThere }])
  }
}

let foundRedis: object | undefined

/** The exports of the addon of the client of Redis, searched for once a thread. @throws AddonError */
export function loadRedisBinding(): object {
  foundRedis ??= outcomeOf(searchRedis)
  if (foundRedis instanceof AddonError) throw foundRedis
  return foundRedis
}
