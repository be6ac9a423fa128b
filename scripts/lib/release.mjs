/** Makes the published packages: the main one and one for each platform whose binary there is, as folders and as tarballs. */
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { checksumOfAddon } from './checksum.mjs'
import { manifest, packageOf, platformManifest, platforms } from './platforms.mjs'
import { npm, ROOT } from './process.mjs'

/** Of use in the repository only. */
const DEVELOPMENT = ['scripts', 'devDependencies', 'napi']
const ALWAYS = ['README.md', 'LICENSE']

const writeJson = (file, value) => writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`)

/**
 * The main package's manifest as it is published. The repository's own has no `optionalDependencies`: what a version in the making
 * depends on is in no registry yet, and `npm ci` would miss it.
 */
export const publishedManifest = () => {
  const all = manifest()
  const optionalDependencies = Object.fromEntries(platforms().map((platform) => [packageOf(platform), all.version]))
  const kept = Object.fromEntries(Object.entries(all).filter(([field]) => !DEVELOPMENT.includes(field)))
  return { ...kept, optionalDependencies }
}

/** Lays the main package out in a folder, which is made anew. */
export const stageMain = (folder) => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const { files: patterns } = manifest()
  const files = patterns.filter((pattern) => !pattern.startsWith('!'))
  for (const file of [...files, ...ALWAYS]) {
    cpSync(join(ROOT, file), join(folder, file), { recursive: true })
    // A dashboard is read by Grafana: indented, it is half as long again.
    if (file.endsWith('.json'))
      writeFileSync(join(folder, file), JSON.stringify(JSON.parse(readFileSync(join(ROOT, file), 'utf8'))))
  }
  for (const pattern of patterns) if (pattern.startsWith('!')) rmSync(join(folder, pattern.slice(1)), { force: true })
  writeFileSync(join(folder, 'package.json'), JSON.stringify(publishedManifest()))
}

/** Lays a platform's package out in a folder, around its binary; without one its description is all there is. */
export const stagePlatform = (platform, binary, folder) => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  // The addons of one build lie side by side.
  const files = binary === undefined ? [] : [binary, join(dirname(binary), platform.redisBinary)]
  for (const file of files) copyFileSync(file, join(folder, basename(file)))
  copyFileSync(join(ROOT, 'npm', platform.name, 'README.md'), join(folder, 'README.md'))
  copyFileSync(join(ROOT, 'LICENSE'), join(folder, 'LICENSE'))
  // The face compares them before it loads the binaries.
  const checksums = files.map((file) => [basename(file), checksumOfAddon(readFileSync(file))])
  const atrion = binary && { checksums: Object.fromEntries(checksums) }
  writeJson(join(folder, 'package.json'), { ...platformManifest(platform), atrion })
}

/** Packs a folder; resolves to the tarball's path. */
const packFolder = async (folder, out) => {
  mkdirSync(out, { recursive: true })
  const args = ['pack', folder, '--ignore-scripts', '--json', '--pack-destination', out]
  const { code, output } = await npm(args, { quiet: true })
  if (code !== 0) throw new Error(`npm pack ${folder}: ${output}`)
  const listed = JSON.parse(output.slice(output.search(/^[[{]/m)))
  const [{ filename }] = Array.isArray(listed) ? listed : Object.values(listed)
  const name = filename.replace('@', '').replace('/', '-')
  if (!existsSync(join(out, name))) renameSync(join(out, filename), join(out, name))
  return join(out, name)
}

/** The folders in which binaries are looked for: the repository's root, where a build leaves them, then `artifacts/`, where CI collects them. */
const binaryFolders = () => {
  const collected = join(ROOT, 'artifacts')
  const below = existsSync(collected) ? readdirSync(collected, { recursive: true, withFileTypes: true }) : []
  return [
    ROOT,
    collected,
    ...below.filter((entry) => entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name)),
  ]
}

/** Platforms with the path of their engine's addon, undefined for those that have not both addons here. */
export const binaries = (folders = binaryFolders()) =>
  platforms().map((platform) => ({
    platform,
    binary: folders
      .filter((folder) => existsSync(join(folder, platform.redisBinary)))
      .map((folder) => join(folder, platform.binary))
      .find((file) => existsSync(file)),
  }))

/**
 * Packs everything there is into `out`; resolves to `{ name, file, folder, platform? }` for each package.
 *
 * @param options `isWhole`: packages whose binary is missing are packed without it, as lock files of other platforms name them
 */
export const packAll = async (out, { found = binaries(), isWhole = false } = {}) => {
  rmSync(out, { recursive: true, force: true })
  const stage = join(out, 'stage')
  const packed = []
  for (const { platform, binary } of found) {
    if (binary === undefined && !isWhole) continue
    const folder = join(stage, platform.name)
    stagePlatform(platform, binary, folder)
    packed.push({ name: packageOf(platform), platform, folder, file: await packFolder(folder, out) })
  }
  const folder = join(stage, 'atrion')
  stageMain(folder)
  packed.push({ name: 'atrion', folder, file: await packFolder(folder, out) })
  return packed
}
