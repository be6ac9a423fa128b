/** One version everywhere: `npm run version -- --help`. `npm version` runs it. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { cliOf } from './lib/cli.mjs'
import { manifest, packageOf, platformManifest, platforms } from './lib/platforms.mjs'
import { ROOT, run } from './lib/process.mjs'

const readmeOf = (platform) => `# ${packageOf(platform)}

The native engine of [atrion](https://www.npmjs.com/package/atrion) for ${platform.title}. Install \`atrion\`: it brings this package where
it fits, and runs in WebAssembly where it is missing.
`

/** The version of the crate itself, in its manifest or in a lock file. */
const CRATE = /(name = "atrion"\nversion = ")[^"]+/

const withCrateVersion = (file, version) =>
  readFileSync(join(ROOT, file), 'utf8')
    .replace(/\r\n/g, '\n')
    .replace(CRATE, (_, before) => before + version)

/** The content of every file that carries the version, by path. */
const versionedFiles = () => {
  const { version } = manifest()
  const files = Object.fromEntries(
    ['Cargo.toml', 'Cargo.lock']
      .filter((file) => existsSync(join(ROOT, file)))
      .map((file) => [file, withCrateVersion(file, version)]),
  )
  for (const platform of platforms()) {
    const folder = `npm/${platform.name}`
    files[`${folder}/package.json`] = `${JSON.stringify(platformManifest(platform), null, 2)}\n`
    files[`${folder}/README.md`] = readmeOf(platform)
  }
  return files
}

/** Folders of platforms that are none any more. */
const leftFolders = () => {
  const names = new Set(platforms().map(({ name }) => name))
  const folder = join(ROOT, 'npm')
  return existsSync(folder) ? readdirSync(folder).filter((name) => !names.has(name)) : []
}

const USAGE = `Usage: npm run version -- [options]

Brings Cargo.toml, Cargo.lock and the platform packages under npm/ to the version and the targets of package.json.

  --check   write nothing; list what is out of step, and exit with 1 when anything is
  --help    this text`

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = cliOf(USAGE, { options: { check: { type: 'boolean', default: false } } })
  const isCheck = values.check
  const stale = Object.entries(versionedFiles()).filter(([file, content]) => {
    const path = join(ROOT, file)
    return !existsSync(path) || readFileSync(path, 'utf8').replace(/\r\n/g, '\n') !== content
  })
  const left = leftFolders()
  for (const [file] of stale) console.log(`${isCheck ? 'out of step' : 'written'}: ${file}`)
  for (const name of left) console.log(`${isCheck ? 'no platform' : 'removed'}: npm/${name}`)
  if (isCheck) process.exit(stale.length + left.length === 0 ? 0 : 1)
  for (const [file, content] of stale) {
    mkdirSync(dirname(join(ROOT, file)), { recursive: true })
    writeFileSync(join(ROOT, file), content)
  }
  for (const name of left) rmSync(join(ROOT, 'npm', name), { recursive: true })
  // `npm version` commits what is staged.
  if (process.env.npm_lifecycle_event === 'version') {
    const { code } = await run('git', ['add', '--all', ...Object.keys(versionedFiles()), 'npm'])
    process.exit(code)
  }
}
