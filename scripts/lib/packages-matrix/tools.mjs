/** The package managers, bundlers and compilers that the packed package is tried with: kept in .cache/packages. */
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { npm, ROOT } from '../process.mjs'
import { say } from '../progress.mjs'

const SOURCE = join(ROOT, '__test__', '_packages', 'package.json')
export const TOOLS = join(ROOT, '.cache', 'packages')

const require = createRequire(join(TOOLS, 'package.json'))
/** Imports a tool by its name. */
export const tool = async (name) => import(pathToFileURL(require.resolve(name)).href)

/** Installs the tools that are missing. @throws Error where that fails */
export const provideTools = async () => {
  mkdirSync(TOOLS, { recursive: true })
  copyFileSync(SOURCE, join(TOOLS, 'package.json'))
  const { dependencies } = JSON.parse(readFileSync(SOURCE, 'utf8'))
  const isThere = ([name, wanted]) => {
    const manifest = join(TOOLS, 'node_modules', name, 'package.json')
    return existsSync(manifest) && wanted.endsWith(JSON.parse(readFileSync(manifest, 'utf8')).version)
  }
  if (Object.entries(dependencies).every(isThere)) return
  say('Installing package managers, bundlers and compilers (a minute or two the first time).')
  const { code } = await npm(['install', '--prefix', TOOLS, '--no-audit', '--no-fund', '--no-package-lock'])
  if (code !== 0) throw new Error('npm could not install the tools (__test__/_packages/package.json)')
}
