/**
 * The subpaths of the package whose code is the same in every runtime. A folder of `ts/` becomes one by its name in `FOLDERS`, a file of
 * `ts/adapters` or `ts/exporters` without an underscore by being there; `npm run build:ts` writes them into package.json.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './process.mjs'

/** Folders of `ts/` whose `index.ts` is a subpath of that name. */
const FOLDERS = ['core', 'simulation', 'testing', 'fleet', 'studio', 'devtools', 'hooks']
/** Folders of `ts/` each of whose files is a subpath. */
const SHELVES = ['adapters', 'exporters']

const filesOf = (folder) =>
  readdirSync(join(ROOT, 'ts', folder), { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.startsWith('_'))
    .map(({ name }) => name.replace(/\.ts$/, ''))
    .sort()

/** The subpaths with their sources, `[name, path without its extension below ts/]`. */
export const entries = () => [
  ...FOLDERS.map((name) => [name, `${name}/index`]),
  ...SHELVES.flatMap((folder) => filesOf(folder).map((name) => [name, `${folder}/${name}`])),
]

/** Bundlers take ESM whichever way it is asked for, so that a bundle has one copy; Node takes CommonJS, and other runtimes what they ask for. */
const conditionsOf = (name, source) => ({
  types: `./dist/types/${source}.d.ts`,
  module: `./dist/esm/${name}.mjs`,
  node: `./dist/${name}.cjs`,
  import: `./dist/esm/${name}.mjs`,
  default: `./dist/${name}.cjs`,
})

/** A manifest with the subpaths in its `exports` and its `typesVersions`, beside those that runtimes get in different ways: `.` and `./wasm`. */
export const withEntries = (manifest) => {
  const all = entries()
  const written = Object.fromEntries(all.map(([name, source]) => [`./${name}`, conditionsOf(name, source)]))
  const typed = Object.fromEntries(all.map(([name, source]) => [name, [`dist/types/${source}.d.ts`]]))
  const isOther = (path) => path === '.' || path.startsWith('./wasm')
  const others = Object.entries(manifest.exports).filter(([path]) => isOther(path))
  const otherTypes = Object.entries(manifest.typesVersions['*']).filter(([name]) => isOther(`./${name}`))
  return {
    ...manifest,
    typesVersions: { '*': { ...Object.fromEntries(otherTypes), ...typed } },
    exports: { ...Object.fromEntries(others), ...written, './package.json': './package.json' },
  }
}

/** Brings package.json to the subpaths that there are. */
export const writeEntries = () => {
  const path = join(ROOT, 'package.json')
  const text = readFileSync(path, 'utf8')
  const written = `${JSON.stringify(withEntries(JSON.parse(text)), null, 2)}\n`
  if (written !== text) writeFileSync(path, written)
}
